//! What processes cost, as the kernel counts it: CPU time and resident memory.

use std::fs;

use anyhow::{Context as _, Result};

/// A program and the children it has at this moment.
pub(crate) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    for task in tasks(pid)? {
        // A thread that ended in between has no children left.
        let Ok(children) = fs::read_to_string(format!("{task}/children")) else { continue };
        found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(found)
}

/// CPU time of these processes so far in nanoseconds: the first field of every thread's `schedstat`
/// (Documentation/scheduler/sched-stats.rst). Exact where `utime` and `stime` count in hundredths of a second.
pub(crate) fn cpu_ns(processes: &[u32]) -> Result<f64> {
    let mut total = 0.0;
    for pid in processes {
        for task in tasks(*pid)? {
            let Ok(line) = fs::read_to_string(format!("{task}/schedstat")) else { continue };
            let ran = line.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
            total += ran.with_context(|| format!("{task}/schedstat is not as the kernel documents it"))?;
        }
    }
    Ok(total)
}

fn tasks(pid: u32) -> Result<Vec<String>> {
    let folder = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to list {folder}: did it end?"))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path().to_string_lossy().into_owned())).collect())
}

/// Resident memory of these processes in megabytes (10^6 bytes), summed over all their mappings but those of files whose
/// path contains `without`: the driver's library is the driver's, whoever maps it.
pub(crate) fn resident_mb(processes: &[u32], without: &str) -> Result<f64> {
    let mut kib = 0.0;
    for pid in processes {
        let path = format!("/proc/{pid}/smaps");
        let smaps = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        kib += resident_kib(&smaps, without);
    }
    Ok(kib * 1024.0 / 1e6)
}

/// A mapping is one line with its address range and path, then `Name: value` lines (`proc_pid_smaps(5)`).
fn resident_kib(smaps: &str, without: &str) -> f64 {
    let (mut kib, mut is_counted) = (0.0, true);
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !first.ends_with(':') {
            is_counted = without.is_empty() || !line.contains(without);
        } else if first == "Rss:" && is_counted {
            let value = line.split_whitespace().nth(1).and_then(|field| field.parse::<f64>().ok());
            kib += value.unwrap_or(f64::NAN);
        }
    }
    kib
}
