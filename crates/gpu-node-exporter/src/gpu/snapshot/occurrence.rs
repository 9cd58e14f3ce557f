//! One report of an XID: what, from whom, and when.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::gpu::xid::Severity;

/// Who reported an XID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XidSource {
    Driver,
    KernelLog,
}

/// When something was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Seconds since 1970, to be shown.
    pub(crate) at: f64,
    /// To be measured from.
    pub(crate) now: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { at: since_1970.as_secs_f64(), now: Instant::now() }
    }
}

/// One report of an XID.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occurrence {
    pub(crate) code: u32,
    pub(crate) severity: Severity,
    pub(crate) source: XidSource,
    pub(crate) moment: Moment,
    /// The XID that it follows, as its record says, and how bad that one is.
    pub(crate) cause: Option<(u32, Severity)>,
}

impl Occurrence {
    pub(super) fn new(code: u32, severity: Severity, source: XidSource, moment: Moment) -> Self {
        Self { code, severity, source, moment, cause: None }
    }
}
