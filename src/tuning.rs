//! What is fast on a device: the numbers that the choice of kernels depends on.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

macro_rules! tuning {
    ($($(#[$doc:meta])* $field:ident: $least:literal..=$most:literal,)*) => {
        /// The numbers that the choice of kernels depends on. They change how fast an op is, never what it computes beyond rounding.
        ///
        /// A table for each class of device comes with the crate; `cargo xtask tune` measures one, and
        /// [`Planner::tuning`](crate::Planner::tuning) takes it. As text, a line for each number: `name = value`.
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
        /// The numbers, and what they can be:
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
            /// The names of the numbers, with the least and the largest value.
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
            /// [`Error::Tuning`] for a name that there isn't, and a value out of range.
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
    /// Rows of at most this many packs (four elements, or one where a row is not a multiple of four) are owned by a lane.
    lane_packs: 0..=32,
    /// The same of 4096 rows or more, of which each lane has several: it loads their weights once. Half of it where each takes more code: in a
    /// backward pass, and of halves.
    lane_packs_many_rows: 0..=32,
    /// Packs that a lane of a subgroup holds of a row; longer rows go to larger teams.
    subgroup_packs: 1..=128,
    /// Packs that a lane of a workgroup holds of a row; longer rows are streamed or split.
    workgroup_packs: 1..=32,
    /// 1: rows of halves that registers hold are moved by 16 bytes, where they are multiples of them and no lane has more of them for it. 0: by 8.
    vec4x2: 0..=1,
    /// 1: f16 is converted by the device's own instructions, for devices that are known to keep subnormals and to round to the nearest even
    /// number there. 0: by integers, the same everywhere. `cargo xtask tune` leaves it as it is.
    native_f16: 0..=1,
    /// Workgroups of up to 64 lanes that fill the device.
    workgroups: 1..=65535,
    /// Rows that a team goes through at most, where all rows share their weights, which it then loads once.
    rows_per_team: 1..=1024,
    /// Rows that a team of a backward pass sums up at most for the gradients of weight and bias; half of it for clusters and for workgroups of more
    /// than 256 lanes. The sums are plain ones.
    grad_rows_per_team: 1..=64,
    /// Fewer than this, and the sums are a pass of their own.
    min_grad_rows_per_team: 1..=65,
    /// 1: lanes of a workgroup merge sums together, where there are many of them. 0: a lane merges them, without a barrier.
    merge_by_workgroup: 0..=1,
    /// Rows that a team streams at once.
    stream_rows: 1..=8,
    /// With fewer rows than this, long rows are split: teams share a row.
    few_rows: 0..=0x7fff_ffff,
    /// From this many elements on a row is long.
    long_row: 1..=0x7fff_ffff,
    /// Packs that a lane goes through with the same statistics or weights at most.
    packs_per_lane: 1..=1024,
    /// Lanes that should go through neighbouring packs even if each goes through fewer then.
    adjacent_lanes: 1..=256,
}

impl Tuning {
    /// Software adapters: lavapipe, llvmpipe, `SwiftShader`. Registers cost seconds to compile there, and streamed rows take little longer than held
    /// ones.
    pub(crate) const SOFTWARE: Self = Self {
        lane_packs: 4,
        lane_packs_many_rows: 16,
        subgroup_packs: 12,
        workgroup_packs: 8,
        vec4x2: 0,
        native_f16: 0,
        workgroups: 16,
        rows_per_team: 16,
        grad_rows_per_team: 32,
        min_grad_rows_per_team: 2,
        merge_by_workgroup: 0,
        stream_rows: 4,
        few_rows: 16,
        long_row: 4096,
        packs_per_lane: 32,
        adjacent_lanes: 4,
    };
    /// Those of Mesa up to 22: a load or store is a loop over its lanes, which takes long to run and little to compile.
    pub(crate) const MESA_22: Self =
        Self { lane_packs_many_rows: 32, subgroup_packs: 34, stream_rows: 8, ..Self::SOFTWARE };
    /// GPUs. Measured on an NVIDIA H100.
    pub(crate) const GPU: Self = Self {
        lane_packs: 4,
        lane_packs_many_rows: 4,
        subgroup_packs: 4,
        workgroup_packs: 8,
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
    /// With the driver of NVIDIA, which converts halves as IEEE 754 says.
    pub(crate) const NVIDIA: Self = Self { native_f16: 1, ..Self::GPU };

    /// The table for an adapter.
    pub(crate) fn of(info: &wgpu::AdapterInfo) -> Self {
        // Not Mesa's driver for the same devices, which was not asked how it converts.
        let is_nvidia =
            info.vendor == NVIDIA && info.backend == wgpu::Backend::Vulkan && mesa(&info.driver_info).is_none();
        match info.device_type {
            wgpu::DeviceType::Cpu if mesa(&info.driver_info).is_some_and(|version| version <= 22) => Self::MESA_22,
            wgpu::DeviceType::Cpu => Self::SOFTWARE,
            _ if is_nvidia => Self::NVIDIA,
            _ => Self::GPU,
        }
    }
}

/// The PCI number of the vendor.
const NVIDIA: u32 = 0x10de;

/// The major version of Mesa, if that is the driver: `Mesa 22.3.6 (LLVM 15.0.6)`, with GL's own version before it on GL.
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

/// Every number must be there once. Lines that begin with `#` are comments.
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
        for tuning in [Tuning::SOFTWARE, Tuning::MESA_22, Tuning::GPU, Tuning::NVIDIA] {
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
