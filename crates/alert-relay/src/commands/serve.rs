//! `alert-relay serve`: accept and deliver until a signal stops it.

use std::process::ExitCode;

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
        .build()
        .context("failed to start the runtime")?;
    let served = runtime.block_on(app::serve(&args.settings.config, role, settings));
    // After a second signal nobody waits for a thread that reads a file on a hanging disk.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}
