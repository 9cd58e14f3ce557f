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
    /// `XID` or `SXid`, and the code; as the kernel log has it, with its text, or by the code alone.
    Code(&'static str, u32, Told),
    Event(EventKind),
}

/// How much was told of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Code,
    Text,
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
        let Error { of, kind, code, severity, text, detail } = error;
        let Some(unsaid) = self.note_error(error, now) else { return };
        let before = before(unsaid);
        let says = if text.is_empty() { String::new() } else { format!(" ({text})") };
        let needs = if *severity == Severity::Fatal { ": reset, reboot or repair needed" } else { "" };
        macro_rules! say {
            ($level:ident) => {
                $level!(
                    gpu = of,
                    xid = code,
                    pid = detail.pid,
                    process = detail.process,
                    channel = detail.channel,
                    caused_by = detail.caused_by,
                    gpu_instance = detail.gpu_instance,
                    compute_instance = detail.compute_instance,
                    "{kind} {code} on {of}{before}{needs}{says}"
                )
            };
        }
        match severity {
            Severity::Fatal => say!(error),
            Severity::Warning => say!(warn),
            Severity::Info => say!(info),
        }
    }

    /// One more XID or `SXid`. Who told less than was said within the minute adds nothing; who tells more is heard.
    fn note_error(&mut self, error: &Error, now: Instant) -> Option<u64> {
        let kind = |told| Kind::Code(error.kind, error.code, told);
        if error.text.is_empty() && self.was_said(&error.of, kind(Told::Text), now) {
            return None;
        }
        let told = if error.text.is_empty() { Told::Code } else { Told::Text };
        self.note(&error.of, kind(told), now)
    }

    /// Whether this was logged within the minute.
    fn was_said(&self, of: &str, kind: Kind, now: Instant) -> bool {
        let said = self.0.get(&(of.to_owned(), kind));
        said.is_some_and(|said| now.saturating_duration_since(said.at) < EVERY)
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
    use crate::gpu::xid::Detail;

    const XID_31: Kind = Kind::Code("XID", 31, Told::Text);

    #[test]
    fn twenty_thousand_are_a_few_lines_that_say_how_many() {
        let (mut log, start) = (XidLog::default(), Instant::now());
        let lines: Vec<u64> = (0..20_000)
            .filter_map(|n| log.note("GPU-1", XID_31, start + Duration::from_millis(n * 10)))
            .collect();
        assert_eq!(lines, [0, 5_999, 5_999, 5_999]);
        assert_eq!(log.note("GPU-2", XID_31, start), Some(0));
        for other in [
            Kind::Code("XID", 79, Told::Text),
            Kind::Code("SXid", 31, Told::Text),
            Kind::Event(EventKind::PoisonFatal),
        ] {
            assert_eq!(log.note("GPU-1", other, start), Some(0));
        }
    }

    /// NVML and the kernel log tell of the same error, in either order; only the second knows whose it is.
    #[test]
    fn what_the_kernel_log_adds_is_not_held_back_by_what_nvml_said() {
        let error = |text: &str| Error {
            of: "GPU-1".to_owned(),
            kind: "XID",
            code: 31,
            severity: Severity::Info,
            text: text.to_owned(),
            detail: Detail::default(),
        };
        let start = Instant::now();
        let said = |order: &[&str]| {
            let mut log = XidLog::default();
            order.iter().map(|text| log.note_error(&error(text), start).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(said(&["", "pid=7"]), [true, true]);
        assert_eq!(said(&["pid=7", "", "pid=7"]), [true, false, false]);
        assert_eq!(said(&["", ""]), [true, false]);
    }

    #[test]
    fn whose_an_xid_is_stands_in_fields_of_its_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = std::sync::Arc::new(file.reopen().expect("the same file"));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let text = "pid=9, name=vllm, Ch 00000001 caused by previous Xid 13".to_owned();
        let detail = Detail {
            pid: Some(9),
            process: Some("vllm".to_owned()),
            channel: Some("00000001".to_owned()),
            caused_by: Some(13),
            gpu_instance: Some(2),
            compute_instance: None,
        };
        let (of, severity) = ("GPU-1".to_owned(), Severity::Fatal);
        let error = Error { of, kind: "XID", code: 45, severity, text, detail };
        tracing::subscriber::with_default(subscriber, || XidLog::default().log(&error, Instant::now()));
        let line = std::fs::read_to_string(file.path()).expect("it was written");
        for words in [
            "ERROR",
            "XID 45 on GPU-1: reset, reboot or repair needed (pid=9, name=vllm, Ch 00000001 caused by previous Xid 13)",
            "xid=45 pid=9 process=\"vllm\" channel=\"00000001\" caused_by=13 gpu_instance=2",
        ] {
            assert!(line.contains(words), "{words}: {line}");
        }
        assert!(!line.contains("compute_instance"), "{line}");
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let (mut log, start) = (XidLog::default(), Instant::now());
        for code in 0..5_000 {
            assert_eq!(log.note("GPU-1", Kind::Code("XID", code, Told::Code), start), Some(0));
        }
        assert_eq!(log.0.len(), MOST);
    }
}
