//! The driver as a whole: its versions, or why there is none to ask.

use serde::{Deserialize, Serialize};

/// The driver's versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Driver {
    pub(crate) version: Option<String>,
    pub(crate) nvml_version: Option<String>,
    /// Highest supported, as `12.8`.
    pub(crate) cuda_version: Option<String>,
}

impl Driver {
    /// The branch: 575 of 575.57.08.
    pub(crate) fn branch(&self) -> Option<u32> {
        self.version.as_deref()?.split('.').next()?.parse().ok()
    }
}

/// Why the probe has no driver to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) reason: FailureReason,
    /// For people: what was tried, what went wrong, what to do.
    pub(crate) message: String,
}

/// The reasons worth telling apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FailureReason {
    /// The library is not there, or is no library.
    LibraryNotLoaded,
    /// The library is there and reaches no kernel module.
    DriverNotLoaded,
    /// Library and kernel module are of different versions: after an upgrade, until the module is reloaded.
    VersionMismatch,
    /// Any other refusal.
    Other,
}
