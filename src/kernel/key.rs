//! The compile key: everything that changes a kernel's code, and nothing else. Shapes, eps and momentum are run-time
//! parameters.

use std::fmt;

use crate::{
    kernel::params::{self, ParamField},
    lower::Team,
    tensor::{Access, Slot},
};

/// Elements that a lane moves at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Width {
    X1,
    X4,
}

impl Width {
    pub const ALL: [Self; 2] = [Self::X1, Self::X4];

    /// The widest that divides a row of `len` elements, so that every row starts at a pack.
    pub fn of(len: u32) -> Self {
        if len.is_multiple_of(4) { Self::X4 } else { Self::X1 }
    }

    pub const fn elements(self) -> u32 {
        match self {
            Self::X1 => 1,
            Self::X4 => 4,
        }
    }
}

/// What a statistic is looked up by in `apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StatsBy {
    /// The position in the row: a column.
    Position,
    /// The row, or several neighbouring ones.
    Block,
    /// The row's group: a channel.
    Group,
}

/// What weight and bias are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ParamsBy {
    /// The position in the row, in the table of the row's group.
    Position,
    /// The channel.
    Channel,
}

/// Which statistics are written for a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Saved {
    None,
    Rstd,
    MeanRstd,
}

/// Which of weight and bias there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Affine {
    pub weight: bool,
    pub bias: bool,
}

impl Affine {
    const ALL: [Self; 4] = [
        Self { weight: false, bias: false },
        Self { weight: true, bias: false },
        Self { weight: false, bias: true },
        Self { weight: true, bias: true },
    ];
}

impl Saved {
    fn slots(self) -> &'static [Slot] {
        match self {
            Self::None => &[],
            Self::Rstd => &[Slot::Rstd],
            Self::MeanRstd => &[Slot::Mean, Slot::Rstd],
        }
    }
}

/// How running statistics are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tracking {
    None,
    Fixed,
    Cumulative,
}

/// Where `apply` finds its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Batch,
    Running,
}

/// One compiled kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KernelKey {
    Row {
        team: Team,
        workgroup_size: u32,
        registers: u32,
        width: Width,
        centered: bool,
        params: ParamsBy,
        affine: Affine,
        saved: Saved,
    },
    Moments {
        team: Team,
        workgroup_size: u32,
        width: Width,
    },
    MomentsColumns {
        width: Width,
    },
    Finalize {
        centered: bool,
        saved: Saved,
        tracking: Tracking,
    },
    Apply {
        width: Width,
        source: Source,
        stats: StatsBy,
        params: ParamsBy,
        affine: Affine,
    },
    Count,
}

/// Workgroup size where lanes, or subgroups, work on their own.
pub(crate) const SMALL_WORKGROUP: u32 = 64;
/// The same where a subgroup has more lanes than that.
pub(crate) const WIDE_SUBGROUP_WORKGROUP: u32 = 128;
/// Workgroup sizes of teams that are workgroups.
pub(crate) const TEAM_WORKGROUPS: [u32; 3] = [256, 512, 1024];
/// Packs that a lane of `moments` and `moments_columns` holds at a time.
pub(crate) const MOMENTS_BLOCK: u32 = 8;
/// Packs that a lane of `apply` loads before it stores.
pub(crate) const APPLY_BLOCK: u32 = 4;
/// Packs that a lane may hold on a GPU, where more would spill.
pub(crate) const GPU_REGISTERS: u32 = 8;

/// Packs that a lane of a subgroup may hold on a CPU adapter, where the stack is as near as the registers. More would be faster
/// still on some, but compilers take time that grows with the square of it: see `docs/performance.md`.
pub(crate) const fn cpu_registers(width: Width) -> u32 {
    match width {
        Width::X1 => 64,
        Width::X4 => 32,
    }
}

/// The register counts that are compiled.
const REGISTER_STEPS: [u32; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

/// The smallest compiled register count that holds `packs`, at most `max`.
pub(crate) fn registers_for(packs: u32, max: u32) -> Option<u32> {
    REGISTER_STEPS.into_iter().find(|&r| r >= packs && r <= max)
}

impl KernelKey {
    /// Every key that `lower` can make.
    pub fn all() -> Vec<Self> {
        let mut keys = Vec::new();
        let teams = |width| {
            let small = [
                (Team::Lane, SMALL_WORKGROUP, GPU_REGISTERS),
                (Team::Subgroup, SMALL_WORKGROUP, cpu_registers(width)),
                (Team::Subgroup, WIDE_SUBGROUP_WORKGROUP, cpu_registers(width)),
            ];
            let large = TEAM_WORKGROUPS
                .into_iter()
                .flat_map(|size| [Team::Workgroup, Team::WorkgroupSubgroups].map(|team| (team, size, GPU_REGISTERS)));
            small.into_iter().chain(large)
        };
        for width in Width::ALL {
            for (team, workgroup_size, max) in teams(width) {
                keys.push(Self::Moments { team, workgroup_size, width });
                for registers in REGISTER_STEPS.into_iter().filter(|&r| r <= max) {
                    for (centered, params, affine, saved) in Self::row_flags() {
                        keys.push(Self::Row {
                            team,
                            workgroup_size,
                            registers,
                            width,
                            centered,
                            params,
                            affine,
                            saved,
                        });
                    }
                }
            }
            keys.push(Self::MomentsColumns { width });
            for affine in Affine::ALL {
                // Columns; rows and blocks of rows, with either kind of weight; channels, from the batch or running.
                for (source, stats, params) in [
                    (Source::Batch, StatsBy::Position, ParamsBy::Position),
                    (Source::Running, StatsBy::Position, ParamsBy::Position),
                    (Source::Batch, StatsBy::Block, ParamsBy::Position),
                    (Source::Batch, StatsBy::Block, ParamsBy::Channel),
                    (Source::Batch, StatsBy::Group, ParamsBy::Channel),
                    (Source::Running, StatsBy::Group, ParamsBy::Channel),
                ] {
                    keys.push(Self::Apply { width, source, stats, params, affine });
                }
            }
        }
        for (centered, saved) in
            [(true, Saved::None), (true, Saved::MeanRstd), (false, Saved::None), (false, Saved::Rstd)]
        {
            keys.push(Self::Finalize { centered, saved, tracking: Tracking::None });
        }
        for saved in [Saved::None, Saved::MeanRstd] {
            for tracking in [Tracking::Fixed, Tracking::Cumulative] {
                keys.push(Self::Finalize { centered: true, saved, tracking });
            }
        }
        keys.push(Self::Count);
        keys
    }

    /// The options of the row kernel that ops ask for together.
    fn row_flags() -> Vec<(bool, ParamsBy, Affine, Saved)> {
        let mut flags = Vec::new();
        for affine in Affine::ALL {
            for params in [ParamsBy::Position, ParamsBy::Channel] {
                flags.extend([Saved::None, Saved::MeanRstd].map(|saved| (true, params, affine, saved)));
            }
            // RMS norm has no bias.
            if !affine.bias {
                flags.extend([Saved::None, Saved::Rstd].map(|saved| (false, ParamsBy::Position, affine, saved)));
            }
        }
        flags
    }

    pub fn workgroup_size(&self) -> u32 {
        match *self {
            Self::Row { workgroup_size, .. } | Self::Moments { workgroup_size, .. } => workgroup_size,
            Self::MomentsColumns { .. } | Self::Finalize { .. } | Self::Apply { .. } => SMALL_WORKGROUP,
            Self::Count => 1,
        }
    }

    /// How often the kernel's unrolled blocks are repeated.
    pub fn unroll(&self) -> u32 {
        match *self {
            Self::Row { registers, .. } => registers,
            Self::Moments { .. } | Self::MomentsColumns { .. } => MOMENTS_BLOCK,
            Self::Apply { .. } => APPLY_BLOCK,
            Self::Finalize { .. } | Self::Count => 1,
        }
    }

    fn team(&self) -> Option<Team> {
        match *self {
            Self::Row { team, .. } | Self::Moments { team, .. } => Some(team),
            _ => None,
        }
    }

    pub fn uses_subgroups(&self) -> bool {
        self.team().is_some_and(Team::uses_subgroups)
    }

    /// Bytes of workgroup memory.
    pub fn workgroup_storage(&self) -> u32 {
        match self.team() {
            Some(Team::Workgroup) => self.workgroup_size() * 8 + self.workgroup_size() / 16 * 8,
            Some(Team::WorkgroupSubgroups) => self.workgroup_size() / 4 * 8,
            _ => 0,
        }
    }

    /// The storage buffers that the kernel binds and what it does with them, in the order of their numbers.
    pub fn slots(&self) -> Vec<(Slot, Access)> {
        use Access::{Read, ReadWrite, Write};
        let mut slots = Vec::new();
        let affine = |slots: &mut Vec<_>, affine: Affine| {
            slots.extend(affine.weight.then_some((Slot::Weight, Read)));
            slots.extend(affine.bias.then_some((Slot::Bias, Read)));
        };
        match *self {
            Self::Row { affine: a, saved, .. } => {
                slots.push((Slot::Input, Read));
                affine(&mut slots, a);
                slots.push((Slot::Output, Write));
                slots.extend(saved.slots().iter().map(|&slot| (slot, Write)));
            }
            Self::Moments { .. } | Self::MomentsColumns { .. } => {
                slots.extend([(Slot::Input, Read), (Slot::Partials, Write)]);
            }
            Self::Finalize { saved, tracking, .. } => {
                slots.extend(saved.slots().iter().map(|&slot| (slot, Write)));
                if tracking != Tracking::None {
                    slots.extend([(Slot::RunningMean, ReadWrite), (Slot::RunningVar, ReadWrite)]);
                }
                if tracking == Tracking::Cumulative {
                    slots.push((Slot::NumBatchesTracked, Read));
                }
                slots.extend([(Slot::Partials, ReadWrite), (Slot::Statistics, Write)]);
            }
            Self::Apply { source, affine: a, .. } => {
                slots.push((Slot::Input, Read));
                affine(&mut slots, a);
                slots.push((Slot::Output, Write));
                match source {
                    Source::Batch => slots.push((Slot::Statistics, Read)),
                    Source::Running => slots.extend([(Slot::RunningMean, Read), (Slot::RunningVar, Read)]),
                }
            }
            Self::Count => slots.push((Slot::NumBatchesTracked, ReadWrite)),
        }
        slots
    }

    /// The fields of the kernel's uniform; none where it has no uniform.
    pub fn param_fields(&self) -> &'static [ParamField] {
        match self {
            Self::Row { .. } => params::Row::FIELDS,
            Self::Moments { .. } => params::Moments::FIELDS,
            Self::MomentsColumns { .. } => params::MomentsColumns::FIELDS,
            Self::Finalize { .. } => params::Finalize::FIELDS,
            Self::Apply { .. } => params::Apply::FIELDS,
            Self::Count => &[],
        }
    }
}

/// The key as a label: what a profiler or an error message shows.
impl fmt::Display for KernelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wgpu-norm {self:?}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_are_distinct() {
        let all = KernelKey::all();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn every_kernel_fits_the_guaranteed_storage_buffers_and_workgroup_memory() {
        let minimum = wgpu::Limits::default();
        for key in KernelKey::all() {
            assert!(key.slots().len() <= minimum.max_storage_buffers_per_shader_stage as usize, "{key}");
            assert!(key.workgroup_storage() <= minimum.max_compute_workgroup_storage_size, "{key}");
        }
    }

    #[test]
    fn registers_are_rounded_up_to_a_compiled_count() {
        assert_eq!(registers_for(1, 8), Some(1));
        assert_eq!(registers_for(9, 32), Some(12));
        assert_eq!(registers_for(32, 32), Some(32));
        assert_eq!(registers_for(9, 8), None);
        assert_eq!(registers_for(33, 32), None);
    }
}
