//! How often each procedure of NFS was called: the lines `proc3 22 0 1061909262 …` of `/proc/net/rpc/nfs` and
//! `/proc/net/rpc/nfsd`.
//!
//! Owns reading such lines by a table of names. The names, which are `node_exporter`'s, are the collectors'; those of
//! versions 2 and 3, which client and server share, are here.

use super::lines::{Lines, numbered_lines};
use crate::collector::Fault;
use crate::family::{Family, Labels};

/// The procedures of one version of the protocol.
pub(crate) struct Procedures {
    /// The word that begins their line.
    pub(crate) line: &'static str,
    /// The version.
    pub(crate) proto: &'static str,
    /// In the line's order; an empty name is not shown.
    pub(crate) names: &'static [&'static str],
    /// Whether the line says first how many numbers follow.
    pub(crate) is_counted: bool,
    /// The line has at least as many numbers. Procedures that an older kernel does not know were not called: 0, as in
    /// `node_exporter`.
    pub(crate) least: usize,
}

/// In the order of `nfs_procedures` in the kernel's `fs/nfs/nfs2xdr.c`.
pub(crate) const VERSION_2: &[&str] = &[
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create",
    "Remove", "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];

/// In the order of `nfs3_procedures` in the kernel's `fs/nfs/nfs3xdr.c`.
pub(crate) const VERSION_3: &[&str] = &[
    "Null",
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];

/// A table of procedures with the labels of each, made once.
pub(crate) struct ProcedureCounts {
    versions: Vec<(&'static Procedures, Vec<Option<Labels>>)>,
}

impl ProcedureCounts {
    /// Of the versions in `table`.
    pub(crate) fn new(table: &'static [Procedures]) -> Self {
        let versions = table.iter().map(|version| {
            let labels = |name: &&str| {
                (!name.is_empty()).then(|| Labels::new([("proto", version.proto), ("method", *name)]))
            };
            (version, version.names.iter().map(labels).collect())
        });
        Self { versions: versions.collect() }
    }

    /// Adds the calls to `family`. An odd line costs its version's; one that is not there is of a version that the kernel
    /// does not speak.
    pub(crate) fn read(&self, file: &str, text: &str, family: &mut Family) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (version, labels) in &self.versions {
            let of_version = text
                .lines()
                .enumerate()
                .filter(|(_, line)| word(line) == version.line)
                .take(1)
                .collect::<Vec<_>>();
            let counts = if of_version.is_empty() {
                Vec::new()
            } else {
                let Lines { mut read, faults: odd } =
                    numbered_lines(file, of_version.into_iter(), |line| version.counts(line));
                faults.extend(odd);
                let Some(counts) = read.pop() else { continue };
                counts
            };
            for (place, labels) in labels.iter().enumerate() {
                if let Some(labels) = labels {
                    family.push(labels.clone(), counts.get(place).copied().unwrap_or(0));
                }
            }
        }
        faults
    }
}

/// The word that begins a line.
fn word(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}

impl Procedures {
    fn counts(&self, line: &str) -> Option<Vec<u64>> {
        let numbers = line.split_ascii_whitespace().skip(1).map(|word| word.parse().ok());
        let mut numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
        if self.is_counted {
            let said = (!numbers.is_empty()).then(|| numbers.remove(0))?;
            (usize::try_from(said).ok()? == numbers.len()).then_some(())?;
        }
        (numbers.len() >= self.least).then_some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    static TABLE: [Procedures; 2] = [
        Procedures { line: "proc2", proto: "2", names: &["Null", "", "Read"], is_counted: true, least: 2 },
        Procedures { line: "extra", proto: "4", names: &["Extra"], is_counted: false, least: 1 },
    ];

    fn check(text: &str, counts: &[(&str, u64)], said: &[&str]) {
        let mut family = Family::counter("calls_total", "C.");
        let faults = ProcedureCounts::new(&TABLE).read("file", text, &mut family);
        let expected: Vec<_> = counts
            .iter()
            .map(|(method, count)| {
                let proto = if *method == "Extra" { 4 } else { 2 };
                format!("calls_total{{proto=\"{proto}\",method={method:?}}} {count}")
            })
            .collect();
        assert_eq!(values(&[family]), expected, "{text:?}");
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, said, "{text:?}");
    }

    #[test]
    fn what_the_kernel_does_not_know_was_not_called() {
        check("proc2 3 5 6 7\nextra 8\n", &[("Null", 5), ("Read", 7), ("Extra", 8)], &[]);
        check("proc2 2 5 6\n", &[("Null", 5), ("Read", 0), ("Extra", 0)], &[]);
        check("proc2 5 5 6 7 8 9\n", &[("Null", 5), ("Read", 7), ("Extra", 0)], &[]);
    }

    #[test]
    fn an_odd_line_costs_its_version() {
        for odd in [
            "proc2",
            "proc2 1 5",
            "proc2 2 5",
            "proc2 2 5 6 7",
            "proc2 2 5 x",
            "proc2 18446744073709551615 5 6",
        ] {
            check(
                &format!("{odd}\nextra 8\n"),
                &[("Extra", 8)],
                &[&format!("file: cannot read line 1: `{odd}`")],
            );
        }
        check("extra -8\n", &[("Null", 0), ("Read", 0)], &["file: cannot read line 1: `extra -8`"]);
    }
}
