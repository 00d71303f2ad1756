//! The tests can fail: the comparator rejects wrong values, and a mutated shader does not conform.

mod common;
mod mutations;

use common::{arena::Arena, gpu, methods::needs_subgroups, run};
use mutations::{Case, assert_noticed, ops::small_rows, survivors, table, tables::*};
use wgpu_norm::{
    BatchNorm, Caps, DType, LayerNorm, LocalResponseNorm,
    Method::{self, *},
    Norm, Outputs, Planner, Slot, Strategy,
    Team::*,
    Tensors,
    host::{self, Gpu},
    recommended, shaders,
    testing::{Data, PROMISE, bound, compare, compare_outputs, conformance, each_op, max_error},
};

#[test]
fn the_comparator_rejects_wrong_values() {
    let truth = [0.5, -3.0, 2.0];
    assert_eq!(compare("y", &[0.5, -3.0, 2.0], &truth), Ok(()));
    let reject = |actual: &[f32]| compare("y", actual, &truth).unwrap_err();
    assert!(reject(&[0.5, -3.0, 2.001]).contains("off by"));
    assert!(reject(&[0.5, -3.0]).contains("2 elements, expected 3"));
    assert!(reject(&[]).contains("0 elements"));
    assert!(reject(&[f32::NAN, -3.0, 2.0]).contains("y[0]"));
    assert!(reject(&[0.5, f32::INFINITY, 2.0]).contains("y[1]"));
    assert!(reject(&[-3.0, 0.5, 2.0]).contains("off by"), "swapped");
}

#[test]
fn the_comparator_wants_a_nan_or_an_infinity_where_the_reference_has_one() {
    let truth = [f64::NAN, f64::INFINITY, 1e39];
    assert_eq!(compare("y", &[f32::NAN, f32::INFINITY, f32::INFINITY], &truth), Ok(()));
    assert!(compare("y", &[0.0, f32::INFINITY, f32::INFINITY], &truth).is_err());
    assert!(compare("y", &[f32::NAN, f32::NEG_INFINITY, f32::INFINITY], &truth).is_err());
    assert!(compare("y", &[f32::NAN, f32::MAX, f32::INFINITY], &truth).is_err());
    assert!(compare("y", &[f32::NAN, f32::INFINITY, f32::NAN], &truth).is_err());
}

#[test]
fn the_bound_is_in_parts_of_the_largest_value() {
    assert_eq!(bound(&[0.1, -0.2]).to_bits(), PROMISE.to_bits(), "never below that of 1");
    assert_eq!(bound(&[3.0, -50.0, f64::INFINITY]).to_bits(), (PROMISE * 50.0).to_bits());
    let just_above = 50.0 + 2.0 * PROMISE * 50.0;
    assert!(compare("y", &[just_above as f32], &[50.0]).is_err());
    assert_eq!(max_error("y", DType::F32, &[1.5], &[1.0]), Ok(0.5));
}

#[test]
fn the_comparator_wants_the_same_tensors_on_both_sides() {
    let op = LayerNorm::new(&[1, 1], 1..).weight(false).bias(false).save_stats(true);
    let tensors = Tensors::new(&[2.0]);
    let expected = op.reference(&tensors).expect("reference");
    let compare = |actual: &Outputs<f32>| compare_outputs(&op, actual, &expected);
    assert_eq!(compare(&expected.to_f32()), Ok(()));
    let mut without = Outputs::default();
    without.set(Slot::Output, vec![0.0]);
    without.set(Slot::Mean, vec![2.0]);
    assert!(compare(&without).unwrap_err().contains("rstd"));
    let mut counted = expected.to_f32();
    counted.set_num_batches_tracked(1);
    assert_eq!(compare(&counted).unwrap_err(), "num_batches_tracked: 1, expected none");
    let mut off = expected.to_f32();
    off.set(Slot::Mean, vec![2.1]);
    assert!(compare(&off).unwrap_err().contains("mean"));
}

#[test]
fn the_comparator_allows_half_an_ulp_of_half_precision_and_no_more() {
    let error = |dtype, actual| max_error("y", dtype, &[actual], &[100.0]).expect("comparable");
    assert!(error(DType::F16, 100.03) < 1e-4 && error(DType::F16, 100.07) > 1e-2);
    assert!(error(DType::BF16, 100.3) < 1e-4 && error(DType::BF16, 100.5) > 1e-2);
    assert!(error(DType::F32, 100.03) > 1e-2);
    assert!(max_error("y", DType::F16, &[f32::INFINITY], &[65520.0]).is_ok(), "overflow is an infinity");
    assert!(max_error("y", DType::F16, &[65504.0], &[65520.0]).is_err());
}

#[test]
fn a_mutated_row_kernel_does_not_conform() {
    assert_noticed("row", ROW);
}

#[test]
fn mutated_activations_do_not_conform() {
    assert_noticed("row", ACTIVATIONS);
}

#[test]
fn mutated_fusions_do_not_conform() {
    assert_noticed("row", FUSIONS);
    if gpu().planner().caps().cpu {
        assert_noticed("row", ROW_ON_CPU);
    }
}

#[test]
fn a_row_kernel_mutated_for_more_than_256_lanes_does_not_conform() {
    if gpu().planner().caps().max_workgroup_size >= 512 {
        assert_noticed("row", ROW_OF_MANY_LANES);
    }
}

#[test]
fn a_row_kernel_mutated_for_rows_that_begin_inside_of_words_does_not_conform() {
    assert_noticed("row", ROW_HALF_UNALIGNED);
}

#[test]
fn a_mutated_rotary_embedding_does_not_conform() {
    assert_noticed("row", ROTARY);
}

#[test]
fn mutated_rows_by_an_index_do_not_conform() {
    assert_noticed("row", INDEXED);
}

#[test]
fn a_mutated_stream_kernel_does_not_conform() {
    assert_noticed("stream", STREAM);
}

#[test]
fn mutated_kernels_of_statistics_do_not_conform() {
    assert_noticed("moments", MOMENTS);
    assert_noticed("finalize", FINALIZE);
    assert_noticed("count", COUNT);
}

#[test]
fn a_mutated_apply_kernel_does_not_conform() {
    assert_noticed("apply", APPLY);
}

#[test]
fn mutated_kernels_of_sums_do_not_conform() {
    assert_noticed("sums", SUMS);
    assert_noticed("sums_columns", SUMS_COLUMNS);
    assert_noticed("merge_sums", MERGE_SUMS);
}

#[test]
fn a_mutated_slide_kernel_does_not_conform() {
    assert_noticed("slide", SLIDE);
    if gpu().planner().caps().cpu {
        assert_noticed("slide", SLIDE_IN_ORDER);
    }
}

#[test]
fn a_mutated_window_kernel_does_not_conform() {
    assert_noticed("window", WINDOW);
}

#[test]
fn a_mutation_that_changes_nothing_survives() {
    let same = "A text that is replaced by itself.";
    let rows: &[fn() -> Case] = &[small_rows];
    assert_eq!(survivors("row", &[(rows, "+ params.eps", "", "")]), [""; 0]);
    let survived = survivors("row", &[(rows, "+ params.eps", "+ params.eps", same)]);
    assert!(survived.len() == 1 && survived[0].ends_with(same), "{survived:?}");
    let survived = survivors("row", &[(rows, "no such text", "", "")]);
    assert!(survived.len() == 1 && survived[0].ends_with("there is no such text"), "{survived:?}");
    // Rows by workgroups run no kernel of streamed rows.
    let survived = survivors("stream", &[(rows, "+ params.eps", "", "")]);
    assert!(survived.len() == 1 && survived[0].ends_with("there is no such text"), "{survived:?}");
}

/// Makes an op of this size: rows, channels or positions.
type Make = fn(usize) -> Box<dyn Norm>;

/// Rows of one pack, for a lane each.
fn short(rows: usize) -> Box<dyn Norm> {
    Box::new(LayerNorm::new(&[rows, 4], 1..))
}

fn short_backward(rows: usize) -> Box<dyn Norm> {
    Box::new(LayerNorm::new(&[rows, 4], 1..).backward())
}

/// Rows of three packs, for teams of several lanes.
fn rows(rows: usize) -> Box<dyn Norm> {
    Box::new(LayerNorm::new(&[rows, 12], 1..))
}

fn rows_backward(rows: usize) -> Box<dyn Norm> {
    Box::new(LayerNorm::new(&[rows, 12], 1..).backward())
}

fn batch(channels: usize) -> Box<dyn Norm> {
    Box::new(BatchNorm::training(&[2, channels]))
}

fn batch_backward(channels: usize) -> Box<dyn Norm> {
    Box::new(BatchNorm::training(&[2, channels]).backward())
}

/// A window of more channels than registers hold.
fn window(positions: usize) -> Box<dyn Norm> {
    Box::new(LocalResponseNorm::new(&[1, 13, positions], 13))
}

fn window_backward(positions: usize) -> Box<dyn Norm> {
    Box::new(LocalResponseNorm::new(&[1, 13, positions], 13).backward())
}

/// A window in registers.
fn slide(positions: usize) -> Box<dyn Norm> {
    Box::new(LocalResponseNorm::new(&[1, 3, positions], 3))
}

fn slide_backward(positions: usize) -> Box<dyn Norm> {
    Box::new(LocalResponseNorm::new(&[1, 3, positions], 3).backward())
}

/// Kernels, each by each team that has a `main` of its own, and an op that dispatches them by a method.
const GRIDS: &[(&[&str], Make, Method)] = &[
    (&["row"], short, Resident(Lane)),
    (&["row"], rows, Resident(Subgroup)),
    (&["row"], rows, Resident(Workgroup)),
    (&["row"], rows, Resident(WorkgroupSubgroups)),
    (&["row"], rows_backward, Resident(Subgroup)),
    (&["row"], rows_backward, Resident(Workgroup)),
    (&["row"], rows_backward, Resident(WorkgroupSubgroups)),
    (&["stream"], short, Streamed(Lane)),
    (&["stream"], rows, Streamed(Subgroup)),
    (&["stream"], rows, Streamed(Workgroup)),
    (&["stream"], rows, Streamed(WorkgroupSubgroups)),
    (&["stream"], rows_backward, Streamed(Subgroup)),
    (&["stream"], rows_backward, Streamed(Workgroup)),
    (&["stream"], rows_backward, Streamed(WorkgroupSubgroups)),
    (&["moments", "finalize"], short, Split(Lane)),
    (&["moments"], rows, Split(Subgroup)),
    (&["moments"], rows, Split(Workgroup)),
    (&["moments"], rows, Split(WorkgroupSubgroups)),
    (&["sums", "merge_sums"], short_backward, Split(Lane)),
    (&["sums"], rows_backward, Split(Subgroup)),
    (&["sums"], rows_backward, Split(Workgroup)),
    (&["sums"], rows_backward, Split(WorkgroupSubgroups)),
    (&["moments_columns", "finalize", "apply"], batch, Columns),
    (&["sums_columns", "merge_sums", "apply"], batch_backward, Columns),
    (&["window"], window, Elementwise),
    (&["window"], window_backward, Elementwise),
    (&["slide"], slide, Elementwise),
    (&["slide"], slide_backward, Elementwise),
];

fn runs(source: &str, kernel: &str) -> bool {
    source.contains(&format!("// ==== kernels/{kernel}.wgsl"))
}

/// On a device whose dimensions end after five workgroups, each kernel has more workgroups. A kernel that reads the
/// first dimension alone does not conform.
#[test]
fn a_grid_without_its_second_dimension_does_not_conform() {
    const LIMIT: u32 = 5;
    let adapter = host::adapter(None).expect("an adapter");
    let (required_features, limits) = recommended(&adapter);
    let required_limits = wgpu::Limits { max_compute_workgroups_per_dimension: LIMIT, ..limits };
    let request = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&request)).expect("a device");
    let mut caps = Caps::of(&device);
    // With more rows a team, few workgroups would do.
    caps.tuning = table(&[("rows_per_team", 1), ("stream_rows", 1), ("grad_rows_per_team", 1)]);

    let conforms = |op: &dyn Norm, strategy, without: Option<&'static str>| {
        let planner = Planner::with_source_edit(&device, move |source| match without {
            Some(kernel) if runs(&source, kernel) => {
                source.replace("workgroup_id.y * num_workgroups.x + workgroup_id.x", "workgroup_id.x")
            }
            _ => source,
        });
        let gpu = Gpu::from_parts(queue.clone(), planner.tuning(caps.tuning.clone()));
        let data = Data::random(op, 2);
        let outputs = run(&gpu, op, &data.tensors(), strategy).expect("runs");
        compare_outputs(op, &outputs, &op.reference(&data.tensors()).expect("reference"))
    };
    // The least of these sizes by which each kernel has a second dimension, whatever the device's largest workgroup.
    let large = |make: Make, strategy, kernels: &[&str]| {
        let is_large = |op: &dyn Norm| {
            let program = shaders::program(op, &caps, strategy).expect("a program");
            let has_two = |kernel: &&str| {
                program.dispatches.iter().any(|d| d.workgroups[1] > 1 && runs(&d.shader.wgsl(), kernel))
            };
            kernels.iter().all(has_two)
        };
        [24, 96, 400, 1600].map(make).into_iter().find(|op| is_large(&**op)).expect("more workgroups than a dimension")
    };
    let subgroups = caps.subgroup_size.is_some();
    for &(kernels, make, method) in GRIDS.iter().filter(|(.., method)| subgroups || !needs_subgroups(*method)) {
        let strategy = Strategy::Forced(method);
        let op = large(make, strategy, kernels);
        let name = format!("{} {:?} by {method}", op.name(), op.shape());
        conforms(&*op, strategy, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        for kernel in kernels {
            let off = conforms(&*op, strategy, Some(kernel)).expect_err("one dimension is not enough");
            println!("{name}, {kernel} by one dimension: {off}");
        }
    }
}

#[test]
fn conformance_accepts_right_results_and_names_wrong_ones() {
    for op in each_op(36, DType::F32) {
        let right = conformance(&*op, |tensors| gpu().run(&*op, tensors));
        assert!(right.as_ref().is_ok_and(|error| (0.0..=1.0).contains(error)), "{}: {right:?}", op.name());
        let wrong = conformance(&*op, |tensors| {
            let mut outputs = gpu().run(&*op, tensors)?;
            let slot = outputs.slots().next().expect("an output");
            let mut values = outputs.get(slot).unwrap_or_default().to_vec();
            values[0] = f32::NAN;
            outputs.set(slot, values);
            Ok::<_, wgpu_norm::Error>(outputs)
        });
        assert!(wrong.as_ref().is_err_and(|e| e.starts_with("random: ")), "{}: {wrong:?}", op.name());
    }
}

#[test]
fn a_write_outside_of_a_tensor_is_noticed() {
    let op = LayerNorm::new(&[3, 5], 1..).dtype(DType::F16).strides(Slot::Output, &[7, 1]);
    let planner = Planner::new(gpu().device()).shared_buffers(true).any_offset(true);
    let plan = planner.plan(&op).expect("a plan");
    let data = Data::random(&op, 1);
    // The output has 19 elements from the first to the last. Two of each seven are a gap.
    let outside = |byte: Option<i64>| {
        let arena = Arena::new(gpu(), &planner, plan.tensors(), plan.scratch_size(), &data.tensors());
        let &(_, _, offset) = arena.parts.iter().find(|(slot, ..)| *slot == Slot::Output).expect("an output");
        if let Some(byte) = byte.map(|byte| offset.strict_add_signed(byte)) {
            let mut word = arena.buffers[0].1[byte as usize / 4 * 4..][..4].to_vec();
            word[byte as usize % 4] ^= 1;
            gpu().queue().write_buffer(&arena.buffers[0].0, byte / 4 * 4, &word);
        }
        let outputs = arena.outputs(gpu(), &op, plan.tensors(), plan.scratch_size());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pollster::block_on(outputs))).is_err()
    };
    for byte in [-1, 10, 13, 24, 27, 38, 39] {
        assert!(outside(Some(byte)), "byte {byte}");
    }
    for byte in [None, Some(0), Some(9), Some(14), Some(37)] {
        assert!(!outside(byte), "byte {byte:?} is of an element");
    }
}
