//! A block of a transformer on real weights, in the two orders that are in use: norms after the sums (post-norm, as in
//! BERT) and before the branches (pre-norm, as in GPT-2). Every norm is one kernel with the sum before it.
//!
//! `cargo run --example transformer_block`
//!
//! The block is the last one of the sentence encoder all-MiniLM-L6-v2, its weights rounded to 8 bits, and reads 64
//! tokens of an English text. Both results are compared with those that PyTorch gave in f64.

use std::process::ExitCode;

use safetensors::{Dtype, SafeTensors};
use wgpu_norm::{Bindings, DType, LayerNorm, host::Gpu, testing, wgpu};

mod nets;
use nets::{Command, Kernels, Matrix, Part, Result, download, hold, run, upload, zeros};

const TOKENS: usize = 64;
const WIDTH: usize = 384;
const HEADS: usize = 12;
const INNER: usize = 4 * WIDTH;
const EPS: f32 = 1e-12;
/// Of the largest value: sums of 1536 products in f32, and what the crate adds to them.
const BOUND: f64 = 2e-6;

const KERNELS: &str = "
// result += right, a number for each column; and gelu of it.
struct Bias { elements: u32, columns: u32, gelu: u32 }
@group(0) @binding(0) var<uniform> bias: Bias;

@compute @workgroup_size(64)
fn add_bias(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= bias.elements { return; }
    var u = result[id.x] + right[id.x % bias.columns];
    if bias.gelu != 0u { u *= 0.5 + 0.5 * erf(u * 0.70710678); }
    result[id.x] = u;
}

// Abramowitz, Stegun 7.1.26: off by 1.5e-7.
fn erf(u: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(u));
    let tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(u) * (1.0 - tail * exp(-u * u));
}

// left: queries, right: keys, values: values; result: softmax(queries keys' / sqrt(width)) values, of each head. An
// invocation for each token and head.
struct Attention { tokens: u32, heads: u32, width: u32 }
@group(0) @binding(0) var<uniform> attention: Attention;
@group(0) @binding(8) var<storage> values: array<f32>;

@compute @workgroup_size(64)
fn attend(@builtin(global_invocation_id) id: vec3<u32>) {
    let of_head = attention.width / attention.heads;
    let token = id.x % attention.tokens;
    let head = id.x / attention.tokens * of_head;
    if id.x >= attention.tokens * attention.heads { return; }
    let query = token * attention.width + head;
    var top = -3.0e38;
    for (var i = 0u; i < attention.tokens; i++) { top = max(top, score(query, i * attention.width + head, of_head)); }
    var sum = 0.0;
    for (var d = 0u; d < of_head; d++) { result[query + d] = 0.0; }
    for (var i = 0u; i < attention.tokens; i++) {
        let key = i * attention.width + head;
        let weight = exp(score(query, key, of_head) - top);
        sum += weight;
        for (var d = 0u; d < of_head; d++) { result[query + d] += weight * values[key + d]; }
    }
    for (var d = 0u; d < of_head; d++) { result[query + d] /= sum; }
}

fn score(query: u32, key: u32, of_head: u32) -> f32 {
    var sum = 0.0;
    for (var d = 0u; d < of_head; d++) { sum += left[query + d] * right[key + d]; }
    return sum / sqrt(f32(of_head));
}
";

fn main() -> ExitCode {
    env_logger::init();
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("transformer_block: {e}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<()> {
    let gpu = Gpu::new()?;
    let kernels = Kernels::new(&gpu, KERNELS);
    let file = SafeTensors::deserialize(include_bytes!("data/minilm-layer5-block.safetensors"))?;
    let block = Block::new(&kernels, &file)?;
    println!(
        "{}: {TOKENS} tokens of {WIDTH} numbers through the last block of a sentence encoder",
        gpu.device().adapter_info().name
    );
    for (name, commands) in [("post_norm", block.post_norm()?), ("pre_norm", block.pre_norm()?)] {
        run(&gpu, &commands, 1);
        let expected: Vec<f64> = floats(&file, &format!("expected_{name}"))?.iter().map(|&x| f64::from(x)).collect();
        let error = testing::max_error(name, DType::F32, &download(&gpu, &block.output)?, &expected)?;
        let error = error / testing::largest(&expected);
        println!("{name:<9} off by {error:.1e} of its largest value from PyTorch in f64");
        hold(format!("{name} is within {BOUND:e}"), error <= BOUND)?;
    }
    Ok(())
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>> {
    let tensor = file.tensor(name)?;
    Ok(match tensor.dtype() {
        Dtype::F32 => tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        // Weights, `[outputs, inputs]`: a scale for each output.
        Dtype::I8 => {
            let scales = floats(file, &name.replace("weight", "scale"))?;
            let inputs = tensor.shape()[1];
            tensor.data().iter().enumerate().map(|(i, &b)| f32::from(b.cast_signed()) * scales[i / inputs]).collect()
        }
        other => return Err(format!("{name}: {other:?}").into()),
    })
}

/// `x W' + bias`
struct Linear {
    weight: wgpu::Buffer,
    bias: wgpu::Buffer,
    inputs: usize,
    outputs: usize,
}

struct Norm {
    weight: wgpu::Buffer,
    bias: wgpu::Buffer,
}

/// Weights, and the tensors between the kernels.
struct Block<'a> {
    kernels: &'a Kernels<'a>,
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    intermediate: Linear,
    last: Linear,
    norms: [Norm; 2],
    input: wgpu::Buffer,
    queries: wgpu::Buffer,
    keys: wgpu::Buffer,
    values: wgpu::Buffer,
    context: wgpu::Buffer,
    /// What a branch gives, what is normalized of it, and the sum that is kept.
    branch: wgpu::Buffer,
    normalized: wgpu::Buffer,
    sum: wgpu::Buffer,
    inner: wgpu::Buffer,
    output: wgpu::Buffer,
}

impl<'a> Block<'a> {
    fn new(kernels: &'a Kernels<'a>, file: &SafeTensors<'_>) -> Result<Self> {
        let gpu = kernels.gpu;
        let tensor = |name: &str| floats(file, name).map(|values| upload(gpu, &values));
        let linear = |name: &str| -> Result<Linear> {
            let shape = file.tensor(&format!("{name}.weight"))?.shape().to_vec();
            let (weight, bias) = (tensor(&format!("{name}.weight"))?, tensor(&format!("{name}.bias"))?);
            Ok(Linear { weight, bias, outputs: shape[0], inputs: shape[1] })
        };
        let norm = |name: &str| -> Result<Norm> {
            Ok(Norm { weight: tensor(&format!("{name}.weight"))?, bias: tensor(&format!("{name}.bias"))? })
        };
        let of = |columns| zeros(gpu, TOKENS * columns);
        Ok(Self {
            kernels,
            query: linear("query")?,
            key: linear("key")?,
            value: linear("value")?,
            attention_output: linear("attention_output")?,
            intermediate: linear("intermediate")?,
            last: linear("output")?,
            norms: [norm("attention_norm")?, norm("output_norm")?],
            input: tensor("input")?,
            queries: of(WIDTH),
            keys: of(WIDTH),
            values: of(WIDTH),
            context: of(WIDTH),
            branch: of(WIDTH),
            normalized: of(WIDTH),
            sum: of(WIDTH),
            inner: of(INNER),
            output: of(WIDTH),
        })
    }

    /// `y = LN(x + attention(x))`, `output = LN(y + feed_forward(y))`
    fn post_norm(&self) -> Result<Vec<Command>> {
        let [first, second] = &self.norms;
        let (input, normalized) = (&self.input, &self.normalized);
        let mut commands = self.attention(input);
        let bindings = Bindings::new().input(&self.branch).residual(input).output(normalized);
        commands.push(self.norm(first, &op().residual(true), bindings)?);
        commands.extend(self.feed_forward(normalized));
        let bindings = Bindings::new().input(&self.branch).residual(normalized).output(&self.output);
        commands.push(self.norm(second, &op().residual(true), bindings)?);
        Ok(commands)
    }

    /// `y = x + attention(LN(x))`, `output = y + feed_forward(LN(y))`. A norm adds the branch before it and writes the
    /// sum and what it makes of it; that for the output is the first norm of the next block, of which there is none
    /// here but this one again.
    fn pre_norm(&self) -> Result<Vec<Command>> {
        let [first, second] = &self.norms;
        let (input, normalized, sum) = (&self.input, &self.normalized, &self.sum);
        let mut commands = vec![self.norm(first, &op(), Bindings::new().input(input).output(normalized))?];
        let fused = op().residual(true).residual_output(true);
        let sums = |residual| Bindings::new().input(&self.branch).residual(residual).output(normalized);
        commands.extend(self.attention(normalized));
        commands.push(self.norm(second, &fused, sums(input).residual_output(sum))?);
        commands.extend(self.feed_forward(normalized));
        commands.push(self.norm(first, &fused, sums(sum).residual_output(&self.output))?);
        Ok(commands)
    }

    fn norm(&self, norm: &Norm, op: &LayerNorm, bindings: Bindings<'_>) -> Result<Command> {
        let plan = self.kernels.gpu.planner().plan(op)?;
        Ok(plan.bind(&bindings.weight(&norm.weight).bias(&norm.bias))?.into())
    }

    fn attention(&self, x: &wgpu::Buffer) -> Vec<Command> {
        let mut commands = Vec::new();
        for (linear, to) in [(&self.query, &self.queries), (&self.key, &self.keys), (&self.value, &self.values)] {
            commands.extend(self.linear(linear, x, to, false));
        }
        let buffers = [(1, &self.queries), (2, &self.keys), (8, &self.values), (3, &self.context)];
        let buffers = buffers.map(|(binding, buffer)| (binding, Part::from(buffer)));
        let sizes = [TOKENS, HEADS, WIDTH, 0].map(|n| n as u32);
        commands.push(self.kernels.bind("attend", &sizes, &buffers, [TOKENS * HEADS / 64, 1]));
        commands.extend(self.linear(&self.attention_output, &self.context, &self.branch, false));
        commands
    }

    fn feed_forward(&self, x: &wgpu::Buffer) -> Vec<Command> {
        let mut commands = Vec::from(self.linear(&self.intermediate, x, &self.inner, true));
        commands.extend(self.linear(&self.last, &self.inner, &self.branch, false));
        commands
    }

    fn linear(&self, linear: &Linear, x: &wgpu::Buffer, result: &wgpu::Buffer, gelu: bool) -> [Command; 2] {
        let Linear { weight, bias, inputs, outputs } = linear;
        let weight = Matrix::new(weight, *inputs).transposed();
        let elements = TOKENS * outputs;
        let sizes = [elements, *outputs, usize::from(gelu), 0].map(|n| n as u32);
        let buffers = [(2, bias.into()), (3, result.into())];
        [
            self.kernels.product(Matrix::new(x, *inputs), weight, result, false),
            self.kernels.bind("add_bias", &sizes, &buffers, [elements / 64, 1]),
        ]
    }
}

/// Of each token.
fn op() -> LayerNorm {
    LayerNorm::new(&[TOKENS, WIDTH], 1..).eps(EPS)
}
