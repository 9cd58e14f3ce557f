//! The program `engine-sim`, started beside a chain: a process that can be put on a simulated GPU, and a target of Prometheus.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::chain::Chain;
use crate::http;
use crate::process::{Launch, Process};
use crate::programs;
use crate::wait::until;

const LIMIT: Duration = Duration::from_mins(1);

/// A simulated engine that runs. It ends with this value.
#[derive(Debug)]
pub struct Started {
    /// The process that holds a GPU's memory.
    pub pid_on_gpu: u64,
    /// Where it answers.
    pub address: SocketAddr,
    _process: Process,
}

impl Started {
    /// Starts it with these flags on a free port and waits until it answers; its log goes to `logs`.
    pub async fn start(logs: &Path, flags: &[&str]) -> Result<Self> {
        let launch = Launch::new("engine-sim", &programs::ours("engine-sim")?).arg("--listen=127.0.0.1:0");
        let mut process = flags.iter().fold(launch, Launch::arg).start(logs)?;
        let address = until("the simulated engine's address", LIMIT, async || {
            let output = process.output();
            let (_, rest) = output.split_once("at http://")?;
            rest.split(": ").next()?.parse().ok()
        });
        let address: SocketAddr = address.await?;
        let client = http::client()?;
        process.ready(&client, &format!("http://{address}/health"), LIMIT).await?;
        let state: Value =
            serde_json::from_str(&http::page(&client, &format!("http://{address}/sim")).await?)?;
        let pid = state.pointer("/processes/0/pid").and_then(Value::as_u64);
        let pid_on_gpu = pid.context("the simulated engine names no process of its own")?;
        Ok(Self { pid_on_gpu, address, _process: process })
    }

    /// Its metrics page.
    pub fn page(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Makes it one more target of the chain's Prometheus, on this node.
    pub fn becomes_a_target_of(&self, chain: &Chain, node: &str) -> Result<()> {
        let targets = chain.data().join("config/deploy/prometheus/targets/inference.yml");
        let text = format!("- targets: [\"{}\"]\n  labels: {{ node: {node} }}\n", self.address);
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&targets);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("failed to write {}", targets.display()))
    }
}
