//! Virtual memory counters, from `/proc/vmstat`.
//!
//! Owns the fields that `--collector.vmstat.fields` names, of unknown type since the kernel does not say which of them
//! only grow. Parsed by hand: procfs's type is a map and loses the order, which lets the expression be asked only once
//! for each field here.

use regex_lite::Regex;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::Flag;
use crate::host::entry::Entry;
use crate::host::line_families::LineFamilies;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;

static FIELDS: Flag = Flag::regex(
    "collector.vmstat.fields",
    "^(oom_kill|pgpg|pswp|pg.*fault).*",
    "Fields of PROCFS/vmstat to show",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "vmstat",
    help: "counters of virtual memory",
    reads: "/proc/vmstat",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[&FIELDS],
    new: |flags, root| {
        let fields = Fields { include: flags.regex(&FIELDS), families: LineFamilies::default() };
        Box::new(VmstatCollector {
            file: ProcFile::of_few_lines(root, "vmstat").known(|file| file.of_lines(LONGEST)),
            fields,
        })
    },
};

/// The longest name has some forty letters, a number twenty digits.
const LONGEST: usize = 128;

struct VmstatCollector {
    file: ProcFile,
    fields: Fields,
}

impl Collector for VmstatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read() {
            Ok(text) => collected(text, &mut self.fields),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// Which fields to show, and what they are.
struct Fields {
    /// Without an expression, all.
    include: Option<Regex>,
    families: LineFamilies<String>,
}

impl Fields {
    fn family(&mut self, place: usize, field: &str) -> Option<Family> {
        let include = self.include.as_ref();
        let make = || {
            let shown = include.is_none_or(|include| include.is_match(field));
            let help = format!("/proc/vmstat information field {field}.");
            (field.to_owned(), shown.then(|| Family::unknown(format!("node_vmstat_{field}"), help)))
        };
        self.families.of(place, |known| known == field, make)
    }
}

fn collected(text: &str, fields: &mut Fields) -> Collected {
    let Lines { read, faults } = lines("vmstat", text, parse);
    let shown = read
        .into_iter()
        .enumerate()
        .filter_map(|(place, (field, value))| Some(fields.family(place, field)?.with(Labels::NONE, value)));
    Collected::new(shown.collect(), faults)
}

fn parse(line: &str) -> Option<(&str, u64)> {
    let (field, value) = line.split_once(' ')?;
    let is_name = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let value = value.trim().parse().ok()?;
    is_name.then_some((field, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    fn fields(include: &str) -> Fields {
        Fields { include: Some(Regex::new(include).unwrap()), families: LineFamilies::default() }
    }

    #[test]
    fn shows_the_fields_asked_for_also_when_lines_move() {
        let mut fields = fields("^(oom_kill|pgpg)");
        let lines = |text: &str, fields: &mut Fields| values(&collected(text, fields).families);
        assert_eq!(
            lines("nr_free 3\npgpgin 7\noom_kill 0\n", &mut fields),
            ["node_vmstat_pgpgin 7", "node_vmstat_oom_kill 0"]
        );
        assert_eq!(
            lines("pgpgin 8\nnr_free 3\noom_kill 1\n", &mut fields),
            ["node_vmstat_pgpgin 8", "node_vmstat_oom_kill 1"]
        );
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let collected = collected("pgpgin 1\npgpgout -1\npswpin 3\n", &mut fields(""));
        assert_eq!(values(&collected.families), ["node_vmstat_pgpgin 1", "node_vmstat_pswpin 3"]);
        assert_eq!(collected.faults[0].to_string(), "vmstat: cannot read line 2: `pgpgout -1`");
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| collected(text, &mut fields("")).faults,
            &["", "\n", "pgpgin", "pgpgin x", "pg pgin 1", "pg{} 1", " 1"],
        );
    }
}
