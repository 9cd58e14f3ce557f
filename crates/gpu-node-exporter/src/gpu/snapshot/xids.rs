//! XIDs of one GPU, counted by code.

use std::collections::BTreeMap;

use crate::gpu::xid;

/// XIDs of one GPU by code. Codes that matter exist from the start, at zero.
#[derive(Clone, Debug)]
pub(crate) struct Xids(BTreeMap<u32, XidCount>);

/// Events of one code. The two sources report the same events and each may miss some, so the larger count is right.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct XidCount {
    from_driver: u64,
    from_kernel_log: u64,
    /// Seconds since 1970.
    pub(crate) last: Option<f64>,
}

/// Who reported an XID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XidSource {
    Driver,
    KernelLog,
}

/// More different codes than the catalog has are somebody's mistake; they are not worth unbounded series.
pub(super) const MAX_XID_CODES: usize = 256;

impl Default for Xids {
    fn default() -> Self {
        Self(xid::known().map(|code| (code, XidCount::default())).collect())
    }
}

impl Xids {
    /// Takes in one XID; `at` is seconds since 1970.
    pub(super) fn count(&mut self, code: u32, source: XidSource, at: f64) {
        if self.0.len() >= MAX_XID_CODES && !self.0.contains_key(&code) {
            return;
        }
        let count = self.0.entry(code).or_default();
        match source {
            XidSource::Driver => count.from_driver += 1,
            XidSource::KernelLog => count.from_kernel_log += 1,
        }
        count.last = Some(at);
    }

    /// Takes in what was counted before it was known whose it is.
    pub(super) fn add(&mut self, earlier: &Self) {
        for (code, more) in &earlier.0 {
            if more.last.is_none() {
                continue;
            }
            let count = self.0.entry(*code).or_default();
            count.from_driver += more.from_driver;
            count.from_kernel_log += more.from_kernel_log;
            count.last = [count.last, more.last].into_iter().flatten().reduce(f64::max);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &XidCount)> {
        self.0.iter().map(|(code, count)| (*code, count))
    }
}

impl XidCount {
    pub(crate) fn total(&self) -> u64 {
        self.from_driver.max(self.from_kernel_log)
    }
}
