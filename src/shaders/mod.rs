//! The shaders as data, for programs with a pipeline manager of their own: WGSL, bindings, uniforms and grids.

mod catalog;
#[cfg(feature = "validate")]
mod translate;

use std::fmt;

use crate::{
    caps::Caps,
    error::Result,
    kernels::ShaderKey,
    lower::{KernelCall, Places, lower},
    ops::{Norm, op::Internal},
    slot::Slot,
    tensor::Access,
    types::Strategy,
};

pub use crate::{
    kernels::ParamField,
    lower::Range,
    wgsl::storage::{Buffer, CALL, PLACES, UNIFORM},
};
pub use catalog::all;
#[cfg(feature = "validate")]
pub use translate::{Backend, translate};

/// A shader of this crate: one entry point, `main`, and all bindings in group 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shader(pub(crate) ShaderKey);

/// A storage buffer of a shader: an array that fills its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Storage {
    /// Its binding number in group 0.
    pub binding: u32,
    /// Its tensor, or its kind of scratch.
    pub buffer: Buffer,
    /// How the shader uses it.
    pub access: Access,
}

impl Shader {
    /// The complete WGSL.
    #[must_use]
    pub fn wgsl(&self) -> String {
        self.0.wgsl()
    }

    /// The storage buffers, in the order of their binding numbers.
    #[must_use]
    pub fn storage(&self) -> Vec<Storage> {
        let of = |buffer: Buffer, access| Storage { binding: buffer.binding(), buffer, access };
        self.0.storage().into_iter().map(|storage| of(storage.buffer, storage.access)).collect()
    }

    /// The fields of the uniform at binding [`UNIFORM`], in order, of four bytes each; empty without a uniform.
    #[must_use]
    pub fn params(&self) -> &'static [ParamField] {
        self.0.uniform()
    }

    /// Whether the shader needs subgroup operations.
    #[must_use]
    pub fn uses_subgroups(&self) -> bool {
        self.0.uses_subgroups()
    }

    /// The features that the shader needs.
    #[cfg(feature = "wgpu")]
    #[must_use]
    pub fn features(&self) -> wgpu::Features {
        if self.uses_subgroups() { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() }
    }

    /// Whether the shader has an [`Epilogue`](crate::Epilogue). A program should compile it with all runtime checks,
    /// and may compile the others with fewer: see [safety](crate::guide::safety).
    #[must_use]
    pub fn has_epilogue(&self) -> bool {
        self.0.epilogue().is_some()
    }

    /// Invocations of a workgroup, along x.
    #[must_use]
    pub fn workgroup_size(&self) -> u32 {
        self.0.workgroup_size()
    }

    /// Bytes of workgroup memory.
    #[must_use]
    pub fn workgroup_storage(&self) -> u32 {
        self.0.workgroup_storage()
    }

    /// The layout of bind group 0.
    #[cfg(feature = "wgpu")]
    #[must_use]
    pub fn bind_group_layout(&self) -> Vec<wgpu::BindGroupLayoutEntry> {
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: binding == CALL, min_binding_size: None },
            count: None,
        };
        let addressing = self.0.addressing();
        let uniforms = [
            (UNIFORM, !self.params().is_empty()),
            (PLACES, addressing.has_places()),
            (CALL, !self.0.fields_of_call().is_empty()),
        ];
        let uniforms = uniforms.into_iter().filter(|(_, is_there)| *is_there);
        let storage = self.storage().into_iter().map(|storage| {
            let read_only = storage.access == Access::Read && !addressing.shared;
            entry(storage.binding, wgpu::BufferBindingType::Storage { read_only })
        });
        uniforms.map(|(binding, _)| entry(binding, wgpu::BufferBindingType::Uniform)).chain(storage).collect()
    }

    /// Whether the shader has the uniform [`PLACES`]: see [`Dispatch::places`].
    #[must_use]
    pub fn has_places(&self) -> bool {
        self.0.addressing().has_places()
    }
}

impl fmt::Display for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shader({:?})", self.0)
    }
}

/// A shader, with the data of one dispatch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dispatch {
    /// The shader.
    pub shader: Shader,
    /// The bytes of the uniform.
    pub params: Vec<u8>,
    /// Workgroups in x, y and z.
    pub workgroups: [u32; 3],
    /// The tensors that the dispatch binds in part, as they are larger than a binding. It binds all of the others.
    pub ranges: Vec<Range>,
    places: Places,
}

impl Dispatch {
    /// The bytes of the uniform at binding [`PLACES`], for a shader that [has](Shader::has_places) it. `offset`: the
    /// offset of a tensor in its binding, in bytes, a multiple of what the shader loads at once: 16 bytes at most.
    #[must_use]
    pub fn places(&self, offset: impl Fn(Slot) -> u64) -> Vec<u8> {
        self.places.uniform(&self.shader.0.storage(), offset)
    }
}

impl From<KernelCall> for Dispatch {
    fn from(call: KernelCall) -> Self {
        let KernelCall { key, params, workgroups, ranges, places } = call;
        Self { shader: Shader(key), params, workgroups, ranges, places }
    }
}

/// An op lowered for a device, as data.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Program {
    /// The dispatches, in order: each begins after the one before has finished. Empty for an empty batch.
    pub dispatches: Vec<Dispatch>,
    /// The scratch buffers of the shaders, with their sizes in bytes.
    pub scratch: Vec<(Buffer, u64)>,
}

/// Lowers an op to its shaders.
///
/// # Errors
/// The errors of [`Norm::tensors`], a forced method that can't compute the op, and limits of the device.
///
/// # Example
/// ```
/// use wgpu_norm::{Caps, LayerNorm, Strategy, shaders};
///
/// let program = shaders::program(&LayerNorm::new(&[64, 384], 1..), &Caps::default(), Strategy::Inferred)?;
/// assert!(program.dispatches[0].shader.wgsl().contains("fn main("));
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
pub fn program(op: &(impl Norm + ?Sized), caps: &Caps, strategy: Strategy) -> Result<Program> {
    let lowered = lower(&op.operation(Internal)?, caps, strategy)?;
    let scratch = lowered.scratch.iter().map(|region| (region.buffer, region.bytes)).collect();
    Ok(Program { dispatches: lowered.calls.into_iter().map(Dispatch::from).collect(), scratch })
}
