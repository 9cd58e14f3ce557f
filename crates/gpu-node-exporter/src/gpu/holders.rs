//! Who holds the GPUs: the processes on them, whose they are (`cgroup`), what each used (`shares`), and the inference engines that they
//! make up (`engines`); and when their memory is full (`time_to_full`).
//!
//! The probe lists processes by their numbers. This side looks them up in `/proc` (`lookup`) on a thread of its own, every five seconds
//! and within one when some came or went, and publishes what is known (`table`); a scrape only reads that. It takes the host's process
//! numbers: in a container with numbers of its own all processes are of unknown owners. Leaves out names that only a
//! runtime's or kubelet's socket knows (`runtime`, `pods`).

mod cgroup;
mod title;

mod process_files;

mod engines;

mod descent;
mod shares;
mod table;

mod time_to_full;

mod families;

mod lookup;

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use arc_swap::ArcSwap;

pub(super) use self::families::{Dropped, families};
use self::lookup::Lookup;
pub(super) use self::process_files::sees_descriptors;
pub(super) use self::table::Holders;
use self::time_to_full::Forecasts;
pub(crate) use self::title::Engine;
use super::settings::{GpuSettings, longest_gap};
use super::snapshot::Snapshot;

/// How often the snapshot is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Starts the thread, which ends once the sender is dropped.
pub(super) fn start(
    settings: &GpuSettings,
    snapshot: Arc<ArcSwap<Snapshot>>,
    published: Arc<ArcSwap<Holders>>,
) -> io::Result<Sender<()>> {
    let (end, ended) = mpsc::channel();
    let mut lookup = Lookup::new(settings.proc.clone());
    let longest_gap = longest_gap(settings.sample_interval);
    let thread = thread::Builder::new().name("gpu-holders".to_owned());
    thread.spawn(move || {
        let (mut holders, mut forecasts) = (Holders::default(), Forecasts::default());
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let snapshot = snapshot.load();
            if let Some(pids) = holders.due(&snapshot, Instant::now()) {
                let processes = lookup.read(pids);
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                holders.found(&snapshot, processes, Instant::now(), now.as_secs_f64());
            }
            holders.share_out(&snapshot, longest_gap);
            holders.time_to_full = forecasts.read(&snapshot, &holders, Instant::now());
            published.store(Arc::new(holders.clone()));
        }
    })?;
    Ok(end)
}

/// How many of these processes are to be seen beneath `proc`.
pub(super) fn seen(proc: &Path, pids: &BTreeSet<u32>) -> usize {
    pids.iter().filter(|pid| proc.join(pid.to_string()).join("stat").exists()).count()
}
