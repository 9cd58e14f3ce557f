//! Signs of life whose absence is an alarm: the relay watches the chain that feeds it.
//!
//! Owns what was heard when, and the words of the alarm. Leaves out sending it: an alarm is a notification like any other
//! and goes through the store. What was heard is kept in memory only. After a start each heartbeat has a full
//! `expect_every` to be heard; the first beat then also closes an alarm that an earlier run may have sent.
//!
//! A silence is measured by what has passed while the relay ran: a wall clock that is set, or a machine that was suspended, makes nobody
//! silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::{Millis, Now};
use crate::intake;
use crate::message::Language;
use crate::notification::{Alert, GroupKey, LabelSet, Notification, Status};
use crate::routes::Planned;
use crate::settings::HeartbeatSettings;

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
}

impl Heartbeats {
    /// Takes over the settings' heartbeats: new ones are watched from `now` on, known ones keep what was heard.
    pub(crate) fn configure(&self, settings: &BTreeMap<String, HeartbeatSettings>, now: Now) {
        let mut watches = self.lock();
        watches.retain(|name, _| settings.contains_key(name));
        for (name, heartbeat) in settings {
            let watch = watches.entry(name.clone()).or_insert_with(|| Watch {
                expect_every: heartbeat.expect_every,
                watched_since: now.passed,
                last_beat: None,
                state: State::Unknown,
            });
            watch.expect_every = heartbeat.expect_every;
        }
        drop(watches);
        self.changed.notify_one();
    }

    /// Notes a sign of life. `false`: there is no such heartbeat.
    pub(crate) fn beat(&self, name: &str, now: Now) -> bool {
        let is_known = self.lock().get_mut(name).map(|watch| watch.last_beat = Some(now)).is_some();
        if is_known {
            self.changed.notify_one();
        }
        is_known
    }

    /// Begins to watch, as after a start: what another relay has told of is not known here.
    pub(crate) fn watch_from(&self, now: Now) {
        for watch in self.lock().values_mut() {
            watch.watched_since = now.passed;
            watch.state = State::Unknown;
        }
        self.changed.notify_one();
    }

    /// Notes a sign of life that another relay, or this one, has heard: at this time of the store's clock, so long ago by the same clock.
    /// What was heard before this process began counts from its beginning.
    pub(crate) fn heard(&self, name: &str, at: Millis, ago: Duration, now: Now) {
        let mut watches = self.lock();
        let Some(watch) = watches.get_mut(name) else { return };
        let passed = now.passed.saturating_sub(ago);
        // The same beat, read again a second later, is off by what rounding makes of it.
        if watch.last_beat.is_some_and(|last| last.wall == at) {
            return;
        }
        if watch.last_beat.is_none_or(|last| last.passed < passed) {
            watch.last_beat = Some(Now { wall: at, passed });
            drop(watches);
            self.changed.notify_one();
        }
    }

    /// What is to be sent now. Stays due until [`stored`](Self::stored).
    pub(crate) fn due(&self, now: Now) -> Vec<Due> {
        let watches = self.lock();
        let due =
            |(name, watch): (&String, &Watch)| Some(Due { name: name.clone(), change: watch.change(now)? });
        watches.iter().filter_map(due).collect()
    }

    /// Notes that `due` is in the store.
    pub(crate) fn stored(&self, due: &Due, now: Now) {
        if let Some(watch) = self.lock().get_mut(&due.name) {
            watch.state = match due.change {
                HeartbeatChange::Silent { since } => State::Alarmed { since, stored_at: now.passed },
                HeartbeatChange::Back { .. } | HeartbeatChange::FirstHeard => State::Heard,
            };
        }
    }

    /// When each heartbeat was last heard since the start of this process, for the metrics and the page.
    pub(crate) fn last_beats(&self) -> BTreeMap<String, Option<Millis>> {
        self.lock()
            .iter()
            .map(|(name, watch)| (name.clone(), watch.last_beat.map(|beat| beat.wall)))
            .collect()
    }

    /// Those that are silent for too long now.
    pub(crate) fn missing(&self, now: Now) -> BTreeSet<String> {
        let watches = self.lock();
        let missing = watches.iter().filter(|(_, watch)| watch.silent_from() <= now.passed);
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
    expect_every: Duration,
    /// As [`Now::passed`] was then.
    watched_since: Duration,
    last_beat: Option<Now>,
    state: State,
}

/// What the targets were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing by this process; perhaps an alarm by an earlier one.
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
    /// It is heard again after an alarm of this process.
    Back { since: Millis },
    /// It is heard for the first time: sent only where an earlier run sent an alarm.
    FirstHeard,
}

impl Watch {
    /// When the silence becomes too long, as [`Now::passed`] is then.
    fn silent_from(&self) -> Duration {
        self.last_beat.map_or(self.watched_since, |beat| beat.passed).saturating_add(self.expect_every)
    }

    fn change(&self, now: Now) -> Option<HeartbeatChange> {
        let silent_for = now.passed.checked_sub(self.silent_from());
        match (self.state, silent_for) {
            (State::Unknown | State::Heard, Some(silent_for)) => {
                Some(HeartbeatChange::Silent { since: now.wall.minus(silent_for) })
            }
            (State::Unknown, None) => self.last_beat.map(|_| HeartbeatChange::FirstHeard),
            (State::Heard, None) => None,
            (State::Alarmed { since, .. }, None) => Some(HeartbeatChange::Back { since }),
            (State::Alarmed { since, stored_at }, Some(_)) => (now.passed
                >= stored_at.saturating_add(REMIND_AFTER))
            .then_some(HeartbeatChange::Silent { since }),
        }
    }

    fn deadline(&self) -> Duration {
        match self.state {
            State::Unknown | State::Heard => self.silent_from(),
            State::Alarmed { stored_at, .. } => stored_at.saturating_add(REMIND_AFTER),
        }
    }
}

impl Due {
    /// Whether this raises an alarm rather than ends one.
    pub(crate) fn is_alarm(&self) -> bool {
        matches!(self.change, HeartbeatChange::Silent { .. })
    }

    /// The notification that says it, and its deliveries.
    pub(crate) fn notification(
        &self,
        settings: &HeartbeatSettings,
        language: Language,
        now: Timestamp,
    ) -> (Notification, Vec<Planned>) {
        let (status, since) = match self.change {
            HeartbeatChange::Silent { since } => (Status::Firing, since.timestamp()),
            HeartbeatChange::Back { since } => (Status::Resolved, since.timestamp()),
            HeartbeatChange::FirstHeard => (Status::Resolved, now),
        };
        let labels =
            labels(&[("alertname", "HeartbeatMissing"), ("heartbeat", &self.name), ("severity", "critical")]);
        let annotations = words(&self.name, settings.expect_every, language);
        let alert = Alert {
            status,
            annotations: annotations.clone(),
            starts_at: since,
            ends_at: (status == Status::Resolved).then_some(now),
            generator_url: String::new(),
            fingerprint: intake::fingerprint(&labels),
            labels: labels.clone(),
        };
        let fingerprints = vec![alert.fingerprint.clone()];
        let deliveries = settings.targets.iter().map(|target| {
            let routes = vec![format!("heartbeats.{}", self.name)];
            let planned = Planned { target: target.clone(), routes, ..Planned::default() };
            match self.change {
                HeartbeatChange::FirstHeard => Planned { outside_hours: fingerprints.clone(), ..planned },
                HeartbeatChange::Silent { .. } | HeartbeatChange::Back { .. } => {
                    Planned { alerts: fingerprints.clone(), ..planned }
                }
            }
        });
        let deliveries = deliveries.collect();
        let notification = Notification {
            receiver: "alert-relay".to_owned(),
            group_key: GroupKey(format!("{{}}/heartbeat:{{heartbeat={:?}}}", self.name)),
            group_labels: labels.clone(),
            common_labels: labels,
            common_annotations: annotations,
            external_url: String::new(),
            truncated_alerts: 0,
            is_declared_repeat: false,
            alerts: vec![alert],
        };
        (notification, deliveries)
    }
}

fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

fn words(name: &str, expect_every: Duration, language: Language) -> LabelSet {
    let every = humantime::format_duration(expect_every);
    let (summary, description) = match language {
        Language::ZhCn => (
            format!("心跳 {name} 中断"),
            format!(
                "超过 {every} 没有收到心跳 {name}。Prometheus、Alertmanager 或它们到本服务的链路可能已中断,期间的告警可能无法送达。"
            ),
        ),
        Language::En => (
            format!("Heartbeat {name} is missing"),
            format!(
                "Nothing was heard from the heartbeat {name} for more than {every}. Prometheus, Alertmanager or the way from them to \
                 this relay may be broken, and alerts may not arrive meanwhile."
            ),
        ),
    };
    labels(&[("summary", &summary), ("description", &description)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// This many minutes after the start, by a wall clock that nobody sets.
    fn at(minute: u64) -> Now {
        let passed = Duration::from_mins(minute);
        Now { wall: Millis(0).plus(passed), passed }
    }

    fn heartbeats() -> Heartbeats {
        let heartbeats = Heartbeats::default();
        configure(&heartbeats, &["watchdog"], at(0));
        heartbeats
    }

    fn configure(heartbeats: &Heartbeats, names: &[&str], now: Now) {
        let settings =
            HeartbeatSettings { expect_every: Duration::from_mins(2), targets: vec!["mail".to_owned()] };
        let settings = names.iter().map(|name| ((*name).to_owned(), settings.clone())).collect();
        heartbeats.configure(&settings, now);
    }

    /// Tells whatever is due at `minute` and returns it.
    fn tell(heartbeats: &Heartbeats, minute: u64) -> Option<HeartbeatChange> {
        let now = at(minute);
        let due = heartbeats.due(now);
        for due in &due {
            heartbeats.stored(due, now);
        }
        due.first().map(|due| due.change)
    }

    #[test]
    fn silence_alarms_once_and_the_return_ends_it() {
        let heartbeats = heartbeats();
        let silent = HeartbeatChange::Silent { since: Millis(3 * MINUTE) };
        assert!(heartbeats.beat("watchdog", at(1)));
        assert_eq!(tell(&heartbeats, 1), Some(HeartbeatChange::FirstHeard));
        assert_eq!(tell(&heartbeats, 2), None);
        assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(3)));
        assert_eq!(tell(&heartbeats, 3), Some(silent));
        assert_eq!(tell(&heartbeats, 4), None);
        heartbeats.beat("watchdog", at(5));
        assert_eq!(tell(&heartbeats, 5), Some(HeartbeatChange::Back { since: Millis(3 * MINUTE) }));
        assert_eq!(tell(&heartbeats, 6), None);
        assert_eq!(tell(&heartbeats, 7), Some(HeartbeatChange::Silent { since: Millis(7 * MINUTE) }));
    }

    #[test]
    fn a_heartbeat_never_heard_alarms_after_its_time() {
        let heartbeats = heartbeats();
        assert_eq!(tell(&heartbeats, 1), None);
        assert_eq!(tell(&heartbeats, 2), Some(HeartbeatChange::Silent { since: Millis(2 * MINUTE) }));
    }

    #[test]
    fn a_long_alarm_is_told_again() {
        let heartbeats = heartbeats();
        let silent = Some(HeartbeatChange::Silent { since: Millis(2 * MINUTE) });
        assert_eq!(tell(&heartbeats, 2), silent);
        assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(242)));
        assert_eq!(tell(&heartbeats, 241), None);
        assert_eq!(tell(&heartbeats, 242), silent);
    }

    #[test]
    fn a_wall_clock_that_is_set_makes_nobody_silent_and_keeps_nobody_heard() {
        for set_to in [0, 1_000_000] {
            let heartbeats = heartbeats();
            heartbeats.beat("watchdog", at(60));
            assert_eq!(tell(&heartbeats, 60), Some(HeartbeatChange::FirstHeard));
            let set = |minute| Now { wall: Millis(set_to * MINUTE), ..at(minute) };
            assert_eq!(heartbeats.due(set(61)), []);
            let due = heartbeats.due(set(63));
            let since = Millis((set_to - 1) * MINUTE);
            assert_eq!(due[0].change, HeartbeatChange::Silent { since }, "the clock shows {set_to} min");
        }
    }

    #[test]
    fn what_could_not_be_stored_stays_due() {
        let heartbeats = heartbeats();
        let due = heartbeats.due(at(2));
        assert_eq!(heartbeats.due(at(2)), due);
        assert_eq!(due.len(), 1);
    }

    #[test]
    fn new_settings_keep_what_was_heard() {
        let heartbeats = heartbeats();
        heartbeats.beat("watchdog", at(1));
        configure(&heartbeats, &["watchdog", "other"], at(2));
        assert_eq!(heartbeats.last_beats()["watchdog"], Some(Millis(MINUTE)));
        assert_eq!(heartbeats.last_beats()["other"], None);
        assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(3)));
        configure(&heartbeats, &["other"], at(2));
        assert!(!heartbeats.beat("watchdog", at(2)));
        assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(4)));
    }

    #[test]
    fn the_alarm_and_its_end_are_one_alert() {
        let settings = HeartbeatSettings {
            expect_every: Duration::from_mins(2),
            targets: vec!["mail".to_owned(), "chat".to_owned()],
        };
        let say = |change| {
            let due = Due { name: "watchdog".to_owned(), change };
            let (notification, deliveries) =
                due.notification(&settings, Language::En, Millis(9 * MINUTE).timestamp());
            assert_eq!(intake::parse(&intake::write(&notification)).unwrap(), notification);
            (notification, deliveries)
        };
        let (firing, to) = say(HeartbeatChange::Silent { since: Millis(2 * MINUTE) });
        let (back, _) = say(HeartbeatChange::Back { since: Millis(2 * MINUTE) });
        let (first, first_to) = say(HeartbeatChange::FirstHeard);
        assert_eq!(firing.group_key, back.group_key);
        assert_eq!(firing.alerts[0].fingerprint, back.alerts[0].fingerprint);
        assert_eq!(firing.alerts[0].fingerprint, first.alerts[0].fingerprint);
        assert_eq!(back.alerts[0].status, Status::Resolved);
        assert_eq!(to.iter().map(|planned| planned.target.as_str()).collect::<Vec<_>>(), ["mail", "chat"]);
        assert_eq!(to[0].alerts.len(), 1);
        assert!(first_to[0].alerts.is_empty());
        assert_eq!(first_to[0].outside_hours.len(), 1);
    }
}
