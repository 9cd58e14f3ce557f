//! `alert-relay serve`: accept and deliver until a signal stops it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::app;
use crate::commands::preflight;
use crate::commands::settings_file::SettingsFile;
use crate::relay::Role;
use crate::{heap, privacy};

/// `serve`
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsFile,

    /// Be the relay that tells of another one's death: watch no heartbeats, and read the settings again before each webhook
    #[arg(long)]
    standby: bool,
}

/// Threads for what the system lets wait: looking up the names of chats and mail servers, reading the settings again. A resolver that does
/// not answer holds one for each host that is asked for.
const BLOCKING_THREADS: usize = 64;

/// How long an idle one of them is kept: for ever. Where no further thread can be had (a limit of processes), what is to be looked up waits
/// for one that is there; if there were none, tokio would panic.
const KEPT: Duration = Duration::from_hours(24 * 365 * 100);

/// Exit code 0 after a stop that was asked for, 1 when it could not start, 2 on bad settings.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = match preflight::load(&args.settings.config)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let role = if args.standby { Role::Standby } else { Role::Primary };
    heap::keep_small();
    privacy::keep();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(KEPT)
        .build()
        .context("failed to start the runtime")?;
    // The first of them, while there still is one to be had.
    runtime.spawn_blocking(|| {});
    let served = runtime.block_on(app::serve(&args.settings.config, role, settings));
    // After a second signal nobody waits for a thread that reads a file on a hanging disk.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}
