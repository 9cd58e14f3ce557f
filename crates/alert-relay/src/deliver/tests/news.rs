//! What a chat is sent of a group, and what becomes of each delivery.

use super::*;

#[tokio::test]
async fn a_group_is_told_from_the_first_alert_to_the_last() {
    let scene = Scene::new().await;
    scene.accept("group", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard(1).await, ["new a"]);
    scene.accept("group", vec![firing("a", 10), firing("b", 20)]).await;
    scene.accept("other", vec![firing("c", 20)]).await;
    scene.chat.heard(3).await;
    scene.ends(&[(End::Delivered, 3)]).await;
    scene.accept("group", vec![resolved("a", 10), resolved("b", 20)]).await;
    let mut heard = scene.chat.heard(4).await;
    heard.sort();
    assert_eq!(heard, ["new a", "new b, still a", "new c", "resolved a b"]);
}

#[tokio::test]
async fn what_brings_nothing_new_is_suppressed() {
    let scene = Scene::new().await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    scene.advance(crate::outbox::DEDUP_WINDOW).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 2), (End::Suppressed, 1)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "resolved a"]);
}

#[tokio::test]
async fn a_target_that_wants_no_ends_hears_none_and_knows_a_second_episode() {
    let quiet = |chat: &Script| vec![TargetSettings { send_resolved: false, ..target("chat", chat) }];
    let scene = Scene::with(quiet).await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1), (End::Suppressed, 1)]).await;
    scene.accept("group", vec![firing("a", 30)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a"]);
}

#[tokio::test]
async fn a_target_with_nothing_left_in_the_group_hears_what_has_vanished() {
    let mail = Script::chat("mail");
    let scene = Scene::with(|chat| vec![target("chat", chat), target("mail", &mail)]).await;
    let both = vec![firing("a", 10), firing("b", 10)];
    let mut split = accepted("group", both, &["chat", "mail"]);
    split.deliveries[0].alerts.retain(|alert| alert.0 == "a");
    split.deliveries[1].alerts.retain(|alert| alert.0 == "b");
    let rest = || accepted("group", vec![firing("b", 10)], &["mail"]);
    // The chat hears of a only after a is gone.
    scene.chat.reply([throttled(60)]);
    scene.accept_for(split).await;
    scene.chat.heard(1).await;
    scene.accept_for(rest()).await;
    mail.heard(2).await;
    let heard = scene.advance_until_heard(5 * SECOND, 3).await;
    assert_eq!(heard, ["new a", "new a", "vanished a"]);

    scene.advance(crate::outbox::DEDUP_WINDOW).await;
    scene.accept_for(rest()).await;
    mail.heard(3).await;
    scene.advance(Pace::default().housekeeping).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(scene.chat.heard_so_far().len(), 3);
    assert_eq!(scene.count().await.pending, 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_later_with_what_has_come_meanwhile() {
    let scene = Scene::new().await;
    scene.chat.reply([unreachable()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("group", vec![resolved("a", 10), firing("b", 20)]).await;
    scene.accept("group", vec![firing("b", 20)]).await;
    scene.settled().await;
    assert_eq!(scene.chat.heard_so_far().len(), 1, "tried again at once");
    scene.advance(5 * SECOND).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new b, resolved a"]);
    scene.ends(&[(End::Delivered, 1), (End::Superseded, 2)]).await;
}

#[tokio::test]
async fn one_group_is_told_in_order_while_others_pass() {
    let scene = Scene::new().await;
    scene.chat.reply([Reply::Silence]);
    scene.accept("slow", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("slow", vec![resolved("a", 10)]).await;
    scene.accept("other", vec![firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "new b"]);
}

#[tokio::test]
async fn the_time_to_the_delivery_is_that_of_the_oldest_news_in_it() {
    let scene = Scene::new().await;
    scene.chat.reply([throttled(600)]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.advance(300 * SECOND).await;
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    scene.advance(301 * SECOND).await;
    scene.ends(&[(End::Delivered, 1), (End::Superseded, 1)]).await;
    scene.reads_on_page("alert_relay_delivery_latency_seconds_sum{target=\"chat\"} 601.0").await;
}

#[tokio::test]
async fn what_is_too_large_is_cut_smaller() {
    let scene = Scene::new().await;
    scene.chat.reply([too_large()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a [smaller]"]);
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_read_any_more_is_dead_with_a_reason() {
    let scene = Scene::new().await;
    let mut garbled = accepted("group", vec![firing("a", 10)], &["chat"]);
    garbled.payload = bytes::Bytes::from_static(b"not json");
    scene.accept_for(garbled).await;
    scene.ends(&[(End::Dead, 1)]).await;
    assert!(scene.chat.heard_so_far().is_empty());
}
