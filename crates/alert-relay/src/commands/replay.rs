//! `alert-relay replay --since 1d --config new.yml`: what other settings would have done with the webhooks that the store has.
//!
//! Reads the store beside a running relay, one webhook after the other, changes nothing and sends nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::clock::Clock;
use crate::commands::output;
use crate::commands::runtime;
use crate::commands::settings_file::{SettingsFile, refuse_settings};
use crate::intake;
use crate::outbox::ReadOnlyOutbox;
use crate::replay::{Read, Replay, Report};
use crate::settings::{Settings, StoreSettings};

mod page;

/// `replay`
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    settings: SettingsFile,

    /// The settings to compare with; without them: where the store says that the alerts went, and then no text is compared
    #[arg(long, value_name = "FILE")]
    current: Option<PathBuf>,

    /// The store's file; otherwise that of `--current`, or of `--config`
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,

    /// How far back webhooks are taken from: `1d`, `12h`
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = humantime::parse_duration)]
    since: Duration,

    /// The newest webhooks that are taken at most
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    most: u32,

    /// How the outcome is written
    #[arg(long, default_value = "text")]
    format: Format,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// A page of text.
    Text,
    /// One JSON object.
    Json,
}

/// Exit code when something would be different.
const EXIT_CHANGED: u8 = 3;

/// Bytes of the webhooks that are taken: the time it takes grows with them.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Exit code 0 when nothing would be different, 3 when something would, 1 when the store cannot be read, 2 on bad settings.
pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let next = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let current = match args.current.as_deref().map(Settings::load).transpose() {
        Ok(settings) => settings,
        Err(rejected) => return Ok(refuse_settings(&rejected.problems)),
    };
    let mut store = current.as_ref().unwrap_or(&next).store.clone();
    if let Some(path) = &args.store {
        store.path.clone_from(path);
        store.postgres = None;
    }
    let runtime = runtime::on_this_thread()?;
    let report = runtime.block_on(replay(args, &store, current.as_ref(), &next))?;
    match args.format {
        Format::Text => output::text(&page::of(&report, &next.time_zone))?,
        Format::Json => output::line(&page::json(&report)?)?,
    }
    Ok(if report.is_changed() { ExitCode::from(EXIT_CHANGED) } else { ExitCode::SUCCESS })
}

async fn replay(
    args: &ReplayArgs,
    store: &StoreSettings,
    current: Option<&Settings>,
    next: &Settings,
) -> anyhow::Result<Report> {
    let mut reading = ReadOnlyOutbox::open(store).await?;
    let span = reading.span(Clock::system().now().minus(args.since), args.most, MOST_BYTES).await?;
    let mut replay = Replay::new(current, next);
    let mut read = Read { older: span.older, ..Read::default() };
    for number in span.numbers {
        // What the relay has just deleted is not there any more.
        let Some(received) = reading.webhook(number).await? else { continue };
        let Some(Ok(webhook)) = received.payload.as_deref().map(intake::parse) else {
            read.unreadable += 1;
            continue;
        };
        let recorded = if current.is_none() { reading.recorded(number).await? } else { Vec::new() };
        read.webhooks += 1;
        read.alerts += webhook.alerts.len() as u64;
        read.from = read.from.or(Some(received.at));
        read.until = Some(received.at);
        replay.take(&received, &webhook, recorded);
    }
    Ok(replay.finish(read))
}
