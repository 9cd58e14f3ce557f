//! The overview: what burns, whether it gets through, and what waits.

use serde::Serialize;

use crate::clock::Millis;
use crate::notification::LabelSet;
use crate::operation::unrouted::UnroutedAlert;

/// How the relay stands at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Overview {
    /// The moment.
    pub(crate) at: Millis,
    /// Of the program.
    pub(crate) version: &'static str,
    /// It runs as `serve --standby`.
    pub(crate) is_standby: bool,
    /// Which relay delivers.
    pub(crate) deliverer: DelivererOverview,
    /// Why the store could not be read; then what comes from it is absent. `None`: it was read.
    pub(crate) store_error: Option<String>,
    /// What Alertmanager posts to.
    pub(crate) receivers: Vec<ReceiverOverview>,
    /// Every target of the settings, by name.
    pub(crate) targets: Vec<TargetOverview>,
    /// Targets for which deliveries wait although the settings do not have them.
    pub(crate) stranded: Vec<StrandedQueue>,
    /// Every heartbeat of the settings, by name.
    pub(crate) heartbeats: Vec<HeartbeatOverview>,
    /// What no route wanted lately, newest first: at most [`MOST_UNROUTED`](crate::operation::unrouted::MOST_UNROUTED).
    pub(crate) unrouted: Vec<UnroutedAlert>,
    /// Deliveries that are dead and were neither sent again nor given up by hand.
    pub(crate) dead_letters: Option<u64>,
}

/// Which relay delivers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DelivererOverview {
    /// It is the one that was asked. If not, it does not know how targets answer, and what their budgets have left.
    pub(crate) is_this_relay: bool,
    /// Of several relays on one database: how the one that delivers calls itself there. `None`: none has said of late that it does.
    pub(crate) name: Option<String>,
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ReceiverOverview {
    /// The key under `receivers:`.
    pub(crate) name: String,
    /// What Alertmanager posts to.
    pub(crate) path: String,
    /// Every target that one of its routes names.
    pub(crate) targets: Vec<String>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TargetOverview {
    /// The key under `targets:`.
    pub(crate) name: String,
    /// The kind of its channel, as people write it.
    pub(crate) channel: &'static str,
    /// Who is told instead when it is dead.
    pub(crate) fallback: Option<String>,
    /// How it has answered lately; `None`: another relay delivers.
    pub(crate) health: Option<TargetHealth>,
    /// When it was last proven that a message arrived; `None`: never, or an older version stored it.
    pub(crate) last_success: Option<Millis>,
    /// The last attempt that failed.
    pub(crate) last_error: Option<LastError>,
    /// What its robot may still send; `None`: another relay delivers.
    pub(crate) budget: Option<BudgetLeft>,
    /// What waits for it; `None`: the store could not be read.
    pub(crate) queue: Option<Queue>,
    /// What it was told as firing and not yet as over; `None`: the store could not be read.
    pub(crate) open: Option<OpenAlerts>,
}

/// A target's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TargetHealth {
    /// In one word.
    pub(crate) state: HealthState,
    /// Since the first failure in a row; `None` while it is up.
    pub(crate) since: Option<Millis>,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// It is not asked again before; `None`: it may be asked now.
    pub(crate) next_try: Option<Millis>,
    /// Its fallback is told instead of it.
    pub(crate) is_dead: bool,
    /// In a sentence.
    pub(crate) words: String,
}

/// How a target has answered lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthState {
    /// It takes messages, or has not been asked yet.
    Up,
    /// It cannot be reached or is busy.
    Failing,
    /// It said that it takes nothing: a revoked robot, a refused login.
    Misconfigured,
    /// Its robot asked for so long a silence that its fallback is told instead.
    Silenced,
}

/// How a target's channel has answered last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastResult {
    /// See [`TargetOverview::last_success`].
    pub(crate) last_success: Option<Millis>,
    /// See [`TargetOverview::last_error`].
    pub(crate) last_error: Option<LastError>,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LastError {
    /// When it was over.
    pub(crate) at: Millis,
    /// Why, as a bounded word: a value of the metric label `reason`.
    pub(crate) reason: String,
    /// The channel's own words.
    pub(crate) words: String,
}

/// What a robot may send. Targets with the same robot share it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct BudgetLeft {
    /// The quota: sends in any window.
    pub(crate) sends: u32,
    /// The window's length, in seconds.
    pub(crate) window_seconds: f64,
    /// Sends that may begin now.
    pub(crate) left: u32,
    /// The same for critical alerts, for which some are kept.
    pub(crate) left_for_critical: u32,
    /// When `left` is above 0 again; `None`: it is, or it waits for an answer.
    pub(crate) next_at: Option<Millis>,
    /// The robot asked for silence until then.
    pub(crate) silent_until: Option<Millis>,
}

/// What waits for a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Queue {
    /// Deliveries.
    pub(crate) waiting: u64,
    /// When the oldest was accepted.
    pub(crate) oldest: Option<Millis>,
}

/// A queue without a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StrandedQueue {
    /// The name it is for.
    pub(crate) target: String,
    /// What waits.
    #[serde(flatten)]
    pub(crate) queue: Queue,
    /// What to do.
    pub(crate) hint: String,
}

/// What a chat believes to fire.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct OpenAlerts {
    /// How many there are.
    pub(crate) count: u64,
    /// Those that are shown, critical ones first, then the newest: at most [`MOST_OPEN`].
    pub(crate) alerts: Vec<OpenAlert>,
}

/// Open alerts of one target that an overview shows.
pub(crate) const MOST_OPEN: u32 = 50;

/// One alert that a target was told as firing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct OpenAlert {
    /// Alertmanager's hash of its labels.
    pub(crate) fingerprint: String,
    /// Its `alertname`; may be empty.
    pub(crate) name: String,
    /// Its `severity` as the alert has it; may be empty.
    pub(crate) severity: String,
    /// When it began to fire; `None`: the sender does not know.
    pub(crate) since: Option<Millis>,
    /// When the target was last told of its group.
    pub(crate) told_at: Millis,
    /// The group's hash, for a filter.
    pub(crate) group: String,
    /// What it is.
    pub(crate) labels: LabelSet,
    /// What people should read.
    pub(crate) annotations: LabelSet,
}

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct HeartbeatOverview {
    /// The key under `heartbeats:`.
    pub(crate) name: String,
    /// In seconds.
    pub(crate) expect_every_seconds: f64,
    /// Who is told.
    pub(crate) targets: Vec<String>,
    /// When it was last heard; `None`: not since the relay's start.
    pub(crate) last_heard: Option<Millis>,
    /// How it stands.
    pub(crate) state: HeartbeatState,
}

/// How a heartbeat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HeartbeatState {
    /// It was not heard yet since the start, and has time left.
    Expected,
    /// It was heard in time.
    Heard,
    /// It is missing, and its targets are told.
    Missing,
}
