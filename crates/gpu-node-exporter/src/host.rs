//! The host's side: one collector for each subject, under `node_exporter`'s names, labels, values and flags.
//!
//! Owns the list of host collectors and which lane each runs in. To add one: a file here, a line in [`COLLECTORS`].

use regex_lite::Regex;

use crate::collector::Collector;

pub(crate) mod cpu;
mod diskstats;
pub(crate) mod filesystem;
pub(crate) mod filter;
#[cfg(test)]
mod garbage;
mod loadavg;
mod meminfo;
pub(crate) mod netclass;
pub(crate) mod netdev;
#[cfg(test)]
mod parity;
mod pressure;
pub(crate) mod root;
mod stat;
#[cfg(test)]
mod testing;
mod textfile;
mod time;
mod uname;
mod vmstat;

use cpu::CpuSettings;
use filesystem::FilesystemSettings;
use filter::Filter;
use netclass::NetclassSettings;
use netdev::NetdevSettings;
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
    /// `--collector.diskstats.*`
    pub(crate) disks: Filter,
    /// `--collector.filesystem.*`
    pub(crate) filesystem: FilesystemSettings,
    /// `--collector.netclass.*`
    pub(crate) netclass: NetclassSettings,
    /// `--collector.netdev.*`
    pub(crate) netdev: NetdevSettings,
    /// `--collector.stat.softirq`
    pub(crate) softirq: bool,
    /// `--collector.textfile.directory`, which may hold wildcards.
    pub(crate) textfile_directories: Vec<String>,
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
    /// Every file system that is mounted, some of them on other machines.
    Filesystem,
    /// The network stack's configuration lock, which drivers hold while they work on a device.
    Network,
    /// Wherever the text files lie.
    Textfile,
}

impl Lane {
    const ALL: [(&'static str, Self); 4] = [
        ("kernel", Self::Kernel),
        ("filesystem", Self::Filesystem),
        ("network", Self::Network),
        ("textfile", Self::Textfile),
    ];
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
        name: "diskstats",
        help: "disks",
        lane: Lane::Kernel,
        build: |settings| Box::new(diskstats::DiskCollector::new(settings)),
    },
    Entry {
        name: "filesystem",
        help: "file systems",
        lane: Lane::Filesystem,
        build: |settings| Box::new(filesystem::FilesystemCollector::new(settings)),
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
        name: "netclass",
        help: "state and properties of network devices",
        lane: Lane::Network,
        build: |settings| Box::new(netclass::NetclassCollector::new(settings)),
    },
    Entry {
        name: "netdev",
        help: "traffic of network devices",
        lane: Lane::Network,
        build: |settings| Box::new(netdev::NetdevCollector::new(settings)),
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
        name: "textfile",
        help: "series in *.prom files",
        lane: Lane::Textfile,
        build: |settings| Box::new(textfile::TextfileCollector::new(settings)),
    },
    Entry {
        name: "time",
        help: "the clock",
        lane: Lane::Kernel,
        build: |settings| Box::new(time::TimeCollector::new(settings)),
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
