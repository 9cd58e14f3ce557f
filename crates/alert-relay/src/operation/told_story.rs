//! A story for people who are not at a terminal: the same facts as `alert-relay explain` prints, as values.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Millis;
use crate::delivery::{RecipientStatus, SentPart};
use crate::notification::{Alert, LabelSet, Status};
use crate::operation::deliveries::DeliverySummary;
use crate::operation::unrouted::UnroutedAlert;
use crate::story::{Attempt, Story};

/// Alerts of one delivery that are told; the rest is a number.
pub(crate) const MOST_ALERTS: usize = 100;

/// One delivery, from its webhook to its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DeliveryStory {
    /// Where it stands.
    #[serde(flatten)]
    pub(crate) summary: DeliverySummary,
    /// The webhook's number.
    pub(crate) notification: i64,
    /// The notification of which the webhook is a copy.
    pub(crate) duplicate_of: Option<i64>,
    /// Who posted it: `externalURL` or an address, and the source in the URL. Empty: the relay itself, or it is not recorded.
    pub(crate) sender: String,
    /// The routes that wanted it, as they were then; `None`: not recorded.
    pub(crate) routes: Option<Vec<String>>,
    /// Who was to be mentioned.
    pub(crate) mentions: Vec<String>,
    /// The alerts for the target: at most [`MOST_ALERTS`]. Empty when the webhook is no longer stored.
    pub(crate) told_alerts: Vec<ToldAlert>,
    /// How many there are.
    pub(crate) alert_count: u64,
    /// Of these, outside of the target's hours.
    pub(crate) outside_hours: u64,
    /// Parts of the message, or recipients of the mail, that are proven delivered.
    pub(crate) parts_done: u32,
    /// How many parts the message has; `None`: it was never rendered.
    pub(crate) parts: Option<u32>,
    /// Of a mail: what became of its recipients.
    pub(crate) recipients: BTreeMap<String, RecipientStatus>,
    /// The newest attempts, oldest first.
    pub(crate) attempt_list: Vec<Attempt>,
    /// How many older ones are left out.
    pub(crate) older_attempts: u64,
    /// What was sent.
    pub(crate) sent: Sent,
}

/// One alert of a delivery.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ToldAlert {
    /// Alertmanager's hash of its labels.
    pub(crate) fingerprint: String,
    /// `firing` or `resolved`.
    pub(crate) status: &'static str,
    /// When it began to fire; `None`: the sender does not know.
    pub(crate) since: Option<Millis>,
    /// When it was resolved.
    pub(crate) until: Option<Millis>,
    /// What it is.
    pub(crate) labels: LabelSet,
    /// What people should read.
    pub(crate) annotations: LabelSet,
    /// It is outside of the target's hours.
    pub(crate) is_outside_hours: bool,
}

/// What is known of the text that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Sent {
    /// As it was sent; of many parts, and of mails, the first.
    #[serde(rename = "as_sent")]
    Kept {
        /// Its parts.
        parts: Vec<SentPart>,
    },
    /// Made again from the webhook, as for a chat that knows of nothing: what the chat knew then is not stored.
    MadeAgain {
        /// Its parts.
        parts: Vec<SentPart>,
    },
    /// Nothing to show.
    Nothing {
        /// Why: it was not sent, or what it was made of is no longer stored.
        reason: String,
    },
}

/// One alert, across groups and targets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AlertStory {
    /// Alertmanager's hash of its labels.
    pub(crate) fingerprint: String,
    /// As the newest webhook has it; `None`: that is no longer stored.
    pub(crate) alert: Option<ToldAlert>,
    /// Its deliveries, newest first, each with its attempts.
    pub(crate) deliveries: Vec<DeliveryStory>,
    /// Webhooks in which no route wanted it, newest first.
    pub(crate) unrouted: Vec<UnroutedAlert>,
    /// There are more than these, or older ones that were not looked at.
    pub(crate) is_cut: bool,
}

impl DeliveryStory {
    /// Put together from what the store has.
    pub(crate) fn of(
        summary: DeliverySummary,
        story: Story,
        told_alerts: Vec<ToldAlert>,
        sent: Sent,
    ) -> Self {
        let received = story.received;
        let sender = match &received.sender.source {
            Some(source) => format!("{} (source {source})", received.sender.name),
            None => received.sender.name,
        };
        Self {
            summary,
            notification: received.notification,
            duplicate_of: received.duplicate_of,
            sender,
            routes: story.routes,
            mentions: story.mentions.into_keys().collect(),
            told_alerts,
            alert_count: (story.alerts.len() + story.outside_hours.len()) as u64,
            outside_hours: story.outside_hours.len() as u64,
            parts_done: story.parts_done,
            parts: story.rendering.map(|rendering| rendering.parts),
            recipients: story.recipients,
            attempt_list: story.attempts,
            older_attempts: story.older_attempts,
            sent,
        }
    }
}

/// Bytes of labels and annotations that are told of one delivery: the alerts that fit, one at least.
const MOST_TOLD_BYTES: usize = 256 * 1024;

/// Alerts as they are told, as many as fit, each with whether it is outside of the target's hours.
pub(crate) fn told_alerts<'a>(alerts: impl Iterator<Item = (&'a Alert, bool)>) -> Vec<ToldAlert> {
    let mut bytes = 0;
    let told = alerts.take(MOST_ALERTS).take_while(|(alert, _)| {
        let is_first = bytes == 0;
        let pairs = alert.labels.iter().chain(&alert.annotations);
        bytes += pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>().max(1);
        is_first || bytes <= MOST_TOLD_BYTES
    });
    told.map(|(alert, is_outside_hours)| ToldAlert {
        fingerprint: alert.fingerprint.0.clone(),
        status: alert.status.as_str(),
        since: alert.known_start().map(Millis::from),
        until: alert.ends_at.filter(|_| alert.status == Status::Resolved).map(Millis::from),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        is_outside_hours,
    })
    .collect()
}
