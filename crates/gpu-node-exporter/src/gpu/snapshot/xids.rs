//! XIDs of one GPU: how many of each code, and the incident they are part of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::incident::Incidents;
use super::occurrence::{Occurrence, XidSource};
use crate::gpu::recent::Recent;
use crate::gpu::xid::{Severities, Severity};

/// XIDs of one GPU by code. Codes that matter exist from the start, at zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xids {
    counts: BTreeMap<(u32, Severity), XidCount>,
    /// Codes that came.
    seen: BTreeMap<u32, Seen>,
    /// The code that came last, and when: the clock may have been set back since the one before.
    latest: Option<(Instant, u32)>,
    pub(crate) incidents: Incidents,
}

/// Errors of one code. The two sources report the same errors and each may miss some, so the larger count is right.
#[derive(Clone, Debug, Default)]
struct Seen {
    from_driver: u64,
    from_kernel_log: u64,
    recent: Recent,
}

/// Errors of one code and severity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct XidCount {
    pub(crate) total: u64,
    /// Seconds since 1970.
    pub(crate) last: Option<f64>,
}

/// More different codes than the catalog has are somebody's mistake; they are not worth unbounded series.
pub(super) const MAX_XID_CODES: usize = 256;

impl Xids {
    /// None yet.
    pub(super) fn of_none(severities: &Severities) -> Self {
        let counts = severities.at_zero().map(|series| (series, XidCount::default())).collect();
        Self { counts, ..Self::default() }
    }

    /// Takes in one report.
    pub(super) fn count(&mut self, xid: Occurrence) {
        self.incidents.note(xid);
        if !self.has(xid.code) && self.codes() >= MAX_XID_CODES {
            return;
        }
        self.latest = self.latest.max(Some((xid.moment.now, xid.code)));
        let seen = self.seen.entry(xid.code).or_default();
        let before = seen.total();
        match xid.source {
            XidSource::Driver => seen.from_driver += 1,
            XidSource::KernelLog => seen.from_kernel_log += 1,
        }
        let more = seen.total() - before;
        seen.recent.add(xid.moment.now, more);
        let count = self.counts.entry((xid.code, xid.severity)).or_default();
        count.total += more;
        count.last = Some(xid.moment.at);
    }

    fn has(&self, code: u32) -> bool {
        self.counts.range((code, Severity::Info)..=(code, Severity::Fatal)).next().is_some()
    }

    fn codes(&self) -> usize {
        self.counts.keys().map(|(code, _)| code).collect::<BTreeSet<_>>().len()
    }

    /// Takes in what was counted before it was known whose it is.
    pub(super) fn add(&mut self, earlier: Self) {
        for (code, earlier) in earlier.seen {
            let seen = self.seen.entry(code).or_default();
            seen.from_driver += earlier.from_driver;
            seen.from_kernel_log += earlier.from_kernel_log;
            seen.recent.merge(earlier.recent);
        }
        for (series, more) in earlier.counts {
            let count = self.counts.entry(series).or_default();
            count.total += more.total;
            count.last = [count.last, more.last].into_iter().flatten().reduce(f64::max);
        }
        self.latest = self.latest.max(earlier.latest);
        self.incidents.add(earlier.incidents);
    }

    /// The code that came last.
    pub(crate) fn latest(&self) -> Option<u32> {
        self.latest.map(|(_, code)| code)
    }

    /// Errors by code since the exporter started, and those of the last five minutes; codes that never came are left out.
    pub(crate) fn by_code(&self, now: Instant) -> impl Iterator<Item = (u32, u64, u64)> {
        let seen = self.seen.iter().filter(|(_, seen)| seen.total() > 0);
        seen.map(move |(code, seen)| (*code, seen.total(), seen.recent.count(now)))
    }

    /// Each code in each severity that it had or may have.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Severity, &XidCount)> {
        self.counts.iter().map(|((code, severity), count)| (*code, *severity, count))
    }
}

impl Seen {
    fn total(&self) -> u64 {
        self.from_driver.max(self.from_kernel_log)
    }
}
