//! A catalog of shaders.

use std::collections::HashSet;

use super::Shader;
use crate::{
    caps::{Caps, Offsets},
    definition::Coefficients,
    kernels::ShaderKey,
    lower::lower,
    ops::{
        BatchMoments, BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize, Norm, Order,
        RmsNorm, op::Internal,
    },
    options::Layout,
    rotary::{Pairs, Rotary},
    running_stats::RunningStats,
    slot::Slot,
    tensor::DType,
    tuning::Tuning,
    types::{Activation, Gate, GateFunction, Method, Quantized, Strategy, Team},
};

/// A catalog of shaders, as lowering makes them. It has each kernel for every team, with few and with many registers,
/// and with every part and storage type. The product of all options would be too many.
#[must_use]
pub fn all() -> Vec<Shader> {
    let mut catalog = Catalog::default();
    let devices = devices();
    let forced = || Method::ALL.iter().map(|&method| Strategy::Forced(method));
    for caps in &devices {
        // Every team, with one register and with many, of single elements and of packs.
        for len in [1, 4, 36, 1023, 4096] {
            for strategy in forced() {
                catalog.add(&LayerNorm::new(&[7, len], 1..).save_stats(true), caps, strategy);
                catalog.add(&LayerNorm::new(&[7, len], 1..).backward(), caps, strategy);
            }
        }
        // Teams with so many rows that they sum the gradients, with and without a last block of fewer rows.
        for shape in [[1 << 20, 36], [(1 << 20) - 1, 37]] {
            for strategy in forced() {
                catalog.add(&LayerNorm::new(&shape, 1..), caps, strategy);
                catalog.add(&LayerNorm::new(&shape, 1..).backward(), caps, strategy);
            }
        }
        // Quantized rows: scales of blocks of all lanes of a team, of some, and of several packs of a lane.
        for (len, quantized) in QUANTIZED {
            for strategy in forced() {
                catalog.add(&RmsNorm::new(&[7, len], 1..).quantized(quantized), caps, strategy);
            }
        }
        // Perpendicular rows; partial results that two passes merge.
        let across = LayerNorm::new(&[1, 6, 1 << 20], 1..2);
        for op in [&across as &dyn Norm, &across.backward()] {
            catalog.add(op, caps, Strategy::Forced(Method::Streamed(Team::Lane)));
        }
        for op in [LayerNorm::new(&[1 << 22, 4], 1..), LayerNorm::new(&[1 << 22, 4], ..1)] {
            catalog.add(&op, caps, Strategy::Inferred);
            catalog.add(&op.backward(), caps, Strategy::Inferred);
        }
    }
    // Teams that are a part of a subgroup, of every number of lanes.
    for lanes in [8, 16, 32, 64] {
        let caps = Caps { subgroup_size: Some((lanes, 128)), ..devices[1].clone() };
        let rows = LayerNorm::new(&[7, 64], 1..);
        for op in [&rows as &dyn Norm, &rows.backward()] {
            catalog.add(op, &caps, Strategy::Forced(Method::Resident(Team::Subgroup)));
        }
    }
    // Half precision in registers: as vec4x2, each with as many packs per lane as vec4, and in half-unaligned rows.
    let resident = || forced().filter(|strategy| matches!(strategy, Strategy::Forced(Method::Resident(_))));
    for (len, dtype) in [(16, DType::F16), (512, DType::BF16), (35, DType::F16), (50, DType::BF16)] {
        let op = LayerNorm::new(&[7, len], 1..).dtype(dtype);
        let sum = op.clone().residual(true).residual_output(true);
        let sums = LayerNorm::new(&[1 << 20, len], 1..).dtype(dtype).backward();
        let grouped = GroupNorm::new(&[3, 6, len], 2).dtype(dtype);
        let quantized = op.clone().quantized(Quantized::blocks(32));
        let wide = op.clone().output_dtype(DType::F32).affine_dtype(DType::F32);
        let in_place = op.clone().in_place(true);
        let (backward, sum_backward, grouped_backward) = (op.backward(), sum.backward(), grouped.backward());
        let ops: [&dyn Norm; 10] =
            [&op, &in_place, &backward, &sum, &sum_backward, &sums, &grouped, &grouped_backward, &wide, &quantized];
        for (op, strategy) in ops.iter().flat_map(|op| resident().map(move |strategy| (op, strategy))) {
            catalog.add(*op, &devices[2], strategy);
        }
    }
    // f16 that the device converts: scalar, vec4, vec4x2, half-unaligned, and in tables that kernels gather.
    let native = Caps { tuning: Tuning::NVIDIA_VULKAN, ..devices[2].clone() };
    let rows = |len| LayerNorm::new(&[7, len], 1..).dtype(DType::F16);
    let gathered = GroupNorm::new(&[3, 6, 13], 2).dtype(DType::F16);
    for op in [&rows(12) as &dyn Norm, &rows(512), &rows(33).backward(), &gathered] {
        for method in [Method::Resident(Team::Subgroup), Method::Split(Team::Workgroup)] {
            catalog.add(op, &native, Strategy::Forced(method));
        }
    }
    // Tensors in one buffer: the shaders differ only in the usage of their bindings.
    let shared = Caps { shared_buffers: true, ..devices[2].clone() };
    let (layer, batch) = (LayerNorm::new(&[7, 33], 1..).dtype(DType::F16), BatchNorm::training(&[3, 8, 12]));
    for op in [&layer as &dyn Norm, &layer.backward(), &batch, &batch.backward()] {
        catalog.add(op, &shared, Strategy::Inferred);
    }
    embedded(&mut catalog, &devices);
    rotary(&mut catalog, &devices);
    // Every option, with one team of every method: options and teams are separate parts.
    for strategy in METHODS.map(Strategy::Forced) {
        for len in [12, 13] {
            for op in options(len) {
                catalog.add(&*op, &devices[0], strategy);
            }
        }
    }
    catalog.shaders
}

/// Shaders, each once.
#[derive(Default)]
struct Catalog {
    seen: HashSet<Shader>,
    shaders: Vec<Shader>,
}

impl Catalog {
    /// Adds the shaders of an op, if it can be lowered so.
    fn add(&mut self, op: &dyn Norm, caps: &Caps, strategy: Strategy) {
        self.add_keys(op, caps, strategy, |key| key);
    }

    fn add_keys(&mut self, op: &dyn Norm, caps: &Caps, strategy: Strategy, change: fn(ShaderKey) -> ShaderKey) {
        let lowered = op.operation(Internal).and_then(|operation| lower(&operation, caps, strategy));
        let calls = lowered.map_or(Vec::new(), |lowered| lowered.calls);
        let new = calls.into_iter().map(|call| Shader(change(call.key)));
        self.shaders.extend(new.filter(|shader| self.seen.insert(*shader)));
    }
}

/// Lengths of rows with a quantized output, of single elements and of packs.
const QUANTIZED: [(usize, Quantized); 5] = [
    (37, Quantized::rows()),
    (37, Quantized::blocks(32)),
    (384, Quantized::rows()),
    (384, Quantized::blocks(32)),
    (384, Quantized::blocks(128)),
];

/// One team of every method.
const METHODS: [Method; 5] = [
    Method::Resident(Team::Subgroup),
    Method::Streamed(Team::Lane),
    Method::Split(Team::Workgroup),
    Method::Columns,
    Method::Elementwise,
];

/// Shaders of tensors inside other tensors, and of numbers of rows that change.
fn embedded(catalog: &mut Catalog, devices: &[Caps]) {
    // Tensors at any offset, for each way to load one: of packs, and of single elements.
    for offsets in [Offsets::Pack, Offsets::Element] {
        let placed = Caps { offsets, ..devices[2].clone() };
        for op in storage_types(12).into_iter().chain(storage_types(13)).step_by(2) {
            catalog.add(&*op, &placed, Strategy::Inferred);
        }
        let pairs = LayerNorm::new(&[7, 512], 1..).dtype(DType::F16);
        let merged = BatchNorm::training(&[3, 8, 12]).running_stats(RunningStats::CUMULATIVE).save_stats(true).merge(3);
        let rows = pairs.clone().residual(true).residual_in_place(true).statistics();
        for op in [&pairs as &dyn Norm, &pairs.backward(), &merged, &BatchMoments::new(&[3, 8, 12]), &rows] {
            catalog.add(op, &placed, Strategy::Inferred);
        }
        let sum = pairs.residual(true).residual_in_place(true);
        catalog.add(&sum.quantized(Quantized::rows()), &placed, Strategy::Inferred);
    }
    // Tensors with strides, by every kernel that has them.
    for strategy in METHODS.map(Strategy::Forced) {
        for op in [12, 13].into_iter().flat_map(strided) {
            catalog.add(&*op, &devices[0], strategy);
        }
    }
    // A residual and a gate with an element for each channel, of packs and of single elements.
    for (dtype, len) in [(DType::F32, 12), (DType::F16, 13)] {
        let op = GroupNorm::new(&[3, 4, len], 2).dtype(dtype).residual(true).residual_after(true);
        let op = op.gate(Gate::after(GateFunction::OnePlus)).strides(Slot::Residual, &[8, 1, 0]);
        let op = op.strides(Slot::Gate, &[8, 1, 0]);
        catalog.add(&op, &devices[0], Strategy::Inferred);
        catalog.add(&op.backward(), &devices[0], Strategy::Inferred);
    }
    // Rows by an index: of packs, and of single elements.
    for (dtype, len) in [(DType::F32, 12), (DType::F16, 12), (DType::F16, 13)] {
        let op = LayerNorm::new(&[7, 3, len], 2..).dtype(dtype);
        let both = op.clone().residual(true).gather_rows(9).scatter_rows(8);
        catalog.add(&both, &devices[2], Strategy::Inferred);
        for op in [op.clone().gather_rows(9), op.scatter_rows(8), both] {
            catalog.add(&op, &devices[0], Strategy::Forced(Method::Streamed(Team::Lane)));
        }
    }
    // Numbers of rows that differ between calls, by every kernel that takes them.
    for caps in [&devices[0], &devices[2]] {
        let rows = [[1, 64], [300, 64], [300, 13], [4, 40_000]].map(|shape| LayerNorm::new(&shape, 1..));
        let image = BatchNorm::inference(&[3, 8, 12]);
        let ops: Vec<Box<dyn Norm>> = rows
            .iter()
            .flat_map(|op| -> [Box<dyn Norm>; 2] { [Box::new(op.backward()), Box::new(op.clone())] })
            .chain([Box::new(image.backward()) as Box<dyn Norm>, Box::new(image)])
            .collect();
        for op in ops {
            catalog.add_keys(&*op, caps, Strategy::Inferred, ShaderKey::with_calls);
        }
    }
}

/// Shaders with a rotary embedding: packs of partners, of neighbours and of single elements.
fn rotary(catalog: &mut Catalog, devices: &[Caps]) {
    let at_elements = Caps { offsets: Offsets::Element, ..devices[2].clone() };
    for dtype in [DType::F32, DType::F16] {
        for pairs in [Pairs::Halves, Pairs::Neighbours] {
            let op = RmsNorm::new(&[7, 3, 64], 2..).dtype(dtype).rotary(Rotary::new(pairs, 32, 100));
            let packed = op.clone().in_place(true).strides(Slot::Input, &[448, 64, 1]);
            catalog.add(&op, &devices[2], Strategy::Inferred);
            catalog.add(&packed, &at_elements, Strategy::Inferred);
            catalog.add(&op.scatter_rows(9), &devices[2], Strategy::Inferred);
            catalog.add(&packed, &devices[0], Strategy::Forced(Method::Streamed(Team::Lane)));
        }
    }
}

/// Devices that get different kernels.
fn devices() -> Vec<Caps> {
    let gpu = |subgroup_size, max_workgroup_size| Caps {
        subgroup_size,
        max_workgroup_size,
        max_workgroup_storage: 32768,
        ..Caps::default()
    };
    // Of the tables for CPUs, this one gives the largest kernels.
    let cpu = Caps { cpu: true, tuning: Tuning::MESA_22, ..gpu(Some((8, 8)), 1024) };
    vec![cpu, gpu(Some((4, 128)), 1024), gpu(Some((32, 32)), 512), gpu(None, 256)]
}

/// Adds both directions of ops.
macro_rules! both {
    ($ops:ident: $($op:expr),* $(,)?) => { $(
        $ops.push(Box::new($op.backward()));
        $ops.push(Box::new($op));
    )* };
}

/// Ops with strides for each of their tensors.
fn strided(len: usize) -> Vec<Box<dyn Norm>> {
    let gaps = [len + 4, 1];
    let of_image = [12 * (len + 4), len + 4, 1];
    let tensors = [
        Slot::Input,
        Slot::Output,
        Slot::Residual,
        Slot::ResidualOutput,
        Slot::GradOutput,
        Slot::GradResidualOutput,
        Slot::GradInput,
        Slot::GradResidual,
        Slot::InputBias,
        Slot::Gate,
        Slot::GradGate,
        Slot::NextOutput,
    ];
    let mut ops: Vec<Box<dyn Norm>> = Vec::new();
    for dtype in [DType::F32, DType::F16] {
        let rows = LayerNorm::new(&[7, len], 1..).dtype(dtype).residual(true);
        let rows = tensors.into_iter().fold(rows, |op, slot| op.strides(slot, &gaps));
        let columns = LayerNorm::new(&[3, 8, len], 1..2).dtype(dtype);
        let columns = tensors.into_iter().fold(columns, |op, slot| op.strides(slot, &of_image));
        let batch = BatchNorm::training(&[3, 8, len]).dtype(dtype).residual(true).activation(Activation::Relu);
        let batch = tensors.into_iter().fold(batch, |op, slot| op.strides(slot, &of_image));
        let norm = LpNormalize::new(&[7, len], 1..).dtype(dtype);
        let norm = tensors.into_iter().fold(norm, |op, slot| op.strides(slot, &gaps));
        let norms = LpNormalize::new(&[3, 8, len], 1..2).dtype(dtype);
        let norms = tensors.into_iter().fold(norms, |op, slot| op.strides(slot, &of_image));
        both!(ops:
            rows.clone().residual_output(true),
            rows.clone().residual_in_place(true),
            rows.clone().input_bias(true),
            rows.clone().gate(Gate::before(GateFunction::Identity)),
            columns,
            batch,
            norm,
            norms,
        );
        ops.push(Box::new(rows.in_place(true)));
        let twice = RmsNorm::new(&[7, len], 1..).dtype(dtype).next_norm(true);
        ops.push(Box::new(tensors.into_iter().fold(twice, |op, slot| op.strides(slot, &gaps))));
    }
    ops
}

/// Windows in registers, and wider windows.
fn windows(len: usize, dtype: DType) -> impl Iterator<Item = Box<dyn Norm>> {
    let ops = [5, 23].map(|size| LocalResponseNorm::new(&[2, 12, len], size).dtype(dtype));
    ops.into_iter().flat_map(|op| [Box::new(op.backward()) as Box<dyn Norm>, Box::new(op)])
}

/// What a device with one of three parts of a batch runs.
fn parts(image: &[usize], layout: Layout) -> Vec<Box<dyn Norm>> {
    let batch = BatchNorm::training(image).layout(layout).merge(3);
    let tracked = |convention| batch.clone().running_stats(convention).save_stats(true);
    let merged = batch.clone().save_for_backward(true).residual(true).activation(Activation::Relu).backward();
    vec![
        Box::new(tracked(RunningStats::PYTORCH)),
        Box::new(tracked(RunningStats::CUMULATIVE)),
        Box::new(merged.clone().coefficients(Coefficients::Written)),
        Box::new(merged.coefficients(Coefficients::Given)),
    ]
}

/// Ops with each tensor in each storage type.
fn storage_types(len: usize) -> Vec<Box<dyn Norm>> {
    let mut ops: Vec<Box<dyn Norm>> = Vec::new();
    let rows = &[7, len][..];
    // Channels that are whole packs and channels that are not, in samples of both kinds.
    let (image, odd) = (&[3, 8, len][..], &[3, 6, 13][..]);
    for dtype in DType::FLOATS {
        let layer = LayerNorm::new(rows, 1..).dtype(dtype);
        let wide = LayerNorm::new(rows, 1..).residual(true);
        both!(ops:
            layer.clone(),
            layer.clone().affine_dtype(DType::F32),
            layer.clone().output_dtype(DType::F32),
            layer.clone().residual(true),
            layer.clone().residual(true).residual_output(true),
            wide.clone().affine_dtype(dtype),
            wide.clone().residual_dtype(dtype),
            wide.clone().residual_in_place(true).residual_dtype(dtype),
            wide.clone().residual_output(true).residual_output_dtype(dtype),
            LayerNorm::new(image, 1..2).dtype(dtype),
            GroupNorm::new(image, 2).dtype(dtype),
            GroupNorm::new(odd, 2).dtype(dtype),
            GroupNorm::new(image, 2).dtype(dtype).layout(Layout::ChannelsLast),
            BatchNorm::training(image).dtype(dtype).save_for_backward(true),
            BatchNorm::training(odd).dtype(dtype),
            BatchNorm::training(rows).dtype(dtype),
            BatchNorm::inference(image).dtype(dtype).residual(true),
            BatchNorm::inference(odd).dtype(dtype),
            // Runs of whole packs, in samples of five channels.
            BatchNorm::inference(&[32, 5, 4, 2]).dtype(dtype),
            BatchNorm::inference(rows).dtype(dtype),
        );
        ops.push(Box::new(layer.in_place(true)));
        ops.push(Box::new(BatchNorm::inference(image).dtype(dtype).in_place(true)));
        ops.extend(windows(len, dtype));
        ops.push(Box::new(BatchMoments::new(image).dtype(dtype)));
        ops.push(Box::new(BatchMoments::new(rows).dtype(dtype)));
    }
    ops
}

/// Ops with each of their options.
fn options(len: usize) -> Vec<Box<dyn Norm>> {
    let mut ops: Vec<Box<dyn Norm>> = Vec::new();
    // Both directions of ops, and all choices of gradients.
    macro_rules! each {
        ($($op:expr),* $(,)?) => { $(
            ops.push(Box::new($op.in_place(true)));
            ops.push(Box::new($op.backward().accumulate(true)));
            ops.push(Box::new($op.backward().grad_weight(false)));
            ops.push(Box::new($op.backward().grad_bias(false)));
            ops.push(Box::new($op.backward().grad_weight(false).grad_bias(false)));
            ops.push(Box::new($op.backward().grad_input(false)));
            ops.push(Box::new($op.backward().grad_input(false).grad_weight(false)));
            both!(ops: $op);
        )* };
    }
    let rows = &[7, len][..];
    let image = &[3, 8, len][..];
    each!(
        LayerNorm::new(rows, 1..),
        LayerNorm::new(rows, 1..).activation(Activation::Gelu),
        LayerNorm::new(image, 1..2),
        GroupNorm::new(image, 2),
        GroupNorm::new(image, 2).layout(Layout::ChannelsLast),
        BatchNorm::training(image),
        BatchNorm::training(rows),
        BatchNorm::training(rows).save_for_backward(true),
        BatchNorm::training(image).residual(true).activation(Activation::Relu),
        BatchNorm::inference(image),
        BatchNorm::inference(rows),
    );
    ops.extend(storage_types(len));
    for activation in Activation::ALL {
        both!(ops:
            LayerNorm::new(rows, 1..).activation(activation),
            BatchNorm::training(image).activation(activation),
            BatchNorm::inference(rows).residual(true).activation(activation),
        );
    }
    for (weight, bias, stats) in [(true, true, true), (false, true, true), (true, false, false), (false, false, true)] {
        both!(ops:
            LayerNorm::new(rows, 1..).weight(weight).bias(bias).save_stats(stats),
            RmsNorm::new(rows, 1..).weight(weight).save_stats(stats),
            RmsNorm::new(image, 1..2).weight(weight).save_stats(stats),
            GroupNorm::new(image, 2).weight(weight).bias(bias).save_stats(stats),
            BatchNorm::training(image).weight(weight).bias(bias).save_stats(stats),
            BatchNorm::training(rows).weight(weight).bias(bias).save_stats(stats),
            BatchNorm::inference(image).weight(weight).bias(bias),
        );
    }
    for order in [Order::L1, Order::L2] {
        both!(ops:
            LpNormalize::new(rows, 1..).order(order).save_stats(true),
            LpNormalize::new(image, 1..2).order(order),
        );
    }
    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
        for convention in [RunningStats::PYTORCH, RunningStats::CUMULATIVE] {
            let batch = BatchNorm::training(image).layout(layout).running_stats(convention);
            ops.push(Box::new(batch.clone().running_low(true)));
            ops.push(Box::new(batch));
            ops.push(Box::new(InstanceNorm::new(image).layout(layout).running_stats(convention)));
        }
        ops.extend(parts(image, layout));
        both!(ops:
            GroupNorm::new(image, 2).layout(layout).per_sample(true),
            InstanceNorm::new(image).layout(layout).weight(true).bias(true),
        );
    }
    // Statistics alone, and given ones.
    for shape in [rows, image] {
        let layer = LayerNorm::new(shape, 1..2).residual(true).residual_output(true);
        let rms = RmsNorm::new(shape, 1..2);
        let given = LayerNorm::new(shape, 1..2).given_statistics(2 * len.max(8));
        ops.push(Box::new(layer.statistics()));
        ops.push(Box::new(layer.moments()));
        ops.push(Box::new(layer.statistics().merge(3)));
        ops.push(Box::new(rms.statistics()));
        ops.push(Box::new(rms.moments()));
        ops.push(Box::new(rms.statistics().merge(3)));
        ops.push(Box::new(given.backward().coefficients(Coefficients::Written)));
        ops.push(Box::new(given.backward().coefficients(Coefficients::Given)));
        both!(ops: given);
    }
    let rms = || RmsNorm::new(rows, 1..);
    let modulated = rms().gate(Gate::before(GateFunction::Identity)).residual(true).residual_output(true);
    ops.push(Box::new(modulated.backward().grad_gate(false)));
    let twice = rms().residual(true).residual_after(true).next_norm(true);
    let twice = [twice.clone().residual_in_place(true), twice.clone().in_place(true), twice.weight(false)];
    ops.extend(twice.map(|op| -> Box<dyn Norm> { Box::new(op) }));
    both!(ops:
        rms().gate(Gate::before(GateFunction::Silu)),
        rms().gate(Gate::after(GateFunction::Sigmoid)),
        rms().gate(Gate::after(GateFunction::OnePlus)),
        modulated.clone().weight(false),
        rms().gate(Gate::after(GateFunction::Tanh)).residual(true).residual_after(true).residual_in_place(true),
        LayerNorm::new(image, 1..2).gate(Gate::after(GateFunction::Silu)),
        RmsNorm::new(&[5, 3, len], 2..).affine_axes(1..),
        LpNormalize::new(rows, 1..).weight(true),
        LayerNorm::new(image, 2..).per_sample(true),
        LayerNorm::new(image, 1..2).per_sample(true),
        RmsNorm::new(rows, 1..).residual(true).residual_output(true),
    );
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The divisors of the shaders, and the steps of their loops. The shaders have no guards, which is sound only if
    /// all of these are at least one: see `docs/safety.md`.
    #[test]
    fn every_divisor_and_step_is_at_least_one() {
        const FIELDS: [&str; 15] = [
            "groups",
            "packs",
            "all_groups",
            "splits",
            "members",
            "channels",
            "stride",
            "outer",
            "stat_rows",
            "affine_rows",
            "stat_run",
            "affine_run",
            "row_step",
            "weights",
            "columns",
        ];
        let mut seen = HashSet::new();
        for caps in &devices() {
            for strategy in [Strategy::Inferred].into_iter().chain(Method::ALL.iter().map(|&m| Strategy::Forced(m))) {
                for op in [1, 12, 13].into_iter().flat_map(options) {
                    let Ok(operation) = op.operation(Internal) else { continue };
                    let Ok(lowered) = lower(&operation, caps, strategy) else { continue };
                    for call in lowered.calls {
                        for (name, least) in call.key.with_calls().fields_of_call() {
                            assert!(*least > 0 || !FIELDS.contains(name), "{}: {name} of a call may be 0", call.key);
                        }
                        for field in call.key.uniform().iter().filter(|field| FIELDS.contains(&field.name)) {
                            assert!(
                                call.params[field.offset..field.offset + 4] != [0; 4],
                                "{}: {}",
                                call.key,
                                field.name
                            );
                            seen.insert(field.name);
                        }
                    }
                }
            }
        }
        assert_eq!(seen.len(), FIELDS.len(), "{seen:?}");
    }
}
