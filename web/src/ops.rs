//! The ops of the page: their options with PyTorch's defaults, and descriptors of what a visitor typed.

use std::{fmt::Display, ops::Range, str::FromStr};

use serde::{Deserialize, Serialize};
use wgpu_norm::{
    Activation, BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm, LpNormalize, Norm,
    Order, RmsNorm,
};

/// What is wanted, as a visitor typed it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Request {
    /// The name of an [`Op`].
    pub op: String,
    /// `forward` or `backward`.
    pub direction: String,
    /// Lengths of axes, of random numbers; a file has its own.
    pub shape: String,
    /// `f32`, `f16` or `bf16`.
    pub dtype: String,
    /// The name of the file whose bytes come with the request.
    pub file: Option<String>,
    pub axes: String,
    pub p: String,
    pub groups: String,
    pub size: String,
    pub alpha: String,
    pub beta: String,
    pub k: String,
    pub eps: String,
    pub activation: String,
    pub layout: String,
    /// `yes` or `no`: whether there are a weight and a bias, where the op has them. A file says so itself.
    pub affine: String,
}

/// An option of an op: the name of its field in the form and in a [`Request`], and its default.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Field(pub &'static str, pub &'static str);

/// An op that the page offers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Op {
    pub name: &'static str,
    pub label: &'static str,
    /// What it normalizes: the group of the list that it is in.
    pub over: &'static str,
    /// The shape that the form begins with.
    pub shape: &'static str,
    pub fields: &'static [Field],
}

const ROWS: &str = "Axes of a tensor";
const CHANNELS: &str = "Channels of images";
/// A visitor sees a result at once, also without a GPU.
const ROWS_SHAPE: &str = "1024, 768";
const CHANNELS_SHAPE: &str = "8, 64, 32, 32";

const ACTIVATION: Field = Field("activation", "none");
const LAYOUT: Field = Field("layout", "first");
const EPS: Field = Field("eps", "1e-5");
const WEIGHT: Field = Field("affine", "yes");
/// PyTorch has no default for these two. They are those of the papers.
const GROUPS: Field = Field("groups", "32");
const SIZE: Field = Field("size", "5");

pub const OPS: [Op; 8] = [
    Op {
        name: "layer_norm",
        label: "layer norm",
        over: ROWS,
        shape: ROWS_SHAPE,
        fields: &[Field("axes", "-1"), EPS, WEIGHT, ACTIVATION],
    },
    Op {
        name: "rms_norm",
        label: "RMS norm",
        over: ROWS,
        shape: ROWS_SHAPE,
        fields: &[Field("axes", "-1"), Field("eps", "1.1920929e-7"), WEIGHT, ACTIVATION],
    },
    Op {
        name: "lp_normalize",
        label: "L2 or L1 normalization",
        over: ROWS,
        shape: ROWS_SHAPE,
        fields: &[Field("axes", "1"), Field("p", "2"), Field("eps", "1e-12"), ACTIVATION],
    },
    Op {
        name: "group_norm",
        label: "group norm",
        over: CHANNELS,
        shape: CHANNELS_SHAPE,
        fields: &[GROUPS, EPS, WEIGHT, ACTIVATION, LAYOUT],
    },
    Op {
        name: "instance_norm",
        label: "instance norm",
        over: CHANNELS,
        shape: CHANNELS_SHAPE,
        fields: &[EPS, Field("affine", "no"), ACTIVATION, LAYOUT],
    },
    Op {
        name: "batch_norm",
        label: "batch norm, training",
        over: CHANNELS,
        shape: CHANNELS_SHAPE,
        fields: &[EPS, WEIGHT, ACTIVATION, LAYOUT],
    },
    Op {
        name: "batch_norm_inference",
        label: "batch norm, inference",
        over: CHANNELS,
        shape: CHANNELS_SHAPE,
        fields: &[EPS, WEIGHT, ACTIVATION, LAYOUT],
    },
    Op {
        name: "local_response_norm",
        label: "local response norm",
        over: CHANNELS,
        shape: CHANNELS_SHAPE,
        fields: &[SIZE, Field("alpha", "1e-4"), Field("beta", "0.75"), Field("k", "1"), LAYOUT],
    },
];

/// Of these the op alone does not tell what was computed.
const ALWAYS_TOLD: [&str; 3] = ["groups", "size", "p"];

impl Request {
    /// Each op in both directions, at one number of elements: more than a software adapter could do soon.
    pub fn all(software: bool) -> Vec<Self> {
        let [rows, channels] = if software { ["512, 1024", CHANNELS_SHAPE] } else { ["4096, 1024", "16, 64, 64, 64"] };
        let of = |op: &Op, direction: &str| {
            let mut request = Self {
                op: op.name.into(),
                direction: direction.into(),
                shape: if op.over == ROWS { rows } else { channels }.into(),
                dtype: "f32".into(),
                ..Self::default()
            };
            for Field(name, default) in op.fields {
                if let Some(value) = request.field_mut(name) {
                    *value = (*default).into();
                }
            }
            request
        };
        OPS.iter().flat_map(|op| [of(op, "forward"), of(op, "backward")]).collect()
    }

    fn fields(&mut self) -> [(&'static str, &mut String); 11] {
        let Self { axes, p, groups, size, alpha, beta, k, eps, activation, layout, affine, .. } = self;
        [
            ("axes", axes),
            ("p", p),
            ("groups", groups),
            ("size", size),
            ("alpha", alpha),
            ("beta", beta),
            ("k", k),
            ("eps", eps),
            ("activation", activation),
            ("layout", layout),
            ("affine", affine),
        ]
    }

    fn field_mut(&mut self, name: &str) -> Option<&mut String> {
        self.fields().into_iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The options that are not the op's defaults, and those without which a result says little.
    pub fn options(&self) -> String {
        let Some(op) = OPS.iter().find(|op| op.name == self.op) else { return String::new() };
        let mut request = self.clone();
        let told = op.fields.iter().filter_map(|Field(name, default)| {
            let value = request.field_mut(name)?.trim().to_owned();
            // A file says itself what weights there are.
            let tells = !value.is_empty() && (value != *default || ALWAYS_TOLD.contains(name));
            tells.then(|| format!("{name}={}", value.replace(' ', "")))
        });
        told.collect::<Vec<_>>().join(" ")
    }

    /// The lengths of axes.
    pub fn axis_lengths(&self) -> Result<Vec<usize>, String> {
        let parts = self.shape.split(|c: char| c.is_whitespace() || ",x×".contains(c)).filter(|part| !part.is_empty());
        let lengths = parts.map(str::parse).collect::<Result<Vec<_>, _>>().ok();
        let wrong = || wrong("shape", &self.shape, "lengths of axes such as 1024, 768");
        lengths.filter(|lengths| !lengths.is_empty()).ok_or_else(wrong)
    }

    pub fn dtype(&self) -> Result<DType, String> {
        let types = [DType::F32, DType::F16, DType::BF16];
        types
            .into_iter()
            .find(|dtype| dtype.to_string() == self.dtype)
            .ok_or_else(|| wrong("dtype", &self.dtype, "f32, f16 or bf16"))
    }

    /// The descriptor for a tensor of this shape, with a weight and a bias or without.
    pub fn op(&self, shape: &[usize], [weight, bias]: [bool; 2]) -> Result<Box<dyn Norm>, String> {
        let dtype = self.dtype()?;
        let backward = match &*self.direction {
            "forward" => false,
            "backward" => true,
            other => return Err(wrong("direction", other, "forward or backward")),
        };
        // The setters are the ops' own, so that a function could not take any op.
        macro_rules! boxed {
            ($op:expr $(, $setter:ident($value:expr))*) => {{
                let op = $op.dtype(dtype) $(.$setter($value))*;
                if backward { Box::new(op.backward()) as Box<dyn Norm> } else { Box::new(op) }
            }};
        }
        macro_rules! with_options {
            ($op:expr $(, $setter:ident($value:expr))*) => {
                boxed!($op, eps(number("eps", &self.eps)?), activation(self.activation()?) $(, $setter($value))*)
            };
        }
        let axes = || axes(&self.axes, shape.len());
        Ok(match &*self.op {
            "layer_norm" => with_options!(LayerNorm::new(shape, axes()?), weight(weight), bias(bias)),
            "rms_norm" => with_options!(RmsNorm::new(shape, axes()?), weight(weight)),
            "lp_normalize" => with_options!(LpNormalize::new(shape, axes()?), order(self.order()?)),
            "group_norm" => {
                let groups = number("groups", &self.groups)?;
                with_options!(GroupNorm::new(shape, groups), weight(weight), bias(bias), layout(self.layout()?))
            }
            "instance_norm" => {
                with_options!(InstanceNorm::new(shape), weight(weight), bias(bias), layout(self.layout()?))
            }
            "batch_norm" => {
                with_options!(BatchNorm::training(shape), weight(weight), bias(bias), layout(self.layout()?))
            }
            "batch_norm_inference" => {
                with_options!(BatchNorm::inference(shape), weight(weight), bias(bias), layout(self.layout()?))
            }
            "local_response_norm" => boxed!(
                LocalResponseNorm::new(shape, number("size", &self.size)?),
                alpha(number("alpha", &self.alpha)?),
                beta(number("beta", &self.beta)?),
                k(number("k", &self.k)?),
                layout(self.layout()?)
            ),
            other => return Err(wrong("op", other, "an op of this page")),
        })
    }

    fn activation(&self) -> Result<Activation, String> {
        let named = Activation::ALL.into_iter().find(|activation| activation.name() == self.activation);
        named.ok_or_else(|| wrong("activation", &self.activation, "an activation of this page"))
    }

    fn order(&self) -> Result<Order, String> {
        match &*self.p {
            "1" => Ok(Order::L1),
            "2" => Ok(Order::L2),
            other => Err(wrong("p", other, "1 or 2")),
        }
    }

    fn layout(&self) -> Result<Layout, String> {
        match &*self.layout {
            "first" => Ok(Layout::ChannelsFirst),
            "last" => Ok(Layout::ChannelsLast),
            other => Err(wrong("layout", other, "first or last")),
        }
    }
}

/// In the form of the crate's errors, which name the argument first.
fn wrong(argument: &str, value: &str, expected: &str) -> String {
    format!("{argument} is \"{}\", expected {expected}", value.trim())
}

/// A number of any value: what the crate refuses has its error.
fn number<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    let kind = if std::any::type_name::<T>() == "usize" { "a whole number" } else { "a number" };
    text.trim().parse().map_err(|_| wrong(name, text, kind))
}

/// One axis or a range of them; negative ones count from the end.
fn axes(text: &str, rank: usize) -> Result<Range<usize>, String> {
    let expected = format!("an axis such as -1, or a range such as 1.. or 1..3, of {rank} axes");
    let wrong = || wrong("axes", text, &expected);
    let at = |part: &str, default: usize| match part.trim().parse::<isize>() {
        Err(_) if part.trim().is_empty() => Ok(default),
        Ok(axis) if axis < 0 => rank.checked_add_signed(axis).ok_or_else(wrong),
        Ok(axis) => usize::try_from(axis).map_err(|_| wrong()),
        Err(_) => Err(wrong()),
    };
    match text.split_once("..") {
        Some((start, end)) => Ok(at(start, 0)?..at(end, rank)?),
        None if text.trim().is_empty() => Err(wrong()),
        None => at(text, 0).map(|axis| axis..axis.saturating_add(1)),
    }
}
