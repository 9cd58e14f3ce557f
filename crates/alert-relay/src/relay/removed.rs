//! Receivers that a reload has taken away.
//!
//! Alertmanager gives up on a 404, and tries again after a 503. Whoever removes a receiver by mistake notices within the hour, and until
//! then nothing that was posted to it is lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Millis;
use crate::settings::Settings;

/// How long a removed receiver is answered 503.
const REMEMBERED: Duration = Duration::from_hours(1);

/// When each was removed.
#[derive(Debug, Default)]
pub(super) struct RemovedReceivers(Mutex<BTreeMap<String, Millis>>);

impl RemovedReceivers {
    /// Notes which receivers go with a change of settings, and which come back.
    pub(super) fn note(&self, before: &Settings, after: &Settings, now: Millis) -> Vec<String> {
        let mut removed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        removed.retain(|name, at| !after.receivers.contains_key(name) && now.since(*at) < REMEMBERED);
        let gone = before.receivers.keys().filter(|name| !after.receivers.contains_key(*name));
        let gone: Vec<String> = gone.cloned().collect();
        removed.extend(gone.iter().map(|name| (name.clone(), now)));
        gone
    }

    /// Whether a reload has removed it within the last hour.
    pub(super) fn contains(&self, receiver: &str, now: Millis) -> bool {
        let removed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        removed.get(receiver).is_some_and(|at| now.since(*at) < REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_receiver_is_removed_for_an_hour_or_until_it_is_back() {
        let settings = |receivers: &str| {
            let text = format!("store: {{ url: 'sqlite:///x/relay.db' }}\nreceivers: {{ {receivers} }}");
            Settings::from_text(Path::new("relay.yml"), &text, []).unwrap()
        };
        let (both, one) = (settings("a: { routes: [] }, b: { routes: [] }"), settings("a: { routes: [] }"));
        let removed = RemovedReceivers::default();
        let start = Millis(1_000_000);
        let after = |minutes| start.plus(Duration::from_mins(minutes));
        assert_eq!(removed.note(&both, &one, start), ["b"]);
        assert!(removed.contains("b", after(59)) && !removed.contains("b", after(60)));
        assert!(!removed.contains("a", after(1)) && !removed.contains("never", after(1)));
        assert_eq!(removed.note(&one, &both, after(1)), [""; 0]);
        assert!(!removed.contains("b", after(1)));
    }
}
