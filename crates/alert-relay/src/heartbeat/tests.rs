use super::*;
use crate::intake;
use crate::message::Language;
use crate::routes::Planned;

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

fn settings(targets: &[&str]) -> HeartbeatSettings {
    let targets = targets.iter().map(|name| (*name).to_owned()).collect();
    HeartbeatSettings { expect_every: Duration::from_mins(2), targets }
}

fn configure(heartbeats: &Heartbeats, names: &[&str], now: Now) {
    let settings = names.iter().map(|name| ((*name).to_owned(), settings(&["mail"]))).collect();
    heartbeats.configure(&settings, |name| name, now);
}

/// A reload after which the watchdog has these targets.
fn tell_to(heartbeats: &Heartbeats, targets: &[&str], minute: u64) {
    heartbeats.configure(&[("watchdog".to_owned(), settings(targets))].into(), |name| name, at(minute));
}

fn due(change: HeartbeatChange, targets: &[&str]) -> Due {
    Due { name: "watchdog".to_owned(), change, settings: settings(targets), told: None, is_gone: false }
}

/// Stores what is due at `minute`; returns its status, who is told, and who only gets to know how things stand.
fn store(heartbeats: &Heartbeats, minute: u64) -> Option<(Status, Vec<String>, Vec<String>)> {
    let due = heartbeats.due(at(minute)).pop()?;
    heartbeats.stored(&due, at(minute));
    let (notification, planned) = due.notification(Language::En, at(minute).wall.timestamp());
    let (told, quiet): (Vec<_>, Vec<_>) = planned.into_iter().partition(|planned| !planned.alerts.is_empty());
    let names = |planned: Vec<Planned>| planned.into_iter().map(|planned| planned.target).collect();
    Some((notification.alerts[0].status, names(told), names(quiet)))
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
    let say = |change| {
        let due = due(change, &["mail", "chat"]);
        let (notification, deliveries) = due.notification(Language::En, Millis(9 * MINUTE).timestamp());
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

/// A relay that takes over what the store has of an earlier one.
fn recalled(change: HeartbeatChange, accepted_at: i64, now: Now) -> Heartbeats {
    let heartbeats = heartbeats();
    let (notification, _) =
        due(change, &["mail"]).notification(Language::En, Millis(accepted_at).timestamp());
    heartbeats.watch_from(now);
    heartbeats.recall("watchdog", &notification, names(&["mail"]), Millis(accepted_at), now);
    heartbeats
}

#[test]
fn an_alarm_of_an_earlier_relay_goes_on_until_a_beat_ends_it() {
    let since = Millis(2 * MINUTE);
    let silent = HeartbeatChange::Silent { since };
    let heartbeats = recalled(silent, 3 * MINUTE, at(10));
    for minute in [10, 11, 12, 242] {
        assert_eq!(tell(&heartbeats, minute), None, "{minute}");
    }
    assert_eq!(tell(&heartbeats, 243), Some(silent));
    let heartbeats = recalled(silent, 3 * MINUTE, at(10));
    heartbeats.beat("watchdog", at(11));
    assert_eq!(tell(&heartbeats, 11), Some(HeartbeatChange::Back { since }));
    let heartbeats = recalled(HeartbeatChange::Back { since }, 3 * MINUTE, at(10));
    heartbeats.beat("watchdog", at(11));
    assert_eq!(tell(&heartbeats, 11), None);
    assert_eq!(tell(&heartbeats, 13), Some(HeartbeatChange::Silent { since: Millis(13 * MINUTE) }));
}

#[test]
fn what_another_relay_heard_before_this_process_began_keeps_its_age() {
    let heard = |heartbeats: &Heartbeats, minute: u64, ago: u64| {
        let wall = at(minute).wall.minus(Duration::from_mins(ago));
        heartbeats.heard("watchdog", wall, Duration::from_mins(ago), at(minute));
    };
    let since = Millis(-60 * MINUTE);
    let heartbeats = recalled(HeartbeatChange::Silent { since }, -60 * MINUTE, at(1));
    heard(&heartbeats, 1, 62);
    assert_eq!(tell(&heartbeats, 1), None, "the alarm goes on");
    heard(&heartbeats, 1, 2);
    assert_eq!(tell(&heartbeats, 1), None, "heard, and silent again since");
    heard(&heartbeats, 2, 1);
    assert_eq!(tell(&heartbeats, 2), Some(HeartbeatChange::Back { since }));
    // A relay that waits has heard of it, and takes over.
    let heartbeats = self::heartbeats();
    heard(&heartbeats, 1, 1);
    heartbeats.watch_from(at(5));
    heard(&heartbeats, 5, 5);
    assert_eq!(tell(&heartbeats, 5), Some(HeartbeatChange::Silent { since: Millis(2 * MINUTE) }));
    // Nobody may have listened before a start, or before the heartbeat was added: a beat from long before is no silence.
    let heartbeats = self::heartbeats();
    heartbeats.watch_from(at(1));
    heard(&heartbeats, 1, 4);
    assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(3)));
    assert_eq!(tell(&heartbeats, 1), None);
}

#[test]
fn an_alarm_follows_a_target_that_gets_another_name() {
    let heartbeats = heartbeats();
    tell_to(&heartbeats, &["chat", "mail"], 1);
    store(&heartbeats, 2);
    let renamed = |name: String| if name == "chat" { "room".to_owned() } else { name };
    heartbeats.configure(&[("watchdog".to_owned(), settings(&["mail", "room"]))].into(), renamed, at(3));
    assert_eq!(store(&heartbeats, 3), None, "both know of it");
    // Renamed and gone at once.
    let back = |name: String| if name == "room" { "chat".to_owned() } else { name };
    heartbeats.configure(&BTreeMap::new(), back, at(4));
    assert_eq!(store(&heartbeats, 4), Some((Status::Resolved, names(&["mail", "chat"]), vec![])));
}

#[test]
fn a_target_that_was_taken_off_at_a_restart_hears_that_it_is_no_longer_told() {
    let heartbeats = recalled(HeartbeatChange::Silent { since: Millis(0) }, MINUTE, at(10));
    let (alarm, _) = due(HeartbeatChange::Silent { since: Millis(0) }, &["mail", "chat"])
        .notification(Language::En, at(0).wall.timestamp());
    heartbeats.recall("watchdog", &alarm, names(&["mail", "chat"]), Millis(MINUTE), at(10));
    // The store tells those that its newest webhook is not for.
    assert_eq!(store(&heartbeats, 12), Some((Status::Firing, vec![], names(&["mail"]))));
    assert_eq!(store(&heartbeats, 13), None);
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The input of the fault: a relay that has no channel yet, and is given one.
#[test]
fn what_is_missing_already_is_told_to_a_new_target_at_once_and_to_the_others_not_again() {
    let heartbeats = heartbeats();
    tell_to(&heartbeats, &[], 0);
    let first = heartbeats.due(at(2)).pop().unwrap();
    assert!(first.is_nobodys());
    heartbeats.stored(&first, at(2));
    assert_eq!(heartbeats.due(at(3)), []);
    tell_to(&heartbeats, &["mail"], 3);
    assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(2)));
    let due = heartbeats.due(at(3)).pop().unwrap();
    assert!(!due.is_nobodys());
    assert!(
        due.notification(Language::En, at(3).wall.timestamp()).0.is_declared_repeat,
        "it is taken for a copy"
    );
    assert_eq!(store(&heartbeats, 3), Some((Status::Firing, names(&["mail"]), vec![])));
    assert_eq!(store(&heartbeats, 4), None);
    tell_to(&heartbeats, &["mail"], 4);
    assert_eq!(store(&heartbeats, 4), None, "nothing has changed");
    tell_to(&heartbeats, &["chat", "mail"], 4);
    assert_eq!(store(&heartbeats, 4), Some((Status::Firing, names(&["chat"]), names(&["mail"]))));
    // The store is told of who has gone, so that they hear that it is no longer reported.
    tell_to(&heartbeats, &[], 5);
    assert!(!heartbeats.due(at(5))[0].is_nobodys());
    assert_eq!(store(&heartbeats, 5), Some((Status::Firing, vec![], vec![])));
    tell_to(&heartbeats, &["chat"], 6);
    heartbeats.beat("watchdog", at(6));
    assert_eq!(
        store(&heartbeats, 6),
        Some((Status::Resolved, vec![], names(&["chat"]))),
        "they were not told"
    );
    assert_eq!(heartbeats.next_deadline(), Some(Duration::from_mins(8)));
}

#[test]
fn targets_that_change_while_an_alarm_is_stored_are_told_next() {
    let heartbeats = heartbeats();
    let due = heartbeats.due(at(2)).pop().unwrap();
    tell_to(&heartbeats, &["mail", "chat"], 2);
    heartbeats.stored(&due, at(2));
    assert_eq!(store(&heartbeats, 2), Some((Status::Firing, names(&["chat"]), names(&["mail"]))));
}

#[test]
fn the_alarm_of_a_heartbeat_that_goes_ends() {
    let heartbeats = heartbeats();
    configure(&heartbeats, &["watchdog", "heard"], at(0));
    heartbeats.beat("heard", at(2));
    assert_eq!(store(&heartbeats, 2), Some((Status::Firing, names(&["mail"]), vec![])));
    configure(&heartbeats, &[], at(3));
    assert!(!heartbeats.beat("watchdog", at(3)));
    assert_eq!(heartbeats.last_beats(), BTreeMap::new());
    assert_eq!(heartbeats.next_deadline(), Some(Duration::ZERO));
    let due = heartbeats.due(at(3));
    assert!(due.len() == 1 && due[0].is_gone() && !due[0].is_alarm(), "{due:?}");
    assert_eq!(store(&heartbeats, 3), Some((Status::Resolved, names(&["mail"]), vec![])));
    assert_eq!((heartbeats.due(at(4)), heartbeats.next_deadline()), (vec![], None));

    // Put back before its end is stored it goes on.
    let heartbeats = self::heartbeats();
    store(&heartbeats, 2);
    configure(&heartbeats, &[], at(3));
    configure(&heartbeats, &["watchdog"], at(3));
    assert_eq!(store(&heartbeats, 3), None);
    // What went while another relay watched, that one has told of.
    configure(&heartbeats, &[], at(4));
    heartbeats.watch_from(at(5));
    assert_eq!(heartbeats.due(at(5)), []);

    // One that goes while its alarm is stored.
    let heartbeats = self::heartbeats();
    let due = heartbeats.due(at(2)).pop().unwrap();
    configure(&heartbeats, &[], at(2));
    heartbeats.stored(&due, at(2));
    assert_eq!(store(&heartbeats, 2), Some((Status::Resolved, names(&["mail"]), vec![])));
    assert_eq!(heartbeats.next_deadline(), None);
}

#[test]
fn an_alarm_of_an_earlier_relay_is_told_to_those_who_do_not_know_of_it() {
    let since = Millis(2 * MINUTE);
    let heartbeats = recalled(HeartbeatChange::Silent { since }, 3 * MINUTE, at(10));
    assert_eq!(store(&heartbeats, 12), None);
    let (alarm, _) =
        due(HeartbeatChange::Silent { since }, &["mail"]).notification(Language::En, since.timestamp());
    tell_to(&heartbeats, &["mail", "chat"], 12);
    heartbeats.watch_from(at(12));
    heartbeats.recall("watchdog", &alarm, names(&["mail"]), since, at(12));
    assert_eq!(store(&heartbeats, 13), None, "it may be heard yet");
    assert_eq!(store(&heartbeats, 14), Some((Status::Firing, names(&["chat"]), names(&["mail"]))));

    let (over, planned) = end("watchdog", alarm, names(&["mail", "chat"]), at(15).wall.timestamp());
    assert_eq!(over.alerts[0].status, Status::Resolved);
    assert_eq!(over.alerts[0].ends_at, Some(at(15).wall.timestamp()));
    let told = planned.iter().map(|planned| (planned.target.as_str(), &planned.alerts[0]));
    let fingerprint = &over.alerts[0].fingerprint;
    assert_eq!(told.collect::<Vec<_>>(), [("mail", fingerprint), ("chat", fingerprint)]);
}
