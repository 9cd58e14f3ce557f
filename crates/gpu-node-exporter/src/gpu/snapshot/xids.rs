//! XIDs of one GPU: how many of each code, and the incident they are part of.

use std::collections::BTreeMap;
use std::time::Instant;

use super::incident::Incidents;
use super::occurrence::{Occurrence, XidSource};
use crate::gpu::recent::Recent;
use crate::gpu::xid::{Severities, Severity};

/// XIDs of one GPU by code. Codes that matter exist from the start, at zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xids {
    codes: BTreeMap<u32, Code>,
    pub(crate) incidents: Incidents,
}

/// Errors of one code. The two sources report the same errors and each may miss some, so the larger count is right.
#[derive(Clone, Debug, Default)]
struct Code {
    from_driver: u64,
    from_kernel_log: u64,
    severities: BTreeMap<Severity, XidCount>,
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
        let mut xids = Self::default();
        for (code, severity) in severities.at_zero() {
            xids.codes.entry(code).or_default().severities.entry(severity).or_default();
        }
        xids
    }

    /// Takes in one report.
    pub(super) fn count(&mut self, xid: Occurrence) {
        self.incidents.note(xid);
        if self.codes.len() >= MAX_XID_CODES && !self.codes.contains_key(&xid.code) {
            return;
        }
        let code = self.codes.entry(xid.code).or_default();
        let before = code.total();
        match xid.source {
            XidSource::Driver => code.from_driver += 1,
            XidSource::KernelLog => code.from_kernel_log += 1,
        }
        let more = code.total() - before;
        code.recent.add(xid.moment.now, more);
        let count = code.severities.entry(xid.severity).or_default();
        count.total += more;
        count.last = Some(xid.moment.at);
    }

    /// Takes in what was counted before it was known whose it is.
    pub(super) fn add(&mut self, earlier: Self) {
        for (code, earlier) in earlier.codes {
            let code = self.codes.entry(code).or_default();
            code.from_driver += earlier.from_driver;
            code.from_kernel_log += earlier.from_kernel_log;
            code.recent.merge(earlier.recent);
            for (severity, more) in earlier.severities {
                let count = code.severities.entry(severity).or_default();
                count.total += more.total;
                count.last = [count.last, more.last].into_iter().flatten().reduce(f64::max);
            }
        }
        self.incidents.add(earlier.incidents);
    }

    /// The code that came last.
    pub(crate) fn latest(&self) -> Option<u32> {
        let seen = self.iter().filter_map(|(code, _, count)| Some((code, count.last?)));
        seen.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(code, _)| code)
    }

    /// Errors by code since the exporter started, and those of the last five minutes; codes that never came are left out.
    pub(crate) fn by_code(&self, now: Instant) -> impl Iterator<Item = (u32, u64, u64)> {
        let seen = self.codes.iter().filter(|(_, code)| code.total() > 0);
        seen.map(move |(number, code)| (*number, code.total(), code.recent.count(now)))
    }

    /// Each code in each severity that it had or may have.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Severity, &XidCount)> {
        self.codes.iter().flat_map(|(code, of)| {
            of.severities.iter().map(move |(severity, count)| (*code, *severity, count))
        })
    }
}

impl Code {
    fn total(&self) -> u64 {
        self.from_driver.max(self.from_kernel_log)
    }
}
