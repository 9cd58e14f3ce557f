//! What the probe processes use of the machine, from `/proc`: `proc_pid_stat(5)`.

use procfs::process::Process;

use crate::gpu::snapshot::ProbeUsage;

/// The use of these processes, which are children of this one, and of those that were before them. Must be called where children are
/// reaped: a process that ends in between would count twice.
pub(super) fn usage(pids: impl Iterator<Item = u32>) -> Option<ProbeUsage> {
    let gone = Process::myself().and_then(|process| process.stat()).ok()?;
    // Negative only in a kernel's mistake.
    let of_gone = u64::try_from(gone.cutime + gone.cstime).unwrap_or(0);
    let mut usage = ProbeUsage { processes: 0, cpu_ticks: of_gone, resident_bytes: 0 };
    for pid in pids {
        let Ok(stat) = i32::try_from(pid)
            .map_err(drop)
            .and_then(|pid| Process::new(pid).and_then(|process| process.stat()).map_err(drop))
        else {
            continue;
        };
        usage.processes += 1;
        usage.cpu_ticks += stat.utime + stat.stime;
        usage.resident_bytes += stat.rss * procfs::page_size();
    }
    Some(usage)
}
