//! Plans for any number of rows.

mod common;

use common::{
    arena::{Arena, PATTERN},
    gpu,
    methods::conforms_by,
    program::run_program,
    run,
};
use wgpu_norm::{
    Access, Activation, BatchNorm, Caps, Coefficients, DType, Epilogue, Error, GroupNorm, LayerNorm, LpNormalize, Norm,
    Outputs, Planner, Quantized, Result, RmsNorm, RowsBound, RowsPlan, Slot, Strategy, TensorSpec, Tensors,
    host::Gpu,
    shaders,
    testing::{Data, compare_outputs},
    wgpu,
};

const MAX_ROWS: usize = 300;
/// Around the thresholds of all tuning tables.
const ROWS: [usize; 22] = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, MAX_ROWS];

fn ring(bytes: &[u8]) -> wgpu::Buffer {
    let buffer = gpu().device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1 << 16,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu().queue().write_buffer(&buffer, 0, bytes);
    buffer
}

fn record(bound: &RowsBound, rows: usize, offset: u32) {
    let call = bound.call(rows).expect("few enough rows");
    let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &call, offset);
    gpu().queue().submit([encoder.finish()]);
}

/// The outputs of a call, in tensors of the largest number of rows. Panics if a byte outside of these was changed.
fn called(
    planner: &Planner,
    plan: &RowsPlan,
    op: &dyn Norm,
    tensors: &Tensors<'_>,
    rows: usize,
    uniform: impl Fn(&[u8]) -> Vec<u8>,
) -> Outputs<f32> {
    let arena = Arena::new(gpu(), planner, plan.tensors(), plan.scratch_size(), tensors);
    let ring = ring(&[]);
    let bound = plan.bind(&arena.bindings(plan.tensors(), plan.scratch_size()), &ring).expect("it binds");
    let offset = 512;
    gpu().queue().write_buffer(&ring, offset, &uniform(bound.call(rows).expect("few enough rows").uniform()));
    record(&bound, rows, offset as u32);
    pollster::block_on(arena.outputs(gpu(), op, plan.tensors(), plan.scratch_size())).expect("it runs")
}

/// Compares calls with plans for as many rows.
fn check<N: Norm + 'static>(planner: &Planner, of_rows: impl Fn(usize) -> N) {
    let largest = of_rows(MAX_ROWS);
    let data = Data::random(&largest, 1);
    let tensors = data.tensors();
    let plan = planner.plan_rows(of_rows(1), MAX_ROWS).expect("a plan");
    assert_eq!(plan.tensors(), largest.tensors().expect("it is right"));
    let fixed = Gpu::from_parts(gpu().queue().clone(), planner.clone());
    for rows in ROWS {
        let actual = called(planner, &plan, &largest, &tensors, rows, <[u8]>::to_vec);
        let op = of_rows(rows);
        let specs = op.tensors().expect("it is right");
        // The first rows of each tensor.
        let first = specs.iter().filter(|spec| spec.access != Access::Write);
        let first = first.filter_map(|spec| Some((spec.slot, &tensors.get(spec.slot)?[..spec.len()])));
        let first = first.fold(Tensors::default(), |tensors, (slot, values)| tensors.set(slot, values));
        let expected = run(&fixed, &op, &first, Strategy::Inferred).expect("it runs");
        for spec in specs.iter().filter(|spec| spec.access != Access::Read) {
            let name = format!("{}, {rows} rows: {}", op.name(), spec.slot);
            // A word has four elements.
            let gather = |spec: &TensorSpec, values: &[f32]| match spec.slot {
                Slot::QuantizedOutput => values.to_vec(),
                _ => spec.gather(values),
            };
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let all = actual.get(spec.slot).expect("an output");
            let expected = expected.get(spec.slot).unwrap_or_default();
            let own = gather(spec, expected).len();
            assert_eq!(bits(&gather(spec, all)[..own]), bits(&gather(spec, expected)), "{name}");
            // Rows behind the last one keep what they had.
            let whole = plan.tensors().iter().find(|whole| whole.slot == spec.slot).expect("the same tensors");
            let rest = &gather(whole, all)[own..];
            let mut pattern = spec.dtype.decode(&PATTERN.to_ne_bytes());
            if spec.slot == Slot::QuantizedOutput {
                pattern = PATTERN.to_ne_bytes().map(|byte| f32::from(byte.cast_signed())).to_vec();
            }
            let is_pattern = |x: f32| pattern.iter().any(|p| p.to_bits() == x.to_bits());
            let unchanged = match tensors.get(spec.slot) {
                None => rest.iter().all(|&x| is_pattern(x)),
                Some(values) => {
                    let before = gather(whole, values).split_off(own);
                    before.iter().zip(rest).all(|(a, b)| spec.dtype.round(*a).to_bits() == b.to_bits())
                }
            };
            assert!(unchanged, "{name}: a row behind the last one was changed");
        }
    }
    // Any bits of the caller's keep the access to the tensors.
    for word in [0, 1, u32::MAX] {
        for rows in [1, 17, MAX_ROWS] {
            called(planner, &plan, &largest, &tensors, rows, |bytes| word.to_ne_bytes().repeat(bytes.len() / 4));
        }
    }
}

#[test]
fn a_call_has_the_bits_of_a_plan_for_as_many_rows() {
    let planner = Planner::new(gpu().device());
    let rms = |rows| RmsNorm::new(&[rows, 64], 1..).residual(true).residual_in_place(true).dtype(DType::F16);
    check(&planner, rms);
    check(&planner, |rows| LayerNorm::new(&[rows, 72], 1..).activation(Activation::Gelu).save_stats(true));
    check(&planner, |rows| LpNormalize::new(&[rows, 13], 1..));
    check(&planner, |rows| RmsNorm::new(&[rows, 100], 1..).quantized(Quantized::blocks(32)));
    check(&planner, |rows| GroupNorm::new(&[rows, 6, 5, 4], 2));
    check(&planner, |rows| BatchNorm::inference(&[rows, 6, 5, 4]));
    check(&planner, |rows| BatchNorm::inference(&[rows, 24]));
}

/// Compares the output of calls with the indices that an epilogue puts there.
fn check_index<N: Norm + Send + Sync + 'static>(planner: &Planner, of_rows: impl Fn(usize) -> N) {
    let largest = of_rows(MAX_ROWS);
    let data = Data::random(&largest, 1);
    let plan = planner.plan_rows(of_rows(1), MAX_ROWS).expect("a plan");
    for rows in [1, 17, 65, MAX_ROWS] {
        let outputs = called(planner, &plan, &largest, &data.tensors(), rows, <[u8]>::to_vec);
        let elements = rows * largest.shape()[1..].iter().product::<usize>();
        for (i, &value) in outputs.output()[..elements].iter().enumerate() {
            assert!((value - i as f32).abs() < 0.5, "{}, {rows} rows: {value} at {i}", largest.name());
        }
    }
}

#[test]
fn an_epilogue_of_a_call_has_the_index_of_each_element() {
    let planner = Planner::new(gpu().device());
    let text = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
        return vec4<f32>(vec4<u32>(index) + vec4<u32>(0u, 1u, 2u, 3u)) + v * epilogue_a[0] * 0.0;
    }";
    let epilogue = || Epilogue::new(text).buffers(&[1]);
    check_index(&planner, |rows| RmsNorm::new(&[rows, 72], 1..).epilogue(epilogue()));
    check_index(&planner, |rows| LpNormalize::new(&[rows, 13], 1..).epilogue(epilogue()));
    check_index(&planner, |rows| BatchNorm::inference(&[rows, 6, 5, 4]).epilogue(epilogue()));
    check_index(&planner, |rows| BatchNorm::inference(&[rows, 24]).epilogue(epilogue()));
}

#[test]
fn calls_of_statistics_alone_and_of_given_ones() {
    let planner = Planner::new(gpu().device());
    check(&planner, |rows| LayerNorm::new(&[rows, 72], 1..).statistics());
    check(&planner, |rows| RmsNorm::new(&[rows, 33], 1..).dtype(DType::F16).moments());
    check(&planner, |rows| LayerNorm::new(&[rows, 72], 1..).statistics().merge(3));
    check(&planner, |rows| LayerNorm::new(&[rows, 72], 1..).given_statistics(90));
    let backward = |rows| LayerNorm::new(&[rows, 33], 1..).given_statistics(33).backward();
    check(&planner, move |rows| backward(rows).coefficients(Coefficients::Written));
    check(&planner, move |rows| backward(rows).coefficients(Coefficients::Given));
}

/// The first pass of a part's gradients has the number of its values, and a kernel for each.
#[test]
fn calls_of_a_part_of_a_batch() {
    let planner = Planner::new(gpu().device());
    let merged = |rows| BatchNorm::training(&[rows, 6, 20]).merge(3).save_for_backward(true);
    check(&planner, merged);
    check(&planner, move |rows| merged(rows).backward().coefficients(Coefficients::Given));
    let first = planner.plan_rows(merged(1).backward().coefficients(Coefficients::Written), MAX_ROWS);
    assert!(matches!(first, Err(Error::Unsupported { .. })), "{first:?}");
}

#[test]
fn a_backward_call_has_the_bits_of_a_plan_for_as_many_rows() {
    let planner = Planner::new(gpu().device());
    check(&planner, |rows| LayerNorm::new(&[rows, 72], 1..).backward());
    check(&planner, |rows| RmsNorm::new(&[rows, 33], 1..).dtype(DType::BF16).backward().accumulate(true));
    check(&planner, |rows| BatchNorm::inference(&[rows, 6, 20]).activation(Activation::Relu).backward());
}

#[test]
fn calls_with_strides_at_any_offset_of_one_buffer() {
    let planner = Planner::new(gpu().device()).shared_buffers(true).any_offset(true);
    let heads = |rows| RmsNorm::new(&[rows, 3, 16], 2..).in_place(true).strides(Slot::Input, &[112, 16, 1]);
    check(&planner, heads);
    check(&planner, |rows| RmsNorm::new(&[rows, 3, 36], 2..).affine_axes(1..).backward());
    check(&planner, |rows| LayerNorm::new(&[rows, 40, 36], 2..).per_sample(true));
    check(&planner, |rows| LayerNorm::new(&[rows, 24], 1..).strides(Slot::Input, &[28, 1]).backward());
    check(&planner, |rows| LayerNorm::new(&[rows, 24], 1..).residual(true).residual_in_place(true).input_bias(true));
}

#[test]
fn calls_with_few_kernels() {
    let planner = Planner::new(gpu().device()).few_kernels(true);
    check(&planner, |rows| LayerNorm::new(&[rows, 72], 1..).backward());
    check(&planner, |rows| GroupNorm::new(&[rows, 6, 5, 4], 2));
}

/// The kernels of a GPU too, whose programs run on this device.
#[test]
fn few_kernels_conform_for_rows_and_images_of_any_size() {
    let rows = [1, 5, 300, 5000].map(|rows| LayerNorm::new(&[rows, 72], 1..).backward());
    let images = [1, 2, 5, 12, 20, 33].map(|size| GroupNorm::new(&[2, 8, size, size], 2));
    let backward = [2, 7].map(|size| GroupNorm::new(&[3, 8, size, size], 2).backward());
    let mut ops: Vec<&dyn Norm> = Vec::new();
    ops.extend(rows.iter().map(|op| op as &dyn Norm));
    ops.extend(images.iter().map(|op| op as &dyn Norm));
    ops.extend(backward.iter().map(|op| op as &dyn Norm));
    let planner = Planner::new(gpu().device()).few_kernels(true);
    let fixed = Gpu::from_parts(gpu().queue().clone(), planner);
    let mut caps = fixed.planner().caps().clone();
    (caps.cpu, caps.tuning) = (false, Caps::default().tuning);
    for op in ops {
        conforms_by("few kernels", &fixed, op, Strategy::Inferred);
        let data = Data::random(op, 1);
        let truth = op.reference(&data.tensors()).expect("it is right");
        let program = shaders::program(op, &caps, Strategy::Inferred).expect("it lowers");
        let outputs = run_program(gpu(), op, &program, &data.tensors());
        compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{} of {:?}: {e}", op.name(), op.shape()));
    }
}

/// Long rows: few of them are split.
#[test]
fn a_call_may_have_another_method() {
    let planner = common::tuned(&[("few_rows", 16), ("long_row", 64)]);
    check(&planner, |rows| RmsNorm::new(&[rows, 128], 1..));
    check(&planner, |rows| LayerNorm::new(&[rows, 68], 1..).backward());
}

#[test]
fn what_no_call_can_say_is_refused() {
    let planner = Planner::new(gpu().device());
    let refused = |result: Result<RowsPlan>| match result {
        Err(Error::Unsupported { what, why }) => format!("{what}: {why}"),
        other => panic!("{other:?}"),
    };
    let training = refused(planner.plan_rows(BatchNorm::training(&[1, 8, 6]), 200));
    assert_eq!(training, "a plan for up to 200 rows: its kernels differ for each number of rows: batch_norm_training");
    let plan = planner.plan_rows(RmsNorm::new(&[1, 8], 1..).weight(false), 4).expect("a plan");
    let arena = Arena::new(gpu(), &planner, plan.tensors(), 0, &Tensors::new(&[1.0; 32]));
    let bound = plan.bind(&arena.bindings(plan.tensors(), 0), &ring(&[])).expect("it binds");
    let message = bound.call(5).unwrap_err().to_string();
    assert_eq!(message, "rows is 5, expected at most 4, the largest number of the plan");
}

/// Another number of rows makes no object of wgpu.
#[test]
fn ten_thousand_numbers_of_rows_make_no_buffer_no_bind_group_and_no_pipeline() {
    let planner = Planner::new(gpu().device());
    let op = RmsNorm::new(&[1, 64], 1..);
    let plan = planner.plan_rows(op, 128).expect("a plan");
    let data = Data::random(&RmsNorm::new(&[128, 64], 1..), 1);
    let arena = Arena::new(gpu(), &planner, plan.tensors(), plan.scratch_size(), &data.tensors());
    let ring = ring(&[]);
    let bound = plan.bind(&arena.bindings(plan.tensors(), plan.scratch_size()), &ring).expect("it binds");
    let counts = || {
        let counters = gpu().device().get_internal_counters().hal;
        [&counters.buffers, &counters.bind_groups, &counters.compute_pipelines].map(|counter| counter.read())
    };
    // Buffers of earlier writes are gone.
    gpu().queue().submit([]);
    gpu().device().poll(wgpu::PollType::wait_indefinitely()).expect("poll");
    let before = counts();
    assert!(before.iter().all(|&count| count > 0), "{before:?}: wgpu counts");
    let stride = bound.call(1).expect("few enough rows").uniform().len();
    for step in 0..100 {
        let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for i in 0..100 {
            let call = bound.call(1 + (step * 31 + i * 7) % 128).expect("few enough rows");
            bound.record(&mut pass, &call, (i * stride) as u32);
        }
        drop(pass);
        assert_eq!(counts(), before);
        gpu().queue().submit([encoder.finish()]);
        gpu().device().poll(wgpu::PollType::wait_indefinitely()).expect("poll");
    }
}
