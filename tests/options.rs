//! How tensors are stored and laid out, on the adapter of this machine against the f64 reference.

mod common;

use std::collections::BTreeMap;

use common::{gpu, methods::*, run, subgroup_lanes, tuned};
use wgpu_norm::{
    Activation, BatchMoments, BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LpNormalize, Method, Norm,
    Outputs, RmsNorm, RunningStats, Slot, Strategy, Team, Tensors,
    host::Gpu,
    shaders,
    testing::{Data, MERGED, Random, compare_outputs, hard_rows},
};

/// Every pattern of a half-precision type that is a number.
fn patterns(dtype: DType) -> Vec<f32> {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_ne_bytes).collect();
    dtype.decode(&bytes).into_iter().filter(|x| x.is_finite()).collect()
}

/// Batch norm with these statistics copies its input.
fn copy(input: &[f32], from: DType, to: DType, columns: usize) -> Vec<f32> {
    let op = BatchNorm::inference(&[input.len() / columns, columns]).weight(false).bias(false).eps(0.0);
    let op = op.input_dtype(from).output_dtype(to);
    let (mean, var) = (vec![0.0; columns], vec![1.0; columns]);
    let tensors = Tensors::new(input).running(&mean, &var);
    run(gpu(), &op, &tensors, Strategy::Inferred).expect("run").output().to_vec()
}

#[test]
fn every_half_precision_number_survives_a_copy() {
    for dtype in [DType::F16, DType::BF16] {
        let values = patterns(dtype);
        assert!(values.len() > 63000);
        for columns in [1, 4] {
            for (&a, &e) in copy(&values, dtype, dtype, columns).iter().zip(&values) {
                // A device may flush an f32 subnormal to zero, which is what a subnormal of bf16 is.
                let flushed = dtype == DType::BF16 && e.is_subnormal() && a == 0.0;
                assert!(a.to_bits() == e.to_bits() || flushed, "{dtype}: {e:e} became {a:e}");
            }
        }
    }
}

#[test]
fn results_are_rounded_to_the_nearest_even_half() {
    for dtype in [DType::F16, DType::BF16] {
        let mut halves = patterns(dtype);
        halves.sort_by(f32::total_cmp);
        // Every number, what lies in the middle of two, its f32 neighbours, and beyond both ends.
        let mut values = vec![65519.996, 65520.0, 65521.0, 1e6, 3.4e38, -65520.0, -3.4e38];
        for pair in halves.windows(2) {
            let middle = ((f64::from(pair[0]) + f64::from(pair[1])) / 2.0) as f32;
            values.extend([pair[0], middle.next_down(), middle, middle.next_up()]);
        }
        values.retain(|x| !x.is_subnormal());
        values.resize(values.len().next_multiple_of(4), 0.0);
        for columns in [1, 4] {
            for (&a, &x) in copy(&values, DType::F32, dtype, columns).iter().zip(&values) {
                let e = dtype.round(x);
                let flushed = dtype == DType::BF16 && e.is_subnormal() && a == 0.0;
                assert!(a.to_bits() == e.to_bits() || flushed, "{dtype}: {x:e} became {a:e}, expected {e:e}");
            }
        }
    }
}

#[test]
fn a_nan_stays_one_in_half_precision() {
    for dtype in [DType::F16, DType::BF16] {
        for columns in [1, 4] {
            // With as few bits as there can be, and with all of them, to which nothing can be added.
            let nans = [0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xffff_ffff].map(f32::from_bits);
            let output = copy(&nans, DType::F32, dtype, columns);
            assert!(output.iter().all(|y| y.is_nan()), "{dtype}: {output:?}");
            let others = [0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY];
            assert_eq!(copy(&others, DType::F32, dtype, columns), others, "{dtype}");
        }
    }
}

#[test]
fn every_op_in_every_storage_type() {
    for dtype in DType::FLOATS {
        let name = dtype.to_string();
        // Odd rows share words with their neighbours; rows of 14 begin at a word and are no vec4s. Long odd rows of f32 go by single elements.
        for len in [13, 14, 16].into_iter().chain((dtype == DType::F32).then_some(131)) {
            for params in [dtype, if dtype == DType::F32 { DType::BF16 } else { DType::F32 }] {
                let rows = |method| typed_rows_can(dtype, method, len, len);
                let op = LayerNorm::new(&[33, len], 1..).dtype(dtype).param_dtype(params).save_stats(true);
                conforms(&name, &op, rows);
                conforms(&name, &op.backward(), rows);
                conforms(&name, &op.backward().accumulate(true), rows);
                let op = RmsNorm::new(&[33, len], 1..).dtype(dtype).param_dtype(params);
                conforms(&name, &op, rows);
                conforms(&name, &op.backward().grad_param_dtype(DType::F32), rows);
                let op = LayerNorm::new(&[3, 7, len], 1..2).dtype(dtype).param_dtype(params);
                conforms(&name, &op, |method| columns_can(method) || across_can(method, len));
                conforms(&name, &op.backward(), |method| method == Method::Columns || across_can(method, len));
                for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                    let first = layout == Layout::ChannelsFirst;
                    let shape = if first { [3, 6, len] } else { [3, len, 6] };
                    let op = GroupNorm::new(&shape, 2).layout(layout).dtype(dtype).param_dtype(params);
                    let rows = |method| typed_rows_can(dtype, method, 3 * len, len);
                    let can = |method| if first { rows(method) } else { columns_can(method) };
                    conforms(&name, &op, can);
                    let can = |method| if first { can(method) } else { method == Method::Columns };
                    conforms(&name, &op.backward(), can);
                    let can = |method| if first { split_can(method) } else { columns_can(method) };
                    let op = BatchNorm::training(&shape).layout(layout).dtype(dtype).param_dtype(params);
                    let op = op.residual(true).activation(Activation::Relu);
                    conforms(&name, &op.clone().running_stats(RunningStats::PYTORCH), can);
                    conforms(&name, &op.backward(), can);
                    let op = BatchNorm::inference(&shape).layout(layout).dtype(dtype).param_dtype(params);
                    conforms(&name, &op, |method| method == Method::Elementwise);
                    conforms(&name, &op.backward(), |method| method == Method::Elementwise);
                }
            }
            let op = LpNormalize::new(&[33, len], 1..).dtype(dtype);
            let rows = |method| typed_rows_can(dtype, method, len, len);
            conforms(&name, &op, rows);
            conforms(&name, &op.backward(), rows);
            let op = InstanceNorm::new(&[3, 5, len]).dtype(dtype).weight(true);
            conforms(&name, &op, rows);
            conforms(&name, &op.backward(), rows);
        }
        // Split rows, of both kinds.
        for len in [33000, 33001] {
            let op = LayerNorm::new(&[2, len], 1..).dtype(dtype);
            let rows = |method| typed_rows_can(dtype, method, len, len);
            conforms(&name, &op, rows);
            conforms(&name, &op.backward(), rows);
        }
    }
}

#[test]
fn half_precision_rows_of_every_length() {
    // The longest that registers hold compile for long, and one type goes through them as the other does.
    let longest = [511, 1023, 1025];
    for dtype in [DType::F16, DType::BF16] {
        let lens = [1, 2, 3, 4, 31, 33, 127, 255, 256, 257, 768, 1024, 4096, 4097].into_iter();
        for len in lens.chain(longest.into_iter().filter(|_| dtype == DType::F16)) {
            let rows = |method| typed_rows_can(dtype, method, len, len);
            let op = LayerNorm::new(&[5, len], 1..).dtype(dtype);
            conforms("rows", &op, rows);
            conforms("rows", &op.backward(), rows);
        }
    }
}

/// The mean of halves is taken without a shift: of a constant row it is exact all the same, and elsewhere what it lacks is made up for.
#[test]
fn hard_rows_of_halves() {
    for dtype in [DType::F16, DType::BF16] {
        for len in [7, 33, 768, 1023, 4096] {
            let largest = dtype.round(if dtype == DType::F16 { 65504.0 } else { 3.389e38 });
            let mut rows = hard_rows(len);
            rows.push(("the largest number", vec![largest; len]));
            rows.push(("as many digits as f16 has", vec![2047.0; len]));
            rows.push((
                "all equal but the last",
                (0..len).map(|i| if i + 1 < len { 2047.0 } else { 1984.0 }).collect(),
            ));
            for (name, row) in rows {
                let row: Vec<f32> = row.into_iter().map(|x| dtype.round(x)).collect();
                if row.iter().any(|x| x.is_infinite()) {
                    continue;
                }
                let op = LayerNorm::new(&[1, len], 1..).weight(false).bias(false).save_stats(true).input_dtype(dtype);
                let rows = |method| typed_rows_can(dtype, method, len, len);
                let name = format!("{name}, {dtype}, {len}");
                by_every_method(&name, &op, &Tensors::new(&row), rows, &mut BTreeMap::new());
            }
        }
    }
}

/// What GPUs get by their table: 16 bytes of halves at once.
#[test]
fn rows_of_halves_go_by_pairs_of_packs() {
    // Few workgroups, so that teams have many rows and sum up their gradients.
    let planner = tuned(&[("pairs", 1), ("workgroups", 1), ("sum_workgroups", 1), ("least_sum_rounds", 1)]);
    let device = Gpu::from_parts(gpu().queue().clone(), planner);
    let subgroups = device.planner().caps().subgroup_size.is_some();
    // Rows of which a lane of the team has at least two packs.
    let lanes = device.planner().caps().subgroup_size.map_or(1, |(_, max)| max as usize);
    let cases = [
        (Team::Lane, 16, DType::F16),
        (Team::Cluster, 64, DType::F16),
        (Team::Subgroup, 8 * lanes, DType::BF16),
        (Team::Workgroup, 2048, DType::BF16),
        (Team::WorkgroupSubgroups, 2048, DType::F16),
    ];
    for (team, len, dtype) in
        cases.into_iter().filter(|&(team, ..)| subgroups || matches!(team, Team::Lane | Team::Workgroup))
    {
        let strategy = Strategy::Forced(Method::Resident(team));
        let op = LayerNorm::new(&[37, len], 1..).dtype(dtype);
        let types = op.clone().output_dtype(DType::F32).param_dtype(DType::F32);
        let summed = op.clone().residual(true).residual_output(true);
        // A pair may lie in two channels.
        let grouped = GroupNorm::new(&[3, 4, len / 2], 2).dtype(dtype);
        let ops: [&dyn Norm; 8] = [
            &op.clone().in_place(true),
            &op.backward(),
            &summed.backward(),
            &summed,
            &types.input_row_stride(len + 8),
            &RmsNorm::new(&[37, len], 1..).dtype(dtype).per_sample(true).backward(),
            &grouped.backward(),
            &grouped,
        ];
        for op in ops {
            let data = Data::random(op, 1);
            let truth = op.reference(&data.tensors()).expect("reference");
            let outputs = run(&device, op, &data.tensors(), strategy).expect("it runs");
            compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{}, {team:?}: {e}", op.name()));
            let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
            let wgsl: String = program.dispatches.iter().map(|dispatch| dispatch.shader.wgsl()).collect();
            assert!(wgsl.contains("parts/at/pairs.wgsl"), "{}, {team:?}", op.name());
        }
    }
}

/// What GPUs get by their table: two teams store the word that their rows share.
#[test]
fn ragged_rows_belong_to_a_team_each() {
    let teams = [Method::Resident(Team::Lane), Method::Resident(Team::Workgroup), Method::Streamed(Team::Lane)];
    let subgroups = [Method::Resident(Team::Subgroup)];
    let methods = || teams.iter().chain(subgroups.iter().filter(|_| gpu().planner().caps().subgroup_size.is_some()));
    // Teams of one row, and of several.
    for workgroups in [65535, 1] {
        let numbers =
            [("apart", 1), ("workgroups", workgroups), ("sum_workgroups", workgroups), ("least_sum_rounds", 1)];
        let device = Gpu::from_parts(gpu().queue().clone(), tuned(&numbers));
        for rows in [1, 38] {
            let op = LayerNorm::new(&[rows, 33], 1..).dtype(DType::F16);
            let summed = op.clone().residual(true).residual_output(true);
            let ops: [&dyn Norm; 3] = [&op.clone().in_place(true), &op.backward(), &summed];
            for (op, &method) in ops.into_iter().flat_map(|op| methods().map(move |method| (op, method))) {
                let strategy = Strategy::Forced(method);
                let data = Data::random(op, 1);
                let truth = op.reference(&data.tensors()).expect("reference");
                let outputs = run(&device, op, &data.tensors(), strategy).expect("it runs");
                compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{} by {method}: {e}", op.name()));
                let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
                let wgsl: String = program.dispatches.iter().map(|dispatch| dispatch.shader.wgsl()).collect();
                assert!(wgsl.contains("parts/turn/apart.wgsl"), "{} by {method}", op.name());
            }
        }
    }
}

/// What GPUs get by their table: lanes of a workgroup that merge sums, and statistics.
#[test]
fn partial_results_are_merged_together() {
    // Many teams, which have a sum each.
    let planner = tuned(&[("together", 1), ("sum_workgroups", 8192), ("sum_rounds", 1), ("least_sum_rounds", 1)]);
    let device = Gpu::from_parts(gpu().queue().clone(), planner);
    let rows = |count| LayerNorm::new(&[count, 36], 1..).backward();
    let columns = Strategy::Forced(Method::Columns);
    let tracked = RunningStats::PYTORCH;
    let ops: [(&dyn Norm, Strategy); 10] = [
        (&rows(300), Strategy::Inferred),
        // More than are merged at once: a pass before makes fewer of them.
        (&rows(5000), Strategy::Inferred),
        (&rows(5000).accumulate(true).grad_param_dtype(DType::F16), Strategy::Inferred),
        (&BatchNorm::training(&[3000, 12]).backward(), columns),
        (&BatchNorm::training(&[3000, 12]).activation(Activation::Gelu).backward(), columns),
        (&GroupNorm::new(&[2, 700, 12], 3).layout(Layout::ChannelsLast).backward(), columns),
        (&BatchNorm::training(&[3000, 12]).running_stats(tracked), columns),
        (&BatchNorm::training(&[3000, 12]).running_stats(RunningStats::CUMULATIVE).save_stats(true), columns),
        // The mean of two samples' statistics; members of a group.
        (&InstanceNorm::new(&[2, 700, 12]).layout(Layout::ChannelsLast).running_stats(tracked), columns),
        (&GroupNorm::new(&[2, 700, 12], 3).layout(Layout::ChannelsLast), columns),
    ];
    for (op, strategy) in ops {
        let data = Data::random(op, 1);
        let truth = op.reference(&data.tensors()).expect("reference");
        let outputs = run(&device, op, &data.tensors(), strategy).expect("it runs");
        compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
        let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
        let wgsl: String = program.dispatches.iter().map(|dispatch| dispatch.shader.wgsl()).collect();
        assert!(wgsl.contains("parts/merging/workgroup.wgsl"), "{}", op.name());
    }
}

/// What CPU adapters get by their tables: packs that lie in two rows, in all the ways that rows begin and end in them.
#[test]
fn odd_rows_go_by_packs_that_two_rows_share() {
    let numbers = [
        ("woven", 2),
        ("apart", 0),
        ("single_registers", 1),
        ("registers", 136),
        ("lane_packs", 0),
        ("wide_lane_packs", 0),
    ];
    // Few workgroups, so that teams have many rows and sum up their gradients.
    let few = [("workgroups", 1), ("sum_workgroups", 1), ("least_sum_rounds", 1)];
    let devices = [0, 1].map(|rolled| {
        let planner = tuned(&[&numbers[..], &few, &[("rolled", rolled)]].concat());
        Gpu::from_parts(gpu().queue().clone(), planner)
    });
    let Some(lanes) = subgroup_lanes(gpu()) else { return };
    let resident = Strategy::Forced(Method::Resident(Team::Subgroup));
    let streamed = Strategy::Forced(Method::Streamed(Team::Subgroup));
    // One pack or two, fewer than lanes, as many or one more, and several of each lane. Up to three rows are left.
    let shapes = [
        (9, 3),
        (4, 2 * lanes + 1),
        (5, 2 * lanes + 2),
        (6, 4 * lanes - 1),
        (7, 4 * lanes + 1),
        (39, 8 * lanes + 3),
        (300, 12 * lanes + 2),
        (71, 20 * lanes + 1),
    ];
    // Loops are rolled in every other one.
    for ((rows, len), device) in shapes.into_iter().zip(devices.iter().cycle()) {
        let op = LayerNorm::new(&[rows, len], 1..);
        let summed = op.clone().residual(true).residual_output(true);
        let each = op.clone().per_sample(true);
        let channels = InstanceNorm::new(&[rows, 3, len]).weight(true);
        let ops: [&dyn Norm; 11] = [
            &op.clone().save_stats(true),
            &op.clone().in_place(true),
            &op.clone().activation(Activation::Gelu).backward(),
            &each.backward(),
            &op.clone().param_dtype(DType::BF16).backward().accumulate(true),
            &op.backward(),
            &summed.backward(),
            &summed,
            &RmsNorm::new(&[rows, len], 1..).in_place(true),
            &LpNormalize::new(&[rows, len], 1..).backward(),
            &channels.backward(),
        ];
        // Channels that end inside of packs.
        let grouped = GroupNorm::new(&[rows, 6, len], 2).save_stats(true);
        let grouped = [&grouped as &dyn Norm, &grouped.backward()];
        let grouped = if len < 8 * lanes && len % 2 == 1 { &grouped[..] } else { &[] };
        // Streamed rows go by them as well, but for gradients of f32.
        let f16 = LayerNorm::new(&[rows, len], 1..).dtype(DType::F16);
        let wide = f16.clone().output_dtype(DType::F32).residual(true).residual_output(true);
        let bf16 = RmsNorm::new(&[rows, len], 1..).dtype(DType::BF16).in_place(true);
        let halves: [&dyn Norm; 5] = [&f16.clone().in_place(true), &f16.backward(), &wide, &wide.backward(), &bf16];
        let by_both = halves.into_iter().flat_map(|op| [(op, resident), (op, streamed)]);
        let held = ops.iter().chain(grouped).map(|&op| (op, resident));
        let forward: [&dyn Norm; 6] = [ops[0], ops[1], &summed, ops[8], &each, &channels];
        let streams = forward.iter().chain(grouped.first()).map(|&op| (op, streamed));
        // Registers hold the shortest without them.
        let all = held.chain(by_both).chain(streams).filter(|&(_, strategy)| strategy == streamed || len > lanes);
        for (op, strategy) in all {
            let data = Data::random(op, 1);
            let truth = op.reference(&data.tensors()).expect("reference");
            let outputs = run(device, op, &data.tensors(), strategy).expect("it runs");
            let name = format!("{} of {:?}, {strategy:?}", op.name(), op.shape());
            compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
            let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
            let wgsl = program.dispatches[0].shader.wgsl();
            assert!(wgsl.contains("parts/at/woven.wgsl"), "{name}");
            // Those at the edges of a row have a loop of their own, in both directions.
            assert_eq!(wgsl.contains("parts/loops/edges.wgsl"), strategy == streamed, "{name}");
        }
    }
}

// Only tables of devices whose conversions are known say so. Those of lavapipe and SwiftShader are as good.
#[test]
fn halves_may_be_converted_by_the_device() {
    let device = Gpu::from_parts(gpu().queue().clone(), tuned(&[("native_halves", 1)]));
    let rows = |len| LayerNorm::new(&[37, len], 1..).dtype(DType::F16);
    let ops: [&dyn Norm; 6] = [
        &rows(12),
        &rows(33).backward(),
        &rows(33).output_dtype(DType::F32),
        &LayerNorm::new(&[5, 6, 7], 1..2).dtype(DType::F16),
        &GroupNorm::new(&[3, 6, 13], 2).dtype(DType::F16),
        &BatchNorm::training(&[2, 8, 7, 7]).dtype(DType::F16).backward(),
    ];
    for op in ops {
        let data = Data::random(op, 1);
        let truth = op.reference(&data.tensors()).expect("reference");
        let outputs = run(&device, op, &data.tensors(), Strategy::Inferred).expect("it runs");
        compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
    }
}

#[test]
fn every_tensor_has_a_storage_type_of_its_own() {
    for len in [12, 13] {
        for (i, input) in DType::FLOATS.into_iter().enumerate() {
            for (o, output) in DType::FLOATS.into_iter().enumerate() {
                // A Latin square: each pair of types of any two tensors.
                let residual = DType::FLOATS[(i + o) % 3];
                // One type that is half of a word is enough.
                let narrowest = [input, output, residual].into_iter().min_by_key(|dtype| dtype.size());
                let rows = |method| typed_rows_can(narrowest.expect("three"), method, len, len);
                let op = LayerNorm::new(&[5, len], 1..).input_dtype(input).output_dtype(output);
                let op = op.residual(true).residual_dtype(residual);
                let op = op.residual_output(true).residual_output_dtype(output).param_dtype(residual);
                conforms("types", &op, rows);
                conforms("types", &op.backward().grad_param_dtype(input), rows);
            }
        }
    }
}

#[test]
fn rows_of_the_input_may_be_apart() {
    for (len, stride) in [(12, 16), (12, 17), (13, 16), (768, 1024), (33000, 33004), (33001, 33003)] {
        for dtype in [DType::F32, DType::F16] {
            // Vec4s need rows that begin at one.
            let unit = if len % 4 == 0 && stride % 4 == 0 { 4 } else { 1 };
            let can = |method| rows_can(method, len, unit);
            let op = LayerNorm::new(&[5, len], 1..).input_row_stride(stride).dtype(dtype);
            conforms("layer norm", &op.clone().save_stats(true), can);
            conforms("layer norm", &op.backward(), can);
            let op = RmsNorm::new(&[5, len], 1..).input_row_stride(stride).dtype(dtype).residual(true);
            conforms("RMS norm", &op, can);
            conforms("RMS norm", &op.backward(), can);
            let op = LpNormalize::new(&[5, len], 1..).input_row_stride(stride).dtype(dtype);
            conforms("L2", &op, can);
            conforms("L2", &op.backward(), can);
        }
    }
}

#[test]
fn a_result_may_be_written_over_the_input() {
    for dtype in DType::FLOATS {
        for len in [13, 16, 768, 33000, 33001] {
            let rows = |method| typed_rows_can(dtype, method, len, len);
            conforms("layer norm", &LayerNorm::new(&[5, len], 1..).dtype(dtype).in_place(true), rows);
            let op = RmsNorm::new(&[5, len], 1..).dtype(dtype).in_place(true).residual(true).residual_output(true);
            conforms("RMS norm", &op, rows);
            conforms("L2", &LpNormalize::new(&[5, len], 1..).dtype(dtype).in_place(true), rows);
        }
        for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
            let shape = if layout == Layout::ChannelsFirst { [3, 6, 7] } else { [3, 7, 6] };
            let op = BatchNorm::training(&shape).layout(layout).dtype(dtype).in_place(true);
            let op = op.residual(true).activation(Activation::Relu);
            conforms(
                "batch norm",
                &op,
                |m| if layout == Layout::ChannelsFirst { split_can(m) } else { columns_can(m) },
            );
            let op = BatchNorm::inference(&shape).layout(layout).dtype(dtype).in_place(true);
            conforms("batch norm", &op, |method| method == Method::Elementwise);
        }
        let op = GroupNorm::new(&[3, 6, 8], 2).dtype(dtype).in_place(true);
        conforms("group norm", &op, |method| rows_can(method, 24, 8));
    }
}

#[test]
fn instance_norm_keeps_running_statistics_of_every_convention() {
    let conventions = [
        RunningStats::PYTORCH,
        RunningStats::CUMULATIVE,
        RunningStats::ONNX,
        RunningStats::KERAS,
        RunningStats::PyTorch { momentum: Some(1.0) },
    ];
    for convention in conventions {
        for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
            let first = layout == Layout::ChannelsFirst;
            let shape = if first { [4, 5, 12] } else { [4, 12, 5] };
            let op = InstanceNorm::new(&shape).layout(layout).running_stats(convention).save_stats(true);
            conforms("instance norm", &op, |method| if first { split_can(method) } else { columns_can(method) });
        }
    }
    let op = InstanceNorm::new(&[0, 2, 5]).running_stats(RunningStats::CUMULATIVE);
    let tensors = Tensors::new(&[]).running(&[0.25, 0.5], &[1.5, 2.5]).num_batches_tracked(7);
    let outputs = gpu().run(&op, &tensors).expect("an empty batch");
    compare_outputs(&op, &outputs, &op.reference(&tensors).expect("reference")).expect("untouched");
    assert_eq!(outputs.running_mean(), [0.25, 0.5]);
}

/// What one device makes of a whole batch, and several of its parts; both with these options.
fn merged(shape: &[usize], parts: &[usize], layout: Layout, offset: f64) {
    let channels = if layout == Layout::ChannelsFirst { shape[1] } else { shape[shape.len() - 1] };
    let of_sample: usize = shape[1..].iter().product();
    let mut random = Random::new(3);
    let input = random.normal(shape.iter().product(), offset, 1.0);
    let (weight, bias) = (random.normal(channels, 1.0, 0.5), random.normal(channels, 0.0, 1.0));
    let (mean, var) = (vec![0.5; channels], vec![2.0; channels]);
    let with_shape = |samples: usize| [&[samples], &shape[1..]].concat();
    let norm = |samples| {
        let op = BatchNorm::training(&with_shape(samples)).layout(layout).save_stats(true);
        op.running_stats(RunningStats::PYTORCH)
    };
    let common = |input| Tensors::new(input).weight(&weight).bias(&bias).running(&mean, &var);

    let mut moments = Vec::new();
    let mut first = 0;
    for &samples in parts {
        let part = &input[first * of_sample..][..samples * of_sample];
        let op = BatchMoments::new(&with_shape(samples)).layout(layout);
        moments.extend_from_slice(gpu().run(&op, &Tensors::new(part)).expect("moments").moments());
        first += samples;
    }
    assert_eq!(first, shape[0], "the parts are the batch");
    let whole = gpu().run(&norm(shape[0]), &common(&input)).expect("the whole");
    let mut output = Vec::new();
    let mut last = Outputs::default();
    first = 0;
    for &samples in parts {
        let part = &input[first * of_sample..][..samples * of_sample];
        let op = norm(samples).merge(parts.len());
        let tensors = common(part).moments(&moments);
        last = gpu().run(&op, &tensors).expect("a part");
        compare_outputs(&op, &last, &op.reference(&tensors).expect("reference")).expect("the reference");
        output.extend_from_slice(last.output());
        first += samples;
    }
    // The same statistics, in another order of additions.
    let off = |actual: &[f32], expected: &[f32], largest: f32| {
        assert_eq!(actual.len(), expected.len());
        let error = actual.iter().zip(expected).map(|(a, e)| f64::from((a - e).abs())).fold(0.0, f64::max);
        assert!(error <= MERGED * f64::from(largest), "{parts:?}: off by {error:e} of {largest:e}");
    };
    let largest = |values: &[f32]| values.iter().fold(1.0_f32, |max, x| max.max(x.abs()));
    for slot in [Slot::Mean, Slot::Rstd, Slot::RunningMean, Slot::RunningVar] {
        let (part, whole) = (last.get(slot).expect("written"), whole.get(slot).expect("written"));
        off(part, whole, largest(whole));
    }
    off(&output, whole.output(), largest(whole.output()));
}

#[test]
fn the_parts_of_a_batch_give_the_statistics_of_the_whole() {
    for offset in [0.0, 3.0, 1e4] {
        merged(&[100_032, 3], &[1, 31, 100_000], Layout::ChannelsFirst, offset);
        merged(&[1032, 3, 35], &[1, 31, 1000], Layout::ChannelsFirst, offset);
        merged(&[132, 35, 8], &[1, 31, 100], Layout::ChannelsLast, offset);
        merged(&[9, 4, 8], &[9], Layout::ChannelsFirst, offset);
        merged(&[9, 4, 1], &[1; 9], Layout::ChannelsFirst, offset);
    }
}

#[test]
fn moments_are_those_of_the_reference_by_every_method() {
    for (layout, shape) in [
        (Layout::ChannelsFirst, &[5, 3, 70][..]),
        (Layout::ChannelsLast, &[5, 70, 3]),
        (Layout::ChannelsFirst, &[70, 4]),
    ] {
        for dtype in DType::FLOATS {
            let op = BatchMoments::new(shape).layout(layout).dtype(dtype);
            let columns = layout == Layout::ChannelsLast || shape.len() == 2;
            conforms("moments", &op, |method| if columns { columns_can(method) } else { split_can(method) });
        }
    }
}
