//! Tuning tables: the numbers that the choice of kernels depends on.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

macro_rules! tuning {
    ($($(#[$doc:meta])* $field:ident: $least:literal..=$most:literal,)*) => {
        /// The numbers that the choice of kernels depends on. They change the speed of an op, and its results by
        /// rounding alone.
        ///
        /// The crate has a table for each class of device. `cargo xtask tune` measures a table, and
        /// [`Planner::tuning`](crate::Planner::tuning) takes it. As text, a table has a line `name = value` for each
        /// number.
        ///
        /// ```
        /// use wgpu_norm::{Caps, Tuning};
        ///
        /// let mut tuning = Caps::default().tuning;
        /// tuning.set("packs_per_lane", 8)?;
        /// assert_eq!(tuning.to_string().parse::<Tuning>()?, tuning);
        /// # Ok::<(), wgpu_norm::Error>(())
        /// ```
        ///
        /// The numbers and their ranges:
        $(
            #[doc = concat!("- `", stringify!($field), "`, ", $least, " to ", $most, ":")]
            $(#[$doc])*
        )*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Tuning {
            $($(#[$doc])* pub(crate) $field: u32,)*
        }

        impl Tuning {
            /// The name, the least and the largest value of each number.
            pub const FIELDS: &'static [(&'static str, u32, u32)] =
                &[$((stringify!($field), $least, $most),)*];

            /// The number of this name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<u32> {
                match name {
                    $(stringify!($field) => Some(self.$field),)*
                    _ => None,
                }
            }

            /// Sets a number by its name.
            ///
            /// # Errors
            /// [`Error::Tuning`] for an unknown name, or a value out of range.
            pub fn set(&mut self, name: &str, value: u32) -> Result<()> {
                match name {
                    $(stringify!($field) => {
                        if !($least..=$most).contains(&value) {
                            let range = format!("{} to {}", $least, $most);
                            return Err(Error::Tuning(format!("{name} is {value}, and can be {range}")));
                        }
                        self.$field = value;
                    })*
                    _ => return Err(Error::Tuning(format!("there is no {name:?}"))),
                }
                Ok(())
            }
        }
    };
}

tuning! {
    /// A lane owns rows of up to this many packs. A pack is four elements, or one where rows are not multiples of four.
    lane_packs: 0..=32,
    /// The same for 4096 rows or more: each lane owns several, and loads their weights once. Kernels with more code for
    /// a row take half of it: those of a backward pass, and of f16 or bf16.
    lane_packs_many_rows: 0..=32,
    /// Packs of a row that a lane of a subgroup holds, at most. Larger teams own longer rows.
    subgroup_packs: 1..=128,
    /// Packs of a row that a lane of a workgroup holds, at most. Longer rows are streamed or split.
    workgroup_packs: 1..=32,
    /// Packs for which a lane has registers, in workgroups of up to 512 lanes. Lanes of larger workgroups have half of
    /// them. A pack of an unaligned row counts once more, a pack with sums of gradients too, and the mask of a last
    /// pack that not every lane has.
    register_packs: 4..=128,
    /// 1: a lane moves resident rows of f16 or bf16 by 16 bytes. Rows must be multiples of 16 bytes, and no lane may
    /// hold more packs for it. 0: by 8 bytes.
    vec4x2: 0..=1,
    /// 1: the device's own instructions convert f16. Only for devices that are known to keep subnormals and to round to
    /// nearest even. 0: integer code converts f16, alike on all devices. `cargo xtask tune` does not change it.
    native_f16: 0..=1,
    /// Workgroups of up to 64 lanes that fill the device.
    workgroups: 1..=65535,
    /// Rows per team, at most, where all rows have the same weight and bias. A team loads these once.
    rows_per_team: 1..=1024,
    /// Rows per team, at most, of which a backward pass sums the gradients of weight and bias. Clusters, and workgroups
    /// of more than 256 lanes, take half of it. The sums are plain f32 sums.
    grad_rows_per_team: 1..=64,
    /// Below this number of rows per team, a pass of its own computes these sums.
    min_grad_rows_per_team: 1..=65,
    /// 1: the lanes of a workgroup merge many partial sums together. 0: one lane merges them, without a barrier.
    merge_by_workgroup: 0..=1,
    /// Rows that a team streams at once.
    stream_rows: 1..=8,
    /// With fewer rows than this, teams share the long rows (split).
    few_rows: 0..=0x7fff_ffff,
    /// From this many elements on, a row is long.
    long_row: 1..=0x7fff_ffff,
    /// Packs of a lane, at most, with the same statistics or weights.
    packs_per_lane: 1..=1024,
    /// Lanes, at least, that read adjacent packs, even if each lane then has fewer packs.
    adjacent_lanes: 1..=256,
}

impl Tuning {
    /// Software adapters: lavapipe, llvmpipe, `SwiftShader`. Registers cost seconds of compilation there, and streamed
    /// rows take little longer than resident rows.
    pub const SOFTWARE: Self = Self {
        lane_packs: 4,
        lane_packs_many_rows: 16,
        subgroup_packs: 12,
        workgroup_packs: 8,
        register_packs: 128,
        vec4x2: 0,
        native_f16: 0,
        workgroups: 16,
        rows_per_team: 16,
        grad_rows_per_team: 32,
        min_grad_rows_per_team: 2,
        merge_by_workgroup: 0,
        stream_rows: 4,
        few_rows: 16,
        long_row: 1 << 20,
        packs_per_lane: 32,
        adjacent_lanes: 4,
    };
    /// Software adapters of Mesa up to 22: a load or store is a loop over the lanes, which runs slowly and compiles
    /// fast.
    pub const MESA_22: Self = Self { lane_packs_many_rows: 32, subgroup_packs: 34, stream_rows: 8, ..Self::SOFTWARE };
    /// GPUs. Measured on an NVIDIA H100, but for `register_packs`: with 8, the drivers of AMD's and Intel's GPUs spill
    /// no register.
    pub const GPU: Self = Self {
        lane_packs: 4,
        lane_packs_many_rows: 4,
        subgroup_packs: 4,
        workgroup_packs: 8,
        register_packs: 8,
        vec4x2: 1,
        native_f16: 0,
        workgroups: 1024,
        rows_per_team: 1,
        grad_rows_per_team: 64,
        min_grad_rows_per_team: 4,
        merge_by_workgroup: 1,
        stream_rows: 1,
        few_rows: 256,
        long_row: 32 * 1024,
        packs_per_lane: 4,
        adjacent_lanes: 32,
    };
    /// GPUs with NVIDIA's own driver. Measured on an H100.
    pub const NVIDIA: Self = Self { register_packs: 128, ..Self::GPU };
    /// The same on Vulkan, where that driver converts f16 as IEEE 754 says.
    pub const NVIDIA_VULKAN: Self = Self { native_f16: 1, ..Self::NVIDIA };

    /// The table for an adapter.
    #[cfg(feature = "wgpu")]
    pub(crate) fn of(info: &wgpu::AdapterInfo) -> Self {
        // Mesa's driver for the same devices is not among them: it spills, and its conversion of f16 is untested.
        let is_nvidia = info.vendor == NVIDIA && mesa(&info.driver_info).is_none();
        match info.device_type {
            wgpu::DeviceType::Cpu if mesa(&info.driver_info).is_some_and(|version| version <= 22) => Self::MESA_22,
            wgpu::DeviceType::Cpu => Self::SOFTWARE,
            _ if is_nvidia && info.backend == wgpu::Backend::Vulkan => Self::NVIDIA_VULKAN,
            _ if is_nvidia => Self::NVIDIA,
            _ => Self::GPU,
        }
    }
}

/// The PCI ID of the vendor.
#[cfg(feature = "wgpu")]
const NVIDIA: u32 = 0x10de;

/// The major version of Mesa, if Mesa is the driver: `Mesa 22.3.6 (LLVM 15.0.6)`. On GL, GL's own version precedes it.
#[cfg(feature = "wgpu")]
fn mesa(driver_info: &str) -> Option<u32> {
    let (_, version) = driver_info.split_once("Mesa ")?;
    version.split('.').next()?.parse().ok()
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, ..) in Self::FIELDS {
            if let Some(value) = self.get(name) {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}

/// Each number must occur once. Lines that begin with `#` are comments.
impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut tuning = Self::GPU;
        let mut missing: Vec<&str> = Self::FIELDS.iter().map(|&(name, ..)| name).collect();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let wrong = || Error::Tuning(format!("{line:?} is not `name = value`"));
            let (name, value) = line.split_once('=').ok_or_else(wrong)?;
            let name = name.trim();
            tuning.set(name, value.trim().parse().map_err(|_| wrong())?)?;
            let before = missing.len();
            missing.retain(|other| *other != name);
            if missing.len() == before {
                return Err(Error::Tuning(format!("{name} is there twice")));
            }
        }
        match missing.first() {
            None => Ok(tuning),
            Some(name) => Err(Error::Tuning(format!("{name} is missing"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_survives_as_text() {
        for tuning in [Tuning::SOFTWARE, Tuning::MESA_22, Tuning::GPU, Tuning::NVIDIA, Tuning::NVIDIA_VULKAN] {
            assert_eq!(format!("# comment\n\n{tuning}").parse(), Ok(tuning));
        }
    }

    #[test]
    fn a_table_is_chosen_by_the_driver() {
        let table = |device_type, name: &str, driver_info: &str| {
            let mut info = wgpu::AdapterInfo::new(device_type, wgpu::Backend::Vulkan);
            (info.name, info.driver_info) = (name.into(), driver_info.into());
            Tuning::of(&info)
        };
        let (cpu, gpu) = (wgpu::DeviceType::Cpu, wgpu::DeviceType::DiscreteGpu);
        assert_eq!(table(cpu, "llvmpipe", "Mesa 22.3.6 (LLVM 15.0.6)"), Tuning::MESA_22);
        assert_eq!(table(cpu, "llvmpipe", "4.5 (Core Profile) Mesa 22.3.6"), Tuning::MESA_22);
        assert_eq!(table(cpu, "llvmpipe", "Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)"), Tuning::SOFTWARE);
        assert_eq!(table(cpu, "Microsoft Basic Render Driver", "10.0"), Tuning::SOFTWARE);
        assert_eq!(table(cpu, "SwiftShader Device (Subzero)", "SwiftShader driver"), Tuning::SOFTWARE);
        assert_eq!(table(gpu, "AMD Radeon", "Mesa 22.3.6"), Tuning::GPU);
        let mut nvidia = wgpu::AdapterInfo::new(gpu, wgpu::Backend::Vulkan);
        nvidia.vendor = NVIDIA;
        assert_eq!(Tuning::of(&nvidia), Tuning::NVIDIA_VULKAN);
        nvidia.backend = wgpu::Backend::Dx12;
        assert_eq!(Tuning::of(&nvidia), Tuning::NVIDIA);
        nvidia.driver_info = "Mesa 25.0.7".into();
        assert_eq!(Tuning::of(&nvidia), Tuning::GPU);
    }

    #[test]
    fn a_wrong_table_says_what_is_wrong() {
        let good = Tuning::SOFTWARE.to_string();
        let message = |text: String| text.parse::<Tuning>().unwrap_err().to_string();
        assert!(message(good.replace("packs_per_lane = 32", "")).contains("packs_per_lane is missing"));
        assert!(
            message(good.replace("packs_per_lane = 32", "packs_per_lane = 32\npacks_per_lane = 32"))
                .contains("packs_per_lane is there twice")
        );
        assert!(
            message(good.replace("packs_per_lane = 32", "packs_per_lane 16"))
                .contains("\"packs_per_lane 16\" is not `name = value`")
        );
        assert!(message(good.replace("packs_per_lane = 32", "packs_per_lane = -1")).contains("is not `name = value`"));
        assert!(
            message(good.replace("packs_per_lane = 32", "packs_per_lane = 0"))
                .contains("packs_per_lane is 0, and can be 1 to 1024")
        );
        assert!(message(good + "run = 1").contains("there is no \"run\""));
    }
}
