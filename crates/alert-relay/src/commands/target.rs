//! The target that a command names.

use std::process::ExitCode;

use crate::commands::settings_file::refuse;
use crate::settings::{Settings, TargetSettings, no_such};

/// The target, or the exit code after the mistake was printed.
pub(super) fn open<'s>(settings: &'s Settings, name: &str) -> Result<&'s TargetSettings, ExitCode> {
    settings.targets.get(name).ok_or_else(|| {
        let known = settings.targets.keys().map(String::as_str).collect();
        refuse(&[format!("alert-relay: {}", no_such("target", name, &known))])
    })
}
