//! The ops that run mutated kernels: each reaches the code that a mutation changes.

use wgpu_norm::{
    Activation, BatchNorm, Coefficients, DType, Gate, GateFunction, GroupNorm, LayerNorm, Layout, LocalResponseNorm,
    LpNormalize, Method, Norm, Pairs, Quantized, RmsNorm, Rotary, RunningStats, Slot, Strategy, Team, testing::Random,
};

use super::Case;

const BY_LANES: Strategy = Strategy::Forced(Method::Resident(Team::Lane));
const BY_WORKGROUPS: Strategy = Strategy::Forced(Method::Resident(Team::Workgroup));
const STREAMED: Strategy = Strategy::Forced(Method::Streamed(Team::Lane));
const SPLIT: Strategy = Strategy::Forced(Method::Split(Team::Lane));
const COLUMNS: Strategy = Strategy::Forced(Method::Columns);
const ELEMENTWISE: Strategy = Strategy::Forced(Method::Elementwise);

/// Odd rows at an offset of 1e6, where one ulp of f32 is 1/16 of the standard deviation.
fn far(what: &'static str, strategy: Strategy) -> Case {
    let op = LayerNorm::new(&[7, 257], 1..).bias(false).save_stats(true);
    Case::new(what, op, strategy).with(Slot::Input, Random::new(1).normal(7 * 257, 1e6, 1.0))
}

pub fn far_rows() -> Case {
    far("rows at an offset of 1e6", BY_WORKGROUPS)
}

pub fn far_rows_streamed() -> Case {
    far("streamed rows at an offset of 1e6", STREAMED)
}

pub fn far_rows_split() -> Case {
    far("split rows at an offset of 1e6", SPLIT)
}

/// Rows whose variance of 1e-8 is below eps.
pub fn small_rows() -> Case {
    let small = Random::new(1).normal(7 * 257, 0.0, 1e-4);
    far("rows with a variance below eps", BY_WORKGROUPS).with(Slot::Input, small)
}

/// Constant rows of bf16: the square of one ulp of 1e30 is beyond f32.
pub fn constant_rows() -> Case {
    let op = LayerNorm::new(&[7, 300], 1..).dtype(DType::BF16).weight(false).bias(false);
    let constant = vec![DType::BF16.round(1e30); 7 * 300];
    Case::new("constant rows of bf16", op, BY_WORKGROUPS).with(Slot::Input, constant)
}

/// Heads of which a part is rotated, beside others in packed rows.
fn heads(what: &'static str, pairs: Pairs, strategy: Strategy) -> Case {
    let op = RmsNorm::new(&[7, 3, 24], 2..).rotary(Rotary::new(pairs, 16, 9)).in_place(true);
    Case::new(what, op.strides(Slot::Input, &[120, 24, 1]), strategy)
}

pub fn rotated_partners() -> Case {
    heads("heads with partners apart", Pairs::Halves, BY_WORKGROUPS)
}

pub fn rotated_neighbours() -> Case {
    heads("heads with neighbours as pairs", Pairs::Neighbours, BY_WORKGROUPS)
}

pub fn rotated_streamed() -> Case {
    heads("streamed heads with partners apart", Pairs::Halves, STREAMED)
}

/// Heads at odd gaps.
pub fn rotated_singles() -> Case {
    let op = RmsNorm::new(&[7, 3, 24], 2..).rotary(Rotary::new(Pairs::Halves, 16, 9)).in_place(true);
    let op = op.dtype(DType::F16).strides(Slot::Input, &[125, 25, 1]);
    Case::new("heads of single elements", op, BY_WORKGROUPS)
}

/// Heads of tokens that an index names, into a cache.
pub fn indexed() -> Case {
    let op = RmsNorm::new(&[40, 3, 24], 2..).strides(Slot::Input, &[120, 24, 1]).gather_rows(50).scatter_rows(45);
    Case::new("heads by an index", op, BY_WORKGROUPS)
}

/// Groups of four channels of seven elements: channels end inside of packs.
fn groups() -> GroupNorm {
    GroupNorm::new(&[3, 8, 7], 2)
}

pub fn groups_by_lanes() -> Case {
    Case::new("channels that end inside of packs, by lanes", groups(), BY_LANES)
}

pub fn groups_by_workgroups() -> Case {
    Case::new("channels that end inside of packs, by workgroups", groups(), BY_WORKGROUPS)
}

pub fn groups_streamed() -> Case {
    Case::new("channels that end inside of packs, streamed", groups(), STREAMED)
}

pub fn inference() -> Case {
    Case::new("channels that end inside of packs", BatchNorm::inference(&[16, 4, 7]), ELEMENTWISE)
}

/// Batches of which three were counted before.
pub fn training() -> Case {
    let op = BatchNorm::training(&[3, 5, 7]).weight(false).bias(false).running_stats(RunningStats::CUMULATIVE);
    Case::new("the fourth batch of a cumulative average", op, SPLIT)
}

fn layer_norm() -> LayerNorm {
    LayerNorm::new(&[70, 257], 1..)
}

pub fn rows_backward() -> Case {
    Case::new("odd rows", layer_norm().backward(), BY_WORKGROUPS)
}

pub fn far_rows_backward() -> Case {
    let far = Random::new(3).normal(70 * 257, 1e6, 1.0);
    Case::new("odd rows at an offset of 1e6", layer_norm().backward(), BY_WORKGROUPS).with(Slot::Input, far)
}

pub fn rows_backward_streamed() -> Case {
    Case::new("streamed odd rows", layer_norm().backward(), STREAMED)
}

pub fn rows_backward_split() -> Case {
    Case::new("split odd rows", layer_norm().backward(), SPLIT)
}

pub fn rows_accumulated() -> Case {
    Case::new("gradients added to those that are there", layer_norm().backward().accumulate(true), BY_WORKGROUPS)
}

/// More than 256 lanes a team, without a branch around the sums. Some teams lack their last row.
pub fn rows_of_many_lanes() -> Case {
    Case::new("more than 256 lanes a team", LayerNorm::new(&[71, 2051], 1..).backward(), BY_WORKGROUPS)
}

/// Enough teams for lanes of a workgroup to merge their partial sums.
pub fn many_rows() -> Case {
    Case::new("partial sums of many teams", LayerNorm::new(&[2000, 12], 1..).backward(), BY_WORKGROUPS)
}

/// Enough rows for lanes of a workgroup to merge their partial statistics.
pub fn many_samples() -> Case {
    Case::new("partial statistics of many lanes", BatchNorm::training(&[3000, 12]), COLUMNS)
}

/// Two rows a column: a lane sums up all of a column and no pass merges its sums.
fn few() -> wgpu_norm::Backward<LayerNorm> {
    LayerNorm::new(&[2, 2, 1024], 2..).per_sample(true).backward()
}

pub fn few_rows() -> Case {
    Case::new("two rows for each weight", few(), SPLIT)
}

pub fn few_rows_accumulated() -> Case {
    Case::new("two rows for each weight, added to its gradient", few().accumulate(true), SPLIT)
}

/// The row kernel keeps statistics, and the kernel of sums reads them.
pub fn groups_backward() -> Case {
    Case::new("statistics kept for the sums", GroupNorm::new(&[3, 4, 7], 2).backward(), BY_WORKGROUPS)
}

pub fn groups_backward_split() -> Case {
    Case::new("two channels a group", GroupNorm::new(&[3, 4, 7], 2).backward(), SPLIT)
}

pub fn group_weights() -> Case {
    let op = GroupNorm::new(&[3, 4, 7], 2).backward().grad_input(false);
    Case::new("gradients of weight and bias alone", op, SPLIT)
}

pub fn groups_last() -> Case {
    let op = GroupNorm::new(&[3, 7, 6], 2).layout(Layout::ChannelsLast).backward();
    Case::new("channels last", op, COLUMNS)
}

/// Four rows lie across a pack.
pub fn across_backward() -> Case {
    Case::new("rows across packs", LayerNorm::new(&[3, 7, 5600], 1..2).backward(), STREAMED)
}

pub fn across_saved() -> Case {
    Case::new("saved statistics of rows across packs", LayerNorm::new(&[3, 7, 12], 1..2).save_stats(true), STREAMED)
}

pub fn middle() -> Case {
    Case::new("an axis in the middle", LayerNorm::new(&[3, 5, 7], 1..2), COLUMNS)
}

pub fn training_backward() -> Case {
    Case::new("five channels", BatchNorm::training(&[3, 5, 7]).backward(), SPLIT)
}

fn merged() -> BatchNorm {
    BatchNorm::training(&[3, 5, 7]).merge(3).save_for_backward(true)
}

pub fn merged_written() -> Case {
    let op = merged().backward().coefficients(Coefficients::Written);
    Case::new("sums of a part of a batch", op, Strategy::Inferred)
}

pub fn merged_given() -> Case {
    let op = merged().backward().coefficients(Coefficients::Given);
    Case::new("sums of three parts of a batch", op, Strategy::Inferred)
}

pub fn residual() -> Case {
    let op = LayerNorm::new(&[7, 36], 1..).residual(true).residual_output(true).backward();
    Case::new("a sum that is used elsewhere too", op, BY_WORKGROUPS)
}

pub fn activated() -> Case {
    let op = LayerNorm::new(&[7, 36], 1..).activation(Activation::Gelu).backward();
    Case::new("GELU", op, BY_WORKGROUPS)
}

pub fn activated_streamed() -> Case {
    let op = LayerNorm::new(&[7, 36], 1..).activation(Activation::Gelu).backward();
    Case::new("GELU of streamed rows", op, STREAMED)
}

pub fn gated() -> Case {
    Case::new("a gate, and the residual behind it", modulated(), BY_WORKGROUPS)
}

pub fn gated_backward() -> Case {
    Case::new("the same, and its sum", modulated().residual_output(true).backward(), BY_WORKGROUPS)
}

fn modulated() -> LayerNorm {
    LayerNorm::new(&[7, 36], 1..).residual(true).gate(Gate::before(GateFunction::Silu))
}

pub fn gated_behind() -> Case {
    Case::new("a gate and a residual behind the norm", behind(), BY_WORKGROUPS)
}

pub fn gated_behind_backward() -> Case {
    Case::new("the same, backward", behind().backward(), BY_WORKGROUPS)
}

fn behind() -> LayerNorm {
    LayerNorm::new(&[7, 36], 1..).residual(true).residual_after(true).gate(Gate::after(GateFunction::Sigmoid))
}

pub fn behind_with_runs() -> Case {
    let op = GroupNorm::new(&[3, 4, 8], 2).residual(true).residual_after(true);
    Case::new("a residual for each channel", op.strides(Slot::Residual, &[9, 1, 0]), BY_WORKGROUPS)
}

pub fn twice() -> Case {
    Case::new("a second norm", second(), BY_WORKGROUPS)
}

pub fn twice_streamed() -> Case {
    Case::new("a second norm of streamed rows", second(), STREAMED)
}

pub fn summed_streamed() -> Case {
    let op = LayerNorm::new(&[7, 257], 1..).residual(true).residual_output(true);
    Case::new("the sum of streamed rows", op, STREAMED)
}

fn second() -> RmsNorm {
    RmsNorm::new(&[7, 257], 1..).residual(true).residual_after(true).next_norm(true)
}

pub fn quantized() -> Case {
    Case::new("int8 by blocks", RmsNorm::new(&[7, 1008], 1..).quantized(Quantized::blocks(32)), BY_WORKGROUPS)
}

pub fn quantized_streamed() -> Case {
    Case::new("int8 of streamed rows", RmsNorm::new(&[7, 264], 1..).quantized(Quantized::rows()), STREAMED)
}

pub fn weights_of_heads() -> Case {
    Case::new("a weight for each head", RmsNorm::new(&[5, 3, 36], 2..).affine_axes(1..), BY_WORKGROUPS)
}

pub fn samples() -> Case {
    Case::new("a weight for each sample", per_sample(), BY_LANES)
}

pub fn samples_backward() -> Case {
    Case::new("its gradients", per_sample().backward(), BY_LANES)
}

/// So many rows that a team has several.
fn per_sample() -> LayerNorm {
    LayerNorm::new(&[3, 700, 12], 2..).per_sample(true)
}

/// Their squares are no numbers of f32.
pub fn weighted_norms() -> Case {
    let tiny = Random::new(5).normal(7 * 36, 0.0, 1.0).iter().map(|x| x * 1e-24).collect();
    let op = LpNormalize::new(&[7, 36], 1..).weight(true).backward();
    Case::new("tiny rows with a weight", op, BY_WORKGROUPS).with(Slot::Input, tiny)
}

macro_rules! activations {
    ($($forward:ident $backward:ident $activation:ident;)*) => { $(
        pub fn $forward() -> Case {
            of_wide_rows(stringify!($forward), activating(Activation::$activation))
        }

        pub fn $backward() -> Case {
            of_wide_rows(stringify!($backward), activating(Activation::$activation).backward())
        }
    )* };
}
activations! {
    quick_gelu quick_gelu_backward QuickGelu;
    leaky_relu leaky_relu_backward LeakyRelu;
    relu6 relu6_backward Relu6;
    hard_swish hard_swish_backward HardSwish;
    softplus softplus_backward Softplus;
}

fn activating(activation: Activation) -> LayerNorm {
    LayerNorm::new(&[7, 36], 1..).activation(activation)
}

/// Weights of 5: arguments of the activation are on both sides of all its bends.
fn of_wide_rows(what: &'static str, op: impl Norm + 'static) -> Case {
    Case::new(what, op, BY_WORKGROUPS).with(Slot::Weight, Random::new(4).normal(36, 0.0, 5.0))
}

/// Norms on both sides of an eps of 30.
pub fn norms() -> Case {
    Case::new("norms below eps", LpNormalize::new(&[7, 36], 1..).eps(30.0).backward(), BY_WORKGROUPS)
}

/// Half-precision rows of seven elements: two elements share a word.
fn odd(dtype: DType) -> LayerNorm {
    LayerNorm::new(&[5, 7], 1..).dtype(dtype)
}

pub fn odd_f16_split() -> Case {
    Case::new("odd rows of f16, element by element", odd(DType::F16), SPLIT)
}

pub fn odd_bf16_split() -> Case {
    Case::new("odd rows of bf16, element by element", odd(DType::BF16), SPLIT)
}

pub fn odd_f16() -> Case {
    Case::new("odd rows of f16, by words", odd(DType::F16), BY_LANES)
}

pub fn odd_bf16() -> Case {
    Case::new("odd rows of bf16, by words", odd(DType::BF16), BY_LANES)
}

/// Rows that end with the first element of a pack. Every other row begins in the upper half of a word.
pub fn rows_of_9() -> Case {
    Case::new("rows of 9", LayerNorm::new(&[5, 9], 1..).dtype(DType::F16), BY_LANES)
}

/// Rows that end with the second element of a pack, and begin with a word.
pub fn rows_of_10() -> Case {
    Case::new("rows of 10", LayerNorm::new(&[5, 10], 1..).dtype(DType::F16), BY_LANES)
}

/// Rows that end with the third element of a pack.
pub fn rows_of_7() -> Case {
    Case::new("rows of 7", LayerNorm::new(&[5, 7], 1..).dtype(DType::F16), BY_LANES)
}

/// Enough rows for each lane to sum up several, which begin in the same half of a word.
pub fn many_rows_of_9() -> Case {
    let op = LayerNorm::new(&[4200, 9], 1..).dtype(DType::F16).backward();
    Case::new("sums over rows of 9", op, BY_LANES)
}

/// More channels than a lane slides over, and fewer for the last lane.
fn sliding() -> LocalResponseNorm {
    LocalResponseNorm::new(&[3, 131, 5], 4).alpha(0.5)
}

pub fn slide() -> Case {
    Case::new("a window of 4", sliding(), Strategy::Inferred)
}

pub fn slide_backward() -> Case {
    Case::new("a window of 4, backward", sliding().backward(), Strategy::Inferred)
}

/// Without k the windows of channels that are not there have a base of zero.
pub fn slide_edge() -> Case {
    let x = (0..1965).map(|i| if i % 655 > 4 { 1.0 } else { 0.0 }).collect();
    Case::new("windows without a power", sliding().k(0.0).backward(), Strategy::Inferred).with(Slot::Input, x)
}

/// Without k, 0 / 0 is a NaN.
pub fn slide_zeros() -> Case {
    Case::new("zeros divided by zeros", sliding().k(0.0), Strategy::Inferred).with(Slot::Input, vec![0.0; 1965])
}

/// A window of more channels than registers hold.
fn wide() -> LocalResponseNorm {
    LocalResponseNorm::new(&[3, 16, 5], 12).alpha(0.5)
}

pub fn window() -> Case {
    Case::new("a window of 12", wide(), Strategy::Inferred)
}

pub fn window_backward() -> Case {
    Case::new("a window of 12, backward", wide().backward(), Strategy::Inferred)
}

/// A window of all of 4000 channels: the rounding errors of a plain sum in f32 are beyond the bound.
fn sum(what: &'static str, first: f32) -> Case {
    let size = 7999;
    let op = LocalResponseNorm::new(&[1, 4000], size).alpha(size as f32 / 4000.0).beta(4.0).k(0.0);
    let mut x = vec![1.000_055; 4000];
    x[0] = first;
    Case::new(what, op, Strategy::Inferred).with(Slot::Input, x)
}

pub fn window_sum() -> Case {
    sum("a sum of thousands", 1.000_055)
}

pub fn window_infinity() -> Case {
    sum("a sum of thousands and an infinity", f32::INFINITY)
}
