//! Who can be told, as the settings say: replaced as a whole by a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::channel::Channel;
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
    pub(super) channel: Arc<dyn Channel>,
}

impl Targets {
    /// The targets with the channels that the settings hold.
    pub(super) fn new(settings: &Settings) -> Self {
        let target = |target: &TargetSettings| {
            Arc::new(Target { settings: target.clone(), channel: Arc::clone(&target.channel) })
        };
        let longest_window = settings.targets.values().map(|target| target.budget.window).max();
        Self {
            by_name: settings
                .targets
                .iter()
                .map(|(name, settings)| (name.clone(), target(settings)))
                .collect(),
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
        }
    }
}
