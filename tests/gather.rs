//! Rows that are read or written through an index: of tokens, of the last tokens of sequences, of slots of a cache.

mod common;

use common::{
    arena::{Arena, run_in_one_buffer},
    gpu,
    methods::{conforms_by, needs_subgroups},
    run,
};
use wgpu_norm::{
    Activation, BatchNorm, Bindings, DType, Epilogue, Error, Gate, GateFunction, GroupNorm, LayerNorm, LpNormalize,
    Method, Norm, Order, Outputs, Planner, RmsNorm, Slot, Strategy, Team, Tensors, View,
    testing::{Data, compare_outputs},
    wgpu,
};

/// Rows of packs, and rows of single elements.
const LENS: [usize; 2] = [12, 9];
const RESIDENT: Strategy = Strategy::Forced(Method::Resident(Team::Lane));
const STREAMED: Strategy = Strategy::Forced(Method::Streamed(Team::Lane));

/// Every index is random, and some are out of range.
fn conforms(why: &str, op: &dyn Norm) {
    for strategy in [RESIDENT, STREAMED] {
        conforms_by(why, gpu(), op, strategy);
    }
}

/// The heads of 7 tokens from rows of 5 heads, in a cache with 11 slots of 4 heads.
fn cached(len: usize, dtype: DType) -> RmsNorm {
    let op = RmsNorm::new(&[7, 3, len], 2..).dtype(dtype).affine_axes(1..);
    let op = op.strides(Slot::Input, &[5 * len, len, 1]).strides(Slot::Output, &[4 * len, len, 1]);
    op.gather_rows(9).scatter_rows(11)
}

#[test]
fn rows_are_gathered_and_scattered() {
    for len in LENS {
        for dtype in DType::FLOATS {
            let op = RmsNorm::new(&[7, len], 1..).dtype(dtype);
            conforms("more rows to gather", &op.clone().gather_rows(20));
            conforms("fewer rows to gather", &op.clone().gather_rows(3));
            conforms("rows of a larger output", &op.scatter_rows(20));
            conforms("heads into a cache", &cached(len, dtype));
        }
    }
}

#[test]
fn each_team_finds_its_rows() {
    for op in [cached(64, DType::F32), cached(768, DType::F16), cached(36, DType::BF16)] {
        conforms_by("inferred", gpu(), &op, Strategy::Inferred);
    }
    let planner = gpu().planner();
    let teams = Method::ALL.iter().copied().filter(|method| matches!(method, Method::Resident(_)));
    for method in teams.filter(|&method| !needs_subgroups(method) || planner.caps().subgroup_size.is_some()) {
        conforms_by("a team", gpu(), &cached(36, DType::F32), Strategy::Forced(method));
    }
    let long = RmsNorm::new(&[2, 66_000], 1..).gather_rows(3);
    assert!(matches!(planner.plan(&long).expect("a plan").method(), Some(Method::Streamed(_))), "it is not split");
    conforms_by("few long rows", gpu(), &long, Strategy::Inferred);
}

#[test]
fn options_belong_to_the_rows_of_the_op() {
    let gate = Gate::after(GateFunction::Silu);
    conforms("a gate", &RmsNorm::new(&[7, 12], 1..).gather_rows(9).gate(gate).gate_dtype(DType::BF16));
    let layer = LayerNorm::new(&[7, 9], 1..).scatter_rows(9);
    conforms("a residual", &layer.clone().residual(true).residual_dtype(DType::F16).gather_rows(4));
    conforms("a residual behind the norm", &layer.clone().residual(true).residual_after(true).gather_rows(4));
    conforms("samples", &layer.clone().per_sample(true).activation(Activation::Silu));
    conforms("types", &layer.output_dtype(DType::F16).input_dtype(DType::BF16).affine_dtype(DType::F16));
    conforms("two axes", &LayerNorm::new(&[5, 2, 3, 4], 2..).gather_rows(6).scatter_rows(7));
    conforms("L1", &LpNormalize::new(&[5, 12], 1..).order(Order::L1).gather_rows(6));
    let text = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> { return v + f32(index); }";
    let epilogue = Epilogue::new(text).reference(|y, index, _| y + (index / 4 * 4) as f64);
    conforms("an epilogue", &RmsNorm::new(&[5, 12], 1..).gather_rows(6).scatter_rows(7).epilogue(epilogue));
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Without the reference: an index only moves rows, by any method, and leaves the bits of others.
#[test]
fn an_indexed_row_has_the_bits_of_a_row() {
    let (from, to) = ([4, 0, 4, 5, 1, u32::MAX], [2, 7, 0, 3, 8, 1]);
    // Where both are in range. Two are of the same row.
    let rows = [(4, 2), (0, 7), (4, 0)];
    for (len, dtype) in [(12, DType::F32), (9, DType::F32), (12, DType::F16), (9, DType::BF16)] {
        let plain = LayerNorm::new(&[5, len], 1..).dtype(dtype);
        let op = LayerNorm::new(&[6, len], 1..).dtype(dtype).gather_rows(5).scatter_rows(8);
        let data = Data::random(&op, 1).with(Slot::Output, vec![f32::NAN; 8 * len]);
        let data = data.with_indices(Slot::InputIndex, from.into()).with_indices(Slot::OutputIndex, to.into());
        let tensors = data.tensors();
        let get = |slot| tensors.get(slot).expect("it is set");
        let dense = Tensors::new(get(Slot::Input)).weight(get(Slot::Weight)).bias(get(Slot::Bias));
        for strategy in [RESIDENT, STREAMED] {
            let expected = run(gpu(), &plain, &dense, strategy).expect("it runs");
            let outputs = run(gpu(), &op, &tensors, strategy).expect("it runs");
            let nan = dtype.round(f32::NAN).to_bits();
            let mut all = vec![nan; 8 * len];
            for (from, to) in rows {
                let row = &expected.output()[from * len..][..len];
                all[to * len..][..len].copy_from_slice(&bits(row));
            }
            assert_eq!(bits(outputs.output()), all, "{len} of {dtype}, {strategy:?}");
        }
    }
}

#[test]
fn any_bits_are_an_index() {
    for op in [cached(12, DType::F32), cached(9, DType::F16)] {
        let words = [8, 9, 10, 11, 0x7fff_ffff, 0x8000_0000, u32::MAX];
        for i in 0..words.len() {
            let mut index = words;
            index.rotate_left(i);
            let data = Data::random(&op, 1).with_indices(Slot::InputIndex, index.into());
            let data = data.with_indices(Slot::OutputIndex, words.into());
            let truth = op.reference(&data.tensors()).expect("it is right");
            for strategy in [RESIDENT, STREAMED] {
                let outputs = run(gpu(), &op, &data.tensors(), strategy).expect("it runs");
                compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{i}, {strategy:?}: {e}"));
            }
        }
    }
}

#[test]
fn rows_are_moved_inside_one_buffer() {
    for op in [cached(12, DType::F32), cached(12, DType::F16), cached(9, DType::BF16)] {
        let data = Data::random(&op, 1);
        let truth = op.reference(&data.tensors()).expect("it is right");
        for any_offset in [false, true] {
            let outputs = pollster::block_on(run_in_one_buffer(gpu(), &op, &data.tensors(), any_offset));
            let outputs = outputs.expect("it runs");
            compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{any_offset}: {e}"));
        }
    }
}

/// A call of fewer rows reads the first indices, and writes what a plan for as many rows writes.
#[test]
fn calls_of_any_number_of_rows_have_the_indices_of_their_step() {
    const MAX_ROWS: usize = 70;
    let op = |rows| RmsNorm::new(&[rows, 3, 12], 2..).dtype(DType::F16).gather_rows(80).scatter_rows(90);
    let planner = Planner::new(gpu().device());
    let plan = planner.plan_rows(op(1), MAX_ROWS).expect("a plan");
    assert!(plan.kernels() <= 3, "{} kernels", plan.kernels());
    let data = Data::random(&op(MAX_ROWS), 1);
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: None, size: 4096, usage, mapped_at_creation: false };
    let ring = gpu().device().create_buffer(&descriptor);
    let called = |rows: usize, uniform: &dyn Fn(&[u8]) -> Vec<u8>| {
        let arena = Arena::new(gpu(), &planner, plan.tensors(), plan.scratch_size(), &data.tensors());
        let bound = plan.bind(&arena.bindings(plan.tensors(), plan.scratch_size()), &ring).expect("it binds");
        let call = bound.call(rows).expect("few enough");
        gpu().queue().write_buffer(&ring, 0, &uniform(call.uniform()));
        let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &call, 0);
        gpu().queue().submit([encoder.finish()]);
        pollster::block_on(arena.outputs(gpu(), &op(MAX_ROWS), plan.tensors(), plan.scratch_size())).expect("it runs")
    };
    for rows in [0, 1, 7, MAX_ROWS] {
        let tensors = data.tensors();
        let [input, output] = [Slot::InputIndex, Slot::OutputIndex].map(|slot| tensors.get_indices(slot).expect("set"));
        let first = tensors.input_index(&input[..rows]).output_index(&output[..rows]);
        let expected = run(gpu(), &op(rows), &first, Strategy::Inferred).expect("it runs");
        let actual = called(rows, &<[u8]>::to_vec);
        assert_eq!(bits(actual.output()), bits(expected.output()), "{rows} rows");
    }
    // Any bits of the caller's keep the access to the tensors.
    for word in [0, 1, u32::MAX] {
        called(7, &|bytes| word.to_ne_bytes().repeat(bytes.len() / 4));
    }
}

/// Input and output have their own lengths.
#[test]
fn bindings_are_checked_by_the_rows_of_each_tensor() {
    let size = |rows: u64| rows * 64 * 4;
    let buffer = gpu().device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1 << 16,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let part = |offset, size| View::new(&buffer, offset, size);
    let planner = Planner::new(gpu().device()).shared_buffers(true);
    let op = RmsNorm::new(&[4, 64], 1..).weight(false).gather_rows(6).scatter_rows(5);
    let plan = planner.plan(&op).expect("a plan");
    let bind = |input: View<'_>, output: View<'_>| {
        let bindings = Bindings::new().input(input).output(output);
        let bindings = bindings.input_index(part(1 << 15, 16)).output_index(part((1 << 15) + 256, 16));
        plan.bind(&bindings).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(bind(part(0, size(6)), part(size(6), size(5))), Ok(()));
    let error = bind(part(0, size(5)), part(size(6), size(5))).unwrap_err();
    assert_eq!(error, "input: 1280 bytes, expected at least 1536");
    let error = bind(part(0, size(6)), part(size(6), size(4))).unwrap_err();
    assert_eq!(error, "output: 1024 bytes, expected at least 1280");
    let error = bind(part(0, size(6)), part(size(5), size(5))).unwrap_err();
    assert!(error.starts_with("output: "), "{error}");
    // The shader indexes it itself.
    let planner = planner.any_offset(true);
    let bindings = Bindings::new().input(part(0, size(6))).output(part(size(6), size(5)));
    let bindings = bindings.input_index(part((1 << 15) + 4, 16)).output_index(part((1 << 15) + 256, 16));
    let error = planner.plan(&op).expect("a plan").bind(&bindings).unwrap_err().to_string();
    assert!(error.starts_with("input_index: offset"), "{error}");
}

/// Why a descriptor is refused.
fn refused(op: &dyn Norm) -> String {
    op.tensors().expect_err("it is wrong").to_string()
}

#[test]
fn what_no_index_names_is_refused() {
    let op = RmsNorm::new(&[4, 2, 8], 2..).gather_rows(6);
    for (option, wrong) in [
        ("in_place", op.clone().in_place(true)),
        ("save_stats", op.clone().save_stats(true)),
        ("residual_output", op.clone().residual(true).residual_output(true)),
        ("residual_in_place", op.clone().residual(true).residual_in_place(true)),
        ("next_norm", op.clone().next_norm(true)),
        ("given_statistics", op.clone().given_statistics(8)),
    ] {
        let expected = "expected none with gather_rows: the output is all that the op writes";
        assert_eq!(refused(&wrong), format!("{option} is set, {expected}"));
    }
    let last = "expected none where the normalized axes are not the last, behind another";
    assert_eq!(refused(&RmsNorm::new(&[4, 8], 0..).scatter_rows(6)), format!("scatter_rows is 6, {last}"));
    assert_eq!(refused(&RmsNorm::new(&[4, 8, 2], 1..2).gather_rows(6)), format!("gather_rows is 6, {last}"));
    assert_eq!(refused(&op.clone().scatter_rows(0)), "scatter_rows is 0, expected at least 1");
    let error = op.clone().gather_rows(1 << 28).tensors().unwrap_err();
    assert!(matches!(error, Error::Limit { needed, .. } if needed == 1 << 32), "{error}");
    assert!(refused(&op.backward()).ends_with("it is for inference only"));
    let elsewhere = "gather_rows is 6, expected none but in norms over adjacent axes";
    assert_eq!(refused(&op.statistics()), elsewhere);
    assert_eq!(refused(&op.moments()), elsewhere);
    let (mut group, mut batch) = (GroupNorm::new(&[3, 8, 2], 2), BatchNorm::inference(&[3, 8]));
    (group.options.gather_rows, batch.options.gather_rows) = (Some(6), Some(6));
    assert_eq!([refused(&group), refused(&batch)], [elsewhere; 2]);
    // Strides have the length of their own tensor.
    assert!(refused(&op.clone().gather_rows(1 << 20).strides(Slot::Input, &[1 << 20, 8, 1])).contains("at most"));
    let planner = gpu().planner();
    for method in [Method::Split(Team::Lane), Method::Columns, Method::Elementwise] {
        let error = planner.plan_with(&op, Strategy::Forced(method)).expect_err("it is not of rows");
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    let error = planner.plan_with(&op, Strategy::Forced(Method::Split(Team::Lane))).expect_err("it splits rows");
    let expected = "rows by an index with the method split/lane is not supported: they are for rows that a team owns";
    assert_eq!(error.to_string(), expected);
    let gaps = op.clone().strides(Slot::Input, &[64, 16, 2]);
    let error = planner.plan(&gaps).unwrap_err().to_string();
    assert!(error.starts_with("[64, 16, 2] as strides of input"), "{error}");
    // An index is a tensor like others.
    let data = Data::random(&op, 1);
    let problem = |tensors: Tensors<'_>| op.reference(&tensors).unwrap_err().to_string();
    assert!(problem(data.tensors().input_index(&[1, 2])).starts_with("input_index: "));
    assert!(problem(data.tensors().output_index(&[1])).starts_with("output_index: "));
}

#[test]
fn a_batch_without_rows_leaves_the_output() {
    let op = RmsNorm::new(&[0, 8], 1..).scatter_rows(2);
    let data = Data::random(&op, 1);
    let truth = op.reference(&data.tensors()).expect("it is right");
    assert_eq!(truth.to_f32().output(), data.tensors().get(Slot::Output).expect("it is set"));
    let outputs: Outputs<f32> = gpu().run(&op, &data.tensors()).expect("it runs");
    assert_eq!(outputs.output(), truth.to_f32().output());
}
