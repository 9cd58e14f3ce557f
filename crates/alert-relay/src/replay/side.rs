//! One set of settings, and what its targets would be sent, webhook after webhook.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::Part;
use crate::clock::Millis;
use crate::compose::{self, Content, MessageDefaults};
use crate::ledger::{Snapshot, Terms, fold};
use crate::message::{Changes, Wording};
use crate::notification::Notification;
use crate::replay::load::{Counted, Load};
use crate::replay::memory::{GroupOfTarget, Memory};
use crate::routes::{self, Planned, ReceiverSettings};
use crate::settings::Settings;
use crate::story::Received;

/// The settings, and what their targets know so far.
#[derive(Debug)]
pub(super) struct Side<'a> {
    settings: &'a Settings,
    defaults: MessageDefaults,
    memory: Memory,
    counted: BTreeMap<String, Counted>,
}

impl<'a> Side<'a> {
    /// Nobody knows anything yet.
    pub(super) fn new(settings: &'a Settings) -> Self {
        let counted = settings
            .targets
            .values()
            .map(|target| (target.name.clone(), Counted::within(Some(target.budget))));
        Self {
            settings,
            defaults: MessageDefaults::new(settings),
            memory: Memory::default(),
            counted: counted.collect(),
        }
    }

    /// The receiver that a webhook was posted to; `None`: these settings have it not.
    pub(super) fn receiver(&self, stored: &Received) -> Option<&'a ReceiverSettings> {
        self.settings.receivers.get(&stored.endpoint)
    }

    /// Where a webhook goes; `None`: it is refused.
    pub(super) fn route(&self, stored: &Received, webhook: &Notification) -> Option<Vec<Planned>> {
        let receiver = self.receiver(stored)?;
        let at = stored.at.timestamp();
        Some(routes::plan(receiver, webhook, at, &self.settings.time_zone).deliveries)
    }

    /// Counts what each target would be sent of a webhook, and returns the texts.
    pub(super) fn tell(
        &mut self,
        stored: &Received,
        webhook: &Notification,
        shares: &[Planned],
    ) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for share in shares {
            let Some(changes) = self.fold(stored, webhook, share) else { continue };
            let parts = self.render(stored, webhook, share, changes);
            let counted = self.counted.entry(share.target.clone()).or_default();
            counted.add(stored.at, parts.as_deref().unwrap_or_default());
            if let Some(parts) = parts {
                texts.insert(share.target.clone(), shown(&parts));
            }
        }
        texts
    }

    /// What a target would be told; `None`: nothing that it does not know.
    fn fold(&mut self, stored: &Received, webhook: &Notification, share: &Planned) -> Option<Changes> {
        let target = self.settings.targets.get(&share.target);
        let group: GroupOfTarget = [
            share.target.clone(),
            stored.endpoint.clone(),
            webhook.receiver.clone(),
            webhook.group_key.0.clone(),
            stored.sender.source.clone().unwrap_or_default(),
        ];
        let snapshot =
            Snapshot::share(webhook, (&share.alerts, &share.outside_hours), stored.sender.clone(), stored.at);
        // Everybody who was heard counts: for how long a sender is heard is not followed here.
        let known = self.memory.known(&group);
        let senders: BTreeSet<String> =
            known.iter().flat_map(|entry| entry.tellers.keys()).cloned().collect();
        let terms = Terms {
            send_resolved: target.is_none_or(|target| target.send_resolved),
            senders: &senders,
            now: stored.at,
        };
        let folded = fold(known, std::slice::from_ref(&snapshot), terms);
        self.memory.note(group, folded.entries, &webhook.alerts);
        folded.changes.ok()
    }

    /// `None`: these settings have no such target.
    fn render(
        &self,
        stored: &Received,
        webhook: &Notification,
        share: &Planned,
        changes: Changes,
    ) -> Option<Vec<Part>> {
        let target = self.settings.targets.get(&share.target)?;
        let mentions = compose::to_mention([&share.mentions], &changes.new);
        let content = Content {
            delivery: format!("replay-{}", stored.notification),
            newest: webhook,
            changes,
            snapshots: 1,
            mentions,
            banner: None,
        };
        let message = compose::compose(&self.defaults, content, Millis::timestamp(stored.at));
        Some(target.channel.render(&message, Wording::Normal))
    }

    /// Groups that had to be forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.memory.forgotten
    }

    /// What each target would be sent.
    pub(super) fn into_loads(self) -> BTreeMap<String, Load> {
        self.counted.into_iter().map(|(name, counted)| (name, counted.into_load())).collect()
    }
}

/// The parts as a person would read them; of mails that differ by the recipient alone, one.
fn shown(parts: &[Part]) -> String {
    let is_mail = parts.first().is_some_and(|part| part.recipient().is_some());
    let shown = if is_mail { 1 } else { parts.len() };
    let parts: Vec<String> = parts.iter().take(shown).map(Part::preview).collect();
    parts.join("\n----- next part\n")
}
