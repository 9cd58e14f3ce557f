//! `alert-relay backup FILE`: a consistent, checked copy of the store, also of one that a relay writes to.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::output;
use crate::commands::runtime;
use crate::commands::settings_file::SettingsFile;
use crate::outbox::ReadOnlyOutbox;
use crate::privacy;

/// `backup`
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// The file to make; it must not be there yet
    file: PathBuf,

    #[command(flatten)]
    settings: SettingsFile,
}

/// Exit code 0 when the copy is whole and on the disk, 1 when there is none, 2 on bad settings.
pub(crate) fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    // What the store has is for the relay's user, and so is its copy.
    privacy::keep();
    let runtime = runtime::on_this_thread()?;
    let backup = runtime.block_on(async {
        let mut reading = ReadOnlyOutbox::open(&settings.store).await?;
        reading.back_up(&args.file).await
    })?;
    output::line(&format!(
        "{}: {} bytes, whole: {} webhooks, {} deliveries, {} of them pending",
        args.file.display(),
        backup.bytes,
        backup.notifications,
        backup.deliveries,
        backup.pending
    ))?;
    Ok(ExitCode::SUCCESS)
}
