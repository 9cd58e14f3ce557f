//! `alert-relay doctor`: what is wrong around this relay, and what to do about it.
//!
//! Looks at the clock, names, proxies, the disk, the store, the targets, Alertmanager and Prometheus, and at who nobody posts or routes to.
//! Sends no message and changes nothing; beside the store it writes and syncs a small file, and removes it.

use std::process::ExitCode;

use crate::commands::output;
use crate::commands::runtime;
use crate::commands::settings_file::SettingsFile;

mod diagnosis;
mod facts;
mod kernel_clock;

use diagnosis::Level;

/// `doctor`
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsFile,

    /// Alertmanager, as this machine reaches it; otherwise `alertmanager.url`
    #[arg(long, value_name = "URL")]
    alertmanager: Option<String>,

    /// Prometheus, as this machine reaches it; otherwise `prometheus.url`
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
}

/// Exit code 0 when nothing is at fault (there may be hints), 1 when something is, 2 on bad settings.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let runtime = runtime::on_this_thread()?;
    let peers = [
        ("Alertmanager", "alertmanager", args.alertmanager.as_ref().unwrap_or(&settings.alertmanager_url)),
        ("Prometheus", "prometheus", args.prometheus.as_ref().unwrap_or(&settings.prometheus_url)),
    ];
    let facts = runtime.block_on(facts::gather(&settings, peers));
    // A name that the resolver looks for on and on holds a thread, for which nobody waits.
    runtime.shutdown_background();
    let findings = diagnosis::of(&facts, &settings);
    output::text(&diagnosis::page(&findings))?;
    let is_sound = findings.iter().all(|finding| finding.level != Level::Fault);
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
