//! When collectors are read: at each scrape, and never longer than the scraper waits.
//!
//! Owns what one scrape gets from all collectors. Those that wait for nothing share a thread, a *worker* (`scrape/worker.rs`), those that
//! may have to wait another. Workers read at the same time. A collector that is late costs its own `success` and nothing else:
//! the answer goes out without it. Leaves out what is read, and how it is written.

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
    /// Starts one thread for the collectors that wait for nothing, and one for those that may have to: to wake a thread, and to wait for
    /// it, costs more than most collectors do.
    pub(crate) fn start(mut collectors: Vec<(WaitsFor, Box<dyn Collector>)>) -> io::Result<Self> {
        collectors.sort_by_key(|(waits_for, _)| *waits_for);
        let waiting = collectors
            .split_off(collectors.partition_point(|(waits_for, _)| *waits_for == WaitsFor::Nothing));
        let groups = [("read-memory", collectors), ("read-waiting", waiting)];
        let filled = groups.into_iter().filter(|(_, group)| !group.is_empty());
        let workers = filled.map(|(thread_name, group)| {
            Worker::start(thread_name, group.into_iter().map(|(_, collector)| collector).collect())
        });
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

#[cfg(test)]
mod tests;
