//! How much of the GPUs is read and shown: `--gpu.profile`. Which subject belongs to which profile stands in the list in `reading.rs`.

use serde::{Deserialize, Serialize};

/// Each profile has what the one before has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Profile {
    /// What the alert rules need, except those of `gpu-links.rules.yml` and of clocks: health and the core readings. The driver is asked for nothing else.
    Minimal,
    /// All that a GPU says of itself, and who uses it, by container.
    #[default]
    Default,
    /// As well what has as many series as there are processes.
    Full,
}

impl Profile {
    /// As the flag takes them.
    pub(crate) const NAMES: [(&str, Self); 3] =
        [("minimal", Self::Minimal), ("default", Self::Default), ("full", Self::Full)];

    /// Whether it has what belongs to that one.
    pub(crate) fn has(self, other: Self) -> bool {
        self >= other
    }
}
