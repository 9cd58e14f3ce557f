//! More waits than a robot's budget can tell: many groups in one message.

use super::*;

/// A budget of two a minute tells four in two minutes.
async fn scene() -> Scene {
    Scene::with(|chat| vec![target_with_budget("chat", chat, 2)]).await
}

/// Uses up the budget.
async fn spend(scene: &Scene) {
    for group in ["x", "y"] {
        scene.accept(group, vec![firing(group, 10)]).await;
    }
    scene.chat.heard(2).await;
    scene.settled().await;
}

async fn accept_each(scene: &Scene, groups: &str) {
    for group in groups.split_whitespace() {
        scene.accept(group, vec![firing(group, 10)]).await;
    }
}

#[tokio::test]
async fn more_than_the_budget_tells_in_two_minutes_is_one_message_and_the_next_go_on_from_there() {
    let scene = scene().await;
    spend(&scene).await;
    accept_each(&scene, "a b c d").await;
    scene.accept("e", vec![firing("e", 10)]).await;
    scene.advance(61 * SECOND).await;
    assert_eq!(scene.chat.heard(3).await[2..], ["new a b c d e [digest of 5]"]);
    scene.ends(&[(End::Delivered, 7)]).await;
    // What each group knows now is what the digest has told.
    scene.accept("a", vec![resolved("a", 10)]).await;
    assert_eq!(scene.chat.heard(4).await[3], "resolved a");
    scene.reads_on_page("alert_relay_digests_total{target=\"chat\"} 1").await;
}

#[tokio::test]
async fn as_many_as_the_budget_tells_in_time_are_told_one_by_one() {
    let scene = scene().await;
    spend(&scene).await;
    accept_each(&scene, "a b c d").await;
    scene.advance(61 * SECOND).await;
    // Both at the same time.
    let mut heard = scene.chat.heard(4).await.split_off(2);
    heard.sort();
    assert_eq!(heard, ["new a", "new b"]);
}

#[tokio::test]
async fn what_came_and_went_and_what_is_known_is_in_it_too() {
    let scene = scene().await;
    spend(&scene).await;
    accept_each(&scene, "a b c").await;
    scene.accept("a", vec![resolved("a", 10)]).await;
    scene.accept("x", vec![firing("x", 10), firing("x2", 10)]).await;
    scene.accept("y", vec![resolved("y", 10)]).await;
    scene.advance(61 * SECOND).await;
    let expected = "new x2 b c, still x, resolved a y [digest of 5]";
    let heard = scene.chat.heard(3).await[2].clone();
    let words = |text: &str| {
        let mut words: Vec<String> = text.split([' ', ',']).map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(words(&heard), words(expected), "{heard}");
    scene.ends(&[(End::Delivered, 7), (End::Superseded, 1)]).await;
}

#[tokio::test]
async fn critical_ones_that_may_not_all_begin_are_one_message_of_their_own() {
    let scene = scene().await;
    accept_each(&scene, "x").await;
    scene.chat.heard(1).await;
    scene.settled().await;
    // One send is left for three that come at once.
    scene.chat.reply([Reply::Silence]);
    scene.accept("busy", vec![firing("busy", 10)]).await;
    scene.chat.heard(2).await;
    for name in ["one", "two", "three"] {
        scene.accept(name, vec![critical(name)]).await;
    }
    accept_each(&scene, "a b c d").await;
    let scene = scene.restart().await;
    scene.advance(61 * SECOND).await;
    let heard = scene.chat.heard(4).await;
    assert_eq!(heard[2], "new one two three [digest of 3]");
    assert!(heard[3].contains("new busy a b c d [digest of 5]"), "{heard:?}");
}

#[tokio::test]
async fn a_crash_while_a_digest_is_sent_repeats_it_and_loses_nothing() {
    let scene = scene().await;
    spend(&scene).await;
    accept_each(&scene, "a b c d e").await;
    scene.chat.reply([Reply::Silence]);
    scene.advance_to_silence(61 * SECOND, 3).await;
    let scene = scene.restart().await;
    scene.advance(61 * SECOND).await;
    let heard = scene.chat.heard(4).await;
    assert_eq!(heard[2], "new a b c d e [digest of 5]");
    assert!(heard[3].ends_with("可能重复 | new a b c d e [digest of 5]"), "{heard:?}");
    scene.ends(&[(End::Delivered, 7)]).await;
}

#[tokio::test]
async fn a_digest_that_is_refused_is_taken_apart() {
    for reply in [rejected(), misconfigured()] {
        let scene = scene().await;
        spend(&scene).await;
        accept_each(&scene, "a b c d e").await;
        // Also in plain words.
        let tries = if matches!(reply, Reply::Verdict(Outcome::Rejected { .. })) { 2 } else { 1 };
        scene.chat.reply(vec![reply; tries]);
        scene.advance(61 * SECOND).await;
        let heard = scene.advance_until_heard(10 * SECOND, 4 + tries).await;
        let singly: Vec<&String> = heard[2..].iter().filter(|text| !text.contains("digest")).collect();
        assert!(singly.contains(&&"new a".to_owned()) && singly.contains(&&"new b".to_owned()), "{heard:?}");
    }
}

#[tokio::test]
async fn a_digest_that_may_arrive_later_is_made_again_with_what_came_meanwhile() {
    let scene = scene().await;
    spend(&scene).await;
    accept_each(&scene, "a b c d e").await;
    scene.chat.reply([unreachable()]);
    scene.advance(61 * SECOND).await;
    scene.chat.heard(3).await;
    scene.accept("a", vec![firing("a", 10), firing("a2", 10)]).await;
    let heard = scene.advance_until_heard(SECOND, 4).await;
    assert_eq!(heard[3], "new a a2 b c d e [digest of 5]");
    scene.ends(&[(End::Delivered, 7), (End::Superseded, 1)]).await;
}
