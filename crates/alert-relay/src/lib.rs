//! Alertmanager webhooks to `DingTalk`, `WeCom`, mail and generic webhooks: durable, proven, within each robot's rate limit.
//!
//! ARCHITECTURE.md has the order of the modules, and the way of an alert through them.

mod clock;
mod heap;
mod memory;
mod privacy;

mod args;
mod commands;
mod logging;

mod address;
mod alertmanager;
mod app;
mod console;
mod control;
mod http;
mod relay;
mod settings;

mod intake;
mod notification;
mod offload;
mod sender;
mod severity;

mod calendar;
mod heartbeat;
mod people;
mod routes;

mod delivery;
mod outbox;
mod store_size;
mod story;

mod budget;
mod health;
mod recourse;
mod retry;
mod schedule;

mod catch_up;
mod compose;
mod ledger;
mod message;
mod render;
mod split;
mod subject;

mod channel;
mod outcome;

mod preview;
mod replay;
mod test_report;

mod operation;

mod audit;
mod deliver;
mod metrics;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

use std::process::ExitCode;

pub use args::Args;
use clap::CommandFactory as _;

/// Reads a webhook as the relay does, and says how many alerts it has: what a server without a store is measured with.
///
/// # Errors
/// Why it is none, in words.
#[doc(hidden)]
pub fn count_alerts(body: &[u8]) -> Result<usize, String> {
    intake::parse(body).map(|notification| notification.alerts.len()).map_err(|error| error.to_string())
}

/// Runs one command. Exit codes: 0 done, 1 failed, 2 the settings or the arguments are wrong.
pub fn run(args: Args) -> ExitCode {
    logging::start(args.log_level, args.log_format);
    match args.command.run(Args::command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
