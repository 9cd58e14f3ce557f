//! What a scenario says of the memory of a group of cards.
//!
//! Owns the keys; README.md is the reference. Leaves out what a card shows of it: that is [`health`](crate::health)'s.

use serde::Deserialize;

/// What a scenario says of a group's memory; a card shows what it has of it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub(crate) struct MemoryHealth {
    /// Rows replaced by spare ones.
    pub(crate) remapped: Remapped,
    /// A remap waits for a reset.
    pub(crate) remap_pending: bool,
    /// A remap has failed.
    pub(crate) remap_failed: bool,
    /// Pages taken out of use.
    pub(crate) retired: Retired,
    /// A page retirement waits for a reset.
    pub(crate) retirement_pending: bool,
    /// Too many errors in SRAM.
    pub(crate) sram_threshold_exceeded: bool,
    /// Memory is beyond repair.
    pub(crate) unrepairable: bool,
}

/// Rows by the errors that were the cause.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Remapped {
    pub(crate) correctable: u32,
    pub(crate) uncorrectable: u32,
}

/// Pages by the errors that were the cause.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retired {
    pub(crate) single_bit: u32,
    pub(crate) double_bit: u32,
}
