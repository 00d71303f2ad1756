//! Every backward pass by every method against the f64 reference.

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
        conforms(why, &LayerNorm::new(&[rows, len], 1..).backward(), Can::Rows(len));
    }
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_of_more_shapes() {
    for &(why, rows, len) in MORE_ROWS {
        conforms(why, &LayerNorm::new(&[rows, len], 1..).backward(), Can::Rows(len));
    }
}

#[test]
fn more_rows_and_columns_than_workgroups_in_a_dimension() {
    conforms_as_inferred("70000 rows", &LayerNorm::new(&[70000, 5], 1..).backward());
    conforms_as_inferred("70000 columns of two rows", &LayerNorm::new(&[1, 2, 70000], 1..2).backward());
    conforms_as_inferred("65536 channels", &BatchNorm::training(&[2, 65536]).backward());
    conforms_as_inferred("66000 groups", &GroupNorm::new(&[33000, 4, 2], 2).backward());
}

/// Drivers end the loops of an invocation after 65535 iterations: these ops have more partial results of one statistic
/// or weight.
#[test]
#[ignore = "large tensors: cargo xtask test --all"]
fn partial_results_of_more_teams_than_one_invocation_merges() {
    let groups = GroupNorm::new(&[1, 300, 8192], 2).layout(Layout::ChannelsLast);
    conforms_as_inferred("4096 channels of a group", &groups);
    conforms_as_inferred("4096 channels of a group", &groups.backward());
    let wide = GroupNorm::new(&[1, 3, 40_000], 2).layout(Layout::ChannelsLast);
    conforms_as_inferred("as many channels as a group may have", &wide);
    conforms_as_inferred("as many channels as a group may have", &wide.backward());
    conforms_as_inferred("partial sums of many rows", &LayerNorm::new(&[2_200_000, 4], 1..).backward());
    let samples = InstanceNorm::new(&[29_999, 1, 2]).running_stats(RunningStats::PYTORCH);
    conforms_as_inferred("as many samples as a channel may have", &samples);
    conforms_as_inferred("partial sums of many samples", &BatchNorm::training(&[600_000, 5]).backward());
}

fn rms_norm_and_lp_normalize_of(shapes: &[(&str, usize, usize)], conforms: Conforms) {
    for &(why, rows, len) in shapes {
        let can = Can::Rows(len);
        conforms(why, &RmsNorm::new(&[rows, len], 1..).backward(), can);
        for order in [Order::L1, Order::L2] {
            let op = LpNormalize::new(&[rows, len], 1..).order(order);
            conforms(why, &op.clone().save_stats(true), can);
            conforms(why, &op.backward(), can);
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

/// Rows of three kinds: a norm above eps, a norm of zero, and a small norm below eps.
fn norms_below_eps(order: Order, len: usize, by: By) {
    let mut input = Random::new(2).normal(3 * len, 0.0, 1.0);
    input[len..2 * len].fill(0.0);
    input[2 * len..].iter_mut().for_each(|x| *x *= 1e-9);
    let op = LpNormalize::new(&[3, len], 1..).order(order).eps(0.5).save_stats(true);
    let data = Data::random(&op, 1).with(Slot::Input, input.clone());
    by("forward", &op, &data.tensors(), Can::Rows(len));
    let op = op.backward();
    let data = Data::random(&op, 1).with(Slot::Input, input);
    by("backward", &op, &data.tensors(), Can::Rows(len));
}

#[test]
fn a_norm_below_eps_is_a_constant_factor() {
    // Packs, and single elements.
    norms_below_eps(Order::L1, 8, by_lanes);
    norms_below_eps(Order::L2, 9, by_lanes);
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_norm_below_eps_is_a_constant_factor_by_every_method() {
    // Packs, single elements, and split rows.
    for len in [12, 13, 33000] {
        norms_below_eps(Order::L1, len, by_every_method);
        norms_below_eps(Order::L2, len, by_every_method);
    }
}

/// A shape, the axes to reduce, and the methods of the forward and of the backward pass.
type Middle = (&'static str, &'static [usize], std::ops::Range<usize>, Can, Can);

fn layer_norm_over_axes_in_the_middle_of(shapes: &[Middle]) {
    for &(why, shape, ref axes, forward, backward) in shapes {
        let op = LayerNorm::new(shape, axes.clone());
        conforms(why, &op.clone().save_stats(true), forward);
        conforms(why, &op.backward(), backward);
        let op = op.weight(false).bias(false);
        conforms_by_lanes(why, &op, forward);
        conforms_by_lanes(why, &op.backward(), backward);
        let op = RmsNorm::new(shape, axes.clone());
        conforms_by_lanes(why, &op.clone().save_stats(true), forward);
        conforms_by_lanes(why, &op.backward(), backward);
        let op = LpNormalize::new(shape, axes.clone()).order(Order::L1);
        conforms_by_lanes(why, &op, forward);
        conforms_by_lanes(why, &op.backward(), backward);
    }
}

#[test]
fn layer_norm_over_axes_in_the_middle() {
    use Can::{ColumnsAloneOrAcross, ColumnsOrAcross};
    layer_norm_over_axes_in_the_middle_of(&[
        ("ConvNeXt: over C of NCHW", &[2, 24, 7, 7], 1..2, ColumnsOrAcross(49), ColumnsAloneOrAcross(49)),
        ("the same in vec4s", &[3, 12, 4, 8], 1..2, ColumnsOrAcross(32), ColumnsAloneOrAcross(32)),
    ]);
    let op = LayerNorm::new(&[2, 5, 64, 160], 1..2);
    conforms("several blocks for a lane", &op.clone().save_stats(true), ColumnsOrAcross(64 * 160));
    conforms("several blocks for a lane", &op.backward(), ColumnsAloneOrAcross(64 * 160));
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_over_more_axes_in_the_middle() {
    use Can::{Columns, ColumnsAlone, ColumnsAloneOrAcross, ColumnsOrAcross, Rows};
    let blocks = "a block of rows across packs that is not whole";
    layer_norm_over_axes_in_the_middle_of(&[
        ("several blocks for a lane", &[2, 5, 64, 160], 1..2, ColumnsOrAcross(10240), ColumnsAloneOrAcross(10240)),
        ("two axes, odd", &[3, 5, 7, 3], 1..3, Columns, ColumnsAlone),
        ("the first axis: one sample", &[33, 12], 0..1, ColumnsOrAcross(12), ColumnsOrAcross(12)),
        ("more rows than a lane should take", &[1, 5000, 12], 1..2, ColumnsOrAcross(12), ColumnsOrAcross(12)),
        ("one column: rows", &[3, 7, 1, 1], 1..2, Rows(7), Rows(7)),
        (blocks, &[2, 70, 21, 52], 1..2, ColumnsOrAcross(1092), ColumnsAloneOrAcross(1092)),
    ]);
}

/// The shape with its channels last.
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
            conforms(why, &GroupNorm::new(shape, groups).weight(weight).bias(bias).backward(), Can::Rows(len));
        }
    }
}

fn group_norm_of_channels_last_of(shapes: &[(&str, &[usize], usize)]) {
    for &(why, shape, groups) in shapes {
        let is_one = shape[0] == 1 || groups == 1;
        let (forward, backward) = match shape[2..].iter().product() {
            // Groups of neighbouring channels are rows.
            1 => (Can::Rows(shape[1] / groups), Can::Rows(shape[1] / groups)),
            _ => (Can::Columns, Can::columns_backward(is_one)),
        };
        for affine in [true, false] {
            let op = GroupNorm::new(&channels_last(shape), groups).layout(Layout::ChannelsLast);
            let op = op.weight(affine).bias(affine);
            conforms(why, &op.clone().save_stats(true), forward);
            conforms(why, &op.backward(), backward);
        }
    }
}

#[test]
fn group_norm() {
    group_norm_of(GROUPS, &[(true, true)], conforms_by_lanes);
    group_norm_of(&[ODD_CHANNELS], &[(true, false), (false, true), (false, false)], conforms_by_lanes);
}

#[test]
fn group_norm_of_channels_last() {
    // Without a spatial axis both layouts are the same.
    let spatial: Vec<_> = GROUPS.iter().copied().filter(|(_, shape, _)| shape.len() > 2).collect();
    group_norm_of_channels_last_of(&spatial);
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

fn instance_norm_of(shapes: &[(&str, &[usize])], conforms: Conforms) {
    for &(why, shape) in shapes {
        let rows = Can::Rows(shape[2..].iter().product());
        for affine in [false, true] {
            let op = InstanceNorm::new(shape).weight(affine).bias(affine);
            conforms(why, &op.backward(), rows);
            let op = InstanceNorm::new(&channels_last(shape)).layout(Layout::ChannelsLast).weight(affine).bias(affine);
            conforms(why, &op.clone().save_stats(true), Can::Columns);
            conforms(why, &op.backward(), Can::columns_backward(shape[0] == 1));
        }
    }
}

#[test]
fn instance_norm_of_both_layouts() {
    instance_norm_of(&[("[N, C, L], odd", &[3, 5, 7]), ("[N, C, H, W], vec4s", &[2, 4, 4, 3])], conforms_by_lanes);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn instance_norm_of_more_shapes() {
    let shapes: [(&str, &[usize]); 5] = [
        ("[N, C, L], odd", &[3, 5, 7]),
        ("[N, C, H, W], vec4s", &[2, 4, 4, 3]),
        ("odd channels of 16 vec4s", &[2, 3, 8, 8]),
        ("[N, C, D, H, W]", &[2, 4, 2, 3, 4]),
        ("one sample, beyond 8 vec4s in 1024 lanes: split", &[1, 2, 40000]),
    ];
    instance_norm_of(&shapes, conforms);
}

#[test]
fn many_samples_share_the_weights_of_one_group() {
    let group = |shape: &[usize]| GroupNorm::new(shape, 1).backward();
    let instance = |shape: &[usize]| InstanceNorm::new(shape).weight(true).bias(true).backward();
    all_conform(
        "weights of one group",
        vec![
            ("one channel of two elements", Box::new(group(&[900, 1, 2])), Can::Rows(2)),
            ("one channel of two elements", Box::new(instance(&[900, 1, 2])), Can::Rows(2)),
            ("one channel of two vec4s", Box::new(group(&[900, 1, 8])), Can::Rows(8)),
            ("one channel of two vec4s", Box::new(instance(&[900, 1, 8])), Can::Rows(8)),
            ("channels that end inside of packs", Box::new(group(&[300, 4, 9])), Can::Rows(36)),
            ("channels of a vec4", Box::new(group(&[300, 3, 4])), Can::Rows(12)),
        ],
        conforms_by_lanes,
    );
}

fn batch_norm_training_of(shapes: &[(&str, &[usize])]) {
    for &(why, shape) in shapes {
        let can = match shape {
            [1, _, spatial @ ..] => Can::Rows(spatial.iter().product()),
            _ => Can::batch_norm(shape),
        };
        for affine in [true, false] {
            // Running statistics belong to the forward pass: the backward pass does not bind them.
            let op = BatchNorm::training(shape).weight(affine).bias(affine).running_stats(RunningStats::PYTORCH);
            conforms(why, &op.backward(), can);
            let op =
                BatchNorm::training(&channels_last(shape)).layout(Layout::ChannelsLast).weight(affine).bias(affine);
            let tracked = op.clone().save_stats(true).running_stats(RunningStats::CUMULATIVE);
            conforms(why, &tracked, Can::Columns);
            conforms(why, &op.backward(), Can::Columns);
        }
    }
}

#[test]
fn batch_norm_training() {
    // One sample has a test of its own.
    let batches: Vec<_> = IMAGES.iter().copied().filter(|(_, shape)| shape[0] > 1).collect();
    batch_norm_training_of(&batches);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn batch_norm_training_of_more_shapes() {
    batch_norm_training_of(MORE_IMAGES);
}

#[test]
fn batch_norm_saves_statistics_for_its_backward_pass() {
    let shapes: [(&str, &[usize]); 3] = [
        ("[N, C], odd channels", &[129, 7]),
        ("[N, C, L], vec4s", &[4, 3, 64]),
        ("[N, C, H, W], everything odd", &[3, 5, 7, 3]),
    ];
    for (why, shape) in shapes {
        let can = Can::batch_norm(shape);
        let op = BatchNorm::training(shape).save_for_backward(true);
        conforms(why, &op.clone().save_stats(true), can);
        conforms(why, &op.backward(), can);
        let op = BatchNorm::training(&channels_last(shape)).layout(Layout::ChannelsLast).save_for_backward(true);
        let activated = op.clone().residual(true).activation(Activation::Relu);
        conforms(why, &activated, Can::Columns);
        conforms(why, &activated.backward(), Can::Columns);
        conforms(why, &op.backward().grad_input(false), Can::Columns);
    }
}

#[test]
fn saved_statistics_have_the_digits_of_a_mean_beyond_f32() {
    let op = BatchNorm::training(&[4, 3, 100]).save_for_backward(true);
    let input = Random::new(9).normal(1200, 1e6, 1.0);
    let forward = Data::random(&op, 9).with(Slot::Input, input.clone());
    let saved = run(gpu(), &op, &forward.tensors(), Strategy::Inferred).expect("forward").statistics().to_vec();
    let (plain, op) = (BatchNorm::training(&[4, 3, 100]).backward(), op.backward());
    let data = Data::random(&op, 9).with(Slot::Input, input).with(Slot::Statistics, saved);
    let outputs = run(gpu(), &op, &data.tensors(), Strategy::Inferred).expect("backward");
    let without = data.without(Slot::Statistics);
    let truth = plain.reference(&without.tensors()).expect("reference");
    compare_outputs(&plain, &outputs, &truth).expect("as if the backward pass took the statistics");
}

#[test]
fn batch_norm_of_one_sample_is_of_rows() {
    let op = BatchNorm::training(&[1, 3, 20, 20]);
    conforms("one sample", &op, Can::Rows(400));
    conforms("one sample", &op.backward(), Can::Rows(400));
    conforms("one sample, tracked", &op.running_stats(RunningStats::PYTORCH), Can::Split);
}

fn batch_norm_inference_of(shapes: &[(&str, &[usize])]) {
    for &(why, shape) in shapes {
        for affine in [true, false] {
            let op = BatchNorm::inference(shape).weight(affine).bias(affine);
            conforms(why, &op.backward(), Can::Elementwise);
            let op =
                BatchNorm::inference(&channels_last(shape)).layout(Layout::ChannelsLast).weight(affine).bias(affine);
            conforms(why, &op, Can::Elementwise);
            conforms(why, &op.backward(), Can::Elementwise);
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
fn gradients_that_are_not_wanted_bind_nothing() {
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
    let inference = BatchNorm::inference(&[3, 4, 5]).backward();
    let inference_input = inference.clone().grad_weight(false).grad_bias(false);
    assert_eq!(slots(&inference_input), "weight grad_output running_mean running_var grad_input");
    let inference_bias = inference.clone().grad_input(false).grad_weight(false);
    assert_eq!(slots(&inference_bias), "grad_output grad_bias");

    let training = BatchNorm::training(&[3, 4, 5]).backward();
    let groups = GroupNorm::new(&[3, 4, 5], 2).backward();
    all_conform(
        "gradients of",
        vec![
            ("weight and bias", Box::new(weights), Can::RowSums(12)),
            ("bias", Box::new(bias), Can::RowSums(12)),
            ("input", Box::new(input), Can::Rows(12)),
            ("input and bias", Box::new(op.grad_weight(false)), Can::Rows(12)),
            ("all", Box::new(inference.clone()), Can::Elementwise),
            ("input", Box::new(inference_input), Can::Elementwise),
            ("bias", Box::new(inference_bias), Can::Elementwise),
            ("weight and bias", Box::new(inference.grad_input(false)), Can::Elementwise),
            ("weight and bias", Box::new(training.clone().grad_input(false)), Can::Split),
            ("input and bias", Box::new(training.clone().grad_weight(false)), Can::Split),
            ("input", Box::new(training.grad_weight(false).grad_bias(false)), Can::Split),
            ("weight and bias", Box::new(groups.clone().grad_input(false)), Can::Split),
            ("input", Box::new(groups.grad_weight(false).grad_bias(false)), Can::Rows(10)),
        ],
        conforms_by_lanes,
    );
}

/// An optimizer that updates all parameters in one dispatch keeps them so.
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
fn gradients_of_weight_and_bias_accumulate() {
    conforms_by_lanes("layer norm", &LayerNorm::new(&[50, 9], 1..).backward().accumulate(true), Can::Rows(9));
    conforms("batch norm", &BatchNorm::training(&[5, 3, 7]).backward().accumulate(true), Can::Split);
}

/// An activation is a part of its own, and the same in all kernels.
#[test]
fn every_activation_is_differentiated() {
    for activation in Activation::ALL {
        let op = LayerNorm::new(&[7, 8], 1..).activation(activation);
        conforms_as_inferred(activation.name(), &op);
        conforms_as_inferred(activation.name(), &op.backward());
    }
}

/// The code around an activation does not depend on which activation it is.
fn an_activation(activation: Activation, len: usize) -> Vec<Case> {
    let layer = LayerNorm::new(&[7, len], 1..).activation(activation);
    let rms = RmsNorm::new(&[7, len], 1..).activation(activation);
    let group = GroupNorm::new(&[3, 4, len], 2).activation(activation);
    let l2 = LpNormalize::new(&[7, len], 1..).activation(activation);
    let (bias, weight) = (layer.clone().weight(false), layer.clone().bias(false));
    let plain = bias.clone().bias(false);
    let weights = layer.backward().grad_input(false);
    vec![
        ("bias alone", Box::new(bias.backward()), Can::Rows(len)),
        ("bias alone", Box::new(bias), Can::Rows(len)),
        ("weight alone", Box::new(weight.backward()), Can::Rows(len)),
        ("weight alone", Box::new(weight), Can::Rows(len)),
        ("neither weight nor bias", Box::new(plain.backward()), Can::Rows(len)),
        ("neither weight nor bias", Box::new(plain), Can::Rows(len)),
        ("the bias's gradient alone", Box::new(weights.clone().grad_weight(false)), Can::RowSums(len)),
        ("gradients of weight and bias alone", Box::new(weights), Can::RowSums(len)),
        ("without a mean", Box::new(rms.backward()), Can::Rows(len)),
        ("a weight for each channel", Box::new(group.backward()), Can::Rows(2 * len)),
        ("a weight for each channel", Box::new(group), Can::Rows(2 * len)),
        ("no weight", Box::new(l2.backward()), Can::Rows(len)),
        ("no weight", Box::new(l2), Can::Rows(len)),
    ]
}

#[test]
fn an_activation_is_differentiated_in_every_op() {
    all_conform("GELU", an_activation(Activation::Gelu, 8), conforms_by_lanes);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn an_activation_is_differentiated_in_every_op_by_every_method() {
    // The derivative of ReLU follows from the sign alone. Packs, and single elements.
    for activation in [Activation::Relu, Activation::Gelu] {
        all_conform(activation.name(), an_activation(activation, 8), conforms);
        all_conform(activation.name(), an_activation(activation, 9), conforms);
    }
}

#[test]
fn derivatives_far_from_zero_keep_their_digits() {
    let centers = [
        ("the tail of GELU", 3.0),
        ("the tail of sigmoid", 10.0),
        ("near the bound of GELU", 13.0),
        ("near the bound of GELU by tanh", 18.0),
        ("sigmoid is 1 in f32", 40.0),
        ("exp is almost subnormal", 86.0),
        ("exp is 0", 3000.0),
        ("cubes overflow", 1e18),
    ];
    for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::None) {
        let op = BatchNorm::inference(&[64, 3]).eps(0.0).weight(false).bias(false).activation(activation).backward();
        for (why, center) in centers.into_iter().flat_map(|(why, center)| [(why, center), (why, -center)]) {
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
            let name = format!("{activation:?} near {center}: {why}");
            compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// An activation and its derivative, as the adapter and the reference have them. Rows of zeros leave the bias alone.
fn of_arguments(activation: Activation, arguments: &[f32]) -> [(Slot, Vec<f32>, Vec<f64>); 2] {
    let op = LayerNorm::new(&[1, arguments.len()], 1..).weight(false).activation(activation);
    let backward = op.backward().grad_input(false);
    let (ones, zeros) = (vec![1.0; arguments.len()], vec![0.0; arguments.len()]);
    let tensors = Tensors::new(&zeros).bias(arguments);
    let values = |op: &dyn Norm, slot, tensors: &Tensors<'_>| {
        let truth = op.reference(tensors).expect("reference");
        let outputs = run(gpu(), op, tensors, Strategy::Inferred).expect("run");
        (slot, outputs.get(slot).expect("values").to_vec(), truth.get(slot).expect("values").to_vec())
    };
    [values(&op, Slot::Output, &tensors), values(&backward, Slot::GradBias, &tensors.clone().grad_output(&ones))]
}

#[test]
fn derivatives_at_bends_are_those_of_pytorch() {
    for (activation, derivatives) in [
        (Activation::Relu, [0.0, 0.0, 1.0, 1.0]),
        (Activation::LeakyRelu, [0.01, 0.01, 1.0, 1.0]),
        (Activation::Relu6, [0.0, 0.0, 1.0, 0.0]),
        (Activation::HardSwish, [0.0, 0.5, 1.0, 1.0]),
    ] {
        let [_, (_, found, expected)] = of_arguments(activation, &[-3.0, 0.0, 3.0, 6.0]);
        assert_eq!(expected, derivatives, "{activation:?}, the reference");
        assert_eq!(found, derivatives.map(|value| value as f32), "{activation:?}");
    }
}

/// Elements have bounds of their own: beside 3e38, the bound of the whole output would hide all others.
#[test]
fn activations_of_all_magnitudes_are_right() {
    let sizes = [1e-30, 1e-8, 1e-3, 0.1, 1.0, 2.999, 3.001, 5.999, 6.001, 14.5, 19.9, 20.1, 51.0, 52.0, 300.0, 1e19];
    let sizes = sizes.into_iter().chain([1e38, 3.4e38]);
    let arguments: Vec<f32> = sizes.flat_map(|size| [size, -size]).collect();
    for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::None) {
        for (slot, found, expected) in of_arguments(activation, &arguments) {
            for ((u, found), expected) in arguments.iter().zip(found).zip(expected) {
                let off = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
                assert!(off <= 2e-6, "{activation:?} of {u}, {slot}: {found:e}, expected {expected:e}");
            }
        }
    }
}

#[test]
fn softplus_keeps_its_digits_near_zero() {
    let arguments: Vec<f32> = (0..86).map(|i| -(i as f32)).collect();
    let [(_, found, expected), _] = of_arguments(Activation::Softplus, &arguments);
    for ((u, found), expected) in arguments.iter().zip(found).zip(expected) {
        let off = (f64::from(found) - expected).abs() / expected;
        assert!(off <= 2e-5, "softplus({u}) is {found:e}, expected {expected:e}");
    }
}

#[test]
fn batch_norm_adds_a_residual_before_the_activation() {
    for activation in [Activation::None, Activation::Relu, Activation::Gelu] {
        let why = activation.name();
        for shape in [&[3, 5, 7][..], &[9, 8]] {
            let can = Can::batch_norm(shape);
            let op = BatchNorm::training(shape).residual(true).activation(activation);
            conforms_by_lanes(why, &op.clone().running_stats(RunningStats::PYTORCH), can);
            let backward = op.backward();
            assert_eq!(backward.gradients.residual, activation != Activation::None);
            conforms_by_lanes(why, &backward, can);
            if activation != Activation::None {
                let residual = backward.grad_input(false).grad_weight(false).grad_bias(false);
                conforms_by_lanes("the residual alone", &residual, can);
            }
            let op = BatchNorm::inference(shape).residual(true).activation(activation);
            conforms(why, &op, Can::Elementwise);
            conforms(why, &op.backward(), Can::Elementwise);
        }
        // Channels of a single sample are rows, whose kernels write no gradient of the residual.
        let single = BatchNorm::training(&[1, 5, 7]).residual(true).activation(activation);
        conforms_as_inferred(why, &single.backward());
    }
}

/// Norms of rows with a residual; one of the two writes the sum.
fn residuals_before_norms_of_rows(len: usize, layer_writes: bool) -> Vec<Case> {
    let layer = LayerNorm::new(&[3, len], 1..).residual(true).residual_output(layer_writes);
    let rms = RmsNorm::new(&[3, len], 1..).residual(true).residual_output(!layer_writes);
    let why = |writes| if writes { "a sum that is written" } else { "a sum that is not written" };
    vec![
        (why(layer_writes), Box::new(layer.backward()), Can::Rows(len)),
        (why(layer_writes), Box::new(layer), Can::Rows(len)),
        (why(!layer_writes), Box::new(rms.backward()), Can::Rows(len)),
        (why(!layer_writes), Box::new(rms), Can::Rows(len)),
    ]
}

fn residuals_before_other_norms(writes: bool) -> Vec<Case> {
    let group = GroupNorm::new(&[3, 4, 7], 2).residual(true).residual_output(writes);
    let columns = LayerNorm::new(&[3, 6, 8], 1..2).residual(true).residual_output(writes);
    let why = if writes { "a sum that is written" } else { "a sum that is not written" };
    vec![
        (why, Box::new(group.backward()), Can::Rows(14)),
        (why, Box::new(group), Can::Rows(14)),
        (why, Box::new(columns.backward()), Can::ColumnsAloneOrAcross(8)),
        (why, Box::new(columns), Can::ColumnsOrAcross(8)),
    ]
}

#[test]
fn a_residual_before_the_norm_shares_the_gradient_of_the_input() {
    all_conform("packs", residuals_before_norms_of_rows(8, false), conforms_by_lanes);
    all_conform("single elements", residuals_before_norms_of_rows(9, true), conforms_by_lanes);
    all_conform("other norms", residuals_before_other_norms(false), conforms_by_lanes);
    all_conform("other norms", residuals_before_other_norms(true), conforms_by_lanes);
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_residual_before_the_norm_shares_the_gradient_of_the_input_by_every_method() {
    for writes in [false, true] {
        for (rows, len) in [("packs", 12), ("single elements", 13), ("split rows", 33000)] {
            all_conform(rows, residuals_before_norms_of_rows(len, writes), conforms);
        }
        all_conform("other norms", residuals_before_other_norms(writes), conforms);
    }
}

#[test]
fn a_large_residual_is_added_as_f32_adds_it() {
    for (why, len) in [("packs", 8), ("split rows", 33000)] {
        let far = vec![1e6; 2 * len];
        let op = LayerNorm::new(&[2, len], 1..).residual(true).save_stats(true);
        let forward = |op: &LayerNorm| {
            let data = Data::random(op, 3).with(Slot::Residual, far.clone());
            by_lanes(why, op, &data.tensors(), Can::Rows(len));
        };
        forward(&op);
        let backward = op.backward();
        let data = Data::random(&backward, 3).with(Slot::Residual, far.clone());
        by_lanes(why, &backward, &data.tensors(), Can::Rows(len));

        // The backward pass reads the sum that the forward pass wrote.
        let op = op.residual_output(true);
        forward(&op);
        let backward = op.backward();
        by_lanes(why, &backward, &Data::random(&backward, 3).tensors(), Can::Rows(len));
    }
}

#[test]
fn a_gradient_is_as_exact_as_its_terms() {
    // rstd scales small inputs up. The gradient is parallel to the input: most of it cancels.
    let small: Vec<f32> = Random::new(4).normal(64, 1.25e-3, 2e-4);
    let along: Vec<f32> = small.iter().map(|x| 1e3 * x).collect();
    let ops: [&dyn Norm; 3] = [
        &LpNormalize::new(&[8, 8], 1..).backward(),
        &RmsNorm::new(&[8, 8], 1..).eps(0.0).backward(),
        &LayerNorm::new(&[8, 8], 1..).eps(0.0).backward(),
    ];
    for op in ops {
        let data = Data::random(op, 5).with(Slot::Input, small.clone()).with(Slot::GradOutput, along.clone());
        by_lanes("small", op, &data.tensors(), Can::Rows(8));
    }
}

fn weights_of_each_sample_of(len: usize, zero_centered: bool) -> Vec<Case> {
    let layer = LayerNorm::new(&[3, 5, len], 2..).per_sample(true).zero_centered(zero_centered);
    let rms = RmsNorm::new(&[3, 5, len], 2..).per_sample(true).zero_centered(zero_centered).bias(true);
    let middle = LayerNorm::new(&[3, 5, len], 1..2).per_sample(true).zero_centered(zero_centered);
    let group = GroupNorm::new(&[3, 4, len], 2).per_sample(true).zero_centered(zero_centered);
    let last = GroupNorm::new(&[3, len, 4], 2).layout(Layout::ChannelsLast).per_sample(true);
    vec![
        ("five rows a sample", Box::new(layer.backward()), Can::Rows(len)),
        ("five rows a sample", Box::new(layer), Can::Rows(len)),
        ("without a mean", Box::new(rms.backward()), Can::Rows(len)),
        ("without a mean", Box::new(rms), Can::Rows(len)),
        ("an axis in the middle", Box::new(middle.backward()), Can::ColumnsAlone),
        ("an axis in the middle", Box::new(middle), Can::Columns),
        ("channels first", Box::new(group.backward()), Can::Rows(2 * len)),
        ("channels first", Box::new(group), Can::Rows(2 * len)),
        ("channels last", Box::new(last.backward()), Can::ColumnsAlone),
        ("channels last", Box::new(last), Can::Columns),
    ]
}

#[test]
fn weights_of_each_sample() {
    all_conform("single elements, plain weights", weights_of_each_sample_of(9, false), conforms_by_lanes);
    all_conform("packs, zero-centered weights", weights_of_each_sample_of(8, true), conforms_by_lanes);
    let op = LayerNorm::new(&[3, 8], 1..).per_sample(true);
    conforms("a row a sample", &op.backward(), Can::Rows(8));
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn weights_of_each_sample_by_every_method() {
    for zero_centered in [false, true] {
        all_conform("packs", weights_of_each_sample_of(12, zero_centered), conforms);
        all_conform("single elements", weights_of_each_sample_of(13, zero_centered), conforms);
    }
}

fn gradients_of_hard_rows_of(lengths: &[(&str, usize)]) {
    for &(why, len) in lengths {
        for (name, row) in hard_rows(len) {
            let op = LayerNorm::new(&[1, len], 1..).backward();
            let data = Data::random(&op, 4).with(Slot::Input, row);
            by_every_method(&format!("{name}, {why}"), &op, &data.tensors(), Can::Rows(len));
        }
    }
}

#[test]
fn gradients_of_hard_rows() {
    gradients_of_hard_rows_of(&[("single elements", 33), ("MiniLM's width", 384), ("split rows", 33000)]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn gradients_of_more_hard_rows() {
    let beyond = "single elements, beyond what 8 lanes hold";
    gradients_of_hard_rows_of(&[("BERT's width", 768), (beyond, 1023), ("a wide transformer", 4096)]);
}

#[test]
fn gradients_of_hard_channels() {
    let shapes: [(&str, &[usize]); 3] =
        [("vec4s", &[4, 3, 100]), ("single elements", &[4, 3, 99]), ("columns", &[400, 3])];
    for (name, column) in hard_rows(1200) {
        for (why, shape) in shapes {
            // All channels have hard values: 1200 elements, or the first 1188.
            let input = column[..shape.iter().product()].to_vec();
            let op = BatchNorm::training(shape).backward();
            let data = Data::random(&op, 5).with(Slot::Input, input);
            by_every_method(&format!("{name}, {why}"), &op, &data.tensors(), Can::batch_norm(shape));
        }
    }
}

#[test]
fn the_gradient_of_an_empty_batch_is_zero_or_unchanged() {
    let op = LayerNorm::new(&[0, 4], 1..).backward();
    let empty = Tensors::new(&[]).grad_output(&[]).weight(&[1.0; 4]);
    let outputs = gpu().run(&op, &empty).expect("zeros");
    assert_eq!((outputs.grad_weight(), outputs.grad_bias()), (&[0.0; 4][..], &[0.0; 4][..]));
    assert_eq!(outputs.get(Slot::GradInput), Some(&[][..]));
    let there = [1.0, 2.0, 3.0, 4.0];
    let outputs = gpu().run(&op.accumulate(true), &empty.grad_weight(&there).grad_bias(&there)).expect("untouched");
    assert_eq!((outputs.grad_weight(), outputs.grad_bias()), (&there[..], &there[..]));
}

#[test]
fn a_nan_touches_the_gradient_of_its_own_row_only() {
    for (why, len) in [("packs", 12), ("single elements", 33)] {
        let op = LayerNorm::new(&[3, len], 1..).backward().grad_weight(false).grad_bias(false);
        let clean = Data::random(&op, 6);
        for method in Can::Rows(len).methods() {
            let grad_input = |data: &Data| {
                let outputs = run(gpu(), &op, &data.tensors(), Strategy::Forced(method)).expect("runs");
                outputs.grad_input().to_vec()
            };
            let expected = grad_input(&clean);
            for slot in [Slot::Input, Slot::GradOutput] {
                let mut values = clean.tensors().get(slot).expect("there").to_vec();
                values[len + 1] = f32::NAN;
                let output = grad_input(&Data::random(&op, 6).with(slot, values));
                for (i, (a, e)) in output.iter().zip(&expected).enumerate() {
                    let is_right = if i / len == 1 { a.is_nan() } else { a == e };
                    assert!(is_right, "{why}, {method}, {slot}: [{i}] = {a}");
                }
            }
        }
    }
}

#[test]
fn the_same_gradients_have_the_same_bits() {
    let last = GroupNorm::new(&[4, 70, 12], 3).layout(Layout::ChannelsLast);
    let cases: [Case; 3] = [
        ("partial sums of rows", Box::new(LayerNorm::new(&[70, 36], 1..).backward()), Can::Rows(36)),
        ("partial sums of channels", Box::new(BatchNorm::training(&[9, 5, 700]).backward()), Can::Split),
        ("partial sums of columns", Box::new(last.backward()), Can::ColumnsAlone),
    ];
    for (why, op, can) in cases {
        let data = Data::random(&*op, 7);
        for method in can.methods() {
            let once = run(gpu(), &*op, &data.tensors(), Strategy::Forced(method)).expect("once");
            for _ in 0..3 {
                let again = run(gpu(), &*op, &data.tensors(), Strategy::Forced(method)).expect("again");
                assert_eq!(once, again, "{why}: {}, {method}", op.name());
            }
        }
    }
}

/// Inputs with rounding errors that are alike: they repeat, have a mean, or change slowly along the tensor.
fn drifting_inputs(random: &mut Random, count: usize) -> Vec<(&'static str, Vec<f32>)> {
    let uniform: Vec<f32> = (0..count).map(|_| random.uniform() as f32).collect();
    let normal = random.normal(count, 0.0, 1.0);
    vec![
        ("from 0 to 10", uniform.iter().map(|u| 10.0 * u).collect()),
        ("half of them zero", normal.iter().map(|x| x.max(0.0)).collect()),
        ("bytes", uniform.iter().map(|u| (u * 255.0).round() / 255.0).collect()),
        ("1e6 and more", normal.iter().map(|x| 1e6 + x).collect()),
        ("a ramp", (0..count).map(|i| i as f32 / count as f32).collect()),
        ("few and small", uniform.iter().map(|&u| if u < 0.01 { 0.9 } else { 1.234e-4 }).collect()),
    ]
}

/// Gradients of the output with rounding errors that are alike, besides ones.
fn drifting_gradients(random: &mut Random, count: usize) -> Vec<(&'static str, Vec<f32>)> {
    vec![
        ("0.3", vec![0.3; count]),
        ("N(1, 1)", random.normal(count, 1.0, 1.0)),
        ("one sign", random.normal(count, 0.0, 1.0).iter().map(|g| g.abs()).collect()),
    ]
}

/// Holds the sums over the elements of a weight to the bound of one element: gradients of ones by many methods, others
/// by the inferred method.
fn sums_do_not_drift(op: &dyn Norm, by: By, can: Can) {
    let random = &mut Random::new(7);
    let data = Data::random(op, 7);
    let count = data.tensors().get(Slot::Input).map_or(0, <[f32]>::len);
    let inputs = drifting_inputs(random, count);
    let gradients = drifting_gradients(random, count);
    for (input, x) in inputs {
        let data = data.clone().with(Slot::Input, x);
        let ones = data.clone().with(Slot::GradOutput, vec![1.0; count]);
        by(&format!("{input}, ones"), op, &ones.tensors(), can);
        for (gradient, g) in &gradients {
            let data = data.clone().with(Slot::GradOutput, g.clone());
            let truth = op.reference(&data.tensors()).expect("reference");
            let outputs = run(gpu(), op, &data.tensors(), Strategy::Inferred).expect("runs");
            let name = format!("{input}, {gradient}: {}, {:?}", op.name(), op.shape());
            compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn gradients_of_batch_norm_do_not_drift() {
    let last = |op: BatchNorm| op.layout(Layout::ChannelsLast).backward();
    sums_do_not_drift(&BatchNorm::training(&[8, 2, 64, 64]).backward(), by_every_method, Can::Split);
    sums_do_not_drift(&last(BatchNorm::training(&[8, 64, 64, 2])), by_lanes, Can::Columns);
    let one_sample = BatchNorm::training(&[1, 2, 64, 512]).backward();
    sums_do_not_drift(&one_sample, by_lanes, Can::Rows(64 * 512));
    sums_do_not_drift(&BatchNorm::inference(&[8, 2, 64, 64]).backward(), by_lanes, Can::Elementwise);
    sums_do_not_drift(&last(BatchNorm::inference(&[8, 64, 64, 2])), by_lanes, Can::Elementwise);
}

#[test]
fn gradients_of_instance_and_group_norm_do_not_drift() {
    // A few long samples, many short ones, and many odd ones.
    for shape in [&[2, 2, 256, 256][..], &[512, 2, 8, 8], &[1000, 2, 5, 5]] {
        let op = InstanceNorm::new(shape).weight(true).bias(true);
        sums_do_not_drift(&op.backward(), by_lanes, Can::Rows(shape[2] * shape[3]));
        let op = InstanceNorm::new(&channels_last(shape)).weight(true).bias(true).layout(Layout::ChannelsLast);
        sums_do_not_drift(&op.backward(), by_lanes, Can::ColumnsAlone);
    }
    // Without a weight: the gradient of the bias alone needs no statistics.
    let biased = InstanceNorm::new(&[3, 6, 2, 4]).bias(true);
    conforms_by_lanes("no weight", &biased.backward(), Can::Rows(8));
    conforms_by_lanes("bias alone", &biased.backward().grad_input(false), Can::Split);
    let groups = GroupNorm::new(&[8, 4, 64, 64], 2).backward();
    sums_do_not_drift(&groups, by_lanes, Can::Rows(2 * 64 * 64));
}

#[test]
fn gradients_of_rows_do_not_drift() {
    sums_do_not_drift(&LayerNorm::new(&[4096, 8], 1..).backward(), by_lanes, Can::Rows(8));
    sums_do_not_drift(&RmsNorm::new(&[4096, 8], 1..).backward(), by_lanes, Can::Rows(8));
}

#[test]
fn gradients_of_many_elements_do_not_drift() {
    // 2^24 elements of a weight, in stripes: lanes have large sums, which cancel in the sum of a team or of all teams.
    let count = 1 << 24;
    let op = BatchNorm::training(&[16, 1, 1024, 1024]).backward().grad_input(false).grad_bias(false);
    let mut random = Random::new(5);
    let input: Vec<f32> = (0..count).map(|i| (i % 64) as f32 + (random.bits() >> 40) as f32 * 6e-7).collect();
    let gradient = vec![0.3; count];
    let tensors = Tensors::new(&input).grad_output(&gradient);
    let truth = op.reference(&tensors).expect("reference");
    let merging = Gpu::from_parts(gpu().queue().clone(), tuned(&[("merge_by_workgroup", 1)]));
    for (device, strategy) in [(gpu(), Strategy::Inferred), (&merging, Strategy::Forced(Method::Split(Team::Lane)))] {
        let outputs = run(device, &op, &tensors, strategy).expect("runs");
        compare_outputs(&op, &outputs, &truth).expect("within the bound of one element");
    }
}

#[test]
fn gradients_of_activations_drift_by_their_derivatives_alone() {
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
        // Gradients of values above the mean are smaller, so that the sums cancel.
        let of =
            |above: f32, below: f32| input.iter().map(|&x| if x > 0.45 { above } else { below }).collect::<Vec<_>>();
        let sum = |gradient: &[f32], slot| sums(gradient).1.get(slot).map_or(0.0, |values| values[0]);
        for slot in [Slot::GradWeight, Slot::GradBias] {
            let ratio = -sum(&of(0.0, 1.0), slot) / sum(&of(1.0, 0.0), slot);
            let (outputs, truth) = sums(&of(ratio as f32, 1.0));
            let values = |outputs: Option<&[f32]>| f64::from(outputs.expect("a gradient")[0]);
            let off = (values(outputs.get(slot)) - truth.get(slot).expect("a gradient")[0]).abs();
            // The documented error of a derivative: half a unit in the last place of the largest.
            let granted = count as f64 * 2_f64.powi(-24) * truth.scale(slot);
            assert!(off <= slot_bound(slot, &truth) + granted, "{activation:?}, {slot}: off by {off:e}");
        }
    }
}
