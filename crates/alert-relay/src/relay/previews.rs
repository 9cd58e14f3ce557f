//! What a target would be sent of a webhook, without sending it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::delivery::SentPart;
use crate::intake::{self, IntakeError};
use crate::message::{Wording, sample};
use crate::notification::{Fingerprint, Notification};
use crate::offload::offload;
use crate::operation::previews::{MessagePreview, PreviewOf, RecentWebhook, shown};
use crate::outbox::StoreError;
use crate::preview;
use crate::relay::Relay;
use crate::relay::looking::{LookRefusal, LookedAt};
use crate::settings::{Settings, no_such};

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PreviewRefusal {
    /// No such target, sample or webhook.
    #[error("{0}")]
    Unknown(String),
    /// What was pasted is no webhook.
    #[error(transparent)]
    Body(#[from] IntakeError),
    /// The webhook cannot be looked at now.
    #[error(transparent)]
    Look(#[from] LookRefusal),
}

impl Relay {
    /// The newest webhooks, to choose from.
    pub(crate) async fn recent_webhooks(&self) -> Result<Vec<RecentWebhook>, StoreError> {
        self.outbox().recent_webhooks().await
    }

    /// What a target would be sent, as if it knew of nothing.
    pub(crate) async fn preview(
        &self,
        target: &str,
        wording: Wording,
        of: PreviewOf,
    ) -> Result<MessagePreview, PreviewRefusal> {
        let settings = self.settings();
        let Some(entry) = settings.targets.get(target) else {
            let known = settings.targets.keys().map(String::as_str).collect();
            return Err(PreviewRefusal::Unknown(no_such("target", target, &known)));
        };
        let channel = entry.channel.kind().label;
        let parts = match of {
            PreviewOf::Sample(name) => {
                let message = preview::of_sample(&name, &settings, entry).ok_or_else(|| {
                    let known = sample::NAMES.into_iter().collect();
                    PreviewRefusal::Unknown(no_such("sample", &name, &known))
                })?;
                shown(&entry.channel.render(&message, wording))
            }
            PreviewOf::Pasted(body) => {
                let webhook = self.pasted(body).await?;
                self.rendered(&settings, target, wording, webhook, |notification| notification).await?
            }
            PreviewOf::Stored(number) => {
                let Some(webhook) = self.stored(number).await? else {
                    let gone = format!(
                        "no webhook with the number {number} is stored (hint: not any more, perhaps)"
                    );
                    return Err(PreviewRefusal::Unknown(gone));
                };
                self.rendered(&settings, target, wording, webhook, |notification| notification).await?
            }
        };
        Ok(MessagePreview { target: target.to_owned(), channel, wording: wording.as_str(), parts })
    }

    /// A webhook's body as a target would be sent it. The target is in the settings.
    pub(super) async fn rendered(
        &self,
        settings: &Arc<Settings>,
        target: &str,
        wording: Wording,
        webhook: LookedAt,
        share: impl FnOnce(Notification) -> Notification + Send + 'static,
    ) -> Result<Vec<SentPart>, PreviewRefusal> {
        let bytes = webhook.body.len();
        let (settings, target, at) = (Arc::clone(settings), target.to_owned(), self.now().timestamp());
        let work = move || {
            let notification = share(intake::parse(&webhook.body)?);
            let Some(target) = settings.targets.get(&target) else { return Ok(Vec::new()) };
            let message = preview::of_webhook(&notification, &settings, target, at);
            Ok(shown(&target.channel.render(&message, wording)))
        };
        offload(bytes, work).await.map_err(|_no_thread| LookRefusal::Busy)?
    }
}

/// Only these alerts of a webhook.
pub(super) fn only(own: Vec<Fingerprint>) -> impl FnOnce(Notification) -> Notification + Send + 'static {
    move |mut notification| {
        let own: HashSet<Fingerprint> = own.into_iter().collect();
        notification.alerts.retain(|alert| own.contains(&alert.fingerprint));
        notification
    }
}
