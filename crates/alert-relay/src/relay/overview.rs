//! How the relay stands, put together from its parts.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Millis;
use crate::delivery::TargetCount;
use crate::operation::overview::{
    BudgetLeft, DelivererOverview, HealthState, HeartbeatOverview, HeartbeatState, LastResult, OpenAlerts,
    Overview, Queue, ReceiverOverview, StrandedQueue, TargetHealth, TargetOverview,
};
use crate::operation::unrouted::UnroutedAlert;
use crate::outbox::{Outbox, StoreError};
use crate::relay::{Relay, Role};
use crate::settings::{Settings, TargetSettings, removal};

/// What the store says.
#[derive(Default)]
struct Stored {
    counts: BTreeMap<String, TargetCount>,
    open: BTreeMap<String, OpenAlerts>,
    results: BTreeMap<String, LastResult>,
    unrouted: Vec<UnroutedAlert>,
    dead_letters: u64,
    deliverer: Option<String>,
}

impl Stored {
    async fn read(outbox: &Outbox) -> Result<Self, StoreError> {
        Ok(Self {
            counts: outbox.counts().await?,
            open: outbox.open_alerts().await?,
            results: outbox.last_results().await?,
            unrouted: outbox.unrouted().await?,
            dead_letters: outbox.dead_letters().await?,
            deliverer: outbox.deliverer().await?,
        })
    }
}

impl Relay {
    /// How the relay stands now. A store that does not answer costs what it knows, not the overview.
    pub(crate) async fn overview(&self) -> Overview {
        let settings = self.settings();
        let (mut stored, store_error) = match Stored::read(self.outbox()).await {
            Ok(stored) => (Some(stored), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let waiting: BTreeMap<String, u64> = stored
            .iter()
            .flat_map(|stored| &stored.counts)
            .map(|(target, count)| (target.clone(), count.pending))
            .collect();
        let stranded = removal::stranded(&settings, &waiting).map(|(target, _)| StrandedQueue {
            target: target.to_owned(),
            queue: queue(stored.as_ref().and_then(|stored| stored.counts.get(target))),
            hint: removal::how_to_move(target),
        });
        let stranded = stranded.collect();
        let unrouted = stored.as_mut().map(|stored| std::mem::take(&mut stored.unrouted)).unwrap_or_default();
        Overview {
            at: self.parts.clock.now(),
            version: env!("CARGO_PKG_VERSION"),
            is_standby: self.role == Role::Standby,
            deliverer: DelivererOverview {
                is_this_relay: self.standings.load().is_some(),
                name: stored.as_mut().and_then(|stored| stored.deliverer.take()),
            },
            store_error,
            receivers: receivers(&settings),
            targets: settings.targets.values().map(|target| self.target(target, stored.as_ref())).collect(),
            stranded,
            heartbeats: self.heartbeats_now(&settings),
            unrouted: unrouted.into_iter().map(|alert| alert.judged(&settings.receivers)).collect(),
            dead_letters: stored.map(|stored| stored.dead_letters),
        }
    }

    fn target(&self, target: &TargetSettings, stored: Option<&Stored>) -> TargetOverview {
        let standings = self.standings.load();
        let standing = standings.as_ref().map(|of| of.of(target).unwrap_or_else(|| not_yet_known(target)));
        let (health, budget) = standing.unzip();
        let name = &target.name;
        let last = stored.and_then(|stored| stored.results.get(name)).cloned().unwrap_or_default();
        TargetOverview {
            name: name.clone(),
            channel: target.channel.kind().label,
            fallback: target.fallback.clone(),
            health,
            last_success: last.last_success,
            last_error: last.last_error,
            budget,
            queue: stored.map(|stored| queue(stored.counts.get(name))),
            open: stored.map(|stored| stored.open.get(name).cloned().unwrap_or_default()),
        }
    }

    fn heartbeats_now(&self, settings: &Settings) -> Vec<HeartbeatOverview> {
        let missing: BTreeSet<String> = self.heartbeats.missing(self.parts.clock.reading());
        let mut beats: BTreeMap<String, Option<Millis>> = self.heartbeats.last_beats();
        let overview = |(name, heartbeat): (&String, &crate::settings::HeartbeatSettings)| {
            let last_heard = beats.remove(name).flatten();
            HeartbeatOverview {
                name: name.clone(),
                expect_every_seconds: heartbeat.expect_every.as_secs_f64(),
                targets: heartbeat.targets.clone(),
                last_heard,
                state: match last_heard {
                    _ if missing.contains(name) => HeartbeatState::Missing,
                    Some(_) => HeartbeatState::Heard,
                    None => HeartbeatState::Expected,
                },
            }
        };
        settings.heartbeats.iter().map(overview).collect()
    }
}

/// Of a target that a reload has brought a moment ago.
fn not_yet_known(target: &TargetSettings) -> (TargetHealth, BudgetLeft) {
    let health = TargetHealth {
        state: HealthState::Up,
        since: None,
        failures: 0,
        next_try: None,
        is_dead: false,
        words: "it was not asked yet".to_owned(),
    };
    let sends = target.budget.sends;
    let budget = BudgetLeft {
        sends,
        window_seconds: target.budget.window.as_secs_f64(),
        left: sends,
        left_for_critical: sends,
        next_at: None,
        silent_until: None,
    };
    (health, budget)
}

/// A target that never had a delivery has no row.
fn queue(count: Option<&TargetCount>) -> Queue {
    count.map_or_else(Queue::default, |count| Queue { waiting: count.pending, oldest: count.oldest })
}

fn receivers(settings: &Settings) -> Vec<ReceiverOverview> {
    let receivers = settings.receivers.iter().map(|(name, receiver)| {
        let targets: BTreeSet<&String> = receiver.routes.iter().flat_map(|route| &route.targets).collect();
        ReceiverOverview {
            name: name.clone(),
            path: format!("/api/v1/alerts/{name}"),
            targets: targets.into_iter().cloned().collect(),
        }
    });
    receivers.collect()
}
