//! Kernels, one file each: the key (all that changes the code), the fields of the uniform, the buffers, the variants of
//! roles. A key has no run-time parameter: shapes, eps and momentum are in the uniform.

pub(crate) mod apply;
pub(crate) mod finalize;
pub(crate) mod merge_sums;
pub(crate) mod moments;
pub(crate) mod roles;
pub(crate) mod row;
pub(crate) mod sums;
pub(crate) mod window;

use std::fmt;

use crate::{
    caps::{Caps, Offsets},
    slot::Slot,
    tensor::DType,
    types::{Scale, Team},
    wgsl::{
        Variant,
        compose::{Source, compose},
        storage::{Addressing, Buffer, Element, Runs, Storage},
    },
};

/// A field of a uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParamField {
    /// Its name, the same in Rust and WGSL.
    pub name: &'static str,
    /// Its type, `u32` or `f32`.
    pub ty: &'static str,
    /// Its offset in bytes.
    pub offset: usize,
}

/// The uniform of a kernel: the twin of `struct Params` in its WGSL. A test compares names, types and offsets.
macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ident,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub(crate) struct $name { $(pub $field: $ty,)* }

        impl $name {
            pub const FIELDS: &'static [$crate::kernels::ParamField] = &[$($crate::kernels::ParamField {
                name: stringify!($field),
                ty: stringify!($ty),
                offset: std::mem::offset_of!($name, $field),
            },)*];
        }
    };
}
use params;

/// The code of a kernel: its sizes, its buffers and its parts.
pub(crate) trait Code: fmt::Debug {
    /// Invocations of a workgroup.
    fn workgroup_size(&self) -> u32 {
        SMALL_WORKGROUP
    }

    /// The team, in kernels that reduce.
    fn team(&self) -> Option<Team> {
        None
    }

    /// The scale, in kernels that use it.
    fn scale(&self) -> Option<Scale> {
        None
    }

    /// The caller's function, in kernels that call one.
    fn epilogue(&self) -> Option<roles::Epilogue> {
        None
    }

    /// Whether results depend on their place, which the kernel then says.
    fn has_place(&self) -> bool {
        self.epilogue().is_some()
    }

    /// Whose rows lie where an index says.
    fn index(&self) -> roles::Index {
        roles::Index::None
    }

    /// The variants of the roles of the scale.
    fn scale_variants(&self) -> Vec<Variant> {
        self.scale().map(roles::scale).unwrap_or_default()
    }

    /// The iterations of the kernel's unrolled loops.
    fn block(&self) -> u32;

    /// Bytes of workgroup memory.
    fn workgroup_storage(&self) -> u32 {
        self.team().map_or(0, |team| team_storage(team, self.workgroup_size()))
    }

    /// The storage buffers.
    fn storage(&self) -> Vec<Storage>;

    /// The fields of the uniform; empty without a uniform.
    fn uniform(&self) -> &'static [ParamField];

    /// The fields that differ between the calls of a plan for any number of rows, each with its least value: 1 for a
    /// divisor or a step, else 0.
    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        &[]
    }

    /// Declarations that differ between kernels made of the same variants.
    fn constants(&self) -> Vec<String>;

    /// The path and the text of its file.
    fn file(&self) -> (&'static str, &'static str);

    /// The variant of each role that the kernel uses.
    fn variants(&self) -> Vec<Variant>;
}

macro_rules! kernels {
    ($($kernel:ident($module:ident),)*) => {
        $(pub(crate) use $module::$kernel;)*

        /// The key of a kernel, without the device.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kernel { $($kernel($kernel),)* }

        impl Kernel {
            fn code(&self) -> &dyn Code {
                match self { $(Self::$kernel(kernel) => kernel,)* }
            }
        }

        $(impl From<$kernel> for Kernel {
            fn from(kernel: $kernel) -> Self {
                Self::$kernel(kernel)
            }
        })*
    };
}

kernels! {
    Row(row),
    Moments(moments),
    Finalize(finalize),
    Count(finalize),
    Apply(apply),
    Sums(sums),
    MergeSums(merge_sums),
    Window(window),
}

/// Constants that a shader takes from the device. A shader sets those that it needs, so that equal shaders compile
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DeviceConstants {
    /// See [`Tuning`](crate::Tuning).
    native_f16: bool,
    /// The subgroup size; 0 if it may vary.
    subgroup_size: u32,
    /// Lanes of a team that is a part of a subgroup; 0 if teams are something else.
    cluster: u32,
    addressing: Addressing,
    /// Fields of the uniform that differ between calls come from the caller.
    by_call: bool,
}

/// The compile key: all that changes a shader, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ShaderKey {
    pub kernel: Kernel,
    constants: DeviceConstants,
}

impl ShaderKey {
    pub fn new(kernel: impl Into<Kernel>, caps: &Caps) -> Self {
        let kernel = kernel.into();
        let code = kernel.code();
        let binds_tensors = code.storage().iter().any(|storage| matches!(storage.buffer, Buffer::Tensor(_)));
        let has_f16 = code.storage().iter().any(|storage| storage.element.dtype() == Some(DType::F16));
        let (smallest, largest) = caps.subgroup_size.unwrap_or_default();
        let varies = smallest < largest;
        let (subgroup_size, cluster) = match code.team() {
            Some(Team::WorkgroupSubgroups) if !varies => (smallest, 0),
            Some(Team::Cluster) => (0, CLUSTER),
            Some(Team::Subgroup) if varies => (0, smallest),
            _ => (0, 0),
        };
        let constants = DeviceConstants {
            native_f16: caps.tuning.native_f16 == 1 && has_f16,
            subgroup_size,
            cluster,
            addressing: Addressing {
                shared: caps.shared_buffers,
                offsets: caps.offsets != Offsets::Binding && binds_tensors,
                strides: false,
                runs: Runs::default(),
                indexed: code.index() != roles::Index::None,
            },
            by_call: false,
        };
        Self { kernel, constants }
    }

    /// The same kernel for elementwise tensors with strides.
    pub fn with_strides(mut self, strides: bool, runs: Runs) -> Self {
        let binds = |slot| self.kernel.code().storage().iter().any(|storage| storage.buffer == Buffer::Tensor(slot));
        let runs = Runs { residual: runs.residual && binds(Slot::Residual), gate: runs.gate && binds(Slot::Gate) };
        (self.constants.addressing.strides, self.constants.addressing.runs) = (strides, runs);
        self
    }

    /// The same kernel for a number of rows that differs between calls.
    pub fn with_calls(mut self) -> Self {
        self.constants.by_call = !self.kernel.code().fields_of_call().is_empty();
        self
    }

    /// The fields of the uniform that come from the caller, each with its least value.
    pub fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        if self.constants.by_call { self.kernel.code().fields_of_call() } else { &[] }
    }

    /// Bytes of the caller's uniform.
    #[cfg(feature = "wgpu")]
    pub fn size_of_call(&self) -> u64 {
        (self.fields_of_call().len() as u64 * 4).next_multiple_of(16)
    }

    pub fn addressing(&self) -> Addressing {
        self.constants.addressing
    }

    pub fn workgroup_size(&self) -> u32 {
        self.kernel.code().workgroup_size()
    }

    pub fn workgroup_storage(&self) -> u32 {
        self.kernel.code().workgroup_storage()
    }

    pub fn uses_subgroups(&self) -> bool {
        self.kernel.code().team().is_some_and(Team::uses_subgroups)
    }

    /// The storage buffers, in the order of their binding numbers.
    pub fn storage(&self) -> Vec<Storage> {
        let mut storage = self.kernel.code().storage();
        let Runs { residual, gate } = self.constants.addressing.runs;
        for (slot, _) in [(Slot::Residual, residual), (Slot::Gate, gate)].into_iter().filter(|(_, has_runs)| *has_runs)
        {
            for storage in storage.iter_mut().filter(|storage| storage.buffer == Buffer::Tensor(slot)) {
                if let Element::Floats(dtype, layout) = storage.element {
                    storage.element = Element::Run(dtype, layout);
                }
            }
        }
        storage.sort_by_key(|storage| storage.buffer.binding());
        storage
    }

    pub fn uniform(&self) -> &'static [ParamField] {
        self.kernel.code().uniform()
    }

    /// The caller's text, if the shader has one.
    pub fn epilogue(&self) -> Option<&'static str> {
        self.kernel.code().epilogue().map(|epilogue| epilogue.text.get())
    }

    /// The complete WGSL.
    pub fn wgsl(&self) -> String {
        let code = self.kernel.code();
        let mut constants = vec![format!("const WORKGROUP_SIZE: u32 = {}u;", code.workgroup_size())];
        if code.team() == Some(Team::WorkgroupSubgroups) {
            constants.push(format!("const SUBGROUP_SIZE: u32 = {}u;", self.constants.subgroup_size));
        }
        if self.constants.cluster > 0 {
            constants.push(format!("const CLUSTER: u32 = {}u;", self.constants.cluster));
        }
        constants.push(format!("const BLOCK: u32 = {}u;", code.block()));
        constants.extend(code.constants());
        constants.extend(code.scale().map(roles::scale_constants).unwrap_or_default());
        let mut variants = code.variants();
        variants.extend(code.scale_variants());
        variants.extend(code.team().map(|team| roles::team(team, self.constants.cluster > 0)));
        let has_strides = self.constants.addressing.strides;
        if variants.contains(&"contiguous") {
            variants.extend(if has_strides { code.index().variants(["strided", "indexed"]) } else { vec!["dense"] });
        } else if variants.contains(&"apart") {
            let strided = ["strided_apart", "indexed_apart"];
            variants.extend(if has_strides { code.index().variants(strided) } else { vec!["dense_apart"] });
        }
        variants.push(if self.constants.native_f16 { "f16_native" } else { "f16_by_integers" });
        compose(&Source {
            constants,
            storage: self.storage(),
            kernel: code.file(),
            variants,
            block: code.block(),
            addressing: self.constants.addressing,
            fields_of_call: self.fields_of_call(),
            has_place: code.has_place(),
            epilogue: self.epilogue(),
        })
    }
}

/// The key as a label, for profilers and error messages.
impl fmt::Display for ShaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Some` is Rust's notation and says nothing in a label.
        write!(f, "wgpu-norm {}", format!("{:?}", self.kernel.code()).replace("Some(", "("))
    }
}

impl fmt::Debug for ShaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}", self.kernel.code(), self.constants)
    }
}

/// Bytes of workgroup memory that the sums of a team take.
fn team_storage(team: Team, workgroup_size: u32) -> u32 {
    match team {
        Team::Workgroup => workgroup_size * 8 + workgroup_size / 16 * 8,
        Team::WorkgroupSubgroups => 2 * (workgroup_size / 4) * 16,
        Team::Lane | Team::Cluster | Team::Subgroup => 0,
    }
}

/// A constant of type bool.
fn flag(name: &str, on: bool) -> String {
    format!("const {name}: bool = {on};")
}

/// The workgroup size for lanes or subgroups that work alone. Teams on a CPU have less.
pub(crate) const SMALL_WORKGROUP: u32 = 64;
/// The same for subgroups of more lanes than that.
pub(crate) const WIDE_SUBGROUP_WORKGROUP: u32 = 128;
/// Lanes of a cluster.
pub(crate) const CLUSTER: u32 = 4;
/// The workgroup sizes for teams that are workgroups.
pub(crate) const TEAM_WORKGROUPS: [u32; 5] = [64, 128, 256, 512, 1024];
/// Packs that a lane of a reduction holds at a time.
pub(crate) const REDUCE_BLOCK: u32 = 4;
/// Partial results that a merging invocation loads at a time.
pub(crate) const MERGE_BLOCK: u32 = 4;
/// Lanes that merge a group together, as in `roles/teams.wgsl`.
pub(crate) const MERGE_LANES: u32 = 32;
/// The workgroup size of those lanes.
pub(crate) const MERGE_WORKGROUP: u32 = 256;
/// Bytes of workgroup memory that those lanes share.
pub(crate) const MERGE_STORAGE: u32 = MERGE_WORKGROUP * 16;
