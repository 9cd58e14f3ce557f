//! Sends of which nobody knows whether they arrived.

use super::*;
use crate::outbox::testing::Stage;
use crate::people::{People, Person};

/// Sent, and then no answer.
fn unanswered() -> Reply {
    verdict(Outcome::Retry { reason: Reason::Timeout, after: None, detail: "no answer".to_owned() })
}

#[tokio::test]
async fn a_copy_of_what_may_have_arrived_comes_later_is_marked_and_calls_nobody_again() {
    let (stage, chat) = (Stage::new().await, Script::chat("robot"));
    let mut settings = settings(&stage, vec![target("chat", &chat)]);
    let oncall = Person { name: "oncall".to_owned(), ..Person::default() };
    settings.people = People::from_iter([("oncall".to_owned(), oncall)]);
    let scene = Scene::start(stage, settings, chat).await;
    let calling = |alerts: Vec<crate::notification::Alert>| {
        let mut calling = accepted("group", alerts, &["chat"]);
        let planned = &mut calling.deliveries[0];
        planned.mentions.insert("oncall".to_owned(), planned.alerts.clone());
        calling
    };
    scene.chat.reply((0..2).map(|_| unanswered()));
    scene.accept_for(calling(vec![firing("a", 10)])).await;
    assert_eq!(scene.chat.heard(1).await, ["new a @oncall"]);
    scene.advance(29 * SECOND).await;
    assert_eq!(scene.chat.heard_so_far().len(), 1, "the copy came too early");
    scene.advance(32 * SECOND).await;
    let heard = scene.chat.heard(2).await;
    assert!(heard[1].ends_with("可能重复 | new a"), "{heard:?}");
    scene.settled().await;
    // What is new calls.
    scene.accept_for(calling(vec![firing("a", 10), firing("b", 10)])).await;
    let heard = scene.advance_until_heard(10 * SECOND, 3).await;
    assert!(heard[2].ends_with("可能重复 | new a b @oncall"), "{heard:?}");
    scene.ends(&[(End::Delivered, 1), (End::Superseded, 1)]).await;
}

#[tokio::test]
async fn three_minutes_without_an_answer_are_three_copies_at_most() {
    let scene = Scene::new().await;
    scene.chat.reply((0..100).map(|_| unanswered()));
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    for _ in 0..38 {
        scene.advance(5 * SECOND).await;
    }
    let heard = scene.chat.heard_so_far();
    assert!((2..=3).contains(&heard.len()), "{heard:?}");
}
