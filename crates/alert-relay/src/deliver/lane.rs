//! One lane, from its claim to its end or its next try: claim → ledger → message → parts → attempts → record.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::budget::Wait;
use crate::channel::{Fit, Part, Stamp};
use crate::clock::Millis;
use crate::deliver::books::{Place, Turn};
use crate::deliver::roster::{Roster, Speaker};
use crate::deliver::{Shared, compose};
use crate::ledger::{self, Snapshot};
use crate::message::Changes;
use crate::metrics::outcome_word;
use crate::notification::Notification;
use crate::outbox::{
    AttemptEnd, AttemptStart, Claim, End, Lane, Pending, Rendering, Settlement, StoreError, Told,
};
use crate::outcome::{Outcome, Reason};
use crate::retry::{self, Next};

/// Speaks for one lane, once.
pub(super) struct LaneRun {
    pub(super) shared: Arc<Shared>,
    pub(super) roster: Arc<Roster>,
    pub(super) lane: Lane,
    /// Whose alerts these are.
    pub(super) target: Arc<Speaker>,
    /// Whose channel is used: the target's own, or its fallback's.
    pub(super) via: Arc<Speaker>,
    pub(super) is_urgent: bool,
    /// For the first attempt: taken when this lane was chosen, so that no later one overtakes it.
    pub(super) first_place: Mutex<Option<Place>>,
}

/// How far a part has come.
enum PartEnd {
    Delivered,
    /// Not in these words: put it differently, or if there is no other way, it is refused for good.
    Reword(Option<Fit>, String),
    /// Not now. Whether the other parts are worth trying, which may have other recipients.
    Later {
        at: Millis,
        others_may_go: bool,
    },
    /// The lease or the store is gone, or the relay stops.
    Stop,
}

/// How a pass over all parts in one wording went.
enum Pass {
    AllDelivered,
    /// These parts will not be taken in this wording; the next one to try, if any.
    Refused {
        refused: u32,
        of: u32,
        next: Option<Fit>,
        detail: String,
    },
    Later(Millis),
    Stop,
}

impl LaneRun {
    pub(super) async fn run(self) {
        let claimed = self
            .insist("claim a delivery", || self.shared.outbox.claim(&self.lane, self.shared.pace.lease))
            .await;
        // Given up, or taken by another relay, between the look and the claim.
        let Some(Some(claim)) = claimed else { return };
        let Some(speaker) = claim.deliveries.last() else { return };
        let notifications: Result<Vec<Notification>, String> =
            claim.deliveries.iter().map(|delivery| (self.shared.read)(&delivery.payload)).collect();
        let notifications = match notifications {
            Ok(notifications) => notifications,
            Err(error) => {
                let reason = format!("the stored webhook cannot be read: {error}");
                return self.settle(&claim, speaker, End::Dead, reason, Vec::new()).await;
            }
        };
        let Some(newest) = notifications.last() else { return };
        let snapshots: Vec<Snapshot> = notifications
            .iter()
            .zip(&claim.deliveries)
            .map(|(from, delivery)| compose::snapshot(from, delivery))
            .collect();

        let folded = ledger::fold(&claim.told, &snapshots, self.target.settings.send_resolved);
        let Some(changes) = folded.changes else {
            return self
                .settle(&claim, speaker, End::Suppressed, "nothing new to tell".to_owned(), folded.told)
                .await;
        };
        self.tell(&claim, speaker, newest, &changes, folded.told).await;
    }

    async fn tell(
        &self,
        claim: &Claim,
        speaker: &Pending,
        newest: &Notification,
        changes: &Changes,
        told: Vec<Told>,
    ) {
        let progress =
            claim.progress.as_ref().filter(|progress| progress.rendering.via == self.via.settings.name);
        let mut fit = progress.map_or(Fit::Normal, |progress| progress.rendering.fit);
        // A message partly sent is rendered as of its first time, so that its parts are the same again.
        let begun = progress.filter(|progress| !progress.done.is_empty());
        let mut at = begun.map_or_else(|| self.shared.clock.now(), |progress| progress.rendering.at);
        let mut done = begun.map(|progress| progress.done.clone()).unwrap_or_default();
        let mut expected_parts = begun.map(|progress| progress.rendering.parts);
        let mut heard: BTreeSet<String> = BTreeSet::new();

        loop {
            let public_id = self.shared.outbox.public_id(speaker.id);
            let render = |at| {
                let message =
                    compose::message(&self.roster, claim, newest, changes, &self.via, public_id.clone(), at);
                self.via.channel.render(&message, fit)
            };
            let mut parts = render(at);
            let count = |parts: &[Part]| u32::try_from(parts.len()).unwrap_or(u32::MAX);
            if expected_parts.take().is_some_and(|expected| expected != count(&parts)) {
                // The settings or the template changed in between: these are not the same parts. Told twice beats not told.
                done.clear();
                at = self.shared.clock.now();
                parts = render(at);
            }
            let rendering = Rendering { via: self.via.settings.name.clone(), fit, at, parts: count(&parts) };
            match self.pass(speaker, &parts, &rendering, &done, &mut heard).await {
                Pass::AllDelivered => {
                    let reason = if fit == Fit::Plain { "delivered as plain text" } else { "delivered" };
                    return self.settle(claim, speaker, End::Delivered, reason.to_owned(), told).await;
                }
                Pass::Refused { next: Some(next), .. } => {
                    fit = next;
                    done.clear();
                }
                Pass::Refused { refused, of, next: None, detail } => {
                    let reason = format!("{refused} of {of} parts refused: {detail}");
                    return self.settle(claim, speaker, End::Dead, reason, Vec::new()).await;
                }
                Pass::Later(at) => return self.release(at).await,
                Pass::Stop => return,
            }
        }
    }

    /// Sends every part that is not done yet, in order.
    async fn pass(
        &self,
        speaker: &Pending,
        parts: &[Part],
        rendering: &Rendering,
        done: &BTreeSet<u32>,
        heard: &mut BTreeSet<String>,
    ) -> Pass {
        let mut later: Option<Millis> = None;
        let mut refused = 0;
        let mut wording: Option<(Option<Fit>, String)> = None;
        for (number, part) in (1..).zip(parts) {
            // A mail goes to each recipient by itself: who has it does not get it again in other words.
            if done.contains(&number) || part.recipient().is_some_and(|recipient| heard.contains(recipient)) {
                continue;
            }
            match self.send(speaker, part, number, rendering).await {
                PartEnd::Delivered => heard.extend(part.recipient().map(str::to_owned)),
                PartEnd::Reword(next, detail) => {
                    refused += 1;
                    wording = Some((next, detail));
                    // The parts of a chat message belong together, and all of them will be put differently.
                    if part.recipient().is_none() && next.is_some() {
                        break;
                    }
                }
                PartEnd::Later { at, others_may_go } => {
                    later = Some(later.map_or(at, |other| other.max(at)));
                    if part.recipient().is_none() || !others_may_go {
                        break;
                    }
                }
                PartEnd::Stop => return Pass::Stop,
            }
        }
        match (later, wording) {
            // What was refused is tried again with the rest: nothing ends while a part may still arrive.
            (Some(at), _) => Pass::Later(at),
            (None, Some((next, detail))) => Pass::Refused { refused, of: rendering.parts, next, detail },
            (None, None) => Pass::AllDelivered,
        }
    }

    async fn send(&self, speaker: &Pending, part: &Part, number: u32, rendering: &Rendering) -> PartEnd {
        if self.shared.is_stopping.load(Ordering::Relaxed) {
            return PartEnd::Later { at: self.shared.clock.now(), others_may_go: false };
        }
        let robot = self.via.channel.robot().as_str();
        let first = self.first_place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut place = match first.map_or_else(|| self.shared.books.take(robot, self.is_urgent), Ok) {
            Ok(place) => place,
            Err(wait) => {
                self.shared.metrics.budget_wait(&self.lane.target);
                let at = match wait {
                    Wait::Until(at) => at,
                    Wait::ForReply => self.shared.clock.now().plus(BUSY_ROBOT),
                };
                return PartEnd::Later { at, others_may_go: false };
            }
        };
        let start = AttemptStart {
            delivery: speaker.id,
            rendering: rendering.clone(),
            robot: robot.to_owned(),
            part: number,
        };
        let attempt = match self.shared.outbox.begin_attempt(start, self.shared.pace.lease).await {
            Ok(Some(attempt)) => attempt,
            Ok(None) => {
                tracing::warn!(
                    delivery = speaker.id,
                    "The lease of a delivery was lost; whoever has it goes on"
                );
                return PartEnd::Stop;
            }
            Err(error) => {
                self.store_failed("note an attempt", &error);
                return PartEnd::Later {
                    at: self.shared.clock.now().plus(STORE_RETRY),
                    others_may_go: false,
                };
            }
        };
        place.used();
        let began = self.shared.clock.now();
        let outcome = self.attempt(speaker, part, began).await;
        drop(place);
        let now = self.shared.clock.now();
        let took = now.since(began);
        self.shared.metrics.attempt(&self.via.settings.name, &outcome, took.as_secs_f64());

        let failures = speaker.attempts.saturating_add(1);
        let backoff = self.shared.pace.backoff;
        let next = retry::next(&outcome, rendering.fit, failures, backoff, self.shared.jitter.draw());
        let turn = self.shared.books.note(
            &self.via.settings.name,
            robot,
            &outcome,
            &next,
            self.shared.jitter.draw(),
        );
        self.log(speaker, number, &outcome, &next, took);
        self.record(speaker, attempt, &outcome, &next, now).await;
        self.after(turn, &outcome).await;
        self.part_end(&outcome, &next, now)
    }

    async fn attempt(&self, speaker: &Pending, part: &Part, began: Millis) -> Outcome {
        let public_id = self.shared.outbox.public_id(speaker.id);
        let since_epoch = began.since(Millis(0));
        let stamp = Stamp {
            at: UNIX_EPOCH.checked_add(since_epoch).unwrap_or_else(SystemTime::now),
            delivery: &public_id,
        };
        // The channel has its own time-out; this one is for the case that it does not keep it.
        let limit = self.via.settings.timeout.saturating_add(TIMEOUT_MARGIN);
        match tokio::time::timeout(limit, self.via.channel.send(part, &stamp)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Outcome::Retry {
                reason: Reason::Timeout,
                after: None,
                detail: format!("no verdict within {} s", limit.as_secs()),
            },
        }
    }

    /// The verdict is kept trying into the store: forgotten, a delivered part would be sent again.
    async fn record(&self, speaker: &Pending, attempt: i64, outcome: &Outcome, next: &Next, now: Millis) {
        let (reason, detail) = match outcome {
            Outcome::Delivered { receipt } => (None, receipt),
            Outcome::TooLarge { detail } => (None, detail),
            Outcome::Retry { reason, detail, .. }
            | Outcome::Misconfigured { reason, detail }
            | Outcome::Rejected { reason, detail } => (Some(reason.as_str()), detail),
        };
        let end = AttemptEnd {
            attempt,
            delivery: speaker.id,
            is_delivered: matches!(outcome, Outcome::Delivered { .. }),
            outcome: outcome_word(outcome),
            reason,
            detail: detail.clone(),
            pause_until: if let Next::Pause(span) = next { Some(now.plus(*span)) } else { None },
            next_fit: if let Next::Reword(fit) = next { Some(*fit) } else { None },
        };
        self.insist("record an attempt", || self.shared.outbox.end_attempt(end.clone())).await;
    }

    fn log(&self, speaker: &Pending, part: u32, outcome: &Outcome, next: &Next, took: Duration) {
        let (reason, detail) = match outcome {
            Outcome::Delivered { .. } => return,
            Outcome::TooLarge { detail } => ("too_large", detail),
            Outcome::Retry { reason, detail, .. }
            | Outcome::Misconfigured { reason, detail }
            | Outcome::Rejected { reason, detail } => (reason.as_str(), detail),
        };
        tracing::warn!(
            delivery = %self.shared.outbox.public_id(speaker.id),
            target = %self.lane.target,
            via = %self.via.settings.name,
            part,
            reason,
            detail,
            next = ?next,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "An attempt failed"
        );
    }

    async fn after(&self, turn: Turn, outcome: &Outcome) {
        let name = &self.via.settings.name;
        match turn {
            Turn::Same => {}
            Turn::Fails => tracing::error!(
                target = %name,
                "The target does not answer: its messages wait, one at a time goes out to see whether it is back"
            ),
            Turn::Refuses => tracing::error!(
                target = %name,
                reason = ?outcome,
                "The target refuses everything: its queue is kept (hint: check its address and secret with `alert-relay send-test {name}`, \
                 then reload)"
            ),
            Turn::Recovered => {
                tracing::info!(target = %name, "The target takes messages again");
                self.insist("hasten deliveries", || self.shared.outbox.hasten(name)).await;
            }
        }
    }

    fn part_end(&self, outcome: &Outcome, next: &Next, now: Millis) -> PartEnd {
        let detail = || match outcome {
            Outcome::TooLarge { detail } | Outcome::Rejected { detail, .. } => detail.clone(),
            Outcome::Delivered { .. } | Outcome::Retry { .. } | Outcome::Misconfigured { .. } => {
                String::new()
            }
        };
        // Of a dead target that failed its probe: the fallback takes this one at once.
        let substitute = || {
            (self.via.settings.name == self.lane.target
                && self.shared.books.has_substitute(&self.lane.target))
            .then_some(now)
        };
        match *next {
            Next::GoOn => PartEnd::Delivered,
            Next::Reword(fit) => PartEnd::Reword(Some(fit), detail()),
            Next::GiveUp => PartEnd::Reword(None, detail()),
            // The target's gate keeps it until the next probe.
            Next::Hold => PartEnd::Later { at: now, others_may_go: false },
            Next::Pause(span) => PartEnd::Later { at: now.plus(span), others_may_go: false },
            Next::Wait(span) => {
                let answered =
                    matches!(outcome, Outcome::Retry { reason: Reason::Busy | Reason::UnknownCode, .. });
                PartEnd::Later { at: substitute().unwrap_or_else(|| now.plus(span)), others_may_go: answered }
            }
        }
    }

    async fn release(&self, at: Millis) {
        self.insist("put a delivery back", || self.shared.outbox.release(&self.lane, at)).await;
    }

    async fn settle(&self, claim: &Claim, speaker: &Pending, end: End, reason: String, told: Vec<Told>) {
        let settlement = Settlement { lane: self.lane.clone(), delivery: speaker.id, end, reason, told };
        let ended = self.insist("end a delivery", || self.shared.outbox.settle(settlement.clone())).await;
        match ended {
            None => {}
            Some(0) => tracing::warn!(
                delivery = speaker.id,
                "The lease of a delivery was lost before its end was noted"
            ),
            Some(_) => {
                let now = self.shared.clock.now();
                if end == End::Delivered {
                    // Of the news that waited longest.
                    let oldest = claim.deliveries.iter().map(|delivery| delivery.accepted_at).min();
                    let latency = now.since(oldest.unwrap_or(now)).as_secs_f64();
                    let is_by_fallback = self.via.settings.name != self.lane.target;
                    self.shared.metrics.delivered(&self.lane.target, latency, is_by_fallback);
                }
                self.log_ends(claim, end, &settlement.reason, now);
            }
        }
    }

    /// One line an end, so that a delivery's story can be found by its name.
    fn log_ends(&self, claim: &Claim, end: End, reason: &str, now: Millis) {
        let newest = claim.deliveries.last().map(|speaker| speaker.id);
        for delivery in &claim.deliveries {
            let speaks = Some(delivery.id) == newest;
            let end = if speaks || end == End::Dead { end } else { End::Superseded };
            tracing::info!(
                delivery = %self.shared.outbox.public_id(delivery.id),
                target = %self.lane.target,
                via = %self.via.settings.name,
                group = %self.lane.group,
                end = end.as_str(),
                reason = if end == End::Superseded { "told by a newer snapshot" } else { reason },
                attempts_before = delivery.attempts,
                duration_ms = u64::try_from(now.since(delivery.accepted_at).as_millis()).unwrap_or(u64::MAX),
                "A delivery ended"
            );
        }
    }

    /// Tries until the store takes it, or the relay stops. The lane stays ours meanwhile.
    async fn insist<T, F>(&self, what: &str, ask: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Some(answer),
                Err(StoreError::Closed) => return None,
                Err(error) => self.store_failed(what, &error),
            }
            if self.shared.is_stopping.load(Ordering::Relaxed) {
                return None;
            }
            self.shared.clock.sleep_until(self.shared.clock.now().plus(STORE_RETRY)).await;
        }
    }

    fn store_failed(&self, what: &str, error: &StoreError) {
        self.shared.metrics.store_error(error);
        tracing::error!(target = %self.lane.target, %error, "Could not {what}");
    }
}

/// Between two tries to reach the store.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Between two looks at a robot all of whose places are under way.
const BUSY_ROBOT: Duration = Duration::from_millis(200);

/// What a channel may take beyond its time-out before it is cut off.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);
