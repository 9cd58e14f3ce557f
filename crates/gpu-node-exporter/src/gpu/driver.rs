//! The driver as a whole: its versions and how the machine is set up, or why there is none to ask.

use serde::{Deserialize, Serialize};

/// The driver's versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Driver {
    pub(crate) version: Option<String>,
    pub(crate) nvml_version: Option<String>,
    /// Highest supported, as `12.8`.
    pub(crate) cuda_version: Option<String>,
    /// What it was built from, as `r570_00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release_branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confidential_computing: Option<ConfidentialComputing>,
}

/// Confidential computing of the machine, in the words of nvml.h (`NVML_CC_SYSTEM_…`). A number that it does not have stands for
/// itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfidentialComputing {
    pub(crate) environment: String,
    pub(crate) feature: String,
    /// Tools may look into the GPU.
    pub(crate) dev_tools: String,
    /// How several GPUs work together; unknown before R550.
    pub(crate) multi_gpu: Option<String>,
}

impl ConfidentialComputing {
    /// From the driver's numbers.
    pub(crate) fn of(environment: u32, feature: u32, dev_tools: u32, multi_gpu: Option<u32>) -> Self {
        let name = |number: u32, names: &[&str]| {
            names.get(number as usize).map_or_else(|| number.to_string(), |name| (*name).to_owned())
        };
        let is_on = ["disabled", "enabled"];
        Self {
            environment: name(environment, &["unavailable", "simulation", "production"]),
            feature: name(feature, &is_on),
            dev_tools: name(dev_tools, &is_on),
            multi_gpu: multi_gpu.map(|mode| name(mode, &["none", "protected_pcie", "nvle"])),
        }
    }
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
