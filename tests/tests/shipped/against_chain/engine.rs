//! The simulated engine beside the chain: its process on a GPU, its page scraped.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use e2e::chain::Chain;
use e2e::http;
use e2e::incident::NODE;
use e2e::process::{Launch, Process};
use e2e::wait::until;
use serde_json::Value;

const LIMIT: Duration = Duration::from_mins(1);

/// An engine under a load of its own, with images; it ends with this value.
pub(super) struct Engine {
    /// The process that holds memory.
    pub(super) pid_on_gpu: u64,
    address: SocketAddr,
    _process: Process,
}

impl Engine {
    pub(super) async fn start(data: &Path) -> Self {
        let launch = Launch::new("engine-sim", Path::new(env!("CARGO_BIN_EXE_engine-sim")));
        let mut process = launch.arg("--listen=127.0.0.1:0").arg("--rate=5").start(data).unwrap();
        let address = until("the engine's address", LIMIT, async || {
            let output = process.output();
            let (_, rest) = output.split_once("at http://")?;
            rest.split(": ").next()?.parse().ok()
        });
        let address: SocketAddr = address.await.unwrap();
        let client = http::client().unwrap();
        process.ready(&client, &format!("http://{address}/health"), LIMIT).await.unwrap();
        let state = http::page(&client, &format!("http://{address}/sim")).await.unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        let pid_on_gpu = state["processes"][0]["pid"].as_u64().unwrap();
        Self { pid_on_gpu, address, _process: process }
    }

    /// Prometheus sees the file change and scrapes.
    pub(super) fn becomes_a_target_of(&self, chain: &Chain) {
        let targets = chain.data().join("config/deploy/prometheus/targets/inference.yml");
        let text = format!("- targets: [\"{}\"]\n  labels: {{ node: {NODE} }}\n", self.address);
        std::fs::write(targets, text).unwrap();
    }
}
