//! The room that bodies take while they are received and used, shared by all requests.
//!
//! Bodies are counted by the bytes that have arrived, not by what is announced. Small ones have a room of their own, so that large ones
//! cannot keep them out. When a room is full, the peer that holds the most of it gives way with the body that has been arriving for the longest
//! time; a body that is complete stays until it is dropped. A body has to arrive at a lowest rate.
//!
//! Leaves out how large one body may be, which is bounded before it gets here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::Peer;

/// Up to this many bytes a body is a small one: a webhook of some fifty alerts.
pub const SMALL_BYTES: usize = 64 * 1024;

/// Bytes of all small bodies together.
const ROOM_FOR_SMALL: usize = 8 * 1024 * 1024;

/// Bytes of all large bodies together, unless two of the largest need more.
const ROOM_FOR_LARGE: usize = 24 * 1024 * 1024;

/// How long a body may take whatever its size, and the rate beyond that in bytes a second.
const GRACE: Duration = Duration::from_secs(10);
const LOWEST_RATE: u32 = 16 * 1024;

/// Receives bodies. Clones share the room.
#[derive(Debug, Clone)]
pub struct BodyRoom(Arc<Mutex<State>>);

/// A body, complete. It takes of the room until it is dropped.
#[derive(Debug)]
pub struct HeldBody {
    /// What was sent.
    pub bytes: Bytes,
    _place: Place,
}

/// Why a body was not received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than one body may be.
    TooLarge,
    /// The room is full of what cannot give way.
    NoRoom,
    /// It gave way to others: its peer held the most of the room.
    GaveWay,
    /// It arrived more slowly than it must.
    TooSlow,
    /// It ended early.
    Broken,
}

#[derive(Debug)]
struct State {
    small: Room,
    large: Room,
    next: u64,
}

#[derive(Debug)]
struct Room {
    free: usize,
    /// By their numbers: the first has been arriving for the longest time.
    bodies: BTreeMap<u64, Arriving>,
}

#[derive(Debug, Clone)]
struct Arriving {
    peer: Peer,
    bytes: usize,
    /// Told to who receives it; `None` once it is complete.
    give_way: Option<Arc<Notify>>,
}

/// One body's part of the room, given back when this is dropped.
#[derive(Debug)]
struct Place {
    state: Arc<Mutex<State>>,
    number: u64,
}

impl BodyRoom {
    /// With room for two bodies of the largest size at least.
    pub fn new(max_body_bytes: usize) -> Self {
        Self::with_room(ROOM_FOR_SMALL, ROOM_FOR_LARGE.max(max_body_bytes.saturating_mul(2)))
    }

    fn with_room(small: usize, large: usize) -> Self {
        let room = |free| Room { free, bodies: BTreeMap::new() };
        Self(Arc::new(Mutex::new(State { small: room(small), large: room(large), next: 0 })))
    }

    /// Receives a peer's body to its end.
    ///
    /// # Errors
    /// Why not. What the peer still sends is left unread.
    pub async fn receive<B>(&self, mut body: B, peer: Peer) -> Result<HeldBody, BodyError>
    where
        B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
    {
        let start = Instant::now();
        let give_way = Arc::new(Notify::new());
        let place = Place::open(&self.0, peer, &give_way);
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut bytes = BytesMut::with_capacity(announced.min(SMALL_BYTES));
        loop {
            let longest =
                GRACE + Duration::from_secs(1) * u32::try_from(bytes.len()).unwrap_or(u32::MAX) / LOWEST_RATE;
            let frame = tokio::select! {
                biased;
                () = give_way.notified() => return Err(BodyError::GaveWay),
                frame = body.frame() => frame,
                () = sleep_until(start + longest) => return Err(BodyError::TooSlow),
            };
            let Some(frame) = frame else { break };
            // Trailers mean nothing here.
            let Ok(data) = frame.map_err(|error| sort(&error))?.into_data() else { continue };
            place.grow(bytes.len() + data.len())?;
            if bytes.len() <= SMALL_BYTES && bytes.len() + data.len() > SMALL_BYTES {
                // What is not written to takes no memory.
                bytes.reserve(announced.saturating_sub(bytes.len()));
            }
            bytes.extend_from_slice(&data);
        }
        place.complete();
        Ok(HeldBody { bytes: bytes.freeze(), _place: place })
    }
}

fn sort(error: &(dyn std::error::Error + 'static)) -> BodyError {
    let mut source = Some(error);
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return BodyError::TooLarge;
        }
        source = error.source();
    }
    BodyError::Broken
}

impl Place {
    fn open(state: &Arc<Mutex<State>>, peer: Peer, give_way: &Arc<Notify>) -> Self {
        let mut locked = lock(state);
        let number = locked.next;
        locked.next += 1;
        let arriving = Arriving { peer, bytes: 0, give_way: Some(Arc::clone(give_way)) };
        locked.small.bodies.insert(number, arriving);
        Self { state: Arc::clone(state), number }
    }

    /// Takes room for a body that has come to `total` bytes.
    fn grow(&self, total: usize) -> Result<(), BodyError> {
        let mut state = lock(&self.state);
        let State { small, large, .. } = &mut *state;
        if total <= SMALL_BYTES {
            return small.grow(self.number, total);
        }
        if let Some(arriving) = small.remove(self.number) {
            large.bodies.insert(self.number, Arriving { bytes: 0, ..arriving });
        }
        large.grow(self.number, total)
    }

    fn complete(&self) {
        let mut state = lock(&self.state);
        let State { small, large, .. } = &mut *state;
        for room in [small, large] {
            if let Some(arriving) = room.bodies.get_mut(&self.number) {
                arriving.give_way = None;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.small.remove(self.number);
        state.large.remove(self.number);
    }
}

impl Room {
    fn grow(&mut self, number: u64, total: usize) -> Result<(), BodyError> {
        let Some(arriving) = self.bodies.get(&number) else { return Err(BodyError::GaveWay) };
        let (peer, more) = (arriving.peer, total - arriving.bytes);
        while self.free < more {
            let victim = self.gives_way(number, peer, more).ok_or(BodyError::NoRoom)?;
            if let Some(Arriving { give_way: Some(told), .. }) = self.remove(victim) {
                told.notify_one();
            }
        }
        self.free -= more;
        if let Some(arriving) = self.bodies.get_mut(&number) {
            arriving.bytes = total;
        }
        Ok(())
    }

    /// The body that gives way to `number`, whose peer wants more bytes: the oldest unfinished one of the peer that holds the most.
    fn gives_way(&self, number: u64, peer: Peer, more: usize) -> Option<u64> {
        let mut held = BTreeMap::from([(peer, more)]);
        for arriving in self.bodies.values() {
            *held.entry(arriving.peer).or_default() += arriving.bytes;
        }
        let unfinished = || {
            let others = self.bodies.iter().filter(|(other, _)| **other != number);
            others.filter(|(_, arriving)| arriving.give_way.is_some() && arriving.bytes > 0)
        };
        let most = unfinished().map(|(_, arriving)| held[&arriving.peer]).max()?;
        if most < held[&peer] {
            // Who asks holds more than all who could give way.
            return None;
        }
        unfinished().find(|(_, arriving)| held[&arriving.peer] == most).map(|(number, _)| *number)
    }

    fn remove(&mut self, number: u64) -> Option<Arriving> {
        let arriving = self.bodies.remove(&number)?;
        self.free += arriving.bytes;
        Some(arriving)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change is whole after each line, so a poisoned state is still a true one.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
