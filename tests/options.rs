//! Storage types, layouts, strides and options of every op against the f64 reference.

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

/// Every finite number of a half-precision type.
fn numbers(dtype: DType) -> Vec<f32> {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_ne_bytes).collect();
    dtype.decode(&bytes).into_iter().filter(|x| x.is_finite()).collect()
}

/// A copy by batch norm with a mean of 0 and a variance of 1: by packs of four columns, or by single elements.
fn copy(input: &[f32], from: DType, to: DType, columns: usize) -> Vec<f32> {
    let op = BatchNorm::inference(&[input.len() / columns, columns]).weight(false).bias(false).eps(0.0);
    let op = op.input_dtype(from).output_dtype(to);
    let (mean, var) = (vec![0.0; columns], vec![1.0; columns]);
    let tensors = Tensors::new(input).running(&mean, &var);
    run(gpu(), &op, &tensors, Strategy::Inferred).expect("run").output().to_vec()
}

/// Columns of a copy: each element is half of a word, or a pack of four is two words.
const COLUMNS: [usize; 2] = [1, 4];

#[test]
fn every_half_precision_number_survives_a_copy() {
    for dtype in [DType::F16, DType::BF16] {
        let values = numbers(dtype);
        assert!(values.len() > 63000);
        for columns in COLUMNS {
            for (&a, &e) in copy(&values, dtype, dtype, columns).iter().zip(&values) {
                // A subnormal of bf16 is one of f32, which a device may flush to zero.
                let flushed = dtype == DType::BF16 && e.is_subnormal() && a == 0.0;
                assert!(a.to_bits() == e.to_bits() || flushed, "{dtype}: {e:e} became {a:e}");
            }
        }
    }
}

#[test]
fn results_are_rounded_to_the_nearest_even_number_of_half_precision() {
    for dtype in [DType::F16, DType::BF16] {
        let mut numbers = numbers(dtype);
        numbers.sort_by(f32::total_cmp);
        // Numbers beyond both ends, every number, the middle of each two, and its f32 neighbours.
        let mut values = vec![65519.996, 65520.0, 65521.0, 1e6, 3.4e38, -65520.0, -3.4e38];
        for pair in numbers.windows(2) {
            let middle = ((f64::from(pair[0]) + f64::from(pair[1])) / 2.0) as f32;
            values.extend([pair[0], middle.next_down(), middle, middle.next_up()]);
        }
        values.retain(|x| !x.is_subnormal());
        values.resize(values.len().next_multiple_of(4), 0.0);
        for columns in COLUMNS {
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
        for columns in COLUMNS {
            // NaNs with the fewest bits, and with all bits set: a carry would reach the sign.
            let nans = [0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xffff_ffff].map(f32::from_bits);
            let output = copy(&nans, DType::F32, dtype, columns);
            assert!(output.iter().all(|y| y.is_nan()), "{dtype}: {output:?}");
            let others = [0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY];
            assert_eq!(copy(&others, DType::F32, dtype, columns), others, "{dtype}");
        }
    }
}

/// Every op in a storage type, with weight and bias in another.
fn every_op_in(dtype: DType, affine: DType, len: usize) -> Vec<Case> {
    let (rows, groups) = (Can::RowsOf(dtype, len), Can::RowsOf(dtype, 3 * len));
    let (first, last) = ([3, 6, len], [3, len, 6]);
    let layer = LayerNorm::new(&[33, len], 1..).dtype(dtype).affine_dtype(affine).save_stats(true);
    let rms = RmsNorm::new(&[7, len], 1..).dtype(dtype).affine_dtype(affine);
    let middle = LayerNorm::new(&[3, 7, len], 1..2).dtype(dtype).affine_dtype(affine);
    let group = GroupNorm::new(&first, 2).dtype(dtype).affine_dtype(affine);
    let group_last = GroupNorm::new(&last, 2).layout(Layout::ChannelsLast).dtype(dtype).affine_dtype(affine);
    let batch = |op: BatchNorm| op.dtype(dtype).affine_dtype(affine);
    let training = batch(BatchNorm::training(&first)).residual(true).activation(Activation::Relu);
    let training_last = batch(BatchNorm::training(&last)).layout(Layout::ChannelsLast);
    let training_last = training_last.residual(true).activation(Activation::Relu);
    let inference = batch(BatchNorm::inference(&first));
    let inference_last = batch(BatchNorm::inference(&last)).layout(Layout::ChannelsLast);
    let l2 = LpNormalize::new(&[7, len], 1..).dtype(dtype);
    let instance = InstanceNorm::new(&[3, 5, len]).dtype(dtype).weight(true);
    let tracked = |op: &BatchNorm| op.clone().running_stats(RunningStats::PYTORCH);
    vec![
        ("rows with saved statistics", Box::new(layer.clone()), rows),
        ("gradients of weight and bias accumulate in their type", Box::new(layer.backward().accumulate(true)), rows),
        ("rows without a mean", Box::new(rms.clone()), rows),
        ("the gradient of the weight in f32", Box::new(rms.backward().grad_affine_dtype(DType::F32)), rows),
        ("an axis in the middle", Box::new(middle.clone()), Can::ColumnsOrAcross(len)),
        ("an axis in the middle", Box::new(middle.backward()), Can::ColumnsAloneOrAcross(len)),
        ("channels first", Box::new(group.clone()), groups),
        ("channels first", Box::new(group.backward()), groups),
        ("running statistics, channels first", Box::new(tracked(&training)), Can::Split),
        ("a residual and an activation, channels first", Box::new(training.backward()), Can::Split),
        ("given statistics, channels first", Box::new(inference.clone()), Can::Elementwise),
        ("given statistics, channels first", Box::new(inference.backward()), Can::Elementwise),
        ("channels last", Box::new(group_last.clone()), Can::Columns),
        ("channels last", Box::new(group_last.backward()), Can::ColumnsAlone),
        ("running statistics, channels last", Box::new(tracked(&training_last)), Can::Columns),
        ("a residual and an activation, channels last", Box::new(training_last.backward()), Can::Columns),
        ("given statistics, channels last", Box::new(inference_last.clone()), Can::Elementwise),
        ("given statistics, channels last", Box::new(inference_last.backward()), Can::Elementwise),
        ("norms", Box::new(l2.clone()), rows),
        ("norms", Box::new(l2.backward()), rows),
        ("one weight a row", Box::new(instance.clone()), rows),
        ("one weight a row", Box::new(instance.backward()), rows),
    ]
}

/// By lanes alone: types and teams are parts of their own. `tests/adapters.rs` has odd rows of f16, which share words,
/// and packs of bf16.
#[test]
fn every_op_in_every_storage_type() {
    let cases = [
        ("f16 by packs", DType::F16, DType::F16, 8),
        ("odd rows of bf16, weights in f32", DType::BF16, DType::F32, 9),
        ("f32, weights in bf16", DType::F32, DType::BF16, 8),
    ];
    for (types, dtype, affine, len) in cases {
        all_conform(types, every_op_in(dtype, affine, len), conforms_by_lanes);
    }
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn every_op_in_every_storage_type_by_every_method() {
    for (dtype, other) in [(DType::F32, DType::BF16), (DType::F16, DType::F32), (DType::BF16, DType::F32)] {
        for (rows, len) in [("odd", 13), ("begin at a word and are no vec4s", 14), ("vec4s", 16)] {
            for affine in [dtype, other] {
                all_conform(
                    &format!("{dtype}, {rows}, weights in {affine}"),
                    every_op_in(dtype, affine, len),
                    conforms,
                );
            }
        }
        for (why, len) in [("split rows of vec4s", 33000), ("split rows of single elements", 33001)] {
            let op = LayerNorm::new(&[2, len], 1..).dtype(dtype);
            conforms(why, &op, Can::RowsOf(dtype, len));
            conforms(why, &op.backward(), Can::RowsOf(dtype, len));
        }
    }
}

fn half_precision_rows(dtype: DType, lengths: &[(&str, usize)]) {
    for &(why, len) in lengths {
        let op = LayerNorm::new(&[5, len], 1..).dtype(dtype);
        conforms(why, &op, Can::RowsOf(dtype, len));
        conforms(why, &op.backward(), Can::RowsOf(dtype, len));
    }
}

#[test]
fn half_precision_rows_of_some_lengths() {
    half_precision_rows(DType::F16, &[("half of a word", 1), ("one element after four packs", 17)]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn half_precision_rows_of_every_length() {
    let lengths = [
        ("half of a word", 1),
        ("a word", 2),
        ("a word and a half", 3),
        ("a pack", 4),
        ("one less than eight packs", 31),
        ("one more than eight packs", 33),
        ("one less than a lane holds", 127),
        ("one less than a workgroup", 255),
        ("a workgroup", 256),
        ("one more than a workgroup", 257),
        ("one less than 128 packs", 511),
        ("BERT's width", 768),
        ("one less than 256 packs", 1023),
        ("256 packs", 1024),
        ("one more than 256 packs", 1025),
        ("a wide transformer", 4096),
        ("one more than 1024 packs", 4097),
    ];
    for dtype in [DType::F16, DType::BF16] {
        half_precision_rows(dtype, &lengths);
    }
}

/// The mean of half-precision rows is taken without a shift: it is exact for a constant row. Elsewhere its correction
/// has the digits that it lacks.
fn hard_half_precision_rows(lengths: &[(&str, usize)]) {
    for (dtype, largest) in [(DType::F16, 65504.0), (DType::BF16, 3.389e38)] {
        for &(why, len) in lengths {
            let mut rows = hard_rows(len);
            let mut all_but_the_last = vec![2047.0; len];
            rows.push(("as many digits as f16 has", all_but_the_last.clone()));
            all_but_the_last[len - 1] = 1984.0;
            rows.push(("all equal but the last", all_but_the_last));
            rows.push(("the largest number", vec![dtype.round(largest); len]));
            for (name, row) in rows {
                let row: Vec<f32> = row.into_iter().map(|x| dtype.round(x)).collect();
                // f16 has no such row.
                if row.iter().any(|x| x.is_infinite()) {
                    continue;
                }
                let op = LayerNorm::new(&[1, len], 1..).weight(false).bias(false).save_stats(true).input_dtype(dtype);
                // The output is f32: no rows of words.
                by_every_method(&format!("{name}, {dtype}, {why}"), &op, &Tensors::new(&row), Can::Rows(len));
            }
        }
    }
}

#[test]
fn hard_rows_of_half_precision() {
    hard_half_precision_rows(&[("single elements", 7), ("MiniLM's width", 384)]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn more_hard_rows_of_half_precision() {
    let beyond = "single elements, beyond what 8 lanes hold";
    let lengths = [("more than 32 lanes", 33), ("BERT's width", 768), (beyond, 1023), ("a wide transformer", 4096)];
    hard_half_precision_rows(&lengths);
}

/// Runs an op by one method of a device, whose kernels must have a part.
fn conforms_by_part(part: &str, why: &str, device: &Gpu, op: &dyn Norm, strategy: Strategy) {
    conforms_by(why, device, op, strategy);
    let program = shaders::program(op, device.planner().caps(), strategy).expect("it ran");
    let has_part = program.dispatches.iter().any(|dispatch| dispatch.shader.wgsl().contains(part));
    assert!(has_part, "{why}: {}, {strategy:?}", op.name());
}

/// GPUs load and store 16 bytes of half precision at once, by their table.
#[test]
fn half_precision_rows_go_by_vec4x2() {
    // Few workgroups, so that teams have many rows and sum up their gradients.
    let planner = tuned(&[("vec4x2", 1), ("workgroups", 1), ("min_grad_rows_per_team", 1)]);
    let device = Gpu::from_parts(gpu().queue().clone(), planner);
    let lanes = device.planner().caps().subgroup_size.map_or(1, |(_, max)| max as usize);
    // Each lane of a team has at least two packs of a row.
    let teams = [
        (Team::Lane, 16, DType::F16),
        (Team::Cluster, 64, DType::F16),
        (Team::Subgroup, 8 * lanes, DType::BF16),
        (Team::Workgroup, 512, DType::BF16),
        (Team::WorkgroupSubgroups, 512, DType::F16),
    ];
    for (method, len, dtype) in teams.map(|(team, len, dtype)| (Method::Resident(team), len, dtype)) {
        if needs_subgroups(method) && device.planner().caps().subgroup_size.is_none() {
            continue;
        }
        let op = LayerNorm::new(&[37, len], 1..).dtype(dtype);
        let types = op.clone().output_dtype(DType::F32).affine_dtype(DType::F32);
        let summed = op.clone().residual(true).residual_output(true);
        let rms = RmsNorm::new(&[37, len], 1..).dtype(dtype).per_sample(true);
        let grouped = GroupNorm::new(&[3, 4, len / 2], 2).dtype(dtype);
        let ops: [(&str, &dyn Norm); 8] = [
            ("in place", &op.clone().in_place(true)),
            ("gradients", &op.backward()),
            ("the gradient of a sum", &summed.backward()),
            ("a sum that is written", &summed),
            ("half-precision input alone", &types),
            ("weights of each sample", &rms.backward()),
            ("two packs of a vec4x2 in two channels, backward", &grouped.backward()),
            ("two packs of a vec4x2 in two channels", &grouped),
        ];
        for (why, op) in ops {
            conforms_by_part("at.pair", why, &device, op, Strategy::Forced(method));
        }
    }
}

/// Half-precision rows may begin in the upper half of a word: two teams then store the word that their rows share.
#[test]
fn half_precision_rows_begin_anywhere() {
    let teams = [
        ("three packs a lane", Method::Resident(Team::Lane), 9),
        ("one pack a lane", Method::Resident(Team::Workgroup), 33),
        ("two packs a lane", Method::Resident(Team::Subgroup), 33),
    ];
    let grids = [("a team for each row", 65535, 39), ("one row", 1, 1), ("teams of several rows", 1, 39)];
    for (grid, workgroups, rows) in grids {
        let planner = tuned(&[("workgroups", workgroups), ("min_grad_rows_per_team", 1)]);
        let device = Gpu::from_parts(gpu().queue().clone(), planner);
        for (packs, method, len) in teams {
            if needs_subgroups(method) && device.planner().caps().subgroup_size.is_none() {
                continue;
            }
            let op = LayerNorm::new(&[rows, len], 1..).dtype(DType::F16);
            let ops: [(&str, &dyn Norm); 3] = [
                ("in place", &op.clone().in_place(true)),
                ("gradients", &op.backward()),
                ("a sum that is written", &op.clone().residual(true).residual_output(true)),
            ];
            for (why, op) in ops {
                let why = format!("{grid}, {packs}, {why}");
                conforms_by_part("at.words", &why, &device, op, Strategy::Forced(method));
            }
        }
    }
}

/// GPUs merge sums and statistics by the lanes of a workgroup, by their table.
#[test]
fn workgroups_merge_partial_results() {
    // Many teams, each with partial results.
    let planner = tuned(&[
        ("merge_by_workgroup", 1),
        ("workgroups", 8192),
        ("grad_rows_per_team", 1),
        ("min_grad_rows_per_team", 1),
    ]);
    let device = Gpu::from_parts(gpu().queue().clone(), planner);
    let rows = |count| LayerNorm::new(&[count, 36], 1..).backward();
    let half = rows(5000).accumulate(true).grad_affine_dtype(DType::F16);
    let batch = BatchNorm::training(&[3000, 12]);
    let groups = GroupNorm::new(&[2, 700, 12], 3).layout(Layout::ChannelsLast);
    let instance = InstanceNorm::new(&[2, 700, 12]).layout(Layout::ChannelsLast).running_stats(RunningStats::PYTORCH);
    let cumulative = batch.clone().running_stats(RunningStats::CUMULATIVE).save_stats(true);
    let (inferred, columns) = (Strategy::Inferred, Strategy::Forced(Method::Columns));
    let cases: [(&str, &dyn Norm, Strategy); 10] = [
        ("sums of 300 teams", &rows(300), inferred),
        ("more sums than are merged at once: a pass before makes fewer of them", &rows(5000), inferred),
        ("merged sums added to gradients of f16", &half, inferred),
        ("coefficients of channels", &batch.backward(), columns),
        ("coefficients behind an activation", &batch.clone().activation(Activation::Gelu).backward(), columns),
        ("coefficients of groups with four members", &groups.backward(), columns),
        ("statistics of channels", &batch.clone().running_stats(RunningStats::PYTORCH), columns),
        ("a cumulative average, and saved statistics", &cumulative, columns),
        ("the mean of the statistics of two samples", &instance, columns),
        ("statistics of groups with four members", &groups, columns),
    ];
    for (why, op, strategy) in cases {
        conforms_by_part("var<workgroup> results", why, &device, op, strategy);
    }
}

/// A table asks for conversions by the device where they are known to be exact. Those of lavapipe and SwiftShader are.
#[test]
fn f16_may_be_converted_by_the_device() {
    let device = Gpu::from_parts(gpu().queue().clone(), tuned(&[("native_f16", 1)]));
    let rows = |len| LayerNorm::new(&[37, len], 1..).dtype(DType::F16);
    let cases: [(&str, &dyn Norm); 6] = [
        ("packs", &rows(12)),
        ("rows that begin inside of words", &rows(33).backward()),
        ("single elements of the input", &rows(33).output_dtype(DType::F32)),
        ("columns", &LayerNorm::new(&[5, 6, 7], 1..2).dtype(DType::F16)),
        ("a weight for each channel", &GroupNorm::new(&[3, 6, 13], 2).dtype(DType::F16)),
        ("channels of odd images", &BatchNorm::training(&[2, 8, 7, 7]).dtype(DType::F16).backward()),
    ];
    for (why, op) in cases {
        conforms_by(why, &device, op, Strategy::Inferred);
    }
}

/// Types of the input, of the output and the sum, and of the residual, the weight and the bias: each two of the three
/// columns have each pair of types. In the last column, whether the default tests run by lanes: three rows suffice.
const TYPES: [(DType, DType, DType, bool); 9] = [
    (DType::F32, DType::F32, DType::F32, false),
    (DType::F32, DType::F16, DType::F16, false),
    (DType::F32, DType::BF16, DType::BF16, true),
    (DType::F16, DType::F32, DType::F16, true),
    (DType::F16, DType::F16, DType::BF16, false),
    (DType::F16, DType::BF16, DType::F32, false),
    (DType::BF16, DType::F32, DType::BF16, false),
    (DType::BF16, DType::F16, DType::F32, true),
    (DType::BF16, DType::BF16, DType::F16, false),
];

/// Layer norm with all of its tensors in these types, and its backward pass.
fn typed(input: DType, output: DType, residual: DType, odd: usize, even: usize) -> Vec<Case> {
    let types = [input, output, residual];
    // Rows go by words where all types have two elements a word.
    let widest = if types.contains(&DType::F32) { DType::F32 } else { input };
    let op = |len| {
        let op = LayerNorm::new(&[5, len], 1..).input_dtype(input).output_dtype(output);
        let op = op.residual(true).residual_dtype(residual);
        op.residual_output(true).residual_output_dtype(output).affine_dtype(residual)
    };
    vec![
        ("odd rows", Box::new(op(odd)), Can::RowsOf(widest, odd)),
        ("packs", Box::new(op(even).backward().grad_affine_dtype(input)), Can::RowsOf(widest, even)),
    ]
}

#[test]
fn every_tensor_has_a_storage_type_of_its_own() {
    for (input, output, residual, by_lanes) in TYPES {
        for (why, op, can) in typed(input, output, residual, 9, 8) {
            let why = format!("{input}, {output}, {residual}, {why}");
            if by_lanes {
                conforms_by_lanes(&why, &*op, can);
            } else {
                conforms_as_inferred(&why, &*op);
            }
        }
    }
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn every_tensor_has_a_storage_type_of_its_own_by_every_method() {
    for (input, output, residual, _) in TYPES {
        all_conform(&format!("{input}, {output}, {residual}"), typed(input, output, residual, 13, 12), conforms);
    }
}

/// Layer norm of rows of the input with gaps between them.
fn strided(dtype: DType, len: usize, stride: usize) -> Vec<Case> {
    // Vec4s need rows that begin at one.
    let can = if stride.is_multiple_of(4) { Can::Rows(len) } else { Can::Packs(len) };
    let op = LayerNorm::new(&[5, len], 1..).strides(Slot::Input, &[stride, 1]).dtype(dtype);
    vec![("layer norm", Box::new(op.clone().save_stats(true)), can), ("layer norm", Box::new(op.backward()), can)]
}

/// The other norms of rows with gaps between them.
fn strided_f32(len: usize, stride: usize) -> Vec<Case> {
    let can = if stride.is_multiple_of(4) { Can::Rows(len) } else { Can::Packs(len) };
    let rms = RmsNorm::new(&[5, len], 1..).strides(Slot::Input, &[stride, 1]).residual(true);
    let l2 = LpNormalize::new(&[5, len], 1..).strides(Slot::Input, &[stride, 1]);
    vec![
        ("RMS norm of a sum", Box::new(rms.clone()), can),
        ("RMS norm of a sum", Box::new(rms.backward()), can),
        ("L2", Box::new(l2.clone()), can),
        ("L2", Box::new(l2.backward()), can),
    ]
}

#[test]
fn rows_of_the_input_may_have_gaps_between_them() {
    let cases = [
        ("packs of f32", strided(DType::F32, 8, 12)),
        ("packs of f32", strided_f32(8, 12)),
        ("rows of f16 that begin inside of a pack", strided(DType::F16, 8, 13)),
        ("single elements of bf16", strided(DType::BF16, 9, 12)),
        ("split rows of f16", strided(DType::F16, 33000, 33004)),
    ];
    for (rows, cases) in cases {
        all_conform(rows, cases, conforms_by_lanes);
    }
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn rows_of_the_input_may_have_gaps_between_them_by_every_method() {
    let strides = [
        ("packs", 12, 16),
        ("packs that begin anywhere", 12, 17),
        ("single elements", 13, 16),
        ("BERT's width", 768, 772),
        ("split rows", 33000, 33004),
        ("split rows that begin anywhere", 33001, 33002),
    ];
    for (rows, len, stride) in strides {
        for dtype in DType::FLOATS {
            all_conform(&format!("{rows} of {dtype}"), strided(dtype, len, stride), conforms);
        }
        all_conform(rows, strided_f32(len, stride), conforms);
    }
}

fn rows_in_place(dtype: DType, len: usize) -> Vec<Case> {
    let can = Can::RowsOf(dtype, len);
    let layer = LayerNorm::new(&[5, len], 1..).dtype(dtype).in_place(true);
    let rms = RmsNorm::new(&[5, len], 1..).dtype(dtype).in_place(true).residual(true).residual_output(true);
    let l2 = LpNormalize::new(&[5, len], 1..).dtype(dtype).in_place(true);
    vec![
        ("an output over its input", Box::new(layer), can),
        ("a sum beside the output", Box::new(rms), can),
        ("without weights", Box::new(l2), can),
    ]
}

fn channels_in_place(dtype: DType) -> Vec<Case> {
    let training = |shape: &[usize]| {
        let op = BatchNorm::training(shape).dtype(dtype).in_place(true);
        op.residual(true).activation(Activation::Relu)
    };
    let inference = |shape: &[usize]| BatchNorm::inference(shape).dtype(dtype).in_place(true);
    let (first, last) = ([3, 6, 7], [3, 7, 6]);
    let group = GroupNorm::new(&[3, 6, 8], 2).dtype(dtype).in_place(true);
    vec![
        ("channels first", Box::new(training(&first)), Can::Split),
        ("channels last", Box::new(training(&last).layout(Layout::ChannelsLast)), Can::Columns),
        ("channels first", Box::new(inference(&first)), Can::Elementwise),
        ("channels last", Box::new(inference(&last).layout(Layout::ChannelsLast)), Can::Elementwise),
        ("groups", Box::new(group), Can::Rows(24)),
    ]
}

#[test]
fn a_result_may_be_written_over_the_input() {
    let cases = [
        ("packs of f32", rows_in_place(DType::F32, 8)),
        ("words of f16 that rows share", rows_in_place(DType::F16, 9)),
        ("packs of bf16", rows_in_place(DType::BF16, 8)),
        ("split rows", rows_in_place(DType::F32, 33000)),
        ("f32", channels_in_place(DType::F32)),
        ("f16", channels_in_place(DType::F16)),
    ];
    for (rows, cases) in cases {
        all_conform(rows, cases, conforms_by_lanes);
    }
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_result_may_be_written_over_the_input_by_every_method() {
    for dtype in DType::FLOATS {
        // Packs, single elements, many packs, and split rows of both kinds.
        for len in [12, 13, 768, 33000, 33001] {
            all_conform(&format!("{dtype}, {len}"), rows_in_place(dtype, len), conforms);
        }
        all_conform(&dtype.to_string(), channels_in_place(dtype), conforms);
    }
}

#[test]
fn instance_norm_tracks_running_statistics_of_every_convention() {
    let conventions = [
        ("PyTorch", RunningStats::PYTORCH),
        ("PyTorch without a momentum", RunningStats::CUMULATIVE),
        ("ONNX", RunningStats::ONNX),
        ("Keras", RunningStats::KERAS),
        ("the new value replaces the old one", RunningStats::PyTorch { momentum: Some(1.0) }),
    ];
    for (why, convention) in conventions {
        let first = InstanceNorm::new(&[4, 5, 12]).running_stats(convention).save_stats(true);
        conforms_by_lanes(why, &first, Can::Split);
        let last = InstanceNorm::new(&[4, 12, 5]).layout(Layout::ChannelsLast);
        conforms_by_lanes(why, &last.running_stats(convention).save_stats(true), Can::Columns);
    }
}

#[test]
fn an_empty_batch_leaves_the_running_statistics_of_instance_norm() {
    let op = InstanceNorm::new(&[0, 2, 5]).running_stats(RunningStats::CUMULATIVE);
    let tensors = Tensors::new(&[]).running(&[0.25, 0.5], &[1.5, 2.5]).num_batches_tracked(7);
    let outputs = gpu().run(&op, &tensors).expect("an empty batch");
    compare_outputs(&op, &outputs, &op.reference(&tensors).expect("reference")).expect("untouched");
    assert_eq!(outputs.running_mean(), [0.25, 0.5]);
}

/// Several devices that merge the moments of their parts of a batch, held to one device with the whole batch.
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
            // A part without samples has moments of zero.
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
    // Both add up the same numbers, in other orders.
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
        // Columns, channels first, channels last: parts of very different sizes.
        merged(&[100_032, 3], &[1, 31, 100_000], Layout::ChannelsFirst, offset);
        merged(&[1032, 3, 35], &[1, 31, 1000], Layout::ChannelsFirst, offset);
        merged(&[132, 35, 8], &[1, 31, 100], Layout::ChannelsLast, offset);
        // One part, and a part for each sample.
        merged(&[9, 4, 8], &[9], Layout::ChannelsFirst, offset);
        merged(&[9, 4, 1], &[1; 9], Layout::ChannelsFirst, offset);
    }
    // Parts without samples change nothing, wherever they are.
    merged(&[9, 4, 8], &[0, 0, 4, 5], Layout::ChannelsFirst, 1e6);
    merged(&[9, 4, 8], &[4, 0, 0, 5], Layout::ChannelsFirst, 1e6);
    merged(&[9, 4, 8], &[4, 5, 0, 0], Layout::ChannelsFirst, 1e6);
}

#[test]
fn one_value_a_channel_leaves_the_running_variance() {
    let op = BatchNorm::training(&[1, 2]).running_stats(RunningStats::PYTORCH).merge(2);
    let tensors = Tensors::new(&[5.0, -3.0]).weight(&[1.0; 2]).bias(&[0.0; 2]).running(&[0.5, 1.5], &[2.0, 3.0]);
    // One value has a mean, and no unbiased variance.
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
        // A step of weight 1 leaves the statistics of the batch.
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
            // Each step rounds the state to f32: docs/numerics.md has both numbers.
            let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
            let largest = errors.iter().fold(0.0_f64, |max, e| max.max(e.abs()));
            assert!(rms < 7.7e-7 && largest < 4.0 * 7.7e-7, "{convention:?}: {rms:e}, {largest:e}");
        }
    }
}

#[test]
fn ten_thousand_steps_do_not_stall_where_statistics_have_a_lo() {
    const CHANNELS: usize = 64;
    let momentum = 1e-4_f32;
    let conventions = [
        (RunningStats::PyTorch { momentum: Some(momentum) }, (1.0 - f64::from(momentum)).powi(10_000)),
        // Half of the average is that of as many earlier batches, with means of 0 and variances of 1.
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
                // hi is the f32 that is nearest to hi + lo.
                assert_eq!(actual[channel].to_bits(), (state as f32).to_bits(), "{slot}, {channel}");
            }
        }
    }
}

/// The outputs of an op that is recorded so many times into one pass.
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

/// The same convention with a momentum by which a batch replaces the running statistics.
fn replacing(convention: RunningStats) -> RunningStats {
    match convention {
        RunningStats::PyTorch { .. } => RunningStats::PyTorch { momentum: Some(1.0) },
        RunningStats::Onnx { .. } => RunningStats::Onnx { momentum: 0.0 },
        _ => RunningStats::Keras { momentum: 0.0 },
    }
}

#[test]
fn moments_are_those_of_the_reference_by_every_method() {
    let shapes: [(&str, Layout, &[usize], Can); 3] = [
        ("channels first", Layout::ChannelsFirst, &[5, 3, 70], Can::Split),
        ("channels last", Layout::ChannelsLast, &[5, 70, 3], Can::Columns),
        ("columns", Layout::ChannelsFirst, &[70, 4], Can::Columns),
    ];
    for (why, layout, shape, can) in shapes {
        for dtype in DType::FLOATS {
            conforms(why, &BatchMoments::new(shape).layout(layout).dtype(dtype), can);
        }
    }
}
