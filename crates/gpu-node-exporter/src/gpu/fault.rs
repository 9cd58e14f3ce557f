//! What goes wrong with a GPU that is asked: with all of it, or with one reading.

use serde::{Deserialize, Serialize};

/// One reading that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadingFault {
    pub(crate) reading: String,
    pub(crate) reason: FaultReason,
    /// The answer itself, where it is what is wrong. It may be another in each sweep of one lasting fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<String>,
}

/// Why a call failed, as far as it matters to what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum FaultReason {
    /// Fallen off the bus.
    Lost,
    /// Needs a reset before it works again.
    ResetRequired,
    /// The driver went away under the probe.
    DriverGone,
    Timeout,
    /// The driver gave it before, and says now that there is no such thing.
    NotSupported,
    /// The driver gave it before, and refuses it now.
    NoPermission,
    /// It is there, and this user may not have it.
    Forbidden,
    /// An answer that can't be: a text that is no text, a number that the quantity never has.
    BadAnswer,
    Unknown,
}

impl FaultReason {
    /// Whether the GPU is gone until somebody does something. All else may be over in a moment.
    pub(crate) fn is_loss(self) -> bool {
        matches!(self, Self::Lost | Self::ResetRequired | Self::DriverGone)
    }

    /// In words, for logs.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Lost => "fallen off the bus",
            Self::ResetRequired => "needs a reset",
            Self::DriverGone => "the driver was unloaded",
            Self::Timeout => "timed out",
            Self::NotSupported => "no longer supported, as the driver says",
            Self::NoPermission => "no permission any more",
            Self::Forbidden => {
                "not permitted to the user as which this runs (hint: a GPU in MIG mode tells only who can read /dev/nvidia-caps/nvidia-cap2: \
                 NVIDIA_CAPS in .env with compose, DeviceAllow=char-nvidia-caps in systemd's unit; see \"MIG\" in deploy/README.md)"
            }
            Self::BadAnswer => "returned an invalid value",
            Self::Unknown => "unknown error",
        }
    }
}
