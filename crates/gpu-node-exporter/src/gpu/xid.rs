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

/// The PCI address (`0000:3b:00`, without function) and the code in a record of `/dev/kmsg` such as
/// `4,1184,5043021,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.`
///
/// The address may be followed by a MIG instance (`PCI:0000:17:00 GPU-I:02 GPU-CI:01`). Any program can choose its name so that the
/// kernel writes such a text about it (a crash, an audit record), and root in a container can write records of its own: those do not begin with
/// the driver's words, or have another facility than the kernel's (ABI/testing/dev-kmsg). 0 is no XID.
pub(crate) fn parse_record(record: &str) -> Option<(&str, u32)> {
    let (prefix, message) = record.split_once(';')?;
    let priority: u32 = prefix.split(',').next()?.parse().ok()?;
    // The lowest three bits are the level, the others the facility; 0 is the kernel.
    if priority >> 3 != 0 {
        return None;
    }
    let (place, rest) = message.strip_prefix("NVRM: Xid (PCI:")?.split_once("): ")?;
    let (address, _instance) = place.split_once(' ').unwrap_or((place, ""));
    let is_address = address.chars().all(|symbol| symbol.is_ascii_hexdigit() || ":.".contains(symbol));
    let code = rest.split(|symbol: char| !symbol.is_ascii_digit()).next()?.parse().ok()?;
    (is_address && code != 0).then_some((address, code))
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
    fn the_drivers_records_are_understood() {
        let cases = [
            (
                "4,1184,5043021,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.",
                ("0000:3b:00", 79),
            ),
            (
                "4,1184,5043021,-;NVRM: Xid (PCI:0000:17:00): 119, Timeout waiting for RPC",
                ("0000:17:00", 119),
            ),
            ("3,7,9,-;NVRM: Xid (PCI:0000:3b:00): 31", ("0000:3b:00", 31)),
            (
                "4,1,1,-;NVRM: Xid (PCI:0000:17:00 GPU-I:05): 94, pid=7194, name=python3, Contained: CE User Channel (0x9).",
                ("0000:17:00", 94),
            ),
            ("4,2,2,-;NVRM: Xid (PCI:0000:17:00 GPU-I:02 GPU-CI:01): 13, pid=9, name=a", ("0000:17:00", 13)),
        ];
        for (record, expected) in cases {
            assert_eq!(parse_record(record), Some(expected), "{record}");
        }
    }

    #[test]
    fn nobody_else_writes_xids() {
        let others = [
            "6,1,1,-;usb 1-1: new device",
            "4,2,2,-;NVRM: GPU at PCI:0000:3b:00: GPU-1",
            "4,3,3,-;NVRM: Xid (PCI:0000:3b:00): many",
            "4,4,4,-;NVRM: Xid (PCI:0000:3b:00): 0, nothing",
            "4,5,5,-;NVRM: Xid (PCI:everything there is): 79",
            // Programs that crash under a name of their choice.
            "6,6,6,-;NVRM: Xid (PCI:[812]: segfault at 0 ip 0 sp 0 error 4 in NVRM: Xid (PCI:0000:3b:00): 79,",
            "6,6,6,-;traps: NVRM: Xid (PCI:0000:3b:00): 79[812] general protection fault",
            "5,7,7,-;audit: type=1701 audit(0): pid=8 comm=\"NVRM: Xid (PCI:0000:3b:00): 79\" sig=11",
            // Who may write to /dev/kmsg, and what systemd and rsyslog write there: facilities user and daemon.
            "12,8,8,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.",
            "30,9,9,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.",
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=7, without what the kernel writes before it",
            ",,,;NVRM: Xid (PCI:0000:3b:00): 79",
        ];
        for record in others {
            assert_eq!(parse_record(record), None, "{record}");
        }
    }
}
