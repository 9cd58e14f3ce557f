//! What a target was last sent of one alert: a row of the ledger.

use std::collections::BTreeMap;

use crate::clock::Millis;
use crate::notification::Alert;

/// What a target was last sent of one alert, and who said so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LedgerEntry {
    /// The alert as it was sent; its status is the one the target knows.
    pub(crate) alert: Alert,
    /// Who says that it fires, and since when for each. Empty for what an older version wrote, which did not note it.
    pub(crate) tellers: BTreeMap<String, Millis>,
    /// Who said that it is over, and when; somebody else may still report it. `None`: nobody did, or an older version wrote it.
    pub(crate) ended: Option<Ended>,
    /// Somebody else than who ended it still says that it fires: it is taken for stale until then.
    pub(crate) held_until: Option<Millis>,
}

/// Who said that an alert is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// As [`Sender::process`](crate::sender::Sender::process) has it.
    pub(crate) by: String,
    /// When the target knew.
    pub(crate) at: Millis,
}

impl LedgerEntry {
    /// An alert of which it is not known who told it.
    pub(crate) fn new(alert: Alert) -> Self {
        Self { alert, tellers: BTreeMap::new(), ended: None, held_until: None }
    }
}
