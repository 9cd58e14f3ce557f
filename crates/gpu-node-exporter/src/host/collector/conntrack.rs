//! Connections that netfilter tracks, from `/proc/sys/net/netfilter` and `/proc/net/stat/nf_conntrack`.
//!
//! Owns how full the table is and what became of packets, added up over the CPUs. A machine that does not track connections has none
//! of these files.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::KeptFile;
use crate::host::kept_file::ReadError;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "conntrack",
    help: "connections that netfilter tracks",
    reads: "/proc/sys/net/netfilter/nf_conntrack_count, /proc/sys/net/netfilter/nf_conntrack_max, /proc/net/stat/nf_conntrack",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(ConntrackCollector::new(root)),
};

struct ConntrackCollector {
    entries: ProcFile,
    limit: ProcFile,
    stat: ProcFile,
}

impl ConntrackCollector {
    fn new(root: &Root) -> Self {
        let setting = |name: &str| {
            let path = format!("sys/net/netfilter/{name}");
            ProcFile::of_few_lines(root, &path).known(KeptFile::of_one_text)
        };
        Self {
            entries: setting("nf_conntrack_count"),
            limit: setting("nf_conntrack_max"),
            stat: ProcFile::new(root, "net/stat/nf_conntrack"),
        }
    }
}

impl Collector for ConntrackCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = Collected::default();
        let sizes = [
            (
                "node_nf_conntrack_entries",
                "Number of currently allocated flow entries for connection tracking.",
                &mut self.entries,
            ),
            (
                "node_nf_conntrack_entries_limit",
                "Maximum size of connection tracking table.",
                &mut self.limit,
            ),
        ];
        for (name, help, file) in sizes {
            match file.read().map_err(fault).and_then(|text| size(name, text)) {
                Ok(size) => collected.families.push(Family::gauge(name, help).with(Labels::NONE, size)),
                Err(fault) => collected.faults.push(fault),
            }
        }
        match self.stat.read() {
            Ok(text) => {
                let Lines { read, faults } = parse(text);
                collected.extend(Collected::new(families(&read), faults));
            }
            Err(error) => collected.faults.push(fault(error)),
        }
        collected.faults.dedup();
        collected
    }
}

fn fault(error: ReadError) -> Fault {
    if error.is_absent() {
        return Fault::no_data("conntrack: this kernel does not track connections");
    }
    error.into()
}

fn size(name: &str, text: &str) -> Result<u64, Fault> {
    let odd = || Fault::with_excerpt(format!("{name}: expected a number"), excerpt(text));
    text.trim().parse().map_err(|_| odd())
}

/// The columns that are shown, with their places in a line. Linux 5.10 and later call some of them otherwise.
const COLUMNS: [(usize, &str, &str); 8] = [
    (2, "node_nf_conntrack_stat_found", "Number of searched entries which were successful."),
    (4, "node_nf_conntrack_stat_invalid", "Number of packets seen which can not be tracked."),
    (
        5,
        "node_nf_conntrack_stat_ignore",
        "Number of packets seen which are already connected to a conntrack entry.",
    ),
    (8, "node_nf_conntrack_stat_insert", "Number of entries inserted into the list."),
    (
        9,
        "node_nf_conntrack_stat_insert_failed",
        "Number of entries for which list insertion was attempted but failed.",
    ),
    (10, "node_nf_conntrack_stat_drop", "Number of packets dropped due to conntrack failure."),
    (
        11,
        "node_nf_conntrack_stat_early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
    ),
    (
        16,
        "node_nf_conntrack_stat_search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
    ),
];

/// What one CPU counted, in the order of [`COLUMNS`].
type Counts = [u64; COLUMNS.len()];

fn parse(text: &str) -> Lines<Counts> {
    // The first line names the columns.
    numbered_lines("nf_conntrack", text.lines().enumerate().skip(1), parse_line)
}

/// Hexadecimal numbers. Before Linux 2.6.35 the last one was not there.
fn parse_line(line: &str) -> Option<Counts> {
    let numbers: Vec<u64> = line
        .split_ascii_whitespace()
        .map(|word| u64::from_str_radix(word, 16).ok())
        .collect::<Option<_>>()?;
    let is_complete = matches!(numbers.len(), 16 | 17);
    is_complete.then(|| COLUMNS.map(|(place, ..)| numbers.get(place).copied().unwrap_or_default()))
}

fn families(cpus: &[Counts]) -> Vec<Family> {
    if cpus.is_empty() {
        return Vec::new();
    }
    let columns = COLUMNS.iter().enumerate().map(|(place, (_, name, help))| {
        let sum = cpus.iter().fold(0_u64, |sum, counts| sum.saturating_add(counts[place]));
        Family::gauge(*name, *help).with(Labels::NONE, sum)
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    const HEAD: &str = "entries  searched found …\n";

    #[test]
    fn cpus_are_added_up() {
        let line = |found: &str| format!("21 0 {found} 0 1 2 0 0 3 4 5 6 0 0 0 0 7\n");
        let Lines { read, faults } = parse(&format!("{HEAD}{}{}", line("f"), line("1")));
        assert_eq!(faults, []);
        let lines = values(&families(&read));
        assert_eq!(lines[0], "node_nf_conntrack_stat_found 16");
        assert_eq!(lines[7], "node_nf_conntrack_stat_search_restart 14");
        let most = line("ffffffffffffffff");
        let lines = values(&families(&parse(&format!("{HEAD}{most}{most}")).read));
        assert_eq!(lines[0], format!("node_nf_conntrack_stat_found {}", u64::MAX));
    }

    #[test]
    fn a_kernel_that_tracks_nothing_says_so_once() {
        let proc = tempfile::tempdir().unwrap();
        let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        assert!(collected.families.is_empty());
        let faults: Vec<_> = collected.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["conntrack: this kernel does not track connections"]);
    }

    #[test]
    fn a_kernel_without_the_old_statistics_still_says_how_full_the_table_is() {
        let proc = tempfile::tempdir().unwrap();
        let directory = proc.path().join("sys/net/netfilter");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("nf_conntrack_count"), "123\n").unwrap();
        std::fs::write(directory.join("nf_conntrack_max"), "65536\n").unwrap();
        let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        assert_eq!(
            values(&collected.families),
            ["node_nf_conntrack_entries 123", "node_nf_conntrack_entries_limit 65536"]
        );
        assert_eq!(collected.faults.len(), 1);
    }

    #[test]
    fn garbage_is_a_fault() {
        let short = format!("{HEAD}1 2 3\n");
        let odd = format!("{HEAD}{}x\n", "0 ".repeat(16));
        check_garbage(|text| parse(text).faults, &["", HEAD, &short, &odd]);
        check_garbage(|text| size("x", text).err().into_iter().collect(), &["", "-1", "many"]);
    }
}
