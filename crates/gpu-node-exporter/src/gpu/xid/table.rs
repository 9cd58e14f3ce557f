//! How bad each XID is.
//!
//! By this order: what the operator says (`--gpu.xid-severity`), the action that XID 154 says the driver asks for, the sub-code of an NVLink
//! error, the code. The table of codes follows NVIDIA's Xid catalog (sheet of 2025-10, docs.nvidia.com/deploy/xid-errors) by its immediate
//! action: reset, reboot and procedures of their own are fatal; what calls for support or a hand is a warning; what ends or is left to an
//! application is information. A test compares it with the catalog, and names where it differs and why.

use std::collections::BTreeMap;

use super::severity::Severity;
use super::{nvlink5, recovery};

/// Reset the GPU, reboot the node, or replace the board.
const FATAL: [u32; 15] = [46, 48, 62, 64, 74, 79, 95, 119, 120, 136, 140, 143, 155, 158, 167];

/// A look is due, and their series exist from the start. Any code that is in none of the three lists is a warning too: the catalog calls for
/// support, or does not have it yet.
const WARNING: [u32; 23] = [
    54, 78, 94, 109, 110, 144, 145, 146, 147, 148, 149, 150, 151, 154, 156, 157, 163, 164, 165, 166, 168,
    169, 170,
];

/// An application's faults, and notes.
const INFO: [u32; 73] = [
    8, 11, 13, 14, 25, 31, 32, 37, 38, 39, 40, 41, 43, 44, 45, 60, 63, 66, 67, 68, 69, 70, 71, 72, 75, 76,
    77, 80, 82, 83, 84, 85, 86, 88, 89, 92, 93, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108,
    121, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 137, 139, 141, 142, 152, 153, 159, 160, 161, 162,
    171, 172,
];

/// How bad XIDs are on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Severities(BTreeMap<u32, Severity>);

impl Severities {
    /// The table, with what an operator says about some codes in front.
    pub(crate) fn with(overrides: impl IntoIterator<Item = (u32, Severity)>) -> Self {
        Self(overrides.into_iter().collect())
    }

    /// How bad one XID is. `text` is what the kernel log says behind the code; `branch` is the driver's (575 of 575.57.08).
    pub(crate) fn of(&self, code: u32, text: Option<&str>, branch: Option<u32>) -> Severity {
        if let Some(severity) = self.0.get(&code) {
            return *severity;
        }
        let by_text = text.and_then(|text| {
            if code == recovery::ACTION_CHANGED {
                recovery::changed_to(text).map(recovery::severity)
            } else if nvlink5::CODES.contains(&code) {
                nvlink5::severity(code, text, branch)
            } else {
                None
            }
        });
        by_text.unwrap_or_else(|| by_code(code))
    }

    /// Whether it depends on the record in the kernel log how bad an XID is: NVML gives the code alone.
    pub(crate) fn depends_on_text(code: u32) -> bool {
        nvlink5::CODES.contains(&code) || code == recovery::ACTION_CHANGED
    }

    /// How bad it is that the driver asks for an action (NVML field 230).
    pub(crate) fn of_recovery_action(action: u32) -> Severity {
        recovery::severity(action)
    }

    /// The series that exist from the start, so that `increase()` sees the first error: codes of warning and above, each with all that it
    /// can be.
    pub(crate) fn at_zero(&self) -> impl Iterator<Item = (u32, Severity)> {
        let codes = FATAL.into_iter().chain(WARNING).chain(self.0.keys().copied());
        codes.flat_map(|code| {
            let is_open = Self::depends_on_text(code) && !self.0.contains_key(&code);
            let own = self.of(code, None, None);
            let worse = is_open.then_some(Severity::Fatal);
            [Some(own), worse]
                .into_iter()
                .flatten()
                .filter(|severity| *severity > Severity::Info)
                .map(move |severity| (code, severity))
        })
    }
}

fn by_code(code: u32) -> Severity {
    if FATAL.contains(&code) {
        Severity::Fatal
    } else if INFO.contains(&code) {
        Severity::Info
    } else {
        Severity::Warning
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Severity::{Fatal, Info, Warning};
    use super::*;

    /// Where the table differs from the catalog's immediate action, and why.
    const DIFFERS: [(u32, Severity, &str); 13] = [
        (45, Info, "WORKFLOW_XID_45: it follows other errors by the thousand"),
        (48, Fatal, "WORKFLOW_XID_48: an uncorrectable error in memory"),
        (74, Fatal, "WORKFLOW_NVLINK_ERR: NVLink before NVLink 5, which has no sub-codes to tell otherwise"),
        (94, Warning, "RESTART_APP: but a memory error that ended an application is looked at"),
        (
            109,
            Warning,
            "RESET_GPU: NVIDIA's device plugin takes it for an application's; 154 tells when a reset is due",
        ),
        (
            110,
            Warning,
            "RESET_GPU: a security fault of software in the first place; 154 tells when a reset is due",
        ),
        (142, Info, "CONTACT_SUPPORT: the other video encoders' errors end the application alone"),
        (156, Warning, "RESET_GPU: a part was retired and works no more; 154 tells when the reset is due"),
        (157, Warning, "IGNORE: but the part that could not be retired is still in use"),
        (162, Info, "no action: power smoothing works again"),
        (167, Fatal, "no action: PCIe time-out, after which the GPU is gone"),
        (171, Info, "no action: details of 48"),
        (172, Info, "no action: details of 48"),
    ];

    #[test]
    fn the_table_follows_nvidias_catalog() {
        let catalog = include_str!("testdata/catalog.csv").lines().filter(|line| !line.starts_with('#'));
        let mut differing = Vec::new();
        let mut codes = BTreeSet::new();
        for line in catalog {
            let (code, action) = line.split_once(',').expect(line);
            let code = code.parse().expect(line);
            codes.insert(code);
            // The last two: what the text says, and what has no action yet.
            let expected = match action.trim_end_matches(" unused") {
                "RESET_GPU" | "RESTART_BM" => Fatal,
                "RESTART_APP" | "IGNORE" | "CHECK_UVM" => Info,
                "CONTACT_SUPPORT" | "CHECK_MECHANICALS" | "UPDATE_SWFW" | "RESTART_VM" | "XID_154" | "" => {
                    Warning
                }
                action => {
                    assert!(action.starts_with("WORKFLOW"), "{action} is new");
                    Warning
                }
            };
            if by_code(code) != expected {
                differing.push((code, by_code(code)));
            }
        }
        let named: Vec<_> = DIFFERS.iter().map(|(code, severity, _)| (*code, *severity)).collect();
        assert_eq!(differing, named);
        assert_eq!(codes.len(), 172);
        assert!(FATAL.iter().chain(&WARNING).chain(&INFO).all(|code| codes.contains(code)));
    }

    #[test]
    fn the_table_agrees_with_what_others_publish() {
        // The codes that NVIDIA's device plugin for Kubernetes leaves to the application.
        for code in [13, 31, 43, 45, 68, 109] {
            assert_ne!(by_code(code), Fatal, "{code}");
        }
        // The codes that call somebody in the rules of nvidia_gpu_exporter 1.9.
        for code in [48, 62, 64, 74, 79, 95, 119, 120] {
            assert_eq!(by_code(code), Fatal, "{code}");
        }
        assert_eq!(by_code(94), Warning);
    }

    #[test]
    fn each_code_is_listed_once() {
        let all: Vec<_> = FATAL.iter().chain(&WARNING).chain(&INFO).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn more_than_the_code_is_heard() {
        let action = "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)";
        let link = "RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000002 0x00000000)";
        let none = Severities::default();
        for (code, text, expected) in [
            (154, Some(action), Fatal),
            (154, None, Warning),
            (145, Some(link), Info),
            (145, None, Warning),
            // Only where the words belong to the code.
            (31, Some(action), Info),
            (999, Some("something new"), Warning),
        ] {
            assert_eq!(none.of(code, text, Some(570)), expected, "{code} {text:?}");
        }
        let own = Severities::with([(154, Info), (31, Fatal)]);
        assert_eq!(own.of(154, Some(action), None), Info);
        assert_eq!(own.of(31, None, None), Fatal);
    }

    #[test]
    fn series_exist_at_zero_for_what_matters() {
        let series: BTreeSet<_> = Severities::default().at_zero().collect();
        assert!(series.contains(&(79, Fatal)) && series.contains(&(94, Warning)));
        assert!(series.contains(&(149, Warning)) && series.contains(&(149, Fatal)), "both can come");
        assert!(series.iter().all(|(_, severity)| *severity != Info));
        let own: BTreeSet<_> = Severities::with([(79, Info), (31, Fatal), (149, Info)]).at_zero().collect();
        assert!(own.contains(&(31, Fatal)));
        assert!(own.iter().all(|(code, _)| ![79, 149].contains(code)));
    }
}
