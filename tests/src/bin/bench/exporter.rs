//! The exporter beside `node_exporter`, and beside itself with GPUs that hang.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::chain::parts::{self, Gpus};
use e2e::ports::Port;
use e2e::process::{Launch, Process};
use e2e::wait::until;
use e2e::{http, programs};

use crate::gpu_series;
use crate::scrapes::Scraper;
use crate::table::{Table, Target, median, quantile};
use crate::usage::{self, CpuWatch, Memory};

/// Scrapes in a row, and how often the two take turns.
pub(crate) const SCRAPES: usize = 500;
/// After so many scrapes the processes are looked at, since one may end before the last.
const LOOK_EVERY: usize = 50;
pub(crate) const ROUNDS: usize = 5;
/// Starts from exec to the first complete page.
const STARTS: usize = 10;
/// How long the exporter is left alone to see what its own clock costs.
const ALONE: Duration = Duration::from_secs(10);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The probe's threads by name.
const PROBE_THREADS: [&str; 2] = ["gpu-probe", "events"];
/// Whose pages are the driver's.
const LIBRARY: &str = "libnvml_sim";

/// A server under measurement.
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) port: Port,
}

/// One round of one server.
pub(crate) struct Round {
    pub(crate) cpu_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) bytes: usize,
    /// Processes that ended meanwhile: a probe that gave its GPU back to the common one, or was given up.
    ended: Vec<String>,
}

/// Measures all there is to say about the exporter.
pub(crate) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let ours = ours("exporter", &scenario(HEALTHY), Duration::ZERO, folder, &[]).await?;
    let peer = node_exporter(folder).await?;
    page(table, &ours)?;
    memory(table, &ours, &peer)?;
    alone(table, &ours).await?;
    drop(peer);
    some_hang(table, &ours, folder).await?;
    drop(ours);
    gpu_series::measure(table, folder).await?;
    starts(table)
}

/// Eight GPUs, none in trouble.
pub(crate) const HEALTHY: &str = "h100x8.yaml";

pub(crate) fn scenario(name: &str) -> PathBuf {
    programs::checkout().join("crates/nvml-sim/scenarios").join(name)
}

/// Our exporter with eight simulated GPUs, once all of them answer.
pub(crate) async fn ours(
    name: &str,
    scenario: &Path,
    age: Duration,
    folder: &Path,
    flags: &[&str],
) -> Result<Peer> {
    let gpus = Gpus::Simulated { scenario: scenario.to_owned(), age };
    let port = Port::free()?;
    let folder = folder.join(name);
    let launch = parts::exporter(port.address(), &gpus)?.arg("--gpu.probe-timeout=2s");
    let process = flags.iter().fold(launch, Launch::arg).start(&folder)?;
    let mut peer = Peer { process, port };
    peer.ready().await?;
    let client = http::client()?;
    let page = format!("http://{}/metrics", peer.port.address());
    until("all eight GPUs on the page", TIMEOUT, async || {
        let text = http::page(&client, &page).await.ok()?;
        let gpus = text.lines().filter(|line| line.starts_with("gpu_up{") && line.ends_with(" 1"));
        (gpus.count() == 8).then_some(())
    })
    .await?;
    Ok(peer)
}

async fn node_exporter(folder: &Path) -> Result<Peer> {
    let port = Port::free()?;
    let process = Launch::new("node_exporter", &programs::debian("prometheus-node-exporter")?)
        .arg(format!("--web.listen-address={}", port.address()))
        .start(folder)?;
    let mut peer = Peer { process, port };
    peer.ready().await?;
    Ok(peer)
}

impl Peer {
    async fn ready(&mut self) -> Result<()> {
        let url = format!("http://{}/", self.port.address());
        self.process.ready(&http::client()?, &url, TIMEOUT).await
    }

    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        usage::family(self.process.pid())
    }

    /// Many scrapes in a row over one connection.
    pub(crate) fn round(&self, scrapes: usize, with_gzip: bool) -> Result<Round> {
        let mut connection = Scraper::connect(self.port.address(), with_gzip)?;
        // The connection itself belongs to no scrape.
        let mut bytes = connection.scrape()?.bytes;
        let mut watch = CpuWatch::start(self.process.pid())?;
        let mut took = Vec::with_capacity(scrapes);
        for scrape in 1..=scrapes {
            let answer = connection.scrape()?;
            bytes = answer.bytes;
            took.push(answer.took.as_secs_f64() * 1e3);
            if scrape % LOOK_EVERY == 0 {
                watch.read()?;
            }
        }
        let spent = watch.spent()?;
        took.sort_by(f64::total_cmp);
        Ok(Round {
            cpu_ms: spent.ns() / 1e6 / scrapes as f64,
            p99_ms: quantile(&took, 0.99),
            bytes,
            ended: spent.ended,
        })
    }
}

fn page(table: &mut Table, ours: &Peer) -> Result<()> {
    for (with, with_gzip) in [("", false), (", gzip", true)] {
        let bytes = Scraper::connect(ours.port.address(), with_gzip)?.scrape()?.bytes;
        table.add(format!("exporter: page{with}"), bytes as f64 / 1e3, "kB", Target::None, "with 8 GPUs");
    }
    Ok(())
}

/// In words, the processes that ended while they were measured.
fn ended<'r>(rounds: impl Iterator<Item = &'r Round>) -> String {
    let ended: Vec<&str> = rounds.flat_map(|round| &round.ended).map(String::as_str).collect();
    if ended.is_empty() { String::new() } else { format!("; ended meanwhile: {}", ended.join(", ")) }
}

/// Both processes of ours together beside the peer's one, each way that the kernel counts.
fn memory(table: &mut Table, ours: &Peer, peer: &Peer) -> Result<()> {
    let of = |pid: &u32, without| usage::memory(*pid, without);
    let processes = ours.processes()?;
    let [exporter, probes @ ..] = &processes[..] else { bail!("a program is a process") };
    ensure!(!probes.is_empty(), "an exporter and its probe are expected, there is no probe");
    let exporter = of(exporter, Some(LIBRARY))?;
    let of_probes = probes.iter().map(|pid| of(pid, Some(LIBRARY))).sum::<Result<Memory>>()?;
    let of_peer = peer.processes()?.iter().map(|pid| of(pid, None)).sum::<Result<Memory>>()?;
    // One in quiet times.
    let which = if probes.len() == 1 { "probe".to_owned() } else { format!("{} probes", probes.len()) };
    let mut compare = |what: &str, target: Target, value: fn(&Memory) -> f64| {
        let (exporter, probes, of_peer) = (value(&exporter), value(&of_probes), value(&of_peer));
        table.add(
            format!("exporter: {what} memory"),
            (exporter + probes) / of_peer,
            "of node's",
            target,
            format!(
                "{:.1} MB (exporter {exporter:.1}, {which} {probes:.1}, without the driver's library), node_exporter {of_peer:.1} MB",
                exporter + probes
            ),
        );
    };
    compare("private", Target::AtMost(1.0 / 4.0), |memory| memory.private);
    compare("proportional", Target::None, |memory| memory.proportional);
    compare("resident", Target::None, |memory| memory.resident);
    Ok(())
}

async fn alone(table: &mut Table, ours: &Peer) -> Result<()> {
    let (started, watch) = (Instant::now(), CpuWatch::start(ours.process.pid())?);
    tokio::time::sleep(ALONE).await;
    let (spent, seconds) = (watch.spent()?, started.elapsed().as_secs_f64());
    let share = |ns: f64| ns / 1e9 / seconds * 100.0;
    let probe = share(spent.of(|thread| PROBE_THREADS.contains(&thread)));
    table.add(
        "exporter: CPU between scrapes",
        share(spent.ns()),
        "% of a core",
        Target::AtMost(0.3),
        format!(
            "8 GPUs once a second, over {} s: probe {probe:.2} with the simulated driver, exporter {:.2}",
            ALONE.as_secs(),
            share(spent.ns()) - probe
        ),
    );
    Ok(())
}

/// So many of eight GPUs hang in a program of their own.
const HUNG: [usize; 3] = [1, 4, 7];

/// When they begin to, after the scenario's start; and how far it is then.
const HANG_AT: Duration = Duration::from_secs(30);
const AGE: Duration = Duration::from_secs(25);

/// The first GPUs of the healthy machine stop answering.
async fn some_hang(table: &mut Table, healthy: &Peer, folder: &Path) -> Result<()> {
    for count in HUNG {
        let name = format!("hung-{count}");
        let hung = ours(&name, &hanging(count, folder)?, AGE, folder, &[]).await?;
        let client = http::client()?;
        let page = format!("http://{}/metrics", hung.port.address());
        until("the GPUs that hang to be given up", TIMEOUT, async || {
            let text = http::page(&client, &page).await.ok()?;
            let lost = text.lines().filter(|line| line.starts_with("gpu_up{") && line.ends_with(" 0"));
            (lost.count() == count).then_some(())
        })
        .await?;
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            pairs.push((hung.round(SCRAPES, false)?, healthy.round(SCRAPES, false)?));
        }
        let p99 = |of: fn(&(Round, Round)) -> &Round| median(pairs.iter().map(|pair| of(pair).p99_ms));
        table.add(
            format!("exporter: p99 with {count} of 8 GPUs hung"),
            median(pairs.iter().map(|(hung, healthy)| hung.p99_ms / healthy.p99_ms)),
            "of healthy",
            Target::AtMost(1.1),
            format!(
                "{:.2} ms, healthy {:.2} ms{}",
                p99(|pair| &pair.0),
                p99(|pair| &pair.1),
                ended(pairs.iter().map(|(hung, _)| hung))
            ),
        );
    }
    Ok(())
}

/// A scenario file: the healthy machine's, with these hangs.
fn hanging(count: usize, folder: &Path) -> Result<PathBuf> {
    let healthy = fs::read_to_string(scenario(HEALTHY))?;
    let at = HANG_AT.as_secs();
    let incidents: Vec<_> =
        (0..count).map(|gpu| format!("  - {{ gpu: {gpu}, at: {at}s, kind: hang }}\n")).collect();
    let path = folder.join(format!("hung-{count}.yaml"));
    fs::write(&path, format!("{healthy}incidents:\n{}", incidents.concat()))?;
    Ok(path)
}

/// From exec to the last byte of the first page.
fn starts(table: &mut Table) -> Result<()> {
    let library = programs::ours("libnvml_sim.so")?;
    let exporter = programs::ours("gpu-node-exporter")?;
    let node_exporter = programs::debian("prometheus-node-exporter")?;
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        of_ours.push(first_scrape(&exporter, &[format!("--gpu.library={}", library.display())])?);
        of_peer.push(first_scrape(&node_exporter, &[])?);
    }
    let (of_ours, of_peer) = (median(of_ours), median(of_peer));
    table.add(
        "exporter: first page after exec",
        of_ours,
        "ms",
        Target::AtMost(8.0),
        format!("node_exporter {of_peer:.1} ms; {STARTS} starts each"),
    );
    Ok(())
}

fn first_scrape(program: &Path, flags: &[String]) -> Result<f64> {
    let port = Port::free()?;
    let address = port.address();
    let started = Instant::now();
    let child = Command::new(program)
        .arg(format!("--web.listen-address={address}"))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("failed to start {}", program.display()))?;
    let mut child = Ended(child);
    let mut scraper = loop {
        match Scraper::connect(address, false) {
            Ok(scraper) => break scraper,
            Err(error) => {
                ensure!(started.elapsed() < TIMEOUT, "{} does not listen: {error:#}", program.display());
                ensure!(matches!(child.0.try_wait(), Ok(None)), "{} ended at once", program.display());
                wait_a_little();
            }
        }
    };
    scraper.scrape()?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

#[expect(clippy::disallowed_methods, reason = "paces the looks at a port whose opening nothing announces")]
fn wait_a_little() {
    std::thread::sleep(Duration::from_micros(100));
}

/// A child that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Fails when it has ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
