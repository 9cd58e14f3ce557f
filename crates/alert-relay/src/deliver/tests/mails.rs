//! Mails: one to each recipient, none of whom may keep a message from the others.

use super::*;

async fn scene(recipients: &[&str]) -> (Scene, Script) {
    let mail = Script::mail(recipients);
    (Scene::with(|_| vec![target("chat", &mail)]).await, mail)
}

/// 451, 452: this mailbox, not now.
fn deferred() -> Reply {
    verdict(Outcome::Retry { reason: Reason::Mailbox, after: None, detail: "451 later".to_owned() })
}

/// 550: this mailbox, never.
fn no_such_user() -> Reply {
    verdict(Outcome::Rejected { reason: Reason::Mailbox, detail: "550 no such user".to_owned() })
}

async fn is_up(scene: &Scene, expected: u8) {
    scene.reads_on_page(&format!("alert_relay_target_up{{target=\"chat\"}} {expected}")).await;
}

#[tokio::test]
async fn who_is_refused_for_good_costs_the_others_nothing_and_what_they_heard_is_remembered() {
    let (scene, mail) = scene(&["ann", "bob", "cem"]).await;
    mail.reply_to("bob", rejected());
    mail.reply_to("cem", no_such_user());
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    // Other words may help bob; nothing helps cem.
    assert_eq!(
        mail.heard_so_far(),
        ["to ann: new a", "to bob: new a", "to cem: new a", "to bob: new a [plain]", "to bob: new a [bare]"]
    );
    is_up(&scene, 1).await;
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    assert_eq!(mail.heard(6).await[5], "to ann: new b, still a");
}

#[tokio::test]
async fn a_mail_nobody_is_given_for_its_content_is_dead() {
    let (scene, mail) = scene(&["ann", "bob"]).await;
    mail.reply_to("ann", rejected());
    mail.reply_to("bob", no_such_user());
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Dead, 1)]).await;
    mail.accept_to("ann");
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    mail.heard(6).await;
    assert!(mail.heard_so_far().contains(&"to ann: new a b".to_owned()), "{:?}", mail.heard_so_far());
}

#[tokio::test]
async fn a_greylisted_mailbox_is_tried_again_and_does_not_hold_up_the_others() {
    let (scene, mail) = scene(&["ann", "bob"]).await;
    mail.reply([deferred()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    mail.heard(2).await;
    scene.advance(5 * SECOND).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(mail.heard_so_far(), ["to ann: new a", "to bob: new a", "to ann: new a"]);
}

#[tokio::test]
async fn one_mailbox_that_takes_nothing_for_hours_keeps_no_news_from_the_others() {
    let (scene, mail) = scene(&["ann", "bob"]).await;
    mail.reply_to("bob", deferred());
    scene.accept("group", vec![firing("a", 10)]).await;
    mail.heard(2).await;
    scene.settled().await;
    // The clock stands still: nobody waits for bob.
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    mail.heard(4).await;
    scene.settled().await;
    scene.accept("group", vec![resolved("a", 10), resolved("b", 10)]).await;
    mail.heard(6).await;
    scene.settled().await;
    let of = |name: &str| -> Vec<String> {
        let heard = mail.heard_so_far();
        heard
            .iter()
            .filter_map(|words| words.strip_prefix(&format!("to {name}: ")))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(of("ann"), ["new a", "new b, still a", "resolved a b"]);
    assert_eq!(of("bob"), ["new a", "new a b", "resolved a b"]);
    scene.ends(&[(End::Delivered, 2)]).await;
    is_up(&scene, 1).await;

    // He is tried for hours, and then the end says who heard it.
    for _ in 0..12 * 4 {
        scene.advance(Duration::from_mins(15)).await;
    }
    scene.ends(&[(End::Delivered, 3)]).await;
    assert!(of("bob").len() > 10, "{:?}", of("bob"));
    assert_eq!(of("ann").len(), 3);
    // One mailbox is not the target.
    is_up(&scene, 1).await;
    let before = mail.heard_so_far().len();
    scene.accept("group", vec![firing("a", 999)]).await;
    mail.heard(before + 2).await;
    scene.settled().await;
    assert_eq!(of("ann")[3], "new a");
}

#[tokio::test]
async fn who_has_a_mail_does_not_get_it_again_after_a_restart_in_whatever_order_they_stand_then() {
    let (scene, mail) = scene(&["ann", "bob", "cem"]).await;
    mail.reply_to("bob", deferred());
    mail.reply_to("cem", rejected());
    scene.accept("group", vec![firing("a", 10)]).await;
    mail.heard(5).await;
    scene.settled().await;
    let scene = scene.restart().await;
    mail.write_to(&["cem", "dan", "bob", "ann"]);
    mail.accept_to("bob");
    scene.advance(Duration::from_mins(5)).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(mail.heard_so_far()[5..], ["to dan: new a", "to bob: new a"]);
}

#[tokio::test]
async fn a_budget_that_ends_in_the_middle_cuts_off_nobody() {
    let mail = Script::mail(&["ann", "bob", "cem"]);
    let scene = Scene::with(|_| vec![target_with_budget("chat", &mail, 2)]).await;
    mail.reply_to("bob", deferred());
    scene.accept("group", vec![firing("a", 10)]).await;
    mail.heard(2).await;
    scene.settled().await;
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    scene.advance(61 * SECOND).await;
    // Cem, who was not tried yet, comes first, and what is newer waits for that.
    mail.heard(4).await;
    scene.settled().await;
    assert_eq!(mail.heard_so_far(), ["to ann: new a", "to bob: new a", "to cem: new a", "to bob: new a"]);
    scene.advance(61 * SECOND).await;
    assert_eq!(mail.heard(6).await[4..], ["to ann: new b, still a", "to bob: new a b"]);
}

#[tokio::test]
async fn a_target_none_of_whose_mailboxes_exists_is_misconfigured_until_one_does() {
    let other = Script::chat("other");
    let mail = Script::mail(&["ann", "bob"]);
    let scene = Scene::with(|_| {
        vec![
            TargetSettings { fallback: Some("other".to_owned()), ..target("chat", &mail) },
            target("other", &other),
        ]
    })
    .await;
    mail.reply_to("ann", no_such_user());
    mail.reply_to("bob", no_such_user());
    scene.accept("group", vec![firing("a", 10)]).await;
    mail.heard(2).await;
    scene.settled().await;
    is_up(&scene, 0).await;
    scene.advance(61 * SECOND).await;
    other.heard(1).await;
    scene.ends(&[(End::Delivered, 1)]).await;

    mail.accept_to("bob");
    scene.deliverer.reload(&scene.settings).await;
    scene.accept("later", vec![firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(mail.heard_so_far().last().unwrap(), "to bob: new b");
    is_up(&scene, 1).await;
}

/// The input of the fault: the fallback speaks for no target that is well, and the mailbox was tried each second until it gave way.
#[tokio::test]
async fn one_mailbox_that_takes_no_critical_mail_is_tried_less_and_less_though_there_is_a_fallback() {
    let (other, mail) = (Script::chat("other"), Script::mail(&["ann", "bob"]));
    let scene = Scene::with(|_| {
        vec![
            TargetSettings { fallback: Some("other".to_owned()), ..target("chat", &mail) },
            target("other", &other),
        ]
    })
    .await;
    mail.reply_to("bob", deferred());
    scene.accept("group", vec![critical("fire")]).await;
    mail.heard(2).await;
    scene.advance(61 * SECOND).await;
    let before = mail.heard_so_far().len();
    for _ in 0..10 * 60 {
        scene.advance(SECOND).await;
    }
    let tries = mail.heard_so_far().len() - before;
    // Each wait is half of 2 s at least, and up to 2, 4, 8 … 300 s, by chance.
    assert!((1..100).contains(&tries), "{tries} tries in ten minutes");
    assert_eq!(other.heard_so_far(), [""; 0], "ann has it, and bob alone does not take it");
}

#[tokio::test]
async fn what_no_mailbox_takes_for_a_minute_is_told_by_the_fallback_if_it_is_critical() {
    let (other, mail) = (Script::chat("other"), Script::mail(&["ann", "bob"]));
    let scene = Scene::with(|_| {
        vec![
            TargetSettings { fallback: Some("other".to_owned()), ..target("chat", &mail) },
            target("other", &other),
        ]
    })
    .await;
    mail.reply_to("ann", deferred());
    mail.reply_to("bob", deferred());
    scene.accept("group", vec![critical("fire")]).await;
    for _ in 0..58 {
        scene.advance(SECOND).await;
    }
    assert_eq!(other.heard_so_far(), [""; 0], "too early");
    for _ in 0..4 {
        scene.advance(SECOND).await;
    }
    assert!(other.heard(1).await[0].ends_with("| new fire"), "{:?}", other.heard_so_far());
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_server_that_defers_everybody_fails() {
    let (scene, mail) = scene(&["ann", "bob"]).await;
    mail.reply_to("ann", deferred());
    mail.reply_to("bob", deferred());
    for group in ["one", "two", "three"] {
        scene.accept(group, vec![firing("a", 10)]).await;
    }
    mail.heard(6).await;
    scene.settled().await;
    is_up(&scene, 0).await;
}

/// The input of the fault: told once and missed, the end of an alert was never heard of again.
#[tokio::test]
async fn who_missed_a_mail_is_told_it_with_what_is_newer() {
    let (scene, mail) = scene(&["ann", "bob"]).await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    mail.reply_to("bob", deferred());
    scene.accept("group", vec![resolved("a", 10), firing("b", 10)]).await;
    mail.heard(4).await;
    scene.settled().await;
    let scene = scene.restart().await;
    scene.accept("group", vec![firing("b", 10), firing("c", 10)]).await;
    scene.settled().await;
    mail.accept_to("bob");
    scene.advance(Duration::from_mins(5)).await;
    scene.ends(&[(End::Delivered, 3)]).await;
    let heard = mail.heard_so_far();
    assert!(heard.contains(&"to ann: new c, still b".to_owned()), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "to bob: new b c, resolved a");
    // From then on he gets what the others get.
    scene.accept("group", vec![firing("b", 10), firing("c", 10), firing("d", 10)]).await;
    scene.ends(&[(End::Delivered, 4)]).await;
    assert_eq!(mail.heard_so_far()[heard.len()..], ["to ann: new d, still b c", "to bob: new d, still b c"]);
}

#[tokio::test]
async fn who_missed_a_mail_hears_of_it_though_it_is_no_news_to_the_others() {
    let (scene, mail) = scene(&["ann", "bob"]).await;
    mail.reply_to("bob", no_such_user());
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    mail.accept_to("bob");
    scene.advance(crate::outbox::DEDUP_WINDOW).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 3)]).await;
    assert_eq!(mail.heard_so_far().last().unwrap(), "to bob: resolved a");
    assert_eq!(mail.heard_so_far().len(), 5, "{:?}", mail.heard_so_far());
}
