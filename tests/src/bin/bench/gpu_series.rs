//! What the series of eight GPUs add to a scrape: when the readings are those of the scrape before, and when each is a new one.
//!
//! What counts is the CPU time of the threads that collect and serve, less what they use for a page of one small collector.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::exporter::{HEALTHY, Peer, ours, scenario};
use crate::scrapes::Scraper;
use crate::table::{Table, Target, median};
use crate::usage::CpuWatch;

/// The threads of a scrape by name, as the kernel cuts it.
const THREADS: [&str; 2] = ["gpu-node-export", "read-memory"];

/// The page with the GPUs, and one with next to nothing.
const GPUS: &str = "/metrics?collect%5B%5D=gpu";
const LITTLE: &str = "/metrics?collect%5B%5D=loadavg";

const ROUNDS: usize = 3;

/// One way to scrape: how often the GPUs are read, and the pause before each scrape.
struct Case {
    what: &'static str,
    sample_interval: &'static str,
    pause: Duration,
    scrapes: usize,
}

const CASES: [Case; 2] = [
    Case {
        what: "exporter: CPU of 1,000 GPU series, unchanged",
        sample_interval: "10m",
        pause: Duration::ZERO,
        scrapes: 500,
    },
    Case {
        what: "exporter: CPU of 1,000 GPU series, changed",
        sample_interval: "100ms",
        // Longer than a sweep and its way to the page.
        pause: Duration::from_millis(130),
        scrapes: 60,
    },
];

/// Adds a row for each case.
pub(crate) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    for (case, number) in CASES.iter().zip(0..) {
        let flags = [format!("--gpu.sample-interval={}", case.sample_interval)];
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let name = format!("gpu-series-{number}");
        let peer = ours(&name, &scenario(HEALTHY), Duration::ZERO, folder, &flags).await?;
        let (mut added, mut series) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (with, seen) = microseconds(&peer, GPUS, case)?;
            let (without, _) = microseconds(&peer, LITTLE, case)?;
            ensure!(seen > 1_000, "eight GPUs have more than {seen} series");
            added.push((with - without) * 1e3 / seen as f64);
            series = seen;
        }
        table.add(
            case.what,
            median(added),
            "µs",
            Target::AtMost(100.0),
            format!(
                "of a page with {series} GPU series, read every {}; {ROUNDS} rounds of {} scrapes",
                case.sample_interval, case.scrapes
            ),
        );
    }
    Ok(())
}

/// CPU time of one scrape, and how many series of GPUs it gave.
fn microseconds(peer: &Peer, path: &str, case: &Case) -> Result<(f64, usize)> {
    let mut connection = Scraper::connect_to(peer.port.address(), path, false)?;
    connection.scrape()?;
    let watch = CpuWatch::start(peer.process.pid())?;
    for _ in 0..case.scrapes {
        pause(case.pause);
        connection.scrape()?;
    }
    let spent = watch.spent()?.of(|thread| THREADS.contains(&thread));
    let series = connection.text().lines().filter(|line| line.starts_with("gpu_")).count();
    Ok((spent / 1e3 / case.scrapes as f64, series))
}

#[expect(clippy::disallowed_methods, reason = "the GPUs are read by the exporter's own clock")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
