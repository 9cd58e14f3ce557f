//! The records that the store takes and returns: plain data.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::notification::{Alert, Fingerprint, GroupKey, Notification};
use crate::recourse::Refusals;
use crate::routes::{Mentions, Planned, UnroutedNote};
use crate::sender::Sender;

pub(crate) use crate::delivery::attempt::{
    AttemptEnd, AttemptStart, DIGEST_PART, MailProgress, PastAttempt, Progress, Rendering,
};
pub(crate) use crate::delivery::ledger_entry::{Ended, LedgerEntry};
pub(crate) use crate::delivery::public_id::{NoPublicId, PublicId};
pub(crate) use crate::delivery::sent_part::{MOST_KEPT_BYTES, SentPart};

mod attempt;
mod ledger_entry;
mod public_id;
mod sent_part;

/// One webhook, parsed and routed, ready to be made durable.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// The receiver in the URL.
    pub(crate) endpoint: String,
    /// What the body says.
    pub(crate) notification: Notification,
    /// The body as it came; the message is made from it.
    pub(crate) payload: Bytes,
    /// Which target is to be sent which alerts; a target at most once.
    pub(crate) deliveries: Vec<Planned>,
    /// Alerts that no route matches: stored and sent to nobody.
    pub(crate) unrouted: Vec<Fingerprint>,
    /// What is kept of the first of them.
    pub(crate) unrouted_notes: Vec<UnroutedNote>,
    /// Who posted it.
    pub(crate) sender: Sender,
}

/// What became of an [`Accepted`]: either way it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// New: its deliveries are pending.
    Stored {
        /// The notification's number.
        notification: i64,
        /// How many deliveries are now pending.
        deliveries: usize,
    },
    /// The same snapshot was accepted within the store's `DEDUP_WINDOW`: a cluster's second peer, or our 200 got lost. Its
    /// deliveries ended at once as suppressed.
    Duplicate {
        /// This copy's number.
        notification: i64,
        /// The number of the one it repeats.
        of: i64,
        /// How many deliveries were suppressed.
        deliveries: usize,
    },
}

/// The ordered queue of one alert group's deliveries to one target: sent one after the other. Queues are independent of each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeliveryKey {
    /// The target's name.
    pub(crate) target: String,
    /// The hash of endpoint, receiver, group key and, if it has one, the sender's `source`.
    pub(crate) group: String,
}

/// Which queues to look at. With thousands of deliveries waiting, a look at all of them at every webhook would slow the
/// accepting down, and while only a robot's reserve is left, ordinary ones could not be sent anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrgencyFilter {
    /// All.
    Any,
    /// Those that hold a firing critical alert.
    Urgent,
}

/// A queue with something to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueDelivery {
    /// Which.
    pub(crate) key: DeliveryKey,
    /// A delivery in it holds a firing critical alert.
    pub(crate) is_urgent: bool,
    /// When the first such delivery was accepted.
    pub(crate) urgent_since: Option<Millis>,
    /// Its message is partly sent.
    pub(crate) is_begun: bool,
}

/// What the next claim of a queue would hold in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Bytes of the webhooks that it would take.
    pub(crate) webhooks: u64,
    /// Bytes of what the target knows.
    pub(crate) ledger: u64,
    /// An earlier claim of it was the last that a process did.
    pub(crate) has_ended_a_process: bool,
}

/// A claimed queue: nobody else works on it until the lease ends.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Which.
    pub(crate) key: DeliveryKey,
    /// The pending deliveries, oldest first; never empty. The last one is sent for all of them.
    pub(crate) deliveries: Vec<Pending>,
    /// What the target knows of this group's alerts: those that fire, and those of the deliveries.
    pub(crate) ledger: Vec<LedgerEntry>,
    /// Who has posted a snapshot of this group and was heard lately: tellers whose word still counts.
    pub(crate) senders: BTreeSet<String>,
    /// How far the last one's message has come; `None`: it was not tried before.
    pub(crate) progress: Option<Progress>,
    /// Which channels have refused the last one's message.
    pub(crate) refusals: Refusals,
    /// Through which targets' channels a message of these deliveries may have arrived, since nobody knows what came of it, with the last
    /// such delivery.
    pub(crate) unknown: BTreeMap<String, i64>,
    /// What single recipients of a mail know less than the target does.
    pub(crate) arrears: Arrears,
}

/// What recipients of a mail have missed of one group, by recipient; oldest first.
pub(crate) type Arrears = BTreeMap<String, Vec<Missed>>;

/// An alert about which others were sent something that one recipient was not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missed {
    /// As the recipient knows it; `None`: not at all.
    pub(crate) knew: Option<Alert>,
    /// As the others know it.
    pub(crate) now: Alert,
}

/// One pending delivery.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Its number.
    pub(crate) id: i64,
    /// When its notification was accepted.
    pub(crate) accepted_at: Millis,
    /// The alerts for this target.
    pub(crate) alerts: Vec<Fingerprint>,
    /// Alerts for this target outside of its hours, as in [`Planned::outside_hours`].
    pub(crate) outside_hours: Vec<Fingerprint>,
    /// Whom to mention.
    pub(crate) mentions: Mentions,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// Some recipients have its mail; the others were tried, and are tried again unless something newer comes.
    pub(crate) is_straggling: bool,
    /// What became of the recipients of its mail.
    pub(crate) recipients: BTreeMap<String, RecipientStatus>,
    /// Brings no snapshot of its own: what the target knows is to be looked at once more.
    pub(crate) is_revision: bool,
    /// Who posted the webhook.
    pub(crate) sender: Sender,
    /// The webhook's body.
    pub(crate) payload: Bytes,
}

/// What became of one recipient of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RecipientStatus {
    /// The server has accepted it.
    #[serde(rename = "heard")]
    Accepted,
    /// Refused for good.
    Refused,
    /// Tried, and to be tried again.
    Deferred,
}

/// How a delivery ends. There is no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    /// The channel's reply proves that it arrived.
    Delivered,
    /// A newer delivery of the same group was sent for it.
    Superseded,
    /// There was nothing to send that the target did not know, or the notification was a duplicate.
    Suppressed,
    /// Given up.
    Dead,
}

impl End {
    /// Every end, for metrics that start at 0.
    pub(crate) const ALL: [Self; 4] = [Self::Delivered, Self::Superseded, Self::Suppressed, Self::Dead];

    /// The state in the store, the metric label and the word in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Superseded => "superseded",
            Self::Suppressed => "suppressed",
            Self::Dead => "dead",
        }
    }
}

/// The end of a claim: of the delivery that was sent, and of the older ones it covered.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    /// The claimed queue.
    pub(crate) key: DeliveryKey,
    /// The delivery that was sent.
    pub(crate) delivery: i64,
    /// How it ended.
    pub(crate) end: End,
    /// Why, in a few words.
    pub(crate) reason: String,
    /// What the target knows now, where that has changed; written in the same transaction.
    pub(crate) ledger: Vec<LedgerEntry>,
    /// What its recipients have missed now; `None`: as before.
    pub(crate) arrears: Option<Arrears>,
}

impl Settlement {
    /// How the older deliveries of the claim end, and why: superseded. If the newest is dead, so are they, since nothing was sent
    /// for them.
    pub(crate) fn end_of_older(&self) -> (End, &str) {
        match self.end {
            End::Dead => (End::Dead, &self.reason),
            End::Delivered | End::Superseded | End::Suppressed => {
                (End::Superseded, "told by a newer snapshot")
            }
        }
    }
}

/// A queue whose ledger has a firing alert although a sender's newest snapshot has none for the target, at any hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vanished {
    /// Which.
    pub(crate) key: DeliveryKey,
    /// The snapshot.
    pub(crate) notification: i64,
}

/// A sender that was not heard for so long that what it said fires counts no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// The group it spoke of.
    pub(crate) group: String,
    /// As [`Sender::teller`] has it.
    pub(crate) sender: String,
    /// When it was last heard.
    pub(crate) heard_at: Millis,
    /// Targets that know of something firing in that group, which is looked at once more.
    pub(crate) targets: Vec<String>,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned {
    /// Its number.
    pub(crate) id: i64,
    /// Its group.
    pub(crate) group: String,
    /// Alertmanager's name of the group.
    pub(crate) group_key: GroupKey,
    /// The names of the webhook's alerts in a few words; `None`: an older version stored it.
    pub(crate) alerts: Option<String>,
    /// When its notification was accepted.
    pub(crate) accepted_at: Millis,
    /// Attempts made.
    pub(crate) attempts: u32,
}

/// A delivery that was the last thing which several processes began, one after the other: it is not tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// Its number.
    pub(crate) id: i64,
    /// For whom it was.
    pub(crate) target: String,
    /// Its group.
    pub(crate) group: String,
}

impl SetAside {
    /// Why such a delivery is dead, as the store has it.
    pub(crate) const REASON: &str =
        "set aside: the relay ended again and again while it prepared this message";
}

/// How the deliveries of one target stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetCount {
    /// Accepted since the file was made.
    pub(crate) accepted: u64,
    /// Ended since the file was made, by end.
    pub(crate) ended: BTreeMap<End, u64>,
    /// Rows that are pending now.
    pub(crate) pending: u64,
    /// When the oldest pending one was accepted.
    pub(crate) oldest: Option<Millis>,
    /// Set aside since the file was made, as [`SetAside`] says; they are among the dead.
    pub(crate) set_aside: u64,
}
