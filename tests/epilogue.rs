//! The caller's WGSL behind a forward pass, on the adapter: every way in which kernels find the index of an element.

mod common;

use common::{
    arena::run_in_one_buffer,
    gpu,
    methods::{Can, conforms, conforms_by_lanes},
    run, tuned,
};
use wgpu_norm::{
    Activation, BatchNorm, Bindings, DType, Epilogue, Error, GroupNorm, InstanceNorm, LayerNorm, Layout, LpNormalize,
    Method, Norm, Planner, RmsNorm, RunningStats, Slot, Strategy, Team, Tensors,
    host::{self, Gpu},
    shaders,
    testing::{Data, compare_outputs},
    wgpu,
};

/// Adds another number to each element: a wrong index shows anywhere. The other buffer scales single elements.
const TABLES: &str = "
const PERIOD = 5u;

fn scale(index: u32) -> f32 {
    return 1.0 + 0.25 * epilogue_a[index % PERIOD];
}

fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
    let i = vec4<u32>(index) + vec4<u32>(0u, 1u, 2u, 3u);
    let scales = vec4<f32>(scale(i.x), scale(i.y), scale(i.z), scale(i.w));
    return v * scales + vec4<f32>(epilogue_b[i.x], epilogue_b[i.y], epilogue_b[i.z], epilogue_b[i.w]);
}
";

/// [`TABLES`] for an output of this shape.
fn tables(shape: &[usize]) -> Epilogue {
    let tables = Epilogue::new(TABLES).buffers(&[5, shape.iter().product()]);
    tables.reference(|v, index, [a, b]| v * (1.0 + 0.25 * f64::from(a[index % 5])) + f64::from(b[index]))
}

macro_rules! with_tables {
    ($op:expr) => {{
        let op = $op;
        let epilogue = tables(&op.shape);
        op.epilogue(epilogue)
    }};
}

#[test]
fn rows_end_with_an_epilogue() {
    let rows = |len| LayerNorm::new(&[7, len], 1..);
    conforms("packs, by every team", &with_tables!(rows(36)), Can::Rows(36));
    conforms("single elements, by every team", &with_tables!(rows(33).save_stats(true)), Can::Rows(33));
    let activated = rows(24).activation(Activation::Gelu).residual(true).residual_output(true);
    conforms_by_lanes("after an activation", &with_tables!(activated), Can::Rows(24));
    conforms_by_lanes("in place", &with_tables!(rows(12).in_place(true)), Can::Rows(12));
    conforms_by_lanes("in place, odd", &with_tables!(rows(13).in_place(true)), Can::Rows(13));
    conforms_by_lanes("a norm", &with_tables!(LpNormalize::new(&[5, 6, 3], 1..)), Can::Rows(18));
    conforms_by_lanes("groups", &with_tables!(GroupNorm::new(&[3, 8, 7], 2)), Can::Rows(28));
}

#[test]
fn rows_of_half_precision_end_with_an_epilogue_before_they_are_rounded() {
    for (dtype, len) in [(DType::F16, 33), (DType::BF16, 50), (DType::F16, 64), (DType::BF16, 1)] {
        let op = LayerNorm::new(&[7, len], 1..).dtype(dtype);
        conforms_by_lanes("half precision", &with_tables!(op.clone()), Can::RowsOf(dtype, len));
        conforms_by_lanes("in place", &with_tables!(op.in_place(true)), Can::RowsOf(dtype, len));
    }
    // Two packs of a lane, which a device with this number of its table moves at once.
    let gpu = Gpu::from_parts(gpu().queue().clone(), tuned(&[("vec4x2", 1)]));
    let op = with_tables!(LayerNorm::new(&[7, 512], 1..).dtype(DType::F16));
    let strategy = Strategy::Forced(Method::Resident(Team::Workgroup));
    let program = shaders::program(&op, gpu.planner().caps(), strategy).expect("it lowers");
    assert!(program.dispatches[0].shader.wgsl().contains("at.pair"));
    same(&gpu, &op, strategy);
}

#[test]
fn the_index_is_that_of_a_dense_output() {
    let rows = |len| RmsNorm::new(&[3, 4, len], 2..);
    let outputs = [
        (rows(12), [80, 20, 1]),
        (rows(12), [16, 48, 1]),
        (rows(13), [60, 15, 1]),
        (rows(12).dtype(DType::F16), [80, 20, 1]),
    ];
    for (op, strides) in outputs {
        let len = op.shape[2];
        let input = op.clone().strides(Slot::Input, &strides);
        conforms_by_lanes("strides of the input", &with_tables!(input.clone()), Can::Rows(len));
        conforms_by_lanes("in place", &with_tables!(input.in_place(true)), Can::Rows(len));
        conforms_by_lanes("strides of the output", &with_tables!(op.strides(Slot::Output, &strides)), Can::Rows(len));
    }
    let channels = BatchNorm::inference(&[3, 4, 8]).strides(Slot::Output, &[64, 12, 1]);
    conforms_by_lanes("strides of channels", &with_tables!(channels), Can::Elementwise);
}

#[test]
fn tensors_begin_anywhere_and_the_buffers_where_the_device_binds() {
    let planner = Planner::new(gpu().device()).shared_buffers(true).any_offset(true);
    let gpu = Gpu::from_parts(gpu().queue().clone(), planner);
    let lane = |method: fn(Team) -> Method| Strategy::Forced(method(Team::Lane));
    let rows = |len| LayerNorm::new(&[7, len], 1..);
    for strategy in [Strategy::Inferred, lane(Method::Streamed), lane(Method::Split)] {
        same(&gpu, &with_tables!(rows(12)), strategy);
        same(&gpu, &with_tables!(rows(33).dtype(DType::F16)), strategy);
    }
    same(&gpu, &with_tables!(BatchNorm::training(&[3, 4, 8])), Strategy::Inferred);
    let op = with_tables!(rows(12));
    let plan = gpu.planner().plan(&op).expect("a plan");
    let arena = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4096,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let part = |i: u64, offset: u64| arena.slice(512 * i + offset..512 * (i + 1));
    let bindings = Bindings::new().input(part(0, 4)).weight(part(1, 4)).bias(part(2, 4)).output(part(3, 4));
    let misaligned = plan.bind(&bindings.clone().epilogue_a(part(4, 4)).epilogue_b(part(5, 0))).unwrap_err();
    assert!(misaligned.to_string().starts_with("epilogue_a: offset 2052 is not a multiple of "), "{misaligned}");
    plan.bind(&bindings.epilogue_a(part(4, 0)).epilogue_b(part(5, 0))).expect("bound");
}

fn same(gpu: &Gpu, op: &dyn Norm, strategy: Strategy) {
    let data = Data::random(op, 1);
    let outputs = run(gpu, op, &data.tensors(), strategy).expect("runs");
    let truth = op.reference(&data.tensors()).expect("a reference");
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{} {strategy:?}: {e}", op.name()));
}

#[test]
fn columns_and_channels_end_with_an_epilogue() {
    let middle = with_tables!(LayerNorm::new(&[3, 6, 8], 1..2));
    let ran = conforms("packs across rows too", &middle, Can::ColumnsOrAcross(24));
    assert!(ran.contains(&Method::Streamed(Team::Lane)));
    conforms_by_lanes("odd columns", &with_tables!(LayerNorm::new(&[3, 6, 5], 1..2)), Can::Columns);
    for shape in [&[9, 8][..], &[9, 7], &[3, 4, 8], &[3, 5, 7]] {
        let op = BatchNorm::training(shape).residual(true).activation(Activation::Relu);
        conforms_by_lanes("training", &with_tables!(op), Can::batch_norm(shape));
        conforms_by_lanes("inference", &with_tables!(BatchNorm::inference(shape)), Can::Elementwise);
    }
    let last = BatchNorm::training(&[3, 5, 8]).layout(Layout::ChannelsLast).running_stats(RunningStats::PYTORCH);
    conforms_by_lanes("channels last", &with_tables!(last.dtype(DType::F16)), Can::Columns);
    let instances = InstanceNorm::new(&[3, 4, 9]).running_stats(RunningStats::PYTORCH);
    conforms_by_lanes("the running statistics do not see it", &with_tables!(instances), Can::Split);
}

#[test]
fn the_index_of_a_chunk_is_that_of_the_whole_tensor() {
    let adapter = host::adapter(None).expect("an adapter");
    let (required_features, limits) = wgpu_norm::recommended(&adapter);
    let required_limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 15, ..limits };
    let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
    let gpu = Gpu::from_parts(queue, Planner::new(&device));
    // A table for all elements would be larger than a binding.
    let text = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
        let i = vec4<u32>(index) + vec4<u32>(0u, 1u, 2u, 3u);
        return v + vec4<f32>(i % 1021u) / 256.0;
    }";
    let epilogue = || Epilogue::new(text).reference(|v, index, _| v + (index % 1021) as f64 / 256.0);
    let lane = |method: fn(Team) -> Method| Strategy::Forced(method(Team::Lane));
    let rows = |len| LayerNorm::new(&[131, len], 1..).epilogue(epilogue());
    let chunked: [(Box<dyn Norm>, Strategy); 9] = [
        (Box::new(rows(64)), lane(Method::Resident)),
        (Box::new(rows(64)), lane(Method::Streamed)),
        (Box::new(rows(65)), lane(Method::Streamed)),
        (Box::new(rows(65)), lane(Method::Split)),
        (Box::new(LayerNorm::new(&[263, 65], 1..).dtype(DType::F16).epilogue(epilogue())), lane(Method::Resident)),
        (Box::new(LayerNorm::new(&[70, 12, 16], 1..2).epilogue(epilogue())), lane(Method::Streamed)),
        (Box::new(LayerNorm::new(&[70, 12, 16], 1..2).epilogue(epilogue())), Strategy::Forced(Method::Columns)),
        (Box::new(BatchNorm::training(&[33, 4, 7, 11]).epilogue(epilogue())), lane(Method::Split)),
        (Box::new(BatchNorm::inference(&[33, 6, 7, 12]).epilogue(epilogue())), Strategy::Inferred),
    ];
    for (op, strategy) in chunked {
        let program = shaders::program(&*op, gpu.planner().caps(), strategy).expect("it lowers");
        let last = program.dispatches.last().expect("dispatches");
        assert!(last.shader.has_epilogue() && last.ranges.iter().any(|range| range.offset > 0), "{}", op.name());
        same(&gpu, &*op, strategy);
    }
}

#[test]
fn an_epilogue_reads_a_part_of_a_shared_buffer() {
    for op in [with_tables!(LayerNorm::new(&[7, 33], 1..)), with_tables!(LayerNorm::new(&[7, 32], 1..))] {
        let data = Data::random(&op, 1);
        let outputs = pollster::block_on(run_in_one_buffer(gpu(), &op, &data.tensors(), false)).expect("runs");
        compare_outputs(&op, &outputs, &op.reference(&data.tensors()).expect("a reference")).expect("the same");
    }
}

/// What WGSL defines for a division by zero and for an index out of bounds, which takes wgpu's checks.
#[test]
fn a_shader_with_an_epilogue_has_all_checks() {
    let text = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
        let zero = u32(epilogue_a[0]);
        return vec4<f32>(f32((index + 6u) / zero), f32((index + 6u) % zero), epilogue_a[index + 100000u], 0.0)
            * vec4<f32>(vec4<u32>(index % 4u) == vec4<u32>(0u));
    }";
    // A pack for each row: v.x, v.y and v.z are what the test reads.
    let op = RmsNorm::new(&[3, 4], 1..).weight(false).epilogue(Epilogue::new(text).buffers(&[1]));
    let input = [1.0; 12];
    let tensors = Tensors::new(&input).epilogue_a(&[0.0]);
    let outputs = gpu().run(&op, &tensors).expect("runs");
    for (row, output) in outputs.output().chunks(4).enumerate() {
        // The quotient of a division by zero is the dividend, and there is no rest.
        assert_eq!(output, [(row * 4 + 6) as f32, 0.0, 0.0, 0.0], "row {row}");
    }
}

#[test]
fn the_same_op_runs_with_other_epilogues_and_without() {
    let op = RmsNorm::new(&[2, 8], 1..).weight(false);
    let text = |term: &str| format!("fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {{ return v {term}; }}");
    let input: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let output = |op: &RmsNorm| gpu().run(op, &Tensors::new(&input)).expect("runs").output().to_vec();
    let plain = output(&op);
    let mapped = |f: fn(f32) -> f32| plain.iter().map(|&x| f(x)).collect::<Vec<_>>();
    assert_eq!(output(&op.clone().epilogue(Epilogue::new(text("* 2.0")))), mapped(|x| x * 2.0));
    assert_eq!(output(&op.clone().epilogue(Epilogue::new(text("* 4.0")))), mapped(|x| x * 4.0));
    assert_eq!(output(&op.clone().epilogue(Epilogue::new(text("* 2.0")))), mapped(|x| x * 2.0));
    assert_eq!(output(&op), plain);
    let wrong = gpu().run(&op.epilogue(Epilogue::new(text("* nowhere"))), &Tensors::new(&input)).unwrap_err();
    assert!(matches!(wrong, Error::Epilogue { line: Some(1), .. }), "{wrong}");
}

#[test]
fn an_empty_batch_calls_no_epilogue() {
    let op = with_tables!(RmsNorm::new(&[0, 8], 1..).weight(false));
    assert!(matches!(op.tensors(), Err(Error::InvalidArgument { .. })), "an empty table");
    let op = RmsNorm::new(&[0, 8], 1..).weight(false).epilogue(tables(&[8]));
    let b = [0.0; 8];
    let outputs = gpu().run(&op, &Tensors::new(&[]).epilogue_a(&b[..5]).epilogue_b(&b)).expect("nothing to do");
    assert!(outputs.output().is_empty());
}
