//! The one shape of all collectors: read, then return what was read and what went wrong.
//!
//! Owns the trait, its result, and what a collector may have to wait for. Leaves out when collectors run and what
//! becomes of a late one, which is `scrape.rs`'s.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::family::Family;

/// A source of families. It runs on a worker's thread, so it may block; it must not panic on anything it reads.
pub(crate) trait Collector: Send {
    /// The name users know from `--collector.NAME`, and the `collector` label of the meta-series.
    fn name(&self) -> &'static str;

    /// Reads everything once.
    fn collect(&mut self) -> Collected;

    /// Whether its faults are logged where they arise, also while nobody scrapes, and need no other word.
    fn logs_its_faults(&self) -> bool {
        false
    }
}

/// What a collector may have to wait for. Those that wait for nothing have a thread of their own, so that one that waits does not hold
/// them up.
///
/// In the order in which equal series win: of two, the first stays. Text files can hold anything, so they are last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WaitsFor {
    /// Nothing: what it reads is in this process's or in the kernel's memory.
    Nothing,
    /// Firmware, or hardware behind a slow bus, that a driver asks for each reading.
    Firmware,
    /// Every file system that is mounted, some of them on other machines.
    FileSystems,
    /// The network stack's configuration lock, which drivers hold while they work on a device.
    NetworkLock,
    /// Other programs of the machine, which are asked over a socket.
    Services,
    /// Wherever the text files lie.
    TextFiles,
}

/// What one reading gave: the families it has, plus what went wrong on the way.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Complete families; what could not be read is absent, never zero.
    pub(crate) families: Vec<Family>,
    /// More of them, in parts of which each stays the same from reading to reading while it says the same: a page then writes it only once.
    pub(crate) kept: Vec<Arc<Vec<Family>>>,
    /// Any fault makes the collector's `success` 0; the families above are served all the same.
    pub(crate) faults: Vec<Fault>,
}

impl Collected {
    /// What was read, and what went wrong.
    pub(crate) fn new(families: Vec<Family>, faults: Vec<Fault>) -> Self {
        Self { families, faults, ..Self::default() }
    }

    /// Everything was read.
    pub(crate) fn complete(families: Vec<Family>) -> Self {
        Self { families, ..Self::default() }
    }

    /// Nothing was read.
    pub(crate) fn failed(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::default() }
    }
}

impl Collected {
    /// Adds what another part of the reading gave.
    pub(crate) fn extend(&mut self, part: Self) {
        self.families.extend(part.families);
        self.kept.extend(part.kept);
        self.faults.extend(part.faults);
    }
}

impl From<Result<Vec<Family>, Fault>> for Collected {
    fn from(reading: Result<Vec<Family>, Fault>) -> Self {
        match reading {
            Ok(families) => Self::complete(families),
            Err(fault) => Self::failed(fault),
        }
    }
}

/// Why a reading, or a part of it, is missing. Its text goes to the log, never into a label.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    what: String,
    /// What was found, which may be another text at each reading of one lasting fault.
    excerpt: Option<String>,
    /// The machine lacks what it is about.
    is_no_data: bool,
}

impl Fault {
    /// `what` names the file or call and what was wrong with it.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), excerpt: None, is_no_data: false }
    }

    /// The machine lacks the hardware, or the kernel the part, that the collector is about: it has nothing to show, and nothing is wrong. As in
    /// `node_exporter`, its success is 0.
    pub(crate) fn no_data(what: impl Into<String>) -> Self {
        Self { is_no_data: true, ..Self::new(what) }
    }

    /// Whether it is only that the machine lacks something.
    pub(crate) fn is_no_data(&self) -> bool {
        self.is_no_data
    }

    /// With what was found, which does not make it another fault: a line whose counters move stays one line.
    pub(crate) fn with_excerpt(what: impl Into<String>, excerpt: String) -> Self {
        Self { what: what.into(), excerpt: Some(excerpt), is_no_data: false }
    }
}

impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl Eq for Fault {}

impl Hash for Fault {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.what.hash(state);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.excerpt {
            Some(excerpt) => write!(out, "{}: `{excerpt}`", self.what),
            None => out.write_str(&self.what),
        }
    }
}
