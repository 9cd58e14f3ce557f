//! Pressure stall information, from `/proc/pressure` (see the kernel's `accounting/psi.rst`).
//!
//! Owns the totals; Prometheus makes its own averages from them. Parsed by hand: procfs has no type for `irq`, which has
//! a `full` line only.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile, ReadError};
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "pressure",
    help: "pressure stall information",
    reads: "/proc/pressure",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(PressureCollector::new(root)),
};

struct PressureCollector {
    resources: Vec<(&'static Resource, KeptFile)>,
    buffer: Buffer,
}

/// One file, and the families its two lines become.
struct Resource {
    file: &'static str,
    some: Option<(&'static str, &'static str)>,
    full: Option<(&'static str, &'static str)>,
}

const RESOURCES: [Resource; 4] = [
    Resource {
        file: "pressure/cpu",
        some: Some((
            "node_pressure_cpu_waiting_seconds_total",
            "Total time in seconds that processes have waited for CPU time",
        )),
        // The kernel writes a `full` line for CPUs that is always 0 for the whole machine.
        full: None,
    },
    Resource {
        file: "pressure/io",
        some: Some((
            "node_pressure_io_waiting_seconds_total",
            "Total time in seconds that processes have waited due to IO congestion",
        )),
        full: Some((
            "node_pressure_io_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IO congestion",
        )),
    },
    Resource {
        file: "pressure/memory",
        some: Some((
            "node_pressure_memory_waiting_seconds_total",
            "Total time in seconds that processes have waited for memory",
        )),
        full: Some((
            "node_pressure_memory_stalled_seconds_total",
            "Total time in seconds no process could make progress due to memory congestion",
        )),
    },
    Resource {
        file: "pressure/irq",
        some: None,
        full: Some((
            "node_pressure_irq_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IRQ congestion",
        )),
    },
];

impl PressureCollector {
    fn new(root: &Root) -> Self {
        let file = |resource: &Resource| {
            KeptFile::of_few_lines(root.proc.join(resource.file)).of_one_text().of_some_machines()
        };
        let resources = RESOURCES.iter().map(|resource| (resource, file(resource)));
        Self { resources: resources.collect(), buffer: Buffer::default() }
    }
}

impl Collector for PressureCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = Collected::default();
        let mut found = false;
        for (resource, file) in &mut self.resources {
            match file.read(&mut self.buffer).map(|text| families(resource, text)) {
                Ok(part) => {
                    found = true;
                    collected.extend(part);
                }
                // Each file came with its own kernel version; irq with 6.1.
                Err(error) if error.is_absent() => {}
                Err(error) => collected.faults.push(unreadable(&error)),
            }
        }
        if !found && collected.faults.is_empty() {
            collected.faults.push(Fault::no_data(
                "the kernel has no pressure information (hint: Linux 4.20 with CONFIG_PSI)",
            ));
        }
        collected
    }
}

fn unreadable(error: &ReadError) -> Fault {
    let is_off = error.io().raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error());
    let hint = if is_off { " (hint: boot with psi=1)" } else { "" };
    Fault::new(format!("{error}{hint}"))
}

fn families(resource: &Resource, text: &str) -> Collected {
    let mut collected = Collected::default();
    for (kind, series) in [("some", resource.some), ("full", resource.full)] {
        let Some((name, help)) = series else { continue };
        match total(text, kind) {
            Some(microseconds) => collected
                .families
                .push(Family::counter(name, help).with(Labels::NONE, microseconds as f64 / 1e6)),
            None => {
                collected.faults.push(Fault::new(format!("{}: no total in a line {kind:?}", resource.file)));
            }
        }
    }
    collected
}

/// Microseconds, from `some avg10=0.00 avg60=0.00 avg300=0.00 total=14036781`.
fn total(text: &str, kind: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn totals_are_seconds() {
        let text =
            "some avg10=0.20 avg60=3.00 avg300=4.95 total=25\nfull avg10=0.1 avg60=0 avg300=0 total=15\n";
        assert_eq!(
            values(&families(&RESOURCES[1], text).families),
            [
                "node_pressure_io_waiting_seconds_total 0.000025",
                "node_pressure_io_stalled_seconds_total 0.000015"
            ]
        );
        assert_eq!(
            values(&families(&RESOURCES[0], text).families),
            ["node_pressure_cpu_waiting_seconds_total 0.000025"]
        );
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let Collected { families, faults, .. } = families(&RESOURCES[1], "some total=-1\nfull total=15\n");
        assert_eq!(values(&families), ["node_pressure_io_stalled_seconds_total 0.000015"]);
        assert_eq!(faults, [Fault::new("pressure/io: no total in a line \"some\"")]);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| families(&RESOURCES[1], text).faults,
            &[
                "",
                "some avg10=0.20 total=25\n",
                "some total=x\nfull total=1\n",
                "some\nfull\n",
                "sometotal=1\nfulltotal=1",
            ],
        );
    }
}
