//! One alert group for one target, from its claim to its end or its next try: claim → ledger → message → parts → record.
//!
//! Owns the order of these steps and what is recorded at the end. Leaves out how parts are sent: `chat` where they make one
//! message, `mail` where each goes to somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::catch_up::{self, CatchUp, MOST_MISSED};
use crate::clock::{Millis, whole_millis};
use crate::compose::{self, Content};
use crate::deliver::attempt::Sender;
use crate::deliver::context::Context;
use crate::deliver::observer::Step;
use crate::deliver::read_claim::{self, News, ReadClaim};
use crate::deliver::sending::{Conclusion, OwnMessage, Sending};
use crate::deliver::targets::Targets;
use crate::deliver::via::Via;
use crate::deliver::{chat, mail};
use crate::delivery::{Claim, DIGEST_PART, End, LedgerEntry, Pending, Progress, RecipientStatus, Settlement};
use crate::intake::IntakeError;
use crate::ledger::Suppression;
use crate::memory::Share;
use crate::message::{Changes, Message};
use crate::notification::{Alert, Fingerprint, Notification};
use crate::recourse::{self, Extent, Recourse, Refusals};
use crate::settings::TargetSettings;

/// What is to be told.
struct Told<'a> {
    /// The newest delivery that waits.
    delivery: &'a Pending,
    /// Its webhook.
    newest: &'a Notification,
    /// `None`: nothing but to those who have missed earlier mails.
    changes: Option<Changes>,
    /// To recipients who have missed earlier mails.
    own: Vec<CatchUp>,
}

/// The alerts of a message that this channel may have taken before, without an answer. None of a mail: its copy has the same Message-ID.
pub(super) fn may_have_seen<'a>(claim: &'a Claim, via: &TargetSettings) -> BTreeSet<&'a Fingerprint> {
    if !via.channel.recipients().is_empty() {
        return BTreeSet::new();
    }
    let Some(last) = claim.unknown.get(&via.name) else { return BTreeSet::new() };
    let sent = claim.deliveries.iter().take_while(|delivery| delivery.id <= *last);
    sent.flat_map(|delivery| &delivery.alerts).collect()
}

/// A message that all present channels refuse waits this long for one that is not there at present.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// Sends what waits in one group for one target, once.
pub(super) struct GroupDelivery {
    pub(super) sender: Sender,
    pub(super) targets: Arc<Targets>,
    /// Whose alerts these are; `sender.via` may be its fallback.
    pub(super) target: Arc<TargetSettings>,
    /// What it is about, for the log, once that was read.
    pub(super) alerts: OnceLock<String>,
}

impl GroupDelivery {
    pub(super) async fn run(self) {
        let context = &self.sender.via.context;
        // The share is given back when the message is sent, and with it all that was made of the webhooks.
        let Some((_share, claim)) = self.claim().await else { return };
        let ReadClaim { claim, news } = self.read(claim).await;
        let Some(News { newest, straggling, folded, own, .. }) = self.open(&claim, news).await else {
            return;
        };
        let Some(delivery) = claim.deliveries.last() else { return };
        if let Some(former) = claim.deliveries[..straggling].last() {
            let reason = "delivered, but not to all recipients: they get it with what is newer".to_owned();
            let via = self.sender.via.name();
            self.settle_told(via, &claim, former, reason, folded.entries, &former.recipients).await;
            return self.release(context.clock.now()).await;
        }
        let changes = match folded.changes {
            Ok(changes) => Some(changes),
            Err(_) if !own.is_empty() => None,
            Err(suppression) => return self.suppress(&claim, &suppression, folded.entries).await,
        };
        let told = Told { delivery, newest: &newest, changes, own };
        match self.tell(&claim, &told).await {
            // The target knows it only if it was delivered.
            (via, Conclusion::Ended(End::Delivered, reason, recipients)) => {
                self.settle_told(&via, &claim, delivery, reason, folded.entries, &recipients).await;
            }
            (via, Conclusion::Ended(end, reason, _)) => {
                self.settle_via(&via, &claim, self.settlement(delivery, end, reason)).await;
            }
            (_, Conclusion::Later(at)) => self.release(at).await,
            (_, Conclusion::Refused(..) | Conclusion::LeaseLost) => {}
        }
    }

    /// What there is to tell. Ends what cannot be read, and what a digest has told already of which the relay had no time to note it.
    pub(super) async fn open(&self, claim: &Claim, news: Result<Option<News>, IntakeError>) -> Option<News> {
        let delivery = claim.deliveries.last()?;
        let mut news = match news {
            Ok(news) => news?,
            Err(error) => {
                let reason = format!("the stored webhook cannot be read: {error}");
                let settlement = self.settlement(delivery, End::Dead, reason);
                self.settle_via(self.sender.via.name(), claim, settlement).await;
                return None;
            }
        };
        // A group is claimed once a run, so that it is noted once.
        let _noted = self.alerts.set(mem::take(&mut news.about));
        if let Some(progress) = claim.progress.as_ref().filter(|progress| progress.is_of_digest())
            && progress.done.contains(&DIGEST_PART)
        {
            let reason = "delivered in a digest, as this delivery".to_owned();
            let nobody = BTreeMap::new();
            self.settle_told(&progress.rendering.via, claim, delivery, reason, news.folded.entries, &nobody)
                .await;
            return None;
        }
        Some(news)
    }

    /// Ends what has nothing to tell.
    pub(super) async fn suppress(&self, claim: &Claim, why: &Suppression, ledger: Vec<LedgerEntry>) {
        let Some(delivery) = claim.deliveries.last() else { return };
        let settlement = self.settlement(delivery, End::Suppressed, why.to_string());
        self.settle_via(self.sender.via.name(), claim, Settlement { ledger, ..settlement }).await;
    }

    /// Takes the queue, once there is room for what its message is made of. What has ended a process gets all the room there is: if it does
    /// so again, nothing else was to blame.
    async fn claim(&self) -> Option<(Share, Claim)> {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        let Context { outbox, pace, memory, .. } = &**context;
        let waiting = context.insist("look at what waits", &key.target, || outbox.waiting(key)).await?;
        let share = if waiting.has_ended_a_process {
            memory.delivering.take_whole().await
        } else {
            memory.delivering.take(waiting.webhooks.saturating_add(waiting.ledger)).await
        };
        let claim = || outbox.claim(key, pace.lease, waiting.webhooks);
        // `None` inside: given up, or claimed by somebody else, since it was looked at.
        let claim = context.insist("claim a delivery", &key.target, claim).await??;
        Some((share, claim))
    }

    async fn read(&self, claim: Claim) -> ReadClaim {
        let Via { context, target: via } = &self.sender.via;
        let (context, target, via) = (Arc::clone(context), Arc::clone(&self.target), Arc::clone(via));
        let bytes = claim.deliveries.iter().map(|delivery| delivery.payload.len()).sum();
        let now = context.clock.now();
        let name = claim.key.target.clone();
        let work = move || {
            let read = ReadClaim::of(claim, &target, &via, now);
            context.observer.saw(Step::ClaimRead);
            read
        };
        read_claim::away(&name, bytes, work).await
    }

    /// Sends it through this target's channel, and through others once that refuses the text. Returns through which it was sent last.
    async fn tell(&self, claim: &Claim, told: &Told<'_>) -> (String, Conclusion) {
        let context = &self.sender.via.context;
        let mut via = self.sender.via.name().to_owned();
        // Who has a mail has it; the others are tried on.
        let is_partly_told = claim.progress.as_ref().is_some_and(Progress::is_partly_told);
        let mut refusals = if is_partly_told { Refusals::default() } else { claim.refusals.clone() };
        let mut last_words = String::new();
        loop {
            let channels = context.state.channels(&claim.key.target, self.sender.via.name());
            let (name, extent) = match recourse::decide(&refusals, &channels) {
                Recourse::Send(name, extent) => (name, extent),
                Recourse::Wait => {
                    return (via, Conclusion::Later(context.clock.now().plus(REFUSED_AGAIN_AFTER)));
                }
                Recourse::GiveUp => return (via, Conclusion::Ended(End::Dead, last_words, BTreeMap::new())),
            };
            name.clone_into(&mut via);
            let other = (name != self.sender.via.name()).then(|| self.sender_through(name)).flatten();
            let sender = other.as_ref().unwrap_or(&self.sender);
            match self.send(sender, claim, told, extent, !refusals.is_empty()).await {
                Conclusion::Refused(wording, words) => {
                    refusals.add(&via, wording);
                    let (id, target) = (context.outbox.public_id(told.delivery.id), &claim.key.target);
                    tracing::warn!(
                        delivery = %id, %target, %via, wording = ?wording,
                        "delivery {id} to {target}: {via} refuses the text: {words}"
                    );
                    last_words = words;
                }
                conclusion => return (via, conclusion),
            }
        }
    }

    /// The same through another target's channel, whose budget it waits for; `None` if a reload has just removed it.
    fn sender_through(&self, name: &str) -> Option<Sender> {
        let target = Arc::clone(self.targets.by_name.get(name)?);
        let Sender { key, via: Via { context, .. }, is_urgent, .. } = &self.sender;
        let via = Via { context: Arc::clone(context), target };
        let key = key.clone();
        Some(Sender { key, via, is_urgent: *is_urgent, also: Vec::new(), first: Mutex::default() })
    }

    fn compose(
        &self,
        claim: &Claim,
        Told { delivery, newest, .. }: &Told<'_>,
        changes: &Changes,
        via: &TargetSettings,
        is_refused: bool,
    ) -> Message {
        let own = &claim.key.target;
        let Context { outbox, clock, .. } = &*self.sender.via.context;
        let by_other = (via.name != *own).then(|| {
            let banner = if is_refused { compose::refusal_banner } else { compose::fallback_banner };
            banner(own, &via.name, via.language)
        });
        // Who may have seen it is told so, and not called again.
        let seen = may_have_seen(claim, via);
        let repeat = (!seen.is_empty()).then(|| compose::repeat_banner(via.language).to_owned());
        let banners: Vec<String> = by_other.into_iter().chain(repeat).collect();
        let unseen: Vec<Alert> =
            changes.new.iter().filter(|alert| !seen.contains(&alert.fingerprint)).cloned().collect();
        let content = Content {
            delivery: outbox.public_id(delivery.id).to_string(),
            newest,
            snapshots: u32::try_from(claim.deliveries.len()).unwrap_or(u32::MAX),
            mentions: compose::to_mention(
                claim.deliveries.iter().map(|delivery| &delivery.mentions),
                &unseen,
            ),
            changes: changes.clone(),
            banner: (!banners.is_empty()).then(|| banners.join(" · ")),
        };
        compose::compose(&self.targets.defaults, content, clock.now().timestamp())
    }

    async fn send(
        &self,
        sender: &Sender,
        claim: &Claim,
        told: &Told<'_>,
        extent: Extent,
        is_refused: bool,
    ) -> Conclusion {
        // Only what was sent through this channel counts.
        let via = sender.via.name();
        let progress = claim.progress.as_ref().filter(|progress| progress.rendering.via == via);
        let compose = |changes: &Changes| self.compose(claim, told, changes, &sender.via.target, is_refused);
        let own = told.own.iter().map(|CatchUp { recipients, changes }| OwnMessage {
            recipients: recipients.clone(),
            message: compose(changes),
        });
        let own: Vec<OwnMessage> = own.collect();
        let changes = told.changes.as_ref().or_else(|| told.own.first().map(|mail| &mail.changes));
        let message = compose(changes.unwrap_or(&Changes::default()));
        let mut recipients = sender.via.target.channel.recipients();
        if recipients.is_empty() {
            return chat::send(sender, Sending { delivery: told.delivery, progress, message, own, extent })
                .await;
        }
        if told.changes.is_none() {
            // The others know all of it.
            recipients.retain(|name| own.iter().any(|mail| mail.recipients.contains(name)));
        }
        mail::send(sender, Sending { delivery: told.delivery, progress, message, own, extent }, recipients)
            .await
    }

    pub(super) async fn release(&self, at: Millis) {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        context.insist("put a delivery back", &key.target, || context.outbox.release(key, at)).await;
    }

    fn settlement(&self, delivery: &Pending, end: End, reason: String) -> Settlement {
        let key = self.sender.key.clone();
        Settlement { key, delivery: delivery.id, end, reason, ledger: Vec::new(), arrears: None }
    }

    /// Ends what was told, and notes which recipients of a mail it has not reached.
    pub(super) async fn settle_told(
        &self,
        via: &str,
        claim: &Claim,
        delivery: &Pending,
        reason: String,
        ledger: Vec<LedgerEntry>,
        recipients: &BTreeMap<String, RecipientStatus>,
    ) {
        let (arrears, forgotten) = catch_up::after(&claim.arrears, &claim.ledger, &ledger, recipients);
        if forgotten > 0 {
            let target = &claim.key.target;
            tracing::error!(
                %target, group = %claim.key.group, forgotten,
                "{target}: {forgotten} alerts that recipients have missed are not told them any more: more than {MOST_MISSED} of one group"
            );
        }
        let arrears = (arrears != claim.arrears).then_some(arrears);
        let settlement = self.settlement(delivery, End::Delivered, reason);
        self.settle_via(via, claim, Settlement { ledger, arrears, ..settlement }).await;
    }

    async fn settle_via(&self, via: &str, claim: &Claim, settlement: Settlement) {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        let settle = || context.outbox.settle(settlement.clone());
        match context.insist("end a delivery", &key.target, settle).await {
            None => {}
            Some(0) => {
                let (id, target) = (context.outbox.public_id(settlement.delivery), &key.target);
                tracing::warn!(
                    delivery = %id, %target,
                    "delivery {id} to {target}: the claim ran out before its end was noted; it may be sent twice"
                );
            }
            Some(_) => {
                let now = context.clock.now();
                if settlement.end == End::Delivered {
                    // Of the snapshot that waited longest.
                    let oldest = claim.deliveries.iter().map(|delivery| delivery.accepted_at).min();
                    let latency = now.since(oldest.unwrap_or(now)).as_secs_f64();
                    let is_by_fallback = via != key.target;
                    context.metrics.delivered(&key.target, latency, is_by_fallback);
                }
                self.log_ends(via, claim, &settlement, now);
            }
        }
    }

    /// One line an end, so that a delivery can be followed by its name.
    fn log_ends(&self, via: &str, claim: &Claim, settlement: &Settlement, now: Millis) {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        let sent = settlement.delivery;
        for delivery in claim.deliveries.iter().filter(|delivery| delivery.id <= sent) {
            let is_older = delivery.id < sent;
            let (end, reason) = if is_older {
                settlement.end_of_older()
            } else {
                (settlement.end, settlement.reason.as_str())
            };
            let id = context.outbox.public_id(delivery.id);
            let alerts = self.alerts.get().map_or("alerts that cannot be read", String::as_str);
            let (target, group) = (&key.target, &key.group);
            let (is_dead, end, attempts_before) = (end == End::Dead, end.as_str(), delivery.attempts);
            let duration_ms = whole_millis(now.since(delivery.accepted_at));
            if is_dead {
                tracing::error!(delivery = %id, %target, %via, %group, alerts, end, reason, attempts_before, duration_ms, "delivery {id} to {target} ended: {end} ({reason}), about {alerts}");
            } else {
                tracing::info!(delivery = %id, %target, %via, %group, alerts, end, reason, attempts_before, duration_ms, "delivery {id} to {target} ended: {end} ({reason}), about {alerts}");
            }
        }
    }
}
