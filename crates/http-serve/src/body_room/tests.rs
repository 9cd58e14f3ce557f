use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::Frame;
use http_body_util::{Full, Limited};
use tokio::{sync::mpsc, task::JoinHandle, time::advance};

use super::*;

/// A body whose pieces come when the test sends them, and whose end is when the sender is dropped.
struct Piped(mpsc::UnboundedReceiver<Bytes>);

impl Body for Piped {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A body that is being received.
struct Upload {
    send: mpsc::UnboundedSender<Bytes>,
    received: JoinHandle<Result<HeldBody, BodyError>>,
}

impl Upload {
    fn start(room: &BodyRoom, last_of_address: u8) -> Self {
        let (send, pieces) = mpsc::unbounded_channel();
        let (room, peer) = (room.clone(), Peer::at([192, 0, 2, last_of_address].into()));
        Self { send, received: tokio::spawn(async move { room.receive(Piped(pieces), peer).await }) }
    }

    /// Sends so many bytes, and lets them be received.
    async fn piece(&self, bytes: usize) {
        // It may have given way.
        let _ = self.send.send(Bytes::from(vec![b'x'; bytes]));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) -> Result<HeldBody, BodyError> {
        drop(self.send);
        self.received.await.unwrap()
    }

    async fn error(self) -> BodyError {
        self.received.await.unwrap().unwrap_err()
    }
}

const LARGE: usize = 1024 * 1024;

#[tokio::test]
async fn unfinished_large_bodies_keep_no_small_one_out() {
    let room = BodyRoom::with_room(SMALL_BYTES, 8 * LARGE);
    let mut unfinished = Vec::new();
    for _ in 0..33 {
        let upload = Upload::start(&room, 1);
        upload.piece(LARGE).await;
        unfinished.push(upload);
    }
    let small = Upload::start(&room, 2);
    small.piece(SMALL_BYTES).await;
    assert_eq!(small.end().await.unwrap().bytes.len(), SMALL_BYTES);
    // The greedy one gave way to itself: the oldest went, the newest are still received.
    let newest = unfinished.split_off(25);
    for upload in unfinished {
        assert_eq!(upload.error().await, BodyError::GaveWay);
    }
    for upload in newest {
        assert_eq!(upload.end().await.unwrap().bytes.len(), LARGE);
    }
}

#[tokio::test]
async fn who_holds_the_most_gives_way() {
    let room = BodyRoom::with_room(SMALL_BYTES, 4 * LARGE);
    let first = Upload::start(&room, 1);
    first.piece(LARGE).await;
    let (greedy, greedy_too) = (Upload::start(&room, 2), Upload::start(&room, 2));
    greedy.piece(LARGE).await;
    greedy_too.piece(2 * LARGE).await;
    let third = Upload::start(&room, 3);
    third.piece(LARGE).await;
    assert_eq!(greedy.error().await, BodyError::GaveWay);
    for (upload, bytes) in [(first, LARGE), (greedy_too, 2 * LARGE), (third, LARGE)] {
        assert_eq!(upload.end().await.unwrap().bytes.len(), bytes);
    }
}

#[tokio::test]
async fn small_bodies_share_their_room_in_the_same_way() {
    let room = BodyRoom::with_room(2 * SMALL_BYTES, 4 * LARGE);
    let (oldest, newer) = (Upload::start(&room, 1), Upload::start(&room, 1));
    oldest.piece(SMALL_BYTES).await;
    newer.piece(SMALL_BYTES).await;
    let other = Upload::start(&room, 2);
    other.piece(1000).await;
    assert_eq!(oldest.error().await, BodyError::GaveWay);
    assert_eq!(other.end().await.unwrap().bytes.len(), 1000);
    newer.end().await.unwrap();
}

#[tokio::test]
async fn a_complete_body_holds_its_room_until_it_is_dropped() {
    let room = BodyRoom::with_room(SMALL_BYTES, 2 * LARGE);
    let receive = async |bytes: usize| {
        let body = Full::new(Bytes::from(vec![b'x'; bytes]));
        room.receive(body, Peer::at([192, 0, 2, 1].into())).await
    };
    let held = receive(LARGE).await.unwrap();
    let too = receive(LARGE).await.unwrap();
    assert_eq!(receive(LARGE).await.unwrap_err(), BodyError::NoRoom);
    receive(SMALL_BYTES).await.unwrap();
    receive(0).await.unwrap();
    drop(held);
    receive(LARGE).await.unwrap();
    drop(too);
    receive(2 * LARGE).await.unwrap();
    assert_eq!(receive(3 * LARGE).await.unwrap_err(), BodyError::NoRoom);
    let state = lock(&room.0);
    assert_eq!((state.small.free, state.large.free), (SMALL_BYTES, 2 * LARGE));
    assert!(state.small.bodies.is_empty() && state.large.bodies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_must_go_on_arriving() {
    let room = BodyRoom::with_room(4 * SMALL_BYTES, 8 * LARGE);
    let (stalled, slow) = (Upload::start(&room, 1), Upload::start(&room, 1));
    stalled.piece(1).await;
    // Twice the lowest rate.
    for _ in 0..60 {
        slow.piece(LOWEST_RATE as usize * 2).await;
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(stalled.error().await, BodyError::TooSlow);
    assert_eq!(slow.end().await.unwrap().bytes.len(), 120 * LOWEST_RATE as usize);
    let dripping = Upload::start(&room, 1);
    for _ in 0..12 {
        dripping.piece(1).await;
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(dripping.error().await, BodyError::TooSlow);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_from_a_broken_one() {
    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] Box<dyn std::error::Error + Send + Sync>);

    let room = BodyRoom::new(10);
    let peer = Peer::at([192, 0, 2, 1].into());
    let limited = Limited::new(Full::new(Bytes::from_static(b"123456")), 5).map_err(Wrapped);
    assert_eq!(room.receive(Box::pin(limited), peer).await.unwrap_err(), BodyError::TooLarge);
    assert_eq!(sort(&Wrapped("reset".into())), BodyError::Broken);
}
