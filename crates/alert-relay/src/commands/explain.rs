//! `alert-relay explain`: what became of a delivery or of an alert, or what was set aside, from the store, also beside a running relay.

use std::process::ExitCode;

use anyhow::Context;

use crate::commands::output;
use crate::commands::runtime;
use crate::commands::settings_file::SettingsFile;
use crate::delivery::PublicId;
use crate::intake;
use crate::notification::{Alert, Fingerprint};
use crate::outbox::{Outbox, ReadError, ReadOnlyOutbox};
use crate::settings::Settings;
use crate::story::{Received, Sightings};

mod page;

/// `explain`
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// A delivery's id, as its message and its lines in the log have it (`4f2a91-17`), or an alert's fingerprint (16 hex digits); without
    /// either: the deliveries that were set aside, since the relay ended again and again while it prepared them
    #[arg(value_name = "ID|FINGERPRINT")]
    what: Option<String>,

    #[command(flatten)]
    settings: SettingsFile,
}

/// Exit code 0 when there was something to tell, 1 when there is no such delivery or alert or the store cannot be read, 2 on bad
/// settings.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let runtime = runtime::on_this_thread()?;
    output::text(&runtime.block_on(explain(args.what.as_deref(), &settings))?)?;
    Ok(ExitCode::SUCCESS)
}

async fn explain(what: Option<&str>, settings: &Settings) -> anyhow::Result<String> {
    let mut reading = ReadOnlyOutbox::open(&settings.store).await?;
    let Some(what) = what else {
        return Ok(page::of_set_aside(&reading.set_aside().await?, &settings.time_zone));
    };
    if let Ok(id) = what.parse::<PublicId>() {
        let story = reading.story(&id).await?.with_context(|| {
            format!(
                "there is no delivery `{id}` (hint: what ended longer ago than `store.retention`, {}, is deleted)",
                humantime::format_duration(settings.store.retention)
            )
        })?;
        let alerts = story.received.payload.as_deref().map(intake::parse);
        let alerts = alerts.and_then(Result::ok).map(|notification| notification.alerts);
        let is_relay_running = Outbox::is_in_use(&settings.store.path);
        let now = page::Now {
            receiver: settings.receivers.get(&story.received.endpoint),
            is_relay_running,
            zone: &settings.time_zone,
        };
        return Ok(page::of_delivery(&story, alerts.as_deref(), &now));
    }
    let sightings = reading.sightings(&Fingerprint(what.to_owned())).await?;
    if sightings.deliveries.is_empty() && sightings.unrouted.is_empty() {
        anyhow::bail!(
            "no stored delivery holds an alert with the fingerprint `{}` (hint: a delivery's id looks like `4f2a91-17`; a fingerprint is in \
             Alertmanager's API, `amtool alert query -o json`)",
            what.escape_debug()
        );
    }
    let newest = newest(&mut reading, &sightings).await?;
    let alert = newest.as_ref().and_then(|webhook| held(webhook, what));
    let now = page::Now {
        receiver: newest.as_ref().and_then(|webhook| settings.receivers.get(&webhook.endpoint)),
        is_relay_running: Outbox::is_in_use(&settings.store.path),
        zone: &settings.time_zone,
    };
    Ok(page::of_alert(what, &sightings, newest.as_ref().zip(alert.as_ref()), &now))
}

/// The newest webhook in which it was seen.
async fn newest(reading: &mut ReadOnlyOutbox, sightings: &Sightings) -> Result<Option<Received>, ReadError> {
    let (delivery, unrouted) = (sightings.deliveries.first(), sightings.unrouted.first());
    match unrouted {
        Some(unrouted) if delivery.is_none_or(|delivery| delivery.at <= unrouted.at) => {
            reading.webhook(unrouted.notification).await
        }
        _ => match delivery {
            Some(delivery) => Ok(reading.story(&delivery.id).await?.map(|story| story.received)),
            None => Ok(None),
        },
    }
}

/// The alert with this fingerprint, as a webhook has it.
fn held(webhook: &Received, fingerprint: &str) -> Option<Alert> {
    let notification = intake::parse(webhook.payload.as_deref()?).ok()?;
    notification.alerts.into_iter().find(|alert| alert.fingerprint.0 == fingerprint)
}
