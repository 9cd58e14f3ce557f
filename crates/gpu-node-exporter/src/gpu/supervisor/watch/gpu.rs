//! One GPU, as far as the watch knows it.

use std::time::Duration;

use crate::gpu::supervisor::limits::{LONGEST_RETRIAL, Limits};

/// A GPU that the driver lists.
///
/// It is known by index, since finding out more would mean calling it. A new process that lists another number of GPUs makes all
/// indices void.
#[derive(Debug, Default)]
pub(super) struct Gpu {
    /// The probe that reads it. A newer one takes its place by a reading.
    pub(super) reader: Option<u64>,
    pub(super) state: State,
    /// It shares its probe with no other GPU before `due`.
    pub(super) is_apart: bool,
    /// When the next thing is done for it, see [`Gpu::next`].
    pub(super) due: Duration,
    /// Crashes in a row in calls to it.
    pub(super) crashes: u32,
    /// How often in a row it was slow, hung, crashed or failed.
    failures: u32,
    failed_at: Duration,
}

/// How it last answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet.
    #[default]
    Unheard,
    /// With a reading.
    Answers,
    /// With an error. A process that saw it lost, or was started before its reset, may never see it return.
    Fails,
    /// A call to it does not return, or crashes the process.
    Stuck,
}

/// What is next for a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It has no probe and gets one.
    Start,
    /// It fails, and a new process may see it return.
    Try,
    /// It has answered apart from the others for long enough, and shares a probe with them again.
    Join,
}

impl Gpu {
    /// Read by this probe from now on.
    pub(super) fn read_by(probe: u64) -> Self {
        Self { reader: Some(probe), ..Self::default() }
    }

    /// What is done for it once it is due, if anything.
    pub(super) fn next(&self) -> Option<Next> {
        match (self.reader, self.state) {
            (None, _) => Some(Next::Start),
            (Some(_), State::Fails) => Some(Next::Try),
            (Some(_), State::Answers) if self.is_apart => Some(Next::Join),
            _ => None,
        }
    }

    /// It was slow, hung, crashed or failed: whatever is next waits longer each time.
    pub(super) fn fail(&mut self, now: Duration, limits: &Limits) {
        if now.saturating_sub(self.failed_at) > LONGEST_RETRIAL {
            self.failures = 0;
        }
        self.failures += 1;
        self.failed_at = now;
        self.wait(now, limits);
    }

    /// Whatever is next waits as long as it did the last time.
    pub(super) fn wait(&mut self, now: Duration, limits: &Limits) {
        self.due = now + limits.retrial(self.failures);
    }

    /// How long a call to it may take before it counts as stuck.
    pub(super) fn verdict(&self, limits: &Limits) -> Duration {
        match self.state {
            // It may have to be woken, which is no hang.
            State::Unheard => self.limit(limits),
            State::Answers | State::Fails | State::Stuck => limits.probe_timeout,
        }
    }

    /// How long a call to it may take before the process is given up. One that has answered is awake.
    pub(super) fn limit(&self, limits: &Limits) -> Duration {
        match self.state {
            State::Answers | State::Fails => limits.probe_timeout,
            State::Unheard | State::Stuck => limits.start_timeout_after(self.failures.saturating_sub(1)),
        }
    }
}
