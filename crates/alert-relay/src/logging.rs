//! Log lines on standard error, as text for people or as JSON for machines.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Starts logging for this process. `level` is ours; libraries are heard from `warn` up, since at finer levels some of them
/// write addresses, and a robot's address is a secret.
pub(crate) fn start(level: Level, format: LogFormat) {
    let ours = LevelFilter::from_level(level);
    let filter = Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_target("alert_relay", ours)
        .with_target("http_serve", ours);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).boxed(),
    };
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
