//! What the writer is asked: which statements a request is, and whom to answer.

use tokio::sync::oneshot;

use crate::clock::{BootTime, Millis};
use crate::delivery::{
    Abandoned, Acceptance, AttemptEnd, AttemptStart, DeliveryKey, Forgotten, Settlement, Vanished,
};
use crate::operation::audit_trail::Deed;
use crate::outbox::arrival::Arrival;
use crate::outbox::error::StoreError;
use crate::outbox::letters::{LetterBatch, Letters};
use crate::outbox::session::Session;
use crate::outbox::sqlite::free_pages;
use crate::outbox::statements::changes::Pruned;
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::take_over::{self, TakenOver};
use crate::outbox::statements::{
    audit_trail, beats, changes, dead_letters, renaming, revisions, senders, test_attempts,
};

/// What is asked, what came of it, and who waits for it.
#[derive(Debug)]
pub(super) struct Order<A, T> {
    pub(super) ask: A,
    pub(super) answer: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
}

#[derive(Debug)]
pub(super) enum Request {
    Accept(Order<Arrival, Acceptance>),
    AddEmptyDelivery(Order<(Vanished, Millis), ()>),
    AddRevision(Order<(DeliveryKey, Millis), ()>),
    ForgetSenders(Order<(Millis, Millis), Vec<Forgotten>>),
    Claim(Order<(DeliveryKey, Millis, Millis, u64), bool>),
    BeginAttempt(Order<(AttemptStart, Millis, Millis), Option<i64>>),
    EndAttempt(Order<(AttemptEnd, Millis, BootTime), ()>),
    BeginTestAttempt(Order<(String, Millis), i64>),
    EndTestAttempt(Order<(i64, Option<Millis>, Millis, BootTime), ()>),
    Settle(Order<(Settlement, Millis), u64>),
    Release(Order<(DeliveryKey, Millis), ()>),
    GiveUp(Order<(String, Millis, String, Millis), Vec<Abandoned>>),
    Hasten(Order<(String, Millis), u64>),
    Rename(Order<(String, String, Millis), u64>),
    Prune(Order<(Millis, Millis), Pruned>),
    TreatLetters(Order<(Letters, Millis), LetterBatch>),
    Note(Order<(Deed, Millis), ()>),
    TakeOver(Order<(Millis, bool), TakenOver>),
    Beat(Order<String, ()>),
    Ping(Order<Millis, ()>),
    #[cfg(test)]
    Statement(Order<&'static str, ()>),
    Close(Order<(), ()>),
}

impl Request {
    /// Whether its answer says to others that something is, or would be, kept; or somebody asks for more than what is kept needs. An alarm of
    /// the relay's own is told to people, and nobody else has it.
    pub(super) fn is_promise(&self) -> bool {
        match self {
            Self::Accept(order) => !order.ask.is_our_own(),
            Self::Ping(_) | Self::TreatLetters(_) | Self::Note(_) | Self::BeginTestAttempt(_) => true,
            _ => false,
        }
    }

    /// Whether only the relay that delivers may ask it.
    pub(super) fn is_the_deliverers(&self) -> bool {
        match self {
            Self::Accept(order) => order.ask.is_our_own(),
            Self::Ping(_) | Self::Beat(_) | Self::Close(_) => false,
            // Any relay's operator.
            Self::TreatLetters(_) | Self::Note(_) => false,
            #[cfg(test)]
            Self::Statement(_) => false,
            _ => true,
        }
    }

    pub(super) fn may_add_deliveries(&self) -> bool {
        matches!(
            self,
            Self::Accept(_)
                | Self::AddEmptyDelivery(_)
                | Self::AddRevision(_)
                | Self::ForgetSenders(_)
                | Self::Rename(_)
                | Self::TreatLetters(_)
        )
    }

    pub(super) async fn apply(
        &mut self,
        session: &mut Session<'_>,
        owner: &str,
        gathered: &mut Gathered,
    ) -> Result<(), sqlx::Error> {
        match self {
            // All of a transaction together: see `apply` of the loop.
            Self::Accept(_) => {}
            Self::AddEmptyDelivery(order) => {
                let (vanished, now) = &order.ask;
                order.answer = Some(revisions::add_empty_delivery(session, vanished, *now, gathered).await?);
            }
            Self::AddRevision(order) => {
                let (key, now) = &order.ask;
                order.answer = Some(revisions::add_revision(session, key, *now, gathered).await?);
            }
            Self::ForgetSenders(order) => {
                let (before, now) = &order.ask;
                order.answer = Some(senders::forget(session, *before, *now, gathered).await?);
            }
            Self::Claim(order) => {
                let (key, now, until, bytes) = &order.ask;
                order.answer = Some(changes::claim(session, owner, key, *now, *until, *bytes).await?);
            }
            Self::BeginAttempt(order) => {
                let (start, now, until) = &order.ask;
                order.answer = Some(changes::begin_attempt(session, owner, start, *now, *until).await?);
            }
            Self::EndAttempt(order) => {
                let (end, now, booted) = &order.ask;
                order.answer = Some(changes::end_attempt(session, end, *now, booted).await?);
            }
            Self::BeginTestAttempt(order) => {
                let (robot, now) = &order.ask;
                order.answer = Some(test_attempts::begin(session, robot, *now).await?);
            }
            Self::EndTestAttempt(order) => {
                let (number, pause_until, now, booted) = &order.ask;
                test_attempts::end(session, *number, *pause_until, *now, booted).await?;
                order.answer = Some(());
            }
            Self::Settle(order) => {
                let (settlement, now) = &order.ask;
                order.answer = Some(changes::settle(session, owner, settlement, *now, gathered).await?);
            }
            Self::Release(order) => {
                let (key, next_at) = &order.ask;
                order.answer = Some(changes::release(session, owner, key, *next_at).await?);
            }
            Self::GiveUp(order) => {
                let (target, before, reason, now) = &order.ask;
                order.answer =
                    Some(changes::give_up(session, target, *before, reason, *now, gathered).await?);
            }
            Self::Hasten(order) => {
                let (target, now) = &order.ask;
                order.answer = Some(changes::hasten(session, target, *now).await?);
            }
            Self::Rename(order) => {
                let (from, to, now) = &order.ask;
                order.answer = Some(renaming::rename(session, from, to, *now, gathered).await?);
            }
            Self::Prune(order) => {
                let (before, now) = order.ask;
                order.answer = Some(changes::prune(session, before, now).await?);
                if let Session::Sqlite(connection) = session {
                    free_pages::give_back(connection).await?;
                }
            }
            Self::TreatLetters(order) => {
                let (letters, now) = &order.ask;
                order.answer = Some(dead_letters::treat(session, letters, *now, gathered).await?);
            }
            Self::Note(order) => {
                let (deed, now) = &order.ask;
                order.answer = Some(audit_trail::add(session, deed, *now).await?);
            }
            Self::TakeOver(order) => {
                let (now, has_died) = order.ask;
                order.answer = Some(take_over::take_over(session, now, has_died).await?);
            }
            Self::Beat(order) => order.answer = Some(beats::note(session, &order.ask).await?),
            Self::Ping(order) => order.answer = Some(changes::ping(session, order.ask).await?),
            #[cfg(test)]
            Self::Statement(order) => order.answer = Some(session.run(order.ask).await?),
            Self::Close(order) => order.answer = Some(()),
        }
        Ok(())
    }

    /// Answers who waits. Whoever has gone meanwhile does not change that it is done.
    pub(super) fn finish(self, outcome: &Result<(), StoreError>) {
        let outcome = outcome.clone();
        match self {
            Self::Accept(order) => order.finish(outcome),
            Self::AddEmptyDelivery(order) => order.finish(outcome),
            Self::AddRevision(order) => order.finish(outcome),
            Self::ForgetSenders(order) => order.finish(outcome),
            Self::Claim(order) => order.finish(outcome),
            Self::BeginAttempt(order) => order.finish(outcome),
            Self::EndAttempt(order) => order.finish(outcome),
            Self::BeginTestAttempt(order) => order.finish(outcome),
            Self::EndTestAttempt(order) => order.finish(outcome),
            Self::Settle(order) => order.finish(outcome),
            Self::Release(order) => order.finish(outcome),
            Self::GiveUp(order) => order.finish(outcome),
            Self::Hasten(order) => order.finish(outcome),
            Self::Rename(order) => order.finish(outcome),
            Self::Prune(order) => order.finish(outcome),
            Self::TreatLetters(order) => order.finish(outcome),
            Self::Note(order) => order.finish(outcome),
            Self::TakeOver(order) => order.finish(outcome),
            Self::Beat(order) => order.finish(outcome),
            Self::Ping(order) => order.finish(outcome),
            #[cfg(test)]
            Self::Statement(order) => order.finish(outcome),
            Self::Close(order) => order.finish(outcome),
        }
    }
}

impl<A, T> Order<A, T> {
    pub(super) fn finish(self, outcome: Result<(), StoreError>) {
        let result = outcome.and_then(|()| {
            self.answer.ok_or_else(|| StoreError::Failed {
                detail: "a request was committed without an answer".to_owned(),
            })
        });
        let _gone = self.reply.send(result);
    }
}
