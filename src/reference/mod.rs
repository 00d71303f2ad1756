//! Each op in f64 on the CPU, forward and backward, written for readers. Tests compare the GPU's results with it.
//!
//! Call it through [`Norm::reference`](crate::Norm::reference). An op gives the indices of each element's statistic and
//! weight (`place`, in the op's file). The rest is the same for all ops but local response norm, whose windows are not
//! groups.

mod activation;
mod local_response_norm;
mod rotary;

use crate::{
    definition::{Coefficients, Definition, Gradients, Operation, Source, Tracked},
    epilogue,
    options::Options,
    running_stats::RunningStats,
    slot::Slot,
    tensor::{Access, DType, Outputs, Tensors, Unrounded},
    types::{Gate, Quantized, Scale},
};

/// The indices of an element's statistic and weight, from its index along each axis.
type Place<'a> = &'a dyn Fn(&[usize]) -> [usize; 2];

/// Computes an op. The caller checked the tensors against the descriptor.
pub(crate) fn compute(operation: &Operation, place: Place<'_>, tensors: &Tensors<'_>) -> Outputs<f64> {
    let (definition, options) = match operation {
        Operation::Forward(definition, options)
        | Operation::Backward(definition, options, _)
        | Operation::Moments(definition, options)
        | Operation::Statistics(definition, options) => (definition, options),
        Operation::Window { window, backward: false } => return local_response_norm::forward(window, tensors),
        Operation::Window { window, backward: true } => return local_response_norm::backward(window, tensors),
    };
    let elements = Elements::new(definition, options, place, tensors);
    let mut outputs = match operation {
        Operation::Backward(_, _, gradients) => backward(&elements, *gradients),
        Operation::Moments(..) => moments(&elements),
        Operation::Statistics(..) => statistics_alone(&elements),
        _ => forward(&elements),
    };
    if options.gate_at(true).is_some() {
        let errors = elements.errors(&elements.statistics()).into_iter();
        outputs.set_condition(errors.filter(|error| error.is_finite()).fold(1.0, f64::max));
    }
    outputs
}

/// An op, element by element.
struct Elements<'a> {
    definition: &'a Definition,
    options: &'a Options,
    tensors: &'a Tensors<'a>,
    /// The indices of each element's statistic and weight.
    places: Vec<[usize; 2]>,
    /// The values to normalize: the input, or its sum with the residual.
    x: Vec<f64>,
    gain: Option<Vec<f64>>,
    bias: Option<Vec<f64>>,
    /// The residual that the op adds after the normalization.
    residual: Option<Vec<f64>>,
    /// The input, where it is not what the op normalizes.
    input: Option<Vec<f64>>,
    gate: Option<Vec<f64>>,
}

/// The statistics of all groups of elements.
struct Statistics {
    mean: Vec<f64>,
    /// The biased variance, or the mean square or mean magnitude of scales without a mean.
    var: Vec<f64>,
    rstd: Vec<f64>,
    count: Vec<f64>,
}

impl Statistics {
    /// The tensor `statistics`: the mean as hi and lo, and rstd.
    fn tensor(&self) -> Vec<f64> {
        let high: Vec<f64> = self.mean.iter().map(|&mean| f64::from(mean as f32)).collect();
        let low = self.mean.iter().zip(&high).map(|(mean, high)| mean - high).collect();
        [high, low, self.rstd.clone()].concat()
    }
}

impl<'a> Elements<'a> {
    fn new(definition: &'a Definition, options: &'a Options, place: Place<'_>, tensors: &'a Tensors<'a>) -> Self {
        let types = options.types;
        let shape = &definition.shape;
        let mut index = vec![0; shape.len()];
        let places: Vec<_> = (0..shape.iter().product::<usize>())
            .map(|_| {
                let place = place(&index);
                // Increments the index: the last axis first, with a carry to the axis before.
                for (i, &n) in index.iter_mut().zip(shape).rev() {
                    *i = (*i + 1) % n;
                    if *i > 0 {
                        break;
                    }
                }
                place
            })
            .collect();
        let read = |slot| {
            let spec = definition.parameter(options, slot);
            Some(spec.gather(&values(tensors, slot, types.affine())?))
        };
        let elements = |slot, dtype| elements(definition, options, tensors, slot, dtype);
        let residual = elements(Slot::Residual, types.residual());
        let (before, after) = if definition.residual_after { (None, residual) } else { (residual, None) };
        // The rows that an index names. Others take part in nothing that the op writes.
        let input = elements(Slot::Input, types.input());
        let input = input.map(|input| match tensors.get_indices(Slot::InputIndex) {
            Some(index) => gathered(&input, index, places.len()),
            None => input,
        });
        // The forward pass wrote this sum for the backward pass.
        let sum = elements(Slot::ResidualOutput, options.sum_dtype());
        let gate = elements(Slot::Gate, types.gate());
        let factor = |i: usize| match (options.gate, &gate) {
            (Some(Gate { before: true, function, .. }), Some(gate)) => activation::gate(function, gate[i])[0],
            _ => 1.0,
        };
        let input_bias = values(tensors, Slot::InputBias, types.affine());
        let input_bias = input_bias.map(|values| definition.input_bias(options).gather(&values));
        let x = (0..places.len()).map(|i| match (&sum, &input) {
            (Some(sum), _) => sum[i],
            (None, Some(input)) => match (&before, options.gate_at(true)) {
                // The op defines the sums as f32, so these roundings are no errors.
                (Some(residual), None) => {
                    let sum = f64::from((input[i] + residual[i]) as f32);
                    input_bias.as_ref().map_or(sum, |bias| f64::from((sum + bias[i]) as f32))
                }
                (residual, _) => input[i] * factor(i) + residual.as_ref().map_or(0.0, |residual| residual[i]),
            },
            // No gradient depends on the input.
            (None, None) => 0.0,
        });
        let offset = f64::from(options.weight_offset());
        Self {
            definition,
            options,
            tensors,
            x: x.collect(),
            places,
            input,
            gate,
            gain: read(Slot::Weight).map(|weight| weight.iter().map(|w| w + offset).collect()),
            bias: read(Slot::Bias),
            residual: after,
        }
    }

    /// The statistics of the definition.
    fn statistics(&self) -> Statistics {
        let eps = f64::from(self.options.eps);
        let groups = self.definition.stats_shape.iter().product();
        let mut count = vec![0.0; groups];
        for &[group, _] in &self.places {
            count[group] += 1.0;
        }
        let average = |f: &dyn Fn(f64, usize) -> f64| {
            let mut sum = vec![0.0; groups];
            for (&x, &[group, _]) in self.x.iter().zip(&self.places) {
                sum[group] += f(x, group);
            }
            sum.iter().zip(&count).map(|(sum, count)| sum / count).collect::<Vec<f64>>()
        };
        let zero = || vec![0.0; groups];
        let (mean, var) = match (self.definition.source, self.definition.scale) {
            (Source::Running, _) => {
                let read = |slot| values(self.tensors, slot, DType::F32).unwrap_or_else(zero);
                (read(Slot::RunningMean), read(Slot::RunningVar))
            }
            (Source::Batch { parts: Some(_), .. }, _) => {
                let moments = values(self.tensors, Slot::Moments, DType::F32).unwrap_or_default();
                let merged = merge(&moments, groups);
                count = merged.iter().map(|m| m.count).collect();
                if self.definition.scale == Scale::Variance {
                    (merged.iter().map(|m| m.mean).collect(), merged.iter().map(|m| m.m2 / m.count).collect())
                } else {
                    (zero(), merged.iter().map(|m| m.m2 / m.count + m.mean.powi(2)).collect())
                }
            }
            (_, Scale::Variance) => {
                let mean = average(&|x, _| x);
                let var = average(&|x, group| (x - mean[group]).powi(2));
                (mean, var)
            }
            (_, Scale::MeanSquare | Scale::L2) => (zero(), average(&|x, _| x * x)),
            (_, Scale::L1) => (zero(), average(&|x, _| x.abs())),
        };
        let scale = |(var, count): (&f64, &f64)| match self.definition.scale {
            Scale::Variance | Scale::MeanSquare => 1.0 / (var + eps).sqrt(),
            Scale::L2 => 1.0 / larger((var * count).sqrt(), eps),
            Scale::L1 => 1.0 / larger(var * count, eps),
        };
        let rstd = var.iter().zip(&count).map(scale).collect();
        if let Source::Given { len } = self.definition.source {
            // The input may have a part of each group.
            count = vec![len as f64; groups];
        }
        match values(self.tensors, Slot::Statistics, DType::F32) {
            // The forward pass saved these, or the caller gave them.
            Some(saved) => {
                let (high, rest) = saved.split_at(groups);
                let (low, rstd) = rest.split_at(groups);
                let mean = high.iter().zip(low).map(|(high, low)| high + low).collect();
                Statistics { mean, var, rstd: rstd.to_vec(), count }
            }
            None => Statistics { mean, var, rstd, count },
        }
    }

    /// The errors of normalized values in units of their bound, where x is no input, which is exact. f32 has an error
    /// of a few ulps in the terms of a gated sum, and all of it in a small deviation from the mean.
    fn errors(&self, statistics: &Statistics) -> Vec<f64> {
        let (Some(_), Some(input)) = (self.options.gate_at(true), &self.input) else { return vec![0.0; self.x.len()] };
        let error = |(i, (x, input)): (usize, (&f64, &f64))| {
            let product = input * self.gate(true, i)[0];
            let group = self.places[i][0];
            let excess = product.abs() + (x - product).abs() - (x - statistics.mean[group]).abs();
            excess.max(0.0) * statistics.rstd[group] / 32.0
        };
        self.x.iter().zip(input).enumerate().map(error).collect()
    }

    fn normalized(&self, statistics: &Statistics) -> Vec<f64> {
        let normalize = |(x, &[group, _]): (&f64, &[usize; 2])| (x - statistics.mean[group]) * statistics.rstd[group];
        self.x.iter().zip(&self.places).map(normalize).collect()
    }

    /// The factor of the gate for an element, and the factor's derivative. Both are 1 and 0 without a gate there.
    fn gate(&self, before: bool, i: usize) -> [f64; 2] {
        match (self.options.gate, &self.gate) {
            (Some(gate), Some(values)) if gate.before == before => activation::gate(gate.function, values[i]),
            _ => [1.0, 0.0],
        }
    }

    /// A second norm, of the output. It has no mean.
    fn next_norm(&self, output: &[f64]) -> Vec<f64> {
        let mut sums = vec![[0.0; 2]; self.definition.stats_shape.iter().product()];
        for (y, &[group, _]) in output.iter().zip(&self.places) {
            sums[group][0] += y * y;
            sums[group][1] += 1.0;
        }
        let eps = f64::from(self.options.eps);
        let offset = f64::from(self.options.weight_offset());
        let weight = values(self.tensors, Slot::NextWeight, self.options.types.affine());
        let next = |(y, &[group, weight_index]): (&f64, &[usize; 2])| {
            let [sum, count] = sums[group];
            y / (sum / count + eps).sqrt() * weight.as_ref().map_or(1.0, |weight| weight[weight_index] + offset)
        };
        output.iter().zip(&self.places).map(next).collect()
    }

    /// Sets the output as int8, with zeros up to the next word behind each row. `terms`: the magnitude of the terms of
    /// each element.
    fn set_quantized(&self, outputs: &mut Outputs<f64>, quantized: Quantized, output: &[f64], terms: &[f64]) {
        let len = self.definition.group_len();
        let mut rows = vec![Vec::with_capacity(len); self.definition.stats_shape.iter().product()];
        for ((&u, &terms), &[group, _]) in output.iter().zip(terms).zip(&self.places) {
            rows[group].push((u, terms));
        }
        // A NaN is the largest.
        let largest =
            |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).max_by(f64::total_cmp).unwrap_or(0.0);
        let (mut unrounded, mut scales) = (Unrounded::default(), Vec::new());
        let elements = &mut unrounded.elements;
        for row in rows {
            for block in row.chunks(quantized.block()) {
                let scale = largest(&mut block.iter().map(|&(u, _)| u)) / 127.0;
                let terms = largest(&mut block.iter().flat_map(|&(u, terms)| [u, terms]));
                let is_zero = scale < f64::from(f32::MIN_POSITIVE);
                let element = |&(u, _): &(f64, f64)| if is_zero { [0.0; 2] } else { [u / scale, terms / scale] };
                scales.push(if is_zero { 0.0 } else { scale });
                elements.extend(block.iter().map(element));
                unrounded.terms.push(terms);
            }
            elements.resize(elements.len().next_multiple_of(4), [0.0; 2]);
        }
        outputs.set(Slot::QuantizedScale, scales);
        outputs.set(Slot::QuantizedOutput, elements.iter().map(|[x, _]| x.round_ties_even()).collect());
        outputs.set_unrounded(unrounded);
    }

    /// The terms of the affine map of an element.
    fn affine(&self, i: usize, normalized: f64) -> [f64; 2] {
        let weight = self.places[i][1];
        let gain = self.gain.as_ref().map_or(1.0, |gain| gain[weight]);
        [normalized * gain, self.bias.as_ref().map_or(0.0, |bias| bias[weight])]
    }

    /// The terms of the activation's argument.
    fn before_activation(&self, normalized: &[f64]) -> Vec<[f64; 3]> {
        let terms = |(i, &y): (usize, &f64)| {
            let [product, bias] = self.affine(i, y).map(|term| term * self.gate(false, i)[0]);
            [product, bias, self.residual.as_ref().map_or(0.0, |residual| residual[i])]
        };
        normalized.iter().enumerate().map(terms).collect()
    }
}

/// `max` that keeps a NaN.
fn larger(a: f64, b: f64) -> f64 {
    if a < b { b } else { a }
}

/// The values of a slot, rounded to its storage type.
fn values(tensors: &Tensors<'_>, slot: Slot, dtype: DType) -> Option<Vec<f64>> {
    Some(tensors.get(slot)?.iter().map(|&x| f64::from(dtype.round(x))).collect())
}

/// For each index of the first axis, the elements of the index in a tensor that it names, or zeros if that is out of
/// range. `elements`: those of all indices.
fn gathered(tensor: &[f64], index: &[u32], elements: usize) -> Vec<f64> {
    let len = elements / index.len().max(1);
    let rows = index.iter().map(|&i| tensor.chunks(len.max(1)).nth(i as usize).map_or(vec![0.0; len], <[f64]>::to_vec));
    rows.flatten().collect()
}

/// The elements of such a tensor.
fn elements(
    definition: &Definition,
    options: &Options,
    tensors: &Tensors<'_>,
    slot: Slot,
    dtype: DType,
) -> Option<Vec<f64>> {
    Some(definition.elementwise(options, slot, dtype, Access::Read).gather(&values(tensors, slot, dtype)?))
}

impl Elements<'_> {
    /// Sets such a tensor, with zeros in the gaps of its strides, or what is there.
    fn set(&self, outputs: &mut Outputs<f64>, slot: Slot, elements: Vec<f64>) {
        // Only the shape and the strides matter.
        let spec = self.definition.elementwise(self.options, slot, DType::F32, Access::Read);
        let before = values(self.tensors, slot, DType::F32);
        let values = if spec.is_dense() {
            elements
        } else {
            let mut values = before.unwrap_or_else(|| vec![0.0; spec.len()]);
            spec.scatter(&elements, &mut values);
            values
        };
        outputs.set(slot, values);
    }

    /// The output with its old rows, apart from those of indices in range.
    fn scattered(&self, elements: &[f64]) -> Vec<f64> {
        let Self { definition, options, tensors, .. } = *self;
        let rows = definition.shape[0];
        let in_order = || (0..rows as u32).collect();
        let index = |slot| tensors.get_indices(slot).map_or_else(in_order, <[u32]>::to_vec);
        let old = self::elements(definition, options, tensors, Slot::Output, options.types.output());
        let mut output = old.unwrap_or_default();
        let len = elements.len() / rows.max(1);
        let [inputs, outputs] = [options.gather_rows, options.scatter_rows].map(|len| len.unwrap_or(rows));
        for (row, (from, to)) in index(Slot::InputIndex).into_iter().zip(index(Slot::OutputIndex)).enumerate() {
            let (from, to) = (from as usize, to as usize);
            if from < inputs && to < outputs {
                output[to * len..][..len].copy_from_slice(&elements[row * len..][..len]);
            }
        }
        output
    }

    /// Sets the sum of input and residual, if the op writes it.
    fn set_sum(&self, outputs: &mut Outputs<f64>) {
        if self.options.writes_sum() {
            let slot = if self.options.residual_in_place { Slot::Residual } else { Slot::ResidualOutput };
            self.set(outputs, slot, self.x.clone());
        }
    }
}

/// The statistics of rows, without their output.
fn statistics_alone(elements: &Elements<'_>) -> Outputs<f64> {
    let mut outputs = Outputs::default();
    let statistics = elements.statistics();
    outputs.set(Slot::Statistics, statistics.tensor());
    outputs.set_scale(Slot::Statistics, elements.x.iter().chain(&statistics.mean).copied());
    // A merge has no input.
    if elements.tensors.get(Slot::Input).is_some() {
        elements.set_sum(&mut outputs);
    }
    outputs
}

fn forward(elements: &Elements<'_>) -> Outputs<f64> {
    let Elements { definition, options, tensors, .. } = *elements;
    let statistics = elements.statistics();
    let normalized = elements.normalized(&statistics);
    let before = elements.before_activation(&normalized);
    let terms: Vec<f64> = if options.quantized.is_some() {
        let errors =
            elements.errors(&statistics).into_iter().enumerate().map(|(i, error)| elements.affine(i, error)[0]);
        before.iter().zip(errors).map(|(terms, error)| terms.iter().chain([&error]).map(|x| x.abs()).sum()).collect()
    } else {
        Vec::new()
    };
    let activated = before.into_iter().map(|terms| activation::apply(options.activation, terms.iter().sum()));
    let output: Vec<f64> = match options.epilogue.as_ref().and_then(|epilogue| epilogue.reference) {
        Some(epilogue) => {
            let buffers = epilogue::SLOTS.map(|slot| tensors.get(slot).unwrap_or_default());
            activated.enumerate().map(|(index, y)| epilogue(y, index, buffers)).collect()
        }
        None => activated.collect(),
    };
    let mut outputs = Outputs::default();
    let slot = match (options.in_place, options.writes_over_residual()) {
        (true, _) => Slot::Input,
        (_, true) => Slot::Residual,
        _ => Slot::Output,
    };
    let output = match &options.rotary {
        Some(rotary) => {
            let (output, terms) = rotary::rotate(rotary, definition, tensors, &output);
            outputs.set_scale(slot, terms.into_iter());
            output
        }
        None => output,
    };
    if options.next_norm {
        elements.set(&mut outputs, Slot::NextOutput, elements.next_norm(&output));
    }
    let output = if options.is_indexed() { elements.scattered(&output) } else { output };
    match options.quantized {
        Some(quantized) => elements.set_quantized(&mut outputs, quantized, &output, &terms),
        None => elements.set(&mut outputs, slot, output),
    }
    track(definition, tensors, &statistics, &mut outputs);
    for slot in [Slot::Mean, Slot::RunningMean, Slot::Statistics] {
        outputs.set_scale(slot, elements.x.iter().copied());
    }
    elements.set_sum(&mut outputs);
    if options.save_for_backward && definition.has_statistics() {
        outputs.set(Slot::Statistics, statistics.tensor());
    }
    if options.save_stats {
        for &slot in definition.saved() {
            let values = if slot == Slot::Mean { &statistics.mean } else { &statistics.rstd };
            // The channels of an empty batch have no statistics.
            if values.is_empty() || definition.has_statistics() {
                outputs.set(slot, values.clone());
            }
        }
    }
    outputs
}

/// Updates running statistics with the average over all samples; an empty batch changes nothing.
fn track(definition: &Definition, tensors: &Tensors<'_>, statistics: &Statistics, outputs: &mut Outputs<f64>) {
    let Source::Batch { tracked: Some(Tracked { convention, low }), .. } = definition.source else { return };
    let empty = !definition.has_statistics();
    let batches = tensors.batches().map(|n| if empty { n } else { n.wrapping_add(1) });
    let average = 1.0 / f64::from(batches.unwrap_or(1));
    let (old, new) = convention.weights().unwrap_or((1.0 - average, average));
    let correction = f64::from(RunningStats::correction(convention));
    let lows = values(tensors, Slot::RunningLow, DType::F32).unwrap_or_default();
    // Updates channels with more than `least` elements in each sample. Other channels keep their values.
    let update = |slot, least: f64, value: &dyn Fn(usize) -> f64| {
        let running = values(tensors, slot, DType::F32).unwrap_or_default();
        let channels = running.len();
        let samples = statistics.mean.len() / channels.max(1);
        let first_low = if slot == Slot::RunningVar { channels } else { 0 };
        let channel = |(channel, &high): (usize, &f64)| {
            let of_samples = || (0..samples).map(|sample| sample * channels + channel);
            let running = high + lows.get(first_low + channel).copied().unwrap_or(0.0);
            if empty || of_samples().any(|i| statistics.count[i] <= least) {
                return running;
            }
            old * running + new * of_samples().map(value).sum::<f64>() / samples as f64
        };
        running.iter().enumerate().map(channel).collect::<Vec<f64>>()
    };
    let mean = update(Slot::RunningMean, 0.0, &|i| statistics.mean[i]);
    let unbiased = |i: usize| statistics.var[i] * statistics.count[i] / (statistics.count[i] - correction);
    let var = update(Slot::RunningVar, correction, &unbiased);
    if low {
        let rests = mean.iter().chain(&var).map(|&value| value - f64::from(value as f32));
        outputs.set(Slot::RunningLow, rests.collect());
    }
    outputs.set(Slot::RunningMean, mean);
    outputs.set(Slot::RunningVar, var);
    if let Some(batches) = batches {
        outputs.set_num_batches_tracked(batches);
    }
}

fn backward(elements: &Elements<'_>, gradients: Gradients) -> Outputs<f64> {
    let Elements { definition, options, tensors, .. } = *elements;
    let statistics = elements.statistics();
    let normalized = elements.normalized(&statistics);
    let given = |slot, dtype| self::elements(definition, options, tensors, slot, dtype);
    let grad_output = given(Slot::GradOutput, options.result_dtype()).unwrap_or_default();
    // The gradient of the activation's argument.
    let before = elements.before_activation(&normalized);
    let f = options.activation;
    let derivative = |terms: &[f64; 3]| activation::derivative(f, terms.iter().sum());
    let through = |(i, (g, terms)): (usize, (&f64, &[f64; 3]))| g * derivative(terms) * elements.gate(false, i)[0];
    let g: Vec<f64> = grad_output.iter().zip(&before).enumerate().map(through).collect();
    let scale = |terms: &[f64; 3]| activation::derivative_scale(f, terms);
    let through = |(i, (g, terms)): (usize, (&f64, &[f64; 3]))| g * scale(terms) * elements.gate(false, i)[0];
    let g_scale: Vec<f64> = grad_output.iter().zip(&before).enumerate().map(through).collect();
    let places = &elements.places;
    let mut outputs = Outputs::default();

    let weights = definition.affine_shape.iter().product();
    let parameter = |slot, value: &dyn Fn(usize) -> f64| {
        let old = if gradients.accumulate { values(tensors, slot, gradients.affine_dtype) } else { None };
        let mut sum = old.unwrap_or_else(|| vec![0.0; weights]);
        for (i, &[_, weight]) in places.iter().enumerate() {
            sum[weight] += value(i);
        }
        sum
    };
    outputs.set_scale(Slot::GradWeight, g_scale.iter().zip(&normalized).map(|(g, x)| g * x));
    outputs.set_scale(Slot::GradBias, g_scale.iter().copied());
    outputs.set_scale(Slot::GradResidual, g_scale.iter().copied());
    if gradients.weight {
        outputs.set(Slot::GradWeight, parameter(Slot::GradWeight, &|i| g[i] * normalized[i]));
    }
    if gradients.bias {
        outputs.set(Slot::GradBias, parameter(Slot::GradBias, &|i| g[i]));
    }
    if gradients.residual && definition.residual_after {
        elements.set(&mut outputs, Slot::GradResidual, g.clone());
    }
    if !gradients.input_or_coefficients() {
        return outputs;
    }
    if options.gate_at(false).is_some() && gradients.gate {
        let affine = |i: usize| elements.affine(i, normalized[i]).map(|term| term * elements.gate(false, i)[1]);
        let grad = |(i, grad): (usize, &f64)| grad * affine(i).iter().sum::<f64>();
        elements.set(&mut outputs, Slot::GradGate, grad_output.iter().enumerate().map(grad).collect());
        let scale = |(i, grad): (usize, &f64)| grad * affine(i).iter().map(|term| term.abs()).sum::<f64>();
        outputs.set_scale(Slot::GradGate, grad_output.iter().enumerate().map(scale));
    }

    let groups = statistics.rstd.len();
    if definition.merged_parts().is_some() && gradients.coefficients == Coefficients::Written {
        outputs.set_scale(Slot::GradSums, g_scale.iter().zip(&normalized).map(|(g, y)| g * y.abs().max(1.0)));
        outputs.set(Slot::GradSums, sums_of_part(places, groups, &g, &normalized));
        return outputs;
    }

    // The gradient of the normalized values: g times the gain.
    let gain = |weight: usize| elements.gain.as_ref().map_or(1.0, |gain| gain[weight]);
    let scaled = |g: Vec<f64>| -> Vec<f64> { g.iter().zip(places).map(|(g, &[_, weight])| g * gain(weight)).collect() };
    let (g, g_scale) = (scaled(g), scaled(g_scale));
    let (mut sum, mut product) = (vec![0.0; groups], vec![0.0; groups]);
    for (i, &[group, _]) in places.iter().enumerate() {
        sum[group] += g[i];
        product[group] += g[i] * normalized[i];
    }
    // A part of a row has its share of the means over the row.
    let centered = definition.scale == Scale::Variance;
    let mean = |(sum, count): (&f64, &f64)| if centered { sum / count } else { 0.0 };
    let product_mean = product.iter().zip(&statistics.count).map(|(product, count)| product / count);
    let mut coefficients: Vec<f64> = sum.iter().zip(&statistics.count).map(mean).chain(product_mean).collect();
    if gradients.coefficients == Coefficients::Written {
        let shares = places.iter().map(|&[group, _]| places.len() as f64 / groups as f64 / statistics.count[group]);
        let terms = g_scale.iter().zip(&normalized).zip(shares);
        outputs.set_scale(Slot::Coefficients, terms.map(|((g, y), share)| g * share * y.abs().max(1.0)));
        outputs.set(Slot::Coefficients, coefficients);
        return outputs;
    }
    if let Some(given) = given_coefficients(tensors, groups, &gain) {
        coefficients = given;
    }
    let eps = f64::from(options.eps);
    let grad_sum = given(Slot::GradResidualOutput, options.sum_dtype());
    let grad_input = places.iter().enumerate().map(|(i, &[group, _])| {
        let (count, var) = (statistics.count[group], statistics.var[group]);
        let statistics_gradient = match (definition.source, definition.scale) {
            (Source::Running, _) => 0.0,
            (_, Scale::Variance | Scale::MeanSquare) => {
                coefficients[group] + normalized[i] * coefficients[groups + group]
            }
            // Below eps, the factor does not depend on the norm.
            (_, Scale::L2) if (var * count).sqrt() < eps => 0.0,
            (_, Scale::L1) if var * count < eps => 0.0,
            (_, Scale::L2) => normalized[i] * product[group],
            (_, Scale::L1) if elements.x[i] == 0.0 => 0.0,
            (_, Scale::L1) => elements.x[i].signum() * product[group],
        };
        statistics.rstd[group] * (g[i] - statistics_gradient) + grad_sum.as_ref().map_or(0.0, |grad| grad[i])
    });
    let grad_x: Vec<f64> = grad_input.collect();
    let scale = |(i, &[group, _]): (usize, &[usize; 2])| {
        let given =
            |region: usize| if gradients.coefficients == Coefficients::Given { coefficients[region] } else { 0.0 };
        let given = given(group).abs().max((given(groups + group) * normalized[i]).abs());
        g_scale[i].abs().max(given) * statistics.rstd[group]
    };
    before_norm(elements, gradients, &grad_x, &places.iter().enumerate().map(scale).collect::<Vec<_>>(), &mut outputs);
    outputs
}

/// The sums of a part of a batch for each group: of g, of g * y, the number of values, and 0.
fn sums_of_part(places: &[[usize; 2]], groups: usize, g: &[f64], normalized: &[f64]) -> Vec<f64> {
    let mut sums = vec![[0.0; 4]; groups];
    for ((&[group, _], g), y) in places.iter().zip(g).zip(normalized) {
        sums[group][0] += g;
        sums[group][1] += g * y;
        sums[group][2] += 1.0;
    }
    sums.concat()
}

/// The coefficients that the caller gives, or those of the sums of all parts of a batch. `gain`: that of a channel,
/// which is a group.
fn given_coefficients(tensors: &Tensors<'_>, groups: usize, gain: &dyn Fn(usize) -> f64) -> Option<Vec<f64>> {
    let Some(sums) = values(tensors, Slot::GradSums, DType::F32) else {
        return values(tensors, Slot::Coefficients, DType::F32);
    };
    let total = |of: usize, group: usize| sums[4 * group + of..].iter().step_by(4 * groups).sum::<f64>();
    let mean = |i: usize| gain(i % groups) * total(i / groups, i % groups) / total(2, i % groups);
    Some((0..2 * groups).map(mean).collect())
}

/// The gradients of input, gate and residual before the norm, from that of their sum. `scales`: those of its errors.
fn before_norm(
    elements: &Elements<'_>,
    gradients: Gradients,
    grad_x: &[f64],
    scales: &[f64],
    outputs: &mut Outputs<f64>,
) {
    let times = |values: &[f64], factor: &dyn Fn(usize) -> f64| -> Vec<f64> {
        values.iter().enumerate().map(|(i, value)| value * factor(i)).collect()
    };
    let mut set = |slot, factor: &dyn Fn(usize) -> f64| {
        elements.set(outputs, slot, times(grad_x, factor));
        outputs.set_scale(slot, times(scales, factor).into_iter());
    };
    set(Slot::GradInput, &|i| elements.gate(true, i)[0]);
    if gradients.residual && !elements.definition.residual_after {
        set(Slot::GradResidual, &|_| 1.0);
    }
    if let (Some(input), true) = (&elements.input, gradients.gate && elements.options.gate_at(true).is_some()) {
        set(Slot::GradGate, &|i| input[i] * elements.gate(true, i)[1]);
    }
}

/// The moments of one part of a channel.
#[derive(Clone, Copy, Default)]
struct Part {
    mean: f64,
    m2: f64,
    count: f64,
}

/// Merges moments of shape `[parts, channels, 4]`.
fn merge(moments: &[f64], channels: usize) -> Vec<Part> {
    let part = |m: &[f64]| Part { mean: m[0] + m[1], m2: m[2], count: m[3] };
    (0..channels)
        .map(|channel| {
            let parts = || moments.chunks_exact(4).skip(channel).step_by(channels).map(part);
            let count = parts().map(|p| p.count).sum::<f64>();
            let mean = parts().map(|p| p.mean * p.count).sum::<f64>() / count;
            Part { mean, m2: parts().map(|p| p.m2 + p.count * (p.mean - mean).powi(2)).sum(), count }
        })
        .collect()
}

/// The moments of a part of a batch, of rows, or of parts of rows. Those of a scale without a mean are about zero.
fn moments(elements: &Elements<'_>) -> Outputs<f64> {
    let mut outputs = Outputs::default();
    let Elements { x, places, .. } = elements;
    let centered = elements.definition.scale == Scale::Variance;
    let mut parts = vec![Part::default(); elements.definition.stats_shape.iter().product()];
    for (x, &[channel, _]) in x.iter().zip(places) {
        parts[channel].mean += x;
        parts[channel].count += 1.0;
    }
    for part in &mut parts {
        part.mean = if centered { part.mean / part.count } else { 0.0 };
    }
    for (x, &[channel, _]) in x.iter().zip(places) {
        let part = &mut parts[channel];
        part.m2 += (x - part.mean).powi(2);
    }
    let moments = parts.iter().flat_map(|part| {
        let high = f64::from(part.mean as f32);
        [high, part.mean - high, part.m2, part.count]
    });
    outputs.set_scale(Slot::Moments, x.iter().copied());
    if !x.is_empty() || parts.is_empty() {
        outputs.set(Slot::Moments, moments.collect());
        elements.set_sum(&mut outputs);
    }
    outputs
}
