//! What is timed: the shapes of models, and those where a kernel might do badly.

use wgpu_norm::{
    BatchNorm, DType, Gate, GateFunction, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm, Norm,
    Quantized, RmsNorm, RunningStats, Slot,
};

pub type Ops = Vec<Box<dyn Norm>>;

/// So many rows of whole packs, and those whose length differs by one.
pub const NEIGHBOURS: [(usize, usize, &[usize]); 2] = [(1024, 1024, &[1023, 1025]), (256, 4096, &[4097])];

/// Bytes that the copies alone move.
pub const COPIES: [u64; 6] = [1 << 20, 1 << 23, 1 << 25, 1 << 26, 1 << 29, 1 << 31];

/// The same for the short list.
pub const QUICK_COPIES: [u64; 2] = [1 << 23, 1 << 26];

/// A list of a few minutes less.
pub fn quick() -> Ops {
    let mut ops: Ops = Vec::new();
    for shape in [[1024, 1024], [4096, 256], [4096, 768], [256, 8192]] {
        let layer = LayerNorm::new(&shape, 1..);
        ops.push(Box::new(layer.clone()));
        ops.push(Box::new(layer.backward()));
        ops.push(Box::new(RmsNorm::new(&shape, 1..)));
    }
    fused(&mut ops);
    // int8 by rows, and by blocks.
    for quantized in [Quantized::rows(), Quantized::blocks(32)] {
        ops.push(Box::new(RmsNorm::new(&[4096, 1024], 1..).quantized(quantized)));
    }
    let shape = [8, 64, 56, 56];
    ops.push(Box::new(BatchNorm::inference(&shape)));
    ops.push(Box::new(BatchNorm::training(&shape).running_stats(RunningStats::PYTORCH)));
    for (rows, len, odd) in NEIGHBOURS {
        for &len in odd.iter().chain([&len]) {
            for dtype in [DType::F32, DType::F16] {
                // In f32 it is one of the first shapes.
                if (rows, len, dtype) != (1024, 1024, DType::F32) {
                    ops.push(Box::new(LayerNorm::new(&[rows, len], 1..).dtype(dtype)));
                }
            }
        }
    }
    ops
}

/// Everything.
pub fn full() -> Ops {
    let mut ops: Ops = Vec::new();
    // Regular and awkward rows, with more of the options.
    for shape in
        [[1024, 1024], [4096, 256], [4096, 768], [256, 8192], [64, 384], [1024, 1023], [65536, 16], [1, 1 << 20]]
    {
        rows(&mut ops, &shape);
        let (layer, rms) = (LayerNorm::new(&shape, 1..), RmsNorm::new(&shape, 1..));
        ops.push(Box::new(layer.backward().grad_weight(false).grad_bias(false)));
        ops.push(Box::new(rms.residual(true).residual_output(true)));
    }
    // Transformers: one token, a short prompt, batches.
    for count in [1, 128, 4096, 16384] {
        for len in [768, 1024, 2048, 4096, 8192, 16384] {
            if (count, len) != (4096, 768) {
                rows(&mut ops, &[count, len]);
            }
        }
    }
    for quantized in [Quantized::rows(), Quantized::blocks(32), Quantized::blocks(128)] {
        for shape in [[4096, 1024], [1, 4096], [1024, 4096], [1024, 16384]] {
            ops.push(Box::new(RmsNorm::new(&shape, 1..).quantized(quantized)));
            ops.push(Box::new(RmsNorm::new(&shape, 1..).dtype(DType::F16).quantized(quantized)));
        }
    }
    // Queries and keys of attention heads; one row; the most rows.
    for shape in [[131_072, 128], [1, 1 << 24], [1 << 20, 16]] {
        rows(&mut ops, &shape);
    }
    // Rows that are short, even and odd.
    for len in [15, 31, 32, 64] {
        for dtype in [DType::F32, DType::F16] {
            let op = LayerNorm::new(&[65536, len], 1..).dtype(dtype);
            ops.push(Box::new(op.backward()));
            ops.push(Box::new(op));
        }
    }
    // Neighbours that are not among the first shapes.
    for shape in [[1024, 1025], [256, 4096], [256, 4097]] {
        for dtype in DType::FLOATS {
            ops.push(Box::new(LayerNorm::new(&shape, 1..).dtype(dtype)));
        }
    }
    // Time by size, from 1e5 to 1e8 elements.
    for count in [100, 300, 1000, 3000, 10_000, 30_000, 100_000] {
        ops.push(Box::new(LayerNorm::new(&[count, 1024], 1..)));
    }
    fused(&mut ops);
    images(&mut ops);
    ops
}

/// What today's models fuse with their norms: docs/models.md.
fn fused(ops: &mut Ops) {
    let rms = || RmsNorm::new(&[4096, 1024], 1..);
    let behind = rms().residual(true).residual_after(true);
    // Four tensors of 16 MiB are more than a CPU times.
    let twice = RmsNorm::new(&[2048, 1024], 1..).residual(true).residual_after(true).next_norm(true);
    let modulated = LayerNorm::new(&[4, 512, 1024], 2..).per_sample(true).zero_centered(true).residual(true);
    let modulated = modulated.gate(Gate::before(GateFunction::Identity)).strides(Slot::Gate, &[1024, 0, 1]);
    let groups = RmsNorm::new(&[4096, 8, 128], 2..).affine_axes(1..);
    ops.push(Box::new(behind.backward()));
    ops.push(Box::new(behind));
    ops.push(Box::new(twice));
    for op in
        [rms().gate(Gate::after(GateFunction::Silu)), groups.clone().gate(Gate::before(GateFunction::Silu)), groups]
    {
        ops.push(Box::new(op.backward()));
        ops.push(Box::new(op));
    }
    let modulated = modulated.residual_output(true);
    ops.push(Box::new(modulated.backward().grad_gate(false)));
    ops.push(Box::new(modulated));
}

/// Layer norm and RMS norm over the last axis, in every type and direction.
fn rows(ops: &mut Ops, shape: &[usize]) {
    for dtype in DType::FLOATS {
        let (layer, rms) = (LayerNorm::new(shape, 1..).dtype(dtype), RmsNorm::new(shape, 1..).dtype(dtype));
        ops.push(Box::new(layer.clone()));
        ops.push(Box::new(layer.backward()));
        ops.push(Box::new(rms.clone()));
        ops.push(Box::new(rms.backward()));
    }
}

/// Ops over channels, in every type and direction.
fn images(ops: &mut Ops) {
    macro_rules! both {
        ($op:expr) => {
            for dtype in DType::FLOATS {
                let op = $op.dtype(dtype);
                ops.push(Box::new(op.backward()));
                ops.push(Box::new(op));
            }
        };
    }
    // ConvNeXt: over the channels, first or last.
    for shape in [[8, 96, 56, 56], [2, 768, 14, 14]] {
        both!(LayerNorm::new(&shape, 1..2));
    }
    for shape in [[8, 56, 56, 96], [2, 14, 14, 768]] {
        both!(LayerNorm::new(&shape, 3..));
    }
    // ResNet-50, and a batch of features.
    for shape in [&[8, 64, 56, 56][..], &[32, 256, 14, 14], &[32, 512, 7, 7], &[4096, 256]] {
        let training = BatchNorm::training(shape).running_stats(RunningStats::PYTORCH);
        both!(BatchNorm::inference(shape));
        both!(training.clone());
        both!(training.clone().save_for_backward(true));
    }
    // Stable Diffusion, and the shapes of ResNet-50.
    let groups = [
        ([1, 320, 64, 64], 32),
        ([1, 640, 32, 32], 32),
        ([1, 1280, 16, 16], 32),
        ([8, 64, 56, 56], 8),
        ([8, 512, 7, 7], 32),
    ];
    for (shape, groups) in groups {
        both!(GroupNorm::new(&shape, groups));
        both!(InstanceNorm::new(&shape));
    }
    for (shape, groups) in [([1, 64, 64, 320], 32), ([1, 16, 16, 1280], 32), ([8, 56, 56, 64], 8)] {
        both!(GroupNorm::new(&shape, groups).layout(Layout::ChannelsLast));
    }
    for shape in [[8, 56, 56, 64], [1, 64, 64, 320]] {
        both!(BatchNorm::training(&shape).layout(Layout::ChannelsLast));
    }
    // GoogLeNet's second, with the channels first and last, and AlexNet's first.
    both!(LocalResponseNorm::new(&[8, 64, 56, 56], 5));
    both!(LocalResponseNorm::new(&[8, 56, 56, 64], 5).layout(Layout::ChannelsLast));
    both!(LocalResponseNorm::new(&[8, 96, 55, 55], 5));
}
