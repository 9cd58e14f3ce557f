//! Targets that are gone, or called otherwise.

use super::*;

#[tokio::test]
async fn what_waits_for_a_name_that_is_gone_is_seen_and_goes_to_the_target_that_was_it() {
    let scene = Scene::new().await;
    let busy = Outcome::Retry { reason: Reason::Busy, after: None, detail: String::new() };
    scene.chat.reply([Reply::Verdict(busy)]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.settled().await;

    let other = Script::chat("another robot");
    scene.deliverer.reload(&settings(&scene.stage, vec![target("new", &other)])).await;
    scene.advance(Duration::from_mins(1)).await;
    scene.reads_on_page("alert_relay_deliveries_stranded{target=\"chat\"} 1").await;
    assert_eq!(other.heard_so_far().len(), 0);

    let renamed = TargetSettings { was: Some("chat".to_owned()), ..target("new", &other) };
    scene.deliverer.reload(&settings(&scene.stage, vec![renamed])).await;
    scene.advance(15 * SECOND).await;
    scene.settled().await;
    assert_eq!(other.heard(1).await.len(), 1);
    assert!(!scene.metrics.encode().contains("deliveries_stranded{"));
}

#[tokio::test]
async fn a_new_name_tells_nothing_by_itself_and_knows_what_the_former_one_told() {
    let scene = Scene::new().await;
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    let renamed = TargetSettings { was: Some("chat".to_owned()), ..target("room", &scene.chat) };
    scene.deliverer.reload(&settings(&scene.stage, vec![renamed])).await;
    scene.advance(Pace::default().housekeeping).await;
    scene.accept_for(accepted("group", vec![resolved("a", 10), firing("b", 10)], &["room"])).await;
    assert_eq!(scene.chat.heard(2).await, ["new a b", "still b, resolved a"]);
}
