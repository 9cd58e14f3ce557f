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
use e2e::wait::until;
use e2e::{http, programs, stop};
use yaml_serde::{Mapping, Value};

/// How long the driver may take to wake all GPUs and answer for the first time.
const FIRST_READINGS_LIMIT: Duration = Duration::from_mins(1);
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
    let settings: Value = yaml_serde::from_str(&std::fs::read_to_string(relay.join("relay.yml"))?)?;
    if settings.get("targets").and_then(Value::as_mapping).is_none_or(Mapping::is_empty) {
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

/// What the exporter sees of GPUs, for the person who expects to see theirs; said once the driver has answered or failed.
async fn gpus(chain: &Chain) -> Result<String> {
    let (client, address) = (http::client()?, chain.addresses.exporter_url("/metrics"));
    let verdict = until("the GPU driver's first answer", FIRST_READINGS_LIMIT, async || {
        verdict(&http::page(&client, &address).await.ok()?)
    })
    .await;
    let hint = format!("(hint: {} --check says why)", programs::ours("gpu-node-exporter")?.display());
    Ok(verdict.map_or_else(
        |_silence| {
            format!("the GPU driver has not answered in {FIRST_READINGS_LIMIT:?}: host metrics alone {hint}")
        },
        |verdict| match verdict {
            Verdict::Found(count) => format!("GPUs found: {count}"),
            Verdict::Failing => format!("the GPUs cannot be read: host metrics alone {hint}"),
            Verdict::NoGpu => "the NVIDIA driver reports no GPU: host metrics alone".to_owned(),
            Verdict::NoDriver => format!("no NVIDIA driver found: host metrics alone {hint}"),
        },
    ))
}

/// What is known of this machine's GPUs.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Found(usize),
    Failing,
    NoGpu,
    NoDriver,
}

/// The verdict of an exporter's page; `None` while the driver has neither answered nor failed.
fn verdict(page: &str) -> Option<Verdict> {
    let value = |series: &str| {
        let rest = page.lines().find_map(|line| line.strip_prefix(series))?;
        rest.trim().parse::<f64>().ok()
    };
    let count = page.lines().filter(|line| line.starts_with("gpu_info{")).count();
    if count > 0 {
        Some(Verdict::Found(count))
    } else if value("node_scrape_collector_success{collector=\"gpu\"} ") == Some(0.0) {
        Some(Verdict::Failing)
    } else if value("gpu_snapshot_age_seconds ").is_some() {
        Some(Verdict::NoGpu)
    } else {
        // The probe has ended for want of a driver, and on this machine that is no fault.
        value("gpu_probe_restarts_total{reason=\"driver\"} ")
            .filter(|restarts| *restarts > 0.0)
            .map(|_| Verdict::NoDriver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_gpus_before_the_driver_has_answered_or_failed() {
        let success = "node_scrape_collector_success{collector=\"gpu\"} 1\n";
        let check = |page: &str, expected: Option<Verdict>| {
            assert_eq!(verdict(&format!("gpu_probe_up 0\n{page}")), expected, "{page}");
        };
        check(success, None);
        check(&format!("{success}gpu_probe_restarts_total{{reason=\"driver\"}} 0\n"), None);
        check(
            &format!("{success}gpu_probe_restarts_total{{reason=\"driver\"}} 1\n"),
            Some(Verdict::NoDriver),
        );
        check(&format!("{success}gpu_snapshot_age_seconds 0.4\n"), Some(Verdict::NoGpu));
        check("node_scrape_collector_success{collector=\"gpu\"} 0\n", Some(Verdict::Failing));
        let two = "gpu_info{gpu=\"0\"} 1\ngpu_info{gpu=\"1\"} 1\ngpu_snapshot_age_seconds 0.4\n";
        check(two, Some(Verdict::Found(2)));
        // One that is lost makes the collector fail; the others are there.
        check(
            &format!("{two}node_scrape_collector_success{{collector=\"gpu\"}} 0\n"),
            Some(Verdict::Found(2)),
        );
    }
}
