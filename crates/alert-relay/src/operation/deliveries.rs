//! Deliveries in a list: which are asked for, and what is shown of each.
//!
//! A page is read by the time of acceptance, newest first. Time, target, group and state are found by an index, whatever the store
//! holds. A text is looked for in what the webhooks were about, row by row: one page looks at [`TEXTS_LOOKED_AT`] of them at most and says
//! how far it has come; the next page goes on from there.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::clock::Millis;
use crate::delivery::{End, PublicId};

/// Deliveries on a page unless it is asked for fewer or more.
pub(crate) const USUAL_PAGE: u32 = 50;

/// Deliveries on a page at most.
pub(crate) const LONGEST_PAGE: u32 = 200;

/// Deliveries in whose texts one page looks for a text.
pub(crate) const TEXTS_LOOKED_AT: u32 = 100_000;

/// Which deliveries are asked for; all of it has to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryFilter {
    /// Accepted at this time or later.
    pub(crate) from: Option<Millis>,
    /// Accepted before this time.
    pub(crate) until: Option<Millis>,
    /// For this target.
    pub(crate) target: Option<String>,
    /// Of the group with this hash, as [`DeliverySummary::group`] has it.
    pub(crate) group: Option<String>,
    /// In this state.
    pub(crate) state: Option<DeliveryState>,
    /// Whose webhook has this in an alert's name, labels or annotations; lower and upper case are the same. Never empty.
    pub(crate) text: Option<String>,
    /// Only dead ones about which nobody has done anything by hand: dead letters.
    pub(crate) only_dead_letters: bool,
}

/// As it is written in a URL, without encoding: `target=chat, state=dead`.
impl fmt::Display for DeliveryFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("from", self.from.map(|from| from.to_string())),
            ("until", self.until.map(|until| until.to_string())),
            ("target", self.target.clone()),
            ("group", self.group.clone()),
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("text", self.text.clone()),
        ];
        let given = texts.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?)));
        let given = given.collect::<Vec<_>>().join(", ");
        out.write_str(if given.is_empty() { "any value" } else { &given })
    }
}

/// Where a delivery stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    /// It waits, or is being sent.
    Pending,
    /// See [`End::Delivered`].
    Delivered,
    /// See [`End::Superseded`].
    Superseded,
    /// See [`End::Suppressed`].
    Suppressed,
    /// See [`End::Dead`].
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub(crate) const ALL: [Self; 5] =
        [Self::Pending, Self::Delivered, Self::Superseded, Self::Suppressed, Self::Dead];

    /// The word in the store, in JSON and in a filter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => End::Delivered.as_str(),
            Self::Superseded => End::Superseded.as_str(),
            Self::Suppressed => End::Suppressed.as_str(),
            Self::Dead => End::Dead.as_str(),
        }
    }

    /// The state with this word. A word that is none of them waits, as everything does that has not ended.
    pub(crate) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Pending)
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Goes on after this place, as [`DeliveryPage::next`] says; `None`: from the newest on.
    pub(crate) after: Option<Place>,
    /// From 1 to [`LONGEST_PAGE`].
    pub(crate) limit: u32,
    /// In how many deliveries' texts it looks: [`TEXTS_LOOKED_AT`].
    pub(crate) looks_at: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { after: None, limit: USUAL_PAGE, looks_at: TEXTS_LOOKED_AT }
    }
}

/// A place in a list of deliveries: it stays where it is whatever comes or goes. Written `1764442800000-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// When the delivery at this place was accepted.
    pub(crate) at: Millis,
    /// Its number in the store.
    pub(crate) number: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.at.0, self.number)
    }
}

/// As it is written.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (at, number) = text.split_once('-').ok_or(NoPlace)?;
        let (at, number) = (at.parse().map_err(|_| NoPlace)?, number.parse().map_err(|_| NoPlace)?);
        Ok(Self { at: Millis(at), number })
    }
}

/// A text that is no place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the `next` of the page before, such as `1764442800000-17`")]
pub(crate) struct NoPlace;

/// Some deliveries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct DeliveryPage {
    /// What was found.
    pub(crate) deliveries: Vec<DeliverySummary>,
    /// `after` of the next page; `None`: there are no more.
    pub(crate) next: Option<Place>,
    /// Where the search for a text has stopped before the page was full; `next` goes on from there. `None`: all was looked at.
    pub(crate) looked_back_to: Option<Millis>,
}

/// One delivery in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DeliverySummary {
    /// Its name.
    pub(crate) id: PublicId,
    /// For whom it is.
    pub(crate) target: String,
    /// When its notification was accepted.
    pub(crate) accepted_at: Millis,
    /// The receiver in our URL.
    pub(crate) receiver: String,
    /// The group's hash, for a filter.
    pub(crate) group: String,
    /// Alertmanager's name of the group.
    pub(crate) group_key: String,
    /// The names of its alerts in a few words: `DiskFull, GpuHot, LinkDown +2`; `None`: an older version stored it.
    pub(crate) alerts: Option<String>,
    /// It holds a firing critical alert.
    pub(crate) is_urgent: bool,
    /// Where it stands.
    pub(crate) state: DeliveryState,
    /// Attempts made.
    pub(crate) attempts: u64,
    /// The target whose channel was used last.
    pub(crate) via: Option<String>,
    /// While it waits: not tried again before; `None`: at once, or it is over.
    pub(crate) next_try: Option<Millis>,
    /// When it was over.
    pub(crate) ended_at: Option<Millis>,
    /// Why it ended as it did.
    pub(crate) reason: Option<String>,
    /// The newer delivery that was sent for this one too, or that sends it again.
    pub(crate) sent_with: Option<PublicId>,
    /// Of a dead one: what was done about it by hand.
    pub(crate) settled: Option<HandSettled>,
}

/// What was done about a dead delivery by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HandSettled {
    /// It was put into the queue again, as a new delivery.
    Retried,
    /// Somebody has seen it, and nothing more is to be done.
    GivenUp,
}

impl HandSettled {
    /// The word in the store and in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::GivenUp => "given_up",
        }
    }

    /// What this word says.
    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Retried, Self::GivenUp].into_iter().find(|settled| settled.as_str() == word)
    }
}
