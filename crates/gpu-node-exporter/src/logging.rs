//! Where log lines go and how they look.
//!
//! Owns its flags and starting the logger. Leaves out what is logged: a fault is logged when it begins and when it ends,
//! by whoever handles it.

use std::io::{self, IsTerminal};

use tracing::Level;

use crate::flags::{Flag, Flags};

static LEVEL: Flag =
    Flag::value("log.level", "LEVEL", "info", "Least severity to log: error, warn, info, debug");
static FORMAT: Flag = Flag::value("log.format", "FORMAT", "text", "How to log: text, json");

/// `--log.*`
pub(crate) static FLAGS: [&Flag; 2] = [&LEVEL, &FORMAT];

/// `--log.*`
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    /// The least severity that is written.
    pub(crate) level: Level,
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

impl LogSettings {
    /// As the flags say; mistakes are added to `flags`.
    pub(crate) fn new(flags: &mut Flags) -> Self {
        let levels =
            [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)];
        // node_exporter's own word for text is logfmt.
        let formats = [("text", LogFormat::Text), ("logfmt", LogFormat::Text), ("json", LogFormat::Json)];
        Self { level: flags.choice(&LEVEL, &levels), format: flags.choice(&FORMAT, &formats) }
    }
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
