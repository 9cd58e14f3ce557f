//! The command line: one command, and how to log.

use clap::Parser;

use crate::commands::Command;
use crate::logging::LogFormat;

/// Alertmanager webhooks to `DingTalk`, `WeCom`, mail and generic webhooks: durable, proven, within each robot's rate limit.
#[derive(Debug, Parser)]
#[command(name = "alert-relay", version)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Least severe log line to write: error, warn, info, debug or trace
    #[arg(long = "log.level", global = true, default_value = "info", value_name = "LEVEL")]
    pub(crate) log_level: tracing::Level,

    /// How log lines are written to standard error
    #[arg(long = "log.format", global = true, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}
