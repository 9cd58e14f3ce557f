//! A wall clock that is set, and a machine that is suspended.

use super::*;
use crate::clock::Clock;

#[tokio::test]
async fn a_clock_set_forward_does_not_forget_what_the_robot_was_sent() {
    let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 1)]).await;
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.stage.clock.set_forward(90 * SECOND);
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.advance(58 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a"]);
    scene.advance(3 * SECOND).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new b"]);
}

#[tokio::test]
async fn a_robots_minute_goes_on_while_the_machine_is_suspended() {
    let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 1)]).await;
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.stage.clock.suspend(90 * SECOND);
    scene.accept("two", vec![firing("b", 10)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new b"]);
}

#[tokio::test]
async fn a_day_that_was_not_lived_through_kills_nothing() {
    for leap in [Clock::set_forward, Clock::suspend] {
        let scene = Scene::new().await;
        // In order for more than a day, so that a day is what a delivery has.
        scene.advance(Duration::from_hours(30)).await;
        scene.chat.reply((0..10_000).map(|_| unreachable()));
        scene.accept("group", vec![firing("a", 10)]).await;
        scene.chat.heard(1).await;
        scene.settled().await;
        leap(&scene.stage.clock, Duration::from_hours(25));
        scene.advance(Duration::from_hours(23)).await;
        scene.ends(&[]).await;
        assert_eq!(scene.count().await.pending, 1);
        scene.advance_until_ended(Duration::from_mins(2), End::Dead).await;
    }
}
