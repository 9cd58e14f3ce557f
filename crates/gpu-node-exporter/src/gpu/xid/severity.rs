//! What an XID asks of people.

/// What an XID asks of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// An application's fault, or a note.
    Info,
    /// Look into it today.
    Warning,
    /// The GPU needs a reset, the node a reboot, or a part is broken.
    Fatal,
}

impl Severity {
    /// All, and the words for them.
    pub(crate) const LABELS: [(&str, Self); 3] =
        [("info", Self::Info), ("warning", Self::Warning), ("fatal", Self::Fatal)];

    /// As a label's value.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize].0
    }
}
