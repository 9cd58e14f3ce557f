//! The result of reading one collector once.

use std::sync::Arc;
use std::time::Duration;

use crate::collector::Fault;
use crate::family::{Family, Labels};

/// What one collector gave to one scrape.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The collector's name.
    pub(crate) collector: &'static str,
    /// Its name as the label of its series.
    pub(crate) labels: Labels,
    /// How long it took, or has taken so far when it is late.
    pub(crate) took: Duration,
    /// What it read, in parts: one that has not changed since the reading before is the same.
    pub(crate) families: Vec<Arc<Vec<Family>>>,
    /// What went wrong.
    pub(crate) faults: Vec<Fault>,
}

/// The label of a collector's own series.
pub(super) fn labels(collector: &str) -> Labels {
    Labels::new([("collector", collector)])
}

impl Reading {
    /// Whether everything was read.
    pub(crate) fn success(&self) -> bool {
        self.faults.is_empty()
    }
}
