//! Texts that a channel refuses: who is told them then, and how.

use std::collections::BTreeMap;

use super::*;
use crate::operation::dead_letters::{Selection, Treatment};
use crate::operation::deliveries::DeliveryFilter;

#[tokio::test]
async fn refused_words_are_tried_plainly_then_as_one_line_and_then_given_up() {
    let scene = Scene::new().await;
    scene.chat.reply([rejected()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a [plain]"]);
    scene.ends(&[(End::Delivered, 1)]).await;

    scene.chat.reply([rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(scene.chat.heard(5).await[4], "new b, still a [bare]");

    scene.chat.reply([rejected(), rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10), firing("b", 10), firing("c", 10)]).await;
    scene.ends(&[(End::Delivered, 2), (End::Dead, 1)]).await;
    // Nobody heard of c: the next message says so.
    scene.accept("group", vec![firing("c", 10), firing("d", 10)]).await;
    assert_eq!(scene.chat.heard(9).await[8], "new c d, vanished a b");
}

#[tokio::test]
async fn a_fallback_tells_what_the_channel_refuses_and_says_why() {
    let (scene, mail) = with_fallback().await;
    scene.chat.reply([rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    let heard = mail.heard(1).await;
    assert!(heard[0].contains("拒收") && heard[0].ends_with("| new a"), "{heard:?}");
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "new a [plain]"]);
    assert!(scene.metrics.encode().contains("alert_relay_fallback_deliveries_total{target=\"chat\"} 1"));
}

#[tokio::test]
async fn what_the_fallback_refuses_too_is_told_as_one_line_by_the_first_that_takes_it() {
    let (scene, mail) = with_fallback().await;
    scene.chat.reply([rejected(), rejected(), rejected()]);
    mail.reply([rejected(), too_large()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "new a [plain]", "new a [bare]"]);
    assert!(mail.heard_so_far().last().unwrap().ends_with("new a [bare]"), "{:?}", mail.heard_so_far());
}

#[tokio::test]
async fn a_refused_text_waits_for_nobody_while_the_robot_takes_one_line() {
    let (scene, mail) = with_fallback().await;
    mail.reply((0..100).map(|_| misconfigured()));
    scene.accept_for(accepted("other", vec![firing("x", 10)], &["mail"])).await;
    mail.heard(1).await;
    scene.settled().await;
    scene.chat.reply([rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.chat.heard_so_far()[2], "new a [bare]");
}

#[tokio::test]
async fn a_text_refused_by_all_waits_for_a_fallback_that_is_down() {
    let (scene, mail) = with_fallback().await;
    mail.reply([misconfigured()]);
    scene.accept_for(accepted("other", vec![firing("x", 10)], &["mail"])).await;
    mail.heard(1).await;
    scene.settled().await;
    scene.chat.reply([rejected(), rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(3).await;
    scene.settled().await;
    scene.ends(&[]).await;
    // It knows over a restart who has refused it.
    let scene = scene.restart().await;
    scene.advance(Duration::from_mins(2)).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.chat.heard_so_far().len(), 3);
    assert!(mail.heard_so_far().iter().any(|words| words.ends_with("| new a")), "{:?}", mail.heard_so_far());
}

#[tokio::test]
async fn a_part_that_is_refused_does_not_keep_the_others_from_the_chat() {
    let scene = Scene::new().await;
    scene.chat.cut_into(2);
    scene.chat.reply([rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    let heard = scene.chat.heard(5).await;
    assert_eq!(heard[..3], ["new a (1/2)", "new a [plain] (1/2)", "new a [plain] (2/2)"]);
    assert_eq!(heard[3..], ["new a [bare] (1/2)", "new a [bare] (2/2)"]);
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_mail_refused_for_its_content_is_told_by_the_fallback_or_as_one_line() {
    for has_fallback in [true, false] {
        let other = Script::chat("other");
        let mail = Script::mail(&["ann", "bob"]);
        let scene = Scene::with(|_| {
            let fallback = has_fallback.then(|| "other".to_owned());
            vec![TargetSettings { fallback, ..target("chat", &mail) }, target("other", &other)]
        })
        .await;
        mail.reply([rejected(), rejected(), rejected(), rejected()]);
        scene.accept("group", vec![firing("a", 10)]).await;
        scene.ends(&[(End::Delivered, 1)]).await;
        if has_fallback {
            assert_eq!(mail.heard_so_far().len(), 4, "{:?}", mail.heard_so_far());
            assert!(other.heard_so_far()[0].ends_with("| new a"));
        } else {
            assert_eq!(mail.heard_so_far()[4..], ["to ann: new a [bare]", "to bob: new a [bare]"]);
        }
    }
}

#[tokio::test]
async fn a_letter_sent_again_does_not_say_that_what_has_ended_since_fires() {
    for (send_resolved, expected) in [(false, None), (true, Some("resolved a"))] {
        let scene = Scene::with(|chat| vec![TargetSettings { send_resolved, ..target("chat", chat) }]).await;
        scene.chat.reply([rejected(), rejected(), rejected()]);
        scene.accept("group", vec![firing("a", 10)]).await;
        scene.ends(&[(End::Dead, 1)]).await;
        // Not told: the target wants no ends, or it came outside of its hours.
        let mut end = accepted("group", vec![resolved("a", 10)], &["chat"]);
        if send_resolved {
            let planned = &mut end.deliveries[0];
            planned.outside_hours = std::mem::take(&mut planned.alerts);
        }
        scene.accept_for(end).await;
        scene.ends(&[(End::Dead, 1), (End::Suppressed, 1)]).await;
        scene.settled().await;

        let before = scene.chat.heard_so_far().len();
        let targets = BTreeMap::from([("chat".to_owned(), "chat".to_owned())]);
        let retried = scene
            .stage
            .outbox
            .treat(&Selection::All(DeliveryFilter::default()), Treatment::Retry { targets })
            .await
            .unwrap();
        assert_eq!(retried.changed, 1);
        let last = if expected.is_some() {
            vec![(End::Suppressed, 1), (End::Delivered, 1)]
        } else {
            vec![(End::Suppressed, 2)]
        };
        scene.ends(&[last, vec![(End::Dead, 1), (End::Superseded, 1)]].concat()).await;
        assert_eq!(scene.chat.heard_so_far()[before..], expected.into_iter().collect::<Vec<_>>());
    }
}
