//! Interrupts, context switches, forks and boot time, from `/proc/stat` (see `proc_stat(5)`).
//!
//! Owns everything in that file but the CPU times, which are `cpu`'s. Parsed by hand: procfs's type drops the interrupt
//! and softirq lines.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
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
            file: ProcFile::new(root, "stat"),
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
        let stat = self.file.read().map_err(Fault::from).and_then(parse);
        stat.map(|stat| families(&stat, self.softirq.then_some(&self.vectors))).into()
    }
}

/// The softirq vectors in the kernel's order (`include/linux/interrupt.h`).
const VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/// Counts since boot, but for the two numbers of processes.
#[derive(Debug)]
struct Stat {
    interrupts: u64,
    context_switches: u64,
    forks: u64,
    /// Seconds since 1970.
    boot_time: u64,
    running: u64,
    blocked: u64,
    softirqs: Option<[u64; VECTORS.len()]>,
}

fn parse(text: &str) -> Result<Stat, Fault> {
    let first_number = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
            .ok_or_else(|| Fault::new(format!("stat: no number after `{key}`")))
    };
    Ok(Stat {
        interrupts: first_number("intr")?,
        context_switches: first_number("ctxt")?,
        forks: first_number("processes")?,
        boot_time: first_number("btime")?,
        running: first_number("procs_running")?,
        blocked: first_number("procs_blocked")?,
        softirqs: text.lines().find_map(|line| line.strip_prefix("softirq ")).map(vectors).transpose()?,
    })
}

/// The line's first number is the sum of the others.
fn vectors(rest: &str) -> Result<[u64; VECTORS.len()], Fault> {
    let mut words = rest.split_ascii_whitespace().skip(1);
    let mut counts = [0; VECTORS.len()];
    for (count, vector) in counts.iter_mut().zip(VECTORS) {
        *count = words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| Fault::new(format!("stat: no number for the softirq vector {vector}")))?;
    }
    Ok(counts)
}

fn families(stat: &Stat, vectors: Option<&Vec<Labels>>) -> Vec<Family> {
    let one = |family: Family, value: u64| family.with(Labels::NONE, value);
    let mut families = vec![
        one(Family::counter("node_intr_total", "Interrupts serviced since boot."), stat.interrupts),
        one(
            Family::counter("node_context_switches_total", "Context switches since boot."),
            stat.context_switches,
        ),
        one(Family::counter("node_forks_total", "Processes and threads made since boot."), stat.forks),
        one(
            Family::gauge("node_boot_time_seconds", "When the machine booted, in seconds since 1970."),
            stat.boot_time,
        ),
        one(Family::gauge("node_procs_running", "Tasks that run or could run."), stat.running),
        one(Family::gauge("node_procs_blocked", "Tasks blocked until an I/O completes."), stat.blocked),
    ];
    if let (Some(labels), Some(counts)) = (vectors, stat.softirqs) {
        let mut softirqs = Family::counter("node_softirqs_total", "Softirq calls since boot.");
        for (labels, count) in labels.iter().zip(counts) {
            softirqs.push(labels.clone(), count);
        }
        families.push(softirqs);
    }
    families
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
        let families = families(&parse(TEXT).unwrap(), Some(&labels));
        let lines = values(&families);
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
    fn garbage_is_a_fault() {
        check_garbage(
            parse,
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
