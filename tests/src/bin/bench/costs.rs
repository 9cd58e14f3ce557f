//! What the largest inputs from outside cost, and what twice and four times as much of each costs: nothing may be quadratic.
//!
//! Each input is given to the real program, as its user would: files under another root, webhooks, a settings file. What counts
//! is the program's CPU time, the least of several rounds that alternate between the sizes, so that a busy machine changes
//! little. Owns the inputs' sizes and the comparison; how each is given is `costs/host.rs`'s, `costs/webhooks.rs`'s and
//! `costs/settings.rs`'s.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::table::{Table, Target};

mod host;
mod settings;
mod webhooks;

use host::{Exporter, Files};
use settings::Checked;
use webhooks::{Load, Relay};

/// One input.
struct Input {
    what: &'static str,
    /// What is counted: `1000 disks`.
    unit: &'static str,
    /// One, two and four times as much; the last is near the input's bound in docs/limits.md where it has one.
    sizes: [usize; 3],
    given: Given,
}

/// How it is given.
#[derive(Clone, Copy)]
enum Given {
    Files(Files),
    Webhooks(Load),
    Settings,
}

#[rustfmt::skip]
const INPUTS: [Input; 13] = [
    Input { what: "text file of many families", unit: "KiB", sizes: [1_000, 2_000, 4_000], given: Given::Files(Files::TextFamilies) },
    Input { what: "text file of one family", unit: "KiB", sizes: [1_000, 2_000, 4_000], given: Given::Files(Files::TextSeries) },
    Input { what: "text files", unit: "files", sizes: [250, 500, 1_000], given: Given::Files(Files::ManyTexts) },
    Input { what: "disks", unit: "disks", sizes: [1_000, 2_000, 4_000], given: Given::Files(Files::Disks) },
    Input { what: "mounts", unit: "mounts", sizes: [1_000, 2_000, 4_000], given: Given::Files(Files::Mounts) },
    Input { what: "network devices", unit: "devices", sizes: [2_500, 5_000, 10_000], given: Given::Files(Files::Devices) },
    Input { what: "CPUs", unit: "CPUs", sizes: [2_048, 4_096, 8_192], given: Given::Files(Files::Cpus) },
    Input { what: "GPUs", unit: "GPUs", sizes: [16, 32, 64], given: Given::Files(Files::Gpus) },
    Input { what: "alerts of a webhook", unit: "alerts", sizes: [5_000, 10_000, 20_000], given: Given::Webhooks(Load::Alerts) },
    Input { what: "small webhook of a known group", unit: "alerts known", sizes: [2_500, 5_000, 10_000], given: Given::Webhooks(Load::Known) },
    Input { what: "groups that wait for a robot", unit: "groups", sizes: [500, 1_000, 2_000], given: Given::Webhooks(Load::Waiting) },
    Input { what: "description of an alert", unit: "KiB", sizes: [1_000, 2_000, 4_000], given: Given::Webhooks(Load::Description) },
    Input { what: "targets and routes", unit: "of each", sizes: [250, 500, 1_000], given: Given::Settings },
];

/// Beyond this a doubling is more than twice the work: the rest is for caches that no longer hold it all, and for the clock.
const MOST_A_DOUBLING: f64 = 2.3;

/// How thoroughly it is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    /// Work is repeated until it took so much CPU time, which the kernel tells in steps of 10 ms.
    least_ms: f64,
    /// Each size is divided by this.
    divisor: usize,
}

impl Effort {
    pub(crate) const BENCH: Self = Self { rounds: 3, least_ms: 200.0, divisor: 1 };
}

/// What one of these costs at most, however little CPU time it takes.
const MOST_REPEATS: u32 = 100;

/// Measures every input.
pub(crate) async fn measure(table: &mut Table, folder: &Path, effort: Effort) -> Result<()> {
    for input in &INPUTS {
        let sizes = input.sizes.map(|size| (size / effort.divisor).max(1));
        let mut least = [f64::INFINITY; 3];
        for _ in 0..effort.rounds {
            for (size, least) in sizes.into_iter().zip(&mut least) {
                let folder = tempfile::tempdir_in(folder).context("failed to make a temporary folder")?;
                let cost = cost(input.given, size, folder.path(), effort.least_ms);
                let cost = cost.await.with_context(|| format!("{}: {size} {}", input.what, input.unit))?;
                *least = least.min(cost);
            }
        }
        let doublings = [least[1] / least[0], least[2] / least[1]];
        let [one, two, four] = sizes;
        table.add(
            format!("costs: {}", input.what),
            doublings.into_iter().fold(0.0, f64::max),
            "a doubling",
            Target::AtMost(MOST_A_DOUBLING),
            format!(
                "{one}, {two}, {four} {}: {:.1}, {:.1}, {:.1} ms of CPU (×{:.2}, ×{:.2})",
                input.unit, least[0], least[1], least[2], doublings[0], doublings[1]
            ),
        );
    }
    Ok(())
}

/// Milliseconds of CPU time that a program spends on one input of this size.
async fn cost(given: Given, size: usize, folder: &Path, least_ms: f64) -> Result<f64> {
    match given {
        Given::Files(files) => {
            let mut exporter = Exporter::start(files, size, folder).await?;
            // The first page opens the files and looks at each device.
            exporter.work().await?;
            let before = exporter.spent_ms()?;
            for repeats in 1.. {
                exporter.work().await?;
                let spent = exporter.spent_ms()? - before;
                if spent >= least_ms || repeats >= MOST_REPEATS || files.is_paced() {
                    return Ok(spent / f64::from(repeats));
                }
            }
        }
        Given::Webhooks(load) => {
            let mut relay = Relay::start(load, size, folder).await?;
            let before = relay.spent_ms()?;
            for repeats in 1.. {
                relay.work().await?;
                let spent = relay.spent_ms()? - before;
                if spent >= least_ms || repeats >= MOST_REPEATS || load.adds_up() {
                    return Ok(spent / f64::from(repeats));
                }
            }
        }
        Given::Settings => {
            let checked = Checked::new(size, folder)?;
            let before = Checked::spent_ms()?;
            for repeats in 1.. {
                checked.work()?;
                let spent = Checked::spent_ms()? - before;
                if spent >= least_ms || repeats >= MOST_REPEATS {
                    return Ok(spent / f64::from(repeats));
                }
            }
        }
    }
    unreachable!("the loops end by returning")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The programs take every input, at sizes that prove nothing about time.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_input_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = Table::default();
        let effort = Effort { rounds: 1, least_ms: 0.0, divisor: 100 };
        measure(&mut table, folder.path(), effort).await.unwrap();
        let text = table.to_string();
        for input in &INPUTS {
            assert!(text.contains(&format!("costs: {}", input.what)), "{} in\n{text}", input.what);
        }
    }
}
