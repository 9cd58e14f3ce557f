//! `alert-relay reload`: has the running relay read its settings again, and says what came of it.
//!
//! Through the relay's control socket and not by a signal: Docker takes a container that it sent a signal to for stopped by hand,
//! and does not start it again after a crash (<https://github.com/moby/moby/issues/41302>). And a signal has no answer.

use std::path::Path;
use std::process::ExitCode;

use axum::http::StatusCode;

use crate::commands::output;
use crate::commands::running_relay;
use crate::commands::runtime;
use crate::commands::settings_file::{SettingsFile, refuse, refuse_settings};
use crate::settings::Settings;

/// `reload`
#[derive(Debug, clap::Args)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    settings: SettingsFile,

    /// Take the settings also if they take away all receivers, targets or heartbeats, or targets for which deliveries wait
    #[arg(long)]
    force: bool,
}

/// Exit code 0 when the new settings are in force, 1 when no relay could be asked, 2 when the settings have mistakes.
pub(crate) fn run(args: &ReloadArgs) -> anyhow::Result<ExitCode> {
    // The relay judges the file; it is read here for where the store is.
    let (store, mistakes) = match Settings::load(&args.settings.config) {
        Ok(settings) => (Some(settings.store.path), Vec::new()),
        Err(rejected) => (rejected.store, rejected.problems),
    };
    let path = if args.force { "/-/reload?force=true" } else { "/-/reload" };
    let Some(store) = store else { return Ok(refuse_settings(&mistakes)) };
    let runtime = runtime::on_this_thread()?;
    let answer = runtime.block_on(running_relay::ask(&store, path, "nothing was reloaded"))?;
    match answer {
        Some(answer) if answer.status == StatusCode::BAD_REQUEST => {
            Ok(refuse(&running_relay::lines(&answer)))
        }
        Some(answer) if answer.status.is_success() => {
            output::line(&running_relay::lines(&answer).join("\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(answer) => anyhow::bail!("{}", running_relay::lines(&answer).join("\n")),
        None if mistakes.is_empty() => Err(nobody_runs_with(&store)),
        None => Ok(refuse_settings(&mistakes)),
    }
}

fn nobody_runs_with(store: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "no relay runs with `{}`, so there is nothing to reload (hint: a start reads the settings; a changed `store.url` needs a restart)",
        store.display()
    )
}
