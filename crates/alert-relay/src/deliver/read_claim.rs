//! What a claim's webhooks come to for its target: read, cut down to its alerts, folded over what it knows. Pure, but for where it is done.
//!
//! Owns the work that grows with the bytes of the webhooks, so that one place says on which thread it is done. Leaves out what
//! becomes of it (`group`).

use std::mem;

use crate::catch_up::{self, CatchUp};
use crate::clock::Millis;
use crate::delivery::Claim;
use crate::intake::{self, IntakeError};
use crate::ledger::{self, Folded, Snapshot, Terms};
use crate::notification::Notification;
use crate::offload::offload;
use crate::render::clean;
use crate::settings::TargetSettings;
use crate::subject;

/// A claim whose webhooks were read.
#[derive(Debug)]
pub(super) struct ReadClaim {
    /// Without the bodies.
    pub(super) claim: Claim,
    /// What they say; `None`: there are none.
    pub(super) news: Result<Option<News>, IntakeError>,
}

/// What the webhooks of a claim say.
#[derive(Debug)]
pub(super) struct News {
    /// The newest webhook.
    pub(super) newest: Notification,
    /// What it is about, for the log.
    pub(super) about: String,
    /// How many of the oldest deliveries are over but for some recipients of a mail, who are told with what is newer. Usually 0.
    pub(super) straggling: usize,
    /// What is to be told: of those that straggle, else of all.
    pub(super) folded: Folded,
    /// To recipients who have missed earlier mails.
    pub(super) own: Vec<CatchUp>,
}

/// Does this work away from the threads that answer requests if its webhooks are large. It is told late rather than not at all, so that
/// without a thread requests have to wait.
pub(super) async fn away<T: Send + 'static>(
    target: &str,
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match offload(bytes, work).await {
        Ok(read) => read,
        Err(refused) => {
            tracing::warn!(
                target, bytes, error = %refused.error,
                "requests have to wait for {bytes} bytes of webhooks for {target}: {refused}"
            );
            (refused.work)()
        }
    }
}

impl ReadClaim {
    /// Reads it for this target, as of `now`; `via` is the target whose channel sends it.
    pub(super) fn of(mut claim: Claim, target: &TargetSettings, via: &TargetSettings, now: Millis) -> Self {
        // Each body goes once it is read.
        let bodies = claim.deliveries.iter_mut().map(|delivery| mem::take(&mut delivery.payload));
        let webhooks: Result<Vec<Notification>, _> = bodies.map(|body| intake::parse(&body)).collect();
        let news = webhooks.map(|webhooks| News::of(webhooks, &claim, target, via, now));
        Self { claim, news }
    }
}

impl News {
    fn of(
        mut webhooks: Vec<Notification>,
        claim: &Claim,
        target: &TargetSettings,
        via: &TargetSettings,
        now: Millis,
    ) -> Option<Self> {
        let snapshots: Vec<Snapshot> = webhooks
            .iter()
            .zip(&claim.deliveries)
            .map(|(webhook, delivery)| Snapshot::of(webhook, delivery))
            .collect();
        let newest = webhooks.pop()?;
        drop(webhooks);
        let terms = Terms { send_resolved: target.send_resolved, senders: &claim.senders, now };
        // Some have this mail, the others could not be reached with it, and now there is something newer: that is for everybody.
        let older = claim.deliveries.len().saturating_sub(1);
        let straggling = claim.deliveries[..older].iter().rposition(|delivery| delivery.is_straggling);
        let straggling = straggling.map_or(0, |last| last + 1);
        let told = if straggling > 0 { &snapshots[..straggling] } else { &snapshots[..] };
        let folded = ledger::fold(&claim.ledger, told, terms);
        let own = if straggling > 0 { Vec::new() } else { own_mails(claim, &snapshots, via, terms) };
        Some(Self { about: about(&snapshots, &newest), newest, straggling, folded, own })
    }
}

/// Of recipients that this channel still has.
fn own_mails(claim: &Claim, snapshots: &[Snapshot], via: &TargetSettings, terms: Terms<'_>) -> Vec<CatchUp> {
    let reachable = via.channel.recipients();
    let mut own = catch_up::mails(&claim.ledger, &claim.arrears, snapshots, terms);
    for mail in &mut own {
        mail.recipients.retain(|name| reachable.contains(name));
    }
    own.retain(|mail| !mail.recipients.is_empty());
    own
}

/// The names of the target's own alerts, or, of a snapshot that has none for it any more, of all; and Alertmanager's name of their group.
fn about(snapshots: &[Snapshot], newest: &Notification) -> String {
    let own = snapshots.iter().rev().find(|snapshot| !snapshot.alerts.is_empty());
    let names = subject::names(own.map_or(&newest.alerts, |snapshot| &snapshot.alerts));
    format!("{names} of group {}", clean::line(&newest.group_key.0, SHOWN_OF_A_GROUP))
}

/// Characters of a group's name in a line of the log.
const SHOWN_OF_A_GROUP: usize = 200;
