//! Where log lines go and how they look.
//!
//! Owns starting the logger. Leaves out what is logged: a fault is told when it appears and when it ends, by whoever
//! handles it.

use std::io::{self, IsTerminal};

/// `--log.*`
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    /// The least severity that is written.
    pub(crate) level: tracing::Level,
    /// How a line looks.
    pub(crate) format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error.
pub(crate) fn start(settings: LogSettings) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(settings.level)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    match settings.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
