//! Batch norm layers whose batch is spread over processes. Layers that do not wait for each other share an exchange.

use wgpu_norm::{Access, BatchMoments, BatchNorm, Coefficients, Norm, Outputs, Slot, Tensors, host::Gpu};

use super::{Meter, Result};

/// A layer in this process: the op with the shape of this process's part, and its tensors in both directions.
pub struct Layer<'a> {
    pub op: BatchNorm,
    pub tensors: Tensors<'a>,
}

impl Layer<'_> {
    fn channels(&self) -> usize {
        self.op.shape[1]
    }

    fn merged(&self, processes: usize) -> BatchNorm {
        self.op.clone().merge(processes).save_for_backward(true)
    }

    /// The table of this part: its moments, which are zeros where it is empty.
    fn moments(&self, gpu: &Gpu) -> Result<Vec<f32>> {
        if self.op.shape[0] == 0 {
            return Ok(vec![0.0; 4 * self.channels()]);
        }
        let op = BatchMoments::new(&self.op.shape);
        Ok(gpu.run(&op, &read(&op, &self.tensors)?)?.moments().to_vec())
    }
}

/// Those tensors that the op reads.
pub fn read<'a>(op: &dyn Norm, all: &Tensors<'a>) -> Result<Tensors<'a>> {
    let mut tensors = Tensors::default();
    for spec in op.tensors()?.iter().filter(|spec| spec.access != Access::Write) {
        // What is missing, the op names.
        if let Some(values) = all.get(spec.slot) {
            tensors = tensors.set(spec.slot, values);
        }
    }
    Ok(tensors)
}

/// The forward passes of layers, by one exchange. Without one, this process has the whole batch.
pub fn forward(gpu: &Gpu, exchange: Option<&mut Meter<'_>>, layers: &[Layer<'_>]) -> Result<Vec<Outputs<f32>>> {
    let Some(exchange) = exchange else {
        let run = |layer: &Layer<'_>| Ok(gpu.run(&layer.op, &read(&layer.op, &layer.tensors)?)?);
        return layers.iter().map(run).collect();
    };
    let own = layers.iter().map(|layer| layer.moments(gpu)).collect::<Result<Vec<_>>>()?;
    let all = exchange.gather_tables(&own)?;
    let run = |(layer, moments): (&Layer<'_>, &Vec<f32>)| {
        let op = layer.merged(exchange.processes());
        Ok(gpu.run(&op, &read(&op, &layer.tensors.clone().moments(moments))?)?)
    };
    layers.iter().zip(&all).map(run).collect()
}

/// The backward passes of layers, by one exchange. Gradients of weight and bias are those of this process's part.
pub fn backward(gpu: &Gpu, exchange: Option<&mut Meter<'_>>, layers: &[Layer<'_>]) -> Result<Vec<Outputs<f32>>> {
    let Some(exchange) = exchange else {
        let run = |layer: &Layer<'_>| {
            let op = layer.op.backward();
            Ok(gpu.run(&op, &read(&op, &layer.tensors)?)?)
        };
        return layers.iter().map(run).collect();
    };
    let processes = exchange.processes();
    let pass = |layer: &Layer<'_>, coefficients, tensors: &Tensors<'_>| -> Result<Outputs<f32>> {
        let op = layer.merged(processes).backward().coefficients(coefficients);
        Ok(gpu.run(&op, &read(&op, tensors)?)?)
    };
    let first = layers.iter().map(|layer| pass(layer, Coefficients::Written, &layer.tensors));
    let mut outputs = first.collect::<Result<Vec<_>>>()?;
    let own: Vec<Vec<f32>> = outputs.iter().map(|outputs| outputs.grad_sums().to_vec()).collect();
    let all = exchange.gather_tables(&own)?;
    for ((layer, outputs), sums) in layers.iter().zip(&mut outputs).zip(&all) {
        let second = pass(layer, Coefficients::Given, &layer.tensors.clone().grad_sums(sums))?;
        for slot in [Slot::GradInput, Slot::GradResidual] {
            // An empty part has none.
            outputs.set(slot, second.get(slot).unwrap_or_default().to_vec());
        }
    }
    Ok(outputs)
}
