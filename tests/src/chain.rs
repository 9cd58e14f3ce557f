//! The native chain: exporter → Prometheus → Alertmanager → relay on loopback, from the files in `deploy/` and `rules/`.
//!
//! Owns what is started, in which order, and how it stops. The end-to-end tests, `make demo` and `make up` differ in the
//! [`Plan`] only.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::http;
use crate::process::{Launch, Process};
use crate::promql;
use crate::wait::until;

pub mod addresses;
pub mod channels;
pub mod derived;
pub mod examples;
mod follow;
pub mod parts;
mod relay_command;
mod relay_files;

use addresses::Addresses;
use channels::Channels;
use derived::{Derived, Source};
use parts::Gpus;
use relay_files::RelayFiles;

/// How long a part may take to answer for the first time: long enough for a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a part may take to stop; the relay drains for at most 30 seconds.
const STOP_LIMIT: Duration = Duration::from_secs(45);

/// What chain to start.
#[derive(Debug)]
pub struct Plan {
    /// Where everything that is written goes: settings, data, logs.
    pub data: PathBuf,
    /// The folder with `deploy/` and `rules/`: the checkout, or a copy of it.
    pub files: PathBuf,
    /// Who listens where.
    pub addresses: Addresses,
    /// What the exporter reads.
    pub gpus: Gpus,
    /// Every waiting time of rules, grouping and scraping is divided by this; 1 is as shipped.
    pub pace: u32,
    /// The `node` label of this machine; `None` is as shipped.
    pub node: Option<String>,
    /// Another machine that is scraped too.
    pub neighbour: Option<Neighbour>,
    /// Where alerts are sent; `None` is as shipped.
    pub channels: Option<Channels>,
}

/// A machine that the chain only scrapes.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its `node` label.
    pub node: String,
    /// Its exporter.
    pub exporter: SocketAddr,
    /// Its inference engine.
    pub engine: SocketAddr,
}

/// One program of the chain. In the order of the data, so that readers end before what they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Prometheus.
    Prometheus,
    /// Alertmanager.
    Alertmanager,
    /// alert-relay.
    Relay,
    /// The relay that tells when the other one is down.
    Standby,
    /// gpu-node-exporter.
    Exporter,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prometheus => "Prometheus",
            Self::Alertmanager => "Alertmanager",
            Self::Relay => "alert-relay",
            Self::Standby => "alert-relay-standby",
            Self::Exporter => "gpu-node-exporter",
        })
    }
}

/// A chain that runs. Dropping it ends all of it at once; [`Chain::stop`] lets each part finish.
#[derive(Debug)]
pub struct Chain {
    /// Who listens where.
    pub addresses: Addresses,
    source: Source,
    gpus: Gpus,
    /// The files that it runs with.
    derived: Derived,
    /// The last that were looked at; they may have mistakes.
    seen: Derived,
    /// The relay's own, as they were when it was last told to read them.
    seen_relay: RelayFiles,
    processes: BTreeMap<Part, Process>,
}

impl Chain {
    /// Starts every part, each after those it sends to, and waits until it answers.
    ///
    /// Errors name the part that failed, with the end of its log.
    pub async fn start(plan: Plan) -> Result<Self> {
        // The exporter last: a simulated incident begins with it, and nobody must miss its beginning.
        let all = [Part::Standby, Part::Relay, Part::Alertmanager, Part::Prometheus, Part::Exporter];
        Self::start_only(plan, &all).await
    }

    /// The same with some of the parts, in this order.
    pub async fn start_only(plan: Plan, parts: &[Part]) -> Result<Self> {
        let Plan { data, files, addresses, gpus, pace, node, neighbour, channels } = plan;
        let source = Source { data, files, pace, node, neighbour, channels };
        let derived = Derived::of(&source, &addresses)?;
        derived.write(&source)?;
        let seen_relay = RelayFiles::beside(&derived.relay.file).unwrap_or_default();
        let seen = derived.clone();
        let mut chain =
            Self { seen, seen_relay, addresses, source, gpus, derived, processes: BTreeMap::new() };
        for part in parts {
            chain.begin(*part).await?;
        }
        Ok(chain)
    }

    /// Starts one part, which must not run, and waits until it answers.
    pub async fn begin(&mut self, part: Part) -> Result<()> {
        self.begin_with(part, |launch| launch).await
    }

    /// The same with another command line, as somebody's own unit has it.
    pub async fn begin_with(&mut self, part: Part, change: impl FnOnce(Launch) -> Launch) -> Result<()> {
        let (launch, url) = self.launch(part)?;
        let mut process = change(launch).start(&self.data().join("logs"))?;
        process.ready(&http::client()?, &url, START_LIMIT).await?;
        self.processes.insert(part, process);
        Ok(())
    }

    /// How a part is started, and the page that answers when it is up.
    fn launch(&self, part: Part) -> Result<(Launch, String)> {
        let (data, addresses, files) = (&self.source.data, &self.addresses, derived::files(&self.source));
        Ok(match part {
            Part::Relay => {
                let relay = &self.derived.relay;
                (relay.put_on(parts::relay(&relay.file)?), addresses.relay_url("/-/ready"))
            }
            Part::Standby => {
                let relay = &self.derived.relay;
                let launch = relay.put_on(parts::standby(&relay.file)?);
                let store = data.join("alert-relay-standby");
                std::fs::create_dir_all(&store)
                    .with_context(|| format!("failed to make {}", store.display()))?;
                let launch = launch
                    .env("ALERT_RELAY__SERVER__LISTEN", addresses.standby.address().to_string())
                    .env("ALERT_RELAY__STORE__URL", format!("sqlite://{}/relay.db", store.display()));
                (launch, addresses.standby_url("/-/ready"))
            }
            Part::Alertmanager => {
                let launch = parts::alertmanager(&files.alertmanager, data, addresses)?;
                (launch, addresses.alertmanager_url("/-/ready"))
            }
            Part::Prometheus => {
                let launch = parts::prometheus(&files.prometheus, data, addresses)?;
                (launch, addresses.prometheus_url("/-/ready"))
            }
            Part::Exporter => {
                let textfiles = self.textfiles();
                std::fs::create_dir_all(&textfiles)
                    .with_context(|| format!("failed to make {}", textfiles.display()))?;
                let launch = parts::exporter(addresses.exporter.address(), &self.gpus)?;
                let launch = parts::shipped_flags(&textfiles).iter().fold(launch, Launch::arg);
                (launch, addresses.exporter_url("/-/healthy"))
            }
        })
    }

    /// Where everything that is written goes.
    pub fn data(&self) -> &Path {
        &self.source.data
    }

    /// Where the exporter reads the calendar and thresholds.
    pub fn textfiles(&self) -> PathBuf {
        self.source.data.join("textfile")
    }

    /// The relay's settings file, for a test that changes it.
    pub fn relay_settings(&self) -> &Path {
        &self.derived.relay.file
    }

    /// A part that runs.
    pub fn process(&mut self, part: Part) -> Result<&mut Process> {
        self.processes.get_mut(&part).with_context(|| format!("{part} does not run"))
    }

    /// `kill -9` for one part.
    pub fn kill(&mut self, part: Part) {
        // Dropping it kills it.
        drop(self.processes.remove(&part));
    }

    /// The parts that have ended by themselves since this was last asked, and how.
    pub fn ended(&mut self) -> Vec<(Part, String)> {
        let ended: Vec<_> = self
            .processes
            .iter_mut()
            .filter_map(|(part, process)| Some((*part, process.obituary()?)))
            .collect();
        for (part, _) in &ended {
            self.processes.remove(part);
        }
        ended
    }

    /// Waits until a part ends by itself, and says which, with the end of its log.
    pub async fn broken(&mut self) -> anyhow::Error {
        let ended = until("a part to end", Duration::MAX, async || self.ended().into_iter().next()).await;
        ended.map_or_else(|error| error, |(_, obituary)| anyhow!(obituary))
    }

    /// Stops the parts against the direction of the data, so that nobody calls one that is gone.
    pub async fn stop(self) -> Result<()> {
        for part in self.processes.into_values() {
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
        .with_context(|| format!("(hint: the logs are in {})", self.source.data.join("logs").display()))
    }
}
