//! The connections that are open, and who gives way to a new one.
//!
//! A peer has a share of the slots, so that one client cannot take all of them. Beyond its share, or when every slot is taken, the connection
//! goes that has waited longest for its next request: of the peer itself, or of the peer that has the most. One with a request under way
//! is never closed for another. Leaves out accepting and closing, which are `server`'s.

use std::collections::HashMap;

use tokio::task::{AbortHandle, Id};

use crate::{Limits, closing::Closing, connection::Activity, peer::Peer};

/// Every open connection.
pub(crate) struct Slots {
    most: usize,
    most_of_one: usize,
    open: HashMap<Id, Slot>,
    of_peer: HashMap<Peer, usize>,
}

struct Slot {
    peer: Peer,
    activity: Activity,
    task: AbortHandle,
}

/// What a new connection finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// A slot is free, or was made free.
    Free,
    /// All of its peer's slots are busy.
    PeerFull,
    /// All slots are busy.
    Full,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (most, most_of_one) = (limits.max_connections, limits.max_connections_of_one_peer);
        Self { most, most_of_one, open: HashMap::new(), of_peer: HashMap::new() }
    }

    /// Makes room for a connection of this peer; `gave_way` is told of each that is closed for it.
    pub(crate) fn make_room(&mut self, peer: Peer, mut gave_way: impl FnMut(Closing, Peer)) -> Room {
        if self.of_peer.get(&peer).is_some_and(|open| *open >= self.most_of_one) {
            let Some(id) = self.longest_waiting(|slot| slot.peer == peer) else { return Room::PeerFull };
            self.close(id);
            gave_way(Closing::PeerFull, peer);
        } else if self.open.len() >= self.most {
            let waiting = self.open.values().filter(|slot| slot.activity.waits_since().is_some());
            let with_most = waiting.map(|slot| slot.peer).max_by_key(|peer| (self.of_peer.get(peer), *peer));
            let Some(most) = with_most else { return Room::Full };
            let Some(id) = self.longest_waiting(|slot| slot.peer == most) else { return Room::Full };
            self.close(id);
            gave_way(Closing::Displaced, most);
        }
        Room::Free
    }

    /// A connection is served by this task.
    pub(crate) fn opened(&mut self, peer: Peer, activity: Activity, task: AbortHandle) {
        *self.of_peer.entry(peer).or_default() += 1;
        self.open.insert(task.id(), Slot { peer, activity, task });
    }

    /// The task of a connection has ended; one that gave way is gone already.
    pub(crate) fn ended(&mut self, id: Id) {
        let Some(slot) = self.open.remove(&id) else { return };
        if let Some(open) = self.of_peer.get_mut(&slot.peer) {
            *open -= 1;
            if *open == 0 {
                self.of_peer.remove(&slot.peer);
            }
        }
    }

    fn close(&mut self, id: Id) {
        if let Some(slot) = self.open.get(&id) {
            slot.task.abort();
        }
        self.ended(id);
    }

    fn longest_waiting(&self, of: impl Fn(&Slot) -> bool) -> Option<Id> {
        let waiting = self.open.iter().filter(|(_, slot)| of(slot));
        let waiting = waiting.filter_map(|(id, slot)| Some((slot.activity.waits_since()?, *id)));
        waiting.min_by_key(|(since, _)| *since).map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::time::advance;

    use super::*;

    /// Slots, four in all and two a peer, with connections opened one second after another.
    struct Opened {
        slots: Slots,
        activities: Vec<Activity>,
        ids: Vec<Id>,
    }

    impl Opened {
        fn new() -> Self {
            let limits = Limits { max_connections: 4, max_connections_of_one_peer: 2, ..Limits::default() };
            Self { slots: Slots::new(&limits), activities: Vec::new(), ids: Vec::new() }
        }

        /// What a new connection of this peer finds, and whose gave way.
        async fn open(&mut self, peer: u8) -> (Room, Vec<(Closing, Peer)>) {
            advance(Duration::from_secs(1)).await;
            let peer = peer_number(peer);
            let mut gave_way = Vec::new();
            let room = self.slots.make_room(peer, |reason, peer| gave_way.push((reason, peer)));
            if room == Room::Free {
                let activity = Activity::start(true, Arc::default());
                let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
                self.ids.push(task.id());
                self.activities.push(activity.clone());
                self.slots.opened(peer, activity, task);
            }
            (room, gave_way)
        }

        fn is_open(&self, position: usize) -> bool {
            self.slots.open.contains_key(&self.ids[position])
        }
    }

    fn peer_number(number: u8) -> Peer {
        Peer::at(std::net::IpAddr::from([192, 0, 2, number]))
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_its_share_a_peer_gives_way_to_itself() {
        let mut opened = Opened::new();
        assert_eq!(opened.open(1).await, (Room::Free, vec![]));
        assert_eq!(opened.open(1).await, (Room::Free, vec![]));
        assert_eq!(opened.open(1).await, (Room::Free, vec![(Closing::PeerFull, peer_number(1))]));
        assert!(!opened.is_open(0) && opened.is_open(1) && opened.is_open(2));
        let _busy: Vec<_> = opened.activities.iter().map(Activity::request_starts).collect();
        assert_eq!(opened.open(1).await, (Room::PeerFull, vec![]));
        assert_eq!(opened.open(2).await, (Room::Free, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_taken_the_one_waiting_longest_of_the_peer_with_most_goes() {
        let mut opened = Opened::new();
        for peer in [3, 1, 1, 2] {
            opened.open(peer).await;
        }
        // Peer 3 has waited longest, peer 1 has the most.
        let busy = opened.activities[1].request_starts();
        assert_eq!(opened.open(4).await, (Room::Free, vec![(Closing::Displaced, peer_number(1))]));
        assert!(opened.is_open(0) && opened.is_open(1) && !opened.is_open(2));
        // With all others busy, nobody gives way until a request ends.
        let _others: Vec<_> = [0, 3, 4].map(|position| opened.activities[position].request_starts()).into();
        assert_eq!(opened.open(5).await, (Room::Full, vec![]));
        drop(busy);
        assert_eq!(opened.open(5).await, (Room::Free, vec![(Closing::Displaced, peer_number(1))]));
        opened.slots.ended(opened.ids[0]);
        assert_eq!(opened.open(6).await, (Room::Free, vec![]));
    }
}
