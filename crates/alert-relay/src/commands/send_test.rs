//! `alert-relay send-test TARGET`: one real message to one target, and the channel's own verdict.
//!
//! A relay that runs with the same store sends it, since only that one knows what its robots' budgets have left. One that delivers from the
//! same database elsewhere has to be asked there. Without one the command sends it itself.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::bail;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::channel::Stamp;
use crate::commands::output;
use crate::commands::running_relay;
use crate::commands::runtime;
use crate::commands::settings_file::SettingsFile;
use crate::commands::target;
use crate::compose::MessageDefaults;
use crate::message::Wording;
use crate::outbox::ReadOnlyOutbox;
use crate::preview;
use crate::settings::{Settings, StoreSettings, TargetSettings};
use crate::test_report::{TestReport, TestedPart};

/// `send-test`
#[derive(Debug, clap::Args)]
pub(crate) struct SendTestArgs {
    /// The target's name in the settings
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) settings: SettingsFile,
}

/// Exit code 0 when delivered, 1 when not, 2 on bad settings or an unknown target.
pub(crate) fn run(args: &SendTestArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let target = match target::open(&settings, &args.target) {
        Ok(target) => target,
        Err(code) => return Ok(code),
    };
    let runtime = runtime::on_this_thread()?;
    let store = settings.store.path.display();
    let path = format!("/api/v1/targets/{}/test", utf8_percent_encode(&target.name, NON_ALPHANUMERIC));
    let asked = running_relay::ask(
        &settings.store.path,
        &path,
        "nothing was sent, which could exceed the robot's budget",
    );
    let is_delivered = if let Some(answer) = runtime.block_on(asked)? {
        output::line(&running_relay::lines(&answer).join("\n"))?;
        output::line(&format!(
            "asked the relay that runs with `{store}`: within its budget, by its settings in force"
        ))?;
        answer.status.is_success()
    } else {
        if let Some(relay) = runtime.block_on(deliverer(&settings.store))? {
            bail!(
                "the relay `{relay}` delivers from this database, and only it knows what its robots' budgets have left: nothing was sent \
                 (hint: run this command where that relay runs)"
            );
        }
        let report = runtime.block_on(send(&settings, target));
        output::line(&report.lines().join("\n"))?;
        output::line(&format!(
            "sent by this command itself: no relay runs with `{store}`, and none that starts later counts it in a budget"
        ))?;
        report.is_delivered()
    };
    Ok(if is_delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The relay that delivers, where several share a database: it may run on another machine.
async fn deliverer(store: &StoreSettings) -> anyhow::Result<Option<String>> {
    if store.postgres.is_none() {
        return Ok(None);
    }
    match ReadOnlyOutbox::open(store).await {
        Ok(mut outbox) => Ok(outbox.deliverer().await?),
        // No relay delivers without it.
        Err(error) => {
            output::line(&format!("the database cannot be asked which relay delivers: {error}"))?;
            Ok(None)
        }
    }
}

async fn send(settings: &Settings, target: &TargetSettings) -> TestReport {
    let message =
        preview::test(&MessageDefaults::new(settings), &target.name, target.language, Timestamp::now());
    let parts = target.channel.render(&message, Wording::Normal);
    let mut tested = Vec::new();
    for part in &parts {
        let stamp = Stamp { at: SystemTime::now(), delivery: &message.delivery };
        tested.push(TestedPart::Sent(target.channel.send(part, &stamp).await));
    }
    TestReport { target: target.name.clone(), of: parts.len(), parts: tested }
}
