//! Errors that a device, or a root port, saw on its link (see the kernel's `ABI/testing/sysfs-bus-pci-devices-aer_stats`).
//!
//! Owns their files, what is in one, and the families.

use super::reading;
use crate::collector::Fault;
use crate::family::{Family, Labels};
use crate::host::kept_file::{Buffer, KeptFile};

/// Files with the errors that a device reported, and their severity.
pub(super) const ERRORS: [(&str, &str); 3] =
    [("aer_dev_correctable", "correctable"), ("aer_dev_nonfatal", "nonfatal"), ("aer_dev_fatal", "fatal")];

/// By severity, and of each severity by kind.
pub(super) struct ErrorFamilies {
    errors: Family,
    kinds: Family,
}

impl ErrorFamilies {
    pub(super) fn new() -> Self {
        Self {
            errors: Family::counter(
                "node_pci_aer_errors_total",
                "Errors that the device, or the root port that devices hang on, saw on its PCIe link and the kernel counted (AER), by severity.",
            ),
            kinds: Family::counter(
                "node_pci_aer_errors_by_kind_total",
                "The same errors by kind, as the PCIe specification calls them; a kind is there once it happened.",
            ),
        }
    }

    pub(super) fn into_array(self) -> [Family; 2] {
        [self.errors, self.kinds]
    }

    /// Adds what these files, in the order of [`ERRORS`], say of a device.
    pub(super) fn add(
        &mut self,
        labels: &Labels,
        files: &mut [Option<KeptFile>; ERRORS.len()],
        buffer: &mut Buffer,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        for ((_, severity), file) in ERRORS.iter().zip(files) {
            let labels = labels.and([("severity", severity)]);
            match reading(file.as_mut(), buffer, Errors::parse) {
                Ok(Some(Errors { total, kinds })) => {
                    self.errors.push(labels.clone(), total);
                    for (kind, count) in kinds {
                        self.kinds.push(labels.and([("kind", kind)]), count);
                    }
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }
}

/// The errors of one severity.
#[derive(Debug, PartialEq)]
struct Errors {
    total: u64,
    /// Those that happened.
    kinds: Vec<(String, u64)>,
}

impl Errors {
    /// Lines like `RxErr 3`, and after them the sum, `TOTAL_ERR_COR 3`.
    fn parse(text: &str) -> Option<Self> {
        let mut errors = Self { total: 0, kinds: Vec::new() };
        let mut total = None;
        for line in text.lines() {
            let (kind, count) = line.rsplit_once(' ')?;
            let count: u64 = count.parse().ok()?;
            if kind.starts_with("TOTAL_ERR_") {
                total = Some(count);
            } else if count > 0 {
                errors.kinds.push((kind.to_owned(), count));
            }
        }
        errors.total = total?;
        Some(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn garbage_is_no_count() {
        check_garbage(
            |text| Errors::parse(text).is_none().then(|| Fault::new("odd")).into_iter().collect(),
            &["", "RxErr 1", "RxErr", "RxErr -1\nTOTAL_ERR_COR 1", "TOTAL_ERR_COR x"],
        );
    }
}
