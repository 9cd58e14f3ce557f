//! Alerts that no route wanted, and why each route did not.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::notification::LabelSet;

/// Unrouted alerts that are listed at most; one that came again and again is listed once.
pub(crate) const MOST_UNROUTED: u32 = 50;

/// Unrouted alerts of one webhook that are kept with their labels.
pub(crate) const MOST_KEPT: usize = 10;

/// Routes of which it is kept why they did not match.
pub(crate) const MOST_ROUTES: usize = 20;

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
    /// Its labels; `None`: an older version stored it, or the webhook had more than [`MOST_KEPT`] such alerts.
    pub(crate) labels: Option<LabelSet>,
    /// Why the routes did not want it, as they were then: at most [`MOST_ROUTES`]. Empty where `labels` is absent, or where the receiver had
    /// no routes.
    pub(crate) misses: Vec<Miss>,
    /// Routes that are left out of `misses`.
    pub(crate) more_routes: u64,
}

/// Why one route did not want an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Miss {
    /// Its place in the receiver and its matchers: `routes[1] {severity="critical"}`.
    pub(crate) route: String,
    /// The first of its matchers that the alert does not meet: `severity="critical"`.
    pub(crate) matcher: String,
    /// What the alert has under that label; empty: it has no such label.
    pub(crate) value: String,
}
