//! Packets as each CPU takes them from the network, from `/proc/net/softnet_stat`.
//!
//! Owns the counters. Parsed by hand: the file has no heading, and each kernel version adds columns at the end.

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Kind};
use crate::host::cpu_labels::CpuLabels;
use crate::host::entry::Entry;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "softnet",
    help: "packets as each CPU takes them from the network",
    reads: "/proc/net/softnet_stat",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(SoftnetCollector::new(root)),
};

struct SoftnetCollector {
    file: ProcFile,
    cpus: CpuLabels,
}

impl SoftnetCollector {
    fn new(root: &Root) -> Self {
        Self { file: ProcFile::new(root, "net/softnet_stat"), cpus: CpuLabels::default() }
    }
}

impl Collector for SoftnetCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map(parse) {
            Ok(Lines { read, faults }) => Collected::new(families(&read, &mut self.cpus), faults),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// A column of the file: its place, and the family it becomes.
struct Column {
    place: usize,
    name: &'static str,
    help: &'static str,
    kind: Kind,
}

const fn count(place: usize, name: &'static str, help: &'static str) -> Column {
    Column { place, name, help, kind: Kind::Counter }
}

/// As `softnet_seq_show` in the kernel's `net/core/net-procfs.c` writes them.
const COLUMNS: [Column; 7] = [
    count(0, "node_softnet_processed_total", "Number of processed packets"),
    count(1, "node_softnet_dropped_total", "Number of dropped packets"),
    count(2, "node_softnet_times_squeezed_total", "Number of times processing packets ran out of quota"),
    count(
        8,
        "node_softnet_cpu_collision_total",
        "Number of collision occur while obtaining device lock while transmitting",
    ),
    count(9, "node_softnet_received_rps_total", "Number of times cpu woken up received_rps"),
    count(10, "node_softnet_flow_limit_count_total", "Number of times flow limit has been reached"),
    Column { place: 11, name: "node_softnet_backlog_len", help: "Softnet backlog status", kind: Kind::Gauge },
];
/// The CPU's number, since Linux 5.10.
const CPU: usize = 12;
/// Every kernel writes at least these.
const LEAST_COLUMNS: usize = 9;

/// One CPU's line.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    cpu: u32,
    /// In the order of [`COLUMNS`].
    counts: [u32; COLUMNS.len()],
}

fn parse(text: &str) -> Lines<Line> {
    let mut place = 0;
    lines("net/softnet_stat", text, |line| {
        let cpu = place;
        place += 1;
        parse_line(line, cpu)
    })
}

/// Numbers are hexadecimal. An older kernel does not say which CPU a line is about: there it is the line's place. What it
/// does not count is 0, as in `node_exporter`.
fn parse_line(line: &str, place: u32) -> Option<Line> {
    let mut parsed = Line { cpu: place, counts: [0; COLUMNS.len()] };
    let mut columns = 0;
    for (column, word) in line.split_ascii_whitespace().enumerate() {
        let number = u32::from_str_radix(word, 16).ok()?;
        if let Some(shown) = COLUMNS.iter().position(|shown| shown.place == column) {
            parsed.counts[shown] = number;
        }
        if column == CPU {
            parsed.cpu = number;
        }
        columns += 1;
    }
    (columns >= LEAST_COLUMNS).then_some(parsed)
}

fn families(lines: &[Line], cpus: &mut CpuLabels) -> Vec<Family> {
    let mut families: Vec<Family> = COLUMNS
        .iter()
        .map(|column| match column.kind {
            Kind::Gauge => Family::gauge(column.name, column.help),
            _ => Family::counter(column.name, column.help),
        })
        .collect();
    for line in lines {
        let labels = cpus.of(line.cpu);
        for (family, count) in families.iter_mut().zip(line.counts) {
            family.push(labels.clone(), count);
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn a_line_names_its_cpu_or_stands_at_its_place() {
        let cpus = |text: &str| parse(text).read.into_iter().map(|line| line.cpu).collect::<Vec<_>>();
        assert_eq!(
            cpus("0 0 0 0 0 0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0 0 0 0 0 2\n"),
            [0, 2],
            "CPU 1 is offline"
        );
        assert_eq!(cpus("0 0 0 0 0 0 0 0 0\nodd\n0 0 0 0 0 0 0 0 0\n"), [0, 2], "the line of CPU 1 is odd");
        assert_eq!(cpus(&format!("{}\n", "0 ".repeat(15))), [0], "a kernel with more columns");
    }

    #[test]
    fn numbers_are_hexadecimal() {
        let Lines { read, faults } = parse("ffffffff 0 0 0 0 0 0 0 a 0 0 1f 3\n");
        assert_eq!(faults, []);
        let lines = values(&families(&read, &mut CpuLabels::default()));
        assert_eq!(lines[0], r#"node_softnet_processed_total{cpu="3"} 4294967295"#);
        assert_eq!(lines[3], r#"node_softnet_cpu_collision_total{cpu="3"} 10"#);
        assert_eq!(lines[6], r#"node_softnet_backlog_len{cpu="3"} 31"#);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &[
                "",
                "\n",
                "0 0 0 0 0 0 0 0\n",
                "0 0 0 0 0 0 0 0 x\n",
                "100000000 0 0 0 0 0 0 0 0\n",
                "-1 0 0 0 0 0 0 0 0",
            ],
        );
    }
}
