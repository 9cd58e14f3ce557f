//! The deliverer on a real store, with a clock turned by hand and channels that say what they are told to say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::budget::Budget;
use crate::channel::scripted::{Reply, Script, unreachable};
use crate::delivery::{Accepted, End, TargetCount};
use crate::message::Language;
use crate::notification::Alert;
use crate::outbox::testing::{Stage, accepted, firing, resolved};
use crate::outcome::{Outcome, Reason};
use crate::settings::TargetSettings;

mod mails;
mod trouble;

const SECOND: Duration = Duration::from_secs(1);

/// A store and a deliverer with two targets: `chat`, and `mail` as its fallback.
struct Scene {
    stage: Stage,
    settings: Settings,
    metrics: Arc<Metrics>,
    deliverer: Deliverer,
    chat: Script,
}

fn target(name: &str, script: &Script) -> TargetSettings {
    TargetSettings {
        name: name.to_owned(),
        budget: Budget { sends: 100, window: Duration::from_mins(1) },
        channel: script.channel(),
        fallback: None,
        language: Language::ZhCn,
        send_resolved: true,
        timeout: Duration::from_millis(500),
    }
}

fn settings(stage: &Stage, targets: Vec<TargetSettings>) -> Settings {
    let text = format!("store: {{ url: 'sqlite://{}/relay.db' }}", stage.directory.path().display());
    let mut settings = Settings::from_text(&stage.directory.path().join("relay.yml"), &text, []).unwrap();
    settings.targets = targets.into_iter().map(|target| (target.name.clone(), target)).collect();
    settings.store.retention = Duration::from_hours(30 * 24);
    settings
}

impl Scene {
    async fn new() -> Self {
        Self::with(|chat| vec![target("chat", chat)]).await
    }

    async fn with(targets: impl FnOnce(&Script) -> Vec<TargetSettings>) -> Self {
        let chat = Script::chat("robot");
        let stage = Stage::new().await;
        let settings = settings(&stage, targets(&chat));
        Self::start(stage, settings, chat).await
    }

    async fn start(stage: Stage, settings: Settings, chat: Script) -> Self {
        let metrics = Arc::new(Metrics::new());
        let clock = stage.clock.clone();
        let parts = Parts {
            outbox: stage.outbox.clone(),
            audit: Arc::new(Audit::new(stage.outbox.clone(), Arc::clone(&metrics), clock.clone())),
            metrics: Arc::clone(&metrics),
            clock,
            pace: Pace::default(),
            observer: Arc::new(Nobody),
        };
        let deliverer = Deliverer::start(parts, &settings).await.unwrap();
        Self { stage, settings, metrics, deliverer, chat }
    }

    /// Stops as a stop does, then starts on the same files.
    async fn restart(self) -> Self {
        self.deliverer.stop(Duration::ZERO).await;
        let stage = self.stage.reopen().await;
        Self::start(stage, self.settings, self.chat).await
    }

    async fn accept(&self, group: &str, alerts: Vec<Alert>) {
        self.accept_for(accepted(group, alerts, &["chat"])).await;
    }

    async fn accept_for(&self, accepted: Accepted) {
        self.stage.outbox.accept(accepted).await.unwrap();
    }

    fn advance(&self, span: Duration) {
        self.stage.clock.advance(span);
    }

    /// Turns the clock on until the chat has heard this many.
    async fn advance_until_heard(&self, step: Duration, count: usize) -> Vec<String> {
        for _ in 0..1_000 {
            if self.chat.heard_so_far().len() >= count {
                break;
            }
            self.advance(step);
            self.still().await;
        }
        self.chat.heard(count).await
    }

    /// Turns the clock on until the chat's only delivery has ended like this. The housekeeping leaves alone what is being tried
    /// at the moment, and comes again.
    async fn advance_until_ended(&self, step: Duration, end: End) {
        for _ in 0..200 {
            if self.count().await.pending == 0 {
                break;
            }
            self.advance(step);
            self.still().await;
        }
        self.ends(&[(end, 1)]).await;
    }

    /// Waits until what was sent is recorded and nothing is under way.
    async fn idle(&self) {
        for _ in 0..2_000 {
            if self.stage.leases().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("a send is still under way");
    }

    /// Waits until this line stands on the metrics page.
    async fn reads_on_page(&self, line: &str) {
        for _ in 0..2_000 {
            if self.metrics.encode().lines().any(|other| other == line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no `{line}` in\n{}", self.metrics.encode());
    }

    async fn count(&self) -> TargetCount {
        self.stage.outbox.counts().await.unwrap().remove("chat").unwrap_or_default()
    }

    /// Waits until the chat's deliveries have ended like this, and checks the sum.
    async fn ends(&self, expected: &[(End, u64)]) {
        let expected: BTreeMap<End, u64> = expected.iter().copied().collect();
        for _ in 0..2_000 {
            if self.count().await.ended == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let count = self.count().await;
        assert_eq!(count.ended, expected);
        assert_eq!(crate::audit::imbalance(&count), 0, "{count:?}");
    }

    /// Long enough for the loop to do what it can do at this time of the clock. What must *not* happen has no event to wait for.
    async fn still(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn verdict(outcome: Outcome) -> Reply {
    Reply::Verdict(outcome)
}

fn rejected() -> Reply {
    verdict(Outcome::Rejected { reason: Reason::Content, detail: "bad words".to_owned() })
}

fn too_large() -> Reply {
    verdict(Outcome::TooLarge { detail: "20001 bytes".to_owned() })
}

fn misconfigured() -> Reply {
    verdict(Outcome::Misconfigured { reason: Reason::UnknownRobot, detail: "token is not exist".to_owned() })
}

fn throttled(seconds: u64) -> Reply {
    let after = Some(Duration::from_secs(seconds));
    verdict(Outcome::Retry { reason: Reason::Throttled, after, detail: "too fast".to_owned() })
}

#[tokio::test]
async fn a_group_is_told_from_the_first_alert_to_the_last() {
    let scene = Scene::new().await;
    scene.accept("group", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard(1).await, ["new a"]);
    scene.accept("group", vec![firing("a", 10), firing("b", 20)]).await;
    scene.accept("other", vec![firing("c", 20)]).await;
    scene.chat.heard(3).await;
    scene.ends(&[(End::Delivered, 3)]).await;
    scene.accept("group", vec![resolved("a", 10), resolved("b", 20)]).await;
    let mut heard = scene.chat.heard(4).await;
    heard.sort();
    assert_eq!(heard, ["new a", "new b, still a", "new c", "resolved a b"]);
}

#[tokio::test]
async fn what_brings_nothing_new_is_suppressed() {
    let scene = Scene::new().await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    scene.advance(crate::outbox::DEDUP_WINDOW);
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 2), (End::Suppressed, 1)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "resolved a"]);
}

#[tokio::test]
async fn a_target_that_wants_no_ends_hears_none_and_knows_a_second_episode() {
    let quiet = |chat: &Script| vec![TargetSettings { send_resolved: false, ..target("chat", chat) }];
    let scene = Scene::with(quiet).await;
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.accept("group", vec![resolved("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1), (End::Suppressed, 1)]).await;
    scene.accept("group", vec![firing("a", 30)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a"]);
}

#[tokio::test]
async fn a_target_with_nothing_left_in_the_group_hears_what_has_vanished() {
    let mail = Script::chat("mail");
    let scene = Scene::with(|chat| vec![target("chat", chat), target("mail", &mail)]).await;
    let both = vec![firing("a", 10), firing("b", 10)];
    let mut split = accepted("group", both, &["chat", "mail"]);
    split.deliveries[0].alerts.retain(|alert| alert.0 == "a");
    split.deliveries[1].alerts.retain(|alert| alert.0 == "b");
    let rest = || accepted("group", vec![firing("b", 10)], &["mail"]);
    // The chat hears of a only after a is gone.
    scene.chat.reply([throttled(60)]);
    scene.accept_for(split).await;
    scene.chat.heard(1).await;
    scene.accept_for(rest()).await;
    mail.heard(2).await;
    let heard = scene.advance_until_heard(5 * SECOND, 3).await;
    assert_eq!(heard, ["new a", "new a", "vanished a"]);

    scene.advance(crate::outbox::DEDUP_WINDOW);
    scene.accept_for(rest()).await;
    mail.heard(3).await;
    scene.advance(Pace::default().housekeeping);
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(scene.chat.heard_so_far().len(), 3);
    assert_eq!(scene.count().await.pending, 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_later_with_what_has_come_meanwhile() {
    let scene = Scene::new().await;
    scene.chat.reply([unreachable()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("group", vec![resolved("a", 10), firing("b", 20)]).await;
    scene.accept("group", vec![firing("b", 20)]).await;
    scene.idle().await;
    assert_eq!(scene.chat.heard_so_far().len(), 1, "tried again at once");
    scene.advance(5 * SECOND);
    assert_eq!(scene.chat.heard(2).await, ["new a", "new b, resolved a"]);
    scene.ends(&[(End::Delivered, 1), (End::Superseded, 2)]).await;
}

#[tokio::test]
async fn one_group_is_told_in_order_while_others_pass() {
    let scene = Scene::new().await;
    scene.chat.reply([Reply::Silence]);
    scene.accept("slow", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("slow", vec![resolved("a", 10)]).await;
    scene.accept("other", vec![firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.chat.heard_so_far(), ["new a", "new b"]);
}

#[tokio::test]
async fn a_budget_holds_and_what_waits_is_merged() {
    let two = |chat: &Script| {
        vec![TargetSettings {
            budget: Budget { sends: 2, window: Duration::from_mins(1) },
            ..target("chat", chat)
        }]
    };
    let scene = Scene::with(two).await;
    for group in ["one", "two", "three"] {
        scene.accept(group, vec![firing("a", 10)]).await;
    }
    scene.chat.heard(2).await;
    scene.accept("three", vec![firing("a", 10), firing("b", 20)]).await;
    scene.advance(59 * SECOND);
    scene.still().await;
    assert_eq!(scene.chat.heard_so_far().len(), 2);
    scene.advance(2 * SECOND);
    assert_eq!(scene.chat.heard(3).await[2], "new a b");
    scene.ends(&[(End::Delivered, 3), (End::Superseded, 1)]).await;
    assert!(scene.metrics.encode().contains("alert_relay_budget_waits_total{target=\"chat\"} 1"));
}

#[tokio::test]
async fn a_budget_outlives_a_restart_and_a_reload() {
    let one = |chat: &Script| {
        vec![TargetSettings {
            budget: Budget { sends: 1, window: Duration::from_mins(1) },
            ..target("chat", chat)
        }]
    };
    let scene = Scene::with(one).await;
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    scene.deliverer.reload(&scene.settings).await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.still().await;
    let scene = scene.restart().await;
    scene.advance(59 * SECOND);
    scene.still().await;
    assert_eq!(scene.chat.heard_so_far(), ["new a"]);
    scene.advance(2 * SECOND);
    assert_eq!(scene.chat.heard(2).await, ["new a", "new b"]);
}

#[tokio::test]
async fn critical_alerts_pass_when_only_the_reserve_is_left() {
    let four = |chat: &Script| {
        vec![TargetSettings {
            budget: Budget { sends: 4, window: Duration::from_mins(1) },
            ..target("chat", chat)
        }]
    };
    let scene = Scene::with(four).await;
    for number in 0..5 {
        scene.accept(&number.to_string(), vec![firing("a", 10)]).await;
    }
    scene.ends(&[(End::Delivered, 3)]).await;
    let mut critical = firing("fire", 10);
    critical.labels.insert("severity".to_owned(), "critical".to_owned());
    scene.accept("urgent", vec![critical]).await;
    assert_eq!(scene.chat.heard(4).await[3], "new fire");
}

#[tokio::test]
async fn the_time_to_the_delivery_is_that_of_the_oldest_news_in_it() {
    let scene = Scene::new().await;
    scene.chat.reply([throttled(600)]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.idle().await;
    scene.advance(300 * SECOND);
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    scene.advance(301 * SECOND);
    scene.ends(&[(End::Delivered, 1), (End::Superseded, 1)]).await;
    scene.reads_on_page("alert_relay_delivery_latency_seconds_sum{target=\"chat\"} 601.0").await;
}

#[tokio::test]
async fn refused_words_are_tried_plainly_once_and_then_given_up() {
    let scene = Scene::new().await;
    scene.chat.reply([rejected()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a [plain]"]);
    scene.ends(&[(End::Delivered, 1)]).await;

    scene.chat.reply([rejected(), rejected()]);
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 1), (End::Dead, 1)]).await;
    // Nobody heard of b: the next message says so.
    scene.accept("group", vec![firing("a", 10), firing("b", 10), firing("c", 10)]).await;
    assert_eq!(scene.chat.heard(5).await[4], "new b c, still a");
}

#[tokio::test]
async fn what_is_too_large_is_cut_smaller() {
    let scene = Scene::new().await;
    scene.chat.reply([too_large()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a [smaller]"]);
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn parts_that_arrived_are_not_sent_again_after_a_restart() {
    let scene = Scene::new().await;
    scene.chat.cut_into(3);
    scene.chat.reply([verdict(Outcome::Delivered { receipt: String::new() }), Reply::Silence]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(2).await;
    scene.accept("group", vec![firing("a", 10), firing("b", 10)]).await;
    let scene = scene.restart().await;
    let heard = scene.chat.heard(7).await;
    assert_eq!(heard[..4], ["new a (1/3)", "new a (2/3)", "new a (2/3)", "new a (3/3)"]);
    // What came in between waited until that was told.
    assert_eq!(heard[4..], ["new b, still a (1/3)", "new b, still a (2/3)", "new b, still a (3/3)"]);
    scene.ends(&[(End::Delivered, 2)]).await;
}

#[tokio::test]
async fn other_parts_after_a_restart_are_told_from_the_start() {
    let scene = Scene::new().await;
    scene.chat.cut_into(2);
    scene.chat.reply([verdict(Outcome::Delivered { receipt: String::new() }), Reply::Silence]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(2).await;
    scene.chat.cut_into(1);
    let scene = scene.restart().await;
    assert_eq!(scene.chat.heard(3).await[2], "new a");
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_only_so_long_and_loses_nothing() {
    let scene = Scene::new().await;
    scene.chat.reply([Reply::Silence]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    let cut_short = scene.deliverer.stop(Duration::from_millis(50)).await;
    assert_eq!(cut_short, 1);
    let stage = scene.stage.reopen().await;
    let scene = Scene::start(stage, scene.settings, scene.chat).await;
    assert_eq!(scene.chat.heard(2).await, ["new a", "new a"]);
    scene.ends(&[(End::Delivered, 1)]).await;
    assert_eq!(scene.deliverer.stop(SECOND).await, 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_asked_again_after_a_pause() {
    let scene = Scene::new().await;
    scene.chat.reply([unreachable()]);
    scene.accept("group", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.idle().await;
    let lock = scene.stage.lock().await;
    scene.advance(5 * SECOND);
    scene.reads_on_page("alert_relay_store_errors_total{kind=\"locked\"} 1").await;
    scene.still().await;
    scene.reads_on_page("alert_relay_store_errors_total{kind=\"locked\"} 1").await;
    lock.release().await;
    scene.advance(SECOND);
    scene.ends(&[(End::Delivered, 1)]).await;
}

#[tokio::test]
async fn a_clock_set_back_prolongs_no_wait() {
    for (reply, wait) in [(unreachable(), 5 * SECOND), (throttled(600), 601 * SECOND)] {
        for is_restarted in [false, true] {
            let mut scene = Scene::new().await;
            scene.chat.reply([reply.clone()]);
            scene.accept("group", vec![firing("a", 10)]).await;
            scene.chat.heard(1).await;
            scene.idle().await;
            scene.stage.clock.set_back(Duration::from_hours(30 * 24));
            if is_restarted {
                scene = scene.restart().await;
            }
            assert_eq!(scene.advance_until_heard(wait, 2).await[1], "new a", "{reply:?}");
            scene.accept("other", vec![firing("b", 10)]).await;
            assert_eq!(scene.chat.heard(3).await[2], "new b", "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_fault_of_ours_costs_one_lane_until_its_lease_ends() {
    let scene = Scene::new().await;
    scene.chat.reply([Reply::Panic]);
    scene.accept("one", vec![firing("a", 10)]).await;
    scene.chat.heard(1).await;
    scene.accept("two", vec![firing("b", 10)]).await;
    scene.ends(&[(End::Delivered, 1)]).await;
    let target = &scene.settings.targets["chat"];
    scene.advance(Pace::default().lease + target.timeout);
    scene.ends(&[(End::Delivered, 2)]).await;
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_is_noticed() {
    let scene = Scene::new().await;
    let ended = scene.deliverer.ended();
    scene.stage.outbox.close().await;
    scene.stage.outbox.ended().await;
    // The housekeeping finds the store closed, and the loop finds that there is no housekeeping.
    scene.advance(Pace::default().housekeeping);
    tokio::time::timeout(20 * SECOND, ended).await.unwrap();
}

#[tokio::test]
async fn a_webhook_that_cannot_be_read_any_more_is_dead_with_a_reason() {
    let scene = Scene::new().await;
    let mut garbled = accepted("group", vec![firing("a", 10)], &["chat"]);
    garbled.payload = bytes::Bytes::from_static(b"not json");
    scene.accept_for(garbled).await;
    scene.ends(&[(End::Dead, 1)]).await;
    assert!(scene.chat.heard_so_far().is_empty());
}
