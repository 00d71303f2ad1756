//! How tensors are stored and laid out, on the adapter of this machine against the f64 reference.

mod common;

use common::{gpu, methods::*, run, tuned};
use wgpu_norm::{
    Access, Activation, BatchMoments, BatchNorm, Bindings, DType, GroupNorm, InstanceNorm, LayerNorm, Layout,
    LpNormalize, Method, Norm, Outputs, RmsNorm, RunningStats, Slot, Strategy, Team, TensorSpec, Tensors,
    host::Gpu,
    shaders,
    testing::{MERGED, Random, compare_outputs, hard_rows},
    wgpu,
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

/// Every op in a storage type, with weight and bias in another.
fn every_op_in(dtype: DType, params: DType, len: usize, conforms: Conforms) {
    let name = &dtype.to_string();
    let rows = |method| typed_rows_can(dtype, method, len);
    let op = LayerNorm::new(&[33, len], 1..).dtype(dtype).affine_dtype(params).save_stats(true);
    conforms(name, &op, &rows);
    conforms(name, &op.backward().accumulate(true), &rows);
    let op = RmsNorm::new(&[7, len], 1..).dtype(dtype).affine_dtype(params);
    conforms(name, &op, &rows);
    conforms(name, &op.backward().grad_affine_dtype(DType::F32), &rows);
    let op = LayerNorm::new(&[3, 7, len], 1..2).dtype(dtype).affine_dtype(params);
    conforms(name, &op, &|method| columns_can(method) || across_can(method, len));
    conforms(name, &op.backward(), &|method| method == Method::Columns || across_can(method, len));
    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
        let first = layout == Layout::ChannelsFirst;
        let shape = if first { [3, 6, len] } else { [3, len, 6] };
        let op = GroupNorm::new(&shape, 2).layout(layout).dtype(dtype).affine_dtype(params);
        let rows = |method| typed_rows_can(dtype, method, 3 * len);
        let can = |method| if first { rows(method) } else { columns_can(method) };
        conforms(name, &op, &can);
        let can = |method| if first { can(method) } else { method == Method::Columns };
        conforms(name, &op.backward(), &can);
        let can = |method| if first { split_can(method) } else { columns_can(method) };
        let op = BatchNorm::training(&shape).layout(layout).dtype(dtype).affine_dtype(params);
        let op = op.residual(true).activation(Activation::Relu);
        conforms(name, &op.clone().running_stats(RunningStats::PYTORCH), &can);
        conforms(name, &op.backward(), &can);
        let op = BatchNorm::inference(&shape).layout(layout).dtype(dtype).affine_dtype(params);
        conforms(name, &op, &|method| method == Method::Elementwise);
        conforms(name, &op.backward(), &|method| method == Method::Elementwise);
    }
    let op = LpNormalize::new(&[7, len], 1..).dtype(dtype);
    conforms(name, &op, &rows);
    conforms(name, &op.backward(), &rows);
    let op = InstanceNorm::new(&[3, 5, len]).dtype(dtype).weight(true);
    conforms(name, &op, &rows);
    conforms(name, &op.backward(), &rows);
}

/// Types and teams are parts of their own: by lanes alone. Odd rows share words with their neighbours; those of f16 and whole packs of bf16 are in
/// `tests/adapters.rs`.
#[test]
fn every_op_in_every_storage_type() {
    for (dtype, params, len) in
        [(DType::F16, DType::F16, 8), (DType::BF16, DType::F32, 9), (DType::F32, DType::BF16, 8)]
    {
        every_op_in(dtype, params, len, conforms_by_lanes);
    }
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn every_op_in_every_storage_type_by_every_method() {
    for dtype in DType::FLOATS {
        let name = dtype.to_string();
        // Rows of 14 begin at a word and are no vec4s.
        for len in [13, 14, 16] {
            for params in [dtype, if dtype == DType::F32 { DType::BF16 } else { DType::F32 }] {
                every_op_in(dtype, params, len, conforms);
            }
        }
        // Split rows, of both kinds.
        for len in [33000, 33001] {
            let op = LayerNorm::new(&[2, len], 1..).dtype(dtype);
            let rows = |method| typed_rows_can(dtype, method, len);
            conforms(&name, &op, &rows);
            conforms(&name, &op.backward(), &rows);
        }
    }
}

fn half_precision_rows(dtype: DType, lengths: &[usize]) {
    for &len in lengths {
        let rows = |method| typed_rows_can(dtype, method, len);
        let op = LayerNorm::new(&[5, len], 1..).dtype(dtype);
        conforms("rows", &op, &rows);
        conforms("rows", &op.backward(), &rows);
    }
}

#[test]
fn half_precision_rows_of_some_lengths() {
    half_precision_rows(DType::F16, &[1, 17]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn half_precision_rows_of_every_length() {
    for dtype in [DType::F16, DType::BF16] {
        half_precision_rows(dtype, &[1, 2, 3, 4, 31, 33, 127, 255, 256, 257, 511, 768, 1023, 1024, 1025, 4096, 4097]);
    }
}

/// The mean of halves is taken without a shift: of a constant row it is exact all the same, and elsewhere what it lacks is made up for.
fn hard_rows_of_halves_of(lengths: &[usize]) {
    for dtype in [DType::F16, DType::BF16] {
        for &len in lengths {
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
                // The output is f32.
                let rows = |method| rows_can(method, len);
                let name = format!("{name}, {dtype}, {len}");
                by_every_method(&name, &op, &Tensors::new(&row), &rows);
            }
        }
    }
}

#[test]
fn hard_rows_of_halves() {
    hard_rows_of_halves_of(&[7, 384]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn more_hard_rows_of_halves() {
    hard_rows_of_halves_of(&[33, 768, 1023, 4096]);
}

/// What GPUs get by their table: 16 bytes of halves at once.
#[test]
fn rows_of_halves_go_by_pairs_of_packs() {
    // Few workgroups, so that teams have many rows and sum up their gradients.
    let planner = tuned(&[("vec4x2", 1), ("workgroups", 1), ("min_grad_rows_per_team", 1)]);
    let device = Gpu::from_parts(gpu().queue().clone(), planner);
    let subgroups = device.planner().caps().subgroup_size.is_some();
    // Rows of which a lane of the team has at least two packs.
    let lanes = device.planner().caps().subgroup_size.map_or(1, |(_, max)| max as usize);
    let cases = [
        (Team::Lane, 16, DType::F16),
        (Team::Cluster, 64, DType::F16),
        (Team::Subgroup, 8 * lanes, DType::BF16),
        (Team::Workgroup, 512, DType::BF16),
        (Team::WorkgroupSubgroups, 512, DType::F16),
    ];
    for (team, len, dtype) in
        cases.into_iter().filter(|&(team, ..)| subgroups || matches!(team, Team::Lane | Team::Workgroup))
    {
        let strategy = Strategy::Forced(Method::Resident(team));
        let op = LayerNorm::new(&[37, len], 1..).dtype(dtype);
        let types = op.clone().output_dtype(DType::F32).affine_dtype(DType::F32);
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
            conforms_by("vec4x2", &device, op, strategy);
            let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
            let wgsl: String = program.dispatches.iter().map(|dispatch| dispatch.shader.wgsl()).collect();
            assert!(wgsl.contains("at.pair"), "{}, {team:?}", op.name());
        }
    }
}

/// Rows of halves that begin inside of words: two teams store the word that their rows share.
#[test]
fn rows_of_halves_begin_anywhere() {
    let subgroups = gpu().planner().caps().subgroup_size.is_some();
    // Two or three packs a lane, and one.
    let cases = [(Team::Lane, 9), (Team::Workgroup, 33), (Team::Subgroup, 33)];
    let cases = || cases.into_iter().filter(move |&(team, _)| subgroups || team != Team::Subgroup);
    // Teams of one row, and of several.
    for (workgroups, rows) in [(65535, 39), (1, 1), (1, 39)] {
        let device =
            Gpu::from_parts(gpu().queue().clone(), tuned(&[("workgroups", workgroups), ("min_grad_rows_per_team", 1)]));
        for (team, len) in cases() {
            let strategy = Strategy::Forced(Method::Resident(team));
            let op = LayerNorm::new(&[rows, len], 1..).dtype(DType::F16);
            let summed = op.clone().residual(true).residual_output(true);
            let ops: [&dyn Norm; 3] = [&op.clone().in_place(true), &op.backward(), &summed];
            for op in ops {
                conforms_by("halves", &device, op, strategy);
                let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
                let wgsl: String = program.dispatches.iter().map(|dispatch| dispatch.shader.wgsl()).collect();
                assert!(wgsl.contains("at.words"), "{}, {team:?}", op.name());
            }
        }
    }
}

/// What GPUs get by their table: lanes of a workgroup that merge sums, and statistics.
#[test]
fn partial_results_are_merged_together() {
    // Many teams, which have a sum each.
    let planner = tuned(&[
        ("merge_by_workgroup", 1),
        ("workgroups", 8192),
        ("grad_rows_per_team", 1),
        ("min_grad_rows_per_team", 1),
    ]);
    let device = Gpu::from_parts(gpu().queue().clone(), planner);
    let rows = |count| LayerNorm::new(&[count, 36], 1..).backward();
    let columns = Strategy::Forced(Method::Columns);
    let tracked = RunningStats::PYTORCH;
    let ops: [(&dyn Norm, Strategy); 10] = [
        (&rows(300), Strategy::Inferred),
        // More than are merged at once: a pass before makes fewer of them.
        (&rows(5000), Strategy::Inferred),
        (&rows(5000).accumulate(true).grad_affine_dtype(DType::F16), Strategy::Inferred),
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
        conforms_by("merged", &device, op, strategy);
        let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
        let wgsl: String = program.dispatches.iter().map(|dispatch| dispatch.shader.wgsl()).collect();
        assert!(wgsl.contains("var<workgroup> results"), "{}", op.name());
    }
}

// Only tables of devices whose conversions are known say so. Those of lavapipe and SwiftShader are as good.
#[test]
fn halves_may_be_converted_by_the_device() {
    let device = Gpu::from_parts(gpu().queue().clone(), tuned(&[("native_f16", 1)]));
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
        conforms_by("converted", &device, op, Strategy::Inferred);
    }
}

/// Input, output and residual of all types, in a Latin square: each pair of types of any two tensors.
fn storage_types(even: usize, odd: usize, conforms: impl Fn(usize, &dyn Norm, &dyn Fn(Method) -> bool)) {
    for (i, input) in DType::FLOATS.into_iter().enumerate() {
        for (o, output) in DType::FLOATS.into_iter().enumerate() {
            let residual = DType::FLOATS[(i + o) % 3];
            // One type that is a word is enough.
            let widest = [input, output, residual].into_iter().max_by_key(|dtype| dtype.size()).expect("three");
            let op = |len| {
                let op = LayerNorm::new(&[5, len], 1..).input_dtype(input).output_dtype(output);
                let op = op.residual(true).residual_dtype(residual);
                op.residual_output(true).residual_output_dtype(output).affine_dtype(residual)
            };
            let square = (3 + i - o) % 3;
            conforms(square, &op(odd), &|method| typed_rows_can(widest, method, odd));
            let backward = op(even).backward().grad_affine_dtype(input);
            conforms(square, &backward, &|method| typed_rows_can(widest, method, even));
        }
    }
}

#[test]
fn every_tensor_has_a_storage_type_of_its_own() {
    // In each kernel those of which no two tensors have the same.
    storage_types(8, 9, |square, op, can| match square {
        1 => conforms_by_lanes("types", op, can),
        _ => conforms_as_inferred("types", op),
    });
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn every_tensor_has_a_storage_type_of_its_own_by_every_method() {
    storage_types(12, 13, |_, op, can| conforms("types", op, can));
}

fn rows_apart(dtype: DType, len: usize, stride: usize, conforms: Conforms) {
    // Vec4s need rows that begin at one.
    let can = |method| if stride.is_multiple_of(4) { rows_can(method, len) } else { packs_can(method, len) };
    let op = LayerNorm::new(&[5, len], 1..).input_row_stride(stride).dtype(dtype);
    conforms("layer norm", &op.clone().save_stats(true), &can);
    conforms("layer norm", &op.backward(), &can);
    if dtype != DType::F32 {
        return;
    }
    let op = RmsNorm::new(&[5, len], 1..).input_row_stride(stride).residual(true);
    conforms("RMS norm", &op, &can);
    conforms("RMS norm", &op.backward(), &can);
    let op = LpNormalize::new(&[5, len], 1..).input_row_stride(stride);
    conforms("L2", &op, &can);
    conforms("L2", &op.backward(), &can);
}

#[test]
fn rows_of_the_input_may_be_apart() {
    // Packs, rows that begin inside of one, single elements, and rows that are split.
    for (dtype, len, stride) in
        [(DType::F32, 8, 12), (DType::F16, 8, 13), (DType::BF16, 9, 12), (DType::F16, 33000, 33004)]
    {
        rows_apart(dtype, len, stride, conforms_by_lanes);
    }
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn rows_of_the_input_may_be_apart_by_every_method() {
    for dtype in DType::FLOATS {
        for (len, stride) in [(12, 16), (12, 17), (13, 16), (768, 772), (33000, 33004), (33001, 33002)] {
            rows_apart(dtype, len, stride, conforms);
        }
    }
}

fn rows_in_place(dtype: DType, len: usize, conforms: Conforms) {
    let can = |method| typed_rows_can(dtype, method, len);
    conforms("layer norm", &LayerNorm::new(&[5, len], 1..).dtype(dtype).in_place(true), &can);
    let op = RmsNorm::new(&[5, len], 1..).dtype(dtype).in_place(true).residual(true).residual_output(true);
    conforms("RMS norm", &op, &can);
    conforms("L2", &LpNormalize::new(&[5, len], 1..).dtype(dtype).in_place(true), &can);
}

fn channels_in_place(dtype: DType, conforms: Conforms) {
    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
        let first = layout == Layout::ChannelsFirst;
        let shape = if first { [3, 6, 7] } else { [3, 7, 6] };
        let op = BatchNorm::training(&shape).layout(layout).dtype(dtype).in_place(true);
        let op = op.residual(true).activation(Activation::Relu);
        conforms("batch norm", &op, if first { &split_can } else { &columns_can });
        let op = BatchNorm::inference(&shape).layout(layout).dtype(dtype).in_place(true);
        conforms("batch norm", &op, &|method| method == Method::Elementwise);
    }
    let op = GroupNorm::new(&[3, 6, 8], 2).dtype(dtype).in_place(true);
    conforms("group norm", &op, &|method| rows_can(method, 24));
}

#[test]
fn a_result_may_be_written_over_the_input() {
    for (dtype, len) in [(DType::F32, 8), (DType::F16, 9), (DType::BF16, 8), (DType::F32, 33000)] {
        rows_in_place(dtype, len, conforms_by_lanes);
    }
    channels_in_place(DType::F32, conforms_by_lanes);
    channels_in_place(DType::F16, conforms_by_lanes);
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_result_may_be_written_over_the_input_by_every_method() {
    for dtype in DType::FLOATS {
        for len in [12, 13, 768, 33000, 33001] {
            rows_in_place(dtype, len, conforms);
        }
        channels_in_place(dtype, conforms);
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
            conforms_by_lanes("instance norm", &op, &|method| {
                if first { split_can(method) } else { columns_can(method) }
            });
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
        match samples {
            // What is not there has no moments: four zeros.
            0 => moments.extend(vec![0.0; 4 * channels]),
            _ => moments.extend_from_slice(gpu().run(&op, &Tensors::new(part)).expect("moments").moments()),
        }
        first += samples;
    }
    assert_eq!(first, shape[0], "the parts are the batch");
    let whole = gpu().run(&norm(shape[0]), &common(&input)).expect("the whole");
    let mut output = Vec::new();
    let mut last = Outputs::default();
    first = 0;
    for &samples in parts {
        let part = &input[first * of_sample..][..samples * of_sample];
        if samples == 0 {
            continue;
        }
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
    // Parts without samples change nothing, wherever they are.
    for parts in [[0, 0, 4, 5], [4, 0, 0, 5], [4, 5, 0, 0]] {
        merged(&[9, 4, 8], &parts, Layout::ChannelsFirst, 1e6);
    }
}

#[test]
fn too_few_values_leave_the_running_statistics_that_they_do_not_have() {
    let op = BatchNorm::training(&[1, 2]).running_stats(RunningStats::PYTORCH).merge(2);
    let tensors = Tensors::new(&[5.0, -3.0]).weight(&[1.0; 2]).bias(&[0.0; 2]).running(&[0.5, 1.5], &[2.0, 3.0]);
    // One value of each channel has a mean, and no unbiased variance.
    let one = [[0.0; 8], [5.0, 0.0, 0.0, 1.0, -3.0, 0.0, 0.0, 1.0]].concat();
    let outputs = gpu().run(&op, &tensors.clone().moments(&one)).expect("run");
    compare_outputs(&op, &outputs, &op.reference(&tensors.clone().moments(&one)).expect("reference")).expect("one");
    assert!((outputs.running_mean()[0] - 0.95).abs() < 1e-6, "{:?}", outputs.running_mean());
    assert_eq!(outputs.running_var(), [2.0, 3.0]);
    let outputs = gpu().run(&op, &tensors.moments(&[0.0; 16])).expect("run");
    assert_eq!((outputs.running_mean(), outputs.running_var()), (&[0.5, 1.5][..], &[2.0, 3.0][..]));
}

#[test]
fn a_thousand_steps_of_a_small_momentum_do_not_drift() {
    const CHANNELS: usize = 256;
    let input = Random::new(7).normal(8 * CHANNELS, 0.45, 0.22);
    for convention in [RunningStats::PyTorch { momentum: Some(1e-3) }, RunningStats::Keras { momentum: 0.999 }] {
        let op = BatchNorm::training(&[8, CHANNELS]).weight(false).bias(false).running_stats(convention);
        let (mean, var) = (vec![0.0; CHANNELS], vec![1.0; CHANNELS]);
        // What a step of weight 1 leaves is the batch's own.
        let replaced = op.clone().running_stats(replacing(convention));
        let batch = replaced.reference(&Tensors::new(&input).running(&mean, &var)).expect("reference");
        let new = match convention {
            RunningStats::PyTorch { momentum: Some(momentum) } => f64::from(momentum),
            RunningStats::Keras { momentum } => 1.0 - f64::from(momentum),
            _ => unreachable!("two conventions"),
        };
        let outputs = repeated(&op, &Tensors::new(&input).running(&mean, &var), 1000);
        let left = (1.0 - new).powi(1000);
        for (slot, first) in [(Slot::RunningMean, 0.0), (Slot::RunningVar, 1.0)] {
            let truths = batch.get(slot).expect("tracked").iter().map(|batch| batch + left * (first - batch));
            let actual = outputs.get(slot).expect("tracked");
            let errors: Vec<f64> = actual.iter().zip(truths).map(|(&a, truth)| f64::from(a) / truth - 1.0).collect();
            // Each step rounds the state to f32, which no form of the sum avoids: see docs/numerics.md for both numbers.
            let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
            let largest = errors.iter().fold(0.0_f64, |max, e| max.max(e.abs()));
            assert!(rms < 7.7e-7 && largest < 4.0 * 7.7e-7, "{convention:?}: {rms:e}, {largest:e}");
        }
    }
}

#[test]
fn ten_thousand_steps_do_not_stall_where_statistics_have_a_low_half() {
    const CHANNELS: usize = 64;
    let momentum = 1e-4_f32;
    let conventions = [
        (RunningStats::PyTorch { momentum: Some(momentum) }, (1.0 - f64::from(momentum)).powi(10_000)),
        // As many batches that were zero and one before: half of the average is theirs.
        (RunningStats::CUMULATIVE, 0.5),
    ];
    let input = Random::new(7).normal(8 * CHANNELS, 0.45, 0.22);
    let (mean, var, low) = (vec![0.0; CHANNELS], vec![1.0; CHANNELS], vec![0.0; 2 * CHANNELS]);
    for (convention, left) in conventions {
        let op =
            BatchNorm::training(&[8, CHANNELS]).weight(false).bias(false).running_stats(convention).running_low(true);
        let state = Tensors::new(&input).running(&mean, &var).running_low(&low);
        let batch = op.clone().running_stats(RunningStats::PyTorch { momentum: Some(1.0) });
        let batch = batch.reference(&state).expect("reference");
        let counted = convention == RunningStats::CUMULATIVE;
        let outputs = repeated(&op, &if counted { state.num_batches_tracked(10_000) } else { state }, 10_000);
        for (slot, first, at) in [(Slot::RunningMean, 0.0, 0), (Slot::RunningVar, 1.0, CHANNELS)] {
            let (actual, low) = (outputs.get(slot).expect("tracked"), outputs.get(Slot::RunningLow).expect("tracked"));
            for (channel, batch) in batch.get(slot).expect("tracked").iter().enumerate() {
                let truth = batch + left * (first - batch);
                let state = f64::from(actual[channel]) + f64::from(low[at + channel]);
                assert!((state / truth - 1.0).abs() < 1e-6, "{convention:?}, {slot}, {channel}: {state}, {truth}");
                // All of its digits are there, and no more: hi is the nearest f32.
                assert_eq!(actual[channel].to_bits(), (state as f32).to_bits(), "{slot}, {channel}");
            }
        }
    }
}

/// What an op leaves that is recorded so many times into one pass.
fn repeated(op: &dyn Norm, tensors: &Tensors<'_>, times: usize) -> Outputs<f32> {
    let plan = gpu().planner().plan(op).expect("a plan");
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffer = |spec: &TensorSpec| {
        let (size, mapped_at_creation) = (spec.bytes(), false);
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation };
        let buffer = gpu().device().create_buffer(&descriptor);
        gpu().queue().write_buffer(&buffer, 0, &tensors.bytes(spec).unwrap_or_default());
        buffer
    };
    let buffers: Vec<_> = plan.tensors().iter().map(buffer).collect();
    let with_buffers = || plan.tensors().iter().zip(&buffers);
    let bindings = with_buffers().fold(Bindings::new(), |all, (spec, buffer)| all.set(spec.slot, buffer));
    let bound = plan.bind(&bindings).expect("bound");
    let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    (0..times).for_each(|_| bound.record(&mut pass));
    drop(pass);
    gpu().queue().submit([encoder.finish()]);
    let mut outputs = Outputs::default();
    for (spec, buffer) in with_buffers().filter(|(spec, _)| spec.access != Access::Read) {
        outputs.set_bytes(spec, &gpu().download(buffer, spec.bytes()).expect("downloaded"));
    }
    outputs
}

/// The same convention, by which a batch replaces what was there.
fn replacing(convention: RunningStats) -> RunningStats {
    match convention {
        RunningStats::PyTorch { .. } => RunningStats::PyTorch { momentum: Some(1.0) },
        RunningStats::Onnx { .. } => RunningStats::Onnx { momentum: 0.0 },
        _ => RunningStats::Keras { momentum: 0.0 },
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
            conforms("moments", &op, &|method| if columns { columns_can(method) } else { split_can(method) });
        }
    }
}
