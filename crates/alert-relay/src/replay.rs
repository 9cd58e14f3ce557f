//! What other settings would have done with webhooks that were accepted before (pure).
//!
//! Owns the comparison: the same webhooks through two sets of settings, or through one and what the store recorded. Leaves out where the
//! webhooks come from and how the outcome is shown (`commands`).
//!
//! Each webhook is routed as of the time it was accepted, in that order, and told at once. Nothing waits for a budget and nothing merges,
//! so that the counts are the most that there could be.

use crate::notification::Notification;
use crate::replay::routing::Routing;
use crate::replay::side::Side;
use crate::routes::Planned;
use crate::settings::Settings;
use crate::story::Received;

mod load;
mod memory;
mod report;
mod routing;
mod side;
mod text_diff;

#[cfg(test)]
mod tests;

pub(crate) use crate::replay::load::Load;
pub(crate) use crate::replay::report::{
    Read, ReceiverChange, Report, RoutingChange, TargetChange, TextChange,
};

/// Messages whose texts are shown, of one target.
const TEXTS_OF_A_TARGET: usize = 3;

/// Messages whose texts are shown, of all targets.
const TEXTS: usize = 30;

/// A comparison under way.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    before: Side<'a>,
    after: Side<'a>,
    is_recorded: bool,
    routing: Routing,
    report: Report,
}

impl<'a> Replay<'a> {
    /// Compares what `next` would do with what `current` would; without it, with the routing that the store has recorded. The texts of that
    /// time are not stored: they are then made with the channels of `next`.
    pub(crate) fn new(current: Option<&'a Settings>, next: &'a Settings) -> Self {
        Self {
            before: Side::new(current.unwrap_or(next)),
            after: Side::new(next),
            is_recorded: current.is_none(),
            routing: Routing::default(),
            report: Report::default(),
        }
    }

    /// One webhook; `recorded` is where it went, as the store has it.
    pub(crate) fn take(&mut self, stored: &Received, webhook: &Notification, recorded: Vec<Planned>) {
        let alerts = webhook.alerts.len() as u64;
        let before = if self.is_recorded { Some(recorded) } else { self.before.route(stored, webhook) };
        let after = self.after.route(stored, webhook);
        match (&before, &after) {
            (Some(before), Some(after)) => {
                let receiver = self.after.receiver(stored);
                self.routing.compare(stored, webhook, (before, after), receiver);
            }
            (None, None) => {}
            (before, _) => self.report.receiver_changed(&stored.endpoint, before.is_some(), alerts),
        }
        let told_before = self.before.tell(stored, webhook, &before.unwrap_or_default());
        let told_after = self.after.tell(stored, webhook, &after.unwrap_or_default());
        for (target, after) in told_after {
            if let Some(before) = told_before.get(&target)
                && *before != after
            {
                self.text_changed(&target, stored, before, &after);
            }
        }
    }

    fn text_changed(&mut self, target: &str, stored: &Received, before: &str, after: &str) {
        let count = self.report.texts_changed.entry(target.to_owned()).or_default();
        *count += 1;
        let shown = self.report.texts.iter().filter(|text| text.target == target).count();
        if shown < TEXTS_OF_A_TARGET && self.report.texts.len() < TEXTS {
            self.report.texts.push(TextChange {
                target: target.to_owned(),
                notification: stored.notification,
                at: stored.at,
                diff: text_diff::unified(before, after),
            });
        }
    }

    /// The outcome; `read` is what the webhooks were taken from.
    pub(crate) fn finish(self, read: Read) -> Report {
        let Self { before, after, is_recorded, routing, mut report } = self;
        report.read = read;
        report.is_recorded = is_recorded;
        report.forgotten = before.forgotten().max(after.forgotten());
        (report.routing, report.routing_more) = routing.into_changes();
        report.targets = report::targets(before.into_loads(), after.into_loads());
        report
    }
}
