//! How much crosses all links of a GPU in a second, by the difference of two sweeps.

use super::Link;
use crate::gpu::subject::Step;

/// The rate, and what it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    /// Bytes of each link, sent and received.
    last: Vec<Option<u64>>,
    /// Bytes a second; `None` until there are two sweeps, and after a gap.
    pub(crate) rate: Option<f64>,
}

impl Traffic {
    #[expect(clippy::cast_precision_loss, reason = "bytes of a sweep are far below 2^53")]
    pub(super) fn add(&mut self, links: &[Link], step: Step) {
        let counts = links.iter().flat_map(|link| [link.transmitted, link.received]);
        let counts: Vec<_> = counts.map(|bytes| bytes.map(|bytes| bytes.0)).collect();
        let seconds = step.gap.as_secs_f64();
        // Of each counter by itself: one that was not told before says nothing yet, and one that was reset, by a driver or a link that went
        // down, nothing this once.
        let more = counts.iter().zip(&self.last).filter_map(|(now, before)| (*now)?.checked_sub((*before)?));
        let more = more.reduce(u64::saturating_add);
        self.rate = more.filter(|_| seconds > 0.0).map(|more| more as f64 / seconds);
        self.last = counts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;
    use std::time::{Duration, Instant};

    #[test]
    fn two_sweeps_make_a_rate() {
        let link = |sent: u64, received: u64| Link {
            transmitted: Some(Bytes(sent)),
            received: Some(Bytes(received)),
            ..Link::default()
        };
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        let mut rate = |links: &[Link], seconds| {
            traffic.add(links, Step { now, gap: Duration::from_secs(seconds) });
            traffic.rate
        };
        assert_eq!(rate(&[link(100, 200), link(0, 50)], 0), None);
        assert_eq!(rate(&[link(150, 250), link(100, 50)], 2), Some(100.0));
        assert_eq!(rate(&[link(1, 2), link(3, 4)], 1), None, "it was reset");
        assert_eq!(rate(&[link(11, 2), link(3, 4)], 1), Some(10.0));
        assert_eq!(rate(&[link(21, 2), link(3, 4)], 0), None, "after a gap");
        let down = Link::default();
        assert_eq!(rate(&[link(31, 2), down.clone()], 1), Some(10.0), "the other link");
        assert_eq!(
            rate(&[link(51, 2), link(9_000_000, 9_000_000)], 1),
            Some(20.0),
            "what it did meanwhile is no rate"
        );
        assert_eq!(rate(&[link(71, 2), link(9_000_100, 9_000_000)], 1), Some(120.0));
        assert_eq!(rate(&[], 1), None);
    }
}
