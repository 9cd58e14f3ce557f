//! One probe process, as far as the watch knows it.

use std::collections::BTreeSet;
use std::time::Duration;

/// A living probe that has not been asked to leave.
#[derive(Debug)]
pub(super) struct Probe {
    /// The GPUs that are its own to read or to try.
    pub(super) gpus: BTreeSet<u32>,
    /// It was started for all GPUs, whatever the driver lists.
    pub(super) takes_all: bool,
    pub(super) state: State,
    /// A GPU has answered it.
    pub(super) has_answered: bool,
    pub(super) standing: Standing,
}

/// Whether a probe can be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Well,
    /// It was silent for so long that its other GPUs were given to others. It knows nothing of that.
    Stalled,
    /// It gave its reason before it ended; its exit says nothing more.
    Failed,
}

/// What the probe is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Initialising the driver.
    Starting { since: Duration },
    /// Waiting for a GPU to answer.
    Touching { gpu: u32, since: Duration },
    /// Between two GPUs or two sweeps.
    Resting { since: Duration },
}

impl Probe {
    pub(super) fn started(now: Duration, gpus: Option<&[u32]>) -> Self {
        Self {
            gpus: gpus.unwrap_or_default().iter().copied().collect(),
            takes_all: gpus.is_none(),
            state: State::Starting { since: now },
            has_answered: false,
            standing: Standing::Well,
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.standing == Standing::Stalled
    }

    pub(super) fn has_failed(&self) -> bool {
        self.standing == Standing::Failed
    }

    /// The GPU that it is asking.
    pub(super) fn touched(&self) -> Option<u32> {
        match self.state {
            State::Touching { gpu, .. } => Some(gpu),
            _ => None,
        }
    }
}
