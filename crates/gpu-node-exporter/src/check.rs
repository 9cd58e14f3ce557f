//! `--check`: what can be read here, and what is missing.
//!
//! Owns the report on the host's collectors, the web configuration and this process's privileges. Each collector is
//! read once, as a scrape would. What there is to say about GPUs is the GPU side's.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::Settings;
use crate::gpu::{self, Verdict};
use crate::host::root::Root;
use crate::scrape::{Reading, Scraper};

/// A report for people, and whether everything that is turned on can be read.
#[derive(Debug)]
pub(crate) struct Report {
    /// Lines, the last one ended.
    pub(crate) text: String,
    /// Nothing is missing.
    pub(crate) complete: bool,
}

/// A collector that takes longer would miss scrapes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads everything once.
pub(crate) async fn run(settings: Settings) -> std::io::Result<Report> {
    let scraper = Scraper::start(settings.host.collectors)?;
    let mut readings = scraper.read(|_| true, Instant::now() + PATIENCE).await;
    readings.sort_by_key(|reading| reading.collector);
    let mut report = host_report(&settings.host.root, &readings);
    for name in settings.host.off {
        report.line("off", name, "");
    }
    for warning in &settings.warnings {
        report.line("note", "flags", warning);
    }
    if let Some(file) = &settings.web.config_file {
        match http_serve::validate(file) {
            Ok(()) => report.line("ok", "web", &format!("{} is valid", file.display())),
            Err(error) => report.missing("web", &error.to_string()),
        }
    }
    report.text.push_str("GPU:\n");
    match &settings.gpu {
        None => report.line("off", "gpu", ""),
        Some(settings) => {
            for finding in gpu::check(settings) {
                match finding.verdict {
                    Verdict::Good => report.line("ok", "gpu", &finding.text),
                    Verdict::Lost => report.line("lost", "gpu", &finding.text),
                    Verdict::Bad => report.missing("gpu", &finding.text),
                }
            }
        }
    }
    Ok(report)
}

fn host_report(root: &Root, readings: &[Arc<Reading>]) -> Report {
    let Root { proc, sys, rootfs, udev } = root;
    let mut report = Report { text: String::new(), complete: true };
    let from = [proc, sys, rootfs, udev].map(|path| path.display().to_string()).join(", ");
    writeln!(report.text, "Host, from {from}:").expect("writing to a String cannot fail");
    for reading in readings {
        let series: usize = reading.families.iter().map(|family| family.samples.len()).sum();
        if reading.success() {
            report.line("ok", reading.collector, &format!("{series} series"));
        }
        for fault in &reading.faults {
            report.missing(reading.collector, &fault.to_string());
        }
    }
    if !udev.is_dir() {
        report.line(
            "note",
            "diskstats",
            &format!("{} is not there: disks have no model or serial number", udev.display()),
        );
    }
    report
}

impl Report {
    /// One finding that is no fault.
    pub(crate) fn line(&mut self, verdict: &str, subject: &str, text: &str) {
        let line = format!("  {verdict:<8} {subject:<12} {text}");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// One thing that is turned on and cannot be read.
    pub(crate) fn missing(&mut self, subject: &str, text: &str) {
        self.complete = false;
        self.line("missing", subject, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command};

    async fn check(flags: &[&str]) -> Report {
        let root = format!("{}/src/host/testdata/node_exporter", env!("CARGO_MANIFEST_DIR"));
        let paths = [
            "--check".to_owned(),
            format!("--path.procfs={root}/proc"),
            format!("--path.sysfs={root}/sys"),
            format!("--path.rootfs={root}"),
            format!("--path.udev.data={root}/udev/data"),
        ];
        let arguments = paths.into_iter().chain(flags.iter().map(ToString::to_string)).map(Into::into);
        let Ok(Command::Check(settings)) = args::parse(arguments) else { panic!("the flags are wrong") };
        let mut report = run(settings).await.unwrap();
        report.text = report.text.replace(&root, "ROOT");
        report
    }

    #[tokio::test]
    async fn tells_what_can_be_read() {
        // What the machine under the test decides (its devices and mounts) is left out.
        let report =
            check(&["--no-collector.netdev", "--no-collector.filesystem", "--no-collector.gpu"]).await;
        assert!(report.complete);
        insta::assert_snapshot!(report.text);
    }

    #[tokio::test]
    async fn tells_what_is_missing() {
        let report = check(&[
            "--collector.disable-defaults",
            "--collector.stat",
            "--collector.pressure",
            "--collector.filesystem",
            "--collector.zfs",
            "--path.procfs=/nonexistent",
            "--path.udev.data=/nonexistent/udev",
            "--web.config.file=/nonexistent/web.yml",
        ])
        .await;
        assert!(!report.complete);
        insta::assert_snapshot!(report.text);
    }
}
