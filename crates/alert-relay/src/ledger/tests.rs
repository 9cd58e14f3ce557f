//! Histories and what is sent of them.

use proptest::prelude::*;

use super::*;
use crate::outbox::testing::{firing, resolved};
use crate::sender::Sender;

mod senders;

/// `a10` fires since second 10, `-a10` is resolved; `?a10` is outside of its hours; a snapshot that ends in `~` was truncated by Alertmanager.
fn alerts(text: &str) -> Vec<Alert> {
    text.split_whitespace()
        .filter(|word| *word != "~")
        .map(|word| {
            let (is_resolved, word) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
            let (name, start) = word.split_at(1);
            let start = start.parse().unwrap();
            if is_resolved { resolved(name, start) } else { firing(name, start) }
        })
        .collect()
}

fn entries(text: &str) -> Vec<LedgerEntry> {
    alerts(text).into_iter().map(LedgerEntry::new).collect()
}

fn snapshot(text: &str) -> Snapshot {
    let (outside_hours, loud): (Vec<&str>, Vec<&str>) =
        text.split_whitespace().partition(|word| word.starts_with('?'));
    Snapshot {
        alerts: alerts(&loud.join(" ")),
        outside_hours: alerts(&outside_hours.join(" ").replace('?', "")),
        is_truncated: text.contains('~'),
        sender: Sender::default(),
        accepted_at: Millis(0),
        is_revision: false,
    }
}

/// What a single sender says, folded at the beginning of time.
fn fold(known: &[LedgerEntry], snapshots: &[Snapshot], send_resolved: bool) -> Folded {
    let senders = BTreeSet::new();
    super::fold(known, snapshots, Terms { send_resolved, senders: &senders, now: Millis(0) })
}

fn names<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> String {
    alerts.into_iter().map(|alert| alert.fingerprint.0.as_str()).collect::<Vec<_>>().join(" ")
}

fn said(folded: &Folded) -> String {
    let Ok(changes) = &folded.changes else { return "nothing".to_owned() };
    [
        ("new", &changes.new),
        ("still", &changes.still),
        ("resolved", &changes.resolved),
        ("vanished", &changes.vanished),
    ]
    .into_iter()
    .filter(|(_, alerts)| !alerts.is_empty())
    .map(|(list, alerts)| format!("{list}: {}", names(alerts)))
    .collect::<Vec<_>>()
    .join(", ")
}

fn check(known: &str, snapshots: &[&str], expected: &str) {
    let snapshots: Vec<Snapshot> = snapshots.iter().map(|text| snapshot(text)).collect();
    assert_eq!(
        said(&fold(&entries(known), &snapshots, true)),
        expected,
        "told {known:?}, then {snapshots:?}"
    );
}

#[test]
fn one_snapshot_against_what_was_told() {
    check("", &["a10"], "new: a");
    check("", &["a10 b20"], "new: a b");
    check("a10", &["a10"], "still: a");
    check("a10", &["a10 b20"], "new: b, still: a");
    check("a10", &["-a10"], "resolved: a");
    check("a10 b20", &["-a10 b20"], "still: b, resolved: a");
    check("a10 b20", &["b20"], "still: b, vanished: a");
    check("a10", &[""], "vanished: a");
    check("-a10", &[""], "nothing");
    check("", &[""], "nothing");
}

#[test]
fn what_is_outside_of_its_hours_is_neither_news_nor_gone() {
    check("", &["?a10"], "nothing");
    check("", &["?-a10"], "nothing");
    check("", &["b10 ?a10"], "new: b");
    check("a10", &["?a10"], "nothing");
    check("a10", &["?a10 ?-b20"], "nothing");
    check("a10", &["b20 ?a10"], "new: b, still: a");
    check("a10", &["?-a10"], "resolved: a");
    check("", &["a10", "?-a10"], "resolved: a");
    check("-a10", &["?-a10"], "nothing");
    check("", &["?a10", "a10"], "new: a");
}

#[test]
fn an_end_is_told_once_and_also_when_the_beginning_was_not() {
    check("", &["-a10"], "resolved: a");
    check("-a10", &["-a10"], "nothing");
    check("-a10", &["-a10 b20"], "new: b");
    check("-a10", &["-a30"], "resolved: a");
}

#[test]
fn a_second_episode_is_new() {
    check("-a10", &["a30"], "new: a");
    check("a10", &["a30"], "new: a");
    // Alertmanager joins overlapping episodes under the earliest start.
    check("-a10", &["a10"], "new: a");
    // A second Prometheus saw it earlier: the same episode.
    check("a10", &["a8"], "still: a");
}

#[test]
fn what_happened_while_waiting_is_told() {
    check("", &["a10", "-a10"], "resolved: a");
    check("", &["a10", "-a10", "b20"], "new: b, resolved: a");
    check("", &["a10", "b20"], "new: b, vanished: a");
    check("a10", &["-a10", "b20"], "new: b, resolved: a");
    check("a10", &["-a10", "a30"], "new: a");
    check("a10", &["-a10", "a10"], "new: a");
    check("a10", &["-a10", "a30", "-a30"], "resolved: a");
    check("-a10", &["a30", "-a30"], "resolved: a");
    check("a10", &["a10", "a10 b20", "a10 b20 c30"], "new: b c, still: a");
    check("a10", &["", "a10"], "still: a");
}

#[test]
fn what_alertmanager_cut_off_is_not_gone() {
    check("a10 b20", &["b20 ~"], "still: b");
    check("", &["a10", "b20 ~"], "new: b a");
    check("a10", &["~"], "nothing");
    check("a10", &["-a10 ~"], "resolved: a");
}

#[test]
fn without_send_resolved_ends_are_noted_and_not_said() {
    let check = |known: &str, text: &str, expected: &str, noted: &str| {
        let folded = fold(&entries(known), &[snapshot(text)], false);
        assert_eq!(said(&folded), expected, "told {known:?}, then {text:?}");
        assert_eq!(names(folded.entries.iter().map(|entry| &entry.alert)), noted);
    };
    check("a10", "-a10", "nothing", "a");
    check("a10 b20", "-a10 b20", "nothing", "a");
    check("a10 b20", "b20", "nothing", "a");
    check("a10 b20", "-a10 b20 c30", "new: c, still: b", "a c");
    check("a10", "a10", "still: a", "");
}

#[test]
fn a_vanished_alert_counts_as_over() {
    let folded = fold(&entries("a10"), &[snapshot("b20")], true);
    let after: Vec<_> =
        folded.entries.iter().map(|entry| (entry.alert.fingerprint.0.as_str(), entry.alert.status)).collect();
    assert_eq!(after, [("b", Status::Firing), ("a", Status::Resolved)]);
    check("-a10 b20", &["b20"], "still: b");
}

/// What the target knows, brought up to date with what it was sent.
fn believe(before: &[LedgerEntry], news: &[LedgerEntry]) -> Vec<LedgerEntry> {
    let mut beliefs: BTreeMap<Fingerprint, LedgerEntry> = BTreeMap::new();
    for entry in before.iter().chain(news) {
        beliefs.insert(entry.alert.fingerprint.clone(), entry.clone());
    }
    beliefs.into_values().collect()
}

/// Snapshots with each alert at most once, as Alertmanager makes them, some of them outside of their hours.
fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let entry = prop_oneof![
        1 => Just(None),
        2 => (any::<bool>(), 1..4_i64, prop::bool::weighted(0.3)).prop_map(Some),
    ];
    (proptest::collection::vec(entry, 4), prop::bool::weighted(0.1)).prop_map(|(entries, is_truncated)| {
        let mut snapshot = Snapshot { is_truncated, ..snapshot("") };
        for (entry, name) in entries.into_iter().zip(["a", "b", "c", "d"]) {
            let Some((is_firing, start, is_outside_hours)) = entry else { continue };
            let alert = if is_firing { firing(name, start * 10) } else { resolved(name, start * 10) };
            let list = if is_outside_hours { &mut snapshot.outside_hours } else { &mut snapshot.alerts };
            list.push(alert);
        }
        snapshot
    })
}

fn every(changes: &Changes) -> Vec<&Alert> {
    [&changes.new, &changes.still, &changes.resolved, &changes.vanished].into_iter().flatten().collect()
}

/// What a target knows that was sent each snapshot by itself.
fn told_one_by_one(snapshots: &[Snapshot], send_resolved: bool) -> Vec<LedgerEntry> {
    snapshots.iter().fold(Vec::new(), |before, snapshot| {
        believe(&before, &fold(&before, std::slice::from_ref(snapshot), send_resolved).entries)
    })
}

fn firing_in(alerts: &[Alert]) -> BTreeSet<&Fingerprint> {
    alerts.iter().filter(|alert| alert.status == Status::Firing).map(|alert| &alert.fingerprint).collect()
}

#[test]
fn why_there_is_nothing_to_say_is_known() {
    let check = |known: &str, snapshots: &[&str], send_resolved: bool, expected: Suppression| {
        let snapshots: Vec<Snapshot> = snapshots.iter().map(|text| snapshot(text)).collect();
        let folded = fold(&entries(known), &snapshots, send_resolved);
        assert_eq!(folded.changes, Err(expected), "told {known:?}, then {snapshots:?}");
    };
    check("", &[""], true, Suppression::NothingNew);
    check("-a10", &["-a10"], true, Suppression::NothingNew);
    check("a10", &["-a10"], false, Suppression::OnlyEnds);
    check("a10 b10", &["-a10 b10"], false, Suppression::OnlyEnds);
    check("a10", &[""], false, Suppression::OnlyEnds);
    check("", &["-a10"], false, Suppression::OnlyEnds);
    check("", &["?a10"], true, Suppression::OutsideHours(1));
    check("a10", &["?a10"], true, Suppression::OutsideHours(1));
    check("-b10", &["-b10 ?a10"], true, Suppression::OutsideHours(1));
}

proptest! {
    #[test]
    fn every_alert_stands_in_at_most_one_list_and_what_fires_in_exactly_one(
        known in proptest::collection::vec(any_snapshot(), 0..3),
        waiting in proptest::collection::vec(any_snapshot(), 1..5),
        send_resolved in any::<bool>(),
    ) {
        let before = told_one_by_one(&known, send_resolved);
        let changes = fold(&before, &waiting, send_resolved).changes;
        let fires = firing_in(&waiting.last().unwrap().alerts);
        let Ok(changes) = changes else {
            let known: Vec<Alert> = before.into_iter().map(|entry| entry.alert).collect();
            prop_assert!(fires.is_subset(&firing_in(&known)), "{:?} is passed over in silence", fires);
            return Ok(());
        };
        let mut listed: Vec<&Fingerprint> = every(&changes).iter().map(|alert| &alert.fingerprint).collect();
        let count = listed.len();
        listed.sort();
        listed.dedup();
        prop_assert_eq!(listed.len(), count, "an alert stands in two lists: {:?}", changes);
        let told: BTreeSet<&Fingerprint> = firing_in(&changes.new).union(&firing_in(&changes.still)).copied().collect();
        prop_assert!(fires.is_subset(&told), "{:?} is not all in {:?}", fires, changes);
    }

    #[test]
    fn nothing_is_told_that_a_target_does_not_want(
        known in proptest::collection::vec(any_snapshot(), 0..3),
        waiting in proptest::collection::vec(any_snapshot(), 1..5),
    ) {
        let before = told_one_by_one(&known, false);
        let changes = fold(&before, &waiting, false).changes.unwrap_or_default();
        prop_assert!(changes.resolved.is_empty() && changes.vanished.is_empty(), "{:?}", changes);
        let in_hours: BTreeSet<&Fingerprint> =
            waiting.iter().flat_map(|snapshot| firing_in(&snapshot.alerts)).collect();
        prop_assert!(firing_in(&changes.new).is_subset(&in_hours), "{:?} was never in its hours", changes.new);
    }

    #[test]
    fn said_once_is_known(
        known in any_snapshot(),
        waiting in proptest::collection::vec(any_snapshot(), 1..5),
        send_resolved in any::<bool>(),
    ) {
        let before = told_one_by_one(&[known], send_resolved);
        let after = believe(&before, &fold(&before, &waiting, send_resolved).entries);
        let again = fold(&after, &waiting[waiting.len() - 1..], send_resolved);
        prop_assert!(again.entries.is_empty(), "{:?}", again);
        if let Ok(changes) = again.changes {
            prop_assert!(changes.is_repeat(), "{:?}", changes);
        }
    }

    #[test]
    fn waiting_together_or_one_by_one_leaves_the_same_belief(
        waiting in proptest::collection::vec(any_snapshot(), 1..5),
        send_resolved in any::<bool>(),
    ) {
        let one_by_one = told_one_by_one(&waiting, send_resolved);
        let together = believe(&[], &fold(&[], &waiting, send_resolved).entries);
        let fires = |beliefs: &[LedgerEntry]| -> Vec<Fingerprint> {
            beliefs.iter().filter(|entry| entry.alert.status == Status::Firing).map(|entry| entry.alert.fingerprint.clone()).collect()
        };
        prop_assert_eq!(fires(&one_by_one), fires(&together));
    }
}
