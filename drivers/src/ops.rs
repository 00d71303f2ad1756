//! The ops whose kernels are compiled: those of the bench, and the norms of real models.

use std::collections::{BTreeSet, HashMap, HashSet};

use wgpu_norm::{
    BatchNorm, Caps, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm, Norm, RmsNorm, RunningStats,
    Strategy,
    shaders::{self, Shader},
    wgpu,
};

#[path = "../../cli/src/bench/cases.rs"]
#[allow(dead_code, reason = "the bench has shorter lists too")]
mod cases;

/// A kernel that is compiled once, however many ops use it.
pub struct Kernel {
    pub shader: Shader,
    /// The first op that uses it, and its dispatch.
    pub name: String,
    /// Ops that use it; none for a shader that is only in `shaders::all()`.
    pub ops: usize,
}

/// The kernels of a device.
#[derive(Default)]
pub struct Kernels {
    pub list: Vec<Kernel>,
    /// The kernels of the bench's ops, by the first op and dispatch that use them.
    pub bench: Vec<(String, usize)>,
    /// Ops in all.
    pub ops: usize,
    /// Ops that the device can't take, with the reason of the first.
    pub refused: Option<(usize, String)>,
    /// Shaders of `shaders::all()` that the device can't take.
    pub left_out: usize,
    known: HashMap<Shader, usize>,
}

impl Kernels {
    /// Lowers all ops for a device.
    pub fn of(caps: &Caps, ops_only: bool) -> Self {
        let mut kernels = Self::default();
        let (mut names, mut seen) = (HashMap::new(), HashSet::new());
        for op in cases::full() {
            // As in tests/hashes.rs, numbers tell apart ops that differ in options alone.
            let name = name(&*op);
            let number = names.entry(name.clone()).or_insert(0);
            *number += 1;
            let name = format!("{name} {number}");
            for (dispatch, index) in kernels.add(caps, &*op).into_iter().enumerate() {
                if seen.insert(index) {
                    kernels.bench.push((format!("{name} #{dispatch}"), index));
                }
            }
        }
        models(&mut |op| {
            kernels.add(caps, op);
        });
        if !ops_only {
            for shader in shaders::all() {
                if fits(&shader, caps) {
                    kernels.kernel(shader, || "shaders::all()".into());
                } else {
                    kernels.left_out += 1;
                }
            }
        }
        kernels
    }

    /// Lowers an op. Returns the kernel of each of its dispatches.
    fn add(&mut self, caps: &Caps, op: &dyn Norm) -> Vec<usize> {
        self.ops += 1;
        match shaders::program(op, caps, Strategy::Inferred) {
            Ok(program) => {
                let dispatches = program.dispatches.into_iter().enumerate();
                let indices = dispatches.map(|(number, dispatch)| {
                    let index = self.kernel(dispatch.shader, || format!("{} #{number}", name(op)));
                    self.list[index].ops += 1;
                    index
                });
                indices.collect()
            }
            Err(e) => {
                self.refused.get_or_insert_with(|| (0, format!("{}: {e}", name(op)))).0 += 1;
                Vec::new()
            }
        }
    }

    fn kernel(&mut self, shader: Shader, name: impl FnOnce() -> String) -> usize {
        *self.known.entry(shader).or_insert_with(|| {
            self.list.push(Kernel { shader, name: name(), ops: 0 });
            self.list.len() - 1
        })
    }
}

/// Whether a device can take a shader that was made for another.
fn fits(shader: &Shader, caps: &Caps) -> bool {
    shader.workgroup_size() <= caps.max_workgroup_size
        && shader.workgroup_storage() <= caps.max_workgroup_storage
        && shader.storage().len() <= caps.max_storage_buffers as usize
        && (caps.subgroup_size.is_some() || !shader.features().contains(wgpu::Features::SUBGROUP))
}

fn name(op: &dyn Norm) -> String {
    let tensors = op.tensors().unwrap_or_default();
    let dtypes: BTreeSet<String> = tensors.iter().map(|tensor| tensor.dtype.to_string()).collect();
    format!("{} {:?} {}", op.name(), op.shape(), dtypes.into_iter().collect::<Vec<_>>().join("+"))
}

/// The norms of real models, and rows of every length.
fn models(add: &mut dyn FnMut(&dyn Norm)) {
    for dtype in DType::FLOATS {
        rows(dtype, add);
        channels(dtype, add);
        groups(dtype, add);
    }
}

/// Calls `add` with both directions of ops.
macro_rules! both {
    ($add:ident: $($op:expr),* $(,)?) => { $( {
        let op = $op;
        $add(&op.backward());
        $add(&op);
    } )* };
}

/// Rows of transformers, many of them and few. The number of rows changes the kernel.
fn rows(dtype: DType, add: &mut dyn FnMut(&dyn Norm)) {
    for len in (64..=32768).step_by(8) {
        for count in [4096, 8] {
            let (layer, rms) = (LayerNorm::new(&[count, len], 1..), RmsNorm::new(&[count, len], 1..));
            both!(add:
                layer.dtype(dtype),
                rms.clone().dtype(dtype),
                rms.residual(true).residual_output(true).dtype(dtype),
            );
        }
    }
}

/// Ops over the channels of convolutional networks.
fn channels(dtype: DType, add: &mut dyn FnMut(&dyn Norm)) {
    let mut batch = |shape: &[usize]| {
        let training = BatchNorm::training(shape).running_stats(RunningStats::PYTORCH);
        both!(add:
            BatchNorm::inference(shape).dtype(dtype),
            training.clone().dtype(dtype),
            training.save_for_backward(true).dtype(dtype),
        );
    };
    for count in [8, 32] {
        // ResNet-50.
        let layers = [
            (112, &[64][..]),
            (56, &[64, 128, 256]),
            (28, &[128, 256, 512]),
            (14, &[256, 512, 1024]),
            (7, &[512, 2048]),
        ];
        // MobileNet and EfficientNet.
        let narrow = [(112, &[16][..]), (56, &[24]), (28, &[40]), (14, &[80, 112]), (7, &[160, 192, 320, 1280])];
        for (side, channels) in layers.into_iter().chain(narrow) {
            for &channels in channels {
                batch(&[count, channels, side, side]);
            }
        }
    }
    // ConvNeXt, with the channels first and last.
    for (side, channels) in
        [(56, 96), (28, 192), (14, 384), (7, 768), (56, 128), (28, 256), (14, 512), (7, 1024), (7, 1536)]
    {
        for count in [1, 8, 32] {
            both!(add:
                LayerNorm::new(&[count, channels, side, side], 1..2).dtype(dtype),
                LayerNorm::new(&[count, side, side, channels], 3..).dtype(dtype),
            );
        }
    }
    // AlexNet.
    for shape in [[1, 96, 55, 55], [8, 96, 55, 55], [8, 256, 27, 27]] {
        both!(add: LocalResponseNorm::new(&shape, 5).dtype(dtype));
    }
}

/// Group and instance norm of networks that make images.
fn groups(dtype: DType, add: &mut dyn FnMut(&dyn Norm)) {
    let mut group = |channels: usize, side: usize| {
        for count in [1, 2, 8] {
            both!(add:
                GroupNorm::new(&[count, channels, side, side], 32).dtype(dtype),
                GroupNorm::new(&[count, side, side, channels], 32).layout(Layout::ChannelsLast).dtype(dtype),
            );
        }
    };
    // The U-Net of Stable Diffusion.
    for side in [64, 32, 16, 8] {
        for channels in [320, 640, 960, 1280, 1920, 2560] {
            group(channels, side);
        }
    }
    // Its decoder.
    for (side, channels) in [(64, 512), (128, 512), (256, 512), (256, 256), (512, 256), (512, 128)] {
        group(channels, side);
    }
    // Transfer of style.
    for (channels, side) in [(32, 256), (64, 128), (128, 64)] {
        for count in [1, 4] {
            let op = InstanceNorm::new(&[count, channels, side, side]).dtype(dtype);
            both!(add: op.clone(), op.weight(true).bias(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_those_of_all_ops() {
        let kernels = Kernels::of(&Caps::default(), true);
        assert!(kernels.ops > 100_000, "{}", kernels.ops);
        let (count, why) = kernels.refused.unwrap_or_default();
        assert!(count * 100 < kernels.ops, "{count} ops are beyond WebGPU's limits: {why}");
        let mut keys: Vec<_> = kernels.bench.iter().map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), kernels.bench.len(), "two ops of the bench have one name");
        assert!(kernels.bench.iter().any(|(key, _)| key == "layer_norm_backward [4096, 768] bf16 1 #0"));
        assert!(kernels.list.iter().all(|kernel| kernel.ops > 0));
    }

    #[test]
    fn a_device_is_spared_shaders_that_it_cannot_take() {
        let few = Caps::default();
        let all = shaders::all();
        let taken: Vec<_> = all.iter().filter(|shader| fits(shader, &few)).collect();
        assert!(taken.len() < all.len() && taken.len() > all.len() / 8, "{} of {}", taken.len(), all.len());
        assert!(taken.iter().all(|shader| shader.features().is_empty() && shader.workgroup_size() <= 256));
    }
}
