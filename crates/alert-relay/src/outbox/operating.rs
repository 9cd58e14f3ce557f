//! What an operator asks of the store, and does in it.
//!
//! Reads what `operation` has values for. None of it is asked by accepting or delivering.

use std::collections::BTreeMap;

use crate::delivery::PublicId;
use crate::notification::Fingerprint;
use crate::operation::audit_trail::{Deed, LONGEST_PAGE, TrailPage};
use crate::operation::dead_letters::{MOST_AT_A_TIME, MOST_NAMED, Selection, Settled, Treatment};
use crate::operation::deliveries::{DeliveryFilter, DeliveryPage, DeliverySummary, PageRequest};
use crate::operation::overview::{LastResult, OpenAlerts};
use crate::operation::previews::RecentWebhook;
use crate::operation::unrouted::UnroutedAlert;
use crate::outbox::Outbox;
use crate::outbox::error::StoreError;
use crate::outbox::letters::Letters;
use crate::outbox::readers::{Lent, within};
use crate::outbox::statements::{audit_trail, last_results, lists, open_alerts, stories, webhooks};
use crate::story::{Received, Sightings, Story};

impl Outbox {
    /// A page of the deliveries that a filter asks for, newest first.
    pub(crate) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        request: &PageRequest,
    ) -> Result<DeliveryPage, StoreError> {
        within(lists::page(&mut self.lend().await?.session(), &self.store.tag, filter, request)).await
    }

    /// One delivery as lists show it; `None`: there is no such delivery in this store, or no longer.
    pub(crate) async fn summary(&self, id: &PublicId) -> Result<Option<DeliverySummary>, StoreError> {
        if !self.is_ours(id) {
            return Ok(None);
        }
        within(lists::one(&mut self.lend().await?.session(), &self.store.tag, id.number())).await
    }

    /// What became of a delivery, without its webhook's body; `None`: there is no such delivery in this store, or no longer.
    pub(crate) async fn story(&self, id: &PublicId) -> Result<Option<Story>, StoreError> {
        if !self.is_ours(id) {
            return Ok(None);
        }
        within(stories::story(&mut self.lend().await?.session(), &self.store.tag, id.number())).await
    }

    /// Which of the newest deliveries hold an alert, and where no route wanted it.
    pub(crate) async fn sightings(&self, of: &Fingerprint) -> Result<Sightings, StoreError> {
        within(stories::sightings(&mut self.lend().await?.session(), &self.store.tag, of)).await
    }

    /// The webhook with this number; `None`: there is none, or no longer.
    pub(crate) async fn webhook(&self, notification: i64) -> Result<Option<Received>, StoreError> {
        within(webhooks::webhook(&mut self.lend().await?.session(), notification)).await
    }

    /// Bytes of the body of the webhook with this number; `None`: there is no body, or no longer.
    pub(crate) async fn webhook_bytes(&self, notification: i64) -> Result<Option<u64>, StoreError> {
        within(webhooks::bytes(&mut self.lend().await?.session(), notification)).await
    }

    /// The newest webhooks whose bodies are stored.
    pub(crate) async fn recent_webhooks(&self) -> Result<Vec<RecentWebhook>, StoreError> {
        within(lists::recent_webhooks(&mut self.lend().await?.session())).await
    }

    /// How many dead letters there are.
    pub(crate) async fn dead_letters(&self) -> Result<u64, StoreError> {
        within(lists::dead_letters(&mut self.lend().await?.session())).await
    }

    /// What each target believes to fire.
    pub(crate) async fn open_alerts(&self) -> Result<BTreeMap<String, OpenAlerts>, StoreError> {
        within(open_alerts::read(&mut self.lend().await?.session())).await
    }

    /// What no route wanted lately, newest first.
    pub(crate) async fn unrouted(&self) -> Result<Vec<UnroutedAlert>, StoreError> {
        within(open_alerts::unrouted(&mut self.lend().await?.session())).await
    }

    /// How the channel of each target has answered last.
    pub(crate) async fn last_results(&self) -> Result<BTreeMap<String, LastResult>, StoreError> {
        within(last_results::read(&mut self.lend().await?.session())).await
    }

    /// Lines of the audit trail before this one, newest first.
    pub(crate) async fn trail(&self, before: Option<i64>, limit: u32) -> Result<TrailPage, StoreError> {
        let limit = limit.clamp(1, LONGEST_PAGE);
        within(audit_trail::page(&mut self.lend().await?.session(), before, limit)).await
    }

    /// Notes in the audit trail what was done.
    pub(crate) async fn note(&self, deed: Deed) -> Result<(), StoreError> {
        self.store.writer.note(deed, self.clock.now()).await
    }

    /// Sends dead letters again or gives them up, a few in a transaction. An error leaves those before it as they are now.
    pub(crate) async fn treat(
        &self,
        selection: &Selection,
        treatment: Treatment,
    ) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        if let Selection::One(id) = selection
            && !self.is_ours(id)
        {
            return Ok(settled);
        }
        let mut letters = Letters::all(selection, treatment);
        let mut looked_at = 0;
        loop {
            let batch = self.store.writer.treat(letters.clone(), self.clock.now()).await?;
            looked_at += batch.looked_at;
            settled.changed += batch.changed;
            settled.told_since += batch.told_since;
            settled.without_target += batch.without_target;
            let free = MOST_NAMED.saturating_sub(settled.deliveries.len());
            let named = batch.deliveries.iter().take(free).map(|number| self.public_id(*number));
            settled.deliveries.extend(named);
            settled.has_more = batch.has_more;
            if !batch.has_more || looked_at >= MOST_AT_A_TIME {
                return Ok(settled);
            }
            letters.after = batch.last;
        }
    }

    async fn lend(&self) -> Result<Lent, StoreError> {
        self.store.operating.lend().await
    }

    fn is_ours(&self, id: &PublicId) -> bool {
        id.tag() == &*self.store.tag
    }
}
