//! XIDs and other events in the log: a line for the first of each kind and GPU, then one a minute with how many there were.
//!
//! A GPU in trouble can report thousands a second. The counters have all of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::gpu::driver_event::{DriverEvent, EventKind};
use crate::gpu::snapshot::Error;
use crate::gpu::xid::Severity;

/// One line of each kind and GPU in this time.
const EVERY: Duration = Duration::from_mins(1);

/// Kinds and GPUs kept in mind. Beyond them the oldest is forgotten, and may be logged sooner.
const MOST: usize = 1_024;

/// What was logged.
#[derive(Debug, Default)]
pub(super) struct XidLog(BTreeMap<(String, Kind), Said>);

/// What is said once a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `XID` or `SXid`, and the code.
    Code(&'static str, u32),
    Event(EventKind),
}

#[derive(Debug)]
struct Said {
    at: Instant,
    /// How many came since.
    unsaid: u64,
}

impl XidLog {
    /// Logs an error that was counted, if it is one to be logged.
    pub(super) fn log(&mut self, error: &Error, now: Instant) {
        let Error { of, kind, code, severity, text } = error;
        let Some(unsaid) = self.note(of, Kind::Code(kind, *code), now) else { return };
        let before = before(unsaid);
        let says = if text.is_empty() { String::new() } else { format!(" ({text})") };
        match severity {
            Severity::Fatal => {
                error!(
                    gpu = of,
                    xid = code,
                    "{kind} {code} on {of}{before}: reset, reboot or repair needed{says}"
                );
            }
            Severity::Warning => warn!(gpu = of, xid = code, "{kind} {code} on {of}{before}{says}"),
            Severity::Info => info!(gpu = of, xid = code, "{kind} {code} on {of}{before}{says}"),
        }
    }

    /// Logs another event, if it is one to be logged.
    pub(super) fn log_event(&mut self, event: &DriverEvent, now: Instant) {
        let DriverEvent { uuid, kind } = event;
        let Some(unsaid) = self.note(uuid, Kind::Event(*kind), now) else { return };
        let (label, before) = (kind.label(), before(unsaid));
        match kind {
            EventKind::MigConfigChange | EventKind::RecoveryAction => {
                info!(gpu = uuid, event = label, "event {label} on {uuid}{before}");
            }
            _ => warn!(gpu = uuid, event = label, "event {label} on {uuid}{before}"),
        }
    }

    /// One more; `of` says which GPU. Whether it is to be logged, with how many were not since the line before.
    fn note(&mut self, of: &str, kind: Kind, now: Instant) -> Option<u64> {
        let key = (of.to_owned(), kind);
        if let Some(said) = self.0.get_mut(&key) {
            if now.saturating_duration_since(said.at) < EVERY {
                said.unsaid += 1;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.unsaid));
        }
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, said)| said.at).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, Said { at: now, unsaid: 0 });
        Some(0)
    }
}

/// How many were not said.
fn before(unsaid: u64) -> String {
    if unsaid == 0 { String::new() } else { format!(", and {unsaid} times before") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XID_31: Kind = Kind::Code("XID", 31);

    #[test]
    fn twenty_thousand_are_a_few_lines_that_say_how_many() {
        let (mut log, start) = (XidLog::default(), Instant::now());
        let lines: Vec<u64> = (0..20_000)
            .filter_map(|n| log.note("GPU-1", XID_31, start + Duration::from_millis(n * 10)))
            .collect();
        assert_eq!(lines, [0, 5_999, 5_999, 5_999]);
        assert_eq!(log.note("GPU-2", XID_31, start), Some(0));
        for other in [Kind::Code("XID", 79), Kind::Code("SXid", 31), Kind::Event(EventKind::PoisonFatal)] {
            assert_eq!(log.note("GPU-1", other, start), Some(0));
        }
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let (mut log, start) = (XidLog::default(), Instant::now());
        for code in 0..5_000 {
            assert_eq!(log.note("GPU-1", Kind::Code("XID", code), start), Some(0));
        }
        assert_eq!(log.0.len(), MOST);
    }
}
