//! Who can be told, as the settings say: replaced as a whole by a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::channel::{Channel, ChannelError};
use crate::message::Links;
use crate::people::Person;
use crate::settings::{Settings, TargetSettings};

/// What the deliverer takes from the settings.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) by_name: BTreeMap<String, Arc<Target>>,
    pub(super) receivers: Vec<String>,
    pub(super) people: BTreeMap<String, Person>,
    pub(super) time_zone: TimeZone,
    /// Base addresses; the webhook fills in Alertmanager's if it is unset.
    pub(super) links: Links,
    pub(super) retention: Duration,
}

/// A target and its channel.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) settings: TargetSettings,
    pub(super) channel: Channel,
}

/// A target whose channel cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("targets.{target}: {source}")]
pub(crate) struct TargetsError {
    /// The target's name.
    target: String,
    /// What is wrong with it.
    source: ChannelError,
}

impl Targets {
    /// Builds every channel; names every target that fails.
    pub(super) fn new(settings: &Settings) -> Result<Self, Vec<TargetsError>> {
        let mut targets = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, target) in &settings.targets {
            match Channel::new(target) {
                Ok(channel) => {
                    targets.insert(name.clone(), Arc::new(Target { settings: target.clone(), channel }));
                }
                Err(source) => errors.push(TargetsError { target: name.clone(), source }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let longest_window = settings.targets.values().map(|target| target.budget.window).max();
        Ok(Self {
            by_name: targets,
            receivers: settings.receivers.keys().cloned().collect(),
            people: settings.people.clone(),
            time_zone: settings.time_zone.clone(),
            links: Links {
                alertmanager: settings.alertmanager_url.clone(),
                prometheus: settings.prometheus_url.clone(),
                relay: settings.server.external_url.clone(),
            },
            // Budgets are counted from what is kept.
            retention: longest_window.unwrap_or_default().max(settings.store.retention),
        })
    }
}
