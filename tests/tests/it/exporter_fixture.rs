//! One exporter on simulated GPUs, with the page it serves.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use e2e::chain::parts::{self, Gpus};
use e2e::ports::Port;
use e2e::process::{Launch, Process};
use e2e::wait::until;
use e2e::{http, programs};
use tempfile::TempDir;
use test_peers::page::Page;

/// How long anything here may take on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// An exporter that runs.
pub(crate) struct ExporterFixture {
    pub(crate) process: Process,
    pub(crate) client: reqwest::Client,
    address: Port,
    folder: TempDir,
}

impl ExporterFixture {
    /// Starts it on a shipped scenario that is `age` old.
    pub(crate) async fn simulated(scenario: &str, age: Duration, flags: &[&str]) -> Result<Self> {
        let scenario = programs::checkout().join("crates/nvml-sim/scenarios").join(scenario);
        Self::start(&Gpus::Simulated { scenario, age }, flags).await
    }

    /// Starts it with more flags.
    pub(crate) async fn start(gpus: &Gpus, flags: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = Port::free()?;
        let client = http::client()?;
        let launch = flags.iter().fold(parts::exporter(address.address(), gpus)?, Launch::arg);
        let mut process = launch.start(folder.path())?;
        process.ready(&client, &format!("http://{}/-/ready", address.address()), TIMEOUT).await?;
        Ok(Self { process, client, address, folder })
    }

    /// A page of its server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address.address())
    }

    /// A folder for what a test writes beside it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `/metrics` in one of the two formats.
    pub(crate) async fn scrape_as(&self, accept: &str) -> Result<String> {
        let reply = self.client.get(self.url("/metrics")).header("Accept", accept).send().await?;
        anyhow::ensure!(reply.status().is_success(), "/metrics answered {}", reply.status());
        Ok(reply.text().await?)
    }

    /// `/metrics` in the classic format.
    pub(crate) async fn scrape(&self) -> Result<Page> {
        self.scrape_as("text/plain;version=0.0.4").await.map(Page)
    }

    /// Scrapes until the page is as it should be.
    pub(crate) async fn page_where(&self, what: &str, holds: impl Fn(&Page) -> bool) -> Result<Page> {
        until(what, TIMEOUT, async || self.scrape().await.ok().filter(&holds)).await
    }
}
