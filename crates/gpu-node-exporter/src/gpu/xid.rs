//! XIDs, the driver's error numbers: how the kernel log writes them, and how bad each is.
//!
//! Leaves out counting them and joining them to incidents (`snapshot`).

mod detail;
mod nvlink5;
mod record;
mod recovery;
mod severity;
mod table;

use serde::{Deserialize, Serialize};

pub(crate) use self::detail::Detail;
pub(crate) use self::record::{KernelRecords, Report};
pub(crate) use self::severity::Severity;
pub(crate) use self::table::Severities;

/// One XID, as NVML reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct XidEvent {
    pub(crate) uuid: String,
    pub(crate) xid: u64,
}

/// The GPU has left the bus. The driver may say so in words alone.
pub(crate) const FALLEN_OFF_THE_BUS: u32 = 79;

/// What the driver removes or adds after another error: the end of each channel that the error took with it (45), the action it now asks
/// for (154), and where in the memory an uncorrectable error was (171 and 172, details of 48).
const CONSEQUENCES: [u32; 4] = [45, 154, 171, 172];

/// Whether an XID only follows another one.
pub(crate) fn is_consequence(code: u32) -> bool {
    CONSEQUENCES.contains(&code)
}
