//! How long tasks ran on each CPU and waited for it, from `/proc/schedstat` (see the kernel's `scheduler/sched-stats.rst`).
//!
//! Owns the times of the CPUs. Leaves out the scheduling domains, whose columns change with the file's version.

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::Family;
use crate::host::cpu_labels::CpuLabels;
use crate::host::entry::Entry;
use crate::host::kept_file::KeptFile;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "schedstat",
    help: "time that tasks ran on each CPU and waited for it",
    reads: "/proc/schedstat",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(SchedstatCollector::new(root)),
};

struct SchedstatCollector {
    file: ProcFile,
    cpus: CpuLabels,
}

impl SchedstatCollector {
    fn new(root: &Root) -> Self {
        Self {
            file: ProcFile::new(root, "schedstat").known(KeptFile::of_some_machines),
            cpus: CpuLabels::default(),
        }
    }
}

impl Collector for SchedstatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map(parse) {
            Ok(Lines { read, faults }) => Collected::new(families(&read, &mut self.cpus), faults),
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// One line `cpuN`.
#[derive(Debug, PartialEq, Eq)]
struct Cpu {
    number: u32,
    /// Nanoseconds.
    running: u64,
    /// Nanoseconds, of all tasks that waited together.
    waiting: u64,
    timeslices: u64,
}

/// The lines of the CPUs; the others are about the file and about scheduling domains.
fn parse(text: &str) -> Lines<Cpu> {
    let of_cpus = text.lines().enumerate().filter(|(_, line)| line.starts_with("cpu"));
    numbered_lines("schedstat", of_cpus, parse_line)
}

/// Columns 7 to 9 have been the same since version 5, of Linux 2.6.
fn parse_line(line: &str) -> Option<Cpu> {
    let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut numbers = words.map(|word| word.parse().ok());
    let running = numbers.nth(6)??;
    Some(Cpu { number, running, waiting: numbers.next()??, timeslices: numbers.next()?? })
}

const NANOSECONDS: f64 = 1e9;

fn families(cpus: &[Cpu], labels: &mut CpuLabels) -> Vec<Family> {
    let mut running = Family::counter(
        "node_schedstat_running_seconds_total",
        "Number of seconds CPU spent running a process.",
    );
    let mut waiting = Family::counter(
        "node_schedstat_waiting_seconds_total",
        "Number of seconds spent by processing waiting for this CPU.",
    );
    let mut timeslices =
        Family::counter("node_schedstat_timeslices_total", "Number of timeslices executed by CPU.");
    for cpu in cpus {
        let labels = labels.of(cpu.number);
        running.push(labels.clone(), cpu.running as f64 / NANOSECONDS);
        waiting.push(labels.clone(), cpu.waiting as f64 / NANOSECONDS);
        timeslices.push(labels, cpu.timeslices);
    }
    vec![running, waiting, timeslices]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn only_the_cpus_are_shown() {
        let text = "version 17\ntimestamp 4\ncpu1 0 0 0 0 0 0 1500000000 500000000 7\ndomain0 MC 3 1 2\n";
        let Lines { read, faults } = parse(text);
        assert_eq!(faults, []);
        assert_eq!(
            values(&families(&read, &mut CpuLabels::default())),
            [
                r#"node_schedstat_running_seconds_total{cpu="1"} 1.5"#,
                r#"node_schedstat_waiting_seconds_total{cpu="1"} 0.5"#,
                r#"node_schedstat_timeslices_total{cpu="1"} 7"#,
            ]
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &[
                "",
                "version 15\n",
                "cpu0 0 0 0 0 0 0 1 2\n",
                "cpux 0 0 0 0 0 0 1 2 3\n",
                "cpu0 0 0 0 0 0 0 1 -2 3\n",
                "cpu0 0 0 0 0 0 0 18446744073709551616 2 3\n",
            ],
        );
    }
}
