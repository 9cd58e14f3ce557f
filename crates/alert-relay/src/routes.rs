//! Which targets are sent which alerts (pure).
//!
//! Owns matching and merging. Leaves out what a target was sent before: that is the ledger's.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::calendar::Calendar;
use crate::notification::{Alert, Fingerprint, Notification};

mod matcher;
mod note;
mod verdict;

pub(crate) use matcher::Matcher;
pub(crate) use note::{UnroutedNote, unrouted_notes};
pub(crate) use verdict::{RouteVerdict, verdicts, why_unrouted};

/// One entry of `receivers:`: what Alertmanager posts to `/api/v1/alerts/{receiver}`.
#[derive(Clone, Debug)]
pub(crate) struct ReceiverSettings {
    /// `routes:` in order; an alert goes to every route that matches it.
    pub(crate) routes: Vec<RouteSettings>,
}

/// One entry of `routes:`.
#[derive(Clone, Debug)]
pub(crate) struct RouteSettings {
    /// `matchers`: all must match; none matches everything.
    pub(crate) matchers: Vec<Matcher>,
    /// `active`: when this route applies; `None` is always.
    pub(crate) active: Option<Calendar>,
    /// `targets`: names that exist.
    pub(crate) targets: Vec<String>,
    /// `mentions`: names that exist in `people:`.
    pub(crate) mentions: Vec<String>,
}

/// One target's share of one notification, as it goes into the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The target's name.
    pub(crate) target: String,
    /// The alerts of the notification that are for this target, in the notification's order.
    pub(crate) alerts: Vec<Fingerprint>,
    /// Alerts that match this target's routes outside of their `active` window. One that fires is not sent.
    /// One that is resolved is sent only if this target was sent that it fired. They are not gone either, so the ledger must
    /// not take them for vanished.
    pub(crate) outside_hours: Vec<Fingerprint>,
    /// Whom to mention.
    pub(crate) mentions: Mentions,
    /// The routes that wanted it, by their place in the receiver and their matchers: `routes[1] {severity="critical"}`; of a
    /// heartbeat, `heartbeats.watchdog`.
    pub(crate) routes: Vec<String>,
}

/// Names under `people:`, and for which alerts each is to be mentioned when they newly fire.
pub(crate) type Mentions = BTreeMap<String, Vec<Fingerprint>>;

/// Where one notification goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One entry per target, in alphabetical order.
    pub(crate) deliveries: Vec<Planned>,
    /// Alerts that no route matches, whatever the hour: accepted and sent to nobody.
    pub(crate) unrouted: Vec<Fingerprint>,
}

/// Every alert goes to every route that matches it. Routes to the same target merge: its alerts and its mentions add up.
///
/// A target whose alerts are all outside of their window is planned too: whether an end among them is to be sent depends on what
/// the target knows, which only the ledger can say. And who is left out has no alert in the group any more, at any hour.
pub(crate) fn plan(
    receiver: &ReceiverSettings,
    notification: &Notification,
    now: Timestamp,
    time_zone: &TimeZone,
) -> Plan {
    let mut shares: BTreeMap<&str, Share<'_>> = BTreeMap::new();
    let mut unrouted = Vec::new();
    for alert in &notification.alerts {
        let mut is_routed = false;
        for (place, route) in receiver.routes.iter().enumerate().filter(|(_, route)| matches(route, alert)) {
            is_routed = true;
            let is_active = route.active.as_ref().is_none_or(|calendar| calendar.is_active(now, time_zone));
            for target in &route.targets {
                shares.entry(target).or_default().add(alert, (place, route), is_active);
            }
        }
        if !is_routed {
            unrouted.push(alert.fingerprint.clone());
        }
    }
    let deliveries = shares.into_iter().map(|(target, share)| share.into_planned(target)).collect();
    Plan { deliveries, unrouted }
}

fn matches(route: &RouteSettings, alert: &Alert) -> bool {
    route.matchers.iter().all(|matcher| matcher.matches(&alert.labels))
}

/// What one target gets, while it is put together.
#[derive(Default)]
struct Share<'n> {
    active: Vec<&'n Alert>,
    outside_hours: Vec<&'n Alert>,
    mentions: Mentions,
    routes: BTreeMap<usize, &'n RouteSettings>,
}

impl<'n> Share<'n> {
    fn add(&mut self, alert: &'n Alert, (place, route): (usize, &'n RouteSettings), is_active: bool) {
        self.routes.insert(place, route);
        let list = if is_active { &mut self.active } else { &mut self.outside_hours };
        // Alerts come one after the other, so that a second route to this target finds its alert last.
        if list.last().is_none_or(|last| !std::ptr::eq(*last, alert)) {
            list.push(alert);
        }
        if is_active {
            for person in &route.mentions {
                let alerts = self.mentions.entry(person.clone()).or_default();
                if alerts.last() != Some(&alert.fingerprint) {
                    alerts.push(alert.fingerprint.clone());
                }
            }
        }
    }

    fn into_planned(mut self, target: &str) -> Planned {
        let active: HashSet<&Fingerprint> = self.active.iter().map(|alert| &alert.fingerprint).collect();
        self.outside_hours.retain(|alert| !active.contains(&alert.fingerprint));
        let fingerprints =
            |alerts: Vec<&Alert>| alerts.into_iter().map(|alert| alert.fingerprint.clone()).collect();
        Planned {
            target: target.to_owned(),
            alerts: fingerprints(self.active),
            outside_hours: fingerprints(self.outside_hours),
            mentions: self.mentions,
            routes: self.routes.iter().map(|(place, route)| describe(*place, route)).collect(),
        }
    }
}

fn describe(place: usize, route: &RouteSettings) -> String {
    let matchers: Vec<String> = route.matchers.iter().map(Matcher::to_string).collect();
    let hours = route.active.as_ref().map_or_else(String::new, |active| format!(" {active}"));
    format!("routes[{place}] {{{}}}{hours}", matchers.join(","))
}

#[cfg(test)]
mod tests;
