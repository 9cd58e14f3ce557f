//! The chain from Alertmanager on, as shipped, with one robot that is told everything at any time of day.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::chain::addresses::Addresses;
use e2e::chain::channels::Channels;
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Part, Plan};
use e2e::http;
use e2e::vendor::dingtalk::{DingTalk, LIMIT, Setup};
use e2e::vendor::robot::Post;
use e2e::vendor::traffic::Limit;
use e2e::wait::until;
use serde_json::Value;

use crate::files::path;

/// What keeps information for the morning; whether this test passes must not depend on the hour.
const MUTED: &str = "mute_time_intervals: [night]";

/// Alertmanager, both relays and the robot.
pub(crate) struct Stage {
    chain: Chain,
    dingtalk: DingTalk,
}

impl Stage {
    /// Starts them, with Alertmanager's waiting times divided by `pace`; everything is written under `data`.
    pub(crate) async fn start(data: &Path, pace: u32) -> Result<Self> {
        let files = data.join("files");
        std::fs::create_dir_all(files.join("deploy/alertmanager"))?;
        for same in ["rules", "deploy/prometheus", "deploy/alert-relay"] {
            symlink(path(same), files.join(same))?;
        }
        let alertmanager = "deploy/alertmanager/alertmanager.yml";
        let shipped = std::fs::read_to_string(path(alertmanager))?;
        ensure!(shipped.contains(MUTED), "{alertmanager} no longer contains `{MUTED}`");
        std::fs::write(files.join(alertmanager), shipped.replace(MUTED, ""))?;
        let limit = Limit { calls: usize::MAX, ..LIMIT };
        let dingtalk = DingTalk::start(Setup { limit, ..Setup::signed() })?;
        let plan = Plan {
            data: data.to_path_buf(),
            files,
            addresses: Addresses::free()?,
            gpus: Gpus::Real,
            pace,
            node: None,
            neighbour: None,
            channels: Some(Channels::to_robot(&dingtalk, data)?),
        };
        let parts = [Part::Standby, Part::Relay, Part::Alertmanager];
        Ok(Self { chain: Chain::start_only(plan, &parts).await?, dingtalk })
    }

    /// Where Alertmanager listens.
    pub(crate) fn alertmanager(&self) -> String {
        self.chain.addresses.alertmanager.address().to_string()
    }

    /// The chat as its members see it.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.dingtalk.robot.posts()
    }

    /// Waits until the relay has heard the heartbeat.
    pub(crate) async fn heartbeat(&self, limit: Duration) -> Result<()> {
        const HEARD: &str = "alert_relay_heartbeat_last_timestamp_seconds{heartbeat=\"watchdog\"}";
        let (client, url) = (http::client()?, self.chain.addresses.relay_url("/metrics"));
        until("the relay to hear the heartbeat", limit, async || {
            http::page(&client, &url).await.ok()?.contains(HEARD).then_some(())
        })
        .await
        .context("Alertmanager sends it to the relay")
    }

    /// What Alertmanager knows.
    pub(crate) async fn alerts(&self) -> Result<Vec<Value>> {
        let url = self.chain.addresses.alertmanager_url("/api/v2/alerts");
        Ok(serde_json::from_str(&http::page(&http::client()?, &url).await?)?)
    }

    /// Stops all of it.
    pub(crate) async fn stop(self) -> Result<()> {
        self.chain.stop().await
    }
}
