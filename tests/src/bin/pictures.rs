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
const SHOWN: Duration = Duration::from_mins(7);
const STEP: Duration = Duration::from_secs(5);
/// Waiting times divided by this, so that alerts fire within the minutes.
const PACE: u32 = 5;
/// One card hot, one lost, one whose memory rises, two with nothing to do; an engine that hangs on four, a training job on the others.
const SCENARIO: &str = "
description: Sixteen cards on a bad day.
gpus:
  - count: 4
    model: h100-sxm
    utilization: { ramp: { from: 0.71, to: 0.99, start: HANGS, over: 2s } }
    memory_used: { wave: { low: 0.70, high: 0.74, period: 5m } }
  - count: 9
    model: h100-sxm
    utilization: { wave: { low: 0.55, high: 0.95, period: 90s } }
    memory_used: { wave: { low: 0.40, high: 0.44, period: 5m } }
  - model: h100-sxm
    utilization: { constant: 0.85 }
    memory_used: { ramp: { from: 0.40, to: 0.80, start: 20s, over: 4m } }
  - { count: 2, model: h100-sxm, utilization: { constant: 0 }, memory_used: { constant: 0.01 } }
incidents:
  - { gpu: 6, at: 150s, kind: thermal }
  - { gpu: 9, at: 200s, kind: xid, xid: 94 }
  - { gpu: 11, at: 300s, kind: lost, xid: 79 }
processes:
";
/// The GPUs that a process holds: an engine's, and those of the training job.
const ENGINES_GPUS: std::ops::Range<u32> = 0..4;
const TRAINING_GPUS: std::ops::Range<u32> = 4..14;
/// When the engine hangs: seen after two minutes in which nothing moves.
const HANGS: &str = "230s";
/// The engine's own bad day.
const ENGINE: [&str; 5] = [
    "--rate=6",
    "--fault=slow-front-end@60s-90s",
    "--fault=flood@110s-118s",
    "--fault=http-error@180s-200s",
    "--fault=hang@230s",
];
/// Another engine, on a machine of its own, that is well.
const OTHER: [&str; 4] =
    ["--release=sglang-0.5.23", "--model=Qwen/Qwen3-VL-32B-Instruct", "--rate=3", "--seed=2"];
const OTHERS_NODE: &str = "simulated-node-2";
/// Which boards are drawn, down to which of their rows, of which GPU.
const DRAWN: [(&str, u64, &str); 3] =
    [("gpu-fleet.json", 19, ".*"), ("gpu-detail.json", 29, "6"), ("inference.json", 27, ".*")];

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
    let logs = [data.path().join("engine"), data.path().join("other-engine")];
    let engine = Started::start(&logs[0], &ENGINE).await?;
    let other = Started::start(&logs[1], &OTHER).await?;
    let scenario = data.path().join("scenario.yaml");
    std::fs::write(&scenario, SCENARIO.replace("HANGS", HANGS) + &processes(engine.pid_on_gpu))?;
    let gpus = Gpus::Simulated { scenario, age: Duration::ZERO };
    let plan = Plan { gpus, pace: PACE, ..recipients.plan(data.path(), Addresses::free()?)? };
    let mut chain = Chain::start(plan).await?;
    engine.becomes_a_target_of(&chain, NODE)?;
    other.becomes_a_target_of(&chain, OTHERS_NODE)?;
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

/// The scenario's processes. For the training job stands this program: a number of a process that is there.
fn processes(engine: u64) -> String {
    let training = u64::from(std::process::id());
    let of = |gpus: std::ops::Range<u32>, pid: u64, mib: u32| {
        gpus.map(move |gpu| {
            format!("  - {{ gpu: {gpu}, pid: {pid}, memory_mib: {mib}, utilization: {{ constant: 0.7 }} }}\n")
        })
    };
    of(ENGINES_GPUS, engine, 56_000).chain(of(TRAINING_GPUS, training, 30_000)).collect()
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
