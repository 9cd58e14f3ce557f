//! What comes in between: a stop, a restart, a store that is locked, a clock that is set back, faults of ours.

use super::*;

#[tokio::test]
async fn parts_that_arrived_are_not_sent_again_after_a_restart() {
    let scene = Scene::new().await;
    scene.chat.cut_into(3);
    scene.chat.reply([verdict(Outcome::Delivered { receipt: String::new() }), Reply::Silence]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(2).await;
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    let scene = scene.restart().await;
    let heard = scene.chat.heard(7).await;
    assert_eq!(heard[..4], ["new a (1/3)", "new a (2/3)", "new a (2/3)", "new a (3/3)"]);
    // What came in between waited until that was told.
    assert_eq!(heard[4..], ["new b, still a (1/3)", "new b, still a (2/3)", "new b, still a (3/3)"]);
    scene.ends(&[(End::Delivered, 2)]).await;
}

/// The remark takes room: a message that is resumed without it would be cut elsewhere, and what stood at the cut told to nobody. By a clock
/// that was set back, what was sent before is later.
#[tokio::test]
async fn a_message_that_may_be_a_repeat_is_resumed_as_it_was_begun_whatever_the_clock_says() {
    for is_set_back in [false, true] {
        let scene = Scene::new().await;
        scene.chat.cut_into(2);
        scene.chat.reply([Reply::Silence]);
        scene.accept("group", vec![firing("a", 10)]).await;
        scene.chat.heard(1).await;
        if is_set_back {
            scene.stage.clock.set_back(Duration::from_hours(1));
        } else {
            scene.stage.clock.advance(SECOND);
        }
        scene.chat.reply([verdict(Outcome::Delivered { receipt: String::new() }), Reply::Silence]);
        let scene = scene.restart().await;
        scene.chat.heard(3).await;
        let scene = scene.restart().await;
        let heard = scene.chat.heard(4).await;
        assert!(heard[1].ends_with("可能重复 | new a (1/2)"), "set back: {is_set_back}, {heard:?}");
        assert!(heard[2].ends_with("可能重复 | new a (2/2)") && heard[3] == heard[2], "{heard:?}");
        scene.ends(&[(End::Delivered, 1)]).await;
    }
}

#[tokio::test]
async fn as_many_parts_that_say_something_else_after_a_restart_are_told_from_the_start() {
    let scene = Scene::new().await;
    scene.chat.cut_into(2);
    scene.chat.reply([verdict(Outcome::Delivered { receipt: String::new() }), Reply::Silence]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(2).await;
    scene.chat.end_with(", by a new template");
    let scene = scene.restart().await;
    assert_eq!(
        scene.chat.heard(4).await[2..],
        ["new a, by a new template (1/2)", "new a, by a new template (2/2)"]
    );
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn other_parts_after_a_restart_are_told_from_the_start() {
    let scene = Scene::new().await;
    scene.chat.cut_into(2);
    scene.chat.reply([verdict(Outcome::Delivered { receipt: String::new() }), Reply::Silence]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(2).await;
    scene.chat.cut_into(1);
    let scene = scene.restart().await;
    assert_eq!(scene.chat.heard(3).await[2], "new a");
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_only_so_long_and_loses_nothing() {
    let scene = Scene::new().await;
    scene.chat.reply([Reply::Silence]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    let cut_short = scene.deliverer.stop(Duration::from_millis(50)).await;
    assert_eq!(cut_short, 1);
    let stage = scene.stage.reopen().await;
    let scene = Scene::start(stage, scene.settings, scene.chat).await;
    // It may have arrived: the copy says so.
    let heard = scene.chat.heard(2).await;
    assert!(heard[0] == "new a" && heard[1].ends_with("可能重复 | new a"), "{heard:?}");
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.deliverer.stop(SECOND).await, 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_asked_again_after_a_pause() {
    let scene = Scene::new().await;
    scene.chat.reply([unreachable()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.settled().await;
    let lock = scene.stage.lock().await;
    scene.stage.clock.advance(5 * SECOND);
    scene.stage.clock.sleeper_until(scene.stage.clock.now().plus(STORE_RETRY)).await;
    scene.reads_on_page("alert_relay_store_errors_total{kind=\"locked\"} 1").await;
    lock.release().await;
    scene.stage.clock.advance(STORE_RETRY);
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_clock_set_back_prolongs_no_wait() {
    for (reply, wait) in [(unreachable(), 5 * SECOND), (throttled(600), 601 * SECOND)] {
        for is_restarted in [false, true] {
            let mut scene = Scene::new().await;
            scene.chat.reply([reply.clone()]);
            scene.accept("group", vec![firing("a", 10)]).await;
            scene.chat.heard(1).await;
            scene.settled().await;
            scene.stage.clock.set_back(Duration::from_hours(30 * 24));
            if is_restarted {
                scene = scene.restart().await;
            }
            assert_eq!(scene.advance_until_heard(wait, 2).await[1], "new a", "{reply:?}");
            scene.accept("other", vec![firing("b", 10)]).await;
            assert_eq!(scene.chat.heard(3).await[2], "new b", "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_set_back_while_the_store_cannot_be_written_prolongs_no_wait() {
    let scene = Scene::new().await;
    scene.chat.reply([throttled(600)]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.settled().await;
    let lock = scene.stage.lock().await;
    scene.stage.clock.set_back(Duration::from_hours(1));
    scene.stage.clock.advance(Duration::from_mins(1));
    scene.stage.clock.sleeper_until(scene.stage.clock.now().plus(STORE_RETRY)).await;
    lock.release().await;
    scene.advance_until_heard(Duration::from_mins(1), 2).await;
    assert!(scene.stage.clock.passed() < Duration::from_mins(15));
}

#[tokio::test]
async fn a_fault_of_ours_costs_one_group_until_its_claim_runs_out() {
    let scene = Scene::new().await;
    scene.chat.reply([Reply::Panic]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    let target = &scene.settings.targets["chat"];
    scene.advance(Pace::default().lease + target.timeout).await;
    scene.ends(&[(End::Delivered, 2)]).await;
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_is_noticed() {
    let scene = Scene::new().await;
    scene.settled().await;
    let ended = scene.deliverer.ended();
    scene.stage.outbox.close().await;
    scene.stage.outbox.ended().await;
    // The housekeeping finds the store closed, and the dispatcher finds that there is no housekeeping.
    scene.stage.clock.advance(Pace::default().housekeeping);
    tokio::time::timeout(20 * SECOND, ended).await.unwrap();
}
