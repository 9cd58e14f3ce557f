//! Signs of life whose absence is an alarm: the relay watches the chain that feeds it.
//!
//! Owns what was heard when, and what follows. Leaves out the words (`alarm`) and sending it: an alarm is a notification like any other
//! and goes through the store. What was heard is kept in memory, of several relays in the store. After a start each heartbeat of a single
//! relay has a full `expect_every` to be heard. An alarm that the store has of an earlier run, or of another relay, goes on: it is not told
//! anew, and the first beat ends it. An alarm follows a reload: new targets are told of it, and it ends with its heartbeat.
//!
//! A silence is measured by what has passed while the relay ran: a wall clock that is set, or a machine that was suspended, makes nobody
//! silent.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Notify;

use crate::clock::{Millis, Now};
use crate::notification::{Notification, Status};
use crate::settings::HeartbeatSettings;

pub(crate) use crate::heartbeat::alarm::{RECEIVER, end, group_key};

mod alarm;

/// An alarm that goes on is sent again after this long, as Alertmanager's usual `repeat_interval` would.
const REMIND_AFTER: Duration = Duration::from_hours(4);

/// All heartbeats of the settings.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    watches: Mutex<BTreeMap<String, Watch>>,
    changed: Notify,
}

/// Something to send about one heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The key under `heartbeats:`.
    pub(crate) name: String,
    change: HeartbeatChange,
    /// As they are, or were when a reload took it away.
    settings: HeartbeatSettings,
    /// Who was told of the alarm before a reload changed its targets; `None`: all of its targets.
    told: Option<Vec<String>>,
    /// A reload has taken it away.
    is_gone: bool,
}

impl Heartbeats {
    /// Takes over the settings' heartbeats: new ones are watched from `now` on, known ones keep what was heard. What is silent is to be told
    /// to those who are new among its targets; the alarm of one that goes is to be ended. `called_now` has the new name of a target.
    pub(crate) fn configure(
        &self,
        settings: &BTreeMap<String, HeartbeatSettings>,
        called_now: impl Fn(String) -> String,
        now: Now,
    ) {
        let mut watches = self.lock();
        watches.retain(|name, watch| {
            watch.is_gone = !settings.contains_key(name);
            !watch.is_gone || watch.is_alarmed()
        });
        for watch in watches.values_mut() {
            let names =
                [Some(&mut watch.settings.targets), watch.told.as_mut()].into_iter().flatten().flatten();
            for target in names {
                *target = called_now(mem::take(target));
            }
        }
        for (name, heartbeat) in settings {
            let watch = watches.entry(name.clone()).or_insert_with(|| Watch::new(heartbeat.clone(), now));
            let former = mem::replace(&mut watch.settings, heartbeat.clone());
            if watch.is_alarmed() && !are_same(&former.targets, &heartbeat.targets) {
                watch.told.get_or_insert(former.targets);
            }
        }
        drop(watches);
        self.changed.notify_one();
    }

    /// Notes a sign of life. `false`: there is no such heartbeat.
    pub(crate) fn beat(&self, name: &str, now: Now) -> bool {
        let beat = LastBeat { wall: now.wall, at: signed(now.passed) };
        let mut watches = self.lock();
        let watch = watches.get_mut(name).filter(|watch| !watch.is_gone);
        let is_known = watch.map(|watch| watch.last_beat = Some(beat)).is_some();
        drop(watches);
        if is_known {
            self.changed.notify_one();
        }
        is_known
    }

    /// Begins to watch, as after a start: what another relay has told of is not known until it is [recalled](Self::recall).
    pub(crate) fn watch_from(&self, now: Now) {
        let mut watches = self.lock();
        // What went while another relay watched, that one has ended.
        watches.retain(|_, watch| !watch.is_gone);
        for watch in watches.values_mut() {
            watch.watched_since = now.passed;
            watch.state = State::Unknown;
            watch.told = None;
        }
        drop(watches);
        self.changed.notify_one();
    }

    /// Takes over what an earlier run or another relay has stored last of a heartbeat: an alarm that these targets know of, or its end,
    /// accepted at `accepted_at`.
    pub(crate) fn recall(
        &self,
        name: &str,
        stored: &Notification,
        told: Vec<String>,
        accepted_at: Millis,
        now: Now,
    ) {
        let mut watches = self.lock();
        let Some((watch, alert)) = watches.get_mut(name).zip(stored.alerts.first()) else { return };
        watch.state = match alert.status {
            Status::Firing => State::Alarmed {
                since: alert.starts_at.into(),
                stored_at: now.passed.saturating_sub(now.wall.since(accepted_at)),
            },
            Status::Resolved => State::Heard,
        };
        // The settings have changed since.
        let are_others = !are_same(&watch.settings.targets, &told);
        watch.told = (watch.is_alarmed() && are_others).then_some(told);
    }

    /// Notes a sign of life that another relay, or this one, has heard: at this time of the store's clock, so long ago by the same clock.
    pub(crate) fn heard(&self, name: &str, at: Millis, ago: Duration, now: Now) {
        let mut watches = self.lock();
        let Some(watch) = watches.get_mut(name) else { return };
        let beat = LastBeat { wall: at, at: signed(now.passed).saturating_sub(signed(ago)) };
        let is_newer = match watch.last_beat {
            // The same beat, read again a second later, is off by what rounding makes of it.
            Some(last) => last.wall != beat.wall && last.at < beat.at,
            // One that was too old when watching began says nothing of the time since: nobody may have been there to hear another.
            None => {
                beat.at.saturating_add(signed(watch.settings.expect_every)) >= signed(watch.watched_since)
            }
        };
        if is_newer {
            watch.last_beat = Some(beat);
            drop(watches);
            self.changed.notify_one();
        }
    }

    /// What is to be sent now. Stays due until [`stored`](Self::stored).
    pub(crate) fn due(&self, now: Now) -> Vec<Due> {
        let watches = self.lock();
        let due = |(name, watch): (&String, &Watch)| {
            Some(Due {
                name: name.clone(),
                change: watch.change(now)?,
                settings: watch.settings.clone(),
                told: watch.told.clone(),
                is_gone: watch.is_gone,
            })
        };
        watches.iter().filter_map(due).collect()
    }

    /// Notes that `due` is in the store.
    pub(crate) fn stored(&self, due: &Due, now: Now) {
        let mut watches = self.lock();
        if due.is_alarm() && !watches.contains_key(&due.name) {
            // A reload has taken it away meanwhile, and knew of no alarm.
            let watch = Watch { is_gone: true, ..Watch::new(due.settings.clone(), now) };
            watches.insert(due.name.clone(), watch);
        }
        let Some(watch) = watches.get_mut(&due.name) else { return };
        watch.state = match due.change {
            HeartbeatChange::Silent { since } => State::Alarmed { since, stored_at: now.passed },
            HeartbeatChange::Back { .. } | HeartbeatChange::FirstHeard => State::Heard,
        };
        // A reload meanwhile may have changed the targets once more.
        watch.told = (watch.is_alarmed() && watch.settings.targets != due.settings.targets)
            .then(|| due.settings.targets.clone());
        if watch.is_gone && !watch.is_alarmed() {
            watches.remove(&due.name);
        }
    }

    /// When each heartbeat was last heard since the start of this process, for the metrics and the page.
    pub(crate) fn last_beats(&self) -> BTreeMap<String, Option<Millis>> {
        self.lock()
            .iter()
            .filter(|(_, watch)| !watch.is_gone)
            .map(|(name, watch)| (name.clone(), watch.last_beat.map(|beat| beat.wall)))
            .collect()
    }

    /// Those that are silent for too long now.
    pub(crate) fn missing(&self, now: Now) -> BTreeSet<String> {
        let watches = self.lock();
        let missing = watches.iter().filter(|(_, watch)| watch.silent_for(now).is_some());
        missing.map(|(name, _)| name.clone()).collect()
    }

    /// When something becomes due by time alone, as [`Now::passed`] will be then; `None` while there is no heartbeat.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.lock().values().map(Watch::deadline).min()
    }

    /// Returns when a beat or new settings may have made something due earlier than the deadline.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Watch>> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done here.
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One heartbeat.
#[derive(Clone, Debug)]
struct Watch {
    settings: HeartbeatSettings,
    /// See [`Due::told`].
    told: Option<Vec<String>>,
    /// A reload has taken it away, and its alarm is still to be ended.
    is_gone: bool,
    /// As [`Now::passed`] was then.
    watched_since: Duration,
    last_beat: Option<LastBeat>,
    state: State,
}

/// A sign of life.
#[derive(Clone, Copy, Debug)]
struct LastBeat {
    /// By the clock of whoever heard it.
    wall: Millis,
    /// As [`Now::passed`] was then; below zero: another relay heard it before this process began.
    at: SignedDuration,
}

/// What the targets were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing that is known; perhaps an alarm when it was in the settings before.
    Unknown,
    /// That it is heard, or nothing was ever wrong.
    Heard,
    /// That it is silent.
    Alarmed { since: Millis, stored_at: Duration },
}

/// What the targets should be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeartbeatChange {
    /// It has been silent for too long, since then.
    Silent { since: Millis },
    /// It is heard again after an alarm.
    Back { since: Millis },
    /// It is heard for the first time: sent only where an earlier run sent an alarm.
    FirstHeard,
}

impl Watch {
    fn new(settings: HeartbeatSettings, now: Now) -> Self {
        let (last_beat, state) = (None, State::Unknown);
        Self { settings, told: None, is_gone: false, watched_since: now.passed, last_beat, state }
    }

    fn is_alarmed(&self) -> bool {
        matches!(self.state, State::Alarmed { .. })
    }

    /// When the silence becomes too long, as [`Now::passed`] is then.
    fn silent_from(&self) -> SignedDuration {
        let since = self.last_beat.map_or(signed(self.watched_since), |beat| beat.at);
        since.saturating_add(signed(self.settings.expect_every))
    }

    /// For how long the silence has been too long.
    fn silent_for(&self, now: Now) -> Option<Duration> {
        Duration::try_from(signed(now.passed).saturating_sub(self.silent_from())).ok()
    }

    fn change(&self, now: Now) -> Option<HeartbeatChange> {
        if let State::Alarmed { since, .. } = self.state
            && self.is_gone
        {
            return Some(HeartbeatChange::Back { since });
        }
        match (self.state, self.silent_for(now)) {
            (State::Unknown | State::Heard, Some(silent_for)) => {
                Some(HeartbeatChange::Silent { since: now.wall.minus(silent_for) })
            }
            (State::Unknown, None) => self.last_beat.map(|_| HeartbeatChange::FirstHeard),
            (State::Heard, None) => None,
            // After a start it is not known for a while whether it is heard again.
            (State::Alarmed { since, .. }, None) => self.last_beat.map(|_| HeartbeatChange::Back { since }),
            (State::Alarmed { since, stored_at }, Some(_)) => {
                let is_due = self.told.is_some() || now.passed >= stored_at.saturating_add(REMIND_AFTER);
                is_due.then_some(HeartbeatChange::Silent { since })
            }
        }
    }

    fn deadline(&self) -> Duration {
        match self.state {
            State::Alarmed { .. } if self.is_gone => Duration::ZERO,
            // After a start it may be heard before it is silent again.
            State::Alarmed { .. } if self.told.is_some() => {
                Duration::try_from(self.silent_from()).unwrap_or_default()
            }
            State::Unknown | State::Heard => Duration::try_from(self.silent_from()).unwrap_or_default(),
            State::Alarmed { stored_at, .. } => stored_at.saturating_add(REMIND_AFTER),
        }
    }
}

impl Due {
    /// Whether this raises an alarm rather than ends one.
    pub(crate) fn is_alarm(&self) -> bool {
        matches!(self.change, HeartbeatChange::Silent { .. })
    }

    /// Whether it is no longer in the settings.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether nobody is to be told, nor has been.
    pub(crate) fn is_nobodys(&self) -> bool {
        self.settings.targets.is_empty() && self.told.as_ref().is_none_or(Vec::is_empty)
    }

    /// Whether this target is to be told; if not, it only gets to know how things stand.
    fn tells(&self, target: &String) -> bool {
        match (self.change, &self.told) {
            (HeartbeatChange::FirstHeard, _) => false,
            (_, None) => true,
            (HeartbeatChange::Silent { .. }, Some(told)) => !told.contains(target),
            (HeartbeatChange::Back { .. }, Some(told)) => told.contains(target),
        }
    }
}

/// Whether these name the same targets.
fn are_same(one: &[String], other: &[String]) -> bool {
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    set(one) == set(other)
}

/// Any time that a process runs has a place in it.
fn signed(passed: Duration) -> SignedDuration {
    SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
