//! When two samples of a family are the same series.

use crate::family::{Labels, Sample};

/// What tells a sample from the others of its family: its suffix, and its labels but those without a value, which
/// Prometheus takes for absent.
pub(super) type Series = (&'static str, Labels);

/// The sample's labels are in the order of their names, as a file's are after it was read.
pub(super) fn series_of(sample: &Sample) -> Series {
    let labels = &sample.labels;
    if labels.escaped().all(|(_, value)| !value.is_empty()) {
        return (sample.suffix, labels.clone());
    }
    (sample.suffix, Labels::new(labels.iter().filter(|(_, value)| !value.is_empty())))
}

/// Whether all samples of a family are shown with the label: `le` and `quantile` belong to single samples.
pub(super) fn is_common(label: &str) -> bool {
    label != "le" && label != "quantile"
}
