//! Many groups of one target told in one message, from their claims to their ends: claims → ledgers → one message → records.
//!
//! Each group is claimed, folded and settled as if it were told by itself; only the message is one. It is one part, sent for the first of
//! the groups' deliveries. When the relay ends before all of them are settled, those that are not are told again: that message is
//! repeated, as far as it told of them, and nothing is lost. Leaves out which groups these are (`schedule`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::channel::Part;
use crate::clock::Millis;
use crate::compose::{self, DigestContent};
use crate::deliver::attempt::{Answer, Sender, Tried};
use crate::deliver::group::{GroupDelivery, may_have_seen};
use crate::deliver::read_claim::{self, News, ReadClaim};
use crate::deliver::sending::Conclusion;
use crate::deliver::state::Reservation;
use crate::deliver::targets::Targets;
use crate::deliver::via::Via;
use crate::delivery::{Claim, DIGEST_PART, DeliveryKey, End, Pending, Rendering, Waiting};
use crate::memory::Share;
use crate::message::{Changes, Digest, Message, Wording};
use crate::notification::Alert;
use crate::retry::Next;
use crate::settings::TargetSettings;

/// Bytes of webhooks and ledgers in one digest, but for its first group; the next one tells the rest.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// Groups that the store is asked about at the same time.
const AT_ONCE: usize = 64;

/// Groups of which it is looked up together what waits in them.
const LOOKED_AT: usize = 16;

/// A channel that refuses a digest takes its groups one by one for so long.
const REFUSED_FOR: Duration = Duration::from_mins(10);

/// What goes with a digest (a message that rings phones) waits for the budget this long at most.
const COMPANION_WAITS: Duration = Duration::from_secs(30);

/// Sends what many groups have for one target, once.
pub(super) struct DigestDelivery {
    pub(super) keys: Vec<DeliveryKey>,
    /// Whose channel is used: the target's own, or its fallback's.
    pub(super) via: Via,
    pub(super) is_urgent: bool,
    pub(super) first: Mutex<Option<Reservation>>,
    pub(super) targets: Arc<Targets>,
    /// Whose alerts these are.
    pub(super) target: Arc<TargetSettings>,
}

/// What was claimed for a digest.
struct Claimed {
    /// Given back when all is settled, and with it what was made of the webhooks.
    share: Share,
    claims: Vec<Claim>,
    /// Told by themselves afterwards: an earlier claim has ended a process.
    apart: Vec<DeliveryKey>,
}

/// A group that has something to tell.
struct Ready {
    group: GroupDelivery,
    claim: Claim,
    news: News,
    changes: Changes,
}

impl DigestDelivery {
    pub(super) async fn run(self) {
        let Some(Claimed { share, claims, mut apart }) = self.claim().await else { return };
        let mut ready = Vec::new();
        for ReadClaim { claim, news } in self.read(claims).await {
            let group = self.group(claim.key.clone());
            let Some(mut news) = group.open(&claim, news).await else { continue };
            // Single recipients of a mail have something to catch up on.
            if news.straggling > 0 || !news.own.is_empty() {
                group.release(self.via.context.clock.now()).await;
                apart.push(claim.key);
                continue;
            }
            match std::mem::replace(&mut news.folded.changes, Ok(Changes::default())) {
                Ok(changes) => ready.push(Ready { group, claim, news, changes }),
                Err(suppression) => group.suppress(&claim, &suppression, news.folded.entries).await,
            }
        }
        if !ready.is_empty() {
            self.tell(ready).await;
        }
        // A further try may end this process: nothing else is in its hands then.
        drop(share);
        for key in apart {
            self.group(key).run().await;
        }
    }

    /// Claims the groups that have room together, in their order.
    async fn claim(&self) -> Option<Claimed> {
        let context = &self.via.context;
        let target = &self.target.name;
        let (mut chosen, mut apart, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
        // Groups that have no room are not looked at, as far as that can be known: there may be hundreds with hundreds of webhooks each.
        'looking: for keys in self.keys.chunks(LOOKED_AT) {
            for (key, waiting) in self.waiting(keys).await {
                if waiting.has_ended_a_process {
                    apart.push(key);
                    continue;
                }
                let more = waiting.webhooks.saturating_add(waiting.ledger);
                if !chosen.is_empty() && bytes.saturating_add(more) > MOST_BYTES {
                    tracing::info!(%target, "{target}: a digest has no room for all that waits: the next one tells the rest");
                    break 'looking;
                }
                bytes = bytes.saturating_add(more);
                chosen.push((key, waiting.webhooks));
            }
        }
        let share = context.memory.delivering.take(bytes).await;
        let claims = together(chosen, |(key, webhooks)| {
            let context = Arc::clone(context);
            async move {
                let claim = || context.outbox.claim(&key, context.pace.lease, webhooks);
                context.insist("claim a delivery", &key.target, claim).await?
            }
        });
        let claims = claims.await.into_iter().flatten().collect();
        Some(Claimed { share, claims, apart })
    }

    /// What waits in each of these groups.
    async fn waiting(&self, keys: &[DeliveryKey]) -> Vec<(DeliveryKey, Waiting)> {
        let context = &self.via.context;
        let waiting = together(keys.to_vec(), |key| {
            let context = Arc::clone(context);
            async move {
                let look = || context.outbox.waiting(&key);
                let waiting = context.insist("look at what waits", &key.target, look).await?;
                Some((key, waiting))
            }
        });
        waiting.await.into_iter().flatten().collect()
    }

    async fn read(&self, claims: Vec<Claim>) -> Vec<ReadClaim> {
        let (target, via) = (Arc::clone(&self.target), Arc::clone(&self.via.target));
        let bytes =
            claims.iter().flat_map(|claim| &claim.deliveries).map(|delivery| delivery.payload.len()).sum();
        let now = self.via.context.clock.now();
        let name = &self.target.name;
        let work = move || claims.into_iter().map(|claim| ReadClaim::of(claim, &target, &via, now)).collect();
        read_claim::away(name, bytes, work).await
    }

    /// One of the groups, by itself.
    fn group(&self, key: DeliveryKey) -> GroupDelivery {
        GroupDelivery {
            sender: self.sender(key, Vec::new()),
            targets: Arc::clone(&self.targets),
            target: Arc::clone(&self.target),
            alerts: OnceLock::new(),
        }
    }

    fn sender(&self, key: DeliveryKey, also: Vec<String>) -> Sender {
        Sender { key, via: self.via.clone(), is_urgent: self.is_urgent, also, first: Mutex::default() }
    }

    async fn tell(&self, ready: Vec<Ready>) {
        let Some(lead) = ready.first() else { return };
        let Some(delivery) = lead.claim.deliveries.last().cloned() else { return };
        let context = &self.via.context;
        let (name, id) = (&self.target.name, context.outbox.public_id(delivery.id));
        let message = self.compose(&ready, &delivery);
        let also = ready.iter().skip(1).map(|ready| ready.claim.key.group.clone()).collect();
        let sender = self.sender(lead.claim.key.clone(), also);
        *sender.first.lock().unwrap_or_else(PoisonError::into_inner) =
            self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let groups = ready.len();
        match send(&sender, &delivery, &message).await {
            Conclusion::Ended(..) => {
                context.metrics.digest(name);
                let Changes { new, still, resolved, vanished, .. } = &message.changes;
                tracing::info!(
                    delivery = %id, target = %name, via = %self.via.name(), groups,
                    new = new.len(), still = still.len(), resolved = resolved.len(), vanished = vanished.len(),
                    "{name}: {groups} groups were told in one message, delivery {id}: {} new, {} still firing, {} resolved, {} vanished",
                    new.len(), still.len(), resolved.len(), vanished.len()
                );
                let reason = format!("delivered in a digest of {groups} groups, as {id}");
                let via = self.via.name().to_owned();
                together(ready, |Ready { group, claim, news, .. }| {
                    let (reason, via) = (reason.clone(), via.clone());
                    async move {
                        let Some(delivery) = claim.deliveries.last() else { return };
                        let nobody = BTreeMap::new();
                        group.settle_told(&via, &claim, delivery, reason, news.folded.entries, &nobody).await;
                    }
                })
                .await;
            }
            Conclusion::Refused(_, words) => {
                tracing::warn!(
                    delivery = %id, target = %name, via = %self.via.name(), groups,
                    "{name}: {} refuses a digest of {groups} groups, which are told one by one: {words}",
                    self.via.name()
                );
                context.state.refuse_digests(self.via.name(), REFUSED_FOR);
                release(ready, context.clock.now()).await;
            }
            Conclusion::Later(at) => release(ready, at).await,
            Conclusion::LeaseLost => release(ready, context.clock.now()).await,
        }
    }

    fn compose(&self, ready: &[Ready], delivery: &Pending) -> Message {
        let context = &self.via.context;
        let (own, via) = (&self.target.name, &self.via.target);
        let by_other = (via.name != *own).then(|| compose::fallback_banner(own, &via.name, via.language));
        let mut mentions = BTreeSet::new();
        let mut is_repeat = false;
        for Ready { claim, changes, .. } in ready {
            // Who may have seen it is told so, and not called again.
            let seen = may_have_seen(claim, via);
            is_repeat |= !seen.is_empty();
            let unseen: Vec<Alert> =
                changes.new.iter().filter(|alert| !seen.contains(&alert.fingerprint)).cloned().collect();
            let named = claim.deliveries.iter().map(|delivery| &delivery.mentions);
            mentions.extend(compose::to_mention(named, &unseen));
        }
        let repeat = is_repeat.then(|| compose::repeat_banner(via.language).to_owned());
        let banners: Vec<String> = by_other.into_iter().chain(repeat).collect();
        let oldest =
            ready.iter().flat_map(|ready| &ready.claim.deliveries).map(|delivery| delivery.accepted_at);
        let now = context.clock.now();
        let told = DigestContent {
            delivery: context.outbox.public_id(delivery.id).to_string(),
            newest: &ready[0].news.newest,
            changes: Changes::merged(ready.iter().map(|ready| ready.changes.clone())),
            digest: Digest { groups: ready.len(), since: oldest.min().unwrap_or(now).timestamp() },
            truncated_alerts: ready.iter().map(|ready| ready.news.newest.truncated_alerts).sum(),
            mentions,
            banner: (!banners.is_empty()).then(|| banners.join(" · ")),
        };
        compose::compose_digest(&self.targets.defaults, told, now.timestamp())
    }
}

/// Sends the message in whatever wording the channel takes. What rings phones beside it may fail: it tells nothing.
async fn send(sender: &Sender, delivery: &Pending, message: &Message) -> Conclusion {
    let mut wording = Wording::Normal;
    loop {
        let (parts, rendering) = sender.render(message, wording);
        let rendering = Rendering { parts: 0, ..rendering };
        let mut parts = parts.iter();
        let Some(part) = parts.next() else { return Conclusion::Refused(wording, String::new()) };
        let answer = match sender.attempt(delivery, part, DIGEST_PART, &rendering, None).await {
            Tried::Answered(answer) => answer,
            Tried::NotBefore(at) => return Conclusion::Later(at),
            Tried::LeaseLost => return Conclusion::LeaseLost,
        };
        match &answer.next {
            Next::GoOn => {
                for (number, part) in (DIGEST_PART + 1..).zip(parts) {
                    accompany(sender, delivery, part, number, &rendering).await;
                }
                return Conclusion::Ended(End::Delivered, "delivered".to_owned(), BTreeMap::new());
            }
            Next::Reword(next) if *next > wording && *next != Wording::Bare => wording = *next,
            Next::Reword(_) | Next::GiveUp | Next::Hold => {
                return Conclusion::Refused(wording, answer.outcome.detail().to_owned());
            }
            Next::Wait(_) | Next::Pause(_) => return later(sender, delivery, &answer),
        }
    }
}

fn later(sender: &Sender, delivery: &Pending, answer: &Answer) -> Conclusion {
    Conclusion::Later(sender.in_time_for_fallback(delivery, sender.come_back_at(answer)))
}

/// Sends a further part, once, after a wait for the budget if that is short.
async fn accompany(sender: &Sender, delivery: &Pending, part: &Part, number: u32, rendering: &Rendering) {
    let clock = &sender.via.context.clock;
    let until = clock.now().plus(COMPANION_WAITS);
    loop {
        match sender.attempt(delivery, part, number, rendering, None).await {
            Tried::NotBefore(at) if at <= until && !sender.via.context.is_stopping() => {
                clock.sleep_until(at).await;
            }
            Tried::NotBefore(_) => {
                let (target, via) = (&sender.key.target, sender.via.name());
                tracing::warn!(%target, %via, "{target}: nobody is called by phone for a digest: {via} has no budget left");
                return;
            }
            Tried::Answered(_) | Tried::LeaseLost => return,
        }
    }
}

async fn release(ready: Vec<Ready>, at: Millis) {
    together(ready, |Ready { group, .. }| async move { group.release(at).await }).await;
}

/// Does this for all, some at the same time; what comes of it is in their order.
async fn together<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut done: Vec<(usize, R)> = Vec::with_capacity(items.len());
    let mut under_way = JoinSet::new();
    for (index, item) in items.into_iter().enumerate() {
        if under_way.len() >= AT_ONCE
            && let Some(Ok(result)) = under_way.join_next().await
        {
            done.push(result);
        }
        let work = work(item);
        under_way.spawn(async move { (index, work.await) });
    }
    while let Some(ended) = under_way.join_next().await {
        done.extend(ended.ok());
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
