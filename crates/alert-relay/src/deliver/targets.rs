//! The targets as the settings say, with their channels: replaced as a whole by a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::compose::MessageDefaults;
use crate::deliver::size_keeper::SizeLimits;
use crate::settings::{Settings, TargetSettings};

/// What the deliverer takes from the settings.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) by_name: BTreeMap<String, Arc<TargetSettings>>,
    pub(super) receivers: Vec<String>,
    /// Of every message.
    pub(super) defaults: MessageDefaults,
    /// Names that are gone, and the targets that take their place.
    pub(super) former: BTreeMap<String, String>,
    /// What has ended is kept for so long.
    pub(super) retention: Duration,
    /// How large the store may be.
    pub(super) size: SizeLimits,
}

impl Targets {
    /// The targets with the channels that the settings hold.
    pub(super) fn new(settings: &Settings) -> Self {
        let longest_window = settings.targets.values().map(|target| target.budget.window).max();
        Self {
            by_name: settings
                .targets
                .iter()
                .map(|(name, target)| (name.clone(), Arc::new(target.clone())))
                .collect(),
            receivers: settings.receivers.keys().cloned().collect(),
            defaults: MessageDefaults::new(settings),
            former: settings
                .targets
                .values()
                .filter_map(|target| Some((target.was.clone()?, target.name.clone())))
                .collect(),
            // Budgets are counted from what is kept.
            retention: longest_window.unwrap_or_default().max(settings.store.retention),
            size: SizeLimits::of(settings),
        }
    }
}
