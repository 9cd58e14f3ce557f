//! `make up`: the whole chain natively, for real use, in the foreground until Ctrl-C.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e::chain::addresses::Addresses;
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Plan};
use e2e::terminal::Terminal;
use e2e::{http, programs, stop};

/// How long the first scrape may take; Prometheus scrapes every 15 seconds.
const FIRST_SCRAPE_LIMIT: Duration = Duration::from_mins(1);

/// Exporter, Prometheus, Alertmanager and relay on this machine, with the settings in deploy/.
#[derive(Parser)]
struct Arguments {
    /// The folder for metrics, silences, deliveries and logs.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let terminal = Terminal::default();
    match run(Arguments::parse(), &terminal).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, terminal: &Terminal) -> Result<()> {
    let made = std::fs::create_dir_all(&arguments.data).and_then(|()| arguments.data.canonicalize());
    let data = made.with_context(|| format!("failed to make the folder {}", arguments.data.display()))?;
    terminal.say("starting exporter, relay, Alertmanager and Prometheus");
    let plan =
        Plan { data, addresses: Addresses::usual()?, gpus: Gpus::Real, pace: 1, node: None, channels: None };
    let mut chain = tokio::select! {
        chain = Chain::start(plan) => chain?,
        asked = stop::asked() => return asked,
    };
    let outcome = tokio::select! {
        outcome = serve(terminal, &mut chain) => outcome,
        asked = stop::asked() => asked,
    };
    terminal.say("stopping");
    outcome.and(chain.stop().await)?;
    terminal.say("everything it started has stopped");
    Ok(())
}

/// Says what runs, then waits for something to break.
async fn serve(terminal: &Terminal, chain: &mut Chain) -> Result<()> {
    let deploy = programs::checkout().join("deploy").canonicalize()?;
    terminal.say("everything runs:");
    terminal.show(&chain.addresses.listing());
    terminal.show(&format!("  data, logs    {}\n", chain.data().display()));
    terminal.show(&format!("  settings      {} (read at the start)\n\n", deploy.display()));
    terminal.say(&gpus(chain).await?);
    let relay = deploy.join("alert-relay");
    if std::fs::read_to_string(relay.join("relay.yml"))?.contains("\ntargets: {}") {
        terminal.say(&format!(
            "nobody is told about alerts yet: put your robots' addresses into {} and name them in {}",
            relay.join("secrets").display(),
            relay.join("relay.yml").display()
        ));
    }
    chain.scraped(FIRST_SCRAPE_LIMIT).await?;
    terminal.say("Prometheus has scraped this machine; Ctrl-C stops everything");
    Err(chain.broken().await)
}

/// What the exporter sees of GPUs, for the person who expects to see theirs.
async fn gpus(chain: &Chain) -> Result<String> {
    let page = http::page(&http::client()?, &chain.addresses.exporter_url("/metrics")).await?;
    let count = page.lines().filter(|line| line.starts_with("gpu_info{")).count();
    Ok(if count > 0 {
        format!("{count} GPUs found")
    } else if page.lines().any(|line| line.starts_with("gpu_driver_info{")) {
        "the NVIDIA driver reports no GPU: host metrics alone".to_owned()
    } else {
        "no NVIDIA driver found: host metrics alone (hint: gpu-node-exporter --check says what it looked for)"
            .to_owned()
    })
}
