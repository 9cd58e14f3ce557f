//! What there is to say about one host collector.

use super::root::Root;
use crate::collector::{Collector, WaitsFor};
use crate::flags::{Flag, Flags};

/// One host collector, with its flags.
pub(crate) struct Entry {
    /// The name in flags and in the meta-series.
    pub(crate) name: &'static str,
    /// What it shows, for `--help` and the README.
    pub(crate) help: &'static str,
    /// What it reads, for `--help` and the README.
    pub(crate) reads: &'static str,
    /// Whether it runs without being named.
    pub(crate) is_default: bool,
    /// What may keep it waiting.
    pub(super) waits_for: WaitsFor,
    /// Its own flags, beside `--collector.NAME`.
    pub(crate) flags: &'static [&'static Flag],
    /// Makes it as its flags say. Reads no file: a command line can be checked on any machine.
    pub(super) new: fn(&mut Flags, &Root) -> Box<dyn Collector>,
}
