//! A relay in the middle of a bad night: alerts that burn, a target that refuses everything, dead letters, alerts that no route wants, a heartbeat that is missing.

use anyhow::{Result, ensure};
use e2e::vendor::dingtalk::{self, DingTalk};
use e2e::vendor::robot::Fault;
use e2e::vendor::wecom::{self, Wecom};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::relay_fixture::{RelayFixture, TIMEOUT};

/// The relay, and the ends of its targets.
pub(crate) struct Scene {
    pub(crate) relay: RelayFixture,
    pub(crate) night: DingTalk,
    _ops: DingTalk,
    _gpu: Wecom,
}

/// The code of a text that `DingTalk` finds improper: whoever gets it for every wording is dead.
const IMPROPER: i64 = 430_104;

/// Wordings that are tried before a delivery is dead.
const WORDINGS: usize = 3;

impl Scene {
    /// Plays it up to where nothing changes any more.
    pub(crate) async fn play(alerts: &[Posted]) -> Result<Self> {
        let (ops, night) =
            (DingTalk::start(dingtalk::Setup::signed())?, DingTalk::start(dingtalk::Setup::signed())?);
        let gpu = Wecom::start(wecom::Setup::default())?;
        let dingtalk =
            |robot: &DingTalk| json!({ "webhook_url": robot.webhook_url(), "secret": robot.secret() });
        let targets = json!({
            "ops-dingtalk": { "dingtalk": dingtalk(&ops), "fallback": "gpu-wecom" },
            "gpu-wecom": { "wecom": { "webhook_url": gpu.webhook_url() } },
            "night-shift": { "dingtalk": dingtalk(&night) },
            "old-robot": { "wecom": { "webhook_url": format!("{}-gone", gpu.webhook_url()) } },
        });
        let mut relay = RelayFixture::new(&targets)?;
        let mut settings: Value = serde_json::from_slice(&std::fs::read(relay.settings())?)?;
        let teams = ["ops-dingtalk", "gpu-wecom", "night-shift", "old-robot"];
        let routes: Vec<Value> = teams
            .iter()
            .map(|team| json!({ "matchers": [format!("team=\"{team}\"")], "targets": [team] }))
            .collect();
        settings["timezone"] = json!("Asia/Shanghai");
        settings["receivers"] = json!({ "ops": { "routes": routes } });
        settings["heartbeats"] = json!({
            "watchdog": { "expect_every": "1h", "targets": ["ops-dingtalk"] },
            "backup-site": { "expect_every": "1s", "targets": ["gpu-wecom"] },
        });
        std::fs::write(relay.settings(), settings.to_string())?;
        let dead = alerts.iter().filter(|alert| alert.team == "night-shift").count();
        for _ in 0..dead * WORDINGS {
            night.robot.order(Fault::Code(IMPROPER, "message contains an improper word".to_owned()));
        }
        relay.start().await?;
        let beat = relay.client.post(relay.url("/api/v1/heartbeats/watchdog")).send().await?;
        ensure!(beat.status().is_success(), "the heartbeat: {beat:?}");
        for alert in alerts {
            let (status, said) = relay.post(&alert.webhook()).await?;
            ensure!(status.is_success(), "{status} {said}");
        }
        let scene = Self { relay, night, _ops: ops, _gpu: gpu };
        scene.settles(alerts, dead).await?;
        Ok(scene)
    }

    async fn settles(&self, alerts: &[Posted], dead: usize) -> Result<()> {
        let stuck = alerts.iter().filter(|alert| alert.team == "old-robot").count() as u64;
        until("all deliveries to be over but those of the old robot", TIMEOUT, async || {
            let reply = self.relay.client.get(self.relay.url("/api/v1/overview")).send().await.ok()?;
            let overview: Value = serde_json::from_slice(&reply.bytes().await.ok()?).ok()?;
            let targets = overview["targets"].as_array()?;
            let waiting: u64 = targets.iter().filter_map(|target| target["queue"]["waiting"].as_u64()).sum();
            let is_missing =
                overview["heartbeats"].as_array()?.iter().any(|heartbeat| heartbeat["state"] == "missing");
            (waiting == stuck && overview["dead_letters"] == dead && is_missing).then_some(())
        })
        .await
    }
}

/// One alert that the relay is sent, in a group of its own.
pub(crate) struct Posted {
    /// Its label `team`, which names the target; another name is wanted by no route.
    pub(crate) team: &'static str,
    pub(crate) name: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) instance: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    /// How long it has been firing.
    pub(crate) minutes: u32,
}

impl Posted {
    fn webhook(&self) -> Value {
        let since =
            std::time::SystemTime::now() - std::time::Duration::from_secs(u64::from(self.minutes) * 60);
        let labels = json!({
            "alertname": self.name, "severity": self.severity, "team": self.team, "instance": self.instance, "cluster": "infer-sh", "gpu": "3",
        });
        json!({
            "version": "4",
            "receiver": "ops",
            "status": "firing",
            "groupKey": format!("{{}}:{{alertname={:?}, team={:?}}}", self.name, self.team),
            "truncatedAlerts": 0,
            "groupLabels": { "alertname": self.name },
            "commonLabels": labels,
            "commonAnnotations": {},
            "externalURL": "http://alertmanager:9093",
            "alerts": [{
                "status": "firing",
                "labels": labels,
                "annotations": self.annotations(),
                "startsAt": humantime::format_rfc3339_millis(since).to_string(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
                "fingerprint": self.fingerprint(),
            }],
        })
    }

    /// None at all where there is no summary.
    fn annotations(&self) -> Value {
        if self.summary.is_empty() {
            return json!({});
        }
        json!({ "summary": self.summary, "description": self.description, "runbook_url": "https://wiki.example/runbooks/gpu" })
    }

    /// Any number that differs from alert to alert.
    pub(crate) fn fingerprint(&self) -> String {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        (self.name, self.team, self.instance).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
