//! The relay's own metrics, all under `alert_relay_`.
//!
//! Owns names, labels and the registry. Leaves out when something happened, which each part says itself, and the store's
//! standing, which `audit` reads. Label values come from the settings or from closed sets; sets that are known start at 0.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http_serve::Closing;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Millis;
use crate::delivery::{End, TargetCount};
use crate::metrics::labels::{
    Attempts, ConnectionsClosed, Ended, Heartbeat, HttpRequests, Notifications, Receiver, Target, attempts,
    verdicts,
};
use crate::metrics::store::StoreMetrics;
use crate::outcome::{Outcome, Reason};

mod labels;
mod store;

/// All metrics of one relay.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    notifications: Family<Notifications, Counter>,
    unrouted: Family<Receiver, Counter>,
    heartbeats: Family<Heartbeat, Gauge<f64, AtomicU64>>,
    http_requests: Family<HttpRequests, Counter>,
    connections_closed: Family<ConnectionsClosed, Counter>,
    accepted: Family<Target, Counter>,
    ended: Family<Ended, Counter>,
    pending: Family<Target, Gauge<i64, AtomicI64>>,
    oldest: Family<Target, Gauge<f64, AtomicU64>>,
    attempts: Family<Attempts, Counter>,
    attempt_seconds: Family<Target, Histogram>,
    latency_seconds: Family<Target, Histogram>,
    set_aside: Family<Target, Counter>,
    stranded: Family<Target, Gauge<i64, AtomicI64>>,
    budget_waits: Family<Target, Counter>,
    digests: Family<Target, Counter>,
    fallbacks: Family<Target, Counter>,
    up: Family<Target, Gauge<i64, AtomicI64>>,
    delivers: Gauge<i64, AtomicI64>,
    imbalance: Gauge<i64, AtomicI64>,
    reloaded: Gauge<i64, AtomicI64>,
    store: StoreMetrics,
}

impl Metrics {
    /// An empty registry with every name in it.
    pub(crate) fn new() -> Self {
        let attempt_buckets = || Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        // From "at once" to "a robot was muted for an hour".
        let latency_buckets = || Histogram::new([0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0]);
        let mut metrics = Self {
            registry: Registry::with_prefix("alert_relay"),
            notifications: Family::default(),
            unrouted: Family::default(),
            heartbeats: Family::default(),
            http_requests: Family::default(),
            connections_closed: Family::default(),
            accepted: Family::default(),
            ended: Family::default(),
            pending: Family::default(),
            oldest: Family::default(),
            attempts: Family::default(),
            attempt_seconds: Family::new_with_constructor(attempt_buckets),
            latency_seconds: Family::new_with_constructor(latency_buckets),
            set_aside: Family::default(),
            stranded: Family::default(),
            budget_waits: Family::default(),
            digests: Family::default(),
            fallbacks: Family::default(),
            up: Family::default(),
            delivers: Gauge::default(),
            imbalance: Gauge::default(),
            reloaded: Gauge::default(),
            store: StoreMetrics::new(),
        };
        metrics.register();
        metrics.reloaded(true);
        for reason in Closing::ALL {
            let reason = reason.as_str().to_owned();
            metrics.connections_closed.get_or_create_owned(&ConnectionsClosed { reason });
        }
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        registry.register(
            "notifications",
            "Webhooks answered with 200, by receiver; result is stored or duplicate",
            self.notifications.clone(),
        );
        registry.register(
            "unrouted_alerts",
            "Alerts accepted that no route matches: told to nobody",
            self.unrouted.clone(),
        );
        registry.register_with_unit(
            "heartbeat_last_timestamp",
            "When a heartbeat was last heard; absent until it is heard after a start",
            Unit::Seconds,
            self.heartbeats.clone(),
        );
        registry.register(
            "http_requests",
            "Requests answered, by path and status code",
            self.http_requests.clone(),
        );
        registry.register(
            "connections_closed",
            "Connections that the server closed on their peers to keep a bound, by reason",
            self.connections_closed.clone(),
        );
        registry.register(
            "deliveries_accepted",
            "Deliveries made durable, over the life of the store",
            self.accepted.clone(),
        );
        registry.register(
            "deliveries_ended",
            "Deliveries ended, by how, over the life of the store",
            self.ended.clone(),
        );
        registry.register("deliveries_pending", "Deliveries that have not ended", self.pending.clone());
        registry.register_with_unit(
            "oldest_pending_age",
            "Age of the oldest pending delivery, 0 when none is pending",
            Unit::Seconds,
            self.oldest.clone(),
        );
        registry.register(
            "attempts",
            "Parts sent, by the channel's verdict; target is whose channel was used",
            self.attempts.clone(),
        );
        registry.register_with_unit(
            "attempt_duration",
            "From connecting to the verdict",
            Unit::Seconds,
            self.attempt_seconds.clone(),
        );
        registry.register_with_unit(
            "delivery_latency",
            "From the webhook to the proven delivery",
            Unit::Seconds,
            self.latency_seconds.clone(),
        );
        registry.register(
            "deliveries_set_aside",
            "Deliveries given up because the relay ended again and again while it prepared them, over the life of the store",
            self.set_aside.clone(),
        );
        registry.register(
            "deliveries_stranded",
            "Deliveries that wait for a target that is not in the settings; absent while there are none",
            self.stranded.clone(),
        );
        registry.register(
            "budget_waits",
            "Times a target's messages had to wait for its robot's budget",
            self.budget_waits.clone(),
        );
        registry.register(
            "digests",
            "Messages that told many groups of a target at once",
            self.digests.clone(),
        );
        registry.register(
            "fallback_deliveries",
            "Deliveries of a dead target that its fallback brought",
            self.fallbacks.clone(),
        );
        let help = "1 while this relay delivers; 0 while it waits for its turn";
        registry.register("deliverer", help, self.delivers.clone());
        registry.register(
            "target_up",
            "1 while messages go to the target freely; absent on a relay that does not deliver",
            self.up.clone(),
        );
        registry.register(
            "audit_imbalance",
            "Accepted deliveries less the ended and the pending ones; anything but 0 is a fault of the relay",
            self.imbalance.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "1 while the settings are those of the last reload, or of the start; 0 once a reload was refused",
            self.reloaded.clone(),
        );
        self.store.register(registry);
    }

    /// Makes the series of targets and receivers in the settings exist, at 0 where nothing happened yet.
    pub(crate) fn expect<'a>(
        &self,
        receivers: impl IntoIterator<Item = &'a str>,
        targets: impl IntoIterator<Item = &'a str>,
    ) {
        for receiver in receivers {
            self.unrouted.get_or_create_owned(&Receiver { receiver: receiver.to_owned() });
            for result in ["stored", "duplicate"] {
                self.notifications.get_or_create_owned(&Notifications {
                    receiver: receiver.to_owned(),
                    result: result.to_owned(),
                });
            }
        }
        for name in targets {
            let target = Target { target: name.to_owned() };
            self.accepted.get_or_create_owned(&target);
            self.pending.get_or_create_owned(&target);
            self.oldest.get_or_create_owned(&target);
            self.set_aside.get_or_create_owned(&target);
            self.budget_waits.get_or_create_owned(&target);
            self.digests.get_or_create_owned(&target);
            self.fallbacks.get_or_create_owned(&target);
            drop(self.attempt_seconds.get_or_create(&target));
            drop(self.latency_seconds.get_or_create(&target));
            for end in End::ALL {
                self.ended
                    .get_or_create_owned(&Ended { target: name.to_owned(), end: end.as_str().to_owned() });
            }
            for (outcome, reasons) in verdicts() {
                for reason in reasons {
                    self.attempts.get_or_create_owned(&attempts(name, outcome, reason));
                }
            }
        }
    }

    /// A webhook was answered with 200.
    pub(crate) fn notification(&self, receiver: &str, is_duplicate: bool) {
        let result = if is_duplicate { "duplicate" } else { "stored" }.to_owned();
        self.notifications.get_or_create(&Notifications { receiver: receiver.to_owned(), result }).inc();
    }

    /// Some alerts of an accepted webhook match no route.
    pub(crate) fn unrouted_alerts(&self, receiver: &str, alerts: usize) {
        let alerts = u64::try_from(alerts).unwrap_or(u64::MAX);
        self.unrouted.get_or_create_owned(&Receiver { receiver: receiver.to_owned() }).inc_by(alerts);
    }

    /// What came of the last reload; a start counts as one.
    pub(crate) fn reloaded(&self, is_done: bool) {
        self.reloaded.set(i64::from(is_done));
    }

    /// When each heartbeat of the settings was last heard.
    pub(crate) fn heartbeats(&self, last_beats: &BTreeMap<String, Option<Millis>>) {
        self.heartbeats.clear();
        for (name, last) in last_beats {
            if let Some(at) = last {
                let seconds = at.timestamp().as_millisecond() as f64 / 1e3;
                self.heartbeats.get_or_create_owned(&Heartbeat { heartbeat: name.clone() }).set(seconds);
            }
        }
    }

    /// A request was answered. `path` is a route's pattern, never what the client wrote.
    pub(crate) fn http_request(&self, path: &str, code: u16) {
        self.http_requests.get_or_create(&HttpRequests { path: path.to_owned(), code }).inc();
    }

    /// The server closed a connection to keep a bound.
    pub(crate) fn connection_closed(&self, reason: Closing) {
        self.connections_closed
            .get_or_create(&ConnectionsClosed { reason: reason.as_str().to_owned() })
            .inc();
    }

    /// A part was sent through a target's channel.
    pub(crate) fn attempt(&self, target: &str, outcome: &Outcome, seconds: f64) {
        self.attempts
            .get_or_create(&attempts(target, outcome.as_str(), outcome.reason().map_or("", Reason::as_str)))
            .inc();
        self.attempt_seconds.get_or_create(&Target { target: target.to_owned() }).observe(seconds);
    }

    /// A delivery was proven.
    pub(crate) fn delivered(&self, target: &str, latency_seconds: f64, is_by_fallback: bool) {
        let target = Target { target: target.to_owned() };
        self.latency_seconds.get_or_create(&target).observe(latency_seconds);
        if is_by_fallback {
            self.fallbacks.get_or_create(&target).inc();
        }
    }

    /// A target's messages wait for its robot's budget.
    pub(crate) fn budget_wait(&self, target: &str) {
        self.budget_waits.get_or_create(&Target { target: target.to_owned() }).inc();
    }

    /// Many groups of a target were told in one message.
    pub(crate) fn digest(&self, target: &str) {
        self.digests.get_or_create(&Target { target: target.to_owned() }).inc();
    }

    /// Whether messages go to a target freely.
    pub(crate) fn target_up(&self, target: &str, is_up: bool) {
        self.up.get_or_create(&Target { target: target.to_owned() }).set(i64::from(is_up));
    }

    /// A target is no longer in the settings. What it did stays counted.
    pub(crate) fn target_gone(&self, target: &str) {
        self.up.remove(&Target { target: target.to_owned() });
    }

    /// How a target's deliveries stand according to the store, which counts over restarts.
    pub(crate) fn standing(&self, name: &str, count: &TargetCount, now: Millis) {
        let target = Target { target: name.to_owned() };
        self.accepted.get_or_create(&target).inner().store(count.accepted, Ordering::Relaxed);
        for (end, number) in &count.ended {
            let ended = Ended { target: name.to_owned(), end: end.as_str().to_owned() };
            self.ended.get_or_create(&ended).inner().store(*number, Ordering::Relaxed);
        }
        self.set_aside.get_or_create(&target).inner().store(count.set_aside, Ordering::Relaxed);
        self.pending.get_or_create(&target).set(i64::try_from(count.pending).unwrap_or(i64::MAX));
        // 0 when nothing waits: here that is the truth, not a missing reading.
        let age = count.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        self.oldest.get_or_create(&target).set(age);
    }

    /// What waits for targets that are not in the settings.
    pub(crate) fn stranded(&self, waiting: &BTreeMap<String, u64>) {
        self.stranded.clear();
        for (name, count) in waiting {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.stranded.get_or_create_owned(&Target { target: name.clone() }).set(count);
        }
    }

    /// Whether it is this relay's turn.
    pub(crate) fn delivers(&self, is_deliverer: bool) {
        self.delivers.set(i64::from(is_deliverer));
    }

    /// This relay delivers no more. How targets answer, and what is in the settings of whoever delivers, another one knows.
    pub(crate) fn term_ended(&self) {
        self.up.clear();
        self.stranded.clear();
    }

    /// Accepted deliveries less ended and pending ones, over all targets.
    pub(crate) fn imbalance(&self, difference: i64) {
        self.imbalance.set(difference);
    }

    /// The page in OpenMetrics 1.0; its type is `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    pub(crate) fn encode(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("a String takes every write");
        page
    }
}

#[cfg(test)]
mod tests;
