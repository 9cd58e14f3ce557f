//! What tests of the store, and of those who use it, begin with: a store on a real file, and notifications to put into it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use settings_document::Secret;
use test_peers::postgres::Cluster;

use crate::clock::{Clock, Millis};
use crate::delivery::{
    Accepted, AttemptEnd, AttemptStart, Claim, DeliveryKey, End, LedgerEntry, Rendering, SentPart,
    Settlement, TargetCount, UrgencyFilter,
};
use crate::message::Wording;
use crate::notification::{Alert, Fingerprint, GroupKey, LabelSet, Notification, Status};
use crate::outbox::error::ReadError;
use crate::outbox::{Outbox, ReadOnlyOutbox};
use crate::routes::Planned;
use crate::sender::Sender;
use crate::settings::StoreSettings;

pub(crate) fn alert(fingerprint: &str, start: i64) -> Alert {
    Alert {
        status: Status::Firing,
        labels: LabelSet::from([("alertname".to_owned(), fingerprint.to_owned())]),
        annotations: LabelSet::new(),
        starts_at: Timestamp::from_second(start).unwrap(),
        ends_at: None,
        generator_url: String::new(),
        fingerprint: Fingerprint(fingerprint.to_owned()),
    }
}

pub(crate) fn firing(fingerprint: &str, start: i64) -> Alert {
    alert(fingerprint, start)
}

pub(crate) fn resolved(fingerprint: &str, start: i64) -> Alert {
    let ends_at = Some(Timestamp::from_second(start + 60).unwrap());
    Alert { status: Status::Resolved, ends_at, ..alert(fingerprint, start) }
}

pub(crate) fn notification(group: &str, alerts: Vec<Alert>) -> Notification {
    Notification {
        receiver: "ops".to_owned(),
        group_key: GroupKey(group.to_owned()),
        group_labels: LabelSet::new(),
        common_labels: LabelSet::new(),
        common_annotations: LabelSet::new(),
        external_url: "http://am:9093".to_owned(),
        truncated_alerts: 0,
        is_declared_repeat: false,
        alerts,
    }
}

/// A store that nothing is in yet, for a test with this directory.
pub(super) type NewStore = fn(&Path) -> StoreSettings;

/// Every kind of store there is.
pub(super) const STORES: [NewStore; 2] = [settings, postgres];

/// A schema of its own in the server that all tests share.
pub(super) fn postgres(directory: &Path) -> StoreSettings {
    let url = Secret::new(Cluster::shared().new_store());
    StoreSettings { path: directory.join("relay"), postgres: Some(url), ..settings(directory) }
}

/// Opens it as the relay that delivers.
async fn open(settings: &StoreSettings, clock: Clock) -> Outbox {
    let outbox = Outbox::open(settings, clock).await.unwrap();
    outbox.lead().await.unwrap();
    outbox
}

/// A store in a directory of its own, at a time that only moves when told to.
pub(crate) struct Stage {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) outbox: Outbox,
    settings: StoreSettings,
}

impl Stage {
    /// For those who only need some store.
    pub(crate) async fn new() -> Self {
        Self::with(settings).await
    }

    /// An empty store of this kind.
    pub(super) async fn with(new_store: NewStore) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = new_store(directory.path());
        let clock = Clock::manual("2026-11-23T10:00:00Z".parse().unwrap());
        let outbox = open(&settings, clock.clone()).await;
        Self { directory, clock, outbox, settings }
    }

    /// Closes and opens again, as a restart does.
    pub(crate) async fn reopen(self) -> Self {
        self.outbox.close().await;
        drop(self.outbox);
        // What other tests start has every open file of ours, and so the lock, between its fork and its exec.
        while Outbox::is_in_use(&self.settings.path) {
            tokio::task::yield_now().await;
        }
        let outbox = open(&self.settings, self.clock.clone()).await;
        Self { outbox, ..self }
    }

    pub(super) fn settings(&self) -> StoreSettings {
        self.settings.clone()
    }

    /// Opens it for reading, beside whoever has it open.
    pub(super) async fn read(&self) -> Result<ReadOnlyOutbox, ReadError> {
        ReadOnlyOutbox::open(&self.settings()).await
    }

    /// Another program's hold on the file: what is to be written fails at once until it is released.
    pub(crate) async fn lock(&self) -> Lock {
        self.outbox.store.writer.statement("PRAGMA busy_timeout = 1").await.unwrap();
        let url = format!("sqlite://{}", settings(self.directory.path()).path.display());
        let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        Lock(other)
    }

    pub(super) async fn counts(&self, target: &str) -> TargetCount {
        self.outbox.counts().await.unwrap().remove(target).unwrap_or_default()
    }

    pub(super) async fn due(&self, target: &str) -> Vec<String> {
        let due = self.outbox.due(target, UrgencyFilter::Any, self.clock.now(), 100).await.unwrap();
        due.into_iter().map(|due| due.key.group).collect()
    }

    /// The first queue of a target that is due.
    pub(super) async fn key(&self, target: &str) -> DeliveryKey {
        let due = self.outbox.due(target, UrgencyFilter::Any, self.clock.now(), 1).await.unwrap();
        due.first().unwrap().key.clone()
    }

    pub(super) async fn claim_only(&self, target: &str) -> Option<Claim> {
        let due = self.outbox.due(target, UrgencyFilter::Any, self.clock.now(), 1).await.unwrap();
        let key = &due.first()?.key;
        let waiting = self.outbox.waiting(key).await.unwrap();
        self.outbox.claim(key, LEASE, waiting.webhooks).await.unwrap()
    }

    pub(super) async fn attempt(&self, claim: &Claim, part: u32, parts: u32, is_delivered: bool) -> i64 {
        let delivery = claim.deliveries.last().unwrap().id;
        let attempt = self.outbox.begin_attempt(start(delivery, part, parts), LEASE).await.unwrap().unwrap();
        self.outbox.end_attempt(verdict(attempt, delivery, is_delivered)).await.unwrap();
        attempt
    }

    pub(super) async fn settle(&self, claim: &Claim, end: End, ledger: Vec<LedgerEntry>) -> u64 {
        let delivery = claim.deliveries.last().unwrap().id;
        let settlement = Settlement {
            key: claim.key.clone(),
            delivery,
            end,
            reason: "test".to_owned(),
            ledger,
            arrears: None,
        };
        self.outbox.settle(settlement).await.unwrap()
    }
}

pub(crate) struct Lock(sqlx::SqliteConnection);

impl Lock {
    pub(crate) async fn release(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.unwrap();
    }
}

pub(super) const LEASE: Duration = Duration::from_mins(1);

pub(crate) fn settings(directory: &Path) -> StoreSettings {
    StoreSettings {
        path: directory.join("relay.db"),
        postgres: None,
        retention: Duration::from_hours(1),
        max_bytes: None,
    }
}

pub(crate) fn accepted(group: &str, alerts: Vec<Alert>, targets: &[&str]) -> Accepted {
    let notification = notification(group, alerts);
    let fingerprints: Vec<_> = notification.alerts.iter().map(|alert| alert.fingerprint.clone()).collect();
    let deliveries = targets
        .iter()
        .map(|target| Planned {
            target: (*target).to_owned(),
            alerts: fingerprints.clone(),
            mentions: BTreeMap::from([("oncall".to_owned(), fingerprints.clone())]),
            ..Planned::default()
        })
        .collect();
    let payload = crate::intake::write(&notification);
    let sender = Sender::new(None, &notification.external_url, None);
    let (endpoint, unrouted, unrouted_notes) = ("ops".to_owned(), Vec::new(), Vec::new());
    Accepted { endpoint, notification, payload, deliveries, unrouted, unrouted_notes, sender }
}

pub(super) fn start(delivery: i64, part: u32, parts: u32) -> AttemptStart {
    let (via, text_hash) = ("chat".to_owned(), "a hash".to_owned());
    let rendering = Rendering { via, wording: Wording::Normal, at: Millis(1_000), parts, text_hash };
    let sent = SentPart::new(part, None, 1, format!("part {part}"), 100);
    AttemptStart { delivery, rendering, robot: "robot".to_owned(), sent, also: Vec::new() }
}

pub(super) fn verdict(attempt: i64, delivery: i64, is_delivered: bool) -> AttemptEnd {
    AttemptEnd {
        attempt,
        delivery,
        is_delivered,
        outcome: if is_delivered { "delivered" } else { "retry" },
        reason: (!is_delivered).then_some("connect"),
        detail: "a detail".to_owned(),
        pause_until: None,
        next_wording: None,
        recipients: None,
    }
}

pub(super) fn ids(claim: &Claim) -> Vec<i64> {
    claim.deliveries.iter().map(|delivery| delivery.id).collect()
}
