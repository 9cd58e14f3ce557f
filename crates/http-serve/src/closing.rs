//! Connections that a server closes on their peers to keep a bound: why, and who is told.
//!
//! Owns the reasons, the counts' names, and the log lines, of which a flood gets one a minute for each reason. Leaves out what the
//! bounds are, which stands in `limits`, `sources` and `slots`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::peer::Peer;

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Its peer's address is in none of the allowed networks.
    ForeignSource,
    /// Its peer has more connections than one peer may.
    PeerFull,
    /// Every slot was taken, and it had waited longest for its next request.
    Displaced,
}

impl Closing {
    /// Every reason, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::ForeignSource, Self::PeerFull, Self::Displaced];

    /// The reason in one word, for a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ForeignSource => "foreign_source",
            Self::PeerFull => "peer_full",
            Self::Displaced => "displaced",
        }
    }

    /// The reason in words, for the log.
    const fn in_words(self) -> &'static str {
        match self {
            Self::ForeignSource => "its address is in none of the allowed networks",
            Self::PeerFull => "it has more connections than one peer may have",
            Self::Displaced => "every slot is taken, and it waited longest for its next request",
        }
    }
}

/// Counts and logs.
#[derive(Clone)]
pub(crate) struct Closings {
    count: Arc<dyn Fn(Closing) + Send + Sync>,
    said: Arc<Mutex<[Said; Closing::ALL.len()]>>,
}

/// What the log says of one reason.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    last: Option<Instant>,
    /// Closed since then and not said.
    unsaid: u64,
}

/// A flood must not fill the log.
const SAY_EVERY: Duration = Duration::from_mins(1);

impl Default for Closings {
    fn default() -> Self {
        Self::counted_by(|_| {})
    }
}

impl Closings {
    /// Tells `count` of each.
    pub(crate) fn counted_by(count: impl Fn(Closing) + Send + Sync + 'static) -> Self {
        Self { count: Arc::new(count), said: Arc::default() }
    }

    /// One more connection is closed.
    pub(crate) fn note(&self, reason: Closing, peer: Peer) {
        (self.count)(reason);
        if let Some(unsaid) = self.to_say(reason, Instant::now()) {
            let word = reason.as_str();
            let more = match unsaid {
                0 => String::new(),
                more => format!("; {more} more for this reason since the last such line"),
            };
            tracing::warn!(%peer, reason = word, "closed a connection of {peer}: {}{more}", reason.in_words());
        }
    }

    /// How many closings the log has not said, if it is time for a line.
    fn to_say(&self, reason: Closing, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = &mut said[reason as usize];
        if said.last.is_some_and(|last| now.duration_since(last) < SAY_EVERY) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_one_line_a_minute_that_counts_the_rest() {
        let closings = Closings::default();
        let start = Instant::now();
        let said = |seconds| closings.to_say(Closing::ForeignSource, start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 200].map(said), [Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn each_reason_has_its_own_place_and_word() {
        for (place, reason) in Closing::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason:?}");
            assert_eq!(Closing::ALL.iter().filter(|other| other.as_str() == reason.as_str()).count(), 1);
        }
    }
}
