//! The demo's second machine: one simulated GPU, and a simulated inference engine that hangs.
//!
//! Owns both programs and the engine's incident. A machine of its own, since the memory of a GPU with an engine is judged in another
//! way than that of the first machine's. Leaves out the chain, which is told the addresses.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::chain::Neighbour;
use crate::chain::parts::{self, Gpus};
use crate::http;
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::programs;

/// Its name in every message.
pub const NODE: &str = "simulated-inference-node";
/// The alert that the engine's incident is about.
pub const ALERT: &str = "InferenceHung";
/// How long the engine serves before it hangs.
pub const HANGS_AFTER: Duration = Duration::from_secs(20);
/// How long it takes to start again, which ends the incident.
pub const RESTARTS_WITHIN: Duration = Duration::from_secs(5);
/// The release that is played.
pub const RELEASE: &str = "vllm-0.33.0";

/// How long each of the two may take to answer: a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Both programs. Dropping it ends them.
#[derive(Debug)]
pub struct InferenceNode {
    engine: Process,
    engine_port: Port,
    exporter: Process,
    exporter_port: Port,
    client: reqwest::Client,
}

impl InferenceNode {
    /// Starts the engine, then the exporter that sees its processes on the GPU. Files go under `data`.
    pub async fn start(data: &Path) -> Result<Self> {
        let (engine_port, exporter_port) = (Port::free()?, Port::free()?);
        let logs = data.join("logs").join("inference-node");
        let client = http::client()?;
        let base = format!("http://{}", engine_port.address());
        let mut engine = Launch::new("engine-sim", &programs::ours("engine-sim")?)
            .arg(format!("--listen={}", engine_port.address()))
            .arg(format!("--release={RELEASE}"))
            .start(&logs)?;
        engine.ready(&client, &format!("{base}/health"), START_LIMIT).await?;

        let state: Value = serde_json::from_str(&http::page(&client, &format!("{base}/sim")).await?)?;
        let on_gpu =
            state["processes"][0]["pid"].as_u64().context("the engine does not name its processes")?;
        let scenario = data.join("inference-node.yaml");
        std::fs::write(&scenario, scenario_with(on_gpu))
            .with_context(|| format!("failed to write {}", scenario.display()))?;
        let gpus = Gpus::Simulated { scenario, age: Duration::ZERO };
        let launch = parts::exporter(exporter_port.address(), &gpus)?;
        let mut exporter = launch.arg(format!("--engine.page={base}/metrics")).start(&logs)?;
        let page = format!("http://{}/-/healthy", exporter_port.address());
        exporter.ready(&client, &page, START_LIMIT).await?;
        Ok(Self { engine, engine_port, exporter, exporter_port, client })
    }

    /// What Prometheus is told of it.
    pub fn neighbour(&self) -> Neighbour {
        let (exporter, engine) = (self.exporter_port.address(), self.engine_address());
        Neighbour { node: NODE.to_owned(), exporter, engine }
    }

    /// Where the engine answers.
    pub fn engine_address(&self) -> SocketAddr {
        self.engine_port.address()
    }

    /// From now on nothing of it moves: requests run, the page answers, the GPU is busy.
    pub async fn hang(&self) -> Result<()> {
        self.fail(&json!({ "kind": "hang" })).await
    }

    /// What whoever is on call does: the engine is started again, without its fault.
    pub async fn restart(&self) -> Result<()> {
        self.fail(&json!({ "kind": "none" })).await?;
        self.fail(&json!({ "kind": "restart", "for": format!("{}s", RESTARTS_WITHIN.as_secs()) })).await
    }

    async fn fail(&self, fault: &Value) -> Result<()> {
        let url = format!("http://{}/sim/fault", self.engine_address());
        let asked = self.client.post(&url).body(fault.to_string()).send().await;
        let reply = asked.with_context(|| format!("failed to call {url}"))?;
        if !reply.status().is_success() {
            bail!("{url} answered {} to {fault}", reply.status());
        }
        Ok(())
    }

    /// How one of them ended by itself, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.engine.obituary().or_else(|| self.exporter.obituary())
    }

    /// Stops both.
    pub async fn stop(self) -> Result<()> {
        self.exporter.stop(STOP_LIMIT).await?;
        self.engine.stop(STOP_LIMIT).await?;
        Ok(())
    }
}

/// A GPU that an engine keeps busy, also while it hangs: kernels that wait for each other count as busy.
fn scenario_with(on_gpu: u64) -> String {
    format!(
        "description: One H100 that an inference engine uses.\n\
         gpus:\n- {{ model: h100-sxm, utilization: {{ constant: 0.99 }}, memory_used: {{ constant: 0.80 }} }}\n\
         processes:\n- {{ gpu: 0, pid: {on_gpu}, memory_mib: 65000, utilization: {{ constant: 0.99 }} }}\n"
    )
}
