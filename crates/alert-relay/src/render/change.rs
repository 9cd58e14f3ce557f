//! Why an alert is in the message: with its severity this decides its sign and its colour (pure).

use crate::message::Message;
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

/// The sign of the whole message. Nothing looks good while Alertmanager has left alerts out: they may fire.
pub(super) fn group_icon(message: &Message, severity: &str) -> &'static str {
    let changes = &message.changes;
    let looks = if changes.is_firing() {
        Change::New
    } else if changes.resolved.is_empty() || message.truncated_alerts > 0 {
        Change::Vanished
    } else {
        Change::Resolved
    };
    looks.icon(severity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake;
    use crate::message::{Changes, sample};

    #[test]
    fn what_is_worse_looks_worse() {
        let check = |change: Change, severity, expected| assert_eq!(change.icon(severity), expected);
        check(Change::New, "Critical", "🔴");
        check(Change::Still, "warning", "🟠");
        check(Change::New, "", "🔵");
        check(Change::Resolved, "critical", "✅");
        check(Change::Vanished, "critical", "⚪");
    }

    #[test]
    fn nothing_looks_good_while_alerts_are_left_out() {
        let webhook = include_str!("testdata/truncated.json").replace("\"firing\"", "\"resolved\"");
        let notification = intake::parse(webhook.as_bytes()).unwrap();
        let mut message = sample::message(Changes { resolved: notification.alerts, ..Changes::default() });
        assert_eq!(group_icon(&message, ""), "✅");
        message.truncated_alerts = notification.truncated_alerts;
        assert_eq!(group_icon(&message, ""), "⚪");
    }
}
