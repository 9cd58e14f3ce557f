//! A Prometheus that begins with a history, and judges it with the shipped alerts.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::history::Series;
use super::list;
use super::notation::{ALERTS, Labels, NAME};
use crate::chain::addresses::Addresses;
use crate::chain::parts;
use crate::mutation::rules::RuleFile;
use crate::process::Process;
use crate::wait::until;
use crate::{http, programs, remote_write, time_lapse};

/// How long Prometheus may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_mins(1);

/// What judges a history.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// The rules whose alerts are evaluated. What they record is part of the history: no recording depends on the time of day then.
    pub rules: &'a [&'a RuleFile],
    /// The waiting times of the rules are divided by this.
    pub pace: u32,
    /// Where Alertmanager listens.
    pub alertmanager: &'a str,
    /// What is done to alerts before they are sent, after what is shipped.
    pub relabelling: Vec<Value>,
}

/// A Prometheus that runs. It ends with this value.
#[derive(Debug)]
pub struct Live {
    client: reqwest::Client,
    address: String,
    _process: Process,
    _folder: TempDir,
}

/// An alert as Prometheus shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
}

impl Live {
    /// Starts it, and gives it the history, which ends now, once it knows where to send alerts.
    pub async fn start(
        judgement: &Judgement<'_>,
        history: impl FnOnce(SystemTime) -> Vec<Series>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
        let config = folder.path().join("prometheus.yml");
        write(&config, &settings(judgement)?.to_string())?;
        for file in judgement.rules {
            let text = time_lapse::faster(&alerts_of(file).to_string(), judgement.pace)
                .with_context(|| format!("failed to speed up {}", file.name))?;
            write(&folder.path().join(&file.name), &text)?;
        }
        let addresses = Addresses::free()?;
        let launch = parts::prometheus(&config, folder.path(), &addresses)?
            .arg("--web.enable-remote-write-receiver")
            .arg("--web.enable-admin-api")
            // A database takes what is older than its newest sample by half a block.
            .arg("--storage.tsdb.min-block-duration=60d")
            .arg("--storage.tsdb.max-block-duration=60d")
            // What fires without a history does so before Alertmanager is known.
            .arg("--rules.alert.resend-delay=10s")
            .env("GOMAXPROCS", "1");
        let (client, address) = (http::client()?, addresses.prometheus_url(""));
        let mut process = launch.start(&folder.path().join("logs"))?;
        process.ready(&client, &format!("{address}/-/ready"), START_LIMIT).await?;
        let live = Self { client, address, _process: process, _folder: folder };
        // What fires before would be sent to nobody, and again a minute later.
        let knows = format!("{}/api/v1/alertmanagers", live.address);
        until("Prometheus to know its Alertmanager", START_LIMIT, async || {
            http::page(&live.client, &knows).await.ok()?.contains(judgement.alertmanager).then_some(())
        })
        .await?;
        // What fires without a history is recorded already, and takes no older samples.
        let early = live.shown(|_| true).await?;
        let mut history = history(SystemTime::now());
        history.retain(|series| {
            let alert = series.labels.get("alertname");
            series.labels[NAME] != ALERTS || !early.iter().any(|shown| shown.labels.get("alertname") == alert)
        });
        live.add(&history).await?;
        Ok(live)
    }

    /// The alerts that fire now.
    pub async fn firing(&self) -> Result<Vec<Shown>> {
        self.shown(|state| state == "firing").await
    }

    async fn shown(&self, is_asked: impl Fn(&str) -> bool) -> Result<Vec<Shown>> {
        let page = http::page(&self.client, &format!("{}/api/v1/alerts", self.address)).await?;
        let answer: Value =
            serde_json::from_str(&page).context("Prometheus answered something that is not JSON")?;
        let alerts = list(&answer["data"]["alerts"]).iter();
        let texts = |value: &Value| serde_json::from_value(value.clone()).context("labels are texts");
        alerts
            .filter(|alert| alert["state"].as_str().is_some_and(&is_asked))
            .map(|alert| {
                Ok(Shown { labels: texts(&alert["labels"])?, annotations: texts(&alert["annotations"])? })
            })
            .collect()
    }

    /// Has the whole history forgotten, as if its time were over.
    pub async fn forget(&self) -> Result<()> {
        let everything = utf8_percent_encode("{__name__=~\".+\"}", NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/admin/tsdb/delete_series?match[]={everything}", self.address);
        let answer = self.client.post(&url).send().await.with_context(|| format!("failed to call {url}"))?;
        let status = answer.status();
        ensure!(status.is_success(), "{url} answered {status}: {}", answer.text().await.unwrap_or_default());
        Ok(())
    }

    /// Adds to what it knows.
    pub async fn add(&self, series: &[Series]) -> Result<()> {
        remote_write::send(&self.client, &self.address, series).await
    }
}

/// The shipped settings, which scrape nothing.
fn settings(judgement: &Judgement<'_>) -> Result<Value> {
    let shipped = programs::checkout().join("deploy/prometheus/prometheus.yml");
    let text =
        std::fs::read_to_string(&shipped).with_context(|| format!("failed to read {}", shipped.display()))?;
    let mut settings: Value = yaml_serde::from_str(&text).context("prometheus.yml is no YAML")?;
    settings["global"]["evaluation_interval"] = json!("1s");
    settings["global"]["external_labels"]["grafana"] = json!("");
    settings["rule_files"] = judgement.rules.iter().map(|file| file.name.as_str()).collect();
    settings["alerting"]["alertmanagers"] =
        json!([{ "static_configs": [{ "targets": [judgement.alertmanager] }] }]);
    let relabelling = settings["alerting"]["alert_relabel_configs"].as_array_mut();
    relabelling.context("prometheus.yml relabels no alerts")?.extend(judgement.relabelling.iter().cloned());
    settings["scrape_configs"] = json!([]);
    Ok(settings)
}

/// The file without what it records.
fn alerts_of(file: &RuleFile) -> Value {
    let mut document = file.document.clone();
    let groups = document["groups"].as_array_mut();
    for rules in groups.into_iter().flatten().filter_map(|group| group["rules"].as_array_mut()) {
        rules.retain(|rule| rule["alert"].is_string());
    }
    document
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
