//! This process as `/proc/self` shows it, under the names every Prometheus client uses.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use procfs::FromRead as _;
use procfs::process::Stat;

use crate::collector::{Collected, Collector};
use crate::descriptors;
use crate::family::{Family, Labels};

/// In the log.
pub(super) const NAME: &str = "process";

/// Reads `/proc/self`.
#[derive(Default)]
pub(crate) struct ProcessCollector {
    /// Stays open, since it is read at each scrape.
    stat: Option<File>,
}

impl Collector for ProcessCollector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn collect(&mut self) -> Collected {
        // What the kernel does not give is left out.
        let mut families = self.stat().map_or_else(|_| Vec::new(), |stat| of_stat(&stat));
        if let Ok(count) = open_descriptors() {
            families.push(
                Family::gauge("process_open_fds", "Number of open file descriptors.")
                    .with(Labels::NONE, count),
            );
        }
        if let Some(limit) = descriptors::limit() {
            families.push(
                Family::gauge("process_max_fds", "Maximum number of open file descriptors.")
                    .with(Labels::NONE, limit),
            );
        }
        Collected::complete(families)
    }
}

/// One line of some fifty numbers, and a name of fifteen bytes.
const MOST_OF_STAT: usize = 4096;

impl ProcessCollector {
    fn stat(&mut self) -> io::Result<Stat> {
        let file = match &mut self.stat {
            Some(file) => file,
            none => none.insert(File::open("/proc/self/stat")?),
        };
        let mut bytes = [0; MOST_OF_STAT];
        let length = file.read_at(&mut bytes, 0)?;
        Stat::from_read(&bytes[..length]).map_err(io::Error::other)
    }
}

fn of_stat(stat: &Stat) -> Vec<Family> {
    let ticks = procfs::ticks_per_second() as f64;
    let mut families = vec![
        Family::counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
            .with(Labels::NONE, (stat.utime + stat.stime) as f64 / ticks),
        Family::gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
            .with(Labels::NONE, stat.rss * procfs::page_size()),
        Family::gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")
            .with(Labels::NONE, stat.vsize),
    ];
    if let Ok(boot) = procfs::boot_time_secs() {
        families.push(
            Family::gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
            )
            .with(Labels::NONE, boot as f64 + stat.starttime as f64 / ticks),
        );
    }
    families
}

/// Since Linux 6.2 the directory's size says how many there are.
fn open_descriptors() -> io::Result<u64> {
    let directory = Path::new("/proc/self/fd");
    match directory.metadata()?.len() {
        0 => Ok(directory.read_dir()?.count() as u64),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_again_and_again() {
        let mut collector = ProcessCollector::default();
        for _ in 0..2 {
            let Collected { families, faults, .. } = collector.collect();
            assert_eq!(faults, []);
            let names: Vec<_> = families.iter().map(|family| &*family.name).collect();
            assert_eq!(
                names,
                [
                    "process_cpu_seconds_total",
                    "process_resident_memory_bytes",
                    "process_virtual_memory_bytes",
                    "process_start_time_seconds",
                    "process_open_fds",
                    "process_max_fds"
                ]
            );
            assert!(families.iter().all(|family| family.samples.len() == 1));
        }
    }
}
