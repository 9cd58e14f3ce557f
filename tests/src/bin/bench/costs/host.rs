//! What the exporter reads, under a root of its own: each input is a folder of files, and its cost that of a scrape.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::chain::parts::{self, Gpus};
use e2e::http;
use e2e::ports::Port;
use e2e::process::{Launch, Process};

use crate::scrapes::Scraper;
use crate::usage;

const TIMEOUT: Duration = Duration::from_mins(1);

/// For how long GPUs are read, ten times a second.
const SWEEPS: Duration = Duration::from_secs(3);

/// What there is much of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    TextFamilies,
    TextSeries,
    ManyTexts,
    Disks,
    Mounts,
    Devices,
    Cpus,
    Gpus,
}

impl Files {
    /// Whether its cost is that of a time rather than of a scrape.
    pub(super) fn is_paced(self) -> bool {
        self == Self::Gpus
    }

    fn collectors(self) -> &'static [&'static str] {
        match self {
            Self::TextFamilies | Self::TextSeries | Self::ManyTexts => &["textfile"],
            Self::Disks => &["diskstats"],
            Self::Mounts => &["filesystem"],
            Self::Devices => &["netdev"],
            Self::Cpus => &["cpu", "stat"],
            Self::Gpus => &["gpu"],
        }
    }

    /// Bytes of the page that one of these has at least: a page that came without them would be no measurement.
    fn page_bytes(self) -> usize {
        match self {
            Self::TextFamilies | Self::TextSeries => 500,
            Self::ManyTexts | Self::Disks | Self::Mounts | Self::Devices | Self::Cpus | Self::Gpus => 50,
        }
    }

    fn write(self, size: usize, root: &Path) -> Result<()> {
        match self {
            Self::TextFamilies => write(
                &root.join("text/a.prom"),
                &grown(size, |out, index| {
                    let _ = writeln!(
                        out,
                        "# HELP job_{index:06}_runs_total Runs of a job so far.\n# TYPE job_{index:06}_runs_total counter\njob_{index:06}_runs_total {index}"
                    );
                }),
            ),
            Self::TextSeries => write(
                &root.join("text/a.prom"),
                &grown(size, |out, index| {
                    let _ = writeln!(
                        out,
                        "job_runs{{job=\"job-{index:06}\",team=\"research\",queue=\"q{}\"}} {index}",
                        index % 7
                    );
                }),
            ),
            Self::ManyTexts => each(size, |index| {
                let text = format!("# TYPE shared gauge\nshared{{file=\"{index}\"}} 1\nown_{index} 2\n");
                write(&root.join(format!("text/{index:06}.prom")), &text)
            }),
            Self::Disks => write(
                &root.join("proc/diskstats"),
                &lines(size, |out, index| {
                    let _ = writeln!(
                        out,
                        " 259 {index} disk{index} 11 12 13 14 15 16 17 18 0 20 21 22 23 24 25 26 27"
                    );
                }),
            ),
            Self::Mounts => {
                each(size, |index| {
                    let point = root.join(format!("rootfs/data/{index}"));
                    fs::create_dir_all(&point).with_context(|| format!("failed to make {}", point.display()))
                })?;
                write(
                    &root.join("proc/1/mountinfo"),
                    &lines(size, |out, index| {
                        let number = index + 100;
                        let _ = writeln!(
                            out,
                            "{number} 1 8:{index} / {}/rootfs/data/{index} rw,relatime - ext4 /dev/disk{index} rw",
                            root.display()
                        );
                    }),
                )
            }
            Self::Devices => {
                let head = "Inter-|   Receive                                                |  Transmit\n \
                            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
                let devices = lines(size, |out, index| {
                    let _ = writeln!(out, "veth{index}: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
                });
                write(&root.join("proc/net/dev"), &format!("{head}{devices}"))
            }
            Self::Cpus => {
                let cpus = lines(size, |out, index| {
                    let _ = writeln!(out, "cpu{index} 1 2 3 4 5 6 7 8 9 10");
                });
                let rest = "intr 1 2\nctxt 3\nbtime 1700000000\nprocesses 4\nprocs_running 1\nprocs_blocked 0\nsoftirq 1 2 3 4 5 6 7 8 9 10 11\n";
                write(&root.join("proc/stat"), &format!("cpu  1 2 3 4 5 6 7 8 9 10\n{cpus}{rest}"))
            }
            Self::Gpus => write(
                &root.join("gpus.yaml"),
                &format!(
                    "description: Many.\ngpus:\n  - count: {size}\n    model: h100-sxm\n    utilization: {{ wave: {{ low: 0.35, high: 0.95, period: 90s }} }}\n"
                ),
            ),
        }
    }
}

/// Lines until there are so many KiB.
fn grown(kibibytes: usize, line: impl Fn(&mut String, usize)) -> String {
    let mut out = String::new();
    for index in 0.. {
        if out.len() >= kibibytes * 1024 {
            break;
        }
        line(&mut out, index);
    }
    out
}

fn lines(count: usize, line: impl Fn(&mut String, usize)) -> String {
    (0..count).fold(String::new(), |mut out, index| {
        line(&mut out, index);
        out
    })
}

fn each(count: usize, make: impl Fn(usize) -> Result<()>) -> Result<()> {
    (0..count).try_for_each(make)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .with_context(|| format!("failed to write {}", file.display()))
}

/// An exporter that reads one input.
pub(super) struct Exporter {
    process: Process,
    scraper: Scraper,
    files: Files,
    least_bytes: usize,
    _port: Port,
}

impl Exporter {
    pub(super) async fn start(files: Files, size: usize, folder: &Path) -> Result<Self> {
        files.write(size, folder)?;
        let port = Port::free()?;
        let gpus = if files == Files::Gpus {
            Gpus::Simulated { scenario: folder.join("gpus.yaml"), age: Duration::ZERO }
        } else {
            Gpus::Real
        };
        let under = |name: &str| folder.join(name).display().to_string();
        let flags = [
            format!("--path.procfs={}", under("proc")),
            format!("--path.sysfs={}", under("sys")),
            format!("--path.rootfs={}", under("rootfs")),
            format!("--path.udev.data={}", under("udev")),
            format!("--collector.textfile.directory={}", under("text")),
            "--no-collector.netdev.netlink".to_owned(),
            "--gpu.sample-interval=100ms".to_owned(),
            "--collector.disable-defaults".to_owned(),
        ];
        let collectors = files.collectors().iter().map(|name| format!("--collector.{name}"));
        let launch = parts::exporter(port.address(), &gpus)?;
        let launch = flags.into_iter().chain(collectors).fold(launch, Launch::arg);
        let mut process = launch.start(folder)?;
        let ready = format!("http://{}/-/ready", port.address());
        process.ready(&http::client()?, &ready, TIMEOUT).await?;
        let scraper = Scraper::connect(port.address(), false)?;
        let least_bytes = if files.is_paced() { 0 } else { size * files.page_bytes() };
        Ok(Self { process, scraper, files, least_bytes, _port: port })
    }

    /// A scrape, or some time in which GPUs are read.
    pub(super) async fn work(&mut self) -> Result<()> {
        if self.files.is_paced() {
            tokio::time::sleep(SWEEPS).await;
        }
        let bytes = self.scraper.scrape()?.bytes;
        ensure!(
            bytes >= self.least_bytes,
            "a page of {bytes} bytes is too small: the input is not on it\n{}",
            self.process.output()
        );
        Ok(())
    }

    /// CPU time of the exporter and its probes so far.
    pub(super) fn spent_ms(&self) -> Result<f64> {
        usage::cpu_of_family_ms(self.process.pid())
    }
}
