//! `alert-relay list`: deliveries by time, target, state and text, from the store, also beside a running relay.

use std::process::ExitCode;

use crate::clock::Clock;
use crate::commands::delivery_filter::{DeliveryFilterArgs, with_option};
use crate::commands::output;
use crate::commands::runtime;
use crate::commands::settings_file::{SettingsFile, refuse};
use crate::operation::deliveries::{DeliveryFilter, PageRequest};
use crate::operation::query::Query;
use crate::outbox::ReadOnlyOutbox;

mod page;

/// `list`
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    settings: SettingsFile,

    #[command(flatten)]
    filter: DeliveryFilterArgs,

    /// In this state: pending, delivered, superseded, suppressed or dead
    #[arg(long, conflicts_with = "dead_letters")]
    state: Option<String>,

    /// Only dead ones about which nothing was done yet: what `resend` may send again
    #[arg(long)]
    dead_letters: bool,

    /// How many are listed, 1 to 200
    #[arg(long, value_name = "NUMBER")]
    limit: Option<String>,

    /// Goes on where an earlier list has ended, as that says
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,

    /// How they are written
    #[arg(long, default_value = "text")]
    format: Format,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// A line each.
    Text,
    /// One JSON object, as of `/api/v1/deliveries`.
    Json,
}

/// Exit code 0 when the store was read, 1 when it cannot be, 2 on bad settings or arguments.
pub(crate) fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let own = [("state", &args.state), ("limit", &args.limit), ("after", &args.after)];
    let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
    let now = Clock::system().now();
    let asked = Query::of(args.filter.pairs().into_iter().chain(own)).and_then(|mut query| {
        let filter = DeliveryFilter::read(&mut query, now)?;
        Ok((
            DeliveryFilter { only_dead_letters: args.dead_letters, ..filter },
            PageRequest::read(&mut query)?,
        ))
    });
    let (filter, request) = match asked {
        Ok(asked) => asked,
        Err(error) => return Ok(refuse(&[format!("alert-relay: {}", with_option(&error))])),
    };
    let runtime = runtime::on_this_thread()?;
    let page = runtime.block_on(async {
        ReadOnlyOutbox::open(&settings.store).await?.deliveries(&filter, &request).await
    })?;
    match args.format {
        Format::Text => output::text(&page::of(&page, &settings.time_zone))?,
        Format::Json => output::line(&serde_json::to_string_pretty(&page)?)?,
    }
    Ok(ExitCode::SUCCESS)
}
