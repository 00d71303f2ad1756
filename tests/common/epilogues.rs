//! Ops with epilogues whose kernels find the index of an element in different ways, for tests without an adapter.

use wgpu_norm::{
    BatchNorm, Caps, DType, Epilogue, GroupNorm, LayerNorm, Layout, LpNormalize, Method, Norm, Offsets, RmsNorm, Slot,
    Strategy, Tuning,
    shaders::{self, Shader},
};

/// Uses the index and both buffers.
pub const BUFFERED: &str = "\
    fn at(index: u32) -> f32 { return epilogue_a[index % 3u] + epilogue_b[index]; }\n\
    fn epilogue(v: vec4<f32>, i: u32) -> vec4<f32> {\n    \
    return v + vec4<f32>(at(i), at(i + 1u), at(i + 2u), at(i + 3u));\n}\n";

/// A GPU with subgroups, one with other layouts and types, and one with all tensors anywhere in one buffer.
pub fn devices() -> [Caps; 3] {
    let mut gpu = Caps::default();
    gpu.subgroup_size = Some((32, 32));
    // Pairs of packs, f16 that the device converts.
    let mut native = gpu.clone();
    native.tuning = Tuning::NVIDIA_VULKAN;
    let mut shared = Caps::default();
    shared.shared_buffers = true;
    shared.offsets = Offsets::Pack;
    [gpu, native, shared]
}

/// One op for each of them.
pub fn ops(epilogue: &Epilogue) -> Vec<Box<dyn Norm>> {
    let rows = |len| LayerNorm::new(&[7, len], 1..).epilogue(epilogue.clone());
    let image = &[3, 8, 12];
    vec![
        Box::new(rows(8)),
        Box::new(rows(9).save_stats(true)),
        Box::new(rows(512).dtype(DType::F16).in_place(true)),
        Box::new(rows(33).dtype(DType::F16)),
        Box::new(rows(33).dtype(DType::BF16).output_dtype(DType::F32).residual(true).residual_output(true)),
        Box::new(RmsNorm::new(&[7, 9], 1..).strides(Slot::Output, &[11, 1]).epilogue(epilogue.clone())),
        Box::new(LayerNorm::new(image, 1..2).epilogue(epilogue.clone())),
        Box::new(LpNormalize::new(&[7, 9], ..1).epilogue(epilogue.clone())),
        Box::new(GroupNorm::new(image, 2).layout(Layout::ChannelsLast).epilogue(epilogue.clone())),
        Box::new(BatchNorm::training(image).dtype(DType::F16).epilogue(epilogue.clone())),
        Box::new(BatchNorm::inference(&[3, 8, 5]).epilogue(epilogue.clone())),
    ]
}

/// The shaders of an op by every method.
pub fn shaders_of(op: &dyn Norm, caps: &Caps) -> Vec<Shader> {
    let strategies = Method::ALL.iter().map(|&method| Strategy::Forced(method)).chain([Strategy::Inferred]);
    let programs = strategies.filter_map(|strategy| shaders::program(op, caps, strategy).ok());
    programs.flat_map(|program| program.dispatches).map(|dispatch| dispatch.shader).collect()
}

/// The shaders of all these ops that have an epilogue.
#[allow(dead_code, reason = "each test binary uses a part of it")]
pub fn all() -> Vec<Shader> {
    let ops = ops(&Epilogue::new(BUFFERED).buffers(&[3, 512 * 7]));
    let devices = devices();
    let shaders = devices.iter().flat_map(|caps| ops.iter().flat_map(|op| shaders_of(&**op, caps)));
    shaders.filter(Shader::has_epilogue).collect()
}
