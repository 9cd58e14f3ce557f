//! `alert-relay check`: every mistake that can be found without sending anything; with `--online`, whether the targets can be reached.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::alertmanager;
use crate::commands::output;
use crate::commands::preflight;
use crate::commands::reachability::{self, Tried};
use crate::commands::runtime;
use crate::outbox::ReadOnlyOutbox;
use crate::settings::{DEFAULT, Settings, removal};

/// `check`
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The settings file
    #[arg(long, value_name = "FILE", required_unless_present = "print_default")]
    config: Option<PathBuf>,

    /// Print the embedded default settings, which document every key, and stop
    #[arg(long)]
    print_default: bool,

    /// Look whether each target can be reached, and whether the clocks agree, without a message to it
    #[arg(long, requires = "config")]
    online: bool,

    /// Print what Alertmanager's file needs under `receivers`
    #[arg(long, requires = "config")]
    print_alertmanager: bool,
}

/// Exit code 0 when nothing is wrong, 2 when something is wrong with the settings, 1 when with `--online` a target cannot be reached or a
/// clock differs by more than a minute.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if args.print_default {
        output::text(DEFAULT)?;
    }
    let Some(file) = &args.config else { return Ok(ExitCode::SUCCESS) };
    let settings = match preflight::load(file)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    if args.print_alertmanager {
        let machine = rustix::system::uname();
        let listen = settings.server.listen.first().map(ToString::to_string).unwrap_or_default();
        let machine = machine.nodename().to_string_lossy();
        let base = alertmanager::base_url(&listen, &machine, false, &settings.server.allowed_hosts);
        output::text(&alertmanager::receivers(&settings, &base))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{}: good: {}", file.display(), summary(&settings)))?;
    for warning in settings.warnings().into_iter().chain(stranded(&settings)?) {
        output::line(&format!("{}: warning: {warning}", file.display()))?;
    }
    if !args.online {
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = runtime::on_this_thread()?;
    let tried = runtime.block_on(reachability::of(&settings));
    for target in &tried {
        output::line(&target.line())?;
    }
    // A name that the resolver looks for on and on holds a thread, for which nobody waits.
    runtime.shutdown_background();
    Ok(if tried.iter().all(Tried::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What waits in the store for targets that these settings do not have. Where no store can be read there is nothing to say.
fn stranded(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let runtime = runtime::on_this_thread()?;
    let waiting = runtime.block_on(async {
        let mut reading = ReadOnlyOutbox::open(&settings.store).await.ok()?;
        reading.waiting().await.ok()
    });
    let waiting = waiting.unwrap_or_default();
    let sentence = |(target, waiting): (&str, u64)| {
        format!(
            "{waiting} waiting for `{target}`, which is not in these settings: they would be told to nobody, and a reload is refused (hint: {})",
            removal::how_to_move(target)
        )
    };
    Ok(removal::stranded(settings, &waiting).map(sentence).collect())
}

fn summary(settings: &Settings) -> String {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    [
        count(settings.receivers.len(), "receiver"),
        count(settings.targets.len(), "target"),
        count(settings.heartbeats.len(), "heartbeat"),
    ]
    .join(", ")
}
