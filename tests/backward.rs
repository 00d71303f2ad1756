//! Every backward pass on the adapter of this machine, by every method, against the f64 reference.

mod common;

use common::{gpu, methods::*, run, tuned};
use wgpu_norm::{
    Activation, BatchNorm, Bindings, GroupNorm, InstanceNorm, LayerNorm, Layout, LpNormalize, Method, Norm, Order,
    RmsNorm, RunningStats, Slot, Strategy, Team, Tensors,
    host::Gpu,
    testing::{Data, Random, compare, compare_outputs, hard_rows, slot_bound},
    wgpu,
};

#[test]
fn layer_norm() {
    for &(why, rows, len) in ROWS {
        conforms(why, &LayerNorm::new(&[rows, len], 1..).backward(), &|method| rows_can(method, len));
    }
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_of_more_shapes() {
    for &(why, rows, len) in MORE_ROWS {
        conforms(why, &LayerNorm::new(&[rows, len], 1..).backward(), &|method| rows_can(method, len));
    }
}

#[test]
fn more_rows_and_columns_than_workgroups_in_a_dimension() {
    let ops: [&dyn Norm; 4] = [
        &LayerNorm::new(&[70000, 5], 1..).backward(),
        &LayerNorm::new(&[1, 2, 70000], 1..2).backward(),
        &BatchNorm::training(&[2, 65536]).backward(),
        &GroupNorm::new(&[33000, 4, 2], 2).backward(),
    ];
    for op in ops {
        conforms_as_inferred("large", op);
    }
}

#[test]
#[ignore = "large tensors: cargo xtask test --all"]
fn partial_results_of_more_teams_than_one_invocation_merges() {
    // Drivers end the loops of an invocation after 65535 turns: these have more partial results of a statistic or a weight.
    let groups = GroupNorm::new(&[1, 300, 8192], 2).layout(Layout::ChannelsLast);
    let rows = LayerNorm::new(&[2_200_000, 4], 1..).backward();
    // As many as are allowed of a group, and of a channel.
    let wide = GroupNorm::new(&[1, 3, 40_000], 2).layout(Layout::ChannelsLast);
    let samples = InstanceNorm::new(&[29_999, 1, 2]).running_stats(RunningStats::PYTORCH);
    let batch = BatchNorm::training(&[600_000, 5]).backward();
    let ops: [&dyn Norm; 7] = [&groups, &groups.backward(), &wide, &wide.backward(), &rows, &samples, &batch];
    for op in ops {
        conforms_as_inferred("large", op);
    }
}

fn rms_norm_and_lp_normalize_of(shapes: &[(&str, usize, usize)], conforms: Conforms) {
    for &(why, rows, len) in shapes {
        let can = |method| rows_can(method, len);
        conforms(why, &RmsNorm::new(&[rows, len], 1..).backward(), &can);
        for order in [Order::L1, Order::L2] {
            let op = LpNormalize::new(&[rows, len], 1..).order(order);
            conforms(why, &op.clone().save_stats(true), &can);
            conforms(why, &op.backward(), &can);
        }
    }
}

#[test]
fn rms_norm_and_lp_normalize() {
    rms_norm_and_lp_normalize_of(TWO_ROWS, conforms_by_lanes);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn rms_norm_and_lp_normalize_of_more_shapes() {
    rms_norm_and_lp_normalize_of(ROWS, conforms);
    rms_norm_and_lp_normalize_of(MORE_ROWS, conforms);
}

/// A norm that eps is larger than.
fn norms_below_eps(order: Order, len: usize, by: By) {
    // The second row is zero, the third is small: eps is what they are divided by.
    let mut input = Random::new(2).normal(3 * len, 0.0, 1.0);
    input[len..2 * len].fill(0.0);
    input[2 * len..].iter_mut().for_each(|x| *x *= 1e-9);
    let op = LpNormalize::new(&[3, len], 1..).order(order).eps(0.5).save_stats(true);
    let can = |method| rows_can(method, len);
    let data = Data::random(&op, 1).with(Slot::Input, input.clone());
    by("forward", &op, &data.tensors(), &can);
    let op = op.backward();
    let data = Data::random(&op, 1).with(Slot::Input, input);
    by("backward", &op, &data.tensors(), &can);
}

#[test]
fn a_norm_below_eps_is_a_constant_factor() {
    norms_below_eps(Order::L1, 8, by_lanes);
    norms_below_eps(Order::L2, 9, by_lanes);
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_norm_below_eps_is_a_constant_factor_by_every_method() {
    for len in [12, 13, 33000] {
        norms_below_eps(Order::L1, len, by_every_method);
        norms_below_eps(Order::L2, len, by_every_method);
    }
}

type Middle = (&'static str, &'static [usize], std::ops::Range<usize>);

fn layer_norm_over_axes_in_the_middle_of(shapes: &[Middle]) {
    for (why, shape, axes) in shapes.iter().cloned() {
        let columns = shape[axes.end..].iter().product::<usize>();
        let rows = columns == 1;
        let len = shape[axes.clone()].iter().product();
        let across = |method| across_can(method, columns);
        let can = |method| if rows { rows_can(method, len) } else { columns_can(method) || across(method) };
        let one = shape[..axes.start].iter().product::<usize>() == 1;
        let by_columns = |method| backward_columns_can(method, one) || across(method);
        let backward_can = |method| if rows { rows_can(method, len) } else { by_columns(method) };
        let op = LayerNorm::new(shape, axes.clone());
        conforms(why, &op.clone().save_stats(true), &can);
        conforms(why, &op.backward(), &backward_can);
        let op = op.weight(false).bias(false);
        conforms_by_lanes(why, &op, &can);
        conforms_by_lanes(why, &op.backward(), &backward_can);
        let op = RmsNorm::new(shape, axes.clone());
        conforms_by_lanes(why, &op.clone().save_stats(true), &can);
        conforms_by_lanes(why, &op.backward(), &backward_can);
        let op = LpNormalize::new(shape, axes.clone()).order(Order::L1);
        conforms_by_lanes(why, &op, &can);
        conforms_by_lanes(why, &op.backward(), &backward_can);
    }
}

#[test]
fn layer_norm_over_axes_in_the_middle() {
    layer_norm_over_axes_in_the_middle_of(&[
        ("ConvNeXt: over C of NCHW", &[2, 24, 7, 7], 1..2),
        ("the same in vec4s", &[3, 12, 4, 8], 1..2),
    ]);
    let op = LayerNorm::new(&[2, 5, 64, 160], 1..2);
    conforms("several blocks for a lane", &op.clone().save_stats(true), &|method| {
        columns_can(method) || across_can(method, 64 * 160)
    });
    conforms("several blocks for a lane", &op.backward(), &|method| {
        backward_columns_can(method, false) || across_can(method, 64 * 160)
    });
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_over_more_axes_in_the_middle() {
    layer_norm_over_axes_in_the_middle_of(&[
        ("several blocks for a lane", &[2, 5, 64, 160], 1..2),
        ("two axes, odd", &[3, 5, 7, 3], 1..3),
        ("the first axis", &[33, 12], 0..1),
        ("more rows than a lane should walk", &[1, 5000, 12], 1..2),
        ("one column", &[3, 7, 1, 1], 1..2),
        ("a block of rows across packs that is not whole", &[2, 70, 21, 52], 1..2),
    ]);
}

/// The same shape with the channels last.
fn channels_last(shape: &[usize]) -> Vec<usize> {
    let mut last = shape.to_vec();
    let channels = last.remove(1);
    last.push(channels);
    last
}

fn group_norm_of(shapes: &[(&str, &[usize], usize)], affine: &[(bool, bool)], conforms: Conforms) {
    for &(why, shape, groups) in shapes {
        let len = shape[1] / groups * shape[2..].iter().product::<usize>();
        for &(weight, bias) in affine {
            let op = GroupNorm::new(shape, groups).weight(weight).bias(bias);
            conforms(why, &op.backward(), &|method| rows_can(method, len));
        }
    }
}

fn group_norm_of_channels_last_of(shapes: &[(&str, &[usize], usize)]) {
    for &(why, shape, groups) in shapes {
        let spatial: usize = shape[2..].iter().product();
        let len = shape[1] / groups;
        let can = |method| if spatial == 1 { rows_can(method, len) } else { columns_can(method) };
        let one = shape[0] == 1 || groups == 1;
        let backward_can = |method| if spatial == 1 { can(method) } else { backward_columns_can(method, one) };
        for affine in [true, false] {
            let op = GroupNorm::new(&channels_last(shape), groups).layout(Layout::ChannelsLast);
            let op = op.weight(affine).bias(affine);
            conforms(why, &op.clone().save_stats(true), &can);
            conforms(why, &op.backward(), &backward_can);
        }
    }
}

#[test]
fn group_norm() {
    group_norm_of(GROUPS, &[(true, true)], conforms_by_lanes);
    group_norm_of(&GROUPS[1..2], &[(true, false), (false, true), (false, false)], conforms_by_lanes);
}

#[test]
fn group_norm_of_channels_last() {
    group_norm_of_channels_last_of(&GROUPS[1..]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn group_norm_of_more_shapes() {
    let each = [(true, true), (true, false), (false, true), (false, false)];
    for shapes in [GROUPS, MORE_GROUPS] {
        group_norm_of(shapes, &each, conforms);
        group_norm_of_channels_last_of(shapes);
    }
}

fn instance_norm_of(shapes: &[&[usize]], conforms: Conforms) {
    for &shape in shapes {
        let spatial: usize = shape[2..].iter().product();
        for affine in [false, true] {
            let op = InstanceNorm::new(shape).weight(affine).bias(affine);
            conforms("channels first", &op.backward(), &|method| rows_can(method, spatial));
            let op = InstanceNorm::new(&channels_last(shape)).layout(Layout::ChannelsLast).weight(affine).bias(affine);
            conforms("channels last", &op.clone().save_stats(true), &columns_can);
            conforms("channels last", &op.backward(), &|method| backward_columns_can(method, shape[0] == 1));
        }
    }
}

#[test]
fn instance_norm_of_both_layouts() {
    instance_norm_of(&[&[3, 5, 7], &[2, 4, 4, 3]], conforms_by_lanes);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn instance_norm_of_more_shapes() {
    instance_norm_of(&[&[3, 5, 7], &[2, 4, 4, 3], &[2, 3, 8, 8], &[2, 4, 2, 3, 4], &[1, 2, 40000]], conforms);
}

#[test]
fn many_samples_share_the_weights_of_one_group() {
    for (shape, groups) in [([900, 1, 2], 1), ([900, 1, 8], 1), ([300, 4, 9], 1), ([300, 3, 4], 1)] {
        let [_, channels, spatial] = shape;
        let can = |method| rows_can(method, channels * spatial);
        conforms_by_lanes("group norm", &GroupNorm::new(&shape, groups).backward(), &can);
        if channels == 1 {
            conforms_by_lanes("instance norm", &InstanceNorm::new(&shape).weight(true).bias(true).backward(), &can);
        }
    }
}

fn batch_norm_training_of(shapes: &[(&str, &[usize])]) {
    for &(why, shape) in shapes {
        let columns = shape[2..].iter().product::<usize>() == 1;
        for affine in [true, false] {
            // Running statistics belong to the forward pass: the backward pass does not bind them.
            let op = BatchNorm::training(shape).weight(affine).bias(affine).running_stats(RunningStats::PYTORCH);
            conforms(why, &op.backward(), &|method| match shape {
                [1, _, spatial @ ..] => rows_can(method, spatial.iter().product()),
                _ if columns => columns_can(method),
                _ => split_can(method),
            });
            let op =
                BatchNorm::training(&channels_last(shape)).layout(Layout::ChannelsLast).weight(affine).bias(affine);
            conforms(why, &op.clone().save_stats(true).running_stats(RunningStats::CUMULATIVE), &columns_can);
            conforms(why, &op.backward(), &columns_can);
        }
    }
}

#[test]
fn batch_norm_training() {
    batch_norm_training_of(&IMAGES[..5]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn batch_norm_training_of_more_shapes() {
    batch_norm_training_of(MORE_IMAGES);
}

#[test]
fn batch_norm_keeps_statistics_for_its_backward_pass() {
    for &(why, shape) in &IMAGES[1..4] {
        let columns = shape[2..].iter().product::<usize>() == 1;
        let can = |method| if columns { columns_can(method) } else { split_can(method) };
        let op = BatchNorm::training(shape).save_for_backward(true);
        conforms(why, &op.clone().save_stats(true), &can);
        conforms(why, &op.backward(), &can);
        let op = BatchNorm::training(&channels_last(shape)).layout(Layout::ChannelsLast).save_for_backward(true);
        conforms(why, &op.clone().residual(true).activation(Activation::Relu), &columns_can);
        conforms(why, &op.backward().grad_input(false), &columns_can);
        conforms(why, &op.residual(true).activation(Activation::Relu).backward(), &columns_can);
    }
    // From one pass to the other, with an offset that an f32 mean is too coarse for.
    let op = BatchNorm::training(&[4, 3, 100]).save_for_backward(true);
    let input = Random::new(9).normal(1200, 1e6, 1.0);
    let forward = Data::random(&op, 9).with(Slot::Input, input.clone());
    let kept = run(gpu(), &op, &forward.tensors(), Strategy::Inferred).expect("forward").statistics().to_vec();
    let (plain, op) = (BatchNorm::training(&[4, 3, 100]).backward(), op.backward());
    let data = Data::random(&op, 9).with(Slot::Input, input).with(Slot::Statistics, kept);
    let outputs = run(gpu(), &op, &data.tensors(), Strategy::Inferred).expect("backward");
    let without = data.without(Slot::Statistics);
    let truth = plain.reference(&without.tensors()).expect("reference");
    compare_outputs(&plain, &outputs, &truth).expect("as if they were taken again");
}

#[test]
fn batch_norm_of_one_sample_is_of_rows() {
    let op = BatchNorm::training(&[1, 3, 20, 20]);
    conforms("one sample", &op, &|method| rows_can(method, 400));
    conforms("one sample", &op.backward(), &|method| rows_can(method, 400));
    conforms("one sample, tracked", &op.running_stats(RunningStats::PYTORCH), &split_can);
}

fn batch_norm_inference_of(shapes: &[(&str, &[usize])]) {
    let can = |method| method == Method::Elementwise;
    for &(why, shape) in shapes {
        for affine in [true, false] {
            let op = BatchNorm::inference(shape).weight(affine).bias(affine);
            conforms(why, &op.backward(), &can);
            let op =
                BatchNorm::inference(&channels_last(shape)).layout(Layout::ChannelsLast).weight(affine).bias(affine);
            conforms(why, &op, &can);
            conforms(why, &op.backward(), &can);
        }
    }
}

#[test]
fn batch_norm_inference() {
    batch_norm_inference_of(IMAGES);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn batch_norm_inference_of_more_shapes() {
    batch_norm_inference_of(MORE_IMAGES);
}

#[test]
fn what_is_not_asked_for_is_not_bound() {
    let slots = |op: &dyn Norm| {
        let specs = op.tensors().expect("valid");
        specs.iter().map(|spec| spec.slot.name()).collect::<Vec<_>>().join(" ")
    };
    let op = LayerNorm::new(&[5, 12], 1..).backward();
    assert_eq!(slots(&op), "input weight grad_output grad_input grad_weight grad_bias");
    let weights = op.clone().grad_input(false);
    assert_eq!(slots(&weights), "input grad_output grad_weight grad_bias");
    let bias = weights.clone().grad_weight(false);
    assert_eq!(slots(&bias), "grad_output grad_bias");
    let input = op.clone().grad_weight(false).grad_bias(false);
    assert_eq!(slots(&input), "input weight grad_output grad_input");
    let rows = |method| rows_can(method, 12);
    conforms_by_lanes("weights", &weights, &|method| rows(method) && matches!(method, Method::Split(_)));
    conforms_by_lanes("bias", &bias, &|method| rows(method) && matches!(method, Method::Split(_)));
    conforms_by_lanes("input", &input, &rows);
    conforms_by_lanes("input and bias", &op.clone().grad_weight(false), &rows);

    let op = BatchNorm::inference(&[3, 4, 5]).backward();
    let input = op.clone().grad_weight(false).grad_bias(false);
    assert_eq!(slots(&input), "weight grad_output running_mean running_var grad_input");
    let bias = op.clone().grad_input(false).grad_weight(false);
    assert_eq!(slots(&bias), "grad_output grad_bias");
    for op in [op.clone(), input, bias, op.grad_input(false)] {
        conforms_by_lanes("inference", &op, &|method| method == Method::Elementwise);
    }
    let op = BatchNorm::training(&[3, 4, 5]).backward();
    for op in [op.clone().grad_input(false), op.clone().grad_weight(false), op.grad_weight(false).grad_bias(false)] {
        conforms_by_lanes("training", &op, &split_can);
    }
    let op = GroupNorm::new(&[3, 4, 5], 2).backward();
    conforms_by_lanes("group norm", &op.clone().grad_input(false), &split_can);
    conforms_by_lanes("group norm", &op.grad_weight(false).grad_bias(false), &|method| rows_can(method, 10));
}

/// As an optimizer keeps them that updates all parameters in one dispatch.
#[test]
fn gradients_of_weight_and_bias_may_lie_in_one_buffer() {
    let gpu = gpu();
    let shapes: [(&str, Box<dyn Norm>); 2] = [
        ("layer_norm", Box::new(LayerNorm::new(&[96, 64], 1..).backward())),
        ("batch_norm", Box::new(BatchNorm::training(&[96, 64]).backward())),
    ];
    for (name, op) in &shapes {
        let data = Data::random(&**op, 5);
        let tensors = data.tensors();
        let plan = gpu.planner().plan(&**op).expect(name);
        let buffer = |bytes: u64| {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let gradients = buffer(512);
        let own: Vec<_> = plan.tensors().iter().map(|spec| buffer(spec.bytes())).collect();
        let mut bindings = Bindings::new();
        for (spec, own) in plan.tensors().iter().zip(&own) {
            if let Some(bytes) = tensors.bytes(spec) {
                gpu.queue().write_buffer(own, 0, &bytes);
            }
            bindings = match spec.slot {
                Slot::GradWeight => bindings.grad_weight(gradients.slice(256..)),
                Slot::GradBias => bindings.grad_bias(gradients.slice(..256)),
                slot => bindings.set(slot, own),
            };
        }
        let bound = plan.bind(&bindings).expect(name);
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        gpu.queue().submit([encoder.finish()]);
        let both: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.download(&gradients, 512).expect(name));
        let expected = op.reference(&tensors).expect(name);
        compare(&format!("{name}: grad_bias"), &both[..64], expected.grad_bias()).unwrap();
        compare(&format!("{name}: grad_weight"), &both[64..], expected.grad_weight()).unwrap();
    }
}

#[test]
fn gradients_of_weight_and_bias_are_added_where_that_is_asked_for() {
    let op = LayerNorm::new(&[50, 9], 1..).backward().accumulate(true);
    conforms_by_lanes("layer norm", &op, &|method| rows_can(method, 9));
    let op = BatchNorm::training(&[5, 3, 7]).backward().accumulate(true);
    conforms("batch norm", &op, &split_can);
}

/// Each is a part of its own, and the same in all kernels.
#[test]
fn every_activation_is_differentiated() {
    for activation in Activation::ALL {
        let op = LayerNorm::new(&[7, 8], 1..).activation(activation);
        conforms_as_inferred(activation.name(), &op);
        conforms_as_inferred(activation.name(), &op.backward());
    }
}

/// What is around an activation does not depend on which it is.
fn an_activation(activation: Activation, len: usize, conforms: Conforms) {
    let name = activation.name();
    let rows = |method| rows_can(method, len);
    for (weight, bias) in [(false, true), (true, false), (false, false)] {
        let op = LayerNorm::new(&[7, len], 1..).weight(weight).bias(bias).activation(activation);
        conforms(name, &op, &rows);
        conforms(name, &op.backward(), &rows);
    }
    let weights = LayerNorm::new(&[7, len], 1..).activation(activation).backward().grad_input(false);
    let split = |method| rows(method) && matches!(method, Method::Split(_));
    conforms(name, &weights.clone().grad_weight(false), &split);
    conforms(name, &weights, &split);
    conforms(name, &RmsNorm::new(&[7, len], 1..).activation(activation).backward(), &rows);
    let op = GroupNorm::new(&[3, 4, len], 2).activation(activation);
    conforms(name, &op, &|method| rows_can(method, 2 * len));
    conforms(name, &op.backward(), &|method| rows_can(method, 2 * len));
    let op = LpNormalize::new(&[7, len], 1..).activation(activation);
    conforms(name, &op, &rows);
    conforms(name, &op.backward(), &rows);
}

#[test]
fn an_activation_is_differentiated_in_every_op() {
    an_activation(Activation::Gelu, 8, conforms_by_lanes);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn an_activation_is_differentiated_in_every_op_by_every_method() {
    for activation in [Activation::Relu, Activation::Gelu] {
        for len in [8, 9] {
            an_activation(activation, len, conforms);
        }
    }
}

#[test]
fn slopes_far_from_zero_keep_their_digits() {
    for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::None) {
        let op = BatchNorm::inference(&[64, 3]).eps(0.0).weight(false).bias(false).activation(activation).backward();
        for center in [3.0, 10.0, 13.0, 18.0, 40.0, 86.0, 3000.0, 1e18] {
            for center in [center, -center] {
                let mut random = Random::new(7);
                let input = random.normal(192, center, 0.1);
                let grad_output = random.normal(192, 0.0, 1.0);
                let tensors = Tensors::default()
                    .set(Slot::Input, &input)
                    .set(Slot::GradOutput, &grad_output)
                    .set(Slot::RunningMean, &[0.0; 3])
                    .set(Slot::RunningVar, &[1.0; 3]);
                let outputs = run(gpu(), &op, &tensors, Strategy::Inferred).expect("run");
                let truth = op.reference(&tensors).expect("reference");
                compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{activation:?} near {center}: {e}"));
            }
        }
    }
}

#[test]
fn batch_norm_adds_a_residual_before_the_activation() {
    for activation in [Activation::None, Activation::Relu, Activation::Gelu] {
        let name = activation.name();
        for shape in [&[3, 5, 7][..], &[9, 8]] {
            let can = |method| if shape.len() == 2 { columns_can(method) } else { split_can(method) };
            let op = BatchNorm::training(shape).residual(true).activation(activation);
            conforms_by_lanes(name, &op.clone().running_stats(RunningStats::PYTORCH), &can);
            let backward = op.backward();
            assert_eq!(backward.gradients.residual, activation != Activation::None);
            conforms_by_lanes(name, &backward, &can);
            if activation != Activation::None {
                let residual = backward.grad_input(false).grad_weight(false).grad_bias(false);
                conforms_by_lanes("the residual alone", &residual, &can);
            }
            let given = |method| method == Method::Elementwise;
            let op = BatchNorm::inference(shape).residual(true).activation(activation);
            conforms(name, &op, &given);
            conforms(name, &op.backward(), &given);
        }
    }
}

fn residuals_before_the_norm_of(len: usize, kept: bool, conforms: Conforms) {
    let rows = |method| rows_can(method, len);
    let op = LayerNorm::new(&[3, len], 1..).residual(true).residual_output(kept);
    conforms("layer norm", &op, &rows);
    conforms("layer norm", &op.backward(), &rows);
    let op = RmsNorm::new(&[3, len], 1..).residual(true).residual_output(!kept);
    conforms("RMS norm", &op, &rows);
    conforms("RMS norm", &op.backward(), &rows);
}

fn residuals_before_other_norms(kept: bool, conforms: Conforms) {
    let op = GroupNorm::new(&[3, 4, 7], 2).residual(true).residual_output(kept);
    conforms("group norm", &op, &|method| rows_can(method, 14));
    conforms("group norm", &op.backward(), &|method| rows_can(method, 14));
    let op = LayerNorm::new(&[3, 6, 8], 1..2).residual(true).residual_output(kept);
    conforms("columns", &op, &|method| columns_can(method) || across_can(method, 8));
    conforms("columns", &op.backward(), &|method| method == Method::Columns || across_can(method, 8));
}

#[test]
fn a_residual_before_the_norm_shares_the_gradient_of_the_input() {
    residuals_before_the_norm_of(8, false, conforms_by_lanes);
    residuals_before_the_norm_of(9, true, conforms_by_lanes);
    residuals_before_other_norms(false, conforms_by_lanes);
    residuals_before_other_norms(true, conforms_by_lanes);
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_residual_before_the_norm_shares_the_gradient_of_the_input_by_every_method() {
    for kept in [false, true] {
        for len in [12, 13, 33000] {
            residuals_before_the_norm_of(len, kept, conforms);
        }
        residuals_before_other_norms(kept, conforms);
    }
}

#[test]
fn a_large_residual_is_added_as_f32_adds_it() {
    for len in [8, 33000] {
        for kept in [false, true] {
            let op = LayerNorm::new(&[2, len], 1..).residual(true).residual_output(kept).save_stats(true);
            let data = Data::random(&op, 3).with(Slot::Residual, vec![1e6; 2 * len]);
            by_lanes("forward", &op, &data.tensors(), &|method| rows_can(method, len));
            let op = op.backward();
            let data = Data::random(&op, 3);
            let data = if kept { data } else { data.with(Slot::Residual, vec![1e6; 2 * len]) };
            by_lanes("backward", &op, &data.tensors(), &|method| rows_can(method, len));
        }
    }
}

#[test]
fn a_gradient_is_as_exact_as_what_it_is_made_of() {
    // What is small is scaled up; the gradient is along what is normalized, and most of it cancels.
    let small: Vec<f32> = Random::new(4).normal(64, 1.25e-3, 2e-4);
    let along: Vec<f32> = small.iter().map(|x| 1e3 * x).collect();
    let ops: [&dyn Norm; 3] = [
        &LpNormalize::new(&[8, 8], 1..).backward(),
        &RmsNorm::new(&[8, 8], 1..).eps(0.0).backward(),
        &LayerNorm::new(&[8, 8], 1..).eps(0.0).backward(),
    ];
    for op in ops {
        let data = Data::random(op, 5).with(Slot::Input, small.clone()).with(Slot::GradOutput, along.clone());
        let can = |method| rows_can(method, 8);
        by_lanes("small", op, &data.tensors(), &can);
    }
}

fn weights_of_each_sample_of(len: usize, zero_centered: bool, conforms: Conforms) {
    let rows = |method| rows_can(method, len);
    let op = LayerNorm::new(&[3, 5, len], 2..).per_sample(true).zero_centered(zero_centered);
    conforms("layer norm", &op, &rows);
    conforms("layer norm", &op.backward(), &rows);
    let op = RmsNorm::new(&[3, 5, len], 2..).per_sample(true).zero_centered(zero_centered).bias(true);
    conforms("RMS norm", &op, &rows);
    conforms("RMS norm", &op.backward(), &rows);
    let op = LayerNorm::new(&[3, 5, len], 1..2).per_sample(true).zero_centered(zero_centered);
    conforms("axes in the middle", &op, &columns_can);
    conforms("axes in the middle", &op.backward(), &|method| method == Method::Columns);
    let op = GroupNorm::new(&[3, 4, len], 2).per_sample(true).zero_centered(zero_centered);
    conforms("group norm", &op, &|method| rows_can(method, 2 * len));
    conforms("group norm", &op.backward(), &|method| rows_can(method, 2 * len));
    let op = GroupNorm::new(&[3, len, 4], 2).layout(Layout::ChannelsLast).per_sample(true);
    conforms("channels last", &op, &columns_can);
    conforms("channels last", &op.backward(), &|method| method == Method::Columns);
}

#[test]
fn weights_of_each_sample() {
    weights_of_each_sample_of(9, false, conforms_by_lanes);
    weights_of_each_sample_of(8, true, conforms_by_lanes);
    let op = LayerNorm::new(&[3, 8], 1..).per_sample(true);
    conforms("a row a sample", &op.backward(), &|method| rows_can(method, 8));
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn weights_of_each_sample_by_every_method() {
    for zero_centered in [false, true] {
        weights_of_each_sample_of(12, zero_centered, conforms);
        weights_of_each_sample_of(13, zero_centered, conforms);
    }
}

fn gradients_of_hard_rows_of(lengths: &[usize]) {
    for &len in lengths {
        for (name, row) in hard_rows(len) {
            // The scale of these overflows in the gradient, or is infinite: constant rows without eps are refused by nobody.
            let op = LayerNorm::new(&[1, len], 1..).backward();
            let data = Data::random(&op, 4).with(Slot::Input, row);
            let can = |method| rows_can(method, len);
            let name = format!("{name}, {len}");
            by_every_method(&name, &op, &data.tensors(), &can);
        }
    }
}

#[test]
fn gradients_of_hard_rows() {
    gradients_of_hard_rows_of(&[33, 384, 33000]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn gradients_of_more_hard_rows() {
    gradients_of_hard_rows_of(&[768, 1023, 4096]);
}

#[test]
fn gradients_of_hard_channels() {
    for (name, column) in hard_rows(1200) {
        for shape in [&[4, 3, 100][..], &[4, 3, 99], &[400, 3]] {
            let columns = shape.len() == 2;
            let n: usize = shape.iter().product();
            let input = (0..n).map(|i| column[i % column.len()]).collect();
            let op = BatchNorm::training(shape).backward();
            let data = Data::random(&op, 5).with(Slot::Input, input);
            let can = |method| if columns { columns_can(method) } else { split_can(method) };
            let name = format!("{name}, {shape:?}");
            by_every_method(&name, &op, &data.tensors(), &can);
        }
    }
}

#[test]
fn the_gradient_of_an_empty_batch_is_zero_or_what_was_there() {
    let op = LayerNorm::new(&[0, 4], 1..).backward();
    let empty = wgpu_norm::Tensors::new(&[]).grad_output(&[]).weight(&[1.0; 4]);
    let outputs = gpu().run(&op, &empty).expect("zeros");
    assert_eq!((outputs.grad_weight(), outputs.grad_bias()), (&[0.0; 4][..], &[0.0; 4][..]));
    assert_eq!(outputs.get(Slot::GradInput), Some(&[][..]));
    let there = [1.0, 2.0, 3.0, 4.0];
    let outputs = gpu().run(&op.accumulate(true), &empty.grad_weight(&there).grad_bias(&there)).expect("untouched");
    assert_eq!((outputs.grad_weight(), outputs.grad_bias()), (&there[..], &there[..]));
}

#[test]
fn a_nan_touches_the_gradient_of_its_own_row_only() {
    for len in [12, 33] {
        let op = LayerNorm::new(&[3, len], 1..).backward().grad_weight(false).grad_bias(false);
        let clean = Data::random(&op, 6);
        for method in Method::ALL.iter().copied().filter(|&method| rows_can(method, len)) {
            let strategy = Strategy::Forced(method);
            let expected = run(gpu(), &op, &clean.tensors(), strategy).expect("clean").grad_input().to_vec();
            for slot in [Slot::Input, Slot::GradOutput] {
                let mut values = clean.tensors().get(slot).expect("there").to_vec();
                values[len + 1] = f32::NAN;
                let poisoned = Data::random(&op, 6).with(slot, values);
                let outputs = run(gpu(), &op, &poisoned.tensors(), strategy).expect("poisoned");
                for (i, (a, e)) in outputs.grad_input().iter().zip(&expected).enumerate() {
                    assert!(if i / len == 1 { a.is_nan() } else { a == e }, "{method}, {slot}: [{i}] = {a}");
                }
            }
        }
    }
}

#[test]
fn the_same_gradients_have_the_same_bits() {
    type Can = fn(Method) -> bool;
    let ops: [(&dyn Norm, Can); 3] = [
        (&LayerNorm::new(&[70, 36], 1..).backward(), |method| rows_can(method, 36)),
        (&BatchNorm::training(&[9, 5, 700]).backward(), split_can),
        (&GroupNorm::new(&[4, 70, 12], 3).layout(Layout::ChannelsLast).backward(), |method| method == Method::Columns),
    ];
    for (op, can) in ops {
        let data = Data::random(op, 7);
        for method in Method::ALL.iter().copied().filter(|&method| can(method)) {
            let once = run(gpu(), op, &data.tensors(), Strategy::Forced(method)).expect("once");
            for _ in 0..3 {
                let again = run(gpu(), op, &data.tensors(), Strategy::Forced(method)).expect("again");
                assert_eq!(once, again, "{}, {method}", op.name());
            }
        }
    }
}

/// Values and gradients of which rounding errors are alike: they repeat, have a mean, or change slowly from one part to
/// the next.
fn drifting(op: &dyn Norm, seed: u64) -> Vec<(String, Data)> {
    let mut random = Random::new(seed);
    let data = Data::random(op, seed);
    let count = data.tensors().get(Slot::Input).map_or(0, <[f32]>::len);
    let uniform: Vec<f32> = (0..count).map(|_| random.uniform() as f32).collect();
    let normal = random.normal(count, 0.0, 1.0);
    let inputs = [
        ("from 0 to 10", uniform.iter().map(|u| 10.0 * u).collect::<Vec<_>>()),
        ("half of them zero", normal.iter().map(|x| x.max(0.0)).collect()),
        ("bytes", uniform.iter().map(|u| (u * 255.0).round() / 255.0).collect()),
        ("1e6 and more", normal.iter().map(|x| 1e6 + x).collect()),
        ("a ramp", (0..count).map(|i| i as f32 / count as f32).collect()),
        ("few and small", uniform.iter().map(|&u| if u < 0.01 { 0.9 } else { 1.234e-4 }).collect()),
    ];
    let gradients = [
        ("ones", vec![1.0; count]),
        ("0.3", vec![0.3; count]),
        ("N(1, 1)", random.normal(count, 1.0, 1.0)),
        ("one sign", random.normal(count, 0.0, 1.0).iter().map(|g| g.abs()).collect()),
    ];
    let pair = |(name, x): &(&str, Vec<f32>), (of, g): &(&str, Vec<f32>)| {
        (format!("{name}, {of}"), data.clone().with(Slot::Input, x.clone()).with(Slot::GradOutput, g.clone()))
    };
    inputs.iter().flat_map(|input| gradients.iter().map(move |gradient| pair(input, gradient))).collect()
}

/// Holds the sums over the elements of a weight to the bound that one of them has, by the inferred method, and by
/// others where gradients are ones.
fn sums_do_not_drift(op: &dyn Norm, by: By, can: &dyn Fn(Method) -> bool) {
    for (name, data) in drifting(op, 7) {
        if name.ends_with("ones") {
            by(&name, op, &data.tensors(), can);
        } else {
            let truth = op.reference(&data.tensors()).expect("reference");
            let outputs = run(gpu(), op, &data.tensors(), Strategy::Inferred).expect("runs");
            let name = format!("{name}: {}, {:?}", op.name(), op.shape());
            compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn gradients_of_batch_norm_do_not_drift() {
    let last = |op: BatchNorm| op.layout(Layout::ChannelsLast).backward();
    sums_do_not_drift(&BatchNorm::training(&[8, 2, 64, 64]).backward(), by_every_method, &split_can);
    sums_do_not_drift(&last(BatchNorm::training(&[8, 64, 64, 2])), by_lanes, &columns_can);
    let one_sample = BatchNorm::training(&[1, 2, 64, 512]).backward();
    sums_do_not_drift(&one_sample, by_lanes, &|method| rows_can(method, 64 * 512));
    let given = |method| method == Method::Elementwise;
    sums_do_not_drift(&BatchNorm::inference(&[8, 2, 64, 64]).backward(), by_lanes, &given);
    sums_do_not_drift(&last(BatchNorm::inference(&[8, 64, 64, 2])), by_lanes, &given);
}

#[test]
fn gradients_of_instance_and_group_norm_do_not_drift() {
    // A few long samples, and many short ones.
    for shape in [&[2, 2, 256, 256][..], &[512, 2, 8, 8], &[1000, 2, 5, 5]] {
        let op = InstanceNorm::new(shape).weight(true).bias(true).backward();
        sums_do_not_drift(&op, by_lanes, &|method| rows_can(method, shape[2] * shape[3]));
        let last = InstanceNorm::new(&channels_last(shape)).weight(true).bias(true).layout(Layout::ChannelsLast);
        let last = last.backward();
        sums_do_not_drift(&last, by_lanes, &|method| backward_columns_can(method, false));
    }
    // Without a weight nothing is known of what is normalized.
    let biased = InstanceNorm::new(&[3, 6, 2, 4]).bias(true);
    conforms_by_lanes("no weight", &biased.backward(), &|method| rows_can(method, 8));
    conforms_by_lanes("bias alone", &biased.backward().grad_input(false), &split_can);
    let groups = GroupNorm::new(&[8, 4, 64, 64], 2).backward();
    sums_do_not_drift(&groups, by_lanes, &|method| rows_can(method, 2 * 64 * 64));
}

#[test]
fn gradients_of_rows_do_not_drift() {
    for op in [&LayerNorm::new(&[4096, 8], 1..).backward() as &dyn Norm, &RmsNorm::new(&[4096, 8], 1..).backward()] {
        sums_do_not_drift(op, by_lanes, &|method| rows_can(method, 8));
    }
}

#[test]
fn gradients_of_many_elements_do_not_drift() {
    // 2^24 elements of a weight, in stripes: lanes have large sums, which cancel as those of a team or of all teams.
    let count = 1 << 24;
    let op = BatchNorm::training(&[16, 1, 1024, 1024]).backward().grad_input(false).grad_bias(false);
    let mut random = Random::new(5);
    let input: Vec<f32> = (0..count).map(|i| (i % 64) as f32 + (random.bits() >> 40) as f32 * 6e-7).collect();
    let gradient = vec![0.3; count];
    let tensors = Tensors::new(&input).grad_output(&gradient);
    let truth = op.reference(&tensors).expect("reference");
    let together = Gpu::from_parts(gpu().queue().clone(), tuned(&[("merge_by_workgroup", 1)]));
    for (device, strategy) in [(gpu(), Strategy::Inferred), (&together, Strategy::Forced(Method::Split(Team::Lane)))] {
        let outputs = run(device, &op, &tensors, strategy).expect("runs");
        compare_outputs(&op, &outputs, &truth).expect("within the bound of one element");
    }
}

#[test]
fn gradients_of_activations_drift_by_their_slopes_alone() {
    let shape = [8, 1, 64, 64];
    let count = shape.iter().product();
    let input = Random::new(6).normal(count, 0.45, 0.22);
    let (weight, bias) = (vec![1.0], vec![0.0]);
    for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::None) {
        let op = BatchNorm::training(&shape).activation(activation).backward().grad_input(false);
        let sums = |gradient: &[f32]| {
            let tensors = Tensors::new(&input).weight(&weight).bias(&bias).grad_output(gradient);
            let outputs = run(gpu(), &op, &tensors, Strategy::Inferred).expect("runs");
            (outputs, op.reference(&tensors).expect("reference"))
        };
        // Those of large values by so much less that the sums cancel.
        let of =
            |above: f32, below: f32| input.iter().map(|&x| if x > 0.45 { above } else { below }).collect::<Vec<_>>();
        let sum = |gradient: &[f32], slot| sums(gradient).1.get(slot).map_or(0.0, |values| values[0]);
        for slot in [Slot::GradWeight, Slot::GradBias] {
            let ratio = -sum(&of(0.0, 1.0), slot) / sum(&of(1.0, 0.0), slot);
            let (outputs, truth) = sums(&of(ratio as f32, 1.0));
            let values = |outputs: Option<&[f32]>| f64::from(outputs.expect("a gradient")[0]);
            let off = (values(outputs.get(slot)) - truth.get(slot).expect("a gradient")[0]).abs();
            // What the docs grant the slope of an element: half a unit of the last digit of the largest.
            let granted = count as f64 * 2_f64.powi(-24) * truth.scale(slot);
            assert!(off <= slot_bound(slot, &truth) + granted, "{activation:?}, {slot}: off by {off:e}");
        }
    }
}
