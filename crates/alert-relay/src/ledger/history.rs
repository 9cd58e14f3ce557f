//! One alert's way through the waiting snapshots (pure).
//!
//! Several senders may speak of the same alert: peers of one cluster, which do not learn of a change at the same moment
//! (<https://github.com/prometheus/alertmanager/issues/2447>), or clusters that do not know each other. What decides is not who
//! was heard last but when an episode began and ended, and an alert is over only when nobody says any more that it fires.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Millis;
use crate::delivery::{Ended, LedgerEntry};
use crate::ledger::snapshot::Snapshot;
use crate::message::Episodes;
use crate::notification::{Alert, Status};

/// Two senders' starts this close to each other are one episode, seen by two Prometheus servers: each evaluates its rules at
/// its own moment, a minute apart by default.
const SAME_EPISODE: Duration = Duration::from_mins(2);

/// For this long the word that an alert still fires counts as stale when somebody else has said that this episode is over. A
/// peer that missed the end lets the alert time out (about four minutes) and says so with its group's next webhook (five).
pub(crate) const HOLD: Duration = Duration::from_mins(10);

/// Whose word an older version's entries are: whoever speaks next of the group speaks for it too.
pub(super) const NOBODY_KNOWN: &str = "";

/// What is known of one alert, while snapshot after snapshot is added.
#[derive(Default)]
pub(super) struct History<'a> {
    pub(super) state: State<'a>,
    /// The target knows that this episode fires.
    pub(super) is_known: bool,
    /// Who says that it fires, and since when for each.
    pub(super) tellers: BTreeMap<&'a str, Millis>,
    /// A firing alert that a sender called over, while another one did not.
    pub(super) is_still_reported: bool,
    pub(super) held_until: Option<Millis>,
    /// How often it began to fire, as far as the target does not know.
    pub(super) episodes: Option<Episodes>,
    entry: Option<&'a LedgerEntry>,
    /// When the episode of `state` began, for the target.
    began_at: Option<Millis>,
    ended: Option<Ended>,
}

#[derive(Clone, Copy, Default)]
pub(super) enum State<'a> {
    /// Not mentioned so far.
    #[default]
    Unheard,
    /// The target knows that it is over.
    Over(&'a Alert),
    /// It fires.
    Firing(&'a Alert),
    /// It ended while waiting.
    Resolved(&'a Alert),
    /// It was firing, and then it was gone.
    Vanished(&'a Alert),
}

fn is_same_episode(one: Millis, other: Millis) -> bool {
    one.since(other) <= SAME_EPISODE && other.since(one) <= SAME_EPISODE
}

impl<'a> History<'a> {
    /// What the target was sent. Who is not heard any more (`is_heard`) tells nothing any more, and nothing is held back for longer than
    /// [`HOLD`] from now on: the clock may have been set back since.
    pub(super) fn known(entry: &'a LedgerEntry, is_heard: impl Fn(&str) -> bool, now: Millis) -> Self {
        let alert = &entry.alert;
        let is_firing = alert.status == Status::Firing;
        let mut tellers: BTreeMap<&str, Millis> = entry
            .tellers
            .iter()
            .filter(|(name, _)| is_heard(name.as_str()))
            .map(|(name, since)| (name.as_str(), *since))
            .collect();
        if entry.tellers.is_empty() && is_firing {
            tellers.insert(NOBODY_KNOWN, alert.starts_at.into());
        }
        let state = match alert.status {
            Status::Firing if tellers.is_empty() => State::Vanished(alert),
            Status::Firing => State::Firing(alert),
            Status::Resolved => State::Over(alert),
        };
        Self {
            state,
            is_known: is_firing,
            held_until: entry
                .held_until
                .filter(|_| !tellers.is_empty())
                .map(|until| until.min(now.plus(HOLD))),
            tellers,
            entry: Some(entry),
            began_at: Some(alert.starts_at.into()),
            ended: entry.ended.clone(),
            ..Self::default()
        }
    }

    /// A snapshot has it, in the target's hours.
    pub(super) fn seen(&mut self, alert: &'a Alert, snapshot: &'a Snapshot) {
        match alert.status {
            Status::Firing => self.seen_firing(alert, snapshot),
            Status::Resolved => self.seen_resolved(alert, snapshot),
        }
    }

    /// A snapshot has it, outside of the target's hours: only what the target knows is followed.
    pub(super) fn seen_outside_hours(&mut self, alert: &'a Alert, snapshot: &'a Snapshot) {
        match (alert.status, self.state) {
            (Status::Resolved, State::Firing(_)) => self.seen_resolved(alert, snapshot),
            (Status::Firing, State::Firing(_)) => self.told_by(snapshot.sender.teller(), alert.starts_at),
            _ => {}
        }
    }

    /// A snapshot of this sender does not have it.
    pub(super) fn missed(&mut self, teller: &str) {
        self.tellers.remove(teller);
        self.tellers.remove(NOBODY_KNOWN);
        if self.tellers.is_empty() {
            self.held_until = None;
            if let State::Firing(alert) = self.state {
                self.state = State::Vanished(alert);
            }
        }
    }

    /// All snapshots were looked at, and it is `now`: what was held back long enough and still fires is news.
    pub(super) fn finish(&mut self, now: Millis) {
        if let State::Over(alert) | State::Resolved(alert) = self.state
            && self.held_until.is_some_and(|until| until <= now)
        {
            self.begin(alert);
        }
    }

    /// What goes into the ledger once the target knows, if that is something else than before. `alert` is as it is told.
    pub(super) fn entry_after(&self, alert: &Alert) -> Option<LedgerEntry> {
        let same_news = match self.state {
            State::Firing(_) => self.is_known,
            State::Over(_) => true,
            State::Unheard | State::Resolved(_) | State::Vanished(_) => false,
        };
        let tellers = || self.tellers.iter().map(|(name, since)| ((*name).to_owned(), *since)).collect();
        match self.entry {
            Some(entry) if same_news => {
                let ended_by = |ended: &Option<Ended>| ended.as_ref().map(|ended| ended.by.clone());
                let is_as_before = self.held_until == entry.held_until
                    && ended_by(&self.ended) == ended_by(&entry.ended)
                    && (entry.tellers.is_empty() && self.tellers.contains_key(NOBODY_KNOWN)
                        || entry.tellers.len() == self.tellers.len()
                            && entry.tellers.iter().all(|(name, since)| {
                                self.tellers.get(name.as_str()).is_some_and(|other| other == since)
                            }));
                (!is_as_before).then(|| LedgerEntry {
                    tellers: tellers(),
                    ended: self.ended.clone(),
                    held_until: self.held_until,
                    alert: entry.alert.clone(),
                })
            }
            _ => Some(LedgerEntry {
                alert: alert.clone(),
                tellers: tellers(),
                ended: self.ended.clone(),
                held_until: self.held_until,
            }),
        }
    }

    fn seen_firing(&mut self, alert: &'a Alert, snapshot: &'a Snapshot) {
        let (start, teller) = (Millis::from(alert.starts_at), snapshot.sender.teller());
        let began_at = self.began_at.unwrap_or(start);
        match self.state {
            State::Unheard => self.begin(alert),
            State::Firing(_) | State::Vanished(_) => {
                // An earlier start is the same episode, seen first by another Prometheus.
                let is_told_by_others = self.tellers.keys().any(|name| *name != teller);
                let tolerance = if is_told_by_others { SAME_EPISODE } else { Duration::ZERO };
                if start > began_at.plus(tolerance) {
                    // Who spoke of the same episode as this sender before is its peer, and behind.
                    if let Some(before) = self.tellers.get(teller).copied() {
                        self.tellers.retain(|_, since| !is_same_episode(*since, before));
                    }
                    self.begin(alert);
                } else {
                    self.state = State::Firing(alert);
                    // It thinks otherwise now.
                    self.ended.take_if(|ended| ended.by == snapshot.sender.process());
                }
            }
            State::Over(before) | State::Resolved(before) => {
                let is_former = start <= began_at.plus(SAME_EPISODE)
                    && before.ends_at.is_none_or(|end| start <= Millis::from(end));
                let is_another_view = self.ended.as_ref().is_some_and(|ended| {
                    ended.by != snapshot.sender.process() && snapshot.accepted_at.since(ended.at) < HOLD
                });
                if is_former && is_another_view {
                    self.held_until.get_or_insert(snapshot.accepted_at.plus(HOLD));
                } else {
                    // Whoever spoke of the former episode did not know that it was over.
                    self.tellers.clear();
                    self.begin(alert);
                }
            }
        }
        self.told_by(teller, alert.starts_at);
    }

    /// A new episode, which the target does not know.
    fn begin(&mut self, alert: &'a Alert) {
        self.state = State::Firing(alert);
        self.is_known = false;
        self.held_until = None;
        self.ended = None;
        self.began_at = Some(alert.starts_at.into());
        self.count(alert);
    }

    /// One more episode, which the target does not know.
    fn count(&mut self, alert: &Alert) {
        let episodes = self.episodes.get_or_insert(Episodes { count: 0, since: alert.starts_at });
        episodes.count = episodes.count.saturating_add(1);
    }

    fn told_by(&mut self, teller: &'a str, since: Timestamp) {
        self.tellers.remove(NOBODY_KNOWN);
        self.tellers.insert(teller, since.into());
    }

    fn seen_resolved(&mut self, alert: &'a Alert, snapshot: &'a Snapshot) {
        let start = Millis::from(alert.starts_at);
        let end = alert.ends_at.map(Millis::from);
        // What began after this end is another episode, of which this sender did not know yet. Clocks differ: an alert may end
        // before it began, but not before an episode that began later.
        let is_later = |began: Millis| match end {
            Some(end) => began > end && began > start,
            None => began > start.plus(SAME_EPISODE),
        };
        let teller = snapshot.sender.teller();
        let has_told = self.tellers.contains_key(teller) || self.tellers.contains_key(NOBODY_KNOWN);
        self.tellers.retain(|name, since| {
            let is_own = *name == teller || *name == NOBODY_KNOWN;
            is_later(*since) || !(is_own || is_same_episode(*since, start))
        });
        if self.tellers.is_empty() {
            self.held_until = None;
        }
        let ended = Ended { by: snapshot.sender.process(), at: snapshot.accepted_at };
        let is_of_former = self.began_at.is_some_and(is_later);
        let last = match self.state {
            // Also if the target was never sent that it fired: it may know it from before this store was made.
            State::Over(_) | State::Resolved(_) if self.began_at.is_some_and(|began| start > began) => alert,
            State::Over(_) | State::Resolved(_) => return,
            State::Firing(_) if !self.tellers.is_empty() => {
                if !is_of_former {
                    self.is_still_reported = true;
                    self.ended = Some(ended);
                }
                return;
            }
            // This sender was the last one that reported it, and what it knew was a former episode. When the present one ended was
            // said while this sender still reported the alert.
            State::Firing(present) if is_of_former => present,
            State::Vanished(_) if is_of_former => return,
            State::Unheard | State::Firing(_) | State::Vanished(_) => alert,
        };
        // Its beginning was in no snapshot: one that began later than what was known until now is an episode of its own.
        let is_own_view = has_told || self.ended.as_ref().is_some_and(|before| before.by == ended.by);
        let tolerance = if is_own_view { Duration::ZERO } else { SAME_EPISODE };
        let began = Millis::from(last.starts_at);
        if self.began_at.is_none_or(|known| began > known.plus(tolerance)) {
            self.count(last);
        }
        self.is_known = false;
        self.state = State::Resolved(last);
        self.began_at = Some(last.starts_at.into());
        if !is_of_former || self.ended.is_none() {
            self.ended = Some(ended);
        }
    }
}
