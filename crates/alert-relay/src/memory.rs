//! How many bytes of webhooks are worked on at a time: parsed, stored, folded and rendered.
//!
//! Owns the bound over all requests and all targets. What is worked on takes a few times the bytes of its webhook, so the relay's memory is
//! bounded by these rooms, whatever comes and however much waits in the store. Leaves out the bodies while they arrive, which are the
//! HTTP server's, and how the heap is kept (`heap`).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::heap;

/// Work up to this size has room of its own: it never waits behind a large webhook.
const SMALL: u64 = 256 * 1024;

/// Room for small work, in each room.
const SMALL_ROOM: u64 = 4 * 1024 * 1024;

/// Room for large webhooks on their way into the store: one of the largest, since that takes no second.
const ACCEPTING: u64 = 8 * 1024 * 1024;

/// Room for large webhooks that somebody looks at: one of the largest.
const LOOKING: u64 = 8 * 1024 * 1024;

/// Room for large claims: two of the largest, so that one target that answers slowly does not hold up all others.
const DELIVERING: u64 = 16 * 1024 * 1024;

/// The rooms of one relay. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// For webhooks on their way into the store.
    pub(crate) accepting: Room,
    /// For messages on their way out of it.
    pub(crate) delivering: Room,
    /// For stored and pasted webhooks that somebody looks at: however many look, the webhooks that come have their own.
    pub(crate) looking: Room,
}

impl Default for Memory {
    fn default() -> Self {
        Self { accepting: Room::of(ACCEPTING), delivering: Room::of(DELIVERING), looking: Room::of(LOOKING) }
    }
}

/// Bytes that may be worked on at a time.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    capacity: u32,
}

impl Room {
    /// A room of this many bytes for large work.
    pub(crate) fn of(capacity: u64) -> Self {
        let permits = |bytes: u64| Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(usize::MAX)));
        Self {
            small: permits(SMALL_ROOM),
            large: permits(capacity),
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
        }
    }

    /// Waits, in turn, until this many bytes may be worked on. What is larger than the room takes all of it.
    pub(crate) async fn take(&self, bytes: u64) -> Share {
        if bytes <= SMALL {
            return Share::of(&self.small, u32::try_from(bytes).unwrap_or(u32::MAX), false).await;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        Share::of(&self.large, bytes, true).await
    }

    /// Waits until nothing else that is large is worked on, and nothing is until it is given back.
    pub(crate) async fn take_whole(&self) -> Share {
        Share::of(&self.large, self.capacity, true).await
    }
}

/// A part of a room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
    is_large: bool,
}

impl Share {
    async fn of(room: &Arc<Semaphore>, bytes: u32, is_large: bool) -> Self {
        // It is never closed.
        let permit = Arc::clone(room).acquire_many_owned(bytes).await.ok();
        Self { permit, is_large }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Before the next one takes the room.
        if self.is_large {
            heap::give_back();
        }
        drop(self.permit.take());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What is free at once; a waiting one is dropped, and so gives up its turn.
    async fn taken(room: &Room, bytes: u64) -> Option<Share> {
        tokio::time::timeout(Duration::ZERO, room.take(bytes)).await.ok()
    }

    #[tokio::test]
    async fn large_work_waits_for_large_work_and_small_work_for_neither() {
        let room = Room::of(10 * SMALL);
        let first = taken(&room, 6 * SMALL).await.unwrap();
        let _second = taken(&room, 4 * SMALL).await.unwrap();
        assert!(taken(&room, SMALL + 1).await.is_none(), "there is no more room");
        let _small = taken(&room, SMALL).await.unwrap();
        drop(first);
        let _third = taken(&room, 6 * SMALL).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_larger_than_the_room_has_it_alone() {
        let room = Room::of(2 * SMALL);
        for is_asked_for in [false, true] {
            let whole =
                if is_asked_for { room.take_whole().await } else { taken(&room, 1 << 40).await.unwrap() };
            assert!(taken(&room, SMALL + 1).await.is_none());
            drop(whole);
        }
    }

    #[tokio::test]
    async fn small_work_is_bounded_too() {
        let room = Room::of(SMALL);
        let mut shares = Vec::new();
        while let Some(share) = taken(&room, SMALL).await {
            shares.push(share);
        }
        assert_eq!(shares.len() as u64, SMALL_ROOM / SMALL);
    }
}
