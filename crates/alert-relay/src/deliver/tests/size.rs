//! A store that is larger than it may be.

use bytes::Bytes;

use super::*;
use crate::delivery::Accepted;
use crate::outbox::StoreError;
use crate::outbox::testing::Stage;

const MAX_BYTES: u64 = 1 << 20;

async fn scene() -> Scene {
    let chat = Script::chat("robot");
    let stage = Stage::new().await;
    let mut settings = settings(&stage, vec![target("chat", &chat)]);
    settings.store.max_bytes = Some(MAX_BYTES);
    Scene::start(stage, settings, chat).await
}

/// A webhook of 100 KB.
fn large(group: &str, target: &str) -> Accepted {
    let mut accepted = accepted(group, vec![firing("a", 10)], &[target]);
    let mut body = accepted.payload.to_vec();
    // Spaces around a document change nothing in it.
    body.resize(100_000, b' ');
    accepted.payload = Bytes::from(body);
    accepted
}

#[tokio::test]
async fn what_ended_first_makes_room_for_what_comes() {
    let scene = scene().await;
    // As many as go out at once.
    for number in 0..24 {
        scene.accept_for(large(&number.to_string(), "chat")).await;
    }
    scene.ends(&[(End::Delivered, 24)]).await;
    let size = async || scene.stage.outbox.size().await.unwrap().bytes;
    assert!(size().await > MAX_BYTES);
    scene.advance(299 * SECOND).await;
    assert!(size().await > MAX_BYTES, "what has just ended is kept");
    scene.advance(30 * SECOND).await;
    assert!(size().await <= MAX_BYTES, "{}", size().await);
    assert!(scene.metrics.encode().contains("alert_relay_store_evicted_webhooks_total 24"));
}

#[tokio::test]
async fn filled_by_what_is_pending_it_takes_nothing_until_there_is_room() {
    let scene = scene().await;
    let outbox = &scene.stage.outbox;
    for number in 0..30 {
        scene.accept_for(large(&number.to_string(), "nobody")).await;
    }
    scene.advance(400 * SECOND).await;
    let refused = outbox.accept(large("more", "nobody")).await.unwrap_err();
    assert!(matches!(refused, StoreError::MaxBytes { .. }), "{refused}");
    assert_eq!(outbox.counts().await.unwrap()["nobody"].pending, 30);
    outbox.give_up("nobody", scene.stage.clock.now(), "test").await.unwrap();
    scene.advance(400 * SECOND).await;
    outbox.accept(large("more", "nobody")).await.unwrap();
}
