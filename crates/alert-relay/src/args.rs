//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Alertmanager webhooks to `DingTalk`, `WeCom` and mail: durable, proven, within each robot's rate limit.
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

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// One file under `commands/` each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Accept webhooks and deliver them, until SIGTERM or Ctrl-C
    Serve(ServeArgs),
    /// Find what is wrong with the settings, all at once; exit code 2 if anything is
    Check(CheckArgs),
    /// Show what a target would be sent
    Render(crate::commands::render::RenderArgs),
    /// Send a test message to a target, and say what its channel answered
    SendTest(crate::commands::send_test::SendTestArgs),
}

/// The settings file, of every command that needs one.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The settings file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// `serve`
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) settings: ConfigArgs,
}

/// `check`
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The settings file
    #[arg(long, value_name = "FILE", required_unless_present = "print_default")]
    pub(crate) config: Option<PathBuf>,

    /// Print the embedded default settings, which document every key, and stop
    #[arg(long)]
    pub(crate) print_default: bool,
}
