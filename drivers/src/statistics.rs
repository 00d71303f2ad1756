//! What the compiler of a driver says of a kernel.

use std::{fmt, str::FromStr};

/// The statistics of a kernel. Drivers have several compiled forms of it at most: then each number is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub subgroup_size: u64,
    pub registers: u64,
    /// Registers that the kernel has not enough of, and keeps in memory; or bytes of memory, if the driver counts none.
    pub spills: u64,
    pub occupancy: u64,
    pub code_size: u64,
}

/// A compiled form of a kernel, with the driver's numbers by name.
pub struct Executable {
    pub subgroup_size: u32,
    pub numbers: Vec<(String, u64)>,
}

/// The names of a driver's numbers.
pub struct Names {
    driver: &'static str,
    registers: &'static str,
    /// Counts of spills, to be added.
    spills: &'static [&'static str],
    /// Bytes of memory that a lane or thread has in place of registers.
    scratch: &'static str,
    /// `None`: the lanes of a thread, which are the subgroup size.
    occupancy: Option<&'static str>,
    code_size: &'static str,
}

const DRIVERS: [Names; 2] = [
    Names {
        driver: "radv",
        registers: "VGPRs",
        spills: &["Spilled VGPRs", "Spilled SGPRs"],
        scratch: "Scratch size",
        occupancy: Some("Subgroups per SIMD"),
        code_size: "Code size",
    },
    Names {
        driver: "intel",
        registers: "Max live registers",
        spills: &["Spill Count"],
        scratch: "Scratch Memory Size",
        occupancy: None,
        code_size: "Instruction Count",
    },
];

impl Names {
    /// The names of a driver, by what the device is called: `radv:gfx1100`.
    pub fn of(device: &str) -> Option<&'static Self> {
        let (driver, _) = device.split_once(':')?;
        DRIVERS.iter().find(|names| names.driver == driver)
    }

    /// The columns of a table, in the driver's words.
    pub fn columns(&self) -> String {
        format!(
            "subgroup size, registers ({}), spills ({}), occupancy ({}), code size ({}), op",
            self.registers,
            self.spills.join(" + "),
            self.occupancy.unwrap_or("lanes of a thread"),
            self.code_size
        )
    }

    /// The worst numbers of a kernel's executables.
    pub fn statistics(&self, executables: &[Executable]) -> Result<Statistics, String> {
        let all: Result<Vec<_>, _> = executables.iter().map(|executable| self.executable(executable)).collect();
        let worst = all?.into_iter().reduce(|a, b| Statistics {
            subgroup_size: a.subgroup_size.min(b.subgroup_size),
            registers: a.registers.max(b.registers),
            spills: a.spills.max(b.spills),
            occupancy: a.occupancy.min(b.occupancy),
            code_size: a.code_size.max(b.code_size),
        });
        worst.ok_or_else(|| "the driver has no executable of the pipeline".into())
    }

    fn executable(&self, executable: &Executable) -> Result<Statistics, String> {
        let find = |name: &str| executable.numbers.iter().find(|(other, _)| other == name).map(|(_, number)| *number);
        let number = |name: &str| find(name).ok_or_else(|| format!("the driver says nothing of `{name}`"));
        let mut spills = 0;
        for name in self.spills {
            spills += number(name)?;
        }
        if spills == 0 {
            spills = find(self.scratch).unwrap_or(0);
        }
        let subgroup_size = u64::from(executable.subgroup_size);
        Ok(Statistics {
            subgroup_size,
            registers: find(self.registers).unwrap_or(0),
            spills,
            occupancy: self.occupancy.map_or(Ok(subgroup_size), number)?,
            code_size: number(self.code_size)?,
        })
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subgroup_size, registers, spills, occupancy, code_size } = self;
        write!(f, "{subgroup_size} {registers} {spills} {occupancy} {code_size}")
    }
}

impl FromStr for Statistics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[subgroup_size, registers, spills, occupancy, code_size]) => {
                Ok(Self { subgroup_size, registers, spills, occupancy, code_size })
            }
            _ => Err(format!("`{text}` is not five numbers")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executable(subgroup_size: u32, numbers: &[(&str, u64)]) -> Executable {
        Executable { subgroup_size, numbers: numbers.iter().map(|&(name, number)| (name.to_owned(), number)).collect() }
    }

    const RADV: [(&str, u64); 6] = [
        ("VGPRs", 64),
        ("Spilled SGPRs", 1),
        ("Spilled VGPRs", 2),
        ("Code size", 500),
        ("Scratch size", 1024),
        ("Subgroups per SIMD", 8),
    ];

    #[test]
    fn spills_of_all_kinds_count() {
        let names = Names::of("radv:gfx1100").expect("known");
        let of = |numbers: &[(&str, u64)]| names.statistics(&[executable(64, numbers)]);
        let expected = Statistics { subgroup_size: 64, registers: 64, spills: 3, occupancy: 8, code_size: 500 };
        assert_eq!(of(&RADV), Ok(expected));
        let mut numbers = RADV;
        (numbers[1].1, numbers[2].1) = (0, 0);
        assert_eq!(of(&numbers).map(|s| s.spills), Ok(1024));
        numbers[4].1 = 0;
        assert_eq!(of(&numbers).map(|s| s.spills), Ok(0));
        assert!(of(&numbers[2..]).is_err_and(|e| e.contains("Spilled SGPRs")));
    }

    #[test]
    fn the_worst_of_several_executables_counts() {
        let names = Names::of("intel:dg2").expect("known");
        let numbers =
            |spills, size| [("Max live registers", 100), ("Spill Count", spills), ("Instruction Count", size)];
        let both = [executable(16, &numbers(0, 200)), executable(8, &numbers(7, 100))];
        let expected = Statistics { subgroup_size: 8, registers: 100, spills: 7, occupancy: 8, code_size: 200 };
        assert_eq!(names.statistics(&both), Ok(expected));
        assert!(names.statistics(&[]).is_err());
    }

    #[test]
    fn statistics_survive_as_text() {
        let statistics = Statistics { subgroup_size: 64, registers: 256, spills: 0, occupancy: 4, code_size: 12345 };
        assert_eq!(statistics.to_string().parse(), Ok(statistics));
        assert!("64 256 0 4".parse::<Statistics>().is_err());
    }
}
