//! `engine-sim`: a simulated vLLM or `SGLang` server that can be broken.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use e2e::engine::captured;
use e2e::engine::fault::Fault;
use e2e::engine::machine::{Capacity, Machine, Settings};
use e2e::engine::play::Play;
use e2e::engine::processes;
use e2e::engine::release::Release;
use e2e::engine::request::Load;
use e2e::engine::serving::{Place, serve};
use e2e::stop;
use e2e::terminal::Terminal;

/// A simulated inference engine: answers /v1/chat/completions and /metrics as one of tests/engines does, under a load of its
/// own, and fails as told. No number on its pages comes from a real engine.
#[derive(Parser)]
#[command(name = "engine-sim")]
struct Arguments {
    /// Which engine it looks like: vllm-0.33.0, sglang-0.5.23 and others of tests/engines.
    #[arg(long, default_value = "vllm-0.33.0", value_parser = clap::builder::PossibleValuesParser::new(captured::names()))]
    release: String,
    /// Where it listens; port 0 is any that is free.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The name of the served model.
    #[arg(long, default_value = "Qwen/Qwen3-VL-8B-Instruct")]
    model: String,
    /// Requests a second that come by themselves, on average.
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// The share of them that have images, from 0 to 1.
    #[arg(long, default_value_t = 0.4)]
    images: f64,
    /// Tokens of their answers, on average.
    #[arg(long, default_value_t = 90)]
    answer: u64,
    /// What chance begins with: the same seed plays the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests in one step, at most.
    #[arg(long, default_value_t = 64)]
    max_running: usize,
    /// Tokens that the key-value cache has room for.
    #[arg(long, default_value_t = 262_144)]
    kv_tokens: u64,
    /// What fails, and when: hang@30s, slow-decode=8@30s-2m, loading@0s-20s. Kinds: hang, hang-idle, slow-decode, stream-error, http-error,
    /// oom, slow-front-end, aborts, restart, loading, flood. May be given several times.
    #[arg(long)]
    fault: Vec<String>,
    /// A YAML file with `faults: [{ kind: hang, at: 30s, until: 2m }]`.
    #[arg(long)]
    timetable: Option<PathBuf>,
}

fn main() -> ExitCode {
    if processes::was_a_child() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let terminal = Terminal::default();
    match run(&arguments, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let (settings, faults) = (settings(arguments)?, faults(arguments)?);
    let Release { kind, name, .. } = settings.release;
    processes::take_title(kind).context("failed to take the engine's title")?;
    let machine = Machine::new(settings, faults);
    let place = Place::new(arguments.listen, machine.is_up())?;
    terminal.say(&format!(
        "SIMULATED engine {name} at http://{}: no number comes from a real one",
        place.address()
    ));
    let play = Play::new(machine);
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        tokio::select! {
            outcome = serve(play, kind, place, terminal) => outcome,
            asked = stop::asked() => asked,
        }
    })
}

fn settings(arguments: &Arguments) -> Result<Settings> {
    let Arguments { rate, images, answer, seed, max_running, kv_tokens, .. } = *arguments;
    ensure!((0.0..=10_000.0).contains(&rate), "--rate is 0 to 10000 requests a second, not {rate}");
    ensure!((0.0..=1.0).contains(&images), "--images is a share from 0 to 1, not {images}");
    ensure!((2..=4096).contains(&answer), "--answer is 2 to 4096 tokens, not {answer}");
    ensure!((1..=4096).contains(&max_running), "--max-running is 1 to 4096 requests, not {max_running}");
    ensure!((1..=1 << 40).contains(&kv_tokens), "--kv-tokens is 1 to 2^40 tokens, not {kv_tokens}");
    Ok(Settings {
        release: Release::named(&arguments.release)?,
        model: arguments.model.clone(),
        load: Load { rate, images, answer, seed },
        capacity: Capacity { running: max_running, room: kv_tokens },
        epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    })
}

fn faults(arguments: &Arguments) -> Result<Vec<Fault>> {
    let mut faults = arguments.fault.iter().map(|text| Fault::of_flag(text)).collect::<Result<Vec<_>>>()?;
    if let Some(file) = &arguments.timetable {
        let read = || Fault::of_timetable(&std::fs::read_to_string(file)?);
        faults.extend(read().with_context(|| format!("failed to read {}", file.display()))?);
    }
    Ok(faults)
}
