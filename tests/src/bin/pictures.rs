//! `pictures`: plays a few minutes on simulated GPUs and an engine, and draws dashboards of them into `docs/pictures/`.
//!
//! The pictures of the README. Everything in them comes from the shipped boards' own questions to a real Prometheus.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use e2e::chain::addresses::Addresses;
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Part, Plan};
use e2e::engine::started::Started;
use e2e::incident::{NODE, Recipients};
use e2e::pictures::{self, Span};
use e2e::terminal::Terminal;
use e2e::{boards, http, programs, stop};

/// What the pictures show: the last minutes, a point with every scrape.
const SHOWN: Duration = Duration::from_mins(3);
const STEP: Duration = Duration::from_secs(3);
/// Waiting times divided by this, so that alerts fire within the minutes.
const PACE: u32 = 5;
/// One card hot, one lost, one whose memory fills, one with nothing to do; an engine on the others.
const SCENARIO: &str = "
description: Ten cards on a bad day.
gpus:
  - count: 8
    model: h100-sxm
    utilization: { wave: { low: 0.55, high: 0.95, period: 90s } }
    memory_used: { wave: { low: 0.70, high: 0.74, period: 5m } }
  - model: h100-sxm
    utilization: { constant: 0.85 }
    memory_used: { ramp: { from: 0.55, to: 0.97, start: 20s, over: 90s } }
  - { model: h100-sxm, utilization: { constant: 0.02 }, memory_used: { constant: 0.01 } }
processes:
  - { gpu: 0, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 1, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 2, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 3, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 4, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 5, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 6, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 7, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
  - { gpu: 8, pid: PID, memory_mib: 56000, utilization: { wave: { low: 0.5, high: 0.9, period: 90s } } }
incidents:
  - { gpu: 3, at: 50s, kind: thermal }
  - { gpu: 2, at: 70s, kind: xid, xid: 94 }
  - { gpu: 5, at: 110s, kind: lost, xid: 79 }
";
/// The engine's own bad day.
const ENGINE: [&str; 4] = [
    "--rate=6",
    "--fault=slow-front-end@70s-110s",
    "--fault=flood@140s-175s",
    "--fault=http-error@190s-210s",
];
/// Which boards are drawn, down to which of their rows, of which GPU.
const DRAWN: [(&str, u64, &str); 3] =
    [("gpu-fleet.json", 19, ".*"), ("gpu-detail.json", 29, "3"), ("inference.json", 27, ".*")];

#[tokio::main]
async fn main() -> ExitCode {
    let terminal = Terminal::default();
    let outcome = tokio::select! {
        outcome = play(&terminal) => outcome,
        asked = stop::asked() => asked,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn play(terminal: &Terminal) -> Result<()> {
    let data = tempfile::Builder::new().prefix("gpu-monitoring-pictures-").tempdir()?;
    let recipients = Recipients::start(data.path()).await?;
    let engine = Started::start(data.path(), &ENGINE).await?;
    let scenario = data.path().join("scenario.yaml");
    std::fs::write(&scenario, SCENARIO.replace("PID", &engine.pid_on_gpu.to_string()))?;
    let gpus = Gpus::Simulated { scenario, age: Duration::ZERO };
    let plan = Plan { gpus, pace: PACE, ..recipients.plan(data.path(), Addresses::free()?)? };
    let mut chain = Chain::start(plan).await?;
    engine.becomes_a_target_of(&chain, NODE)?;
    chain.kill(Part::Exporter);
    chain.begin_with(Part::Exporter, |launch| launch.arg(format!("--engine.page={}", engine.page()))).await?;
    terminal.say(&format!("playing {SHOWN:?} on simulated GPUs"));
    // A part that ends early would leave its panels empty.
    if let Ok(broken) = tokio::time::timeout(SHOWN, chain.broken()).await {
        return Err(broken);
    }
    // A scrape may have failed on a busy machine: then nothing would be there at this moment.
    chain.scraped(Duration::from_mins(1)).await?;
    draw(terminal, &chain.addresses.prometheus_url("")).await?;
    chain.stop().await
}

async fn draw(terminal: &Terminal, prometheus: &str) -> Result<()> {
    let end = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let span = Span { end, seconds: SHOWN.as_secs_f64(), step: STEP.as_secs_f64() };
    let folder = programs::checkout().join("docs/pictures");
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let client = http::client()?;
    for dashboard in boards::all(programs::checkout())? {
        let Some((_, rows, gpu)) = DRAWN.iter().find(|(file, ..)| *file == dashboard.file) else { continue };
        let variables = [("node", ".*"), ("gpu", *gpu), ("model", ".*"), ("instance", "")];
        let answers = pictures::ask(&client, prometheus, &dashboard.json, &variables, span).await?;
        let picture = pictures::draw(&dashboard.json, &answers, *rows);
        let file = folder.join(Path::new(&dashboard.file).with_extension("svg"));
        std::fs::write(&file, picture).with_context(|| format!("failed to write {}", file.display()))?;
        terminal.say(&format!("drew {}", file.display()));
    }
    Ok(())
}
