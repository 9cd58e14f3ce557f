//! What the driver asks people to do about a GPU: NVML's recovery action (field 230, `nvmlDeviceGpuRecoveryAction_t` in nvml.h), which XID
//! 154 reports as it changes.

use super::severity::Severity;

/// The XID that reports a change.
pub(super) const ACTION_CHANGED: u32 = 154;

/// How bad it is that the driver asks for this action. One that is not known here is worth a look.
pub(super) fn severity(action: u32) -> Severity {
    match action {
        // Nothing.
        0 => Severity::Info,
        // Reset, reboot, drain and reset.
        1 | 2 | 4 => Severity::Fatal,
        // Drain peer-to-peer traffic; and recovery of the IMEX domain, which is not this GPU's fault.
        _ => Severity::Warning,
    }
}

/// The new action in what XID 154 says: `GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)`. The words differ by
/// driver, the numbers do not.
pub(super) fn changed_to(text: &str) -> Option<u32> {
    let (_, to) = text.split_once("recovery action changed from ")?.1.split_once(" to 0x")?;
    let digits = to.split(|symbol: char| !symbol.is_ascii_hexdigit()).next()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_action_counts() {
        for (text, action, bad) in [
            ("GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)", 4, Severity::Fatal),
            (
                "GPU recovery action changed from 0x4 (Drain and Reset) to 0x1 (GPU Reset Required)",
                1,
                Severity::Fatal,
            ),
            ("GPU recovery action changed from 0x0 (None) to 0x1 (PF FLR)", 1, Severity::Fatal),
            (
                "pid=1, name=a, GPU recovery action changed from 0x0 (None) to 0x2 (OS Reboot)",
                2,
                Severity::Fatal,
            ),
            ("GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)", 3, Severity::Warning),
            ("GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)", 0, Severity::Info),
            ("GPU recovery action changed from 0x0 (None) to 0x1f (New)", 31, Severity::Warning),
        ] {
            assert_eq!(changed_to(text), Some(action), "{text}");
            assert_eq!(severity(action), bad, "{text}");
        }
        for other in
            ["", "GPU recovery action changed from 0x0", "recovery action changed from 0x0 (None) to 0x (?)"]
        {
            assert_eq!(changed_to(other), None, "{other}");
        }
    }
}
