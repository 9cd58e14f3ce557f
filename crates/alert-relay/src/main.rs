//! `alert-relay`: see the library's documentation.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    alert_relay::run(alert_relay::Args::parse())
}
