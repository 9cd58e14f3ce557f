//! When collectors are read: at each scrape, and never longer than the scraper waits.
//!
//! Owns what one scrape gets from all collectors. Collectors that wait for the same share a thread, a *worker*
//! (`scrape/worker.rs`). Workers read at the same time. A collector that is late costs its own `success` and nothing else:
//! the answer goes out without it. Leaves out what is read, and how it is written.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::collector::{Collector, WaitsFor};

mod logged;
mod reading;
mod worker;

pub(crate) use reading::Reading;
use worker::Worker;

/// All collectors, each with its worker.
pub(crate) struct Scraper {
    workers: Vec<Worker>,
}

impl Scraper {
    /// Starts one thread for all collectors that wait for the same.
    pub(crate) fn start(collectors: Vec<(WaitsFor, Box<dyn Collector>)>) -> io::Result<Self> {
        let mut groups: BTreeMap<WaitsFor, Vec<Box<dyn Collector>>> = BTreeMap::new();
        for (waits_for, collector) in collectors {
            groups.entry(waits_for).or_default().push(collector);
        }
        let workers =
            groups.into_iter().map(|(waits_for, group)| Worker::start(thread_name(waits_for), group));
        Ok(Self { workers: workers.collect::<io::Result<_>>()? })
    }

    /// The names of all collectors, in the order of their readings.
    pub(crate) fn collectors(&self) -> impl Iterator<Item = &'static str> {
        self.workers.iter().flat_map(Worker::collectors)
    }

    /// Reads the collectors that `wanted` names, waiting no longer than until `deadline`.
    pub(crate) async fn read(&self, wanted: impl Fn(&str) -> bool, deadline: Instant) -> Vec<Arc<Reading>> {
        let asked = Instant::now();
        let patience = deadline.saturating_duration_since(asked);
        // All workers are asked before the first is waited for.
        let runs: Vec<_> = self.workers.iter().filter_map(|worker| worker.ask(&wanted, patience)).collect();
        let mut readings = Vec::new();
        for run in runs {
            run.wait(asked, deadline, &mut readings).await;
        }
        readings
    }
}

/// As it shows in `ps -L` and in a debugger; at most 15 characters.
fn thread_name(waits_for: WaitsFor) -> &'static str {
    match waits_for {
        WaitsFor::Nothing => "read-kernel",
        WaitsFor::Firmware => "read-firmware",
        WaitsFor::FileSystems => "read-filesystem",
        WaitsFor::NetworkLock => "read-network",
        WaitsFor::Services => "read-services",
        WaitsFor::TextFiles => "read-textfile",
    }
}

#[cfg(test)]
mod tests;
