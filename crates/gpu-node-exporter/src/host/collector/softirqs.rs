//! Soft interrupts by CPU, from `/proc/softirqs` (see `proc(5)`).
//!
//! Owns the ten kinds that the kernel has (`include/linux/interrupt.h`). `stat` has their sums.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "softirqs",
    help: "soft interrupts by CPU",
    reads: "/proc/softirqs",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| {
        Box::new(SoftirqsCollector { file: ProcFile::new(root, "softirqs"), labels: KINDS.map(|_| vec![]) })
    },
};

const KINDS: [&str; 10] =
    ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"];

struct SoftirqsCollector {
    file: ProcFile,
    /// Of each kind, by CPU.
    labels: [Vec<Labels>; KINDS.len()],
}

impl Collector for SoftirqsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map_err(Fault::from).and_then(parse) {
            Ok(Lines { read, faults }) => Collected::new(vec![family(&read, &mut self.labels)], faults),
            Err(fault) => Collected::failed(fault),
        }
    }
}

/// One line: `TIMER:  424191  108342`.
#[derive(Debug)]
struct Softirq {
    /// Its place in [`KINDS`]; `None` for a kind of a newer kernel.
    kind: Option<usize>,
    /// In the order of the CPUs.
    counts: Vec<u64>,
}

fn parse(text: &str) -> Result<Lines<Softirq>, Fault> {
    let head = text.lines().next().unwrap_or_default();
    if !head.trim_start().starts_with("CPU") {
        return Err(Fault::with_excerpt("softirqs: expected a column for each CPU", excerpt(head)));
    }
    Ok(numbered_lines("softirqs", text.lines().enumerate().skip(1), parse_line))
}

fn parse_line(line: &str) -> Option<Softirq> {
    let (kind, counts) = line.split_once(':')?;
    let counts: Vec<u64> = counts.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let kind = KINDS.iter().position(|known| *known == kind.trim_start());
    (!counts.is_empty()).then_some(Softirq { kind, counts })
}

fn family(softirqs: &[Softirq], labels: &mut [Vec<Labels>; KINDS.len()]) -> Family {
    let mut family = Family::counter("node_softirqs_functions_total", "Softirq counts per CPU.");
    for Softirq { kind, counts } in softirqs {
        let Some(kind) = *kind else { continue };
        for cpu in labels[kind].len()..counts.len() {
            labels[kind].push(Labels::new([("cpu", cpu.to_string().as_str()), ("type", KINDS[kind])]));
        }
        for (labels, count) in labels[kind].iter().zip(counts) {
            family.push(labels.clone(), *count);
        }
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn kinds_that_node_exporter_does_not_know_are_left_out() {
        let text = " CPU0 CPU1\n HI: 7 18446744073709551615\n SOON: 1 2\n RCU: 3 4\n";
        let Lines { read, faults } = parse(text).unwrap();
        assert_eq!(
            values(&[family(&read, &mut KINDS.map(|_| vec![]))]),
            [
                r#"node_softirqs_functions_total{cpu="0",type="HI"} 7"#,
                r#"node_softirqs_functions_total{cpu="1",type="HI"} 18446744073709551615"#,
                r#"node_softirqs_functions_total{cpu="0",type="RCU"} 3"#,
                r#"node_softirqs_functions_total{cpu="1",type="RCU"} 4"#,
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).map_or_else(|fault| vec![fault], |lines| lines.faults),
            &["", "CPU0\n", "HI: 1\n", "CPU0\nHI 1\n", "CPU0\nHI:\n", "CPU0\nHI: -1\n", "CPU0\nHI: 1 x\n"],
        );
    }
}
