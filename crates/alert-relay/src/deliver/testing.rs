//! What the deliverer's tests begin with: a deliverer on a real store, with a clock turned by hand and channels that say what they
//! are told to say.
//!
//! No test waits for real time to pass. An observer sees every step, so that a test knows when nothing more happens at the present
//! time of its clock; that something was *not* sent is looked at then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use tokio::sync::watch;

use crate::audit::{self, Audit};
use crate::budget::Budget;
use crate::channel::scripted::{Reply, Script};
use crate::clock::Clock;
use crate::deliver::observer::{Observer, Step};
use crate::deliver::{Deliverer, Pace, Parts};
use crate::delivery::{Accepted, End, TargetCount};
use crate::memory::Memory;
use crate::message::Language;
use crate::metrics::Metrics;
use crate::notification::Alert;
use crate::outbox::testing::{Stage, accepted};
use crate::outcome::{Outcome, Reason};
use crate::settings::{Settings, TargetSettings};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes on a busy machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store and a deliverer, whose targets are `chat` and what a test adds.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) settings: Settings,
    pub(super) metrics: Arc<Metrics>,
    pub(super) deliverer: Deliverer,
    pub(super) chat: Script,
    steps: watch::Receiver<Seen>,
}

/// A target that sends by this script, with a budget that is never spent.
pub(super) fn target(name: &str, script: &Script) -> TargetSettings {
    TargetSettings {
        name: name.to_owned(),
        budget: Budget { sends: 100, window: Duration::from_mins(1) },
        channel: script.channel(),
        fallback: None,
        was: None,
        language: Language::ZhCn,
        send_resolved: true,
        timeout: Duration::from_millis(500),
    }
}

/// The same with this many sends a minute.
pub(super) fn target_with_budget(name: &str, script: &Script, sends: u32) -> TargetSettings {
    TargetSettings { budget: Budget { sends, window: Duration::from_mins(1) }, ..target(name, script) }
}

pub(super) fn settings(stage: &Stage, targets: Vec<TargetSettings>) -> Settings {
    let text = format!("store: {{ url: 'sqlite://{}/relay.db' }}", stage.directory.path().display());
    let mut settings = Settings::from_text(&stage.directory.path().join("relay.yml"), &text, []).unwrap();
    settings.targets = targets.into_iter().map(|target| (target.name.clone(), target)).collect();
    settings.store.retention = Duration::from_hours(30 * 24);
    settings
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::with(|chat| vec![target("chat", chat)]).await
    }

    pub(super) async fn with(targets: impl FnOnce(&Script) -> Vec<TargetSettings>) -> Self {
        let chat = Script::chat("robot");
        let stage = Stage::new().await;
        let settings = settings(&stage, targets(&chat));
        Self::start(stage, settings, chat).await
    }

    pub(super) async fn start(stage: Stage, settings: Settings, chat: Script) -> Self {
        let metrics = Arc::new(Metrics::new());
        let clock = stage.clock.clone();
        let spectator = Arc::new(Spectator { clock: clock.clone(), seen: watch::Sender::default() });
        let steps = spectator.seen.subscribe();
        let parts = Parts {
            outbox: stage.outbox.clone(),
            audit: Arc::new(Audit::new(stage.outbox.clone(), Arc::clone(&metrics), clock.clone())),
            metrics: Arc::clone(&metrics),
            clock,
            memory: Memory::default(),
            pace: Pace::default(),
            observer: spectator,
        };
        let deliverer = Deliverer::start(parts, &settings).await.unwrap();
        Self { stage, settings, metrics, deliverer, chat, steps }
    }

    /// Stops as a stop does, then starts on the same files.
    pub(super) async fn restart(self) -> Self {
        self.deliverer.stop(Duration::ZERO).await;
        let stage = self.stage.reopen().await;
        Self::start(stage, self.settings, self.chat).await
    }

    /// A webhook about these alerts for the chat. Returns once the dispatcher has looked at it.
    pub(super) async fn accept(&self, group: &str, alerts: Vec<Alert>) {
        self.accept_for(accepted(group, alerts, &["chat"])).await;
    }

    pub(super) async fn accept_for(&self, accepted: Accepted) {
        let arrivals = self.steps.borrow().arrivals;
        self.stage.outbox.accept(accepted).await.unwrap();
        self.until("look at what was accepted", |seen| seen.arrivals > arrivals && !seen.is_looking).await;
    }

    /// Lets this much time pass. Returns once nothing more happens because of it.
    pub(super) async fn advance(&self, span: Duration) {
        self.settled().await;
        self.stage.clock.advance(span);
        self.settled().await;
    }

    /// Lets this much time pass. Returns once the chat was sent this many, the last of which it does not answer.
    pub(super) async fn advance_to_silence(&self, span: Duration, count: usize) {
        self.settled().await;
        self.stage.clock.advance(span);
        self.chat.heard(count).await;
    }

    /// Waits until nothing more happens at the present time: nothing is being sent, and the dispatcher and the housekeeping rest until
    /// a time that is still to come.
    pub(super) async fn settled(&self) {
        let passed = || self.stage.clock.passed();
        self.until("come to rest", |seen| {
            let rests_until = |rest: Option<Duration>| rest.is_some_and(|until| until > passed());
            !seen.is_looking
                && seen.under_way == 0
                && (seen.wakes.is_none() || rests_until(seen.wakes))
                && rests_until(seen.keeps_house)
        })
        .await;
    }

    /// The threads that have read a claim so far.
    pub(super) fn readers(&self) -> Vec<ThreadId> {
        self.steps.borrow().readers.clone()
    }

    async fn until(&self, what: &str, is_met: impl Fn(&Seen) -> bool) {
        let mut steps = self.steps.clone();
        let met = tokio::time::timeout(PATIENCE, steps.wait_for(is_met)).await.is_ok();
        assert!(met, "the deliverer does not {what}: {:?}", *self.steps.borrow());
    }

    /// Lets time pass, step by step, until the chat was sent this many.
    pub(super) async fn advance_until_heard(&self, step: Duration, count: usize) -> Vec<String> {
        for _ in 0..1_000 {
            if self.chat.heard_so_far().len() >= count {
                break;
            }
            self.advance(step).await;
        }
        self.chat.heard(count).await
    }

    /// Lets time pass, step by step, until the chat's only delivery has ended like this. The housekeeping leaves alone what is being
    /// sent at the moment, and comes again.
    pub(super) async fn advance_until_ended(&self, step: Duration, end: End) {
        for _ in 0..200 {
            if self.count().await.pending == 0 {
                break;
            }
            self.advance(step).await;
        }
        self.ends(&[(end, 1)]).await;
    }

    /// Waits until this line stands on the metrics page.
    pub(super) async fn reads_on_page(&self, line: &str) {
        let page = || self.metrics.encode();
        let is_read = self.after_any_step(async || page().lines().any(|other| other == line)).await;
        assert!(is_read, "no `{line}` in\n{}", page());
    }

    pub(super) async fn count(&self) -> TargetCount {
        self.stage.outbox.counts().await.unwrap().remove("chat").unwrap_or_default()
    }

    /// Waits until the chat's deliveries have ended like this, and checks the sum.
    pub(super) async fn ends(&self, expected: &[(End, u64)]) {
        let expected: BTreeMap<End, u64> = expected.iter().copied().collect();
        self.after_any_step(async || self.count().await.ended == expected).await;
        let count = self.count().await;
        assert_eq!(count.ended, expected);
        assert_eq!(audit::imbalance(&count), 0, "{count:?}");
    }

    /// Whether this holds now or after a further step.
    async fn after_any_step(&self, holds: impl AsyncFn() -> bool) -> bool {
        let mut steps = self.steps.clone();
        let wait = async {
            loop {
                steps.mark_unchanged();
                if holds().await {
                    return;
                }
                steps.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.is_ok()
    }
}

/// Sees what the deliverer does.
#[derive(Debug)]
struct Spectator {
    clock: Clock,
    seen: watch::Sender<Seen>,
}

/// What it has seen so far. Times are what has passed on the clock, which may be set back.
#[derive(Clone, Debug)]
struct Seen {
    arrivals: usize,
    is_looking: bool,
    under_way: usize,
    wakes: Option<Duration>,
    keeps_house: Option<Duration>,
    /// The threads that have read a claim, one after the other.
    readers: Vec<ThreadId>,
}

impl Default for Seen {
    fn default() -> Self {
        // Its first look is still to come.
        Self {
            arrivals: 0,
            is_looking: true,
            under_way: 0,
            wakes: None,
            keeps_house: None,
            readers: Vec::new(),
        }
    }
}

impl Observer for Spectator {
    fn saw(&self, step: Step) {
        let (now, passed) = (self.clock.now(), self.clock.passed());
        let until = |at: crate::clock::Millis| passed.saturating_add(at.since(now));
        self.seen.send_modify(|seen| match step {
            Step::Arrived => {
                seen.arrivals += 1;
                // It looks at them next.
                seen.is_looking = true;
            }
            Step::ClaimRead => seen.readers.push(std::thread::current().id()),
            Step::LookBegan => seen.is_looking = true,
            Step::LookEnded { under_way, wake_at } => {
                seen.is_looking = false;
                seen.under_way = under_way;
                seen.wakes = wake_at.map(until);
            }
            Step::HousekeepingEnded { next_at } => seen.keeps_house = Some(until(next_at)),
        });
    }
}

pub(super) fn verdict(outcome: Outcome) -> Reply {
    Reply::Verdict(outcome)
}

pub(super) fn rejected() -> Reply {
    verdict(Outcome::Rejected { reason: Reason::Content, detail: "bad words".to_owned() })
}

pub(super) fn too_large() -> Reply {
    verdict(Outcome::TooLarge { detail: "20001 bytes".to_owned() })
}

pub(super) fn misconfigured() -> Reply {
    verdict(Outcome::Misconfigured { reason: Reason::UnknownRobot, detail: "token is not exist".to_owned() })
}

pub(super) fn throttled(seconds: u64) -> Reply {
    let after = Some(Duration::from_secs(seconds));
    verdict(Outcome::Retry { reason: Reason::Throttled, after, detail: "too fast".to_owned() })
}
