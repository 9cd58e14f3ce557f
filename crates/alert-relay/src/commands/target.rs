//! The target that a command names.

use std::process::ExitCode;

use crate::channel::Channel;
use crate::commands::settings_file::refuse;
use crate::message::Language;
use crate::settings::{Settings, TargetSettings, no_such};

/// A target with its channel, in another language if asked, or the exit code after the mistake was printed.
pub(super) fn open(
    settings: &Settings,
    name: &str,
    language: Option<Language>,
) -> Result<(TargetSettings, Channel), ExitCode> {
    let Some(target) = settings.targets.get(name) else {
        let known = settings.targets.keys().map(String::as_str).collect();
        return Err(refuse(&[format!("alert-relay: {}", no_such("target", name, &known))]));
    };
    let mut target = target.clone();
    target.language = language.unwrap_or(target.language);
    match Channel::new(&target) {
        Ok(channel) => Ok((target, channel)),
        Err(error) => Err(refuse(&[format!("alert-relay: targets.{name}: {error}")])),
    }
}
