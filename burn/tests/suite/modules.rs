//! The modules beside those of burn.

use burn::{
    module::{Initializer, Module, Param},
    nn,
    tensor::{Device, Tensor, Tolerance},
};
use wgpu_norm_burn::{
    modules::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RmsNorm},
    wgpu_norm::testing::Random,
};

use crate::ops::tensor;

fn input(device: &Device) -> Tensor<3> {
    let values = Random::new(1).normal(3 * 4 * 10, 3.0, 2.0);
    tensor(&values, &[3, 4, 10], Default::default(), device)
}

fn parameter(seed: u64, len: usize, device: &Device) -> Param<Tensor<1>> {
    let values = Random::new(seed).normal(len, 0.5, 1.0);
    Param::from_tensor(tensor(&values, &[len], Default::default(), device))
}

fn same<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>) {
    ours.into_data().assert_approx_eq::<f32>(&theirs.into_data(), Tolerance::absolute(1e-4));
}

#[test]
fn modules_compute_what_burns_do() {
    let device = crate::pooled();
    let x = input(&device);
    let mut layer = nn::LayerNormConfig::new(10).with_epsilon(0.3).init(&device);
    (layer.gamma, layer.beta) = (parameter(2, 10, &device), Some(parameter(3, 10, &device)));
    same(LayerNorm::from(layer.clone()).forward(x.clone()), layer.forward(x.clone()));
    assert_eq!(LayerNorm::from(layer.clone()).epsilon, 0.3);
    let (output, sum) = LayerNorm::from(layer.clone()).forward_add(x.clone(), x.clone());
    same(output, layer.forward(x.clone() * 2.0));
    same(sum, x.clone() * 2.0);

    let mut rms = nn::RmsNormConfig::new(10).with_epsilon(0.3).init(&device);
    rms.gamma = parameter(2, 10, &device);
    same(RmsNorm::from(rms.clone()).forward(x.clone()), rms.forward(x.clone()));

    let mut group = nn::GroupNormConfig::new(2, 4).with_epsilon(0.3).init(&device);
    (group.gamma, group.beta) = (Some(parameter(2, 4, &device)), Some(parameter(3, 4, &device)));
    same(GroupNorm::from(group.clone()).forward(x.clone()), group.forward(x.clone()));

    let instance = nn::InstanceNormConfig::new(4).with_epsilon(0.3).with_affine(false).init(&device);
    same(InstanceNorm::from(instance.clone()).forward(x.clone()), instance.forward(x));
}

#[test]
fn batch_norm_trains_and_infers_as_burns_does() {
    let device = crate::pooled();
    let training = device.clone().autodiff();
    let x = input(&device);
    let theirs = nn::BatchNormConfig::new(4).with_momentum(0.3).init(&training);
    // A clone of burn's module shares its running statistics.
    let ours = BatchNorm::from(nn::BatchNormConfig::new(4).with_momentum(0.3).init(&training));
    for _ in 0..3 {
        let of_batch = Tensor::from_inner(x.clone());
        same(ours.forward(of_batch.clone()).inner(), theirs.forward(of_batch).inner());
    }
    same(ours.running_mean.value_sync().inner(), theirs.running_mean.value_sync().inner());
    same(ours.running_var.value_sync().inner(), theirs.running_var.value_sync().inner());
    same(ours.valid().forward(x.clone()), theirs.valid().forward(x));
}

/// Records go through bytes, and from each module to the other one.
#[test]
fn records_load_into_each_other() {
    let device = crate::pooled();
    let mut theirs = nn::LayerNormConfig::new(10).init(&device);
    (theirs.gamma, theirs.beta) = (parameter(2, 10, &device), Some(parameter(3, 10, &device)));
    let x = input(&device);
    let expected = theirs.forward(x.clone());
    let bytes = theirs.into_record().into_bytes().unwrap();
    let empty = LayerNorm::from(nn::LayerNormConfig::new(10).init(&device));
    let ours = empty.load_record(burn::store::ModuleRecord::from_bytes(bytes).unwrap());
    same(ours.forward(x.clone()), expected.clone());
    let bytes = ours.into_record().into_bytes().unwrap();
    let empty = nn::LayerNormConfig::new(10).init(&device);
    same(empty.load_record(burn::store::ModuleRecord::from_bytes(bytes).unwrap()).forward(x.clone()), expected);

    macro_rules! both_ways {
        ($theirs:expr, $module:ident, $config:expr) => {
            let theirs = $theirs;
            let expected = theirs.forward(x.clone());
            let ours = $module::from($config.init(&device)).load_record(theirs.into_record());
            same(ours.forward(x.clone()), expected.clone());
            same($config.init(&device).load_record(ours.into_record()).forward(x.clone()), expected);
        };
    }
    let config = nn::RmsNormConfig::new(10);
    let mut rms = config.init(&device);
    rms.gamma = parameter(2, 10, &device);
    both_ways!(rms, RmsNorm, config);
    let config = nn::GroupNormConfig::new(2, 4);
    let mut group = config.init(&device);
    (group.gamma, group.beta) = (Some(parameter(2, 4, &device)), Some(parameter(3, 4, &device)));
    both_ways!(group, GroupNorm, config);
    let config = nn::InstanceNormConfig::new(4);
    let mut instance = config.init(&device);
    (instance.gamma, instance.beta) = (Some(parameter(2, 4, &device)), Some(parameter(3, 4, &device)));
    both_ways!(instance, InstanceNorm, config);

    // Running statistics are in a record too.
    let theirs = nn::BatchNormConfig::new(4).init(&device);
    theirs.running_mean.update(Initializer::Constant { value: 2.5 }.init([4], &device).val());
    theirs.running_mean.value_sync();
    let ours = BatchNorm::from(nn::BatchNormConfig::new(4).init(&device)).load_record(theirs.into_record());
    assert_eq!(crate::ops::values(ours.running_mean.value()), [2.5; 4]);
}
