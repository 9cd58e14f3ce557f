//! A collector as a worker has it: its faults are logged, and a panic in it is one of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::reading::{Reading, labels};
use crate::collector::{Collected, Collector, Fault};
use crate::family::Labels;
use crate::fault_log::FaultLog;

/// A collector, and where its faults are logged; `None` when it logs them itself.
pub(super) struct Logged {
    collector: Box<dyn Collector>,
    labels: Labels,
    log: Option<FaultLog>,
}

impl Logged {
    pub(super) fn new(collector: Box<dyn Collector>) -> Self {
        let log = (!collector.logs_its_faults()).then(|| FaultLog::new(collector.name()));
        Self { labels: labels(collector.name()), collector, log }
    }

    /// Reads it once, and logs what went wrong.
    pub(super) fn read(&mut self) -> Reading {
        let began = Instant::now();
        let collector = &mut self.collector;
        // A panic would be our own bug; it costs this collector and neither its thread nor the process.
        let Collected { families, kept, faults } = catch_unwind(AssertUnwindSafe(|| collector.collect()))
            .unwrap_or_else(|panic| Collected::failed(Fault::new(format!("panicked: {}", message(&*panic)))));
        let reading = Reading {
            collector: self.collector.name(),
            labels: self.labels.clone(),
            took: began.elapsed(),
            families: kept.into_iter().chain([Arc::new(families)]).collect(),
            faults,
        };
        if let Some(log) = &mut self.log {
            log.log(&reading.faults);
        }
        reading
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
