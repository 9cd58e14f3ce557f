//! Errors of the node's NVSwitches (SXids), which have no UUID: by PCI address.

use std::collections::BTreeMap;

use super::xids::{MAX_XID_CODES, XidCount};
use crate::gpu::xid::Severity;

/// More switches than a node has (six on an HGX H100 baseboard pair) are somebody's mistake.
const MAX_SWITCHES: usize = 64;

/// Errors by PCI address, then by code and severity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches(BTreeMap<String, BTreeMap<(u32, Severity), XidCount>>);

impl Switches {
    /// Takes in one error; `at` is seconds since 1970.
    pub(super) fn count(&mut self, address: &str, code: u32, severity: Severity, at: f64) {
        if self.0.len() >= MAX_SWITCHES && !self.0.contains_key(address) {
            return;
        }
        let codes = self.0.entry(address.to_owned()).or_default();
        if codes.len() >= MAX_XID_CODES && !codes.contains_key(&(code, severity)) {
            return;
        }
        let count = codes.entry((code, severity)).or_default();
        *count = XidCount { total: count.total + 1, last: Some(at) };
    }

    /// Each switch's errors.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32, Severity, &XidCount)> {
        self.0.iter().flat_map(|(address, codes)| {
            codes.iter().map(move |((code, severity), count)| (address.as_str(), *code, *severity, count))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut switches = Switches::default();
        for code in 1..1_000 {
            switches.count("0000:84:00.0", code, Severity::Fatal, 1.0);
        }
        assert_eq!(switches.iter().count(), MAX_XID_CODES);
        for slot in 0..200 {
            switches.count(&format!("0000:{slot:02x}:00.0"), 1, Severity::Fatal, 1.0);
        }
        assert_eq!(switches.0.len(), MAX_SWITCHES);
        switches.count("0000:84:00.0", 5, Severity::Fatal, 2.0);
        let seen = switches.iter().find(|(address, code, ..)| (*address, *code) == ("0000:84:00.0", 5));
        assert_eq!(seen.map(|(.., count)| *count), Some(XidCount { total: 2, last: Some(2.0) }));
    }
}
