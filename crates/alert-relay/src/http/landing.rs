//! The page at `/`: what this relay is set up to do, and what waits.
//!
//! Shows names and numbers, never an address or a secret.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use minijinja::{AutoEscape, Environment, Value, context};

use crate::clock::Millis;
use crate::delivery::TargetCount;
use crate::routes::ReceiverSettings;
use crate::settings::{HeartbeatSettings, Settings, TargetSettings};

/// The page. `counts` is `None` when the store could not be asked.
pub(super) fn page(
    settings: &Settings,
    counts: Option<&BTreeMap<String, TargetCount>>,
    last_beats: &BTreeMap<String, Option<Millis>>,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let receivers: Vec<_> = settings.receivers.iter().map(|(name, entry)| receiver(name, entry)).collect();
    let targets: Vec<_> = settings.targets.values().map(|entry| target(entry, counts)).collect();
    let heartbeats: Vec<_> = settings
        .heartbeats
        .iter()
        .map(|(name, entry)| {
            heartbeat(name, entry, last_beats.get(name).copied().flatten(), &settings.time_zone)
        })
        .collect();
    let gone = |(name, count): (&String, &TargetCount)| {
        let is_stranded = count.pending > 0 && !settings.targets.contains_key(name);
        is_stranded.then(|| context! { name, pending => count.pending })
    };
    let stranded: Vec<Value> = counts.into_iter().flatten().filter_map(gone).collect();
    environment.render_str(
        include_str!("landing.html"),
        context! { version => env!("CARGO_PKG_VERSION"), receivers, targets, stranded, heartbeats },
    )
}

fn receiver(name: &str, settings: &ReceiverSettings) -> Value {
    let targets: BTreeSet<_> = settings.routes.iter().flat_map(|route| &route.targets).collect();
    let targets = targets.into_iter().cloned().collect::<Vec<_>>();
    context! { name, path => format!("/api/v1/alerts/{name}"), targets }
}

fn target(settings: &TargetSettings, counts: Option<&BTreeMap<String, TargetCount>>) -> Value {
    let channel = settings.channel.kind().label;
    let budget =
        format!("{} in {}", settings.budget.sends, humantime::format_duration(settings.budget.window));
    let pending = match counts {
        // A target that never had a delivery has no row.
        Some(counts) => {
            counts.get(&settings.name).map_or_else(|| "0".to_owned(), |count| count.pending.to_string())
        }
        None => "the store does not answer".to_owned(),
    };
    context! { name => &settings.name, channel, budget, fallback => &settings.fallback, pending }
}

fn heartbeat(name: &str, settings: &HeartbeatSettings, last: Option<Millis>, zone: &TimeZone) -> Value {
    let last = match last {
        Some(at) => at.timestamp().to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        None => "not since the relay's start".to_owned(),
    };
    context! { name, every => humantime::format_duration(settings.expect_every).to_string(), last }
}
