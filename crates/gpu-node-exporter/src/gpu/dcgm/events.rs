//! Fields that tell of events: XIDs, and what held the clocks down. A GPU has a series for each kind of event that came, with labels of its own.

use std::time::Instant;

use super::names::{self, Names};
use crate::gpu::reading::Sums;
use crate::gpu::recent::WINDOW;
use crate::gpu::snapshot::Xids;

/// What a field tells of events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The last XID.
    LastXid,
    /// XIDs since the exporter started.
    Xids,
    /// XIDs of the window.
    RecentXids,
    /// Sweeps of the window in which a reason held the clocks down.
    RecentClockEvents,
}

/// What is known of one GPU's events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) names: Names,
    pub(super) xids: Option<&'a Xids>,
    pub(super) sums: &'a Sums,
    pub(super) now: Instant,
}

/// The labels of one kind of event, and how many there were.
type Sample = (Vec<(&'static str, String)>, u64);

/// dcgm-exporter's names for the reasons, in the order of their bits.
const CLOCK_EVENTS: [&str; 9] = [
    "gpu_idle",
    "clocks_setting",
    "power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal",
    "hw_thermal",
    "hw_power_brake",
    "display_clocks",
];

impl Event {
    /// It is known of a GPU that says no more, too.
    pub(super) fn is_of_xids(self) -> bool {
        matches!(self, Self::LastXid | Self::Xids | Self::RecentXids)
    }

    pub(super) fn samples(self, seen: Seen<'_>) -> Vec<Sample> {
        let window = ("window_size_in_ms", WINDOW.as_millis().to_string());
        let by_code = || seen.xids.into_iter().flat_map(|xids| xids.by_code(seen.now));
        match self {
            Self::LastXid => match seen.xids.and_then(Xids::latest) {
                // The series is there before the first, as in the versions that wrote it so: rules compare it with 0.
                None if seen.names == Names::V49 => Vec::new(),
                latest => {
                    let xid = latest.unwrap_or(0);
                    vec![(names::xid_labels(xid).into(), u64::from(xid))]
                }
            },
            Self::Xids => {
                by_code().map(|(code, total, _)| (vec![("xid", code.to_string())], total)).collect()
            }
            Self::RecentXids => {
                let recent = by_code().filter(|(.., recent)| *recent > 0);
                let samples =
                    recent.map(|(code, _, recent)| (vec![window.clone(), ("xid", code.to_string())], recent));
                let samples: Vec<_> = samples.collect();
                if samples.is_empty() { vec![(vec![window], 0)] } else { samples }
            }
            Self::RecentClockEvents => {
                let counts = seen.sums.throttle.recent.iter().map(|recent| recent.count(seen.now));
                let counts = CLOCK_EVENTS.into_iter().zip(counts).filter(|(_, count)| *count > 0);
                counts
                    .map(|(name, count)| (vec![("clock_event", name.to_owned()), window.clone()], count))
                    .collect()
            }
        }
    }
}
