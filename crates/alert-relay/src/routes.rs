//! Which targets hear of which alerts (pure).

use crate::notification::Fingerprint;

/// One matcher in Alertmanager's syntax: `severity="critical"`, `team=~"a|b"`, `node!=""`.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// The label's name.
    pub(crate) label: String,
}

/// One target's share of one notification, as it goes into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The target's name.
    pub(crate) target: String,
    /// The alerts of the notification that are for this target.
    pub(crate) alerts: Vec<Fingerprint>,
    /// Names under `people:` to mention.
    pub(crate) mentions: Vec<String>,
}
