//! Quantized outputs: int8 with a scale for each row or block of a row, by every team, against the f64 reference.

mod common;

use common::{arena::run_in_one_buffer, gpu, run, tuned};
use wgpu_norm::{
    Access, BatchNorm, Bindings, DType, Epilogue, Error, Gate, GateFunction, LayerNorm, LpNormalize, Method, Norm,
    Outputs, Quantized, RmsNorm, Slot, Strategy, Tensors,
    host::Gpu,
    testing::{Data, Random, compare_outputs},
    wgpu,
};

const ALL: [Quantized; 3] = [Quantized::rows(), Quantized::blocks(32), Quantized::blocks(128)];

fn run_by(op: &dyn Norm, tensors: &Tensors<'_>, strategy: Strategy) -> Outputs<f32> {
    let outputs = run(gpu(), op, tensors, strategy).unwrap_or_else(|e| panic!("{:?}, {strategy:?}: {e}", op.shape()));
    let truth = op.reference(tensors).expect("it is right");
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{:?}, {strategy:?}: {e}", op.shape()));
    outputs
}

fn conforms(op: &dyn Norm) {
    run_by(op, &Data::random(op, 1).tensors(), Strategy::Inferred);
}

/// The methods that compute an op in full precision, by one dispatch of rows.
fn methods(op: &dyn Norm) -> Vec<Method> {
    let of_rows = Method::ALL.iter().copied().filter(|m| matches!(m, Method::Resident(_) | Method::Streamed(_)));
    of_rows.filter(|&method| gpu().planner().plan_with(op, Strategy::Forced(method)).is_ok()).collect()
}

/// By every method that has rows, and by the inferred one.
fn conforms_by_all(op: &LayerNorm, quantized: Quantized) {
    let methods = methods(op);
    assert!(!methods.is_empty());
    let op = op.clone().quantized(quantized);
    let data = Data::random(&op, 1);
    for method in methods {
        run_by(&op, &data.tensors(), Strategy::Forced(method));
    }
    conforms(&op);
}

#[test]
fn every_team_finds_the_scales_of_rows_and_blocks() {
    // Single elements; a lane's packs, whose last block is shorter; packs of every team.
    for (len, all) in [(37, &ALL[..]), (100, &ALL[1..2]), (384, &ALL)] {
        for &quantized in all {
            conforms_by_all(&LayerNorm::new(&[7, len], 1..), quantized);
        }
    }
}

#[test]
fn rows_of_any_length() {
    for quantized in ALL {
        for len in [1, 12, 128, 4096, 16384, 16385] {
            conforms(&RmsNorm::new(&[3, len], 1..).quantized(quantized));
        }
    }
    // Many rows: lanes own some of them, or a team streams several at once.
    for (rows, len) in [(5000, 32), (300, 2048)] {
        conforms(&RmsNorm::new(&[rows, len], 1..).quantized(Quantized::blocks(32)));
    }
    conforms(&RmsNorm::new(&[0, 12], 1..).quantized(Quantized::rows()));
}

#[test]
fn with_other_options() {
    for quantized in ALL {
        for dtype in [DType::F16, DType::BF16] {
            for len in [13, 96, 512] {
                conforms(&LayerNorm::new(&[7, len], 1..).dtype(dtype).quantized(quantized));
            }
        }
    }
    let quantized = Quantized::blocks(32);
    // A residual in place, of rows that lavapipe streams.
    conforms(&RmsNorm::new(&[5, 4096], 1..).quantized(quantized).residual(true).residual_in_place(true));
    conforms(&RmsNorm::new(&[5, 4096], 1..).quantized(ALL[2]).residual(true).residual_in_place(true));
    // A team of several lanes streams rows that are no multiple of its packs, and writes their sum before.
    let layer = LayerNorm::new(&[5, 264], 1..);
    for method in methods(&layer) {
        let sum = layer.clone().quantized(quantized).residual(true);
        for op in [sum.clone().residual_output(true), sum.residual_in_place(true)] {
            run_by(&op, &Data::random(&op, 1).tensors(), Strategy::Forced(method));
        }
    }
    for len in [36, 37, 48] {
        let rms = || RmsNorm::new(&[5, len], 1..).quantized(quantized);
        conforms(&rms().residual(true).residual_output(true));
        conforms(&rms().residual(true).residual_in_place(true).dtype(DType::F16).residual_dtype(DType::F32));
        let sum = rms().residual(true).residual_in_place(true);
        conforms(&sum.clone().strides(Slot::Input, &[len + 4, 1]).strides(Slot::Residual, &[len + 8, 1]));
        conforms(&rms().residual(true).residual_after(true).gate(Gate::after(GateFunction::Silu)));
        let heads = LayerNorm::new(&[5, 3, len], 2..).affine_axes(1..).save_stats(true).quantized(quantized);
        conforms(&heads.per_sample(false));
        conforms(&LpNormalize::new(&[5, len], 1..).quantized(quantized));
        for any_offset in [false, true] {
            let data = Data::random(&sum, 2);
            let outputs = pollster::block_on(run_in_one_buffer(gpu(), &sum, &data.tensors(), any_offset));
            let truth = sum.reference(&data.tensors()).expect("it is right");
            compare_outputs(&sum, &outputs.expect("it runs"), &truth).expect("in one buffer");
        }
    }
}

/// Blocks of some lanes of a subgroup: lanes exchange their peaks. On a CPU, only pairs of packs have so short blocks.
#[test]
fn blocks_are_parts_of_a_subgroup() {
    let planner = tuned(&[("vec4x2", 1)]);
    let pairs = Gpu::from_parts(gpu().queue().clone(), planner);
    for quantized in ALL {
        let op = RmsNorm::new(&[7, 512], 1..).dtype(DType::F16).quantized(quantized);
        let data = Data::random(&op, 1);
        for method in methods(&RmsNorm::new(&[7, 512], 1..).dtype(DType::F16)) {
            let outputs = run(&pairs, &op, &data.tensors(), Strategy::Forced(method)).expect("it runs");
            let truth = op.reference(&data.tensors()).expect("it is right");
            compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{quantized:?}, {method}: {e}"));
        }
    }
}

/// Rows whose output is the bias: one weight, of 0, and a bias for each position.
fn bias_alone(bias: &[f32], quantized: Quantized) -> (LayerNorm, Vec<f32>, Vec<f32>) {
    let op = LayerNorm::new(&[2, bias.len()], 1..).quantized(quantized);
    let input = (0..2 * bias.len()).map(|i| (i % 7) as f32).collect();
    (op, input, vec![0.0; bias.len()])
}

#[test]
fn ties_go_to_the_even_neighbour() {
    // The peak is 127 times a power of two, so that its quotients are exact. The comparison with the reference allows
    // both neighbours.
    for peak in [127.0_f32, -254.0] {
        let unit = peak.abs() / 127.0;
        let mut bias = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -126.5].map(|x| x * unit).to_vec();
        bias.extend([peak, 0.0, 3.4 * unit, -3.6 * unit]);
        let expected = [0.0_f32, 2.0, 2.0, 0.0, -2.0, -2.0, 126.0, -126.0, 127.0_f32.copysign(peak), 0.0, 3.0, -4.0];
        for quantized in ALL {
            let (op, input, weight) = bias_alone(&bias, quantized);
            let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
            assert_eq!(
                op.reference(&tensors).expect("it is right").quantized_output(),
                [expected.map(f64::from); 2].concat()
            );
            for method in methods(&LayerNorm::new(&[2, bias.len()], 1..)) {
                let outputs = run_by(&op, &tensors, Strategy::Forced(method));
                assert_eq!(outputs.quantized_output(), [expected; 2].concat(), "{method}");
                assert_eq!(outputs.quantized_scale(), [unit; 2], "{method}");
            }
        }
    }
}

#[test]
fn the_largest_magnitude_may_be_negative_and_zeros_have_the_scale_zero() {
    let len = 70;
    // Two blocks of 32, and a shorter one. The second one is zero.
    let bias: Vec<f32> = (0..len).map(|i| if (32..64).contains(&i) { 0.0 } else { 1.0 - i as f32 }).collect();
    let (op, input, weight) = bias_alone(&bias, Quantized::blocks(32));
    let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
    for method in methods(&LayerNorm::new(&[2, len], 1..)) {
        let outputs = run_by(&op, &tensors, Strategy::Forced(method));
        assert_eq!(outputs.quantized_scale()[1], 0.0, "{method}");
        assert_eq!(outputs.quantized_output()[31], -127.0, "{method}");
        assert!(outputs.quantized_output()[32..64].iter().all(|&x| x == 0.0), "{method}");
        assert_eq!(outputs.quantized_output()[69..72], [-127.0, 0.0, 0.0], "{method}");
    }
    // So has what is too small for a scale.
    let (op, input, weight) = bias_alone(&[1e-37; 12], Quantized::rows());
    let outputs = run_by(&op, &Tensors::new(&input).weight(&weight).bias(&[1e-37; 12]), Strategy::Inferred);
    assert!(outputs.quantized_output().iter().chain(outputs.quantized_scale()).all(|&x| x == 0.0));
    let rows = RmsNorm::new(&[2, 12], 1..).quantized(Quantized::rows());
    let outputs = run_by(&rows, &Tensors::new(&[0.0; 24]).weight(&[1.0; 12]), Strategy::Inferred);
    assert!(outputs.quantized_output().iter().chain(outputs.quantized_scale()).all(|&x| x == 0.0));
}

/// A kernel that streams multiplies elements by weights before it knows the factor of their row.
#[test]
fn peaks_are_found_where_element_times_weight_is_no_f32() {
    for (size, weight, eps, gate) in [(1e-25, 1e-20, 1e-30, 1e30), (1e15, 1e25, 1e-5, 1e-25)] {
        let rms = RmsNorm::new(&[7, 64], 1..).eps(eps);
        let op = rms.clone().quantized(Quantized::rows());
        let (input, weight) = (Random::new(1).normal(7 * 64, size, size), Random::new(2).normal(64, 0.0, weight));
        let gated = op.clone().gate(Gate::after(GateFunction::Identity));
        let gate = Random::new(3).normal(7 * 64, gate, gate);
        for method in methods(&rms) {
            let tensors = || Tensors::new(&input).weight(&weight);
            let plain = run_by(&op, &tensors(), Strategy::Forced(method));
            let gated = run_by(&gated, &tensors().gate(&gate), Strategy::Forced(method));
            for outputs in [plain, gated] {
                assert!(outputs.quantized_scale().iter().all(|&scale| scale.is_normal()), "{method}");
            }
        }
    }
}

#[test]
fn what_is_no_number_shows_in_the_scale() {
    for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for len in [12, 37] {
            let mut bias = vec![1.0; len];
            bias[5] = special;
            let op = RmsNorm::new(&[2, len], 1..);
            for method in methods(&op) {
                let (op, input) = (op.clone().quantized(Quantized::rows()), vec![-1.5; 2 * len]);
                let outputs = run_by(&op, &Tensors::new(&input).weight(&bias), Strategy::Forced(method));
                assert!(!outputs.quantized_scale()[1].is_finite(), "{method}");
            }
            for quantized in [Quantized::rows(), Quantized::blocks(32)] {
                let (op, input, weight) = bias_alone(&bias, quantized);
                for method in methods(&LayerNorm::new(&[2, len], 1..)) {
                    let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
                    let outputs = run_by(&op, &tensors, Strategy::Forced(method));
                    let scale = outputs.quantized_scale()[0];
                    assert!(!scale.is_finite() && scale.is_nan() == special.is_nan(), "{method}: {scale}");
                }
            }
        }
    }
}

/// A word is what WGSL's `dot4I8Packed` takes: with 1 in one byte, the product is the element there.
#[test]
fn words_are_those_of_an_integer_product() {
    const SHADER: &str = "
        @group(0) @binding(0) var<storage, read> words: array<u32>;
        @group(0) @binding(1) var<storage, read_write> elements: array<i32>;

        @compute @workgroup_size(1)
        fn main(@builtin(workgroup_id) id: vec3<u32>) {
            for (var i = 0u; i < 4u; i++) {
                elements[4u * id.x + i] = dot4I8Packed(words[id.x], 1u << (8u * i));
            }
        }";
    let op = LayerNorm::new(&[2, 37], 1..).quantized(Quantized::blocks(32));
    let data = Data::random(&op, 1);
    let (tensors, device) = (data.tensors(), gpu().device());
    let plan = gpu().planner().plan(&op).expect("a plan");
    let buffer = |bytes: u64| {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false })
    };
    let buffers: Vec<_> = plan.tensors().iter().map(|spec| (spec.slot, buffer(spec.bytes()))).collect();
    for (spec, (_, buffer)) in plan.tensors().iter().zip(&buffers).filter(|(spec, _)| spec.access == Access::Read) {
        gpu().queue().write_buffer(buffer, 0, &tensors.bytes(spec).expect("it is read"));
    }
    let bound = plan.bind(&buffers.iter().fold(Bindings::new(), |all, (slot, buffer)| all.set(*slot, buffer)));
    let bound = bound.expect("it binds");
    let words = &buffers.iter().find(|(slot, _)| *slot == Slot::QuantizedOutput).expect("it is written").1;
    let elements = buffer(4 * words.size());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(SHADER.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: words.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: elements.as_entire_binding() },
        ],
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    bound.record(&mut pass);
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups((words.size() / 4) as u32, 1, 1);
    drop(pass);
    gpu().queue().submit([encoder.finish()]);
    let bytes = gpu().download(&elements, elements.size()).expect("it is readable");
    let elements: Vec<f32> =
        bytes.chunks_exact(4).map(|b| i32::from_ne_bytes(b.try_into().expect("four")) as f32).collect();
    let mut outputs = run_by(&op, &tensors, Strategy::Inferred);
    assert_eq!(elements, outputs.quantized_output());
    outputs.set(Slot::QuantizedOutput, elements);
    compare_outputs(&op, &outputs, &op.reference(&tensors).expect("it is right")).expect("in the order of the product");
}

#[test]
fn the_comparison_sees_a_wrong_step() {
    let op = RmsNorm::new(&[3, 100], 1..).quantized(Quantized::blocks(32));
    let data = Data::random(&op, 1);
    let truth = op.reference(&data.tensors()).expect("it is right");
    compare_outputs(&op, &truth.to_f32(), &truth).expect("the same");
    let broken = |slot: Slot, change: &dyn Fn(&mut Vec<f32>)| {
        let mut outputs = truth.to_f32();
        let mut values = outputs.get(slot).expect("it is written").to_vec();
        change(&mut values);
        outputs.set(slot, values);
        assert!(compare_outputs(&op, &outputs, &truth).is_err(), "{slot}");
    };
    broken(Slot::QuantizedOutput, &|values| values[17] += 1.0);
    broken(Slot::QuantizedOutput, &|values| values[17] -= 1.0);
    broken(Slot::QuantizedOutput, &|values| values.swap(16, 17));
    broken(Slot::QuantizedOutput, &|values| _ = values.pop());
    broken(Slot::QuantizedScale, &|values| values[3] *= 1.0 + 4e-5);
    broken(Slot::QuantizedScale, &|values| values.swap(2, 3));
    let mut outputs = truth.to_f32();
    outputs.set(Slot::QuantizedOutput, vec![0.0; truth.quantized_output().len()]);
    assert!(compare_outputs(&op, &outputs, &truth).is_err());
}

#[test]
fn what_is_no_last_step_is_refused() {
    let op = RmsNorm::new(&[7, 12], 1..).quantized(Quantized::rows());
    let expect = |op: &dyn Norm, word: &str| {
        let message = op.tensors().unwrap_err().to_string();
        assert!(message.contains("quantized") && message.contains(word), "{message}");
    };
    expect(&op.clone().in_place(true), "in_place");
    expect(&op.clone().next_norm(true), "next_norm");
    expect(&op.clone().epilogue(Epilogue::new("fn epilogue(v: vec4f, i: u32) -> vec4f { return v; }")), "epilogue");
    expect(&op.clone().residual(true).residual_after(true).residual_in_place(true), "residual");
    expect(&op.backward(), "backward");
    expect(&op.clone().quantized(Quantized::blocks(64)), "blocks of 64");
    let mut batch = BatchNorm::training(&[3, 4, 5]);
    batch.options.quantized = Some(Quantized::rows());
    expect(&batch, "batch norm");
    let planned = |op: &dyn Norm, strategy| gpu().planner().plan_with(op, strategy).map(|_| ());
    let unsupported = |result| matches!(result, Err(Error::Unsupported { .. }));
    let columns = LayerNorm::new(&[3, 8, 12], 1..2).quantized(Quantized::rows());
    assert!(unsupported(planned(&columns, Strategy::Inferred)));
    assert!(unsupported(planned(&op.clone().given_statistics(12), Strategy::Inferred)));
    for &method in Method::ALL.iter().filter(|m| matches!(m, Method::Split(_) | Method::Columns | Method::Elementwise))
    {
        assert!(unsupported(planned(&op, Strategy::Forced(method))), "{method}");
    }
}
