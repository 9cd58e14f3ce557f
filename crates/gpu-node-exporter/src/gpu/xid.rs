//! XID codes: how bad each is, and how the kernel log writes them.
//!
//! Classes follow NVIDIA's Xid catalog (Ampere and newer, sheet of 2025-10), by its immediate action.

use serde::{Deserialize, Serialize};

/// One XID, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct XidEvent {
    pub(crate) uuid: String,
    pub(crate) xid: u64,
}

/// What an XID asks of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The GPU needs a reset, the node a reboot, or a part is broken.
    Fatal,
    /// Look into it today.
    Warning,
    /// An application's fault, or a note.
    Info,
}

/// Codes that reset the GPU, reboot the node, or mean broken hardware.
const FATAL: [u32; 22] =
    [46, 48, 62, 64, 74, 79, 95, 119, 120, 136, 140, 143, 144, 145, 146, 147, 148, 149, 150, 155, 156, 158];

/// Codes that need a look: contained ECC errors, power cable, firmware trouble, reduced memory.
const WARNING: [u32; 9] = [54, 94, 109, 110, 151, 157, 167, 168, 169];

impl Class {
    /// The class of a code; unlisted ones are [`Class::Info`].
    pub(crate) fn of(xid: u32) -> Self {
        if FATAL.contains(&xid) {
            Self::Fatal
        } else if WARNING.contains(&xid) {
            Self::Warning
        } else {
            Self::Info
        }
    }
}

/// The codes whose counters exist from the start, so that `increase()` sees the first event.
pub(crate) fn known() -> impl Iterator<Item = u32> {
    FATAL.into_iter().chain(WARNING)
}

/// The PCI address (`0000:3b:00`, without function) and code in a kernel message such as
/// `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.`
pub(crate) fn parse_message(message: &str) -> Option<(&str, u32)> {
    let (_, rest) = message.split_once("NVRM: Xid (PCI:")?;
    let (address, rest) = rest.split_once("): ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((address, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_catalogs_class() {
        for (xid, class) in [(79, Class::Fatal), (150, Class::Fatal), (94, Class::Warning), (31, Class::Info)]
        {
            assert_eq!(Class::of(xid), class, "{xid}");
        }
    }

    #[test]
    fn kernel_messages_are_understood() {
        let cases = [
            (
                "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.",
                Some(("0000:3b:00", 79)),
            ),
            (
                "4,1184,5043021,-;NVRM: Xid (PCI:0000:17:00): 119, Timeout waiting for RPC",
                Some(("0000:17:00", 119)),
            ),
            ("NVRM: Xid (PCI:0000:3b:00): 31", Some(("0000:3b:00", 31))),
            ("NVRM: Xid (PCI:0000:3b:00): many", None),
            ("NVRM: GPU at PCI:0000:3b:00: GPU-1", None),
            ("usb 1-1: new device", None),
        ];
        for (message, expected) in cases {
            assert_eq!(parse_message(message), expected, "{message}");
        }
    }
}
