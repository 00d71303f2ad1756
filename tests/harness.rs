//! The tests can fail: the comparator rejects what is wrong, and a broken shader does not conform.

mod common;

use common::{each_op::each_op, gpu, run};
use wgpu_norm::{
    BatchNorm, Caps, DType, LayerNorm, Norm, Outputs, Planner, RunningStats, Slot, Strategy, Tensors, Tuning,
    host::Gpu,
    shaders,
    testing::{Data, PROMISE, Random, bound, compare, compare_outputs, conformance, max_error},
};

#[test]
fn the_comparator_rejects_what_is_wrong() {
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
fn the_comparator_wants_nan_and_infinity_where_they_belong() {
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
fn the_comparator_allows_half_an_ulp_of_a_half_precision_output_and_no_more() {
    let error = |dtype, actual| max_error("y", dtype, &[actual], &[100.0]).expect("comparable");
    assert!(error(DType::F16, 100.03) < 1e-4 && error(DType::F16, 100.07) > 1e-2);
    assert!(error(DType::BF16, 100.3) < 1e-4 && error(DType::BF16, 100.5) > 1e-2);
    assert!(error(DType::F32, 100.03) > 1e-2);
    assert!(max_error("y", DType::F16, &[f32::INFINITY], &[65520.0]).is_ok(), "overflow is an infinity");
    assert!(max_error("y", DType::F16, &[65504.0], &[65520.0]).is_err());
}

/// Whether an op conforms with a planner whose shaders have `from` replaced by `to`.
fn conforms(op: &dyn Norm, tensors: &Tensors<'_>, strategy: Strategy, from: &'static str, to: &'static str) -> bool {
    let planner = Planner::with_source_edit(gpu().device(), move |source| source.replace(from, to));
    let edited = Gpu::from_parts(gpu().queue().clone(), planner.tuning(table(&[])));
    let outputs = run(&edited, op, tensors, strategy).expect("the broken shader runs");
    compare_outputs(op, &outputs, &op.reference(tensors).expect("reference")).is_ok()
}

/// The same kernels on any device: what is broken is in them, such as sums of gradients of some rows.
const TABLE: &str = "
    lane_packs = 4
    lane_packs_many_rows = 32
    subgroup_packs = 34
    workgroup_packs = 8
    vec4x2 = 0
    native_f16 = 0
    workgroups = 16
    rows_per_team = 16
    grad_rows_per_team = 32
    min_grad_rows_per_team = 2
    merge_by_workgroup = 1
    stream_rows = 2
    few_rows = 16
    long_row = 4096
    packs_per_lane = 32
    adjacent_lanes = 4";

/// That table with these numbers.
fn table(numbers: &[(&str, u32)]) -> Tuning {
    let mut table: Tuning = TABLE.parse().expect("a table");
    for &(name, value) in numbers {
        table.set(name, value).expect("a number of the table");
    }
    table
}

/// What is replaced in a shader's text, and by what.
type Break = (&'static str, &'static str);

fn all_are_missed(op: &dyn Norm, strategy: Strategy, breaks: &[Break]) {
    let data = Data::random(op, 2);
    assert!(conforms(op, &data.tensors(), strategy, "no such text", ""), "{}: unbroken", op.name());
    for &(from, to) in breaks {
        let broken = conforms(op, &data.tensors(), strategy, from, to);
        assert!(!broken, "{}, {strategy:?}: conforms without {from:?}", op.name());
    }
}

#[test]
fn a_broken_shader_does_not_conform() {
    use wgpu_norm::{GroupNorm, Method, Team};
    let mut random = Random::new(1);
    let rows = random.normal(7 * 257, 1e6, 1.0);
    let weight = random.normal(257, 1.0, 0.5);
    let op = LayerNorm::new(&[7, 257], 1..).bias(false).save_stats(true);
    let tensors = Tensors::new(&rows).weight(&weight);
    let resident = Strategy::Forced(Method::Resident(Team::Workgroup));
    let streamed = Strategy::Forced(Method::Streamed(Team::Lane));
    let split = Strategy::Forced(Method::Split(Team::Lane));
    // What each fix is for: without it the result is wrong, and the conformance test says so.
    let breaks = [
        (resident, "x_1 - shift", "x_1"),
        (resident, "(d_0 - correction)", "d_0"),
        (resident, "return y * weight;", "return y;"),
        (resident, "+ params.weight_offset", "+ 1.0"),
        (resident, "+ params.eps", ""),
        (resident, "pack_of(k, team.lane, team.lanes) < params.packs", "true"),
        (resident, "store_rstd(i, rstd_value)", "store_rstd(i, hi)"),
        (resident, "total += branches[i];", ""),
        (streamed, "y = (x - mean_0 - correction_0)", "y = (x - mean_0)"),
        (streamed, "two_sum(sum.hi, sum.lo + v)", "Pair(v, 0.0)"),
        (streamed, "(round * BLOCK + 0u) * params.teams", "(round * BLOCK + 1u) * params.teams"),
        (streamed, "let square_0 = correction_0 * correction_0", "let square_0 = 0.0"),
        (split, "opaque(x - statistics.hi) - statistics.lo", "opaque(x - statistics.hi)"),
        (split, "count * share", "share"),
        (split, "x_3 - block_mean, live_3)", "x_3 - block_mean, true)"),
        (split, "block * params.place_block", "0u"),
        (split, "safe_0 * params.column_step", "0u"),
        // An offset of 1e6 needs both halves of the mean, from the lanes to the output.
        (split, "Pair(hi, (a - a_part) + (b - b_part))", "Pair(hi, 0.0)"),
        (split, "(b.y - a.y)", "0.0"),
        (split, "(correction - mean.lo)", "0.0"),
    ];
    for (strategy, from, to) in breaks {
        // eps makes a difference where the variance is small.
        let (op, small) = (op.clone(), random.normal(7 * 257, 0.0, 1e-4));
        let mut tensors = tensors.clone();
        if from.contains("eps") {
            tensors = tensors.set(Slot::Input, &small);
        }
        assert!(conforms(&op, &tensors, strategy, "no such text", ""), "unbroken");
        assert!(!conforms(&op, &tensors, strategy, from, to), "{strategy:?} conforms without {from:?}");
    }

    // A constant row of halves has the mean that it is made of: the square of an ulp of f32 may be an infinity.
    let op = LayerNorm::new(&[7, 300], 1..).dtype(DType::BF16).weight(false).bias(false);
    let constant = [DType::BF16.round(1e30); 7 * 300];
    let (tensors, rounded) = (Tensors::new(&constant), "(bits + 0x80u) & 0xffffff00u");
    assert!(conforms(&op, &tensors, resident, "no such text", ""), "unbroken");
    assert!(!conforms(&op, &tensors, resident, rounded, "bits + 1u"), "conforms without {rounded:?}");

    let owned = Strategy::Forced(Method::Resident(Team::Lane));
    // Channels end inside of packs.
    let mixed = [
        ("vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u)", "vec4<u32>(column * 4u)"),
        ("vec4<u32>(column * 4u) + vec4", "vec4<u32>(column) + vec4"),
        ("indices_of(column) / params.param_run", "indices_of(column) / 4u"),
    ];
    let elementwise = Strategy::Forced(Method::Elementwise);
    all_are_missed(&BatchNorm::inference(&[16, 4, 7]), elementwise, &mixed);
    all_are_missed(&BatchNorm::inference(&[16, 4, 7]), elementwise, &[("/ params.stat_run", "/ 4u")]);
    for held in [owned, resident, streamed] {
        all_are_missed(&GroupNorm::new(&[3, 8, 7], 2), held, &mixed);
    }

    let (mean, var) = (vec![0.5; 5], vec![2.0; 5]);
    let input = random.normal(3 * 5 * 7, 1.0, 2.0);
    let op = BatchNorm::training(&[3, 5, 7]).weight(false).bias(false).running_stats(RunningStats::CUMULATIVE);
    let tensors = Tensors::new(&input).running(&mean, &var).num_batches_tracked(3);
    let breaks = [
        ("(all.w - params.correction)", "all.w"),
        ("num_batches_tracked[0] += 1u", "num_batches_tracked[0] += 2u"),
        ("slice * params.kept", "slice"),
        ("slice += 1u", ""),
        ("block * params.place_block", "0u"),
    ];
    assert!(conforms(&op, &tensors, split, "no such text", ""), "unbroken");
    for (from, to) in breaks {
        assert!(!conforms(&op, &tensors, split, from, to), "batch norm conforms without {from:?}");
    }
}

#[test]
fn a_broken_backward_pass_does_not_conform() {
    use wgpu_norm::{Activation, GroupNorm, Layout, LpNormalize, Method, Team};
    let resident = Strategy::Forced(Method::Resident(Team::Workgroup));
    let split = Strategy::Forced(Method::Split(Team::Lane));
    let columns = Strategy::Forced(Method::Columns);
    let layer_norm = LayerNorm::new(&[70, 257], 1..).backward();
    let rows = [
        ("(g - lost.x", "(g"),
        ("gy_sum * pull", "0.0 * pull"),
        ("gd_sum += g * d_0", "gd_sum += g"),
        ("team_sum2(v.zw, team)", "v.zw"),
        ("grad_y_sum[0u] += grad_0 * y_0", "grad_y_sum[0u] += grad_0"),
        ("[first + element_of(column, i)]", "[first + i]"),
        ("round * params.teams", "0u * params.teams"),
        ("vec2<f32>(partial_1.g.x, partial_1.gy.x)", "vec2<f32>(0.0, partial_1.gy.x)"),
        ("put_grad_bias(group, sums.g.x", "put_grad_bias(group, sums.gy.x"),
    ];
    all_are_missed(&layer_norm, resident, &rows);
    // By more than 256 lanes, which have no branch around the sums; the last round of 71 rows lacks four.
    let many_lanes = [
        ("grad_y_sum[0u] += select(Pack(0.0), grad_0 * y_0, has_row)", "grad_y_sum[0u] += grad_0"),
        ("grad_sum[0u] += select(Pack(0.0), grad_0, has_row)", "grad_sum[0u] += grad_0"),
    ];
    if gpu().planner().caps().max_workgroup_size >= 512 {
        all_are_missed(&LayerNorm::new(&[71, 2051], 1..).backward(), resident, &many_lanes);
    }
    let together = [("half >= GROUPS", "half > GROUPS"), ("turn = lane * BLOCK", "turn = 0u")];
    all_are_missed(&LayerNorm::new(&[2000, 12], 1..).backward(), resident, &together);
    let together =
        [("half >= GROUPS", "half > GROUPS"), ("(block * LANES + lane)", "block * LANES"), ("a.w * share", "share")];
    all_are_missed(&BatchNorm::training(&[3000, 12]), Strategy::Forced(Method::Columns), &together);
    // f32 cannot hold the mean of such data.
    let far = Data::random(&layer_norm, 2).with(Slot::Input, Random::new(3).normal(70 * 257, 1e6, 1.0));
    assert!(conforms(&layer_norm, &far.tensors(), resident, "no such text", ""), "unbroken");
    let corrected = "(sums.w - correction * sums.z)";
    assert!(!conforms(&layer_norm, &far.tensors(), resident, corrected, "sums.w"), "conforms without {corrected:?}");
    // So few rows that a lane has all of a column.
    let direct = [
        ("put_grad_bias(first / PACK + column, sums.g.hi", "put_grad_bias(column, sums.gy.hi"),
        ("put_grad_weight(first / PACK + column,", "put_grad_weight(first + column,"),
    ];
    let few = LayerNorm::new(&[2, 2, 1024], 2..).per_sample(true).backward();
    all_are_missed(&few, split, &direct);
    let added = [("load_grad_weight(i) + v", "v"), ("load_grad_bias(i) + v", "v")];
    all_are_missed(&few.accumulate(true), split, &added);
    let kept = [
        ("store_statistics(params.stats_stride + i, lo)", "store_statistics(params.stats_stride + i, 1.0)"),
        ("product(factor, d.hi)", "Pair(factor, Pack(0.0))"),
        ("select(Pack(0.0), g, counts)", "g"),
    ];
    all_are_missed(&GroupNorm::new(&[3, 4, 7], 2).backward(), resident, &kept);
    let streamed = Strategy::Forced(Method::Streamed(Team::Lane));
    let streams = [
        ("- lost_0.a", ""),
        ("gd_chunk_0 += sum_of(g * d_0)", "gd_chunk_0 += sum_of(g)"),
        ("(sums.b - correction_0 * sums.a)", "sums.b"),
    ];
    all_are_missed(&layer_norm, streamed, &streams);
    // Four rows lie across a pack.
    let across = [
        ("row / stride * stride * params.packs", "row / stride * stride"),
        ("first + column * params.stride", "first + column"),
        ("vec2<f32>(pack_sum(g), pack_sum(gy))", "vec2<f32>(g.x, gy.x)"),
        ("rstd_of(power.z, count, ", "rstd_of(power.x, count, "),
        ("pull(count, rstd.w, scale.w)", "0.0"),
    ];
    all_are_missed(&LayerNorm::new(&[3, 7, 5600], 1..2).backward(), streamed, &across);
    let saved = [("row * PACK + i", "row * PACK"), ("hi[i]", "hi[0u]")];
    all_are_missed(&LayerNorm::new(&[3, 7, 12], 1..2).save_stats(true), streamed, &saved);
    let middle = [("param_place = advance(param_place, param_step, params.param_rows);", "")];
    all_are_missed(&LayerNorm::new(&[3, 5, 7], 1..2), columns, &middle);
    let through = [
        ("store_coefficients(i, g_mean)", "store_coefficients(i, 0.0)"),
        ("slope(y) * lost.along", "0.0 * lost.along"),
        ("run += params.kept;", ""),
    ];
    all_are_missed(&layer_norm, split, &through[..2]);
    all_are_missed(&BatchNorm::training(&[3, 5, 7]).backward(), split, &through);
    all_are_missed(&BatchNorm::training(&[3, 5, 7]).backward(), split, &[("times(sums, vec2<f32>(weight_0))", "sums")]);
    let steps = [("stat_place = advance(stat_place, stat_run, params.stat_rows);", "")];
    all_are_missed(&GroupNorm::new(&[3, 4, 7], 2).backward().grad_input(false), split, &steps);
    let channels_last = GroupNorm::new(&[3, 7, 6], 2).layout(Layout::ChannelsLast).backward();
    all_are_missed(
        &channels_last,
        columns,
        &[
            ("group * params.members + turn_1 / splits", "group * params.members"),
            ("safe_1 % stride % params.weights", "group"),
            ("let first = group * params.copies", "let first = group"),
            ("live_3 = row < end", "live_3 = true"),
        ],
    );
    all_are_missed(
        &GroupNorm::new(&[3, 4, 7], 2).backward(),
        split,
        &[("safe_1 % stride % params.weights", "safe_1 % stride")],
    );
    let summed = LayerNorm::new(&[7, 36], 1..).residual(true).residual_output(true).backward();
    all_are_missed(&summed, resident, &[("v + load_grad_residual_output(at)", "v")]);
    let activated = LayerNorm::new(&[7, 36], 1..).activation(Activation::Gelu).backward();
    all_are_missed(&activated, resident, &[("load_grad_output(at) * activation_slope(u)", "load_grad_output(at)")]);
    all_are_missed(&activated, resident, &[("gd_sum += g * (d_0 * scale)", "gd_sum += g")]);
    all_are_missed(
        &activated,
        streamed,
        &[("gd_chunk_0 += sum_of(g_0 * (d_0 * scale_0))", "gd_chunk_0 += sum_of(g_0)")],
    );
    all_are_missed(&layer_norm.clone().accumulate(true), resident, &[("load_grad_weight(i) + v", "v")]);
    let l2 = LpNormalize::new(&[7, 36], 1..).eps(30.0).backward();
    all_are_missed(&l2, resident, &[("select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999)", "1.0")]);
}

#[test]
fn a_broken_window_does_not_conform() {
    use wgpu_norm::LocalResponseNorm;
    let every = |op: &LocalResponseNorm, breaks: &[Break], only_backward: &[Break]| {
        all_are_missed(op, Strategy::Inferred, breaks);
        all_are_missed(&op.backward(), Strategy::Inferred, &[breaks, only_backward].concat());
    };
    let power = [("params.k + ", ""), ("-params.beta * log2", "-log2")];
    // More channels than a lane goes through, and fewer for the last one.
    let held = LocalResponseNorm::new(&[3, 131, 5], 4).alpha(0.5);
    let breaks = [
        ("squares += x_0 * x_0", "squares += x_0"),
        ("x = x_1;", "x = x_0;"),
        ("x_2 = next", "x_2 = x_1"),
        ("newest < params.channels", "true"),
        ("column % params.splits * params.steps", "0u"),
        ("params.channels - begin", "params.channels"),
        ("begin + step - REACH", "begin + step - AFTER"),
        ("newest - AFTER", "newest"),
        ("* params.stride;", ";"),
    ];
    let only_backward = [
        ("direct = g_2;", "direct = g_1;"),
        ("g_3 = next_g", "g_3 = g_2"),
        ("ratio_1 = next_ratio", "ratio_1 = ratio_0"),
        ("g_0 * (oldest", "g_0 * (x"),
        ("x / power.base", "x"),
        ("2.0 * params.alpha", "params.alpha"),
    ];
    every(&held, &[&breaks[..], &power].concat(), &only_backward);
    // Of two lanes that write a channel, the one that has it is the later one on a GPU.
    if gpu().planner().caps().cpu {
        all_are_missed(&held.clone().backward(), Strategy::Inferred, &[("step >= 2u * EDGE", "step >= EDGE")]);
    }
    // Without k, the windows of channels that are not there have no power.
    let op = held.clone().k(0.0).backward();
    let x = (0..1965).map(|i| if i % 655 > 4 { 1.0 } else { 0.0 }).collect();
    let edge = Data::random(&op, 2).with(Slot::Input, x);
    assert!(conforms(&op, &edge.tensors(), Strategy::Inferred, "no such text", ""), "unbroken");
    let guards = ["select(Pack(0.0), g, is_there)", "select(Pack(0.0), x / power.base, is_there)"];
    for (guarded, bare) in guards.into_iter().zip(["g", "x / power.base"]) {
        assert!(!conforms(&op, &edge.tensors(), Strategy::Inferred, guarded, bare), "conforms without {guarded:?}");
    }

    let wide = LocalResponseNorm::new(&[3, 16, 5], 12).alpha(0.5);
    let breaks = [
        ("x_0 * x_0", "x_0"),
        ("i_1 <= reach.y", "true"),
        ("min(i_2, reach.y)", "i"),
        ("channel - min(channel, before)", "channel"),
        ("min(channel + after, params.channels - 1u)", "channel + after"),
        ("params.before, params.after", "params.after, params.before"),
        ("reach.y) * params.stride", "reach.y)"),
    ];
    let only_backward = [
        ("params.after, params.before", "params.before, params.after"),
        ("if i == channel", "if i == reach.x"),
        ("i * params.stride", "i"),
        (" / power.base", ""),
        ("2.0 * params.alpha", "params.alpha"),
    ];
    every(&wide, &breaks, &only_backward);
    // 0 / 0, which exp2 and log2 of some devices would make a number of.
    let (op, zeros) = (held.k(0.0), [0.0; 1965]);
    let tensors = Tensors::new(&zeros);
    assert!(conforms(&op, &tensors, Strategy::Inferred, "no such text", ""), "unbroken");
    assert!(!conforms(&op, &tensors, Strategy::Inferred, "inverseSqrt(base)", "Pack(0.5)"), "a NaN is a number");
    // What is rounded off a sum of thousands, and an infinity, of which there is no rest.
    let size = 7999;
    let op = LocalResponseNorm::new(&[1, 4000], size).alpha(size as f32 / 4000.0).beta(4.0).k(0.0);
    let (mut x, rest) = ([1.000_055; 4000], "sum.lo + added.lo");
    assert!(conforms(&op, &Tensors::new(&x), Strategy::Inferred, "no such text", ""), "unbroken");
    assert!(!conforms(&op, &Tensors::new(&x), Strategy::Inferred, rest, "Pack(0.0)"), "conforms without {rest:?}");
    x[0] = f32::INFINITY;
    let finite = "select(sum.hi, sum.hi + sum.lo, is_finite(sum.hi))";
    assert!(conforms(&op, &Tensors::new(&x), Strategy::Inferred, "no such text", ""), "unbroken");
    let lost = conforms(&op, &Tensors::new(&x), Strategy::Inferred, finite, "sum.hi + sum.lo");
    assert!(!lost, "conforms without {finite:?}");
}

/// On a device whose dimensions end after a few workgroups, each kernel has more, and does not conform if it knows of one dimension.
#[test]
fn a_grid_without_its_second_dimension_does_not_conform() {
    use wgpu_norm::{
        LocalResponseNorm,
        Method::{self, *},
        Team::*,
        host, recommended,
    };
    type Make = fn(usize) -> Box<dyn Norm>;
    const LIMIT: u32 = 5;
    let adapter = host::adapter(None).expect("an adapter");
    let (required_features, limits) = recommended(&adapter);
    let required_limits = wgpu::Limits { max_compute_workgroups_per_dimension: LIMIT, ..limits };
    let request = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&request)).expect("a device");
    // Few workgroups would do otherwise.
    let tuning = table(&[("rows_per_team", 1), ("stream_rows", 1), ("grad_rows_per_team", 1)]);
    let conforms = |op: &dyn Norm, strategy, without: Option<&'static str>| {
        let planner = Planner::with_source_edit(&device, move |source| match without {
            Some(kernel) if source.contains(&format!("// ==== kernels/{kernel}.wgsl")) => {
                source.replace("workgroup_id.y * num_workgroups.x + workgroup_id.x", "workgroup_id.x")
            }
            _ => source,
        });
        let gpu = Gpu::from_parts(queue.clone(), planner.tuning(tuning.clone()));
        let data = Data::random(op, 2);
        let outputs = run(&gpu, op, &data.tensors(), strategy).expect("runs");
        compare_outputs(op, &outputs, &op.reference(&data.tensors()).expect("reference")).is_ok()
    };
    let mut caps = Caps::of(&device);
    caps.tuning = tuning.clone();
    // As large as it takes for each of the kernels to have a second dimension, by workgroups as large as the device gets.
    let large = |make: Make, strategy, kernels: &[&str]| {
        let is_large = |op: &dyn Norm| {
            let program = shaders::program(op, &caps, strategy).expect("a program");
            let folds = |dispatch: &shaders::Dispatch, kernel: &&str| {
                dispatch.workgroups[1] > 1 && dispatch.shader.wgsl().contains(&format!("// ==== kernels/{kernel}.wgsl"))
            };
            kernels.iter().all(|kernel| program.dispatches.iter().any(|dispatch| folds(dispatch, kernel)))
        };
        [24, 96, 400, 1600]
            .map(make)
            .into_iter()
            .find(|op| is_large(&**op))
            .expect("workgroups that are more than a dimension")
    };
    fn short(rows: usize) -> LayerNorm {
        LayerNorm::new(&[rows, 4], 1..)
    }
    fn few(rows: usize) -> LayerNorm {
        LayerNorm::new(&[rows, 12], 1..)
    }
    fn batch(channels: usize) -> BatchNorm {
        BatchNorm::training(&[2, channels])
    }
    fn window(places: usize) -> LocalResponseNorm {
        LocalResponseNorm::new(&[1, 13, places], 13)
    }
    fn slide(places: usize) -> LocalResponseNorm {
        LocalResponseNorm::new(&[1, 3, places], 3)
    }
    let mut cases: Vec<(Make, Method, &[&'static str])> = vec![
        (|n| Box::new(short(n)), Resident(Lane), &["row"]),
        (|n| Box::new(short(n)), Streamed(Lane), &["stream"]),
        (|n| Box::new(short(n)), Split(Lane), &["moments", "finalize"]),
        (|n| Box::new(short(n).backward()), Split(Lane), &["sums", "merge_sums"]),
        (|n| Box::new(batch(n)), Columns, &["moments_columns", "finalize", "apply"]),
        (|n| Box::new(batch(n).backward()), Columns, &["sums_columns", "merge_sums", "apply"]),
        (|n| Box::new(window(n)), Elementwise, &["window"]),
        (|n| Box::new(window(n).backward()), Elementwise, &["window"]),
        (|n| Box::new(slide(n)), Elementwise, &["slide"]),
        (|n| Box::new(slide(n).backward()), Elementwise, &["slide"]),
    ];
    let subgroups = caps.subgroup_size.is_some();
    let teams = if subgroups { &[Subgroup, Workgroup, WorkgroupSubgroups][..] } else { &[Workgroup] };
    for &team in teams {
        cases.push((|n| Box::new(few(n)), Resident(team), &["row"]));
        cases.push((|n| Box::new(few(n)), Streamed(team), &["stream"]));
        cases.push((|n| Box::new(few(n)), Split(team), &["moments"]));
        cases.push((|n| Box::new(few(n).backward()), Resident(team), &["row"]));
        cases.push((|n| Box::new(few(n).backward()), Streamed(team), &["stream"]));
        cases.push((|n| Box::new(few(n).backward()), Split(team), &["sums"]));
    }
    for (make, method, kernels) in cases {
        let strategy = Strategy::Forced(method);
        let op = large(make, strategy, kernels);
        assert!(conforms(&*op, strategy, None), "{} by {method}", op.name());
        for kernel in kernels {
            assert!(!conforms(&*op, strategy, Some(kernel)), "{} by {method}: {kernel} has one dimension", op.name());
        }
    }
}

#[test]
fn broken_storage_does_not_conform() {
    use wgpu_norm::{Method, Team};
    let one_by_one = Strategy::Forced(Method::Split(Team::Lane));
    let unaligned = Strategy::Forced(Method::Resident(Team::Lane));
    for (strategy, dtype, from, to) in [
        (one_by_one, DType::F16, "+ 0xfff + odd", ""),
        (one_by_one, DType::BF16, "bits + 0x8000u", "bits"),
        (one_by_one, DType::F16, "was ^ encode1_f16(v)", "encode1_f16(v)"),
        (
            one_by_one,
            DType::F16,
            "(atomicLoad(&output[i / 2u]) >> shift) & 0xffffu",
            "atomicLoad(&output[i / 2u]) >> shift",
        ),
        (one_by_one, DType::BF16, "16u * (i & 1u)", "0u"),
        (unaligned, DType::BF16, "* (i & vec4<u32>(1u))", "* vec4<u32>(0u)"),
        (unaligned, DType::F16, "masked(x_0 - mean, mask_0)", "x_0 - mean"),
    ] {
        let op = LayerNorm::new(&[5, 7], 1..).dtype(dtype);
        let data = Data::random(&op, 2);
        assert!(conforms(&op, &data.tensors(), strategy, "no such text", ""), "unbroken");
        let seen = std::panic::catch_unwind(|| conforms(&op, &data.tensors(), strategy, from, to));
        assert!(!matches!(seen, Ok(true)), "{dtype} conforms without {from:?}");
    }
}

#[test]
fn broken_words_of_two_rows_do_not_conform() {
    use wgpu_norm::{Method, Team};
    let by_lanes = Strategy::Forced(Method::Resident(Team::Lane));
    // Rows that end with one, two and three elements of a pack.
    let ops = [9, 10, 7].map(|len| LayerNorm::new(&[5, len], 1..).dtype(DType::F16));
    let are_all_right = |from, to| {
        ops.iter().all(|op| {
            let data = Data::random(op, 2);
            // A write beyond a tensor panics.
            matches!(std::panic::catch_unwind(|| conforms(op, &data.tensors(), by_lanes, from, to)), Ok(true))
        })
    };
    assert!(are_all_right("no such text", ""), "unbroken");
    for (from, to) in [
        ("(row * params.elements) & 1u", "0u"),
        ("(i >= vec4<u32>(phase)) & (i < vec4<u32>(end))", "i < vec4<u32>(end)"),
        ("(i >= vec4<u32>(phase)) & (i < vec4<u32>(end))", "i >= vec4<u32>(phase)"),
        ("vec4<u32>(end - 1u)) - phase", "vec4<u32>(end - 1u))"),
        ("row * stride / 2u", "row / 2u * stride"),
        ("at.bits.x == 0xffffffffu", "true"),
        ("at.bits.y == 0xffffffffu", "true"),
        ("atomicAnd(", "atomicOr("),
        ("words.x & at.bits.x", "words.x"),
        ("words.y & at.bits.y", "words.y"),
    ] {
        assert!(!are_all_right(from, to), "conforms without {from:?}");
    }
    // Enough rows for each lane to have sums of several, which all begin as its first one does.
    let op = LayerNorm::new(&[4200, 9], 1..).dtype(DType::F16).backward();
    all_are_missed(&op, by_lanes, &[("if has_element(column, i)", "if true"), ("i - phase, vec4", "i, vec4")]);
}

#[test]
fn conformance_takes_what_is_right_and_names_what_is_not() {
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
fn a_write_outside_of_a_tensor_is_seen() {
    let clean = vec![common::PATTERN; 2 * common::GUARD_WORDS + 5];
    assert!(common::guards_intact(&clean, 5));
    for at in [0, common::GUARD_WORDS - 1, common::GUARD_WORDS + 5, clean.len() - 1] {
        let mut words = clean.clone();
        words[at] = 0;
        assert!(!common::guards_intact(&words, 5), "word {at}");
    }
    let mut words = clean;
    words[common::GUARD_WORDS..][..5].fill(0);
    assert!(common::guards_intact(&words, 5), "the tensor itself is no guard");
}
