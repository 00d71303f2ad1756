//! Rotary position embedding behind a norm of heads.

mod common;

use common::{arena::run_in_one_buffer, gpu, methods::needs_subgroups, run, tuned};
use wgpu_norm::{
    Activation, Bindings, DType, Epilogue, Gate, GateFunction, GroupNorm, LayerNorm, Method, Norm, Outputs, Pairs,
    Planner, RmsNorm, Rotary, Slot, Strategy, Team, Tensors, View,
    host::Gpu,
    shaders,
    testing::{Data, compare_outputs},
    wgpu,
};

const PAIRS: [Pairs; 2] = [Pairs::Halves, Pairs::Neighbours];

/// A norm of heads of `dim` elements, of which `len` are rotated. The table has fewer positions than the data.
fn heads(tokens: usize, heads: usize, dim: usize, pairs: Pairs, len: usize) -> RmsNorm {
    RmsNorm::new(&[tokens, heads, dim], 2..).rotary(Rotary::new(pairs, len, 9))
}

/// The same, in place in the rows of 8 heads of queries, 2 of keys and 2 of values: the op has queries and keys.
fn packed(tokens: usize, dim: usize, pairs: Pairs, len: usize) -> RmsNorm {
    heads(tokens, 10, dim, pairs, len).strides(Slot::Input, &[12 * dim, dim, 1]).in_place(true)
}

/// Compares a run with the reference. It panics if a byte outside of the heads has changed.
fn conforms_by(op: &dyn Norm, strategy: Strategy) -> Outputs<f32> {
    let data = Data::random(op, 1);
    let truth = op.reference(&data.tensors()).expect("it is right");
    let outputs = run(gpu(), op, &data.tensors(), strategy).expect("it runs");
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{:?}, {strategy:?}: {e}", op.shape()));
    outputs
}

fn conforms(op: &dyn Norm) -> Outputs<f32> {
    conforms_by(op, Strategy::Inferred)
}

/// The reference against f64 in Python: `rotate_half` as in the models of Hugging Face, `rotate_every_two` as in GPT-J.
///
/// ```python
/// x = np.array([1, -2, 3, 4, -1, 2, 0.5, -3, 2, -1, 1, 1.5])
/// x /= np.sqrt((x * x).mean())
/// angles = 5 * 100.0 ** -(np.arange(0, 8, 2) / 8)
/// cos, sin = np.cos(angles), np.sin(angles)
/// u, rest = x[:8], x[8:]
/// rotate_half = lambda v: np.concatenate([-v[4:], v[:4]])
/// print(np.concatenate([u * np.tile(cos, 2) + rotate_half(u) * np.tile(sin, 2), rest]))
/// rotate_every_two = lambda v: np.stack([-v[1::2], v[::2]], -1).ravel()
/// print(np.concatenate([u * np.repeat(cos, 2) + rotate_every_two(u) * np.repeat(sin, 2), rest]))
/// ```
#[test]
fn the_reference_agrees_with_numpy() {
    let row = [1., -2., 3., 4., -1., 2., 0.5, -3., 2., -1., 1., 1.5];
    let partners = [
        -0.322_837_027_124_259_3,
        -0.946_242_599_383_075_1,
        1.144_089_518_072_154_6,
        2.114_345_915_517_102_7,
        -0.594_069_954_685_832_8,
        -0.966_020_896_090_860_8,
        0.897_410_100_747_221_9,
        -1.115_269_951_097_876,
        0.956_182_887_467_514_9,
        -0.478_091_443_733_757_45,
        0.478_091_443_733_757_45,
        0.717_137_165_600_636_1,
    ];
    let neighbours = [
        -0.781_290_518_029_305_4,
        -0.729_686_418_466_619_4,
        -1.927_097_218_004_775_2,
        1.414_419_324_897_666,
        -0.877_983_209_837_973_2,
        0.609_920_180_105_358_1,
        0.461_898_823_366_417_3,
        -1.378_744_063_000_248_5,
        0.956_182_887_467_514_9,
        -0.478_091_443_733_757_45,
        0.478_091_443_733_757_45,
        0.717_137_165_600_636_1,
    ];
    for (pairs, expected) in PAIRS.into_iter().zip([partners, neighbours]) {
        let rotary = Rotary::new(pairs, 8, 9);
        let op = RmsNorm::new(&[2, 2, 12], 2..).weight(false).eps(0.).rotary(rotary);
        let input = row.repeat(4);
        let table = rotary.table(100.);
        let of = |positions: [u32; 2]| {
            let tensors = Tensors::new(&input).positions(&positions).rotary_table(&table);
            op.reference(&tensors).expect("it is right").output().to_vec()
        };
        // Both heads of a token have its position.
        let output = of([0, 5]);
        for (i, (actual, expected)) in output[24..].iter().zip([expected; 2].concat()).enumerate() {
            // The table is f32.
            assert!((actual - expected).abs() < 3e-7, "{pairs:?}, {i}: {actual}, expected {expected}");
        }
        let plain = RmsNorm::new(&[2, 2, 12], 2..).weight(false).eps(0.).reference(&Tensors::new(&input));
        assert_eq!(output[..24], plain.expect("it is right").output()[..24], "position 0 rotates nothing");
        assert_eq!(of([8, 8]), of([9, u32::MAX]), "a position past the table is the last one");
        assert_ne!(of([8, 8]), of([7, 7]));
    }
}

#[test]
fn queries_and_keys_are_rotated_in_place_in_packed_rows() {
    let cases = [
        (64, 64, DType::F32),
        (128, 128, DType::F16),
        (256, 64, DType::BF16),
        (36, 16, DType::F32),
        (36, 20, DType::F16),
    ];
    for (dim, len, dtype) in cases {
        for pairs in PAIRS {
            let op = packed(5, dim, pairs, len).dtype(dtype);
            // One weight for all heads, or one each, as queries and keys have.
            conforms(&if dtype == DType::F16 { op } else { op.affine_axes(1..) });
        }
    }
}

#[test]
fn dense_heads_are_rotated_with_each_option_that_they_have() {
    for pairs in PAIRS {
        let rotary = Rotary::new(pairs, 8, 9);
        conforms(&heads(7, 3, 64, pairs, 32).zero_centered(true).bias(true));
        conforms(&heads(7, 3, 64, pairs, 64).input_dtype(DType::F16).affine_dtype(DType::BF16).per_sample(true));
        conforms(&LayerNorm::new(&[2, 3, 4, 2, 4], 3..).dtype(DType::BF16).rotary(rotary));
        conforms(&RmsNorm::new(&[6, 8], 1..).weight(false).rotary(rotary));
    }
}

/// The keys of packed rows, as a decoder keeps them. Some indices are out of range.
#[test]
fn rotated_keys_go_to_a_cache() {
    for (dim, len, dtype) in [(64, 64, DType::F32), (36, 16, DType::F16), (36, 20, DType::BF16)] {
        for pairs in PAIRS {
            let op = heads(7, 3, dim, pairs, len).dtype(dtype).affine_axes(1..).scatter_rows(11);
            conforms(&op.clone().strides(Slot::Input, &[5 * dim, dim, 1]));
            // Rows that begin between the elements of a word.
            conforms(&op.clone().strides(Slot::Output, &[3 * dim + 5, dim + 1, 1]));
            conforms(&op.gather_rows(4));
        }
    }
}

/// Strides that are no multiples of what packs move.
#[test]
fn heads_with_odd_gaps_are_rotated() {
    for (dtype, stride) in [(DType::F32, 9), (DType::F16, 11), (DType::BF16, 10)] {
        for pairs in PAIRS {
            let op = heads(5, 3, 8, pairs, 8).dtype(dtype);
            let strides = [3 * stride, stride, 1];
            conforms(&op.clone().strides(Slot::Input, &strides).in_place(true).affine_axes(1..));
            conforms(&op.strides(Slot::Output, &strides));
        }
    }
}

/// Lanes of a team have other packs, whose pairs lie elsewhere. Streamed rows differ from each other in their team
/// alone.
#[test]
fn every_team_rotates_its_rows() {
    let op = packed(2, 96, Pairs::Halves, 64);
    let mut ran = 0;
    for method in Method::ALL.iter().copied().filter(|method| matches!(method, Method::Resident(_))) {
        if !needs_subgroups(method) || gpu().planner().caps().subgroup_size.is_some() {
            conforms_by(&op, Strategy::Forced(method));
            ran += 1;
        }
    }
    assert!(ran >= 2, "{ran} runs");
    for pairs in PAIRS {
        for dtype in [DType::F32, DType::F16] {
            let op = packed(7, 96, pairs, 64).dtype(dtype);
            conforms_by(&op, Strategy::Forced(Method::Streamed(Team::Lane)));
        }
    }
}

/// Pairs of packs, which a lane stores at once.
#[test]
fn neighbours_of_half_precision_are_rotated_in_pairs_of_packs() {
    let op = heads(7, 3, 64, Pairs::Neighbours, 32).dtype(DType::F16);
    let planner = tuned(&[("vec4x2", 1)]);
    let program = shaders::program(&op, planner.caps(), Strategy::Inferred).expect("it lowers");
    assert!(program.dispatches[0].shader.wgsl().contains("at.pair"));
    let gpu = Gpu::from_parts(gpu().queue().clone(), planner);
    let data = Data::random(&op, 1);
    let outputs = run(&gpu, &op, &data.tensors(), Strategy::Inferred).expect("it runs");
    compare_outputs(&op, &outputs, &op.reference(&data.tensors()).expect("it is right")).expect("it conforms");
}

#[test]
fn heads_are_rotated_anywhere_in_one_buffer() {
    for dtype in [DType::F32, DType::F16] {
        for pairs in PAIRS {
            for op in [packed(5, 64, pairs, 32).dtype(dtype), heads(5, 2, 16, pairs, 16).dtype(dtype)] {
                let data = Data::random(&op, 1);
                let truth = op.reference(&data.tensors()).expect("it is right");
                for any_offset in [false, true] {
                    let tensors = data.tensors();
                    let run = run_in_one_buffer(gpu(), &op, &tensors, any_offset);
                    let outputs = pollster::block_on(run).expect("it runs");
                    compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{pairs:?}, {any_offset}: {e}"));
                }
            }
        }
    }
}

fn buffer(content: &[u8]) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let descriptor =
        wgpu::BufferDescriptor { label: None, size: content.len() as u64, usage, mapped_at_creation: false };
    let buffer = gpu().device().create_buffer(&descriptor);
    gpu().queue().write_buffer(&buffer, 0, content);
    buffer
}

fn bytes(op: &dyn Norm, data: &Data, slot: Slot) -> Vec<u8> {
    let specs = op.tensors().expect("it is right");
    let spec = specs.iter().find(|spec| spec.slot == slot).expect("the op has it");
    data.tensors().bytes(spec).expect("it is set")
}

fn bindings([input, weight, positions, table]: &[wgpu::Buffer; 4]) -> Bindings<'_> {
    Bindings::new().input(input).weight(weight).positions(positions).rotary_table(table)
}

/// An offset of a pack's part takes the kernels of packs, which move two elements at once.
#[test]
fn packs_begin_at_two_elements() {
    let op = packed(5, 64, Pairs::Halves, 64);
    let data = Data::random(&op, 1);
    let [weight, positions, table] =
        [Slot::Weight, Slot::Positions, Slot::RotaryTable].map(|slot| buffer(&bytes(&op, &data, slot)));
    let input = bytes(&op, &data, Slot::Input);
    let plan = Planner::new(gpu().device()).any_offset(true).plan(&op).expect("a plan");
    let run = |offset: usize| {
        let all = buffer(&[vec![0; offset], input.clone()].concat());
        let view = View::new(&all, offset as u64, input.len() as u64);
        let bindings = Bindings::new().input(view).weight(&weight).positions(&positions).rotary_table(&table);
        let bound = plan.bind(&bindings).expect("it binds");
        let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        gpu().queue().submit([encoder.finish()]);
        let bytes = gpu().download(&all, all.size()).expect("downloaded");
        DType::F32.decode(&bytes[offset..])
    };
    let truth = op.reference(&data.tensors()).expect("it is right");
    for offset in [0, 8, 264, 4] {
        let mut outputs = Outputs::default();
        outputs.set(Slot::Input, run(offset));
        compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("at byte {offset}: {e}"));
    }
    assert_eq!(run(0), run(8));

    // The shader indexes positions and table itself.
    let [all, two] = [buffer(&input), buffer(&[0; 1024])];
    let bindings = Bindings::new().input(&all).weight(&weight).rotary_table(&table);
    let error = plan.bind(&bindings.positions(two.slice(4..))).unwrap_err().to_string();
    assert!(error.starts_with("positions: offset 4"), "{error}");
}

/// A call of fewer tokens has the bits of a plan for as many, and the positions that are in the buffer then.
#[test]
fn calls_of_any_number_of_tokens_read_the_positions_of_their_step() {
    let planner = Planner::new(gpu().device());
    for pairs in PAIRS {
        let largest = packed(64, 64, pairs, 32).dtype(DType::F16);
        let data = Data::random(&largest, 1);
        let copies = |op: &dyn Norm, positions: &[u8]| {
            let of = |slot| buffer(&bytes(&largest, &data, slot));
            let mut input = bytes(&largest, &data, Slot::Input);
            input.truncate(op.tensors().expect("it is right")[0].bytes() as usize);
            [buffer(&input), of(Slot::Weight), buffer(positions), of(Slot::RotaryTable)]
        };
        let plan = planner.plan_rows(packed(1, 64, pairs, 32).dtype(DType::F16), 64).expect("a plan");
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: 4096, usage, mapped_at_creation: false };
        let ring = gpu().device().create_buffer(&descriptor);
        for tokens in [1, 7, 64] {
            // Another step has other positions, in the same buffer.
            let positions: Vec<u32> = (0..64).map(|i| (i * 5 + tokens as u32) % 11).collect();
            let positions = bytemuck::cast_slice(&positions);
            let buffers = copies(&largest, &[0; 256]);
            let bound = plan.bind(&bindings(&buffers), &ring).expect("it binds");
            gpu().queue().write_buffer(&buffers[2], 0, positions);
            let call = bound.call(tokens).expect("few enough");
            gpu().queue().write_buffer(&ring, 0, call.uniform());
            let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &call, 0);
            gpu().queue().submit([encoder.finish()]);
            let called = gpu().download(&buffers[0], buffers[0].size()).expect("downloaded");

            let op = packed(tokens, 64, pairs, 32).dtype(DType::F16);
            let fixed = copies(&op, &positions[..tokens * 4]);
            let bound = planner.plan(&op).expect("a plan").bind(&bindings(&fixed)).expect("it binds");
            let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            gpu().queue().submit([encoder.finish()]);
            let planned = gpu().download(&fixed[0], fixed[0].size()).expect("downloaded");
            assert_eq!(called[..planned.len()], planned, "{pairs:?}, {tokens} tokens");
            let rest = &bytes(&largest, &data, Slot::Input)[planned.len()..];
            assert_eq!(called[planned.len()..], *rest, "{pairs:?}, {tokens} tokens: behind the last one");
        }
    }
}

/// Why a descriptor is refused.
fn refused(op: &dyn Norm) -> String {
    op.tensors().expect_err("it is wrong").to_string()
}

#[test]
fn what_no_kernel_rotates_is_refused() {
    let rotary = |len, positions| Rotary::new(Pairs::Halves, len, positions);
    let op = |shape: &[usize]| RmsNorm::new(shape, shape.len() - 1..).rotary(rotary(8, 9));
    assert!(refused(&op(&[3, 2, 10])).contains("rows of 10 elements, expected rows of a multiple of 4"));
    for len in [0, 6, 12] {
        let error = refused(&op(&[3, 2, 8]).rotary(rotary(len, 9)));
        assert!(error.contains("expected a multiple of 4 as len, at most 8, the row"), "{error}");
    }
    assert!(refused(&op(&[3, 2, 8]).rotary(rotary(8, 0))).contains("expected one position or more"));
    assert!(refused(&op(&[3, 2, 8]).rotary(rotary(8, usize::MAX / 16))).contains("elements of input"));
    for axes in [0..3, 1..2] {
        let error = refused(&RmsNorm::new(&[8, 8, 8], axes).rotary(rotary(8, 9)));
        assert!(error.contains("the normalized axes are not the last ones, behind an axis of heads"), "{error}");
    }
    let plain = op(&[3, 2, 8]);
    let text = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> { return v; }";
    for (argument, op) in [
        ("activation", plain.clone().activation(Activation::Silu)),
        ("epilogue", plain.clone().epilogue(Epilogue::new(text))),
        ("residual", plain.clone().residual(true)),
        ("gate", plain.clone().gate(Gate::after(GateFunction::Silu))),
        ("next_norm", plain.clone().next_norm(true)),
        ("save_stats", plain.clone().save_stats(true)),
        ("given_statistics", plain.clone().given_statistics(8)),
    ] {
        assert_eq!(refused(&op), format!("{argument} is set, expected none beside rotary"));
    }
    let mut groups = GroupNorm::new(&[3, 8], 2);
    groups.options.rotary = Some(rotary(4, 9));
    assert!(refused(&groups).contains("expected none but in norms over adjacent axes"));
    let error = refused(&plain.backward());
    assert!(error.ends_with("it is for inference only"), "{error}");
    let split = Strategy::Forced(Method::Split(Team::Workgroup));
    let error = gpu().planner().plan_with(&plain, split).unwrap_err().to_string();
    assert!(error.starts_with("rotary with the method split"), "{error}");

    assert!(refused(&plain.statistics()).contains("rotary"));
    // Positions are integers, one for each token.
    let data = Data::random(&plain, 1);
    let error = plain.reference(&data.tensors().positions(&[1, 2])).unwrap_err().to_string();
    assert!(error.starts_with("positions: "), "{error}");
}

#[test]
fn a_batch_without_tokens_is_nothing_to_do() {
    let op = heads(0, 2, 8, Pairs::Halves, 8);
    assert!(op.reference(&Data::random(&op, 1).tensors()).expect("it is right").output().is_empty());
    assert!(gpu().planner().plan(&op).expect("a plan").method().is_none());
}
