//! What a relay is beside others of its chain: the one that tells of everything, or the one that tells of the other's death.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::settings::Settings;

/// `serve`, or `serve --standby`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Watches the heartbeats, and reads its settings again when it is told to.
    Primary,
    /// Runs on the primary's settings file and is sent little. Watches no heartbeats, which would be missed twice; reads its settings
    /// again before each webhook, since whoever edits them has the primary alone reload.
    Standby,
}

impl Role {
    /// The settings as they are in force for this role.
    pub(crate) fn of(self, mut settings: Settings) -> Settings {
        if self == Self::Standby {
            settings.heartbeats.clear();
        }
        settings
    }
}

/// However many webhooks a standby is sent, it reads its files no more often.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// When a standby last read its settings, in elapsed time.
#[derive(Debug, Default)]
pub(crate) struct Refreshed(Mutex<Option<Duration>>);

impl Refreshed {
    /// Whether they are to be read `now`; if so, this counts as done.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_sub(last) >= REFRESH_EVERY);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_at_once_and_then_once_a_second() {
        let refreshed = Refreshed::default();
        for (milliseconds, expected) in
            [(0, true), (999, false), (1_000, true), (1_001, false), (9_000, true)]
        {
            assert_eq!(refreshed.is_due(Duration::from_millis(milliseconds)), expected, "{milliseconds}");
        }
    }
}
