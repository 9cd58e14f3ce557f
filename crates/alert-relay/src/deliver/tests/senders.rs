//! Several Alertmanagers post about the same group.

use super::*;
use crate::delivery::Accepted;
use crate::sender::Sender;

/// What one Alertmanager says of the group.
async fn post(scene: &Scene, name: &str, alerts: Vec<crate::notification::Alert>) {
    let sender = Sender::new(None, name, None);
    scene.accept_for(Accepted { sender, ..accepted("group", alerts, &["chat"]) }).await;
    scene.settled().await;
}

#[tokio::test]
async fn two_clusters_do_not_end_each_others_alerts() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        post(&scene, "one", vec![firing("a", 10)]).await;
        post(&scene, "two", vec![firing("b", 20)]).await;
        scene.advance(crate::outbox::DEDUP_WINDOW).await;
    }
    post(&scene, "one", vec![resolved("a", 10)]).await;
    assert_eq!(
        scene.chat.heard_so_far(),
        ["new a", "new b", "still a", "still b", "still a", "still b", "resolved a"]
    );
}

#[tokio::test]
async fn a_peer_that_missed_an_end_is_told_only_if_it_insists() {
    let scene = Scene::new().await;
    post(&scene, "one", vec![firing("a", 10)]).await;
    post(&scene, "one", vec![resolved("a", 10)]).await;
    post(&scene, "two", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "resolved a"]);
    scene.advance_until_heard(60 * SECOND, 3).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "resolved a", "new a"]);
    scene.advance(3_600 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far().len(), 3);
}

#[tokio::test]
async fn an_alertmanager_that_is_gone_for_good_keeps_no_alert_firing() {
    let scene = Scene::new().await;
    post(&scene, "one", vec![firing("a", 10), firing("b", 10)]).await;
    post(&scene, "two", vec![firing("b", 10)]).await;
    let pace = Pace::default();
    for _ in 0..2 {
        scene.advance(pace.silent_for.saturating_sub(SECOND) / 2).await;
        post(&scene, "two", vec![firing("b", 10)]).await;
    }
    scene.advance(2 * SECOND).await;
    scene.advance(pace.housekeeping).await;
    let heard = scene.chat.heard_so_far();
    assert_eq!(heard, ["new a b", "still b", "still b", "still b", "vanished a"]);
}

#[tokio::test]
async fn a_clock_set_back_delays_what_a_peer_insists_on_by_no_more_than_usual() {
    let scene = Scene::new().await;
    post(&scene, "one", vec![firing("a", 10)]).await;
    post(&scene, "one", vec![resolved("a", 10)]).await;
    post(&scene, "two", vec![firing("a", 10)]).await;
    scene.stage.clock.set_back(Duration::from_hours(24));
    for _ in 0..11 {
        scene.advance(60 * SECOND).await;
    }
    assert_eq!(scene.chat.heard_so_far(), ["new a", "resolved a", "new a"]);
}
