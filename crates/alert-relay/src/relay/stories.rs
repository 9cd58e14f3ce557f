//! What became of a delivery or of an alert, for somebody who asks.

use std::collections::HashSet;

use crate::delivery::{End, PublicId};
use crate::intake;
use crate::notification::{Alert, Fingerprint};
use crate::offload::offload;
use crate::operation::told_story::{AlertStory, DeliveryStory, Sent, ToldAlert, told_alerts};
use crate::operation::unrouted::UnroutedAlert;
use crate::relay::Relay;
use crate::relay::looking::{LookRefusal, LookedAt};
use crate::relay::previews::{PreviewRefusal, only};
use crate::story::{DeliveryStatus, Story, Unrouted};

/// Bytes of messages that an alert's story shows, of its newest deliveries; what is beyond is shown with each delivery.
const SENT_TEXTS: usize = 256 * 1024;

impl Relay {
    /// One delivery from its webhook to its end; `None`: there is no such delivery in this store, or no longer.
    pub(crate) async fn delivery_story(&self, id: &PublicId) -> Result<Option<DeliveryStory>, LookRefusal> {
        let (summary, story) = (self.outbox().summary(id).await?, self.outbox().story(id).await?);
        let (Some(summary), Some(mut story)) = (summary, story) else { return Ok(None) };
        let webhook = self.stored(story.received.notification).await?;
        let alerts = match webhook.clone() {
            Some(webhook) => self.told_alerts(webhook, &story).await,
            None => Vec::new(),
        };
        let sent = self.sent(&mut story, webhook).await?;
        Ok(Some(DeliveryStory::of(summary, story, alerts, sent)))
    }

    /// One alert's deliveries and where no route wanted it, across groups and targets.
    pub(crate) async fn alert_story(&self, of: &Fingerprint) -> Result<AlertStory, LookRefusal> {
        let sightings = self.outbox().sightings(of).await?;
        let mut deliveries = Vec::with_capacity(sightings.deliveries.len());
        let mut alert = None;
        let mut room = SENT_TEXTS;
        for sighting in &sightings.deliveries {
            let (summary, story) =
                (self.outbox().summary(&sighting.id).await?, self.outbox().story(&sighting.id).await?);
            let (Some(summary), Some(mut story)) = (summary, story) else { continue };
            if alert.is_none()
                && let Some(webhook) = self.stored(story.received.notification).await?
            {
                alert = self.alert_in(webhook, of.clone()).await;
            }
            let bytes: usize = story.sent.iter().map(|part| part.text.len()).sum();
            let sent = if bytes > 0 && bytes <= room {
                room -= bytes;
                Sent::Kept { parts: std::mem::take(&mut story.sent) }
            } else {
                Sent::Nothing { reason: format!("it is shown with the delivery {}", sighting.id) }
            };
            deliveries.push(DeliveryStory::of(summary, story, Vec::new(), sent));
        }
        let mut unrouted = Vec::with_capacity(sightings.unrouted.len());
        for seen in &sightings.unrouted {
            if alert.is_none()
                && let Some(webhook) = self.stored(seen.notification).await?
            {
                alert = self.alert_in(webhook, of.clone()).await;
            }
            unrouted.push(unrouted_alert(seen, of, alert.as_ref()));
        }
        let settings = self.settings();
        let unrouted = unrouted.into_iter().map(|alert| alert.judged(&settings.receivers)).collect();
        Ok(AlertStory { fingerprint: of.0.clone(), alert, deliveries, unrouted, is_cut: sightings.is_cut })
    }

    async fn told_alerts(&self, webhook: LookedAt, story: &Story) -> Vec<ToldAlert> {
        let outside: HashSet<Fingerprint> = story.outside_hours.iter().cloned().collect();
        let own: HashSet<Fingerprint> = story.alerts.iter().cloned().collect();
        let work = move |alerts: &[Alert]| {
            let own = alerts
                .iter()
                .filter(|alert| own.contains(&alert.fingerprint) || outside.contains(&alert.fingerprint));
            told_alerts(own.map(|alert| (alert, outside.contains(&alert.fingerprint))))
        };
        read_alerts(webhook, work).await.unwrap_or_default()
    }

    async fn alert_in(&self, webhook: LookedAt, of: Fingerprint) -> Option<ToldAlert> {
        let work = move |alerts: &[Alert]| {
            told_alerts(alerts.iter().filter(|alert| alert.fingerprint == of).map(|alert| (alert, false)))
                .pop()
        };
        read_alerts(webhook, work).await.flatten()
    }

    async fn sent(&self, story: &mut Story, webhook: Option<LookedAt>) -> Result<Sent, LookRefusal> {
        let nothing = |reason: &str| Ok(Sent::Nothing { reason: reason.to_owned() });
        let Some(rendering) = story.rendering.clone() else {
            return nothing(match &story.status {
                // In a digest, which is shown with the delivery that the reason names.
                DeliveryStatus::Ended { end: End::Delivered, reason, .. } => reason,
                _ => "it was never sent",
            });
        };
        if !story.sent.is_empty() {
            return Ok(Sent::Kept { parts: std::mem::take(&mut story.sent) });
        }
        let Some(webhook) = webhook else {
            return nothing("its webhook is no longer stored");
        };
        let settings = self.settings();
        if !settings.targets.contains_key(&rendering.via) {
            return nothing("the target through which it was sent is not in the settings any more");
        }
        let share = only(story.alerts.clone());
        match self.rendered(&settings, &rendering.via, rendering.wording, webhook, share).await {
            Ok(parts) => Ok(Sent::MadeAgain { parts }),
            Err(PreviewRefusal::Look(refusal)) => Err(refusal),
            Err(refusal) => nothing(&refusal.to_string()),
        }
    }
}

/// Reads a stored webhook; `None`: that cannot be done now.
async fn read_alerts<T: Send + 'static>(
    webhook: LookedAt,
    work: impl FnOnce(&[Alert]) -> T + Send + 'static,
) -> Option<T> {
    let bytes = webhook.body.len();
    let read = move || intake::parse(&webhook.body).ok().map(|notification| work(&notification.alerts));
    offload(bytes, read).await.ok().flatten()
}

fn unrouted_alert(seen: &Unrouted, of: &Fingerprint, alert: Option<&ToldAlert>) -> UnroutedAlert {
    UnroutedAlert {
        at: seen.at,
        notification: seen.notification,
        receiver: seen.endpoint.clone(),
        fingerprint: of.0.clone(),
        labels: alert.map(|alert| alert.labels.clone()),
        why: None,
        routes_now: Vec::new(),
    }
}
