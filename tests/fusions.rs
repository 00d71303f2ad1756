//! What models fuse with their norms, by every method without a team, against the f64 reference: weights for more axes
//! than the normalized ones, residuals behind the norm, gates.

mod common;

use common::{
    golden::Golden,
    gpu,
    methods::{Can, conforms_as_inferred, conforms_by, conforms_by_lanes},
    run,
};
use wgpu_norm::{
    Activation, BatchNorm, DType, Error, Gate, GateFunction, GroupNorm, InstanceNorm, LayerNorm, Layout, LpNormalize,
    Method, Norm, Order, Pairs, Quantized, RmsNorm, Rotary, Slot, Strategy, Team,
    testing::{Data, compare_outputs},
};

/// Rows of packs, and rows of single elements.
const LENS: [usize; 2] = [12, 9];

#[test]
fn weights_of_heads() {
    for len in LENS {
        let heads = RmsNorm::new(&[5, 3, len], 2..).affine_axes(1..);
        conforms_by_lanes("a weight for each head", &heads, Can::Rows(len));
        conforms_by_lanes("a weight for each head", &heads.backward(), Can::Rows(len));
        let groups = LayerNorm::new(&[2, 3, 2, len], 3..).affine_axes(2..).activation(Activation::Silu);
        conforms_by_lanes("weight and bias for each group", &groups, Can::Rows(len));
        conforms_by_lanes("weight and bias for each group", &groups.backward(), Can::Rows(len));
    }
    // The weights of a team's rows, in each section of the kernels.
    let quantized = RmsNorm::new(&[300, 3, 36], 2..).affine_axes(1..).quantized(Quantized::rows());
    for method in [Method::Resident(Team::Lane), Method::Streamed(Team::Lane)] {
        conforms_by("quantized heads", gpu(), &quantized, Strategy::Forced(method));
    }
    let heads = RmsNorm::new(&[300, 4, 128], 2..).affine_axes(1..);
    conforms_as_inferred("many heads of 128", &heads);
    conforms_as_inferred("many heads of 128", &heads.backward());
    let one = LayerNorm::new(&[4, 3, 8], 1..).affine_axes(0..);
    conforms_by_lanes("a weight for each element", &one.backward(), Can::Rows(24));
}

/// So many rows that teams load the weights of a sample once, and sum their gradients.
#[test]
fn weights_of_samples() {
    let rows = LayerNorm::new(&[3, 700, 12], 2..).per_sample(true);
    for method in [Method::Resident(Team::Lane), Method::Streamed(Team::Lane)] {
        conforms_by("many rows of a sample", gpu(), &rows, Strategy::Forced(method));
        conforms_by("many rows of a sample", gpu(), &rows.backward(), Strategy::Forced(method));
    }
    let odd = LayerNorm::new(&[4, 100, 33], 2..).per_sample(true).dtype(DType::F16);
    conforms_as_inferred("odd rows of a sample", &odd);
    conforms_as_inferred("odd rows of a sample", &odd.backward());
}

/// A row of a table has scale, shift and more of a sample.
#[test]
fn weights_of_samples_are_parts_of_a_table() {
    let table = [Slot::Weight, Slot::Bias];
    for (len, stride) in [(12, 72), (12, 75), (9, 31)] {
        let op = LayerNorm::new(&[3, 5, len], 2..).per_sample(true).zero_centered(true);
        let op = table.iter().fold(op, |op, &slot| op.strides(slot, &[stride, 1]));
        conforms_by_lanes("rows of a sample", &op, Can::Rows(len));
        conforms_as_inferred("rows of a sample", &op.backward());
        conforms_as_inferred("f16", &op.clone().dtype(DType::F16).activation(Activation::Silu).backward());
    }
    // So many rows that teams take those of one sample.
    let many = RmsNorm::new(&[4, 700, 12], 2..).per_sample(true).strides(Slot::Weight, &[72, 1]);
    for method in [Method::Resident(Team::Lane), Method::Streamed(Team::Lane)] {
        conforms_by("many rows of a sample", gpu(), &many, Strategy::Forced(method));
        conforms_by("many rows of a sample", gpu(), &many.backward(), Strategy::Forced(method));
    }
    let last = GroupNorm::new(&[3, 5, 8], 2).layout(Layout::ChannelsLast).per_sample(true);
    let last = table.iter().fold(last, |op, &slot| op.strides(slot, &[16, 1]));
    conforms_as_inferred("channels last", &last);
    conforms_as_inferred("channels last", &last.backward());
    let each = InstanceNorm::new(&[3, 5, 8]).layout(Layout::ChannelsLast).per_sample(true).weight(true);
    conforms_as_inferred("instance norm", &each.strides(Slot::Weight, &[17, 1]).backward());
    let first = GroupNorm::new(&[3, 8, 5], 2).per_sample(true).bias(false).strides(Slot::Weight, &[16, 1]);
    assert!(matches!(first.tensors(), Err(Error::Unsupported { .. })), "{:?}", first.tensors());
    let expect = |op: LayerNorm, part: &str| {
        let message = op.tensors().expect_err("strides that can't be").to_string();
        assert!(message.contains("strides") && message.contains(part), "{message}");
    };
    let op = || LayerNorm::new(&[3, 5, 8], 2..).per_sample(true);
    expect(op().strides(Slot::Weight, &[16, 1]), "[16, 1] of weight, [8, 1] of bias");
    expect(op().bias(false).strides(Slot::Weight, &[7, 1]), "at least 8");
    expect(op().bias(false).strides(Slot::Weight, &[16, 2]), "and then [1]");
    expect(op().bias(false).strides(Slot::Weight, &[16]), "2 axes of [3, 8]");
    expect(op().per_sample(false).strides(Slot::Weight, &[1]), "per_sample");
}

#[test]
fn weights_of_norms() {
    for order in [Order::L1, Order::L2] {
        let op = LpNormalize::new(&[7, 12], 1..).order(order).weight(true).bias(true);
        conforms_by_lanes("a norm with a weight", &op, Can::Rows(12));
        conforms_by_lanes("a norm with a weight", &op.backward(), Can::Rows(12));
    }
}

#[test]
fn a_residual_behind_the_norm() {
    for len in LENS {
        let op = RmsNorm::new(&[7, len], 1..).residual(true).residual_after(true);
        conforms_by_lanes("RMS norm", &op, Can::Rows(len));
        conforms_by_lanes("RMS norm", &op.backward(), Can::Rows(len));
        conforms_by_lanes("over the residual", &op.clone().residual_in_place(true), Can::Rows(len));
        conforms_by_lanes("over the residual", &op.residual_in_place(true).backward(), Can::Rows(len));
    }
    let op = LayerNorm::new(&[7, 12], 1..).residual(true).residual_after(true).activation(Activation::Gelu);
    conforms_by_lanes("with an activation", &op, Can::Rows(12));
    conforms_as_inferred("with an activation", &op.backward());
    let mixed = RmsNorm::new(&[7, 12], 1..).dtype(DType::F16).residual(true).residual_after(true);
    let mixed = mixed.residual_in_place(true).residual_dtype(DType::F32);
    conforms_by_lanes("an f32 residual", &mixed, Can::Rows(12));
    conforms_by_lanes("an f32 residual", &mixed.backward(), Can::Rows(12));
}

/// The bias of the layer before, as in BERT.
#[test]
fn a_bias_before_the_norm() {
    for len in LENS {
        let op = LayerNorm::new(&[7, len], 1..).residual(true).input_bias(true);
        conforms_by_lanes("not saved", &op, Can::Rows(len));
        conforms_by_lanes("not saved", &op.backward(), Can::Rows(len));
        let op = op.residual_output(true);
        conforms_by_lanes("saved", &op, Can::Rows(len));
        conforms_by_lanes("saved", &op.backward(), Can::Rows(len));
    }
    let axes = RmsNorm::new(&[5, 3, 4], 1..).residual(true).residual_in_place(true).input_bias(true);
    conforms_as_inferred("two axes", &axes);
    let mixed =
        LayerNorm::new(&[9, 33], 1..).dtype(DType::F16).affine_dtype(DType::F32).residual(true).input_bias(true);
    conforms_as_inferred("an f32 bias of odd rows", &mixed);
    conforms_as_inferred("an f32 bias of odd rows", &mixed.backward());
    conforms_as_inferred("of each sample", &mixed.clone().strides(Slot::InputBias, &[35, 1]));
    conforms_as_inferred(
        "int8",
        &LayerNorm::new(&[7, 12], 1..).residual(true).input_bias(true).quantized(Quantized::rows()),
    );
    conforms_as_inferred("by an index", &mixed.gather_rows(20));
    conforms_as_inferred("the statistics alone", &axes.statistics());
    let long = LayerNorm::new(&[1, 1 << 21], 1..).residual(true).input_bias(true);
    conforms_as_inferred("a row of many teams", &long);
}

/// Both directions by every method.
fn gated(why: &str, op: &(impl Norm + Clone), backward: &dyn Norm, can: Can) {
    conforms_by_lanes(why, op, can);
    conforms_by_lanes(why, backward, can);
}

#[test]
fn gates() {
    for function in GateFunction::ALL {
        for gate in [Gate::before(function), Gate::after(function)] {
            let op = LayerNorm::new(&[7, 12], 1..).gate(gate);
            conforms_as_inferred(&format!("{gate:?}"), &op);
            conforms_as_inferred(&format!("{gate:?}"), &op.backward());
        }
    }
    for gate in [Gate::before(GateFunction::Silu), Gate::after(GateFunction::Silu)] {
        for len in LENS {
            let op = LayerNorm::new(&[7, len], 1..).gate(gate);
            gated(&format!("{gate:?}"), &op, &op.backward(), Can::Rows(len));
        }
        let groups = RmsNorm::new(&[5, 2, 16], 2..).affine_axes(1..).gate(gate);
        conforms_as_inferred("groups of Mamba 2", &groups);
        conforms_as_inferred("groups of Mamba 2", &groups.backward());
        for dtype in [DType::F16, DType::BF16] {
            let op = RmsNorm::new(&[7, 13], 1..).dtype(dtype).gate(gate);
            conforms_as_inferred("half precision", &op);
            conforms_as_inferred("half precision", &op.backward());
        }
        let op = RmsNorm::new(&[7, 12], 1..).dtype(DType::F16).gate(gate).gate_dtype(DType::F32);
        conforms_as_inferred("an f32 gate", &op);
        conforms_as_inferred("an f32 gate", &op.backward());
        let groups = GroupNorm::new(&[3, 6, 8], 2).gate(gate).residual(true).residual_after(true);
        conforms_as_inferred("group norm", &groups);
        conforms_as_inferred("group norm", &groups.backward());
        let channels = InstanceNorm::new(&[2, 5, 3]).layout(Layout::ChannelsLast).weight(true).gate(gate);
        conforms_as_inferred("instance norm", &channels);
        conforms_as_inferred("instance norm", &channels.backward());
        let columns = LayerNorm::new(&[3, 6, 8], 1..2).gate(gate);
        conforms_as_inferred("columns", &columns);
        conforms_as_inferred("columns", &columns.backward());
        let packed = [Slot::Input, Slot::Gate, Slot::GradGate, Slot::GradInput];
        let op = packed.into_iter().fold(op, |op, slot| op.strides(slot, &[40, 1]));
        conforms_as_inferred("gate and input in packed rows", &op);
        conforms_as_inferred("gate and input in packed rows", &op.backward());
        conforms_as_inferred("in place", &op.in_place(true));
    }
}

/// Terms with an element for each channel of an image, which its pixels share: runs of packs, of single elements where
/// a pack has parts of two runs, and rows inside a run.
#[test]
fn terms_that_neighbours_share() {
    for shape in [[3, 6, 4, 5], [2, 6, 3, 3], [1, 6, 64, 64]] {
        let strides = [12, 1, 0, 0];
        let norm = GroupNorm::new(&shape, 3);
        let time = norm.clone().activation(Activation::Silu).residual(true).strides(Slot::Residual, &strides);
        let scale = norm.gate(Gate::after(GateFunction::OnePlus)).residual(true).residual_after(true);
        let scale = [Slot::Gate, Slot::Residual].iter().fold(scale, |op, &slot| op.strides(slot, &strides));
        let can = Can::Rows(2 * shape[2] * shape[3]);
        if shape[3] < 64 {
            conforms_by_lanes("a residual of channels", &time, can);
            conforms_by_lanes("scale and shift of channels", &scale, can);
            conforms_by_lanes("a residual of channels", &time.backward(), can);
        }
        conforms_as_inferred("a residual of channels", &time);
        conforms_as_inferred("scale and shift of channels", &scale);
        conforms_as_inferred("a residual of channels", &time.backward());
        conforms_as_inferred("scale and shift of channels", &scale.backward());
    }
    let rows = RmsNorm::new(&[9, 12], 1..).gate(Gate::after(GateFunction::Identity)).strides(Slot::Gate, &[3, 0]);
    conforms_by_lanes("a factor for each row", &rows, Can::Rows(12));
    let half = rows.clone().dtype(DType::F16).residual(true).strides(Slot::Residual, &[0, 0]);
    conforms_by_lanes("one residual for all", &half, Can::Rows(12));
    conforms_as_inferred("one residual for all", &half.backward());
    let columns = LayerNorm::new(&[3, 6, 8], 1..2).gate(Gate::before(GateFunction::Tanh));
    let columns = columns.strides(Slot::Gate, &[6, 1, 0]);
    conforms_as_inferred("columns", &columns);
    conforms_as_inferred("columns", &columns.backward());
    let channels = BatchNorm::training(&[5, 6, 8]).residual(true).strides(Slot::Residual, &[6, 1, 0]);
    conforms_as_inferred("batch norm", &channels);
    conforms_as_inferred("batch norm", &channels.backward());
    let last = GroupNorm::new(&[3, 5, 7, 6], 2).layout(Layout::ChannelsLast).residual(true);
    conforms_as_inferred("channels last", &last.strides(Slot::Residual, &[6, 0, 0, 1]));
    let op = LayerNorm::new(&[4, 6], 1..).strides(Slot::Input, &[1, 0]);
    assert!(matches!(
        run(gpu(), &op, &Data::random(&op, 1).tensors(), Strategy::Inferred),
        Err(Error::Unsupported { .. })
    ));
}

/// A gate that all rows of a sample share, as a part of the sample's modulation.
#[test]
fn modulation() {
    let [samples, tokens, len] = [2, 5, 12];
    let shared = [3 * len, 0, 1];
    let op = LayerNorm::new(&[samples, tokens, len], 2..).per_sample(true).zero_centered(true);
    let op = op.residual(true).gate(Gate::before(GateFunction::Identity)).strides(Slot::Gate, &shared);
    let written = op.clone().residual_output(true);
    for (why, op) in [("the sum is not written", &op), ("the sum is written", &written)] {
        gated(why, op, &op.backward().grad_gate(false), Can::Rows(len));
    }
    conforms_by_lanes("over the residual", &op.clone().residual_in_place(true), Can::Rows(len));
    conforms_as_inferred("all gradients", &op.backward());
    conforms_as_inferred("no gradient of the residual", &written.backward().grad_residual(false));
    let op = RmsNorm::new(&[samples, tokens, len], 2..).gate(Gate::after(GateFunction::Tanh));
    let op = op.strides(Slot::Gate, &shared).residual(true).residual_after(true);
    gated("a gate and a residual behind the norm", &op, &op.backward(), Can::Rows(len));
    conforms_by_lanes("over the residual", &op.residual_in_place(true), Can::Rows(len));
}

#[test]
fn what_no_model_has_is_refused() {
    let op = RmsNorm::new(&[7, 12], 1..);
    let gate = Gate::after(GateFunction::Silu);
    let message = |op: &dyn Norm| op.tensors().unwrap_err().to_string();
    let expect = |op: &dyn Norm, words: &[&str]| {
        let message = message(op);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    expect(&op.clone().gate(gate).activation(Activation::Silu), &["activation", "gate"]);
    let mut batch = BatchNorm::training(&[3, 4, 5]);
    batch.options.gate = Some(gate);
    expect(&batch, &["gate", "batch norm"]);
    expect(&op.clone().gate(gate).backward().grad_input(false), &["grad_gate", "grad_input"]);
    expect(&op.clone().backward().grad_gate(true), &["grad_gate", "no gate"]);
    expect(&op.clone().next_norm(true).activation(Activation::Silu), &["next_norm", "activation"]);
    expect(&op.clone().next_norm(true).backward(), &["backward", "second norm"]);
    expect(&op.clone().residual_after(true), &["residual_after"]);
    let after = op.clone().residual(true).residual_after(true);
    expect(&after.clone().residual_output(true), &["residual_output"]);
    expect(&after.clone().residual_in_place(true).in_place(true), &["residual_in_place"]);
    expect(&after.input_bias(true), &["input_bias"]);
    expect(&op.clone().input_bias(true), &["input_bias", "without a residual"]);
    expect(&op.clone().residual(true).gate(Gate::before(GateFunction::Silu)).input_bias(true), &["input_bias", "gate"]);
    let middle = LayerNorm::new(&[5, 3, 12], 1..2).residual(true).input_bias(true);
    expect(&middle, &["input_bias", "1..2", "not the last"]);
    let heads = RmsNorm::new(&[5, 3, 12], 2..);
    expect(&heads.clone().affine_axes(1..2), &["affine_axes", "1..2"]);
    expect(&heads.clone().affine_axes(0..4), &["affine_axes"]);
    expect(&RmsNorm::new(&[0, 12], 1..).affine_axes(0..), &["affine_axes", "not empty"]);
    expect(&heads.clone().affine_axes(0..).per_sample(true), &["per_sample"]);
    let per_sample = heads.affine_axes(1..).per_sample(true).tensors();
    assert!(matches!(per_sample, Err(Error::Unsupported { .. })), "{per_sample:?}");
    let middle = LayerNorm::new(&[5, 3, 12], 1..2).affine_axes(0..2).tensors();
    assert!(matches!(middle, Err(Error::Unsupported { .. })), "{middle:?}");
}

/// The norm behind a layer and the norm before the next one: Gemma.
#[test]
fn a_second_norm() {
    for len in LENS {
        let op = RmsNorm::new(&[7, len], 1..).residual(true).residual_after(true).next_norm(true);
        for method in [Method::Resident(Team::Lane), Method::Resident(Team::Workgroup), Method::Streamed(Team::Lane)] {
            conforms_by("an output and its norm", gpu(), &op, Strategy::Forced(method));
            let over = op.clone().residual_in_place(true).zero_centered(true);
            conforms_by("over the residual", gpu(), &over, Strategy::Forced(method));
            conforms_by("over the input", gpu(), &op.clone().in_place(true), Strategy::Forced(method));
            // A kernel that streams loads x until the end, and may not overwrite it before.
            let rounded = RmsNorm::new(&[7, len], 1..).residual(true).residual_dtype(DType::F16);
            let rounded = rounded.residual_in_place(true).in_place(true).next_norm(true);
            conforms_by("beside a sum in f16", gpu(), &rounded, Strategy::Forced(method));
        }
    }
    for dtype in [DType::F16, DType::BF16] {
        let op = RmsNorm::new(&[7, 13], 1..).dtype(dtype).next_norm(true).residual(true).residual_dtype(DType::F32);
        conforms_as_inferred("half precision", &op);
    }
    let op = RmsNorm::new(&[5, 2, 384], 2..).next_norm(true).weight(false).gate(Gate::after(GateFunction::Tanh));
    conforms_as_inferred("gated, without weights", &op);
    let packed = [Slot::Input, Slot::NextOutput, Slot::Residual];
    let op = RmsNorm::new(&[7, 12], 1..).residual(true).residual_after(true).residual_in_place(true).next_norm(true);
    conforms_as_inferred("packed rows", &packed.into_iter().fold(op, |op, slot| op.strides(slot, &[40, 1])));
}

/// The table of docs/models.md: model, options, op.
fn models() -> Vec<(&'static str, String, Box<dyn Norm>)> {
    let [tokens, width, heads, dim, groups, samples] = [6, 24, 3, 8, 2, 2];
    macro_rules! models {
        ($($model:literal: $op:expr,)*) => {
            vec![$(($model, stringify!($op).into(), Box::new($op) as Box<dyn Norm>),)*]
        };
    }
    models! {
        "Gemma 2, 3": RmsNorm::new(&[tokens, width], 1..).zero_centered(true).residual(true).residual_after(true)
            .residual_in_place(true).next_norm(true),
        "OLMo 2": RmsNorm::new(&[tokens, width], 1..).residual(true).residual_after(true),
        "Swin V2": LayerNorm::new(&[tokens, width], 1..).residual(true).residual_after(true),
        "Qwen3-Next, Qwen3.5": RmsNorm::new(&[tokens * heads, dim], 1..).gate(Gate::after(GateFunction::Silu)),
        "Kimi Linear": RmsNorm::new(&[tokens * heads, dim], 1..).gate(Gate::after(GateFunction::Sigmoid)),
        "Mamba 2, Granite 4, Nemotron-H": RmsNorm::new(&[tokens, groups, dim], 2..).affine_axes(1..)
            .gate(Gate::before(GateFunction::Silu)),
        "DiT, SD3, Flux, Wan, Qwen-Image": LayerNorm::new(&[samples, tokens, width], 2..).per_sample(true)
            .zero_centered(true).residual(true).residual_output(true).gate(Gate::before(GateFunction::Identity))
            .strides(Slot::Gate, &[6 * width, 0, 1]).strides(Slot::Weight, &[6 * width, 1])
            .strides(Slot::Bias, &[6 * width, 1]),
        "Z-Image, Lumina 2, the scale": RmsNorm::new(&[samples, tokens, width], 2..)
            .gate(Gate::after(GateFunction::OnePlus)).strides(Slot::Gate, &[width, 0, 1]),
        "Z-Image, Lumina 2, the gate": RmsNorm::new(&[samples, tokens, width], 2..).residual(true).residual_after(true)
            .gate(Gate::after(GateFunction::Tanh)).strides(Slot::Gate, &[width, 0, 1]),
        "Qwen3, Gemma 3, q and k": RmsNorm::new(&[tokens, heads, dim], 2..).affine_axes(1..)
            .strides(Slot::Input, &[2 * heads * dim, dim, 1]).in_place(true)
            .rotary(Rotary::new(Pairs::Halves, dim, 100)),
        "int8 engines: W8A8, BitNet": RmsNorm::new(&[tokens, width], 1..).residual(true).residual_in_place(true)
            .quantized(Quantized::rows()),
        "mixtures of experts, the last token": RmsNorm::new(&[samples, width], 1..).gather_rows(tokens),
        "Qwen3, Gemma 3, a cache of keys": RmsNorm::new(&[tokens, heads, dim], 2..).affine_axes(1..)
            .strides(Slot::Input, &[2 * heads * dim, dim, 1]).rotary(Rotary::new(Pairs::Halves, dim, 100))
            .scatter_rows(2 * tokens),
        "Granite, MiniCPM": RmsNorm::new(&[tokens, width], 1..).residual(true).residual_in_place(true)
            .gate(Gate::before(GateFunction::Identity)).strides(Slot::Gate, &[0, 1]),
        "GPT-NeoX, Falcon": LayerNorm::new(&[tokens, 2, width], 2..).affine_axes(1..)
            .strides(Slot::Input, &[width, 0, 1]),
        "BERT": LayerNorm::new(&[tokens, width], 1..).residual(true).input_bias(true),
        "UNets of Stable Diffusion": GroupNorm::new(&[samples, width, 4, 5], groups).activation(Activation::Silu)
            .residual(true).strides(Slot::Residual, &[width, 1, 0, 0]),
        "UNets with scale and shift, ADM": GroupNorm::new(&[samples, width, 4, 5], groups)
            .gate(Gate::after(GateFunction::OnePlus)).strides(Slot::Gate, &[2 * width, 1, 0, 0])
            .residual(true).residual_after(true).strides(Slot::Residual, &[2 * width, 1, 0, 0]),
        "nGPT": LpNormalize::new(&[tokens, heads, dim], 2..).weight(true).affine_axes(1..),
        "gated delta nets, q and k": RmsNorm::new(&[tokens, heads, dim], 2..).eps(1e-6 / dim as f32),
    }
}

#[test]
fn the_table_of_models_conforms() {
    for (model, _, op) in models() {
        conforms_as_inferred(model, &*op);
    }
}

#[test]
fn the_table_of_models_is_that_of_the_docs() {
    let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
    let docs = include_str!("../docs/models.md");
    let rows = docs.lines().filter_map(|line| {
        let (model, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        let (_, options) = rest.rsplit_once(" | `")?;
        Some((model.to_owned(), without_spaces(options.strip_suffix("` |")?)))
    });
    let expected = models().into_iter().map(|(model, options, _)| (model.to_owned(), without_spaces(&options)));
    assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn blocks_of_models() {
    for file in Golden::all("models") {
        file.with_op(|op, tensors| {
            let actual = run(gpu(), op, tensors, Strategy::Inferred).expect("run");
            let (theirs, mut expected) = (file.expected(tensors), op.reference(tensors).expect("reference"));
            for slot in theirs.slots() {
                expected.set(slot, theirs.get(slot).unwrap_or_default().to_vec());
            }
            compare_outputs(op, &actual, &expected).unwrap_or_else(|e| panic!("{}: {e}", file.name));
        });
    }
}
