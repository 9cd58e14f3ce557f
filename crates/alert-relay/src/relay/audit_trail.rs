//! What is done by hand, and the line that it gets in the audit trail.

use std::sync::Arc;

use tracing::{error, info};

use crate::operation::audit_trail::{Action, Deed, TrailPage, Who};
use crate::outbox::StoreError;
use crate::relay::Relay;
use crate::settings::Problem;
use crate::test_report::{TestRefusal, TestReport};

impl Relay {
    /// Lines of the audit trail before `before`, newest first.
    pub(crate) async fn audit_trail(&self, before: Option<i64>, limit: u32) -> Result<TrailPage, StoreError> {
        self.outbox().trail(before, limit).await
    }

    /// Sends a test message for somebody.
    pub(crate) async fn send_test_for(&self, who: &Who, target: &str) -> Result<TestReport, TestRefusal> {
        let sent = self.send_test(target).await;
        let (is_done, result) = match &sent {
            Ok(report) => (report.is_delivered(), report.lines().join("; ")),
            Err(refusal) => (false, refusal.to_string()),
        };
        self.note(who, Action::SendTest, target.to_owned(), is_done, result).await;
        sent
    }

    /// Reads the settings again for somebody.
    pub(crate) async fn reload_for(self: &Arc<Self>, who: &Who, is_forced: bool) -> Result<(), Vec<Problem>> {
        let reloaded = self.reload(is_forced).await;
        let result = match &reloaded {
            Ok(()) => "the new settings are in force".to_owned(),
            // Without what stands in the file: not everybody who reads the trail may read that.
            Err(problems) => problems.iter().map(Problem::whereabouts).collect::<Vec<_>>().join("; "),
        };
        let subject = if is_forced { "settings, forced" } else { "settings" };
        self.note(who, Action::Reload, subject.to_owned(), reloaded.is_ok(), result).await;
        reloaded
    }

    /// Notes what somebody did, in the log and in the trail. What is done stays done where the trail cannot be written.
    pub(super) async fn note(
        &self,
        who: &Who,
        action: Action,
        subject: String,
        is_done: bool,
        result: String,
    ) {
        let deed = Deed { who: who.clone(), action, subject, is_done, result };
        let (name, word, subject, result) =
            (who.name(), action.as_str(), deed.bounded_subject(), deed.bounded_result());
        info!(who = name, action = word, subject, is_done, "{name}: {word} {subject}: {result}");
        if let Err(error) = self.outbox().note(deed).await {
            error!(who = name, action = word, %error, "the audit trail misses a line, {word} {subject} by {name}: {error}");
        }
    }
}
