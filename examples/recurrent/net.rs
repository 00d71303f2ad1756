//! A recurrent network on the GPU: forward and backward through time.

use std::ops::Range;

use wgpu_norm::{Activation, Bindings, LayerNorm, wgpu};

use super::{
    layout::{Branch, Cell, Layout, Source, UNITS},
    nets::{Command, Feed, Kernels, Matrix, Parameters, Part, Result, zeros},
};

/// The tensors of a branch, for all times: `[times, cases, columns]`.
struct Given {
    sums: wgpu::Buffer,
    /// What the cell takes: normalized, or the sums.
    given: wgpu::Buffer,
    grad_given: wgpu::Buffer,
    grad_sums: wgpu::Buffer,
}

pub struct Net<'a> {
    kernels: &'a Kernels<'a>,
    feed: &'a Feed,
    layout: &'a Layout,
    parameters: &'a Parameters,
    times: usize,
    cases: usize,
    inputs: usize,
    /// `[times, cases, inputs]`
    x: wgpu::Buffer,
    /// The hidden state and the memory of an LSTM, `[1 + times, cases, units]`: before the first input, and after each.
    hidden: wgpu::Buffer,
    memory: wgpu::Buffer,
    /// The memory behind its tanh, `[times, cases, units]`.
    squashed: wgpu::Buffer,
    given: Vec<Given>,
    /// Of the time that the backward pass is at: `[cases, units]`.
    grad_hidden: wgpu::Buffer,
    grad_memory: wgpu::Buffer,
    grad_squashed: wgpu::Buffer,
    grad_unsquashed: wgpu::Buffer,
    last: wgpu::Buffer,
    grad_last: wgpu::Buffer,
    loss: &'static str,
}

impl<'a> Net<'a> {
    pub fn new(
        kernels: &'a Kernels<'a>,
        feed: &'a Feed,
        layout: &'a Layout,
        parameters: &'a Parameters,
        cases: usize,
        loss: &'static str,
    ) -> Self {
        let (times, inputs) = (feed.times, feed.inputs);
        let of = |times: usize, columns: usize| zeros(kernels.gpu, times * cases * columns);
        let mut given: Vec<Given> = Vec::new();
        for (i, branch) in layout.branches.iter().enumerate() {
            // In a sum, both have the same gradient. The sum of an RNN is made where the input's part of it is;
            // elsewhere what is given gives way to its gradient, but that of the gates only once.
            let before = if i % 2 == 1 { given.last() } else { None };
            let columns = branch.columns;
            let sums = match (layout.cell, before) {
                (Cell::Rnn, Some(input)) => input.sums.clone(),
                _ => of(times, columns),
            };
            let normed = || of(times, columns);
            let after = if branch.norm.is_some() { normed() } else { sums.clone() };
            let grad_given = match (layout.cell, before) {
                (Cell::Rnn, None) => normed(),
                (Cell::Rnn | Cell::Lstm, Some(input)) => input.grad_given.clone(),
                (Cell::Gru, Some(input)) if i == 1 => input.grad_given.clone(),
                _ => after.clone(),
            };
            let grad_sums = if branch.norm.is_some() { normed() } else { grad_given.clone() };
            given.push(Given { sums, given: after, grad_given, grad_sums });
        }
        let outputs = parameters.value(layout.last[1]).len;
        let [grad_hidden, grad_memory, grad_squashed, grad_unsquashed] = [(); 4].map(|()| of(1, UNITS));
        Self {
            kernels,
            feed,
            layout,
            parameters,
            times,
            cases,
            inputs,
            x: of(times, inputs),
            hidden: of(1 + times, UNITS),
            memory: of(1 + times, UNITS),
            squashed: of(times, UNITS),
            given,
            grad_hidden,
            grad_memory,
            grad_squashed,
            grad_unsquashed,
            last: of(1, outputs),
            grad_last: of(1, outputs),
            loss,
        }
    }

    /// The mean length of the hidden state after each input of the last batch.
    pub fn hidden_norms(&self) -> Result<Vec<f64>> {
        let hidden = super::nets::download(self.kernels.gpu, &self.hidden)?;
        let length = |h: &[f32]| h.iter().map(|&h| f64::from(h).powi(2)).sum::<f64>().sqrt();
        let mean = |hidden: &[f32]| hidden.chunks_exact(UNITS).map(length).sum::<f64>() / self.cases as f64;
        Ok(hidden.chunks_exact(self.cases * UNITS).skip(1).map(mean).collect())
    }

    /// A batch, through all times to the loss.
    pub fn forward(&self) -> Result<Vec<Command>> {
        let mut commands = vec![self.feed.gather(self.kernels, &self.x)];
        for (branch, given) in self.layout.branches.iter().zip(&self.given).filter(|(b, _)| b.source == Source::Input) {
            commands.push(self.kernels.product(self.input(), self.weight(branch), &given.sums, false));
            commands.extend(self.norm(branch, given, 0..self.times)?);
            if let Some(bias) = branch.bias {
                let rows = [self.times * self.cases, branch.columns];
                let buffers = [(2, self.parameters.value(bias)), (3, (&given.given).into())];
                commands.push(self.cell("add_bias", rows, &buffers));
            }
        }
        for time in 0..self.times {
            for (branch, given) in self.layout.branches.iter().zip(&self.given) {
                if branch.source == Source::Hidden {
                    let sums = self.at(&given.sums, time, branch.columns);
                    let hidden = Matrix::new(self.state(&self.hidden, time), UNITS);
                    let in_a_sum = self.layout.cell == Cell::Rnn;
                    commands.push(self.kernels.product(hidden, self.weight(branch), sums, in_a_sum));
                    commands.extend(self.norm(branch, given, time..time + 1)?);
                }
            }
            self.cell_forward(time, &mut commands)?;
        }
        let end = Matrix::new(self.state(&self.hidden, self.times), UNITS);
        let [_, bias] = self.layout.last;
        commands.push(self.kernels.product(end, self.last_weight(), &self.last, false));
        commands.push(self.feed.loss(self.kernels, self.loss, &self.last, &self.grad_last, self.parameters, bias));
        Ok(commands)
    }

    /// The gradients of all parameters, after [`forward`](Self::forward).
    pub fn backward(&self) -> Result<Vec<Command>> {
        let (kernels, parameters) = (self.kernels, self.parameters);
        let end = Matrix::new(self.state(&self.hidden, self.times), UNITS);
        let grad_last = Matrix::new(&self.grad_last, self.parameters.value(self.layout.last[1]).len);
        let mut commands = vec![
            kernels.product(end.transposed(), grad_last, parameters.gradient(self.layout.last[0]), false),
            kernels.column_sums(&self.grad_last, parameters.gradient(self.layout.last[1])),
            kernels.product(grad_last, self.last_weight().transposed(), &self.grad_hidden, false),
        ];
        if self.layout.cell == Cell::Lstm {
            // No later time gives the memory a gradient.
            commands.push(self.cell("clear", [self.cases, UNITS], &[(3, (&self.grad_memory).into())]));
        }
        for time in (0..self.times).rev() {
            self.cell_backward(time, &mut commands)?;
            // The state passes the gate of a GRU; to the others it only gives sums.
            let mut add = self.layout.cell == Cell::Gru;
            for (branch, given) in self.layout.branches.iter().zip(&self.given) {
                if branch.source == Source::Hidden {
                    commands.extend(self.norm_backward(branch, given, time..time + 1)?);
                    let grad = Matrix::new(self.at(&given.grad_sums, time, branch.columns), branch.columns);
                    commands.push(kernels.product(grad, self.weight(branch).transposed(), &self.grad_hidden, add));
                    add = true;
                }
            }
        }
        for (branch, given) in self.layout.branches.iter().zip(&self.given) {
            let source = match branch.source {
                Source::Input => {
                    commands.extend(self.norm_backward(branch, given, 0..self.times)?);
                    self.input()
                }
                Source::Hidden => {
                    let states = Part::from(&self.hidden).part(0..self.times * self.cases * UNITS);
                    Matrix::new(states, UNITS)
                }
            };
            let grad = Matrix::new(&given.grad_sums, branch.columns);
            commands.push(kernels.product(source.transposed(), grad, parameters.gradient(branch.weight), false));
            if let Some(bias) = branch.bias {
                commands.push(kernels.column_sums(&given.grad_sums, parameters.gradient(bias)));
            }
        }
        Ok(commands)
    }

    /// Forward, backward, and a step down.
    pub fn training(&self, rate: f32) -> Result<Vec<Command>> {
        let mut commands = self.forward()?;
        commands.extend(self.backward()?);
        commands.push(self.kernels.adam(self.parameters, self.feed, rate));
        Ok(commands)
    }

    fn cell_forward(&self, time: usize, commands: &mut Vec<Command>) -> Result<()> {
        let rows = [self.cases, UNITS];
        let given = |i: usize| self.at(&self.given[i].given, time, self.layout.branches[i].columns);
        let [hidden, memory] = [&self.hidden, &self.memory].map(|buffer| self.state(buffer, time));
        let [next_hidden, next_memory] = [&self.hidden, &self.memory].map(|buffer| self.state(buffer, time + 1));
        match self.layout.cell {
            Cell::Rnn => commands.push(self.squash(given(0), next_hidden)?),
            Cell::Lstm => {
                let squashed = self.at(&self.squashed, time, UNITS);
                let gates = [(1, given(1)), (2, given(0))];
                let buffers = [&gates[..], &[(8, memory), (3, next_memory)]].concat();
                commands.push(self.cell("lstm", rows, &buffers));
                commands.push(self.squash(next_memory, squashed)?);
                let buffers = [&gates[..], &[(9, squashed), (3, next_hidden)]].concat();
                commands.push(self.cell("lstm_output", rows, &buffers));
            }
            Cell::Gru => {
                let buffers =
                    [(1, given(1)), (2, given(0)), (4, given(3)), (10, given(2)), (8, hidden), (3, next_hidden)];
                commands.push(self.cell("gru", rows, &buffers));
            }
        }
        Ok(())
    }

    /// From the gradient of the hidden state after this time, those of what the branches give.
    fn cell_backward(&self, time: usize, commands: &mut Vec<Command>) -> Result<()> {
        let rows = [self.cases, UNITS];
        let columns = |i: usize| self.layout.branches[i].columns;
        let given = |i: usize| self.at(&self.given[i].given, time, columns(i));
        let grad_hidden = Part::from(&self.grad_hidden);
        match self.layout.cell {
            Cell::Rnn => {
                let grad = self.at(&self.given[0].grad_given, time, UNITS);
                let after = self.state(&self.hidden, time + 1);
                commands.push(self.squash_backward(given(0), after, grad_hidden, grad, time)?);
            }
            Cell::Lstm => {
                let squashed = self.at(&self.squashed, time, UNITS);
                let [memory, next_memory] = [time, time + 1].map(|time| self.state(&self.memory, time));
                let [grad_squashed, grad_unsquashed] = [&self.grad_squashed, &self.grad_unsquashed].map(Part::from);
                let buffers = [(1, given(1)), (2, given(0)), (4, grad_hidden), (3, grad_squashed)];
                commands.push(self.cell("lstm_output_backward", rows, &buffers));
                commands.push(self.squash_backward(next_memory, squashed, grad_squashed, grad_unsquashed, time)?);
                let buffers = [
                    (1, given(1)),
                    (11, given(0)),
                    (8, memory),
                    (3, (&self.grad_memory).into()),
                    (4, grad_unsquashed),
                    (10, grad_hidden),
                    (9, squashed),
                ];
                commands.push(self.cell("lstm_backward", rows, &buffers));
            }
            Cell::Gru => {
                let hidden = self.state(&self.hidden, time);
                let buffers =
                    [(1, given(1)), (11, given(0)), (4, given(3)), (10, given(2)), (8, hidden), (3, grad_hidden)];
                commands.push(self.cell("gru_backward", rows, &buffers));
            }
        }
        Ok(())
    }

    /// The layer norm of a branch at these times, if it has one.
    fn norm(&self, branch: &Branch, given: &Given, times: Range<usize>) -> Result<Option<Command>> {
        let Some([gain, bias]) = branch.norm else { return Ok(None) };
        let part = |buffer| self.during(buffer, times.clone(), branch.columns);
        let op = LayerNorm::new(&[times.len() * self.cases, branch.columns], 1..);
        let bindings = Bindings::new().input(part(&given.sums)).output(part(&given.given));
        let bindings = bindings.weight(self.parameters.value(gain)).bias(self.parameters.value(bias));
        Ok(Some(self.kernels.gpu.planner().plan(&op)?.bind(&bindings)?.into()))
    }

    fn norm_backward(&self, branch: &Branch, given: &Given, times: Range<usize>) -> Result<Option<Command>> {
        let Some([gain, bias]) = branch.norm else { return Ok(None) };
        let part = |buffer| self.during(buffer, times.clone(), branch.columns);
        let op = LayerNorm::new(&[times.len() * self.cases, branch.columns], 1..).backward();
        // The last time comes first and overwrites what the step before left.
        let op = op.accumulate(times.end < self.times);
        let parameters = self.parameters;
        let bindings = Bindings::new().input(part(&given.sums)).weight(parameters.value(gain));
        let bindings = bindings.grad_output(part(&given.grad_given)).grad_input(part(&given.grad_sums));
        let bindings = bindings.grad_weight(parameters.gradient(gain)).grad_bias(parameters.gradient(bias));
        Ok(Some(self.kernels.gpu.planner().plan(&op)?.bind(&bindings)?.into()))
    }

    /// `tanh(LN(sums))`, one kernel with the norm or without.
    fn squash(&self, sums: Part<'_>, squashed: Part<'_>) -> Result<Command> {
        let rows = [self.cases, UNITS];
        let Some([gain, bias]) = self.layout.squash else {
            return Ok(self.cell("squash", rows, &[(1, sums), (3, squashed)]));
        };
        let op = LayerNorm::new(&rows, 1..).activation(Activation::Tanh);
        let bindings = Bindings::new().input(sums).output(squashed);
        let bindings = bindings.weight(self.parameters.value(gain)).bias(self.parameters.value(bias));
        Ok(self.kernels.gpu.planner().plan(&op)?.bind(&bindings)?.into())
    }

    fn squash_backward(
        &self,
        sums: Part<'_>,
        squashed: Part<'_>,
        grad_squashed: Part<'_>,
        grad_sums: Part<'_>,
        time: usize,
    ) -> Result<Command> {
        let rows = [self.cases, UNITS];
        let Some([gain, bias]) = self.layout.squash else {
            return Ok(self.cell("squash_backward", rows, &[(1, grad_squashed), (9, squashed), (3, grad_sums)]));
        };
        let op = LayerNorm::new(&rows, 1..).activation(Activation::Tanh).backward();
        let op = op.accumulate(time + 1 < self.times);
        let parameters = self.parameters;
        let bindings = Bindings::new().input(sums).weight(parameters.value(gain)).bias(parameters.value(bias));
        let bindings = bindings.grad_output(grad_squashed).grad_input(grad_sums);
        let bindings = bindings.grad_weight(parameters.gradient(gain)).grad_bias(parameters.gradient(bias));
        Ok(self.kernels.gpu.planner().plan(&op)?.bind(&bindings)?.into())
    }

    /// A kernel of `cells.wgsl` over so many rows and columns, an invocation for each element.
    fn cell(&self, entry_point: &'static str, [rows, columns]: [usize; 2], buffers: &[(u32, Part<'_>)]) -> Command {
        let elements = rows * columns;
        let sizes = [elements as u32, columns as u32];
        self.kernels.bind(entry_point, &sizes, buffers, [elements.div_ceil(64), 1])
    }

    fn input(&self) -> Matrix<'_> {
        Matrix::new(&self.x, self.inputs)
    }

    fn weight(&self, branch: &Branch) -> Matrix<'_> {
        Matrix::new(self.parameters.value(branch.weight), branch.columns)
    }

    fn last_weight(&self) -> Matrix<'_> {
        let [weight, bias] = self.layout.last;
        Matrix::new(self.parameters.value(weight), self.parameters.value(bias).len)
    }

    fn during<'b>(&self, buffer: &'b wgpu::Buffer, times: Range<usize>, columns: usize) -> Part<'b> {
        let one = self.cases * columns;
        Part::from(buffer).part(times.start * one..times.end * one)
    }

    fn at<'b>(&self, buffer: &'b wgpu::Buffer, time: usize, columns: usize) -> Part<'b> {
        self.during(buffer, time..time + 1, columns)
    }

    /// The hidden state or the memory after so many inputs.
    fn state<'b>(&self, buffer: &'b wgpu::Buffer, after: usize) -> Part<'b> {
        self.at(buffer, after, UNITS)
    }
}
