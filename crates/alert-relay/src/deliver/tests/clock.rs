//! A wall clock that is set, and a machine that is suspended.

use super::*;
use crate::clock::Clock;

/// The clock is turned while no relay runs.
async fn restart_after(scene: Scene, turn: impl FnOnce(&Clock)) -> Scene {
    scene.deliverer.stop(Duration::ZERO).await;
    turn(&scene.stage.clock);
    let stage = scene.stage.reopen().await;
    Scene::start(stage, scene.settings, scene.chat).await
}

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
async fn a_clock_set_while_no_relay_runs_spends_no_budget_twice_and_ends_no_pause() {
    for turn in [Clock::set_forward, Clock::set_back] {
        for (reply, pause) in [(None, 58 * SECOND), (Some(throttled(600)), 598 * SECOND)] {
            let scene = Scene::with(|chat| vec![target_with_budget("chat", chat, 1)]).await;
            scene.chat.reply(reply);
            scene.accept("one", vec![firing("a", 10)]).await;
            scene.chat.heard(1).await;
            scene.settled().await;
            let scene = restart_after(scene, |clock| turn(clock, Duration::from_hours(1))).await;
            scene.accept("two", vec![firing("b", 10)]).await;
            scene.advance(pause).await;
            assert_eq!(scene.chat.heard_so_far(), ["new a"]);
            scene.advance(3 * SECOND).await;
            scene.chat.heard(2).await;
        }
    }
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

#[tokio::test]
async fn a_clock_set_while_no_relay_ran_gives_nothing_up() {
    let far = Duration::from_hours(20 * 24);
    for turn in [Clock::set_forward, Clock::suspend, Clock::set_back] {
        let scene = Scene::new().await;
        scene.chat.reply((0..10_000).map(|_| unreachable()));
        scene.accept("group", vec![firing("a", 10)]).await;
        scene.chat.heard(1).await;
        scene.settled().await;
        let scene = restart_after(scene, |clock| turn(clock, far)).await;
        // It is tried at once, and for as long as any other.
        scene.chat.heard(2).await;
        for _ in 0..22 {
            scene.advance(Duration::from_hours(1)).await;
        }
        assert_eq!(scene.count().await.pending, 1);
        scene.ends(&[]).await;
    }
}

#[tokio::test]
async fn a_clock_set_forward_makes_no_sender_silent_and_forgets_no_alert() {
    let far = Duration::from_hours(400 * 24);
    for is_running in [true, false] {
        let scene = Scene::new().await;
        scene.accept("group", vec![firing("a", 10)]).await;
        scene.advance(Duration::from_hours(2)).await;
        let scene = if is_running {
            scene.stage.clock.set_forward(far);
            scene
        } else {
            restart_after(scene, |clock| clock.set_forward(far)).await
        };
        scene.advance(Duration::from_hours(2)).await;
        scene.advance(Pace::default().housekeeping).await;
        // Neither was it told as no longer reported, nor is it new.
        scene.accept("group", vec![firing("a", 10)]).await;
        assert_eq!(scene.chat.heard(2).await, ["new a", "still a"]);
    }
}
