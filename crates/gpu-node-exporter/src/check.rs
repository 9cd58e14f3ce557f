//! `--check`: what can be read here, and what is missing.
//!
//! Owns the report on the host's collectors, the web configuration and this process's privileges. Each collector is
//! read once, as a scrape would. What there is to say about GPUs is the GPU side's.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::Settings;
use crate::counters_file::read_counters;
use crate::engine;
use crate::exposition::Page;
use crate::gpu::{self, Verdict};
use crate::host::root::Root;
use crate::scrape::{Reading, Scraper};

/// A report for people, written line by line as things become known.
struct Report<W> {
    output: W,
    /// Everything that is turned on can be read.
    is_complete: bool,
}

/// A collector that takes longer would miss scrapes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads everything once and writes what it finds to `output`. Returns whether everything that is turned on can be read.
pub(crate) async fn run(settings: Settings, output: impl Write) -> io::Result<bool> {
    let scraper = Scraper::start(settings.host.collectors)?;
    let mut readings = scraper.read(|_| true, Instant::now() + PATIENCE).await;
    readings.sort_by_key(|reading| reading.collector);
    let mut report = Report { output, is_complete: true };
    report.host(&settings.host.root, &readings)?;
    if !settings.host.off.is_empty() {
        report.line("off", &settings.host.off.join(", "), "")?;
    }
    for warning in &settings.warnings {
        report.line("note", "flags", warning)?;
    }
    if let Some(file) = &settings.web.config_file {
        match http_serve::validate(file) {
            Ok(()) => report.line("ok", "web", &format!("{} is valid", file.display()))?,
            Err(error) => report.missing("web", &error.to_string())?,
        }
    }
    if let Some(listener) = &settings.dcgm {
        let (_, findings) = read_counters(&listener.settings);
        for mistake in &findings.mistakes {
            report.missing("dcgm", mistake)?;
        }
        for warning in &findings.warnings {
            report.line("note", "dcgm", warning)?;
        }
    }
    if let Some(settings) = &settings.engine {
        writeln!(report.output, "Inference engines:")?;
        for finding in engine::check(settings).await {
            report.finding("engine", finding.verdict, &finding.text)?;
        }
    }
    writeln!(report.output, "GPU:")?;
    let Some(settings) = &settings.gpu else {
        report.line("off", "gpu", "")?;
        return Ok(report.is_complete);
    };
    let mut written = Ok(());
    gpu::check(settings, |finding| {
        let line = report.finding("gpu", finding.verdict, &finding.text);
        written = mem::replace(&mut written, Ok(())).and(line);
    });
    written.map(|()| report.is_complete)
}

impl<W: Write> Report<W> {
    fn host(&mut self, root: &Root, readings: &[Arc<Reading>]) -> io::Result<()> {
        let Root { proc, sys, rootfs, udev } = root;
        let from = [proc, sys, rootfs, udev].map(|path| path.display().to_string()).join(", ");
        writeln!(self.output, "Host, from {from}:")?;
        for reading in readings {
            let series: usize = Page::size_of(&reading.families);
            if reading.success() {
                self.line("ok", reading.collector, &format!("{series} series"))?;
            }
            for fault in &reading.faults {
                if fault.is_no_data() {
                    self.line("none", reading.collector, &fault.to_string())?;
                    continue;
                }
                self.missing(reading.collector, &fault.to_string())?;
            }
        }
        if !udev.is_dir() && readings.iter().any(|reading| reading.collector == "diskstats") {
            let text = format!("{} is not there: disks have no model or serial number", udev.display());
            self.line("note", "diskstats", &text)?;
        }
        Ok(())
    }

    /// One finding that is no fault.
    fn line(&mut self, verdict: &str, subject: &str, text: &str) -> io::Result<()> {
        writeln!(self.output, "{}", format!("  {verdict:<8} {subject:<12} {text}").trim_end())
    }

    fn finding(&mut self, subject: &str, verdict: Verdict, text: &str) -> io::Result<()> {
        match verdict {
            Verdict::Good => self.line("ok", subject, text),
            Verdict::Note => self.line("note", subject, text),
            Verdict::Bad => self.missing(subject, text),
        }
    }

    /// One thing that is turned on and cannot be read.
    fn missing(&mut self, subject: &str, text: &str) -> io::Result<()> {
        self.is_complete = false;
        self.line("missing", subject, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command};

    /// Whether all could be read, and the report.
    async fn check(flags: &[&str]) -> (bool, String) {
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
        let mut report = Vec::new();
        let off = settings.host.off.join(", ");
        let is_complete = run(settings, &mut report).await.unwrap();
        (is_complete, String::from_utf8(report).unwrap().replace(&root, "ROOT").replace(&off, "OFF"))
    }

    #[tokio::test]
    async fn tells_what_can_be_read() {
        let (is_complete, report) = check(&[
            "--collector.disable-defaults",
            "--collector.cpu",
            "--collector.loadavg",
            "--collector.pressure",
            "--collector.stat",
        ])
        .await;
        assert!(is_complete);
        insta::assert_snapshot!(report);
    }

    #[tokio::test]
    async fn tells_what_is_missing() {
        let (is_complete, report) = check(&[
            "--collector.disable-defaults",
            "--collector.stat",
            "--collector.pressure",
            "--collector.filesystem",
            "--collector.ntp",
            "--path.procfs=/nonexistent",
            "--path.udev.data=/nonexistent/udev",
            "--web.config.file=/nonexistent/web.yml",
        ])
        .await;
        assert!(!is_complete);
        insta::assert_snapshot!(report);
    }
}
