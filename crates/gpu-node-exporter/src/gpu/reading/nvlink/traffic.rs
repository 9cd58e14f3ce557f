//! How much crosses all links of a GPU in a second, by the difference of two sweeps.

use super::Link;
use crate::gpu::subject::Step;

/// The rate, and what it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    /// Bytes of all links, both ways.
    last: Option<u64>,
    /// Bytes a second; `None` until there are two sweeps, and after a gap.
    pub(crate) rate: Option<f64>,
}

impl Traffic {
    #[expect(clippy::cast_precision_loss, reason = "bytes of a sweep are far below 2^53")]
    pub(super) fn add(&mut self, links: &[Link], step: Step) {
        let counts = links.iter().flat_map(|link| [link.transmitted, link.received]).flatten();
        let total = counts.map(|bytes| bytes.0).reduce(u64::saturating_add);
        let seconds = step.gap.as_secs_f64();
        // A counter that was reset, by a driver or a link that went down, has no rate this once.
        let more = total.zip(self.last).and_then(|(now, before)| now.checked_sub(before));
        self.rate = more.filter(|_| seconds > 0.0).map(|more| more as f64 / seconds);
        self.last = total;
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
        assert_eq!(rate(&[], 1), None);
    }
}
