//! Tensors inside other tensors: parts of one buffer, at any element, with strides of their own.

mod common;

use common::{
    gpu,
    methods::needs_subgroups,
    run,
    strided::{Strided, strided_ops},
};
use wgpu_norm::{
    BatchNorm, BindingProblem, Bindings, DType, Error, GroupNorm, LayerNorm, Method, Norm, Offsets, Outputs, Planner,
    RmsNorm, Slot, Strategy, Team, View,
    host::Gpu,
    shaders,
    testing::{Data, compare_outputs, each_op},
    wgpu,
};

/// A device whose planner takes tensors at any offset of one buffer, and places them at odd elements.
fn at_any_offset() -> Gpu {
    let planner = Planner::new(gpu().device()).shared_buffers(true).any_offset(true);
    Gpu::from_parts(gpu().queue().clone(), planner)
}

/// The elements of all outputs, as bits.
fn bits(op: &dyn Norm, outputs: &Outputs<f32>) -> Vec<(Slot, Vec<u32>)> {
    let specs = op.tensors().expect("it is right").into_iter().filter(|spec| outputs.get(spec.slot).is_some());
    specs
        .map(|spec| {
            let elements = spec.gather(outputs.get(spec.slot).unwrap_or_default());
            (spec.slot, elements.into_iter().map(f32::to_bits).collect())
        })
        .collect()
}

fn conforms(gpu: &Gpu, why: &str, op: &dyn Norm, strategy: Strategy) -> Outputs<f32> {
    let data = Data::random(op, 1);
    let truth = op.reference(&data.tensors()).expect("it is right");
    let outputs = run(gpu, op, &data.tensors(), strategy).unwrap_or_else(|e| panic!("{why}, {strategy:?}: {e}"));
    compare_outputs(op, &outputs, &truth)
        .unwrap_or_else(|e| panic!("{why}, {strategy:?}, {op_name}: {e}", op_name = op.name()));
    outputs
}

/// The kernels of an op, without how they find its tensors.
fn kernels(device: &Gpu, op: &dyn Norm) -> Vec<String> {
    let mut caps = device.planner().caps().clone();
    if caps.offsets == Offsets::Pack {
        caps.offsets = Offsets::Element;
    }
    let program = shaders::program(op, &caps, Strategy::Inferred).expect("it lowers");
    program.dispatches.iter().map(|dispatch| dispatch.shader.to_string()).collect()
}

#[test]
fn every_op_conforms_at_odd_elements_of_one_buffer() {
    let device = at_any_offset();
    let mut compared = 0;
    for (len, dtype) in [(12, DType::F16), (13, DType::F32)] {
        for op in each_op(len, dtype) {
            let outputs = conforms(&device, &format!("{dtype}"), &*op, Strategy::Inferred);
            if kernels(&device, &*op) == kernels(gpu(), &*op) {
                let apart = conforms(gpu(), "in buffers of their own", &*op, Strategy::Inferred);
                assert_eq!(bits(&*op, &outputs), bits(&*op, &apart), "{}", op.name());
                compared += 1;
            }
        }
    }
    assert!(compared > 20, "{compared} ops have the same kernels");
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn every_op_by_every_method_at_odd_elements_of_one_buffer() {
    let device = at_any_offset();
    for op in each_op(12, DType::F32) {
        every_method_conforms(&device, op.name(), &*op);
    }
}

/// Rows that begin inside of words: at a word by whole words, else by single elements.
#[test]
fn odd_rows_of_half_precision_begin_at_any_element() {
    let op = LayerNorm::new(&[7, 33], 1..).dtype(DType::F16).weight(false).bias(false);
    let device = at_any_offset();
    for op in [&op as &dyn Norm, &op.backward(), &op.clone().in_place(true)] {
        conforms(&device, "at odd elements", op, Strategy::Inferred);
    }
    let planner = Planner::new(gpu().device()).any_offset(true);
    let data = Data::random(&op, 1);
    let plan = planner.plan(&op).expect("a plan");
    let input = DType::F16.encode(data.tensors().get(Slot::Input).expect("it has one"));
    let output = |offset: u64| {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: 1024, usage, mapped_at_creation: false };
        let buffers = [0; 2].map(|_| gpu().device().create_buffer(&descriptor));
        let words: Vec<u8> = [vec![0; offset as usize], input.clone(), vec![0; 2]].concat();
        gpu().queue().write_buffer(&buffers[0], 0, &words[..words.len() / 4 * 4]);
        let bindings = Bindings::new().input(buffers[0].slice(offset..)).output(buffers[1].slice(offset..));
        let bound = plan.bind(&bindings).expect("bound");
        let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        gpu().queue().submit([encoder.finish()]);
        let bytes = gpu().download(&buffers[1], 1024).expect("downloaded");
        let (before, rest) = bytes.split_at(offset as usize);
        let (output, after) = rest.split_at(input.len());
        assert!(before.iter().chain(after).all(|&byte| byte == 0), "offset {offset}: written outside of the tensor");
        output.to_vec()
    };
    let at_zero = output(0);
    for offset in [4, 12, 260] {
        assert_eq!(output(offset), at_zero, "offset {offset}");
    }
}

#[test]
fn every_method_conforms_at_odd_elements_of_one_buffer() {
    let device = at_any_offset();
    let layer = LayerNorm::new(&[37, 24], 1..).residual(true).residual_output(true);
    let ops: [(&str, &dyn Norm); 4] = [
        ("rows", &layer),
        ("rows", &layer.backward()),
        ("channels", &BatchNorm::training(&[5, 8, 12])),
        ("channels", &BatchNorm::training(&[5, 8, 12]).backward()),
    ];
    for (why, op) in ops {
        let methods = every_method_conforms(&device, why, op);
        assert!(methods >= 2, "{why}: {methods} methods");
    }
}

/// Runs an op by every method that can compute it, and returns how many these are.
fn every_method_conforms(device: &Gpu, why: &str, op: &dyn Norm) -> usize {
    let data = Data::random(op, 1);
    let truth = op.reference(&data.tensors()).expect("it is right");
    let mut methods = 0;
    for &method in Method::ALL {
        if needs_subgroups(method) && device.planner().caps().subgroup_size.is_none() {
            continue;
        }
        match run(device, op, &data.tensors(), Strategy::Forced(method)) {
            Ok(outputs) => {
                compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{why}, {method}: {e}"));
                methods += 1;
            }
            Err(Error::Unsupported { .. } | Error::Limit { .. }) => {}
            Err(e) => panic!("{why}, {method}: {e}"),
        }
    }
    methods
}

#[test]
fn strides_change_where_elements_are_and_not_what_they_are() {
    let mut compared = 0;
    for (first, dtype) in [(0, DType::F32), (1, DType::BF16)] {
        // The forward pass of each op in one type, its backward pass in the other.
        for Strided { why, dense, strided } in strided_ops(dtype).into_iter().skip(first).step_by(2) {
            let outputs = conforms(gpu(), why, &*strided, Strategy::Inferred);
            // The same elements in a dense tensor.
            let data = Data::random(&*strided, 1);
            let specs = strided.tensors().expect("it is right");
            let values: Vec<(Slot, Vec<f32>)> = specs
                .iter()
                .filter_map(|spec| Some((spec.slot, spec.gather(data.tensors().get(spec.slot)?))))
                .collect();
            let tensors = values
                .iter()
                .fold(Default::default(), |tensors: wgpu_norm::Tensors<'_>, (slot, values)| tensors.set(*slot, values));
            let same = run(gpu(), &*dense, &tensors, Strategy::Inferred).expect("it runs");
            let kernels =
                |op| wgpu_norm::shaders::program(op, gpu().planner().caps(), Strategy::Inferred).expect("lowers");
            let layouts = |op| kernels(op).dispatches.iter().map(|d| d.shader.to_string()).collect::<Vec<_>>();
            if layouts(&*dense) == layouts(&*strided) {
                assert_eq!(bits(&*strided, &outputs), bits(&*dense, &same), "{why}, {dtype}: {}", strided.name());
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "{compared} pairs have the same kernels");
}

/// Each family of kernels. The others differ in their teams, which know nothing of strides.
#[test]
fn every_kernel_takes_strides() {
    let device = at_any_offset();
    let methods = [
        Method::Resident(Team::Workgroup),
        Method::Streamed(Team::Lane),
        Method::Split(Team::Workgroup),
        Method::Columns,
    ];
    let ops =
        strided_ops(DType::F32).into_iter().step_by(2).chain(strided_ops(DType::F16).into_iter().skip(1).step_by(2));
    let mut ran = 0;
    for Strided { why, strided, .. } in ops {
        let data = Data::random(&*strided, 1);
        let truth = strided.reference(&data.tensors()).expect("it is right");
        for method in methods {
            match run(&device, &*strided, &data.tensors(), Strategy::Forced(method)) {
                Ok(outputs) => {
                    compare_outputs(&*strided, &outputs, &truth).unwrap_or_else(|e| panic!("{why}, {method}: {e}"));
                    ran += 1;
                }
                Err(Error::Unsupported { .. }) => {}
                Err(e) => panic!("{why}, {method}: {e}"),
            }
        }
    }
    assert!(ran > 50, "{ran} runs");
}

/// Shaders divide the number of a row by a product of two words. These rows have numbers in the upper half of a word.
#[test]
fn strides_of_many_rows() {
    let op = RmsNorm::new(&[5, 14003, 4], 2..).strides(Slot::Input, &[4 * 14007, 4, 1]);
    conforms(gpu(), "many rows", &op.strides(Slot::Output, &[4 * 14006, 4, 1]), Strategy::Inferred);
}

/// An op in place has no backward pass.
#[test]
fn strides_in_place() {
    for dtype in [DType::F32, DType::F16] {
        let op = RmsNorm::new(&[5, 3, 16], 2..).dtype(dtype).in_place(true).strides(Slot::Input, &[112, 16, 1]);
        let sum = op.clone().residual(true).residual_in_place(true).strides(Slot::Residual, &[60, 20, 1]);
        let image = GroupNorm::new(&[3, 6, 4, 5], 2).dtype(dtype).in_place(true).strides(Slot::Input, &[200, 20, 5, 1]);
        for (why, op) in [("heads", &op as &dyn Norm), ("heads, with a sum", &sum), ("channels", &image)] {
            conforms(&at_any_offset(), why, op, Strategy::Inferred);
        }
    }
}

/// Why a plan refuses a binding.
fn problem(result: wgpu_norm::Result<wgpu_norm::Bound>) -> (Slot, BindingProblem) {
    match result {
        Err(Error::Binding { slot, problem }) => (slot, problem),
        other => panic!("{other:?}"),
    }
}

fn buffer(bytes: u64) -> wgpu::Buffer {
    gpu().device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

#[test]
fn tensors_of_one_buffer_may_interleave_but_not_overlap() {
    let planner = Planner::new(gpu().device()).shared_buffers(true).any_offset(true);
    // Queries and keys of one head of 8, f16, in rows of 24 elements.
    let op = RmsNorm::new(&[4, 8], 1..).weight(false).dtype(DType::F16);
    let op = op.strides(Slot::Input, &[24, 1]).strides(Slot::Output, &[24, 1]);
    let plan = planner.plan(&op).expect("a plan");
    let arena = buffer(1024);
    let at = |input: u64, output: u64| {
        let view = |offset| View::new(&arena, offset, 160);
        plan.bind(&Bindings::new().input(view(input)).output(view(output)))
    };
    at(64, 80).expect("the output lies between rows of the input");
    at(80, 64).expect("the same, the other way round");
    at(64, 224).expect("one after the other");
    assert_eq!(problem(at(64, 64)), (Slot::Output, BindingProblem::OverInput));
    assert_eq!(problem(at(64, 78)), (Slot::Output, BindingProblem::Overlaps(Slot::Input)), "one element");
    assert_eq!(problem(at(64, 98)), (Slot::Output, BindingProblem::Overlaps(Slot::Input)), "16 + 8 elements further");
    // Elements 1 to 8 and 9 to 16: one word has elements of both.
    assert_eq!(problem(at(66, 82)), (Slot::Output, BindingProblem::Overlaps(Slot::Input)), "a word");
    at(66, 84).expect("a word further");
    assert_eq!(problem(at(64, 81)), (Slot::Output, BindingProblem::Misaligned { offset: 81, alignment: 2 }));
    let message = problem(at(64, 98)).1.to_string();
    assert_eq!(message, "overlaps input, and one of them is written");

    // A last element without its word.
    let end = buffer(1022);
    let bindings = Bindings::new().input(View::new(&arena, 0, 160)).output(View::new(&end, 862, 160));
    let (slot, problem) = problem(plan.bind(&bindings));
    assert_eq!((slot, problem), (Slot::Output, BindingProblem::OutOfRange { offset: 862, end: 1024, size: 1022 }));
}

#[test]
fn without_its_option_an_offset_is_what_the_device_binds() {
    let op = RmsNorm::new(&[4, 8], 1..).weight(false);
    let [input, output] = [buffer(1024), buffer(1024)];
    let view = |buffer, offset| View::new(buffer, offset, 128);
    let bind = |planner: Planner, offset| {
        let bindings = Bindings::new().input(view(&input, offset)).output(view(&output, 0));
        planner.plan(&op).expect("a plan").bind(&bindings)
    };
    let planner = || Planner::new(gpu().device());
    let alignment = u64::from(planner().caps().storage_offset_alignment);
    assert_eq!(problem(bind(planner(), 4)), (Slot::Input, BindingProblem::Misaligned { offset: 4, alignment }));
    bind(planner().any_offset(true), 4).expect("a multiple of an element");
    bind(planner().any_offset(true), 16).expect("a multiple of a pack");
    let misaligned = problem(bind(planner().any_offset(true), 2));
    assert_eq!(misaligned, (Slot::Input, BindingProblem::Misaligned { offset: 2, alignment: 4 }));
}

/// `bind` compiles nothing: `plan` compiles the kernels of packs and of elements.
#[test]
fn a_plan_has_kernels_of_packs_and_of_elements() {
    let caps = |offsets| {
        let mut caps = gpu().planner().caps().clone();
        caps.offsets = offsets;
        caps
    };
    let text = |len, offsets| {
        let op = RmsNorm::new(&[4, len], 1..);
        let program = shaders::program(&op, &caps(offsets), Strategy::Inferred).expect("it lowers");
        program.dispatches[0].shader.wgsl()
    };
    assert!(text(8, Offsets::Pack).contains("array<vec4<f32>>") && text(8, Offsets::Pack).contains("places.input.x"));
    assert!(
        text(8, Offsets::Element).contains("array<f32>") && !text(8, Offsets::Element).contains("array<vec4<f32>>")
    );
    assert_eq!(text(9, Offsets::Pack), text(9, Offsets::Element), "rows that are no packs need no other kernel");
    assert!(!text(8, Offsets::Binding).contains("places"));
}
