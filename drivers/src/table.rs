//! Committed statistics of the bench's kernels, a file for each device and version of its driver. A kernel has the name
//! of the first op that uses it.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use crate::{
    DeviceInfo,
    statistics::{Names, Statistics},
};

/// Accepts the statistics of a run.
pub const ACCEPT: &str = "UPDATE_SNAPSHOTS=1";

/// Statistics by the first op and dispatch.
pub type Table = BTreeMap<String, Statistics>;

/// How a table differs from the committed one.
#[derive(Default)]
pub struct Changes {
    /// Kernels that have become worse, and kernels that came or went.
    pub red: Vec<String>,
    /// Kernels that differ otherwise.
    pub others: usize,
}

/// The file of a device: `radv-22.3.6-gfx1100.txt`.
pub fn path(name: &str, version: &str) -> PathBuf {
    let (driver, device) = name.split_once(':').unwrap_or((name, "device"));
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("statistics/{driver}-{version}-{device}.txt"))
}

/// Writes the table if it is asked for. Compares it with the committed one, if there is one, but for what `failed`.
pub fn check(
    name: &str,
    info: &DeviceInfo,
    table: &Table,
    failed: &BTreeSet<String>,
) -> Result<Option<Changes>, String> {
    let path = path(name, &info.version);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        if !failed.is_empty() {
            return Err(format!("{} is not written, as kernels failed", path.display()));
        }
        let columns = info.names.map(Names::columns).unwrap_or_default();
        fs::write(&path, write(&info.title, name, &columns, table)).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{} lines written to {}", table.len(), path.display());
    }
    if !path.exists() {
        return Ok(None);
    }
    let committed = fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| read(&text));
    Ok(Some(compare(&committed.map_err(|e| format!("{}: {e}", path.display()))?, table, failed)))
}

fn write(title: &str, name: &str, columns: &str, table: &Table) -> String {
    let mut text = format!("# {title}, called {name}\n# {columns}\n");
    for (key, statistics) in table {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{statistics} {key}");
    }
    text
}

/// A line is five numbers and the key.
fn read(text: &str) -> Result<Table, String> {
    let line = |line: &str| {
        let at = line.match_indices(' ').nth(4).map(|(at, _)| at);
        let (numbers, key) = line.split_at(at.ok_or_else(|| format!("`{line}` is too short"))?);
        Ok((key.trim_start().to_owned(), numbers.parse()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

fn compare(committed: &Table, table: &Table, failed: &BTreeSet<String>) -> Changes {
    let mut changes = Changes::default();
    for (key, now) in table {
        let Some(before) = committed.get(key) else {
            changes.red.push(format!("{key}: not in the table, {ACCEPT} adds it"));
            continue;
        };
        if now.spills > before.spills {
            changes.red.push(format!("{key}: spills {}, in the table {}", now.spills, before.spills));
        } else if now.occupancy * 2 <= before.occupancy {
            changes.red.push(format!("{key}: occupancy {}, in the table {}", now.occupancy, before.occupancy));
        } else if now != before {
            changes.others += 1;
        }
    }
    let gone = committed.keys().filter(|key| !table.contains_key(*key) && !failed.contains(*key));
    changes.red.extend(gone.map(|key| format!("{key}: only in the table, {ACCEPT} removes it")));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Statistics = Statistics { subgroup_size: 64, registers: 96, spills: 0, occupancy: 8, code_size: 1000 };

    fn table(lines: &[(&str, Statistics)]) -> Table {
        lines.iter().map(|&(key, statistics)| (key.to_owned(), statistics)).collect()
    }

    /// The changes of one op's dispatch.
    fn changes(before: Statistics, now: Statistics) -> Changes {
        compare(&table(&[("op [8] f32 1 #0", before)]), &table(&[("op [8] f32 1 #0", now)]), &BTreeSet::new())
    }

    #[test]
    fn a_spill_is_red() {
        let found = changes(LINE, Statistics { spills: 2, ..LINE });
        assert_eq!(found.red, ["op [8] f32 1 #0: spills 2, in the table 0"]);
        let more = changes(Statistics { spills: 2, ..LINE }, Statistics { spills: 3, ..LINE });
        assert_eq!(more.red, ["op [8] f32 1 #0: spills 3, in the table 2"]);
        let fewer = changes(Statistics { spills: 2, ..LINE }, LINE);
        assert!(fewer.red.is_empty() && fewer.others == 1);
    }

    #[test]
    fn half_of_the_occupancy_is_red() {
        let found = changes(LINE, Statistics { occupancy: 4, ..LINE });
        assert_eq!(found.red, ["op [8] f32 1 #0: occupancy 4, in the table 8"]);
        let little = changes(LINE, Statistics { occupancy: 5, ..LINE });
        assert!(little.red.is_empty() && little.others == 1);
    }

    #[test]
    fn other_differences_are_counted() {
        let found = changes(LINE, Statistics { registers: 128, code_size: 2000, ..LINE });
        assert!(found.red.is_empty() && found.others == 1);
        let same = changes(LINE, LINE);
        assert!(same.red.is_empty() && same.others == 0);
    }

    #[test]
    fn ops_that_come_and_go_are_red() {
        let (two, one) = (table(&[("a #0", LINE), ("b #0", LINE)]), table(&[("a #0", LINE)]));
        let none = BTreeSet::new();
        assert_eq!(compare(&two, &one, &none).red, ["b #0: only in the table, UPDATE_SNAPSHOTS=1 removes it"]);
        assert_eq!(compare(&one, &two, &none).red, ["b #0: not in the table, UPDATE_SNAPSHOTS=1 adds it"]);
        // What failed is reported as a failure.
        assert!(compare(&two, &one, &BTreeSet::from(["b #0".to_owned()])).red.is_empty());
    }

    #[test]
    fn a_table_survives_as_text() {
        let table = table(&[("batch_norm [8, 64, 56, 56] bf16+f32 2 #1", LINE), ("rms_norm [8, 9] f32 1 #0", LINE)]);
        assert_eq!(read(&write("RADV", "radv:gfx1100", "columns", &table)).as_ref(), Ok(&table));
        assert!(read("64 96 0 8").is_err());
    }

    #[test]
    fn the_file_is_named_by_driver_version_and_device() {
        assert!(path("radv:gfx1100", "22.3.6").ends_with("statistics/radv-22.3.6-gfx1100.txt"));
    }
}
