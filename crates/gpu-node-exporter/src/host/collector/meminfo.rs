//! Memory, from `/proc/meminfo` (see `proc_meminfo(5)`).
//!
//! Owns one gauge for each line of the file. Parsed by hand: procfs keeps a fixed list of fields and would lose the
//! ones newer kernels add. Beside them stands when the memory is full at its present pace, by what scrapes saw of it. Leaves out the
//! NUMA nodes' own files.

use std::time::Instant;

use time_to_full::{Level, TimeToFull};

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::KeptFile;
use crate::host::line_families::LineFamilies;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "meminfo",
    help: "memory",
    reads: "/proc/meminfo",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| {
        let file = ProcFile::of_few_lines(root, "meminfo").known(KeptFile::of_one_text);
        let (filling, families) = (TimeToFull::default(), LineFamilies::default());
        Box::new(MemoryCollector { file, began: Instant::now(), filling, families })
    },
};

struct MemoryCollector {
    file: ProcFile,
    began: Instant,
    filling: TimeToFull,
    /// By a line's key, and whether it has a unit.
    families: LineFamilies<(String, bool)>,
}

impl Collector for MemoryCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let at = self.began.elapsed().as_secs_f64();
        match self.file.read() {
            Ok(text) => collected(text, &mut self.families, &mut self.filling, at),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// What was read at so many seconds of a series.
fn collected(
    text: &str,
    families: &mut LineFamilies<(String, bool)>,
    filling: &mut TimeToFull,
    at: f64,
) -> Collected {
    let Lines { read, faults } = lines("meminfo", text, parse);
    if let Some(level) = level(&read) {
        filling.add(at, level);
    }
    let family = |(place, field): (usize, Field<'_>)| {
        let is_it = |(key, has_unit): &(String, bool)| key == field.key && *has_unit == field.has_unit;
        let make = || {
            let (name, help) = field.name_and_help();
            ((field.key.to_owned(), field.has_unit), Some(Family::gauge(name, help)))
        };
        Some(families.of(place, is_it, make)?.with(Labels::NONE, field.value))
    };
    let mut families: Vec<_> = read.into_iter().enumerate().filter_map(family).collect();
    let mut time_to_full = Family::gauge(
        "node_memory_time_to_full_seconds",
        "Time until no memory is available at the present pace; absent while its use does not rise steadily.",
    );
    if let Some(seconds) = filling.seconds(at) {
        time_to_full.push(Labels::NONE, seconds);
    }
    families.push(time_to_full);
    Collected::new(families, faults)
}

/// What is not available is used.
fn level(fields: &[Field<'_>]) -> Option<Level> {
    let value = |key| fields.iter().find(|field| field.key == key).map(|field| field.value);
    let (total, available) = (value("MemTotal")?, value("MemAvailable")?);
    let room = available as f64 / total as f64;
    (total > 0 && available <= total).then_some(Level { used: 1.0 - room, room })
}

/// One line: `Active(anon):    2068484 kB`.
struct Field<'text> {
    key: &'text str,
    /// Bytes where the line has a unit, else a number of pages.
    value: u64,
    has_unit: bool,
}

fn parse(line: &str) -> Option<Field<'_>> {
    let (key, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let (value, has_unit) = match words.next() {
        None => (number, false),
        Some("kB") => (number.checked_mul(1024)?, true),
        Some(_) => return None,
    };
    let valid_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_()".contains(&byte));
    (valid_key && !key.is_empty()).then_some(Field { key, value, has_unit })
}

impl Field<'_> {
    /// `Active(anon)` is `node_memory_Active_anon_bytes`; `HugePages_Total`, a number of pages, keeps no unit.
    fn name_and_help(&self) -> (String, String) {
        let key = self.key.replace('(', "_").replace(')', "");
        let unit = if self.has_unit { "_bytes" } else { "" };
        (format!("node_memory_{key}{unit}"), format!("Memory information field {key}{unit}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    fn once(text: &str) -> Collected {
        collected(text, &mut LineFamilies::default(), &mut TimeToFull::default(), 0.0)
    }

    #[test]
    fn memory_that_is_taken_steadily_is_full_in_time() {
        let mut filling = TimeToFull::default();
        let mut shown = Vec::new();
        // 60 GiB of 100 are available for an hour; then one goes each minute.
        for number in 0_u32..280 {
            let second = 15 * number;
            let available = 60.0 - f64::from(second.saturating_sub(3600)) / 60.0;
            let kibibytes = (available * 1_048_576.0).round();
            let text = format!("MemTotal: 104857600 kB\nMemAvailable: {kibibytes} kB\n");
            shown = values(
                &collected(&text, &mut LineFamilies::default(), &mut filling, f64::from(second)).families,
            );
            assert!(second > 3600 || shown.len() == 2, "{shown:?}");
        }
        let seconds = shown[2].strip_prefix("node_memory_time_to_full_seconds ").unwrap();
        let minutes = seconds.parse::<f64>().unwrap() / 60.0;
        assert!((minutes - 50.3).abs() < 1.0, "{minutes} min left of 60 after 9.75");
    }

    #[test]
    fn memory_that_cannot_be_is_no_level() {
        let level = |text: &str| level(&lines("meminfo", text, parse).read);
        assert_eq!(level("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
        assert_eq!(level("MemTotal: 1 kB\nMemAvailable: 2 kB\n"), None);
        assert_eq!(level("MemTotal: 4 kB\n"), None);
    }

    #[test]
    fn names_every_line() {
        let text = "MemTotal:       3742148 kB\nActive(anon):    2068484 kB\nHugePages_Total:       0\n";
        assert_eq!(
            values(&once(text).families),
            [
                "node_memory_MemTotal_bytes 3831959552",
                "node_memory_Active_anon_bytes 2118127616",
                "node_memory_HugePages_Total 0"
            ]
        );
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let check = |text: &str, fault: &str| {
            let collected = once(text);
            // One line is left out, and one family is no line's.
            assert_eq!(collected.families.len(), text.lines().count());
            let faults: Vec<_> = collected.faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, [fault]);
        };
        check(include_str!("../testdata/odd_lines/meminfo_blank_line"), "meminfo: cannot read line 43: ``");
        check(
            include_str!("../testdata/odd_lines/meminfo_wrapped_value"),
            "meminfo: cannot read line 30: `Committed_AS:    18446744073709551604 kB`",
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| once(text).faults,
            &[
                "",
                "MemTotal",
                "MemTotal: x kB",
                "MemTotal: 1 MB",
                "MemTotal: 18446744073709551615 kB",
                "Mem Total: 1 kB",
                ": 1 kB",
                "\u{0}\u{1}",
            ],
        );
    }
}
