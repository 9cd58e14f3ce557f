//! Interrupts, context switches, forks and boot time, from `/proc/stat` (see `proc_stat(5)`).
//!
//! Owns everything in that file but the CPU times, which are `cpu`'s. Parsed by hand: procfs's type drops the interrupt
//! and softirq lines.

use std::collections::HashMap;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::kept_file::KeptFile;
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

static SOFTIRQ: Flag = Flag::switch("collector.stat.softirq", false, "Show node_softirqs_total");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "stat",
    help: "interrupts, context switches, forks, boot time",
    reads: "/proc/stat",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[&SOFTIRQ],
    new: |flags, root| Box::new(StatCollector::new(flags, root)),
};

struct StatCollector {
    file: ProcFile,
    softirq: bool,
    vectors: Vec<Labels>,
}

impl StatCollector {
    fn new(flags: &Flags, root: &Root) -> Self {
        Self {
            file: ProcFile::new(root, "stat").known(KeptFile::of_one_text),
            softirq: flags.is_on(&SOFTIRQ),
            vectors: VECTORS.iter().map(|vector| Labels::new([("vector", *vector)])).collect(),
        }
    }
}

impl Collector for StatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read() {
            Ok(text) => collected(text, self.softirq.then_some(&self.vectors)),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// The softirq vectors in the kernel's order (`include/linux/interrupt.h`).
const VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/// A line that begins with this word, and its first number's family.
struct Field {
    key: &'static str,
    family: fn() -> Family,
}

const FIELDS: [Field; 6] = [
    Field {
        key: "intr",
        family: || Family::counter("node_intr_total", "Total number of interrupts serviced."),
    },
    Field {
        key: "ctxt",
        family: || Family::counter("node_context_switches_total", "Total number of context switches."),
    },
    Field { key: "processes", family: || Family::counter("node_forks_total", "Total number of forks.") },
    Field {
        key: "btime",
        family: || Family::gauge("node_boot_time_seconds", "Node boot time, in unixtime."),
    },
    Field {
        key: "procs_running",
        family: || Family::gauge("node_procs_running", "Number of processes in runnable state."),
    },
    Field {
        key: "procs_blocked",
        family: || {
            Family::gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.")
        },
    },
];

/// `vectors` are the labels of the softirqs, if those are wanted.
fn collected(text: &str, vectors: Option<&Vec<Labels>>) -> Collected {
    let mut lines: HashMap<&str, &str> = HashMap::with_capacity(8);
    for (key, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
        // The lines about CPUs are `cpu`'s.
        if !key.starts_with("cpu") {
            lines.entry(key).or_insert(rest);
        }
    }
    let mut collected = Collected::default();
    for Field { key, family } in FIELDS {
        let first = lines.get(key).and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
        match first {
            Some(number) => collected.families.push(family().with(Labels::NONE, number)),
            None => collected.faults.push(Fault::new(format!("stat: no number after `{key}`"))),
        }
    }
    if let (Some(labels), Some(rest)) = (vectors, lines.get("softirq")) {
        // The line's first number is the sum of the others.
        let mut words = rest.split_ascii_whitespace().skip(1);
        let mut softirqs = Family::counter("node_softirqs_total", "Number of softirq calls.");
        for (labels, vector) in labels.iter().zip(VECTORS) {
            match words.next().and_then(|word| word.parse::<u64>().ok()) {
                Some(count) => softirqs.push(labels.clone(), count),
                None => collected
                    .faults
                    .push(Fault::new(format!("stat: no number for the softirq vector {vector}"))),
            }
        }
        collected.families.push(softirqs);
    }
    collected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    const TEXT: &str = "cpu  1 2 3\nintr 8885917 17 0\nctxt 38014093\nbtime 1418183276\nprocesses 26442\n\
                        procs_running 2\nprocs_blocked 0\nsoftirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444\n";

    #[test]
    fn reads_each_line() {
        let labels: Vec<_> = VECTORS.iter().map(|vector| Labels::new([("vector", *vector)])).collect();
        let lines = values(&collected(TEXT, Some(&labels)).families);
        assert_eq!(
            lines[..6],
            [
                "node_intr_total 8885917",
                "node_context_switches_total 38014093",
                "node_forks_total 26442",
                "node_boot_time_seconds 1418183276",
                "node_procs_running 2",
                "node_procs_blocked 0",
            ]
        );
        assert_eq!(lines[6], "node_softirqs_total{vector=\"hi\"} 250191");
        assert_eq!(lines[15], "node_softirqs_total{vector=\"rcu\"} 508444");
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let Collected { families, faults, .. } = collected(&TEXT.replace("26442", "-1"), None);
        assert_eq!(families.len(), FIELDS.len() - 1);
        assert_eq!(faults, [Fault::new("stat: no number after `processes`")]);
    }

    #[test]
    fn garbage_is_a_fault() {
        let labels: Vec<_> = VECTORS.iter().map(|_| Labels::NONE).collect();
        check_garbage(
            |text| collected(text, Some(&labels)).faults,
            &[
                "",
                "intr",
                &TEXT.replace("ctxt", "cxtt"),
                &TEXT.replace("26442", "-1"),
                &TEXT.replace("1418183276", "99999999999999999999999"),
                &TEXT.replace(" 508444", ""),
            ],
        );
    }
}
