//! A relay that is measured: started on a folder of its own with some settings, and asked over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::chain::parts;
use e2e::http;
use e2e::ports::Port;
use e2e::process::Process;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Where Alertmanager posts to; the receiver has to be in the settings.
pub(super) const ALERTS: &str = "/api/v1/alerts/ops";

const TIMEOUT: Duration = Duration::from_mins(1);

/// A relay that runs.
pub(super) struct Subject {
    pub(super) process: Process,
    port: Port,
    /// From the start of the program to its first answer that it is ready.
    pub(super) ready_after: Duration,
}

/// Settings with one receiver, `ops`, whose every alert goes to these targets. The address to listen on is added at the start.
pub(super) fn settings(store: &str, targets: &Value) -> Value {
    let names: Vec<&String> = targets.as_object().into_iter().flat_map(|targets| targets.keys()).collect();
    json!({
        "store": { "url": store },
        "targets": targets,
        "receivers": { "ops": { "routes": [{ "targets": names }] } },
    })
}

/// The address of the file in this folder.
pub(super) fn store(folder: &Path) -> String {
    format!("sqlite://{}", file(folder).display())
}

/// The file of a store.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("relay.db")
}

impl Subject {
    /// Starts a relay with these settings, and returns once it is ready.
    pub(super) async fn start(folder: &Path, mut settings: Value) -> Result<Self> {
        let port = Port::free()?;
        settings["server"] = json!({ "listen": port.address().to_string() });
        let file = folder.join("relay.yml");
        // JSON is YAML.
        std::fs::write(&file, settings.to_string())
            .with_context(|| format!("failed to write {}", file.display()))?;
        let begun = Instant::now();
        let mut process = parts::relay(&file)?.start(folder)?;
        // It listens before it opens its store, and answers once that is ready.
        while TcpStream::connect(port.address()).await.is_err() && process.ended().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let url = format!("http://{}/-/ready", port.address());
        process.ready(&http::client()?, &url, TIMEOUT).await?;
        Ok(Self { process, port, ready_after: begun.elapsed() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The address of one of its pages.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.port.address())
    }
}
