//! What became of a delivery or of an alert, for somebody who asks.

use std::collections::HashSet;

use bytes::Bytes;

use crate::delivery::{End, PublicId};
use crate::intake;
use crate::notification::{Alert, Fingerprint};
use crate::offload::offload;
use crate::operation::told_story::{AlertStory, DeliveryStory, Sent, ToldAlert, told_alerts};
use crate::operation::unrouted::UnroutedAlert;
use crate::outbox::StoreError;
use crate::relay::Relay;
use crate::relay::previews::{PreviewRefusal, only};
use crate::story::{DeliveryStatus, Story, Unrouted};

impl Relay {
    /// One delivery from its webhook to its end; `None`: there is no such delivery in this store, or no longer.
    pub(crate) async fn delivery_story(&self, id: &PublicId) -> Result<Option<DeliveryStory>, StoreError> {
        let (summary, story) = (self.outbox().summary(id).await?, self.outbox().story(id).await?);
        let (Some(summary), Some(mut story)) = (summary, story) else { return Ok(None) };
        let alerts = match story.received.payload.clone() {
            Some(payload) => self.told_alerts(payload, &story).await,
            None => Vec::new(),
        };
        let sent = self.sent(&mut story).await?;
        Ok(Some(DeliveryStory::of(summary, story, alerts, sent)))
    }

    /// One alert's deliveries and where no route wanted it, across groups and targets.
    pub(crate) async fn alert_story(&self, of: &Fingerprint) -> Result<AlertStory, StoreError> {
        let sightings = self.outbox().sightings(of).await?;
        let mut deliveries = Vec::with_capacity(sightings.deliveries.len());
        let mut alert = None;
        for sighting in &sightings.deliveries {
            let (summary, story) =
                (self.outbox().summary(&sighting.id).await?, self.outbox().story(&sighting.id).await?);
            let (Some(summary), Some(story)) = (summary, story) else { continue };
            if let (None, Some(payload)) = (&alert, story.received.payload.clone()) {
                alert = self.alert_in(payload, of.clone()).await;
            }
            let sent = Sent::Nothing { reason: format!("it is shown with the delivery {}", sighting.id) };
            deliveries.push(DeliveryStory::of(summary, story, Vec::new(), sent));
        }
        let mut unrouted = Vec::with_capacity(sightings.unrouted.len());
        for seen in &sightings.unrouted {
            if alert.is_none()
                && let Some(payload) =
                    self.outbox().webhook(seen.notification).await?.and_then(|webhook| webhook.payload)
            {
                alert = self.alert_in(payload, of.clone()).await;
            }
            unrouted.push(unrouted_alert(seen, of, alert.as_ref()));
        }
        let settings = self.settings();
        let unrouted = unrouted.into_iter().map(|alert| alert.judged(&settings.receivers)).collect();
        Ok(AlertStory { fingerprint: of.0.clone(), alert, deliveries, unrouted, is_cut: sightings.is_cut })
    }

    async fn told_alerts(&self, payload: Bytes, story: &Story) -> Vec<ToldAlert> {
        let outside: HashSet<Fingerprint> = story.outside_hours.iter().cloned().collect();
        let own: HashSet<Fingerprint> = story.alerts.iter().cloned().collect();
        let work = move |alerts: &[Alert]| {
            let own = alerts
                .iter()
                .filter(|alert| own.contains(&alert.fingerprint) || outside.contains(&alert.fingerprint));
            told_alerts(own.map(|alert| (alert, outside.contains(&alert.fingerprint))))
        };
        self.read_alerts(payload, work).await.unwrap_or_default()
    }

    async fn alert_in(&self, payload: Bytes, of: Fingerprint) -> Option<ToldAlert> {
        let work = move |alerts: &[Alert]| {
            told_alerts(alerts.iter().filter(|alert| alert.fingerprint == of).map(|alert| (alert, false)))
                .pop()
        };
        self.read_alerts(payload, work).await.flatten()
    }

    /// Reads a stored webhook; `None`: that cannot be done now.
    async fn read_alerts<T: Send + 'static>(
        &self,
        payload: Bytes,
        work: impl FnOnce(&[Alert]) -> T + Send + 'static,
    ) -> Option<T> {
        let bytes = payload.len();
        let share = self.parts.memory.accepting.take(bytes as u64).await;
        let read = move || {
            let _share = share;
            intake::parse(&payload).ok().map(|notification| work(&notification.alerts))
        };
        offload(bytes, read).await.ok().flatten()
    }

    async fn sent(&self, story: &mut Story) -> Result<Sent, StoreError> {
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
        let Some(payload) = story.received.payload.take() else {
            return nothing("its webhook is no longer stored");
        };
        let settings = self.settings();
        if !settings.targets.contains_key(&rendering.via) {
            return nothing("the target through which it was sent is not in the settings any more");
        }
        let share = only(story.alerts.clone());
        match self.rendered(&settings, &rendering.via, rendering.wording, payload, share).await {
            Ok(parts) => Ok(Sent::MadeAgain { parts }),
            Err(PreviewRefusal::Store(error)) => Err(error),
            Err(refusal) => nothing(&refusal.to_string()),
        }
    }
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
