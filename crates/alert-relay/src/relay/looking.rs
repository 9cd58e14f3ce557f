//! A webhook's body for somebody who looks: read once there is room for it, so that memory is bounded however many look.
//!
//! The room is not that of the webhooks that come: these never wait for somebody who looks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::memory::{Room, Share};
use crate::outbox::{Outbox, StoreError};
use crate::relay::Relay;

/// How long a large webhook waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a webhook is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookRefusal {
    /// The store does not say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much else is being read.
    #[error("too many large webhooks are being read (hint: try again)")]
    Busy,
}

/// A body with its share of the room, which is given back with the last clone.
#[derive(Clone, Debug)]
pub(super) struct LookedAt {
    pub(super) body: Bytes,
    _share: Arc<Share>,
}

impl Relay {
    /// The body of the webhook with this number; `None`: it is no longer stored.
    pub(super) async fn stored(&self, number: i64) -> Result<Option<LookedAt>, LookRefusal> {
        stored(self.outbox(), &self.parts.memory.looking, number, PATIENCE).await
    }

    /// A body that was sent along.
    pub(super) async fn pasted(&self, body: Bytes) -> Result<LookedAt, LookRefusal> {
        let share = share(&self.parts.memory.looking, body.len() as u64, PATIENCE).await?;
        Ok(LookedAt { body, _share: share })
    }
}

async fn stored(
    outbox: &Outbox,
    room: &Room,
    number: i64,
    patience: Duration,
) -> Result<Option<LookedAt>, LookRefusal> {
    let Some(bytes) = outbox.webhook_bytes(number).await? else { return Ok(None) };
    let share = share(room, bytes, patience).await?;
    let webhook = outbox.webhook(number).await?;
    Ok(webhook.and_then(|webhook| webhook.payload).map(|body| LookedAt { body, _share: share }))
}

async fn share(room: &Room, bytes: u64, patience: Duration) -> Result<Arc<Share>, LookRefusal> {
    let share = tokio::time::timeout(patience, room.take(bytes)).await;
    share.map(Arc::new).map_err(|_elapsed| LookRefusal::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{Stage, accepted, firing};

    #[tokio::test]
    async fn a_large_webhook_is_read_by_one_at_a_time_and_refused_to_who_waited_too_long() {
        let stage = Stage::new().await;
        let mut webhook = accepted("group", vec![firing("a", 10)], &["chat"]);
        webhook.payload = vec![b' '; 1 << 20].into();
        stage.outbox.accept(webhook.clone()).await.unwrap();
        stage.outbox.accept(webhook).await.unwrap();
        let room = Room::of(1 << 20);
        let look = |number| stored(&stage.outbox, &room, number, Duration::ZERO);

        let first = look(1).await.unwrap().unwrap();
        assert_eq!(first.body.len(), 1 << 20);
        // The second is a copy of it, and as large.
        for number in [1, 2] {
            assert!(matches!(look(number).await, Err(LookRefusal::Busy)), "{number}");
        }
        let id = stage.outbox.public_id(1);
        let story = stage.outbox.story(&id).await.unwrap().unwrap();
        assert_eq!(story.received.payload, None, "a story is told without taking room");
        assert!(look(3).await.unwrap().is_none());

        let clone = first.clone();
        drop(first);
        assert!(matches!(look(1).await, Err(LookRefusal::Busy)), "a clone holds it");
        drop(clone);
        assert_eq!(look(2).await.unwrap().unwrap().body.len(), 1 << 20);
    }
}
