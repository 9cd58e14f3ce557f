//! Files that people edit while the chain runs: each program is given its changed files once its own checker finds nothing wrong.
//!
//! Owns what is looked at and how a program takes it over. The relay runs on the very file that is edited, and checks it by itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::chain::derived::{self, Derived, Files, Texts};
use crate::chain::relay_files::RelayFiles;
use crate::chain::{Chain, Part};
use crate::wait::until;
use crate::{http, programs};

/// How long a program may take to read its files again.
const TAKEN_LIMIT: Duration = Duration::from_secs(30);
/// When Prometheus last read its files without finding a mistake, in seconds since 1970.
const PROMETHEUS_READ: &str = "prometheus_config_last_reload_success_timestamp_seconds ";

impl Chain {
    /// Looks at the files under `deploy/` and `rules/`, and says what became of those that have changed since the last look. A change
    /// with a mistake in it is told once, and the program goes on with what it has.
    ///
    /// Errors when a file cannot be read, which may be half of an editor's saving.
    pub async fn follow(&mut self) -> Result<Vec<String>> {
        let now = Derived::of(&self.source, &self.addresses)?;
        let mut news = Vec::new();
        if now.prometheus != self.seen.prometheus && self.processes.contains_key(&Part::Prometheus) {
            self.seen.prometheus.clone_from(&now.prometheus);
            news.push(told(Part::Prometheus, self.take_prometheus(now.prometheus).await));
        }
        if now.alertmanager != self.seen.alertmanager && self.processes.contains_key(&Part::Alertmanager) {
            self.seen.alertmanager.clone_from(&now.alertmanager);
            news.push(told(Part::Alertmanager, self.take_alertmanager(now.alertmanager).await));
        }
        // A file that the chain has written is nobody's to edit.
        if self.derived.relay.is_edited() && self.processes.contains_key(&Part::Relay) {
            let files = RelayFiles::beside(&self.derived.relay.file)?;
            if files != self.seen_relay {
                self.seen_relay = files;
                news.push(told(Part::Relay, self.take_relay().await));
            }
        }
        Ok(news)
    }

    async fn take_prometheus(&mut self, texts: Texts) -> Result<()> {
        let next = Derived { prometheus: texts, ..self.derived.clone() };
        self.checked("promtool", &["check", "config"], &next, |files| &files.prometheus)?;
        let url = self.addresses.prometheus_url("/metrics");
        let client = http::client()?;
        let before = last_read(&http::page(&client, &url).await?)?;
        self.put(next)?;
        self.process(Part::Prometheus)?.signal(Signal::HUP)?;
        until("Prometheus to read its files", TAKEN_LIMIT, async || {
            let page = http::page(&client, &url).await.ok()?;
            (last_read(&page).ok()? > before).then_some(())
        })
        .await
    }

    async fn take_alertmanager(&mut self, texts: Texts) -> Result<()> {
        let next = Derived { alertmanager: texts, ..self.derived.clone() };
        self.checked("amtool", &["check-config"], &next, |files| &files.alertmanager)?;
        self.put(next)?;
        let url = self.addresses.alertmanager_url("/-/reload");
        let answer = http::client()?.post(url).send().await.context("Alertmanager does not answer")?;
        ensure!(
            answer.status().is_success(),
            "Alertmanager answered {}: {}",
            answer.status(),
            answer.text().await.unwrap_or_default()
        );
        Ok(())
    }

    /// Has the relay read its files, as `data/relay reload` does: it goes on with the old ones where it finds a mistake, and says each.
    async fn take_relay(&self) -> Result<()> {
        let relay = &self.derived.relay;
        let mut command = tokio::process::Command::new(programs::ours("alert-relay")?);
        command.args(["--log.level=error", "reload", "--config"]).arg(&relay.file);
        command
            .envs(relay.environment.iter().map(|(name, value)| (*name, value.as_str())))
            .kill_on_drop(true);
        let output = tokio::time::timeout(TAKEN_LIMIT, command.output()).await;
        let output = output.context("the relay does not answer")?.context("failed to ask the relay")?;
        if output.status.success() {
            return Ok(());
        }
        bail!("{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim_end())
    }

    /// Has a checker look at the files, in a folder of their own.
    fn checked(
        &self,
        checker: &str,
        arguments: &[&str],
        next: &Derived,
        of: impl Fn(&Files) -> &Path,
    ) -> Result<()> {
        let folder = tempfile::tempdir_in(self.data()).context("failed to make a folder")?;
        let texts = [next.prometheus.as_slice(), next.alertmanager.as_slice()].concat();
        derived::replace(folder.path(), &texts)?;
        let file = of(&derived::files(&self.source)).strip_prefix(derived::config(&self.source))?.to_owned();
        let output = Command::new(programs::debian(checker)?)
            .args(arguments)
            .arg(folder.path().join(file))
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        // With the paths that were edited.
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .replace(&format!("{}/", folder.path().display()), "");
        bail!("{checker} says\n{}", said.trim_end())
    }

    fn put(&mut self, next: Derived) -> Result<()> {
        let texts = [next.prometheus.as_slice(), next.alertmanager.as_slice()].concat();
        derived::update(&derived::config(&self.source), &texts)?;
        self.derived = next;
        Ok(())
    }
}

fn told(part: Part, taken: Result<()>) -> String {
    match taken {
        Ok(()) => format!("{part} has taken up its changed files"),
        Err(error) => format!("{part} goes on with its old files: {error:#}"),
    }
}

fn last_read(page: &str) -> Result<f64> {
    let value = page.lines().find_map(|line| line.strip_prefix(PROMETHEUS_READ));
    value.context("Prometheus does not say when it last read its files")?.trim().parse().context("a number")
}
