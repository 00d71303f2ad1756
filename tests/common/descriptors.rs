//! Ops from numbers, for property tests and fuzzing: every op with every option, in both directions.

use wgpu_norm::{
    Activation, BatchMoments, BatchNorm, Caps, Coefficients, DType, Gate, GateFunction, GroupNorm, InstanceNorm,
    LayerNorm, Layout, LocalResponseNorm, LpNormalize, Method, Norm, Offsets, Pairs, Quantized, RmsNorm, Rotary,
    RunningStats, Slot, Strategy,
};

/// Numbers choose from lists by their remainder.
#[derive(Clone, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Descriptor {
    pub shape: Vec<usize>,
    pub axes: (usize, usize),
    pub eps: f32,
    pub momentum: f32,
    pub flags: [bool; 16],
    /// Types of input, output, residual, sum, and of weight and bias.
    pub dtypes: [u8; 5],
    pub activation: u8,
    /// The gate, and whether the residual is behind the norm.
    pub gate: u8,
    /// The stride of the input's rows, and the size of a window.
    pub stride: usize,
    pub cpu: bool,
    pub subgroups: u8,
    /// `None`: the inferred one.
    pub method: Option<u8>,
}

fn choose<T: Copy>(list: &[T], i: u8) -> T {
    list[usize::from(i) % list.len()]
}

impl Descriptor {
    pub fn caps(&self) -> Caps {
        let mut caps = Caps::default();
        caps.cpu = self.cpu;
        caps.offsets = choose(&[Offsets::Binding, Offsets::Pack, Offsets::Element], self.subgroups / 4);
        caps.subgroup_size = choose(&[None, Some((4, 4)), Some((8, 128)), Some((32, 32))], self.subgroups);
        caps.few_kernels = self.subgroups / 12 % 2 == 1;
        caps
    }

    pub fn strategy(&self) -> Strategy {
        self.method.map_or(Strategy::Inferred, |i| Strategy::Forced(choose(Method::ALL, i)))
    }

    /// Strides that leave gaps behind one of the axes.
    fn gaps(&self) -> Vec<usize> {
        let mut strides = vec![1usize; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            let has_gap = axis == usize::from(self.activation) % self.shape.len();
            let extent = self.shape[axis].max(if has_gap { self.stride } else { 0 });
            strides[axis - 1] = strides[axis].saturating_mul(extent);
        }
        strides
    }

    pub fn ops(&self) -> Vec<Box<dyn Norm>> {
        let Self { ref shape, axes: (start, end), eps, momentum, flags, stride, .. } = *self;
        let dtypes = self.dtypes.map(|i| choose(&DType::FLOATS, i));
        let activation = choose(&Activation::ALL, self.activation);
        let [weight, bias, save, training, zero_centered, per_sample, residual, sum, in_place, last, tracked, ..] =
            flags;
        let gates = [None, Some(Gate::before as fn(_) -> _), Some(Gate::after), None];
        let gate = choose(&gates, self.gate).map(|place| place(choose(&GateFunction::ALL, self.gate / 8)));
        let after = residual && self.gate & 4 > 0;
        let layout = if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
        let convention = RunningStats::Onnx { momentum };
        // Options that all ops have.
        macro_rules! with_options {
            ($op:expr) => {{
                let mut op = $op.eps(eps);
                let o = &mut op.options;
                (o.weight, o.bias, o.save_stats, o.zero_centered) = (weight, bias, save, zero_centered && weight);
                (o.per_sample, o.residual) = (per_sample, residual);
                (o.activation, o.in_place) = (if gate.is_some() { Activation::None } else { activation }, in_place);
                (o.gate, o.residual_after) = (gate, after);
                (o.residual_output, o.residual_in_place) = (residual && sum && !after, residual && sum && after);
                let [input, output, of_residual, of_sum, params] = dtypes.map(Some);
                (o.types.input, o.types.output, o.types.affine) = (input, output, params);
                (o.types.residual, o.types.residual_output, o.types.gate) = (of_residual, of_sum, of_sum);
                if tracked {
                    let slots = [
                        Slot::Input,
                        Slot::Output,
                        Slot::Residual,
                        Slot::GradOutput,
                        Slot::GradInput,
                        Slot::Gate,
                        Slot::NextOutput,
                    ];
                    o.strides.insert(choose(&slots, self.activation), self.gaps());
                }
                op
            }};
        }
        let mut layer_norm = with_options!(LayerNorm::new(shape, start..end));
        let before = residual && !after && gate.is_none_or(|gate| !gate.before);
        layer_norm.options.input_bias = before && self.gate & 64 > 0;
        let next = self.gate & 16 > 0 && (gate.is_some() || activation == Activation::None);
        let rms_norm = with_options!(RmsNorm::new(shape, start..end)).affine_axes(start / 2..end);
        let twice = rms_norm.clone().next_norm(next);
        let blocks = [Quantized::rows(), Quantized::blocks(32), Quantized::blocks(128)];
        let mut quantized = rms_norm.clone().quantized(choose(&blocks, self.gate / 32)).in_place(false);
        quantized.options.residual_in_place = false;
        let mut merges = Vec::new();
        let mut batch_norm = with_options!(BatchNorm::training(shape)).layout(layout);
        let o = &mut batch_norm.options;
        (o.residual_output, o.per_sample, o.gate) = (false, false, None);
        (o.residual_after, o.residual_in_place) = (false, false);
        batch_norm.training = training;
        batch_norm.running_stats = (tracked && training).then_some(convention);
        batch_norm.options.save_stats &= training;
        batch_norm.options.save_for_backward = training && flags[15];
        // A part of a batch, which may be empty, among as many parts as a window has channels.
        let mut merged = batch_norm.clone().merge(stride).save_for_backward(true);
        (merged.training, merged.options.in_place) = (true, false);
        for coefficients in [Coefficients::Computed, Coefficients::Written, Coefficients::Given] {
            merges.push(merged.backward().coefficients(coefficients).accumulate(flags[11]));
        }
        let group_norm = with_options!(GroupNorm::new(shape, start)).layout(layout);
        let mut instance_norm = with_options!(InstanceNorm::new(shape)).layout(layout);
        instance_norm.running_stats = tracked.then_some(convention);
        let lp = LpNormalize::new(shape, start..end).eps(eps).save_stats(save).in_place(in_place).dtype(dtypes[0]);
        let window = LocalResponseNorm::new(shape, stride).alpha(eps).beta(momentum).layout(layout);
        let window = window.input_dtype(dtypes[0]).output_dtype(dtypes[1]);
        let mut ops: Vec<Box<dyn Norm>> = Vec::new();
        macro_rules! and_backward {
            ($($op:expr),*) => { $(
                let mut backward = $op.backward().accumulate(flags[11]);
                let g = &mut backward.gradients;
                (g.input, g.weight, g.bias) = (flags[12], g.weight && flags[13], g.bias && flags[14]);
                g.gate &= g.input;
                g.affine_dtype = dtypes[3];
                ops.push(Box::new(backward));
                ops.push(Box::new($op));
            )* };
        }
        // Most options are refused beside it.
        let mut rotated = layer_norm.clone().input_bias(false);
        let o = &mut rotated.options;
        (o.activation, o.residual, o.residual_output, o.save_stats) = (Activation::None, false, false, false);
        (o.residual_in_place, o.residual_after, o.gate, o.next_norm) = (false, false, None, false);
        let pairs = if sum { Pairs::Halves } else { Pairs::Neighbours };
        rotated.options.rotary = Some(Rotary::new(pairs, stride % 64 * 4, 1 + stride % 100));
        ops.push(Box::new(rotated.backward()));
        ops.push(Box::new(rotated));
        // Most options are refused beside an index.
        let mut indexed = layer_norm.clone();
        let o = &mut indexed.options;
        (o.save_stats, o.in_place, o.residual_output, o.residual_in_place) = (save && sum, false, false, false);
        (o.gather_rows, o.scatter_rows) = ((!sum).then_some(stride), last.then_some(stride / 2));
        ops.push(Box::new(indexed.backward()));
        ops.push(Box::new(indexed));
        let given = layer_norm.clone().given_statistics(stride);
        for coefficients in [Coefficients::Computed, Coefficients::Written, Coefficients::Given] {
            ops.push(Box::new(given.backward().coefficients(coefficients)));
        }
        ops.push(Box::new(given));
        ops.push(Box::new(merged));
        ops.extend(merges.into_iter().map(|op| Box::new(op) as Box<dyn Norm>));
        ops.push(Box::new(twice));
        ops.push(Box::new(quantized));
        ops.push(Box::new(layer_norm.statistics()));
        ops.push(Box::new(layer_norm.moments()));
        ops.push(Box::new(rms_norm.statistics().merge(stride)));
        ops.push(Box::new(rms_norm.moments()));
        and_backward!(layer_norm, rms_norm, batch_norm, group_norm, instance_norm, lp, window);
        ops.push(Box::new(BatchMoments::new(shape).layout(layout).dtype(dtypes[0])));
        ops
    }
}
