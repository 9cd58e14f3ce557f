//! Several senders of one group: peers of a cluster, and clusters that do not know each other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// `one: a10 -b20..50` is what the sender `one` says; `one/x:` its process x; `one@70:` at second 70.
fn said_by(text: &str) -> Snapshot {
    let (who, alerts) = text.split_once(':').unwrap();
    let (who, at) = who.split_once('@').unwrap_or((who, "0"));
    let (name, address) = who.split_once('/').unwrap_or((who, ""));
    let with_ends = alerts.split_whitespace().map(|word| {
        let (word, end) = word.split_once("..").map_or((word, None), |(word, end)| (word, Some(end)));
        let mut alert = super::alerts(word).remove(0);
        if let Some(end) = end {
            alert.ends_at = Some(Millis(end.parse::<i64>().unwrap() * 1_000).timestamp());
        }
        alert
    });
    Snapshot {
        alerts: with_ends.collect(),
        sender: Sender { source: None, name: name.to_owned(), address: address.to_owned() },
        accepted_at: Millis(at.parse::<i64>().unwrap() * 1_000),
        ..snapshot("")
    }
}

/// A chat that is sent snapshot after snapshot, each by itself.
#[derive(Default)]
struct Chat {
    ledger: Vec<LedgerEntry>,
    senders: BTreeSet<String>,
}

impl Chat {
    fn hear(&mut self, snapshots: &[Snapshot]) -> Folded {
        let now = snapshots.last().unwrap().accepted_at;
        self.senders.extend(snapshots.iter().map(|snapshot| snapshot.sender.teller().to_owned()));
        let folded = super::super::fold(
            &self.ledger,
            snapshots,
            Terms { send_resolved: true, senders: &self.senders, now },
        );
        self.ledger = believe(&self.ledger, &folded.entries);
        folded
    }

    /// The relay looks again, without a new snapshot.
    fn look_again(&mut self, at: i64) -> Folded {
        let again = Snapshot {
            is_revision: true,
            is_truncated: true,
            accepted_at: Millis(at * 1_000),
            ..snapshot("")
        };
        let folded = super::super::fold(
            &self.ledger,
            &[again],
            Terms { send_resolved: true, senders: &self.senders, now: Millis(at * 1_000) },
        );
        self.ledger = believe(&self.ledger, &folded.entries);
        folded
    }
}

/// What a chat is sent of each snapshot, and why nothing where it is nothing.
fn check(script: &[(&str, &str)]) {
    let mut chat = Chat::default();
    for (snapshot, expected) in script {
        let folded = chat.hear(&[said_by(snapshot)]);
        let said = folded.changes.as_ref().map_or_else(Suppression::to_string, |_| said(&folded));
        assert!(said.starts_with(expected), "{snapshot} in {script:?}: {said:?}, not {expected:?}");
    }
}

#[test]
fn what_one_cluster_does_not_report_another_one_may() {
    check(&[
        ("one: a10", "new: a"),
        ("two: b20", "new: b"),
        ("one: a10", "still: a"),
        ("two: b20", "still: b"),
        ("one: a10 c30", "new: c, still: a"),
        ("one: c30", "still: c, vanished: a"),
        ("two: -b20", "resolved: b"),
        ("two: d40", "new: d"),
        ("one: -c30", "resolved: c"),
    ]);
}

#[test]
fn what_two_clusters_report_is_over_when_both_have_ended_it() {
    check(&[
        ("one: a10", "new: a"),
        // Hours later: another incident, of which the chat cannot tell by its labels.
        ("two: a4000", "new: a"),
        ("one: a10", "still: a"),
        ("two: a4000", "still: a"),
        ("one: -a10..5000", "ended for this sender, and still reported as firing by two"),
        ("two: a4000", "still: a"),
        ("two: -a4000..6000", "resolved: a"),
    ]);
    check(&[
        ("one: a10", "new: a"),
        ("two: a4000", "new: a"),
        ("one: b20", "new: b"),
        ("two: ", "vanished: a"),
    ]);
}

#[test]
fn peers_of_one_cluster_ring_once_and_one_of_them_may_end_it() {
    check(&[
        ("peer-1: a10", "new: a"),
        ("peer-2: a10 b20", "new: b, still: a"),
        ("peer-1: a10 b20", "still: a b"),
        ("peer-2: -a10..50 b20", "still: b, resolved: a"),
        ("peer-1: -a10..51 b20", "still: b"),
        // The one that told it first has died.
        ("peer-2: -b20..70", "resolved: b"),
    ]);
    // It began anew for the one that had told it too: what the other one said is of the same former episode.
    check(&[
        ("peer-1: a10", "new: a"),
        ("peer-2: a10", "still: a"),
        ("peer-1: a300", "new: a"),
        ("peer-1: -a300..400", "resolved: a"),
    ]);
    // What kept it firing was behind by two episodes.
    check(&[
        ("peer-1: a600", "new: a"),
        ("peer-2: a10", "still: a"),
        ("peer-1: -a600..700", "ended for this sender, and still reported as firing by peer-2"),
        ("peer-2: -a10..50", "resolved: a"),
        ("peer-2: a600", "another sender"),
    ]);
    // Two Prometheus servers saw it at different moments.
    check(&[
        ("peer-1: a70", "new: a"),
        ("peer-2: a10", "still: a"),
        ("peer-1: a70", "still: a"),
        ("peer-1: -a70..200", "resolved: a"),
    ]);
}

#[test]
fn an_old_end_does_not_end_what_fires_again() {
    check(&[
        ("peer-1: a10", "new: a"),
        ("peer-1: -a10..50", "resolved: a"),
        ("peer-1: a300", "new: a"),
        ("peer-2: -a10..50", "nothing new"),
        ("peer-1: a300", "still: a"),
        ("peer-1: -a300..400", "resolved: a"),
    ]);
    // Peers that name themselves alike.
    check(&[
        ("am/10.0.0.1: a10", "new: a"),
        ("am/10.0.0.1: -a10..50", "resolved: a"),
        ("am/10.0.0.1: a300", "new: a"),
        ("am/10.0.0.2: -a10..50", "nothing new"),
        ("am/10.0.0.1: a300", "still: a"),
    ]);
}

#[test]
fn a_peer_that_missed_the_end_does_not_ring_again() {
    check(&[
        ("peer-1@10: a10", "new: a"),
        ("peer-1@60: -a10..50", "resolved: a"),
        ("peer-2@65: a10", "another sender has reported the end of this: told at 1970-01-01T00:11:05Z"),
        ("peer-2@300: -a10..290", "nothing new"),
        ("peer-1@310: b300", "new: b"),
        ("peer-1@320: a315 b300", "new: a, still: b"),
    ]);
    check(&[
        ("am/10.0.0.1@60: -a10..50", "resolved: a"),
        ("am/10.0.0.2@65: a10", "another sender"),
        ("am/10.0.0.2@600: a10", "another sender"),
        // It means it.
        ("am/10.0.0.2@665: a10", "new: a"),
    ]);
    // The same process says later what is newer: overlapping episodes keep the first start.
    check(&[("one@60: -a10..50", "resolved: a"), ("one@65: a10", "new: a")]);
    // Long after an end nobody can have missed it.
    check(&[("one@60: -a10..50", "resolved: a"), ("two@700: a10", "new: a")]);
}

#[test]
fn what_was_held_back_and_still_fires_is_told_when_the_relay_looks_again() {
    let mut chat = Chat::default();
    for snapshot in ["one@10: a10", "one@60: -a10..50", "two@65: a10"] {
        chat.hear(&[said_by(snapshot)]);
    }
    let hold = i64::try_from(HOLD.as_secs()).unwrap();
    assert_eq!(said(&chat.look_again(65 + hold - 1)), "nothing");
    let told = chat.look_again(65 + hold);
    assert_eq!(said(&told), "new: a");
    assert_eq!(told.changes.unwrap().new[0].ends_at, None);
    assert_eq!(said(&chat.look_again(66 + hold)), "nothing");
}

#[test]
fn a_clock_set_back_holds_nothing_back_for_longer() {
    let hold = i64::try_from(HOLD.as_secs()).unwrap();
    for is_posted in [false, true] {
        let mut chat = Chat::default();
        for snapshot in ["one@90010: a10", "one@90060: -a10..50", "two@90065: a10"] {
            chat.hear(&[said_by(snapshot)]);
        }
        let mut later = |at: i64| {
            if is_posted { chat.hear(&[said_by(&format!("two@{at}: a10"))]) } else { chat.look_again(at) }
        };
        assert_eq!(said(&later(1_000)), "nothing");
        assert_eq!(said(&later(1_000 + hold - 1)), "nothing");
        assert_eq!(said(&later(1_000 + hold)), "new: a", "posted: {is_posted}");
    }
}

#[test]
fn who_is_not_heard_any_more_keeps_nothing_firing() {
    let mut chat = Chat::default();
    chat.hear(&[said_by("one: a10 b10")]);
    chat.hear(&[said_by("two: b10")]);
    chat.senders.remove("one");
    assert_eq!(said(&chat.look_again(100)), "vanished: a");
    chat.senders.remove("two");
    assert_eq!(said(&chat.look_again(200)), "vanished: b");
    assert_eq!(said(&chat.look_again(300)), "nothing");
    assert_eq!(said(&chat.hear(&[said_by("one: a10")])), "new: a");
}

#[test]
fn what_an_older_version_knew_belongs_to_whoever_speaks_next() {
    let mut chat = Chat { ledger: entries("a10 b10"), ..Chat::default() };
    assert_eq!(said(&chat.look_again(5)), "nothing");
    assert_eq!(said(&chat.hear(&[said_by("one: a10")])), "still: a, vanished: b");
    assert_eq!(said(&chat.hear(&[said_by("two: c10")])), "new: c");
}

#[test]
fn waiting_snapshots_of_several_senders_make_one_message() {
    let hear = |snapshots: &[&str]| {
        let snapshots: Vec<Snapshot> = snapshots.iter().map(|text| said_by(text)).collect();
        said(&Chat::default().hear(&snapshots))
    };
    assert_eq!(hear(&["one: a10", "two: b20", "one: a10"]), "new: a b");
    assert_eq!(hear(&["one: a10", "two: b20", "one: "]), "new: b, vanished: a");
    assert_eq!(hear(&["one: a10", "two: a10", "one: "]), "new: a");
}

#[test]
fn episodes_that_nobody_was_told_of_are_counted() {
    let flapped = |known: &str, snapshots: &[&str]| {
        let snapshots: Vec<Snapshot> = snapshots.iter().map(|text| said_by(text)).collect();
        let mut chat = Chat { ledger: entries(known), ..Chat::default() };
        let changes = chat.hear(&snapshots).changes.unwrap();
        changes
            .flapped
            .into_iter()
            .map(|(name, episodes)| (name.0, episodes.count, episodes.since.as_second()))
            .collect::<Vec<_>>()
    };
    let often = ["one: a10", "one: -a10", "one: a30", "one: ", "one: a50"];
    assert_eq!(flapped("", &often), [("a".to_owned(), 3, 10)]);
    assert_eq!(flapped("a10", &often), [("a".to_owned(), 2, 30)]);
    assert_eq!(flapped("", &often[..4]), [("a".to_owned(), 2, 10)]);
    assert_eq!(flapped("", &often[..2]), []);
    // Of some only the end was in a snapshot.
    assert_eq!(flapped("", &["one: a10", "one: -a30"]), [("a".to_owned(), 2, 10)]);
    assert_eq!(flapped("", &["one: -a10", "one: -a30", "one: a50"]), [("a".to_owned(), 3, 10)]);
    assert_eq!(flapped("a10", &["one: -a10", "one: -a30"]), []);
    assert_eq!(flapped("a10", &["one: -a30", "one: a50"]), [("a".to_owned(), 2, 30)]);
    // Another Prometheus saw it begin somewhat later.
    assert_eq!(flapped("", &["one: a10", "two: a40", "one: -a10", "two: -a40"]), []);
}

/// One alert's true story: when each episode began and ended.
fn any_story() -> impl Strategy<Value = Vec<(i64, i64)>> {
    // Longer apart than two servers can differ.
    proptest::collection::vec((130..400_i64, 130..400_i64), 1..4).prop_map(|spans| {
        let mut at = 0;
        spans
            .into_iter()
            .map(|(pause, length)| {
                let began = at + pause;
                at = began + length;
                (began, at)
            })
            .collect()
    })
}

/// What a peer says when it knows this many of a story's turns (a beginning or an end each).
fn view(peer: &str, story: &[(i64, i64)], turns: usize) -> Option<Snapshot> {
    let (began, ended) = *story.get(turns.checked_sub(1)? / 2)?;
    let text =
        if turns % 2 == 1 { format!("{peer}: a{began}") } else { format!("{peer}: -a{began}..{ended}") };
    Some(said_by(&text))
}

proptest! {


    /// Each peer learns of every turn of the story in its order, and says so when it likes; whose word arrives when is chance.
    #[test]
    fn in_whatever_order_peers_are_heard_each_episode_rings_and_ends_once(
        story in any_story(),
        steps in proptest::collection::vec((0..3_usize, 0..3_usize), 1..20),
        is_waiting in any::<bool>(),
    ) {
        let mut known = [0_usize; 3];
        let mut snapshots = Vec::new();
        for (peer, learns) in steps {
            known[peer] = (known[peer] + learns).min(story.len() * 2);
            snapshots.extend(view(["p1", "p2", "p3"][peer], &story, known[peer]));
        }
        prop_assume!(!snapshots.is_empty());
        let newest = known.into_iter().max().unwrap();
        let mut chat = Chat::default();
        let mut rung: BTreeMap<i64, u32> = BTreeMap::new();
        let mut newest_rung = 0;
        let batches: Vec<&[Snapshot]> = if is_waiting { vec![&snapshots] } else { snapshots.chunks(1).collect() };
        for batch in batches {
            let Ok(changes) = chat.hear(batch).changes else { continue };
            for alert in &changes.new {
                let start = alert.starts_at.as_second();
                *rung.entry(start).or_default() += 1;
                prop_assert!(start > newest_rung, "{start} rings after {newest_rung}");
                newest_rung = start;
            }
            for alert in changes.resolved.iter().chain(&changes.vanished) {
                let start = alert.starts_at.as_second();
                prop_assert!(start >= newest_rung, "the end of {start} is told while {newest_rung} fires");
            }
        }
        prop_assert!(rung.values().all(|times| *times == 1), "{:?}", rung);
        // What the best informed peer says fires is what the chat knows as firing, and as over only what nobody says fires.
        let knows_firing = |chat: &Chat| chat.ledger.iter().any(|entry| entry.alert.status == Status::Firing);
        let is_said_to_fire = known.iter().any(|turns| turns % 2 == 1);
        prop_assert!(knows_firing(&chat) || newest % 2 == 0);
        prop_assert!(!knows_firing(&chat) || is_said_to_fire);
        // Once everybody who has spoken knows how the story went on, the chat does.
        for (peer, _) in ["p1", "p2", "p3"].into_iter().zip(known).filter(|(_, turns)| *turns > 0) {
            let _ = chat.hear(&[view(peer, &story, newest).unwrap()]);
        }
        prop_assert_eq!(knows_firing(&chat), newest % 2 == 1);
    }
}
