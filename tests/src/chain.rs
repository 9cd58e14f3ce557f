//! The native chain: exporter → Prometheus → Alertmanager → relay on loopback, from the files in `deploy/` and `rules/`.
//!
//! Owns what is started, in which order, and how it stops. The end-to-end tests, `make demo` and `make up` differ in the
//! [`Plan`] only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::http;
use crate::process::{Launch, Process};
use crate::promql;
use crate::wait::until;

pub mod addresses;
pub mod channels;
pub mod derived;
pub mod parts;

use addresses::Addresses;
use channels::Channels;
use parts::Gpus;

/// How long a part may take to answer for the first time: long enough for a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a part may take to stop; the relay drains for at most 30 seconds.
const STOP_LIMIT: Duration = Duration::from_secs(45);

/// What chain to start.
#[derive(Debug)]
pub struct Plan {
    /// Where everything that is written goes: settings, data, logs.
    pub data: PathBuf,
    /// Who listens where.
    pub addresses: Addresses,
    /// What the exporter reads.
    pub gpus: Gpus,
    /// Every waiting time of rules, grouping and scraping is divided by this; 1 is as shipped.
    pub pace: u32,
    /// The `node` label of this machine; `None` is as shipped.
    pub node: Option<String>,
    /// Where alerts are sent; `None` is as shipped.
    pub channels: Option<Channels>,
}

/// A chain that runs. Dropping it ends all of it at once; [`Chain::stop`] lets each part finish.
#[derive(Debug)]
pub struct Chain {
    /// Who listens where.
    pub addresses: Addresses,
    data: PathBuf,
    // In the order of the data, so that dropping ends the readers before what they read.
    prometheus: Process,
    alertmanager: Process,
    relay: Process,
    exporter: Process,
}

impl Chain {
    /// Starts every part, each after those it sends to, and waits until it answers.
    ///
    /// Errors name the part that failed, with the end of its log.
    pub async fn start(plan: Plan) -> Result<Self> {
        let files = derived::write(&plan)?;
        let Plan { data, addresses, gpus, .. } = plan;
        let (logs, client) = (data.join("logs"), http::client()?);
        let ready = async |mut part: Process, url: String| -> Result<Process> {
            part.ready(&client, &url, START_LIMIT).await?;
            Ok(part)
        };

        let relay = ready(parts::relay(&files.relay)?.start(&logs)?, addresses.relay_url("/-/ready")).await?;
        let alertmanager = parts::alertmanager(&files.alertmanager, &data, &addresses)?.start(&logs)?;
        let alertmanager = ready(alertmanager, addresses.alertmanager_url("/-/ready")).await?;
        let prometheus = parts::prometheus(&files.prometheus, &data, &addresses)?.start(&logs)?;
        let prometheus = ready(prometheus, addresses.prometheus_url("/-/ready")).await?;
        // Last: a simulated incident begins with the exporter, and nobody must miss its beginning.
        let textfiles = data.join("textfile");
        std::fs::create_dir_all(&textfiles)
            .with_context(|| format!("failed to make {}", textfiles.display()))?;
        let exporter = parts::exporter(addresses.exporter.address(), &gpus)?;
        let exporter = parts::shipped_flags(&textfiles).iter().fold(exporter, Launch::arg).start(&logs)?;
        let exporter = ready(exporter, addresses.exporter_url("/-/healthy")).await?;
        Ok(Self { addresses, data, prometheus, alertmanager, relay, exporter })
    }

    /// Where everything that is written goes.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Waits until a part ends by itself, and says which, with the end of its log.
    pub async fn broken(&mut self) -> anyhow::Error {
        let parts = [&mut self.prometheus, &mut self.alertmanager, &mut self.relay, &mut self.exporter];
        parts::first_ended(parts).await
    }

    /// Stops the parts against the direction of the data, so that nobody calls one that is gone.
    pub async fn stop(self) -> Result<()> {
        for part in [self.prometheus, self.alertmanager, self.relay, self.exporter] {
            part.stop(STOP_LIMIT).await?;
        }
        Ok(())
    }

    /// Waits until Prometheus has scraped every target of the job `node` at least once.
    pub async fn scraped(&self, limit: Duration) -> Result<()> {
        let client = http::client()?;
        let prometheus = self.addresses.prometheus_url("");
        until("Prometheus to scrape the exporter", limit, async || {
            let up = promql::query(&client, &prometheus, "min(up{job=\"node\"}) == 1").await.ok()?;
            (!up.is_empty()).then_some(())
        })
        .await
        .with_context(|| format!("(hint: the logs are in {})", self.data.join("logs").display()))
    }
}
