//! Why an alert is told and how bad it is: what decides its order, its sign and its colour (pure).

/// Why an alert is told: the lists of [`Changes`](crate::message::Changes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Fires, and is news.
    New,
    /// Is over.
    Resolved,
    /// Is gone without a word.
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
        match (self, severity_rank(severity)) {
            (Self::Resolved, _) => "✅",
            (Self::Vanished, _) => "⚪",
            (_, 2) => "🔴",
            (_, 1) => "🟠",
            _ => "🔵",
        }
    }

    /// The same for HTML.
    pub(crate) fn color(self, severity: &str) -> &'static str {
        match (self, severity_rank(severity)) {
            (Self::Resolved, _) => "#188038",
            (Self::Vanished, _) => "#80868b",
            (_, 2) => "#d93025",
            (_, 1) => "#e8710a",
            _ => "#1a73e8",
        }
    }
}

/// 2: wakes people; 1: wants a look; 0: all else. Severities are free text; these are the customary words.
pub(crate) fn severity_rank(severity: &str) -> u8 {
    match severity.to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "fatal" | "disaster" | "p0" => 2,
        "warning" | "warn" | "error" | "major" | "high" | "p1" => 1,
        _ => 0,
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
