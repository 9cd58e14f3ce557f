//! Why an alert is in the message: with its severity this decides its sign and its colour (pure).

use crate::severity::Severity;

/// Why an alert is in the message: the lists of [`Changes`](crate::message::Changes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Fires, and is not known yet.
    New,
    /// Is over.
    Resolved,
    /// No longer in the group, and never reported as resolved.
    Vanished,
    /// Fires, and is known.
    Still,
}

impl Change {
    /// The word a template compares with.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Resolved => "resolved",
            Self::Vanished => "vanished",
            Self::Still => "still",
        }
    }

    /// The sign before an alert: colour is seen before anything is read.
    pub(crate) fn icon(self, severity: &str) -> &'static str {
        match (self, Severity::of(severity)) {
            (Self::Resolved, _) => "✅",
            (Self::Vanished, _) => "⚪",
            (Self::New | Self::Still, Severity::Critical) => "🔴",
            (Self::New | Self::Still, Severity::Warning) => "🟠",
            (Self::New | Self::Still, Severity::Other) => "🔵",
        }
    }

    /// The same for HTML.
    pub(crate) fn color(self, severity: &str) -> &'static str {
        match (self, Severity::of(severity)) {
            (Self::Resolved, _) => "#188038",
            (Self::Vanished, _) => "#80868b",
            (Self::New | Self::Still, Severity::Critical) => "#d93025",
            (Self::New | Self::Still, Severity::Warning) => "#e8710a",
            (Self::New | Self::Still, Severity::Other) => "#1a73e8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_looks_worse() {
        let check = |change: Change, severity, expected| assert_eq!(change.icon(severity), expected);
        check(Change::New, "Critical", "🔴");
        check(Change::Still, "warning", "🟠");
        check(Change::New, "", "🔵");
        check(Change::Resolved, "critical", "✅");
        check(Change::Vanished, "critical", "⚪");
    }
}
