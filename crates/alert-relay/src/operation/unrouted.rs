//! Alerts that no route wanted, and why each route did not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Millis;
use crate::notification::LabelSet;
use crate::routes::{self, ReceiverSettings, RouteVerdict};

/// Unrouted alerts that are listed at most; one that came again and again is listed once.
pub(crate) const MOST_UNROUTED: usize = 50;

/// Webhooks of which the newest are looked through for them.
pub(crate) const WEBHOOKS_LOOKED_AT: u32 = 200;

/// An alert that no route wanted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct UnroutedAlert {
    /// When the newest webhook that holds it was accepted.
    pub(crate) at: Millis,
    /// That webhook's number.
    pub(crate) notification: i64,
    /// The receiver in our URL.
    pub(crate) receiver: String,
    /// Alertmanager's hash of its labels.
    pub(crate) fingerprint: String,
    /// Its labels; `None`: an older version stored it, or the webhook had many such alerts.
    pub(crate) labels: Option<LabelSet>,
    /// Why no route wanted it, in a sentence, by the settings as they were then.
    pub(crate) why: Option<String>,
    /// What each route says to it by the settings as they are now. The first [`MOST_ROUTES`]; empty
    /// where `labels` is absent or the receiver is gone.
    pub(crate) routes_now: Vec<RouteVerdict>,
}

/// Routes of a receiver that are told.
const MOST_ROUTES: usize = 50;

impl UnroutedAlert {
    /// Whether a route takes it by the settings as they are now.
    pub(crate) fn is_routed_now(&self) -> bool {
        self.routes_now.iter().any(RouteVerdict::is_match)
    }

    /// With what the routes say to it now.
    pub(crate) fn judged(mut self, receivers: &BTreeMap<String, ReceiverSettings>) -> Self {
        if let (Some(receiver), Some(labels)) = (receivers.get(&self.receiver), &self.labels) {
            self.routes_now = routes::verdicts(receiver, labels);
            self.routes_now.truncate(MOST_ROUTES);
        }
        self
    }
}
