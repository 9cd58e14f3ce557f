//! Heartbeats that fall silent while the relay that watches them is replaced.

use std::time::Instant;

use test_peers::postgres::Cluster;

use crate::client::request;
use crate::program::{Serving, metric};
use crate::several_relays::{Relays, TAKE_OVER, names, overview, post_all, wait_until};

/// Longer than a busy machine's worst gap between two beats.
const HEARTBEAT: &str = "heartbeats: { watchdog: { expect_every: 15s, targets: [chat] } }\n";

/// The heartbeat is heard all along.
fn start(cluster: &Cluster) -> Relays {
    Relays::start_with(&cluster.new_store(), None, HEARTBEAT, beat)
}

fn beat(relay: &Serving) {
    let answer = request(relay.address, "POST", "/api/v1/heartbeats/watchdog", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What the chat was told of the heartbeat, each with the relay that told it.
fn told(relays: &Relays) -> Vec<(String, String)> {
    let told = relays.chat.told().into_iter();
    told.filter(|told| told.alerts == ["HeartbeatMissing"])
        .map(|told| (told.relay, told.changes.concat()))
        .collect()
}

fn told_is(relays: &Relays, expected: &[(&str, &str)]) {
    let wanted: Vec<(String, String)> =
        expected.iter().map(|(relay, change)| ((*relay).to_owned(), (*change).to_owned())).collect();
    wait_until("the chat is told of the heartbeat", || told(relays).len() >= wanted.len());
    assert_eq!(told(relays), wanted);
}

/// Kills the one that delivers, and waits until the other one has told of something else.
fn replace_the_first(relays: &Relays) {
    relays.one.signal("KILL");
    let killed_at = Instant::now();
    wait_until("the other one delivers", || metric(&relays.other, "alert_relay_deliverer") == 1);
    assert!(killed_at.elapsed() < TAKE_OVER, "{:?}", killed_at.elapsed());
    post_all([relays.other.address], names("Else", 1));
    wait_until("it has told of something else", || relays.chat.counts().contains_key("Else0"));
}

#[test]
fn what_one_hears_the_others_show() {
    let more = "heartbeats: { watchdog: { expect_every: 1h, targets: [chat] } }\n";
    let relays = Relays::start_with(&Cluster::shared().new_store(), None, more, |_| {});
    for relay in [&relays.one, &relays.other] {
        assert_eq!(overview(relay)["heartbeats"][0]["state"], "expected");
    }
    beat(&relays.one);
    wait_until("the other one shows it", || overview(&relays.other)["heartbeats"][0]["state"] == "heard");
}

#[test]
fn one_that_stops_while_the_deliverer_dies_is_told_once_by_the_next() {
    let relays = start(Cluster::shared());
    beat(&relays.one);
    replace_the_first(&relays);
    told_is(&relays, &[("other", "new")]);
    beat(&relays.other);
    told_is(&relays, &[("other", "new"), ("other", "resolved")]);
}

#[test]
fn an_alarm_that_the_former_deliverer_told_is_not_told_anew_and_ends_once() {
    let relays = start(Cluster::shared());
    beat(&relays.one);
    told_is(&relays, &[("one", "new")]);
    // Killed before it has noted that, it would be told again.
    relays.one.wait_for("to chat ended: delivered");
    replace_the_first(&relays);
    told_is(&relays, &[("one", "new")]);
    beat(&relays.other);
    told_is(&relays, &[("one", "new"), ("other", "resolved")]);
}
