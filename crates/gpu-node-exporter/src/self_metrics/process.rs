//! This process as `/proc/self` shows it, under the names every Prometheus client uses.

use procfs::process::Process;

use crate::collector::{Collected, Collector};
use crate::descriptors;
use crate::family::{Family, Labels};

/// In the log.
pub(super) const NAME: &str = "process";

/// Reads `/proc/self`.
pub(crate) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn collect(&mut self) -> Collected {
        Collected::complete(families())
    }
}

/// What could be read; a field the kernel does not give is left out.
fn families() -> Vec<Family> {
    let Ok(process) = Process::myself() else { return Vec::new() };
    let mut families = Vec::new();
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        families.push(
            Family::counter(
                "process_cpu_seconds_total",
                "CPU time this process used, in user and system mode.",
            )
            .with(Labels::NONE, (stat.utime + stat.stime) as f64 / ticks),
        );
        families.push(
            Family::gauge("process_resident_memory_bytes", "Memory of this process that is in RAM.")
                .with(Labels::NONE, stat.rss * procfs::page_size()),
        );
        families.push(
            Family::gauge("process_virtual_memory_bytes", "Address space of this process.")
                .with(Labels::NONE, stat.vsize),
        );
        if let Ok(boot) = procfs::boot_time_secs() {
            families.push(
                Family::gauge(
                    "process_start_time_seconds",
                    "When this process started, in seconds since 1970.",
                )
                .with(Labels::NONE, boot as f64 + stat.starttime as f64 / ticks),
            );
        }
    }
    if let Ok(count) = process.fd_count() {
        families.push(
            Family::gauge("process_open_fds", "Open file descriptors.").with(Labels::NONE, count as u64),
        );
    }
    if let Some(limit) = descriptors::limit() {
        families.push(
            Family::gauge("process_max_fds", "Most file descriptors this process may have open.")
                .with(Labels::NONE, limit),
        );
    }
    families
}
