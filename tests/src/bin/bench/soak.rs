//! `make soak`: the exporter under fast scrapes for minutes, its probe killed again and again. Nothing may grow, and no counter may go
//! back.
//!
//! Owns the load, what is looked at, and the comparison of the beginning with the end. The exporter's recorder gives back and takes what it
//! holds, and tells how much that is: its bytes are not counted.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::exporter::{HEALTHY, Peer, ours, scenario};
use crate::scrapes::Scraper;
use crate::table::{Table, Target};
use crate::usage;

/// Fifty scrapes a second.
const SCRAPE_EVERY: Duration = Duration::from_millis(20);
/// The probe is killed this often; just before, everything is looked at. Where the machine has so little time that GPUs were given probes of
/// their own, each with a thread and its pipes, nothing is looked at or killed until they share one again: it takes a minute in which they answer.
const KILL_EVERY: Duration = Duration::from_secs(10);
/// The counters of one page in so many are compared: reading a page costs this program more than it costs the exporter to write it.
const COMPARE_EVERY: u64 = 25;
/// One scrape in so many comes over a connection of its own.
const CONNECT_EVERY: u64 = 10;
/// Until everything has its working size: the recorder takes ten minutes for it, and the heap is as large as the recorder has ever needed.
const WARM_UP: Duration = Duration::from_mins(11);

/// The exporter at one moment.
struct Look {
    /// Private memory beside the recorder's, in megabytes.
    memory: f64,
    descriptors: usize,
    threads: usize,
}

/// Scrapes for so long after the warm-up.
pub(crate) async fn measure(table: &mut Table, folder: &Path, length: Duration) -> Result<()> {
    let mut exporter = ours("soak", &scenario(HEALTHY), Duration::ZERO, folder, &["--gpu.processes"]).await?;
    let mut load = Load::new(&exporter)?;
    load.go_on(&mut exporter, WARM_UP)?;
    load.looks.clear();
    load.go_on(&mut exporter, length)?;
    load.tell(table, length)
}

/// The load so far.
struct Load {
    kept: Scraper,
    scrapes: u64,
    kills: u64,
    looks: Vec<Look>,
    counters: Counters,
}

impl Load {
    fn new(exporter: &Peer) -> Result<Self> {
        let kept = Scraper::connect(exporter.port.address(), true)?;
        Ok(Self { kept, scrapes: 0, kills: 0, looks: Vec::new(), counters: Counters::default() })
    }

    fn go_on(&mut self, exporter: &mut Peer, length: Duration) -> Result<()> {
        let began = Instant::now();
        let (mut next, mut next_kill) = (began, began + KILL_EVERY);
        while began.elapsed() < length {
            self.scrape(exporter)?;
            if Instant::now() >= next_kill {
                next_kill += KILL_EVERY;
                if let [probe] = probes(exporter)?[..] {
                    self.looks.push(Look::of(exporter)?);
                    self.kills += kill(probe)?;
                }
            }
            next += SCRAPE_EVERY;
            // A scrape that came late is made up for, so that there are as many as said.
            pause(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    fn scrape(&mut self, exporter: &Peer) -> Result<()> {
        self.scrapes += 1;
        let number = self.scrapes;
        if number.is_multiple_of(COMPARE_EVERY) {
            let mut fresh = Scraper::connect(exporter.port.address(), false)?;
            fresh.scrape()?;
            self.counters.compare(&fresh.text());
        } else if number.is_multiple_of(CONNECT_EVERY) {
            Scraper::connect(exporter.port.address(), false)?.scrape()?;
        } else {
            self.kept.scrape()?;
        }
        Ok(())
    }

    fn tell(&self, table: &mut Table, length: Duration) -> Result<()> {
        let Self { scrapes, kills, looks, counters, .. } = self;
        let quarter = looks.len() / 4;
        ensure!(
            quarter > 0,
            "too short, or too busy a machine: everything is looked at every {} s while one probe reads all GPUs",
            KILL_EVERY.as_secs()
        );
        let (first, last) = (&looks[..quarter], &looks[looks.len() - quarter..]);
        let made_from = format!(
            "{} min, {scrapes} scrapes, the probe killed {kills} times; the least of the first and of the last quarter",
            length.as_secs() / 60
        );
        let mut compare = |what: &str, unit, target, value: fn(&Look) -> f64| {
            // A connection that is being closed comes and goes; what grows raises the least there is.
            let of = |looks: &[Look]| looks.iter().map(value).fold(f64::INFINITY, f64::min);
            let (first, last) = (of(first), of(last));
            let note = format!("{first:.2}, then {last:.2}; {made_from}");
            table.add(format!("soak: growth of {what}"), last - first, unit, Target::AtMost(target), note);
        };
        compare("private memory", "MB", 0.5, |look| look.memory);
        compare("descriptors", "", 0.0, |look| look.descriptors as f64);
        compare("threads", "", 0.0, |look| look.threads as f64);
        let note = match &counters.went_back[..] {
            [] => format!("of {}", counters.highest.len()),
            some => some.join(", "),
        };
        let went_back = counters.went_back.len() as f64;
        table.add("soak: counters that went back", went_back, "", Target::AtMost(0.0), note);
        Ok(())
    }
}

impl Look {
    fn of(exporter: &mut Peer) -> Result<Self> {
        let pid = exporter.process.pid();
        let mut scraper = Scraper::connect(exporter.port.address(), false)?;
        scraper.scrape()?;
        let text = scraper.text();
        let recorder = text.lines().find_map(|line| line.strip_prefix("gpu_recorder_bytes "));
        let recorder: f64 =
            recorder.and_then(|bytes| bytes.parse().ok()).context("the page tells the recorder's size")?;
        drop(scraper);
        let count = |what: &str| -> Result<usize> {
            let path = format!("/proc/{pid}/{what}");
            Ok(fs::read_dir(&path).with_context(|| format!("failed to list {path}"))?.count())
        };
        Ok(Self {
            memory: usage::memory(pid, None)?.private - recorder / 1e6,
            descriptors: count("fd")?,
            threads: count("task")?,
        })
    }
}

/// The exporter's children.
fn probes(exporter: &Peer) -> Result<Vec<u32>> {
    Ok(exporter.processes()?.into_iter().skip(1).collect())
}

/// How many were killed: one that ended just now is not.
fn kill(probe: u32) -> Result<u64> {
    let probe = i32::try_from(probe).ok().and_then(Pid::from_raw).context("a process has a number")?;
    Ok(u64::from(kill_process(probe, Signal::KILL).is_ok()))
}

#[expect(clippy::disallowed_methods, reason = "paces the scrapes")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// What counters were seen to say. The kernel's own may go back (`node_*`: times of idle CPUs), so ours alone are compared.
#[derive(Default)]
struct Counters {
    highest: HashMap<String, f64>,
    went_back: Vec<String>,
}

impl Counters {
    fn compare(&mut self, page: &str) {
        let mut is_counter = false;
        for line in page.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap_or((described, ""));
                is_counter = !name.starts_with("node_") && matches!(kind, "counter" | "histogram");
            } else if is_counter
                && !line.starts_with('#')
                && let Some((series, value)) = line.rsplit_once(' ')
                && let Ok(value) = value.parse::<f64>()
            {
                let Some(highest) = self.highest.get_mut(series) else {
                    self.highest.insert(series.to_owned(), value);
                    continue;
                };
                if value < *highest {
                    self.went_back.push(format!("{series} from {highest} to {value}"));
                }
                *highest = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_goes_back_is_told() {
        let mut counters = Counters::default();
        let page = |joules: u32, bucket: u32, watts: u32, idle: u32| {
            format!(
                "# HELP a A.\n# TYPE gpu_energy_joules counter\ngpu_energy_joules_total{{gpu=\"0\"}} {joules}\n\
                 # TYPE gpu_used_ratio histogram\ngpu_used_ratio_bucket{{le=\"1.0\"}} {bucket}\n\
                 # TYPE gpu_power_watts gauge\ngpu_power_watts {watts}\n\
                 # TYPE node_cpu_seconds counter\nnode_cpu_seconds_total {idle}\n# EOF\n"
            )
        };
        counters.compare(&page(7, 3, 9, 5));
        counters.compare(&page(8, 3, 1, 4));
        assert!(counters.went_back.is_empty(), "{:?}", counters.went_back);
        counters.compare(&page(6, 2, 1, 4));
        assert_eq!(
            counters.went_back,
            [
                "gpu_energy_joules_total{gpu=\"0\"} from 8 to 6",
                "gpu_used_ratio_bucket{le=\"1.0\"} from 3 to 2"
            ]
        );
    }
}
