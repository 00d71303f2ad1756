//! An op as burn's graph has it: a descriptor, forward or backward, and the tensors it takes.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use burn::tensor::DType;
use wgpu_norm::{
    Access, BatchNorm, Error, Gradients, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize, Norm,
    Options, RmsNorm, Slot, TensorSpec, Types,
};

macro_rules! ops {
    ($($name:ident)*) => {
        /// A descriptor of wgpu-norm: what [`norm`](crate::norm) takes. Each is made by `into()`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Op {
            $(#[doc = concat!("A [`", stringify!($name), "`](wgpu_norm::", stringify!($name), ").")] $name($name),)*
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Self {
                Self::$name(op)
            }
        })*

        impl Op {
            fn forward(&self) -> Box<dyn Norm> {
                match self { $(Self::$name(op) => Box::new(op.clone()),)* }
            }

            fn backward(&self, gradients: Gradients) -> Box<dyn Norm> {
                match self {
                    $(Self::$name(op) => {
                        let mut backward = op.backward();
                        backward.gradients = gradients;
                        Box::new(backward)
                    })*
                }
            }

            /// All gradients of the op.
            pub(crate) fn gradients(&self) -> Gradients {
                match self { $(Self::$name(op) => op.backward().gradients,)* }
            }
        }
    };
}

ops! { LayerNorm RmsNorm GroupNorm InstanceNorm BatchNorm LpNormalize LocalResponseNorm }

impl Op {
    /// The options that normalizations by statistics share.
    pub(crate) fn options_mut(&mut self) -> Option<&mut Options> {
        match self {
            Self::LayerNorm(LayerNorm { options, .. })
            | Self::RmsNorm(RmsNorm { options, .. })
            | Self::GroupNorm(GroupNorm { options, .. })
            | Self::InstanceNorm(InstanceNorm { options, .. })
            | Self::BatchNorm(BatchNorm { options, .. })
            | Self::LpNormalize(LpNormalize { options, .. }) => Some(options),
            Self::LocalResponseNorm(_) => None,
        }
    }

    pub(crate) fn types_mut(&mut self) -> &mut Types {
        match self {
            Self::LocalResponseNorm(op) => &mut op.types,
            op => &mut op.options_mut().expect("all ops but local response norm have options").types,
        }
    }

    pub(crate) fn options(&self) -> Option<&Options> {
        match self {
            Self::LayerNorm(LayerNorm { options, .. })
            | Self::RmsNorm(RmsNorm { options, .. })
            | Self::GroupNorm(GroupNorm { options, .. })
            | Self::InstanceNorm(InstanceNorm { options, .. })
            | Self::BatchNorm(BatchNorm { options, .. })
            | Self::LpNormalize(LpNormalize { options, .. }) => Some(options),
            Self::LocalResponseNorm(_) => None,
        }
    }

    /// Whether the op adds its residual after the normalization.
    pub(crate) fn residual_after(&self) -> bool {
        matches!(self, Self::BatchNorm(_)) || self.options().is_some_and(|options| options.residual_after)
    }
}

/// A checked descriptor. The tensors that it reads and writes follow from it.
#[derive(Clone, Debug)]
pub struct Call {
    op: Op,
    /// The gradients that a backward pass writes; `None` for the forward pass.
    gradients: Option<Gradients>,
    tensors: Arc<[TensorSpec]>,
}

// The tensors follow from the rest.
impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.gradients == other.gradients
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.op.hash(state);
        self.gradients.hash(state);
    }
}

impl Call {
    /// The forward pass or, with `gradients`, the backward pass.
    pub(crate) fn new(op: Op, gradients: Option<Gradients>) -> Result<Self, Error> {
        let mut call = Self { op, gradients, tensors: Arc::new([]) };
        let tensors = call.norm().tensors()?;
        let refuse = |what: String, why: &str| Err(Error::Unsupported { what, why: why.into() });
        for spec in &tensors {
            if !spec.is_dense() {
                return refuse(format!("{} with strides", spec.slot), "burn makes its tensors dense for the op");
            }
            if from_norm(spec.dtype).is_none() {
                return refuse(format!("{} of {}", spec.slot, spec.dtype), "the ops on burn's tensors take floats");
            }
        }
        call.tensors = tensors.into();
        Ok(call)
    }

    pub(crate) fn op(&self) -> &Op {
        &self.op
    }

    pub(crate) fn is_backward(&self) -> bool {
        self.gradients.is_some()
    }

    pub(crate) fn norm(&self) -> Box<dyn Norm> {
        self.gradients.map_or_else(|| self.op.forward(), |gradients| self.op.backward(gradients))
    }

    pub(crate) fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// The tensors that the op takes, in the order in which it takes them.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &TensorSpec> {
        self.tensors.iter().filter(|spec| spec.access != Access::Write)
    }

    /// The tensors that the op returns, in the order in which it returns them. A tensor that it reads and writes is
    /// among them.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &TensorSpec> {
        self.tensors.iter().filter(|spec| spec.access != Access::Read)
    }
}

/// wgpu-norm's name of a storage type.
pub(crate) fn to_norm(dtype: DType) -> Option<wgpu_norm::DType> {
    match dtype {
        DType::F32 => Some(wgpu_norm::DType::F32),
        DType::F16 => Some(wgpu_norm::DType::F16),
        DType::BF16 => Some(wgpu_norm::DType::BF16),
        _ => None,
    }
}

/// burn's name of a float type.
pub(crate) fn from_norm(dtype: wgpu_norm::DType) -> Option<DType> {
    match dtype {
        wgpu_norm::DType::F32 => Some(DType::F32),
        wgpu_norm::DType::F16 => Some(DType::F16),
        wgpu_norm::DType::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// burn's name of the storage type of a tensor of a call, which is a float.
pub(crate) fn dtype_of(spec: &TensorSpec) -> DType {
    from_norm(spec.dtype).expect("`Call::new` refuses other types")
}

/// The tensors that have a gradient, and the gradient's own name.
pub(crate) fn gradient_of(slot: Slot) -> Option<Slot> {
    match slot {
        Slot::Input => Some(Slot::GradInput),
        Slot::Weight => Some(Slot::GradWeight),
        Slot::Bias => Some(Slot::GradBias),
        Slot::Residual => Some(Slot::GradResidual),
        Slot::Gate => Some(Slot::GradGate),
        _ => None,
    }
}
