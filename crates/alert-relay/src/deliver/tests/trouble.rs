//! Targets in trouble: silenced, misconfigured, down; what becomes of their queue, and when their fallback is used.

use super::*;

#[tokio::test]
async fn a_throttled_robot_is_left_alone_for_as_long_as_it_says() {
    let scene = Scene::new().await;
    scene.chat.reply([throttled(600)]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.settled().await;
    let scene = scene.restart().await;
    scene.advance(599 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far().len(), 1);
    scene.advance(2 * SECOND).await;
    scene.ends(&[(End::Delivered, 2)]).await;
}

#[tokio::test]
async fn a_robot_silenced_for_long_is_spoken_for_at_once_and_until_it_may_speak_again() {
    let (scene, mail) = with_fallback().await;
    scene.chat.reply([throttled(3600)]);
    scene.accept("one", vec![firing("a", 10)]).await;
    assert!(mail.heard(1).await[0].ends_with("| new a"), "{:?}", mail.heard_so_far());
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.reads_on_page("alert_relay_target_up{target=\"chat\"} 0").await;
    // It does not forget over a restart.
    let scene = scene.restart().await;
    scene.accept("two", vec![firing("b", 10)]).await;
    mail.heard(2).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a"]);

    scene.advance(3601 * SECOND).await;
    scene.accept("three", vec![firing("c", 10)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new c"]);
    scene.ends(&[(End::Delivered, 3)]).await;
    scene.reads_on_page("alert_relay_target_up{target=\"chat\"} 1").await;
}

#[tokio::test]
async fn a_gateway_that_bans_us_is_left_alone_by_all_groups() {
    let scene = Scene::new().await;
    let after = Some(Duration::from_mins(5));
    let banned = Outcome::Retry { reason: Reason::UnprovenReply, after, detail: "wait".to_owned() };
    scene.chat.reply([verdict(banned)]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.settled().await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.advance(299 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a"]);
    scene.advance(2 * SECOND).await;
    scene.ends(&[(End::Delivered, 2)]).await;
}

/// A page where JSON should be.
fn odd() -> Reply {
    let detail = "HTTP 200: <html>".to_owned();
    verdict(Outcome::Retry { reason: Reason::UnprovenReply, after: None, detail })
}

#[tokio::test]
async fn one_odd_reply_silences_nobody() {
    let scene = Scene::new().await;
    scene.chat.reply([odd()]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.chat.heard(2).await;
    scene.advance(3 * SECOND).await;
    scene.ends(&[(End::Delivered, 2)]).await;
}

#[tokio::test]
async fn a_critical_alert_that_a_target_does_not_take_for_a_minute_is_sent_by_the_fallback() {
    let (scene, mail) = with_fallback().await;
    scene.chat.reply((0..1_000).map(|_| odd()));
    scene.accept("fire", vec![critical("fire")]).await;
    scene.accept("warning", vec![firing("a", 10)]).await;
    scene.chat.heard(2).await;
    for _ in 0..58 {
        scene.advance(SECOND).await;
    }
    assert!(mail.heard_so_far().is_empty(), "the fallback speaks too early");
    for _ in 0..5 {
        scene.advance(SECOND).await;
    }
    let heard = mail.heard(1).await;
    assert!(heard.len() == 1 && heard[0].ends_with("| new fire"), "{heard:?}");
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_robot_that_asks_for_minutes_keeps_no_critical_alert_from_the_fallback() {
    let (scene, mail) = with_fallback().await;
    scene.chat.reply([throttled(120)]);
    scene.accept("warning", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("fire", vec![critical("fire")]).await;
    assert!(mail.heard(1).await[0].ends_with("| new fire"), "{:?}", mail.heard_so_far());
    scene.advance(121 * SECOND).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "new a"]);
}

#[tokio::test]
async fn a_target_that_refuses_everything_keeps_its_queue_and_its_fallback_speaks() {
    let (scene, mail) = with_fallback().await;
    scene.chat.reply((0..100).map(|_| misconfigured()));
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.settled().await;
    scene.reads_on_page("alert_relay_target_up{target=\"chat\"} 0").await;
    assert!(mail.heard_so_far().is_empty(), "the fallback speaks too early");

    scene.advance(61 * SECOND).await;
    let heard = mail.heard(1).await;
    assert!(
        heard[0].contains("chat") && heard[0].contains("mail") && heard[0].ends_with("| new a"),
        "{heard:?}"
    );
    scene.ends(&[(End::Delivered, 1)]).await;
    assert!(scene.metrics.encode().contains("alert_relay_fallback_deliveries_total{target=\"chat\"} 1"));
}

#[tokio::test]
async fn a_target_put_right_is_told_by_a_reload_and_hears_what_waited() {
    let scene = Scene::new().await;
    scene.chat.reply([misconfigured()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.settled().await;
    scene.deliverer.reload(&scene.settings).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a"]);
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_target_that_is_down_is_asked_one_at_a_time_and_catches_up_when_it_is_back() {
    let scene = Scene::new().await;
    scene.chat.reply((0..6).map(|_| unreachable()));
    for group in ["one", "two", "three"] {
        scene.accept(group, vec![firing("a", 10)]).await;
    }
    scene.chat.heard(3).await;
    scene.settled().await;
    scene.reads_on_page("alert_relay_target_up{target=\"chat\"} 0").await;
    scene.advance_until_heard(SECOND, 9).await;
    scene.ends(&[(End::Delivered, 3)]).await;
    assert_eq!(scene.chat.heard_so_far().len(), 9);
    scene.reads_on_page("alert_relay_target_up{target=\"chat\"} 1").await;
}

#[tokio::test]
async fn what_cannot_be_brought_for_a_day_is_dead() {
    let scene = Scene::new().await;
    scene.chat.reply((0..10_000).map(|_| unreachable()));
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.advance(Duration::from_hours(23)).await;
    scene.ends(&[]).await;
    scene.advance_until_ended(Duration::from_mins(1), End::Dead).await;
}

#[tokio::test]
async fn a_queue_kept_for_two_days_is_told_once_the_target_is_put_right() {
    for put_right in ["by a restart", "by a reload", "by itself"] {
        let mut scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 1)]).await;
        scene.chat.reply([misconfigured(), misconfigured()]);
        for group in ["one", "two"] {
            scene.accept(group, vec![firing("a", 10)]).await;
        }
        scene.chat.heard(1).await;
        scene.advance(Duration::from_hours(48)).await;
        scene.chat.heard(2).await;
        scene.settled().await;
        match put_right {
            "by a restart" => scene = scene.restart().await,
            "by a reload" => scene.deliverer.reload(&scene.settings).await,
            _ => scene.advance(Duration::from_mins(5)).await,
        }
        // One a minute: the housekeeping comes by several times before the last.
        for told in 3..=4 {
            scene.advance_until_heard(15 * SECOND, told).await;
        }
        scene.ends(&[(End::Delivered, 2)]).await;
    }
}

#[tokio::test]
async fn a_target_that_refuses_everything_for_a_week_loses_its_queue() {
    let scene = Scene::new().await;
    scene.chat.reply((0..10_000).map(|_| misconfigured()));
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.advance(Duration::from_hours(7 * 24 - 1)).await;
    scene.chat.heard(2).await;
    scene.ends(&[]).await;
    scene.advance_until_ended(Duration::from_mins(1), End::Dead).await;
}

#[tokio::test]
async fn a_target_that_left_the_settings_keeps_its_queue_for_a_day() {
    let scene = Scene::new().await;
    scene.deliverer.reload(&settings(&scene.stage, vec![])).await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.advance(Duration::from_hours(23)).await;
    scene.ends(&[]).await;
    scene.advance(Duration::from_hours(2)).await;
    scene.ends(&[(End::Dead, 1)]).await;
    assert!(scene.chat.heard_so_far().is_empty());
}
