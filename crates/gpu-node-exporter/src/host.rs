//! The host's side: one collector for each subject, under `node_exporter`'s names, labels, values and flags.
//!
//! Owns the list of host collectors and which lane each runs in. To add one: a file here, a line in [`COLLECTORS`].

use regex::Regex;

use crate::collector::Collector;

pub(crate) mod cpu;
pub(crate) mod filter;
mod loadavg;
mod meminfo;
mod pressure;
pub(crate) mod root;
mod stat;
#[cfg(test)]
mod testing;
mod uname;
mod vmstat;

use cpu::CpuSettings;
use root::Root;

/// What the flags `--collector.*` and `--path.*` resolve to.
#[derive(Clone, Debug)]
pub(crate) struct HostSettings {
    /// Where to read.
    pub(crate) root: Root,
    /// The collectors that run, by name.
    pub(crate) enabled: Vec<&'static str>,
    /// `--collector.cpu.*`
    pub(crate) cpu: CpuSettings,
    /// `--collector.stat.softirq`
    pub(crate) softirq: bool,
    /// `--collector.vmstat.fields`
    pub(crate) vmstat_fields: Option<Regex>,
}

/// One host collector.
pub(crate) struct Entry {
    /// The name in flags and in the meta-series.
    pub(crate) name: &'static str,
    /// What it reads, for `--help`.
    pub(crate) help: &'static str,
    lane: Lane,
    build: fn(&HostSettings) -> Box<dyn Collector>,
}

/// What a collector may have to wait for; each has a thread of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Nothing: these files are made from the kernel's memory.
    Kernel,
}

impl Lane {
    const ALL: [(&'static str, Self); 1] = [("kernel", Self::Kernel)];
}

/// All host collectors, by name.
pub(crate) const COLLECTORS: &[Entry] = &[
    Entry {
        name: "cpu",
        help: "CPU times, throttles and which CPUs run",
        lane: Lane::Kernel,
        build: |settings| Box::new(cpu::CpuCollector::new(settings)),
    },
    Entry {
        name: "loadavg",
        help: "load averages",
        lane: Lane::Kernel,
        build: |settings| Box::new(loadavg::LoadCollector::new(settings)),
    },
    Entry {
        name: "meminfo",
        help: "memory",
        lane: Lane::Kernel,
        build: |settings| Box::new(meminfo::MemoryCollector::new(settings)),
    },
    Entry {
        name: "pressure",
        help: "pressure stall information",
        lane: Lane::Kernel,
        build: |settings| Box::new(pressure::PressureCollector::new(settings)),
    },
    Entry {
        name: "stat",
        help: "interrupts, context switches, forks, boot time",
        lane: Lane::Kernel,
        build: |settings| Box::new(stat::StatCollector::new(settings)),
    },
    Entry {
        name: "uname",
        help: "the kernel's name and version",
        lane: Lane::Kernel,
        build: |_| Box::new(uname::UnameCollector),
    },
    Entry {
        name: "vmstat",
        help: "counters of virtual memory",
        lane: Lane::Kernel,
        build: |settings| Box::new(vmstat::VmstatCollector::new(settings)),
    },
];

/// The enabled collectors in their lanes; a lane without any is left out.
pub(crate) fn lanes(settings: &HostSettings) -> Vec<(&'static str, Vec<Box<dyn Collector>>)> {
    let build = |lane| -> Vec<_> {
        let entries =
            COLLECTORS.iter().filter(|entry| entry.lane == lane && settings.enabled.contains(&entry.name));
        entries.map(|entry| (entry.build)(settings)).collect()
    };
    let lanes = Lane::ALL.into_iter().map(|(name, lane)| (name, build(lane)));
    lanes.filter(|(_, collectors)| !collectors.is_empty()).collect()
}
