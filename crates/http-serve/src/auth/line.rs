//! The line of requests whose password waits to be compared: whose turn it is, and when a wrong one is told so.
//!
//! Peers take turns, one comparison each, so that one peer's guesses do not keep another's password waiting. Within a peer, requests that
//! name a user go first: guessed names do not keep a user waiting. That must not show in the time of an answer, or guesses would find
//! out which names exist: a wrong password is told only when as many comparisons of its peer have been made as requests came up to it,
//! whatever the order they were made in. A right one is told at once.
//!
//! Pure: no clock, no threads, no channels. `T` is what a request is told through.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::Peer;

/// Everybody who waits.
#[derive(Debug)]
pub(super) struct Line<J, T> {
    peers: HashMap<Peer, Of<J, T>>,
    /// The peers with something to compare, in the order of their turns.
    turns: VecDeque<Peer>,
}

/// What waits of one peer.
#[derive(Debug)]
struct Of<J, T> {
    users: VecDeque<Waiting<J, T>>,
    /// Compared as well, to take the time that it takes; told as soon as enough has been made, since the answer is known.
    strangers: VecDeque<(u64, J)>,
    /// Requests that came, and comparisons that were made.
    came: u64,
    made: u64,
    /// Wrong, and not told yet: by their places among what came.
    wrong: BTreeMap<u64, T>,
}

/// A request of a user.
#[derive(Debug)]
struct Waiting<J, T> {
    place: u64,
    job: J,
    tell: T,
}

/// A comparison to make.
#[derive(Debug)]
pub(super) struct Turn<J, T> {
    pub(super) job: J,
    pub(super) peer: Peer,
    /// Whom to tell the result, with the place in the peer's line; nobody for a name that does not exist.
    pub(super) user: Option<(u64, T)>,
    /// Nobody waits for it any more: it need not be made, and counts as made.
    pub(super) is_gone: bool,
}

/// What requests are to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told<T> {
    pub(super) right: Option<T>,
    pub(super) wrong: Vec<T>,
}

impl<J, T> Default for Line<J, T> {
    fn default() -> Self {
        Self { peers: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<J, T> Line<J, T> {
    /// A request joins the line, behind what waits of its peer. `is_user`: its name exists.
    pub(super) fn join(&mut self, peer: Peer, is_user: bool, job: J, tell: T) {
        let of = self.peers.entry(peer).or_insert_with(|| {
            let (users, strangers) = (VecDeque::new(), VecDeque::new());
            Of { users, strangers, came: 0, made: 0, wrong: BTreeMap::new() }
        });
        if of.users.is_empty() && of.strangers.is_empty() {
            self.turns.push_back(peer);
        }
        of.came += 1;
        if is_user {
            of.users.push_back(Waiting { place: of.came, job, tell });
        } else {
            of.strangers.push_back((of.came, job));
            of.wrong.insert(of.came, tell);
        }
    }

    /// The next comparison; `None` when nobody waits. What follows is [`made`](Self::made). `is_gone` says whether somebody waits no more.
    pub(super) fn next(&mut self, is_gone: impl Fn(&T) -> bool) -> Option<Turn<J, T>> {
        let peer = self.turns.pop_front()?;
        let of = self.peers.get_mut(&peer)?;
        let turn = if let Some(Waiting { place, job, tell }) = of.users.pop_front() {
            let is_gone = is_gone(&tell);
            Turn { job, peer, user: Some((place, tell)), is_gone }
        } else {
            let (place, job) = of.strangers.pop_front()?;
            // One that was told already takes its time all the same.
            let is_gone = of.wrong.get(&place).is_some_and(is_gone);
            Turn { job, peer, user: None, is_gone }
        };
        if !(of.users.is_empty() && of.strangers.is_empty()) {
            self.turns.push_back(peer);
        }
        Some(turn)
    }

    /// A comparison was made.
    pub(super) fn made(&mut self, peer: Peer, user: Option<(u64, T)>, is_right: bool) -> Told<T> {
        let mut told = Told { right: None, wrong: Vec::new() };
        let Some(of) = self.peers.get_mut(&peer) else { return told };
        of.made += 1;
        match user {
            Some((_, tell)) if is_right => told.right = Some(tell),
            Some((place, tell)) => drop(of.wrong.insert(place, tell)),
            None => {}
        }
        let later = of.wrong.split_off(&(of.made + 1));
        told.wrong = std::mem::replace(&mut of.wrong, later).into_values().collect();
        if of.came == of.made {
            self.peers.remove(&peer);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> Peer {
        Peer::at([192, 0, 2, number].into())
    }

    /// Makes one comparison: what was compared, who is told right, and who wrong. A job that ends in `!` is right.
    fn step(line: &mut Line<&'static str, &'static str>) -> Option<(&'static str, Told<&'static str>)> {
        let Turn { job, peer, user, is_gone } = line.next(|tell| tell.ends_with('-'))?;
        let told = line.made(peer, user, job.ends_with('!'));
        Some((if is_gone { "nothing" } else { job }, told))
    }

    fn wrong(told: &[&'static str]) -> Told<&'static str> {
        Told { right: None, wrong: told.to_vec() }
    }

    #[test]
    fn peers_take_turns() {
        let mut line = Line::default();
        for guess in ["a1", "a2", "a3"] {
            line.join(peer(1), true, guess, guess);
        }
        line.join(peer(2), true, "b!", "b!");
        assert_eq!(step(&mut line), Some(("a1", wrong(&["a1"]))));
        assert_eq!(step(&mut line), Some(("b!", Told { right: Some("b!"), wrong: vec![] })));
        assert_eq!(step(&mut line), Some(("a2", wrong(&["a2"]))));
        assert_eq!(step(&mut line), Some(("a3", wrong(&["a3"]))));
        assert_eq!(step(&mut line), None);
        assert!(line.peers.is_empty(), "{line:?}");
    }

    #[test]
    fn guessed_names_keep_no_user_waiting_and_wrong_ones_are_told_in_the_order_they_came() {
        let mut line = Line::default();
        for guess in ["x1", "x2", "x3"] {
            line.join(peer(1), false, guess, guess);
        }
        line.join(peer(1), true, "user", "user");
        line.join(peer(1), true, "user!", "user!");
        line.join(peer(1), false, "x4", "x4");
        // Compared first, told when its place has come, as if it were a stranger's.
        assert_eq!(step(&mut line), Some(("user", wrong(&["x1"]))));
        assert_eq!(step(&mut line), Some(("user!", Told { right: Some("user!"), wrong: vec!["x2"] })));
        assert_eq!(step(&mut line), Some(("x1", wrong(&["x3"]))));
        assert_eq!(step(&mut line), Some(("x2", wrong(&["user"]))));
        assert_eq!(step(&mut line), Some(("x3", wrong(&[]))));
        assert_eq!(step(&mut line), Some(("x4", wrong(&["x4"]))));
        assert_eq!(step(&mut line), None);
    }

    #[test]
    fn who_has_gone_is_not_compared_and_holds_nobody_up() {
        let mut line = Line::default();
        for who in ["x1-", "x2", "x3-"] {
            line.join(peer(1), false, who, who);
        }
        line.join(peer(1), true, "user-", "user-");
        line.join(peer(1), false, "x5", "x5");
        assert_eq!(step(&mut line), Some(("nothing", wrong(&["x1-"]))));
        // Told already, so it is not known that it is gone.
        assert_eq!(step(&mut line), Some(("x1-", wrong(&["x2"]))));
        assert_eq!(step(&mut line), Some(("x2", wrong(&["x3-"]))));
        assert_eq!(step(&mut line), Some(("x3-", wrong(&["user-"]))));
        assert_eq!(step(&mut line), Some(("x5", wrong(&["x5"]))));
        assert_eq!(step(&mut line), None);
        assert!(line.peers.is_empty(), "{line:?}");
    }
}
