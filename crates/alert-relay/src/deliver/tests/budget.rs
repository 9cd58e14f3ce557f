//! Robots with small budgets.

use super::*;

#[tokio::test]
async fn a_budget_holds_and_what_waits_is_merged() {
    let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 2)]).await;
    for group in ["one", "two", "three"] {
        scene.accept(group, vec![firing("a", 10)]).await;
    }
    scene.chat.heard(2).await;
    scene.accept("three", vec![firing("a", 10), firing("b", 20)]).await;
    scene.advance(59 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far().len(), 2);
    scene.advance(2 * SECOND).await;
    assert_eq!(scene.chat.heard(3).await[2], "new a b");
    scene.ends(&[(End::Delivered, 3), (End::Superseded, 1)]).await;
    assert!(scene.metrics.encode().contains("alert_relay_budget_waits_total{target=\"chat\"} 1"));
}

#[tokio::test]
async fn a_budget_outlives_a_restart_and_a_reload() {
    let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 1)]).await;
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.deliverer.reload(&scene.settings).await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.settled().await;
    let scene = scene.restart().await;
    scene.advance(59 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a"]);
    scene.advance(2 * SECOND).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new b"]);
}

#[tokio::test]
async fn test_messages_count_after_a_restart_too() {
    let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 2)]).await;
    for _ in 0..2 {
        assert!(scene.deliverer.send_test("chat").await.unwrap().is_delivered());
    }
    let scene = scene.restart().await;
    let refused = scene.deliverer.send_test("chat").await.unwrap();
    assert!(refused.not_before().is_some_and(|wait| wait <= 61 * SECOND), "{refused:?}");
    assert_eq!(scene.chat.heard_so_far().len(), 2);
    scene.advance(61 * SECOND).await;
    assert!(scene.deliverer.send_test("chat").await.unwrap().is_delivered());
}

#[tokio::test]
async fn a_silence_that_a_robot_asked_a_test_message_for_outlives_a_restart() {
    let scene = Scene::new().await;
    scene.chat.reply([throttled(120)]);
    assert!(!scene.deliverer.send_test("chat").await.unwrap().is_delivered());
    let scene = scene.restart().await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.advance(119 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far().len(), 1);
    scene.advance(2 * SECOND).await;
    assert_eq!(scene.chat.heard(2).await[1], "new a");
}

#[tokio::test]
async fn critical_alerts_pass_when_only_what_is_kept_for_them_is_left() {
    let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 4)]).await;
    for number in 0..5 {
        scene.accept(&number.to_string(), vec![firing("a", 10)]).await;
    }
    scene.ends(&[(End::Delivered, 3)]).await;
    let mut critical = firing("fire", 10);
    critical.labels.insert("severity".to_owned(), "critical".to_owned());
    scene.accept("urgent", vec![critical]).await;
    assert_eq!(scene.chat.heard(4).await[3], "new fire");
}
