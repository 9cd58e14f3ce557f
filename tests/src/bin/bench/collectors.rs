//! The host's collectors beside `node_exporter`'s and beside the floor, on the same work: the same collectors by name, on the same files.
//!
//! Once those that both run by default, on this machine; once all that find something, on this machine and on a generated one with 192 CPUs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use e2e::chain::parts::{self, Gpus};
use e2e::host_tree::{HostTree, Size};
use e2e::node_exporter::{self, NOT_COMPARED};
use e2e::ports::Port;
use e2e::process::Launch;
use e2e::wait::until;
use e2e::{http, programs};

use crate::exporter::{Peer, ROUNDS, Round, SCRAPES, TIMEOUT};
use crate::floor;
use crate::scrapes::Scraper;
use crate::table::{Table, Target, median};
use crate::usage::{self, Memory};

/// Measures all three on each kind of work.
pub(crate) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let all = node_exporter::collectors()?;
    let default = both_succeed(&[], &[], folder).await?;
    Work {
        what: "default",
        collectors: default,
        flags: Vec::new(),
        roots: ["/proc", "/sys"].map(Into::into).to_vec(),
        scrapes: SCRAPES,
    }
    .measure(table, folder)
    .await?;
    let machine = HostTree::write(Size::GPU_HOST)?;
    let flags = machine.flags().to_vec();
    let roots = vec![machine.proc.clone(), machine.sys.clone()];
    let mut collectors = both_succeed(&all, &flags, folder).await?;
    // The mounts are this machine's.
    collectors.retain(|name| name != "filesystem");
    Work { what: "all, 192 CPUs", collectors, flags, roots, scrapes: 100 }.measure(table, folder).await
}

/// Those that find something in both programs, with these turned on.
async fn both_succeed(turned_on: &[String], flags: &[String], folder: &Path) -> Result<Vec<String>> {
    let on: Vec<String> =
        turned_on.iter().map(|name| format!("--collector.{name}")).chain(flags.to_vec()).collect();
    let (ours, peer) = (ours(&on, folder).await?, peer(&on, folder).await?);
    let [ours, peer] = [succeeding(&ours)?, succeeding(&peer)?];
    Ok(ours.intersection(&peer).filter(|name| !NOT_COMPARED.contains(&name.as_str())).cloned().collect())
}

fn succeeding(program: &Peer) -> Result<BTreeSet<String>> {
    let mut scraper = Scraper::connect(program.port.address(), false)?;
    scraper.scrape()?;
    let page = scraper.text().into_owned();
    let lines =
        page.lines().filter_map(|line| line.strip_prefix("node_scrape_collector_success{collector=\""));
    Ok(lines.filter_map(|line| line.strip_suffix("\"} 1")).map(str::to_owned).collect())
}

async fn ours(flags: &[String], folder: &Path) -> Result<Peer> {
    let port = Port::free()?;
    let launch = parts::exporter(port.address(), &Gpus::Real)?.arg("--no-collector.gpu");
    started(flags.iter().fold(launch, Launch::arg), port, folder).await
}

async fn peer(flags: &[String], folder: &Path) -> Result<Peer> {
    let port = Port::free()?;
    let launch = Launch::new("node_exporter", &programs::debian("prometheus-node-exporter")?)
        .arg(format!("--web.listen-address={}", port.address()));
    started(flags.iter().fold(launch, Launch::arg), port, folder).await
}

async fn started(launch: Launch, port: Port, folder: &Path) -> Result<Peer> {
    let mut process = launch.start(folder)?;
    process.ready(&http::client()?, &format!("http://{}/", port.address()), TIMEOUT).await?;
    Ok(Peer { process, port })
}

/// What all three do.
struct Work {
    what: &'static str,
    collectors: Vec<String>,
    flags: Vec<String>,
    /// Where the files are.
    roots: Vec<PathBuf>,
    /// So many scrapes are a round.
    scrapes: usize,
}

/// One round of each, one after the other.
struct Rounds {
    ours: Round,
    peer: Round,
    floor: Round,
}

impl Work {
    async fn measure(&self, table: &mut Table, folder: &Path) -> Result<()> {
        let Self { what, collectors, .. } = self;
        let on = collectors.iter().map(|name| format!("--collector.{name}"));
        let flags =
            ["--collector.disable-defaults".to_owned()].into_iter().chain(on).chain(self.flags.clone());
        let flags: Vec<String> = flags.collect();
        let (ours, peer) = (ours(&flags, folder).await?, peer(&flags, folder).await?);
        // What is kept open is so after the first scrapes.
        ours.round(self.scrapes, false)?;
        let floor = floor::beside(&ours, &self.roots, folder).await?;
        table.add(
            format!("host ({what}): collectors"),
            collectors.len() as f64,
            "of both",
            Target::None,
            collectors.join(" "),
        );
        for with_gzip in [false, true] {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let [ours, peer, floor] =
                    [&ours, &peer, &floor].map(|program| program.round(self.scrapes, with_gzip));
                rounds.push(Rounds { ours: ours?, peer: peer?, floor: floor? });
            }
            compare(table, what, self.scrapes, with_gzip, &rounds);
        }
        memory(table, what, &ours, &peer)?;
        futexes(table, what, &ours, folder).await
    }
}

fn compare(table: &mut Table, what: &str, scrapes: usize, with_gzip: bool, rounds: &[Rounds]) {
    let with = if with_gzip { ", gzip" } else { "" };
    let of = |value: fn(&Rounds) -> f64| median(rounds.iter().map(value));
    let made_from = |floor: bool, value: fn(&Round) -> f64| {
        let ours = median(rounds.iter().map(|round| value(&round.ours)));
        let (name, other) = if floor {
            ("floor", median(rounds.iter().map(|round| value(&round.floor))))
        } else {
            ("node_exporter", median(rounds.iter().map(|round| value(&round.peer))))
        };
        format!("{ours:.3} ms, {name} {other:.3} ms; {ROUNDS} rounds of {scrapes} scrapes")
    };
    let target = if with_gzip { 1.0 / 9.0 } else { 1.0 / 10.0 };
    table.add(
        format!("host ({what}): CPU a scrape{with}"),
        of(|round| round.ours.cpu_ms / round.peer.cpu_ms),
        "of node's",
        Target::AtMost(target),
        made_from(false, |round| round.cpu_ms),
    );
    if !with_gzip {
        table.add(
            format!("host ({what}): CPU a scrape"),
            of(|round| round.ours.cpu_ms / round.floor.cpu_ms),
            "of the floor",
            Target::AtMost(1.4),
            made_from(true, |round| round.cpu_ms),
        );
    }
    table.add(
        format!("host ({what}): p99{with}"),
        of(|round| round.ours.p99_ms / round.peer.p99_ms),
        "of node's",
        Target::AtMost(1.0 / 6.0),
        made_from(false, |round| round.p99_ms),
    );
    if let Some(Rounds { ours, peer, .. }) = rounds.last() {
        table.add(
            format!("host ({what}): page{with}"),
            ours.bytes as f64 / 1e3,
            "kB",
            Target::None,
            format!("node_exporter {:.1} kB", peer.bytes as f64 / 1e3),
        );
    }
}

fn memory(table: &mut Table, what: &str, ours: &Peer, peer: &Peer) -> Result<()> {
    let of = |program: &Peer| {
        program.processes()?.iter().map(|pid| usage::memory(*pid, None)).sum::<Result<Memory>>()
    };
    let (ours, peer) = (of(ours)?, of(peer)?);
    table.add(
        format!("host ({what}): private memory"),
        ours.private / peer.private,
        "of node's",
        Target::AtMost(1.0 / 4.0),
        format!(
            "{:.1} MB, node_exporter {:.1} MB; resident {:.1} and {:.1} MB",
            ours.private, peer.private, ours.resident, peer.resident
        ),
    );
    Ok(())
}

/// How many calls a scrape makes to wake another thread or to wait for one, as `strace` counts them.
async fn futexes(table: &mut Table, what: &str, ours: &Peer, folder: &Path) -> Result<()> {
    const TRACED: usize = 200;
    let (log, pid) = (folder.join("strace"), ours.process.pid().to_string());
    let mut tracer = Command::new("strace")
        .args(["-f", "-e", "trace=futex", "-p", &pid, "-o"])
        .arg(&log)
        .stderr(Stdio::null())
        .spawn()
        .context("strace did not start (hint: make install-deps)")?;
    let status = format!("/proc/{pid}/status");
    let is_traced = || std::fs::read_to_string(&status).is_ok_and(|text| !text.contains("TracerPid:\t0\n"));
    until("strace to look on", TIMEOUT, async || is_traced().then_some(())).await?;
    let mut scraper = Scraper::connect(ours.port.address(), false)?;
    for _ in 0..TRACED {
        scraper.scrape()?;
    }
    let pid = rustix::process::Pid::from_child(&tracer);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    tracer.wait()?;
    let text = std::fs::read_to_string(&log).context("strace wrote nothing")?;
    let calls = text.lines().filter(|line| line.contains("futex(")).count();
    ensure!(calls > 0, "strace saw nothing");
    table.add(
        format!("host ({what}): futex calls a scrape"),
        calls as f64 / TRACED as f64,
        "",
        Target::AtMost(8.0),
        format!("{TRACED} scrapes under strace"),
    );
    Ok(())
}
