//! Interrupts by CPU, from `/proc/interrupts` (see `proc_interrupts(5)`).
//!
//! Owns the counts and what the kernel says of each interrupt. Leaves out `ERR` and `MIS`, which are one number for all
//! CPUs, as `node_exporter` does.

use std::collections::HashMap;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::filter::Filter;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

static NAME_INCLUDE: Flag = Flag::regex(
    "collector.interrupts.name-include",
    "",
    "The only interrupts to show, as `NAME;INFO;DEVICES`",
);
static NAME_EXCLUDE: Flag =
    Flag::regex("collector.interrupts.name-exclude", "", "Interrupts to leave out, as `NAME;INFO;DEVICES`");
static INCLUDE_ZEROS: Flag =
    Flag::switch("collector.interrupts.include-zeros", true, "Leave out counts that are zero");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "interrupts",
    help: "interrupts by CPU",
    reads: "/proc/interrupts",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[&NAME_INCLUDE, &NAME_EXCLUDE, &INCLUDE_ZEROS],
    new: |flags, root| Box::new(InterruptsCollector::new(flags, root)),
};

/// A column for each CPU and a line for each interrupt: 512 CPUs and 4,000 interrupts are 24 MB.
const MOST: usize = 64 * 1024 * 1024;

struct InterruptsCollector {
    file: ProcFile,
    shown: Shown,
}

impl InterruptsCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        // Of this pair both may be written.
        let filter = Filter { exclude: flags.regex(&NAME_EXCLUDE), include: flags.regex(&NAME_INCLUDE) };
        let shown = Shown { filter, with_zeros: flags.is_on(&INCLUDE_ZEROS), known: HashMap::new() };
        Self { file: ProcFile::at_most(root, "interrupts", MOST), shown }
    }
}

impl Collector for InterruptsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map_err(Fault::from).and_then(parse) {
            Ok(Lines { read, faults }) => Collected::new(vec![self.shown.family(&read)], faults),
            Err(fault) => Collected::failed(fault),
        }
    }
}

/// One line: ` 44:  140636  226313  IR-PCI-MSI-edge  i915`.
#[derive(Debug)]
struct Interrupt<'text> {
    /// The number, or a word.
    name: &'text str,
    /// In the order of the CPUs.
    counts: Vec<u64>,
    /// What follows the counts: the controller and the devices of a number, a sentence for a word.
    about: &'text str,
}

fn parse(text: &str) -> Result<Lines<Interrupt<'_>>, Fault> {
    let head = text.lines().next().unwrap_or_default();
    let mut cpus = 0;
    for column in head.split_ascii_whitespace() {
        if !column.starts_with("CPU") {
            return Err(Fault::with_excerpt("interrupts: expected a column for each CPU", excerpt(head)));
        }
        cpus += 1;
    }
    let interrupts = text.lines().enumerate().skip(1).filter(|(_, line)| !is_for_all_cpus(line));
    Ok(numbered_lines("interrupts", interrupts, |line| parse_line(line, cpus)))
}

/// `ERR: 0`
fn is_for_all_cpus(line: &str) -> bool {
    line.split_once(':').is_some_and(|(_, count)| count.trim().parse::<u64>().is_ok())
}

/// On some machines nothing stands between the name and the first count.
fn parse_line(line: &str, cpus: usize) -> Option<Interrupt<'_>> {
    let (name, mut rest) = line.split_once(':')?;
    let name = name.trim_start();
    let mut counts = Vec::with_capacity(cpus);
    for _ in 0..cpus {
        let (count, behind) = rest.trim_start().split_once(|symbol: char| symbol.is_ascii_whitespace())?;
        counts.push(count.parse().ok()?);
        rest = behind;
    }
    let about = rest.trim();
    (!name.is_empty() && !about.is_empty()).then_some(Interrupt { name, counts, about })
}

/// What is shown, and the labels of the interrupts of the last reading.
struct Shown {
    filter: Filter,
    with_zeros: bool,
    /// By name and what is said about it; `None` for an interrupt that is left out.
    known: HashMap<String, Option<Vec<Labels>>>,
}

impl Shown {
    fn family(&mut self, interrupts: &[Interrupt<'_>]) -> Family {
        let mut family = Family::counter("node_interrupts_total", "Interrupt details.");
        let mut known = HashMap::with_capacity(interrupts.len());
        for interrupt in interrupts {
            let key = format!("{}:{}", interrupt.name, interrupt.about);
            // With the number of CPUs the labels change too.
            let labels = self
                .known
                .remove(&key)
                .filter(|labels| labels.as_ref().is_none_or(|labels| labels.len() == interrupt.counts.len()));
            let labels = labels.unwrap_or_else(|| self.labels(interrupt));
            for (labels, count) in labels.iter().flatten().zip(&interrupt.counts) {
                if self.with_zeros || *count != 0 {
                    family.push(labels.clone(), *count);
                }
            }
            known.insert(key, labels);
        }
        // Interrupts come and go with devices: those that are gone are forgotten.
        self.known = known;
        family
    }

    fn labels(&self, interrupt: &Interrupt<'_>) -> Option<Vec<Labels>> {
        let Interrupt { name, about, .. } = interrupt;
        let mut words = about.split_ascii_whitespace();
        let is_number = name.parse::<u32>().is_ok();
        let first = if is_number { words.next().unwrap_or_default() } else { "" };
        let rest = words.collect::<Vec<_>>().join(" ");
        let (info, devices) = if is_number { (first, rest.as_str()) } else { (rest.as_str(), "") };
        let of_cpu = |cpu: usize| {
            let cpu = cpu.to_string();
            Labels::new([("cpu", cpu.as_str()), ("type", name), ("info", info), ("devices", devices)])
        };
        let is_shown = self.filter.keeps(&format!("{name};{info};{devices}"));
        is_shown.then(|| (0..interrupt.counts.len()).map(of_cpu).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    const TEXT: &str = "           CPU0       CPU1\n 44:     140636     226313  IR-PCI-MSI-edge      i915, snd\n\
        NMI:         47          0   Non-maskable interrupts\nERR:          0\n";

    fn shown(text: &str, written: &[&str]) -> (Vec<String>, Vec<Fault>) {
        let proc = tempfile::tempdir().unwrap();
        std::fs::write(proc.path().join("interrupts"), text).unwrap();
        let Collected { families, faults, .. } =
            collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), written).collect();
        (values(&families), faults)
    }

    #[test]
    fn an_interrupt_has_a_count_for_each_cpu() {
        let i915 = |cpu, count| {
            format!(
                r#"node_interrupts_total{{cpu="{cpu}",type="44",info="IR-PCI-MSI-edge",devices="i915, snd"}} {count}"#
            )
        };
        let nmi = |cpu, count| {
            format!(
                r#"node_interrupts_total{{cpu="{cpu}",type="NMI",info="Non-maskable interrupts",devices=""}} {count}"#
            )
        };
        let check = |written: &[&str], expected: &[String]| {
            assert_eq!(shown(TEXT, written), (expected.to_vec(), vec![]), "{written:?}");
        };
        check(&[], &[i915(0, 140_636), i915(1, 226_313), nmi(0, 47), nmi(1, 0)]);
        check(
            &["--no-collector.interrupts.include-zeros"],
            &[i915(0, 140_636), i915(1, 226_313), nmi(0, 47)],
        );
        check(&["--collector.interrupts.name-exclude=^NMI;Non"], &[i915(0, 140_636), i915(1, 226_313)]);
        check(&["--collector.interrupts.name-include=^NMI"], &[nmi(0, 47), nmi(1, 0)]);
        check(
            &["--collector.interrupts.name-include=snd$|^NMI", "--collector.interrupts.name-exclude=i915"],
            &[nmi(0, 47), nmi(1, 0)],
        );
    }

    #[test]
    fn a_count_may_stand_right_behind_the_name() {
        let (lines, faults) = shown("   CPU0\nIPI0:18446744073709551615 Rescheduling interrupts\n", &[]);
        let expected = r#"node_interrupts_total{cpu="0",type="IPI0",info="Rescheduling interrupts",devices=""} 18446744073709551615"#;
        assert_eq!((lines, faults), (vec![expected.to_owned()], vec![]));
    }

    #[test]
    fn interrupts_that_are_gone_are_forgotten_and_cpus_may_come() {
        let mut shown = Shown { filter: Filter::default(), with_zeros: true, known: HashMap::new() };
        let mut count = |text| shown.family(&parse(text).unwrap().read).samples.len();
        assert_eq!(count(" CPU0\n1: 2 a b\n2: 3 a c\n"), 2);
        assert_eq!(count(" CPU0 CPU1\n1: 2 4 a b\n"), 2);
        assert_eq!(shown.known.len(), 1);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).map_or_else(|fault| vec![fault], |lines| lines.faults),
            &[
                "",
                "CPU0 CPU1\n",
                "cpu0\n1: 2 a b\n",
                "CPU0\n1 2 a b\n",
                "CPU0\n1: -2 a b\n",
                "CPU0\n1: 2\n: 2 a b\n",
                "CPU0 CPU1\n1: 2 a b\n",
                "CPU0\n1: 18446744073709551616 a b\n",
            ],
        );
    }
}
