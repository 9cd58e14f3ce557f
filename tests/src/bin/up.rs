//! `make up`: the whole chain natively, for real use, in the foreground until Ctrl-C.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use e2e::chain::addresses::Addresses;
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Part, Plan};
use e2e::terminal::Terminal;
use e2e::wait::until;
use e2e::{http, programs, stop};
use yaml_serde::{Mapping, Value};

/// How long the driver may take to wake all GPUs and answer for the first time.
const FIRST_READINGS_LIMIT: Duration = Duration::from_mins(1);
/// How long the first scrape may take; Prometheus scrapes every 15 seconds.
const FIRST_SCRAPE_LIMIT: Duration = Duration::from_mins(1);
/// How often the edited files and the programs are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a program that ended by itself stays down: the first time, and at most.
const REST: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];

/// Exporter, Prometheus, Alertmanager and relay on this machine, with the settings in deploy/.
#[derive(Parser)]
struct Arguments {
    /// The folder for metrics, silences, deliveries and logs.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// The folder with deploy/ and rules/.
    #[arg(long, default_value_os = programs::checkout().as_os_str())]
    files: PathBuf,
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
    let files = arguments.files.canonicalize();
    let files = files.with_context(|| format!("there is no folder {}", arguments.files.display()))?;
    let mut lock = lock(&data)?;
    terminal.say("starting exporter, relay, Alertmanager and Prometheus");
    let addresses = Addresses::usual()?;
    let written = lock
        .set_len(0)
        .and_then(|()| write!(lock, "process {}\n{}", std::process::id(), addresses.listing()));
    written.context("failed to write the lock file")?;
    let plan = Plan {
        data,
        files: files.clone(),
        addresses,
        gpus: Gpus::Real,
        pace: 1,
        node: None,
        neighbour: None,
        channels: None,
    };
    let mut chain = tokio::select! {
        chain = Chain::start(plan) => chain?,
        asked = stop::asked() => return asked,
    };
    let deploy = files.join("deploy");
    let outcome = tokio::select! {
        outcome = serve(terminal, &mut chain, &deploy) => outcome,
        asked = stop::asked() => asked,
    };
    terminal.say("stopping");
    outcome.and(chain.stop().await)?;
    terminal.say("everything it started has stopped");
    Ok(())
}

/// Keeps a second start from using the same data on other ports; let go of when this program ends, however it ends.
fn lock(data: &Path) -> Result<File> {
    let path = data.join("up.lock");
    let opened = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = opened.with_context(|| format!("failed to open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut runs = String::new();
            // What it says is a help; that it is locked is enough.
            let _ = file.read_to_string(&mut runs);
            bail!("`make up` runs already with the data in {}: {runs}", data.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("failed to lock {}", path.display()))
        }
    }
}

/// Says what runs, then keeps it running: files that people edit are taken up, and a program that ends is started again.
async fn serve(terminal: &Terminal, chain: &mut Chain, deploy: &Path) -> Result<()> {
    let command = chain.write_relay_command()?;
    terminal.say("everything runs:");
    terminal.show(&chain.addresses.listing());
    terminal.show(&format!("  data, logs    {}\n", chain.data().display()));
    terminal.show(&format!(
        "  settings      {}, rules beside it: changes are taken up as they are saved\n",
        deploy.display()
    ));
    terminal
        .show(&format!("  the relay     {} check, doctor, send-test TARGET, explain\n\n", command.display()));
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
    keep(terminal, chain).await
}

/// Runs until it is cancelled.
async fn keep(terminal: &Terminal, chain: &mut Chain) -> Result<()> {
    let mut down: BTreeMap<Part, (Instant, Duration)> = BTreeMap::new();
    let mut rests: BTreeMap<Part, Duration> = BTreeMap::new();
    let mut complaint = String::new();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        for (part, obituary) in chain.ended() {
            let rest = rests.get(&part).copied().unwrap_or(REST[0]);
            terminal.say(&format!("{obituary}\n{part} is started again in {rest:?}"));
            down.insert(part, (Instant::now() + rest, rest));
        }
        let due: Vec<Part> =
            down.iter().filter(|(_, (at, _))| *at <= Instant::now()).map(|(part, _)| *part).collect();
        for part in due {
            let rest = down.remove(&part).map_or(REST[0], |(_, rest)| (rest * 2).min(REST[1]));
            rests.insert(part, rest);
            match chain.begin(part).await {
                Ok(()) => terminal.say(&format!("{part} runs again")),
                Err(error) => {
                    terminal.say(&format!("{error:#}\n{part} is started again in {rest:?}"));
                    down.insert(part, (Instant::now() + rest, rest));
                }
            }
        }
        let news = chain
            .follow()
            .await
            .unwrap_or_else(|error| vec![format!("cannot look at the settings: {error:#}")]);
        // A file that cannot be read is told once, not every second.
        for line in news.iter().filter(|line| **line != complaint) {
            terminal.say(line);
        }
        complaint =
            news.into_iter().next_back().filter(|line| line.starts_with("cannot look")).unwrap_or_default();
    }
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
