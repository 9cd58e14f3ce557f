//! A story as text for a terminal (pure).
//!
//! What came from outside (labels, group keys, the channels' words) is shown without control characters and on one line, and of
//! long lists only the first entries. No address and no secret is part of a story.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::Millis;
use crate::delivery::{End, RecipientStatus};
use crate::message::Wording;
use crate::notification::{Alert, Fingerprint, LabelSet, Status};
use crate::render::clean;
use crate::routes::{self, ReceiverSettings, RouteVerdict};
use crate::sender::Sender;
use crate::story::{Attempt, DeliveryStatus, Received, Sightings, Story};

mod sent;

/// Alerts or recipients that are listed; the rest is a number.
const LISTED: usize = 20;

/// Characters of a text from outside that are shown.
const SHOWN: usize = 400;

/// What is known at the time of asking, beside the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    /// The receiver of the webhook, as the settings are now; `None`: they have it no more.
    pub(super) receiver: Option<&'a ReceiverSettings>,
    /// Whether a relay runs with the store.
    pub(super) is_relay_running: bool,
    /// Times are shown in this zone.
    pub(super) zone: &'a TimeZone,
}

/// One delivery from its webhook to its end. `alerts` are those of the webhook, if it is still stored.
pub(super) fn of_delivery(story: &Story, alerts: Option<&[Alert]>, now: &Now<'_>) -> String {
    let mut page = Page { text: String::new(), zone: now.zone };
    let received = &story.received;
    page.line("Delivery", &format!("{} to target `{}`: {}", story.id, story.target, word(&story.status)));
    page.line(
        "Received",
        &format!(
            "{}, notification {}, receiver `{}` (in Alertmanager `{}`)",
            page.time(received.at),
            received.notification,
            clean(&received.endpoint),
            clean(&received.receiver)
        ),
    );
    page.line("Sender", &sender(&received.sender));
    page.line("Group", &clean(&received.group_key.0));
    page.alerts(story, alerts);
    page.routes(story.routes.as_deref());
    page.other_routes(story, alerts.unwrap_or_default(), now.receiver);
    let mentions: Vec<&str> = story.mentions.keys().map(String::as_str).collect();
    page.line("Mentions", if mentions.is_empty() { "nobody" } else { "only for alerts that newly fire" });
    page.entries(mentions.into_iter().map(str::to_owned));
    page.message(story);
    page.sent(story);
    page.attempts(story);
    page.status(&story.status, received.duplicate_of, now.is_relay_running);
    page.text
}

/// Where an alert was seen, newest first; `newest` is the last webhook that holds it, with the alert itself, if that is still stored.
pub(super) fn of_alert(
    fingerprint: &str,
    sightings: &Sightings,
    newest: Option<(&Received, &Alert)>,
    now: &Now<'_>,
) -> String {
    let mut page = Page { text: String::new(), zone: now.zone };
    match newest {
        Some((_, alert)) => {
            page.line("Alert", &format!("{} {}", clean(fingerprint), labels(&alert.labels)));
            let status = page.alert_status(alert);
            page.line("Status", &status);
        }
        None => page.line("Alert", &clean(fingerprint)),
    }
    page.line("Seen", "newest first");
    page.sightings(sightings);
    if let Some((received, alert)) = newest {
        page.routes_now(&received.endpoint, alert, now.receiver);
    }
    if let Some(sighting) = sightings.deliveries.first() {
        page.line("Hint", &format!("`alert-relay explain {} --config FILE` tells the rest", sighting.id));
    }
    page.text
}

/// The deliveries that were set aside, newest first.
pub(super) fn of_set_aside(set_aside: &Sightings, zone: &TimeZone) -> String {
    let mut page = Page { text: String::new(), zone };
    let Some(newest) = set_aside.deliveries.first() else {
        page.line("Set aside", "none: no delivery has ended the relay again and again");
        return page.text;
    };
    page.line("Set aside", "newest first");
    page.sightings(set_aside);
    page.line("To do", TO_DO);
    page.line("Hint", &format!("`alert-relay explain {} --config FILE` shows its alerts", newest.id));
    page.text
}

/// What helps whom a message that was set aside was for. It is not tried again: it would end the relay once more.
const TO_DO: &str = "its target was not told: tell its alerts yourself, see what ended the relay (its memory limit, its log) and report it; while they fire, \
     the group's next webhook tells them";

struct Page<'z> {
    text: String,
    zone: &'z TimeZone,
}

impl Page<'_> {
    fn sightings(&mut self, sightings: &Sightings) {
        for sighting in &sightings.deliveries {
            let outside_hours =
                if sighting.is_outside_hours { ", outside of the target's hours" } else { "" };
            let why = match &sighting.status {
                DeliveryStatus::Ended { end, reason, .. } => because(*end, reason),
                DeliveryStatus::Pending { .. } => String::new(),
            };
            let at = self.time(sighting.at);
            let (id, target, word) = (&sighting.id, &sighting.target, word(&sighting.status));
            self.entry(&format!("{at}  {id} to `{target}`{outside_hours}: {word}{why}"));
        }
        for webhook in &sightings.unrouted {
            let at = self.time(webhook.at);
            let (number, receiver) = (webhook.notification, clean(&webhook.endpoint));
            self.entry(&format!(
                "{at}  notification {number}, receiver `{receiver}`: no route matched, nobody was told"
            ));
        }
        if sightings.is_cut {
            self.entry("there are older ones, which are not shown");
        }
    }

    fn line(&mut self, name: &str, what: &str) {
        writeln!(self.text, "{name:<9} {what}").expect("a String takes every write");
    }

    fn entry(&mut self, what: &str) {
        self.line("", what);
    }

    /// The first of a list, and how many more there are.
    fn entries(&mut self, list: impl ExactSizeIterator<Item = String>) {
        let more = list.len().saturating_sub(LISTED);
        for what in list.take(LISTED) {
            self.entry(&what);
        }
        if more > 0 {
            self.entry(&format!("and {more} more"));
        }
    }

    fn time(&self, at: Millis) -> String {
        at.timestamp().to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    fn alerts(&mut self, story: &Story, alerts: Option<&[Alert]>) {
        let total = story.alerts.len() + story.outside_hours.len();
        if total == 0 {
            self.line("Alerts", "none: the group's newest webhook has nothing for this target any more");
            return;
        }
        let missing = if alerts.is_none() { " (the webhook itself is no longer stored)" } else { "" };
        self.line("Alerts", &format!("{total}{missing}"));
        let described = |fingerprint: &Fingerprint, note: &str| {
            let found =
                alerts.and_then(|alerts| alerts.iter().find(|alert| alert.fingerprint == *fingerprint));
            let fingerprint = clean(&fingerprint.0);
            match found {
                Some(alert) => {
                    format!("{fingerprint} {} {}{note}", self.alert_status(alert), labels(&alert.labels))
                }
                None => format!("{fingerprint}{note}"),
            }
        };
        let mut lines: Vec<String> =
            story.alerts.iter().take(LISTED).map(|alert| described(alert, "")).collect();
        let left = LISTED - lines.len();
        let outside_hours = story.outside_hours.iter().take(left);
        lines.extend(outside_hours.map(|alert| described(alert, ", outside of the target's hours")));
        let more = total - lines.len();
        self.entries(lines.into_iter());
        if more > 0 {
            self.entry(&format!("and {more} more"));
        }
    }

    fn routes(&mut self, routes: Option<&[String]>) {
        match routes {
            None => self.line("Routes", "not recorded: an older version stored it"),
            Some([]) => self.line("Routes", "none: the target is told that what it knew is gone"),
            Some(routes) => {
                self.line("Routes", "as they were when it was accepted");
                self.entries(routes.iter().map(|route| clean(route)));
            }
        }
    }

    /// The routes that want none of the delivery's alerts, and why not. The settings of that day are not stored.
    fn other_routes(&mut self, story: &Story, alerts: &[Alert], receiver: Option<&ReceiverSettings>) {
        let own: BTreeSet<&Fingerprint> = story.alerts.iter().chain(&story.outside_hours).collect();
        let own = alerts.iter().filter(|alert| own.contains(&alert.fingerprint)).take(LISTED);
        let Some(receiver) = receiver else {
            let gone = format!("the receiver `{}` is not in the settings any more", story.received.endpoint);
            return self.line("Not by", &clean(&gone));
        };
        let verdicts: Vec<Vec<RouteVerdict>> =
            own.map(|alert| routes::verdicts(receiver, &alert.labels)).collect();
        let Some(first) = verdicts.first() else { return };
        let is_unmet = |place: &usize| {
            verdicts.iter().all(|verdict| verdict.get(*place).is_some_and(|route| !route.is_match()))
        };
        let others: Vec<String> =
            (0..first.len()).filter(is_unmet).filter_map(|place| Some(verdict(first.get(place)?))).collect();
        if !others.is_empty() {
            self.line("Not by", "by the settings as they are now");
            self.entries(others.into_iter());
        }
    }

    /// What each route says to an alert.
    fn routes_now(&mut self, endpoint: &str, alert: &Alert, receiver: Option<&ReceiverSettings>) {
        let endpoint = clean(endpoint);
        let Some(receiver) = receiver else {
            return self
                .line("Routes", &format!("the receiver `{endpoint}` is not in the settings any more"));
        };
        self.line("Routes", &format!("of receiver `{endpoint}`, by the settings as they are now"));
        self.entries(routes::verdicts(receiver, &alert.labels).iter().map(verdict));
    }

    /// Whether it fires, and since when or until when.
    fn alert_status(&self, alert: &Alert) -> String {
        let at = |at: Timestamp| self.time(Millis::from(at));
        let word = alert.status.as_str();
        match (alert.known_start(), alert.ends_at.filter(|_| alert.status == Status::Resolved)) {
            (Some(start), None) => format!("{word} since {}", at(start)),
            (Some(start), Some(end)) => format!("{word}, it fired from {} to {}", at(start), at(end)),
            (None, Some(end)) => format!("{word} at {}", at(end)),
            (None, None) => word.to_owned(),
        }
    }

    fn message(&mut self, story: &Story) {
        let Some(rendering) = &story.rendering else {
            self.line("Message", "none was sent");
            return;
        };
        let wording = match rendering.wording {
            Wording::Normal => "as usual",
            Wording::Smaller => "in smaller parts",
            Wording::Plain => "as plain text",
            Wording::Bare => "as one bare line",
        };
        let via = if rendering.via == story.target { "" } else { ", by its fallback " };
        let name = if via.is_empty() { "" } else { rendering.via.as_str() };
        let (done, at) = (story.parts_done, self.time(rendering.at));
        if story.recipients.is_empty() {
            let of = rendering.parts;
            self.line(
                "Message",
                &format!("{wording}{via}{name}, as of {at}; {done} of {of} parts delivered"),
            );
            return;
        }
        let of = story.recipients.len();
        self.line(
            "Message",
            &format!("{wording}{via}{name}, as of {at}; {done} of {of} recipients that were tried have it"),
        );
        self.entries(story.recipients.iter().map(|(name, status)| {
            let status = match status {
                RecipientStatus::Accepted => "has it",
                RecipientStatus::Refused => "refused for good",
                RecipientStatus::Deferred => "tried in vain so far",
            };
            format!("{}: {status}", clean(name))
        }));
    }

    fn attempts(&mut self, story: &Story) {
        let total = story.older_attempts.saturating_add(story.attempts.len() as u64);
        let older = match story.older_attempts {
            0 => String::new(),
            older => format!(", of which the {older} oldest are not shown"),
        };
        self.line("Attempts", &format!("{total}{older}"));
        for attempt in &story.attempts {
            let line = self.attempt(attempt);
            self.entry(&line);
        }
    }

    fn attempt(&self, attempt: &Attempt) -> String {
        let mut words = vec![attempt.outcome.clone().unwrap_or_else(|| "under way".to_owned())];
        words.extend(attempt.reason.as_ref().map(|reason| format!("({reason})")));
        words.extend(
            attempt.ended_at.map(|at| format!("after {}", humantime::format_duration(at.since(attempt.at)))),
        );
        let detail = attempt.detail.as_deref().filter(|detail| !detail.is_empty());
        let detail = detail.map_or_else(String::new, |detail| format!(": {}", clean(detail)));
        let pause = attempt
            .pause_until
            .map(|until| format!("; the robot asked for silence until {}", self.time(until)));
        format!(
            "{}  part {} via `{}`: {}{detail}{}",
            self.time(attempt.at),
            attempt.part,
            attempt.via,
            words.join(" "),
            pause.unwrap_or_default()
        )
    }

    fn status(&mut self, status: &DeliveryStatus, duplicate_of: Option<i64>, is_relay_running: bool) {
        match status {
            DeliveryStatus::Ended { end, at, reason, sent_with } => {
                let copy = duplicate_of.map_or_else(String::new, |of| format!(" of notification {of}"));
                let told = if *end == End::Dead { "it would have been told with" } else { "told with" };
                let by = sent_with.as_ref().map_or_else(String::new, |by| format!(" ({told} {by})"));
                let line = format!("{} {}{}{copy}{by}", self.time(*at), end.as_str(), because(*end, reason));
                self.line("Ended", &line);
                // In the words of any version.
                if reason.starts_with("set aside: ") {
                    self.line("To do", TO_DO);
                }
            }
            DeliveryStatus::Pending { next_at, leased_until, is_straggling } => {
                let next = match leased_until {
                    Some(until) => format!("is being sent, or is taken up again after {}", self.time(*until)),
                    None if next_at.0 == 0 => "may be sent at once".to_owned(),
                    None => format!("may be sent from {} on", self.time(*next_at)),
                };
                self.line("Pending", &next);
                if *is_straggling {
                    self.entry("some recipients have the mail; the others are tried again");
                }
                self.entry(if is_relay_running {
                    "what else it may wait for: the target's health (alert_relay_target_up) and its robot's budget (alert_relay_budget_waits_total)"
                } else {
                    "no relay runs with this store now: it is sent after the next start"
                });
            }
        }
    }
}

/// A route, whom it tells, and why it does not take an alert.
fn verdict(verdict: &RouteVerdict) -> String {
    let targets: Vec<String> = verdict.targets.iter().map(|target| format!("`{target}`")).collect();
    clean(&format!("{verdict}, to {}", targets.join(", ")))
}

fn sender(sender: &Sender) -> String {
    if sender.name.is_empty() {
        return "not recorded: the relay itself, or an older version stored it".to_owned();
    }
    let source = sender.source.as_deref().map_or_else(String::new, |source| format!(", source `{source}`"));
    let address = match sender.address.as_str() {
        "" => String::new(),
        address => format!(" at {address}"),
    };
    clean(&format!("{}{address}{source}", sender.name))
}

fn word(status: &DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending { .. } => "pending",
        DeliveryStatus::Ended { end, .. } => end.as_str(),
    }
}

/// Why, unless that is the end's own word once more.
fn because(end: End, reason: &str) -> String {
    if reason == end.as_str() { String::new() } else { format!(": {}", clean(reason)) }
}

fn labels(labels: &LabelSet) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    clean(&format!("{{{}}}", pairs.join(", ")))
}

/// A text from outside on one line, without what a terminal would obey.
fn clean(text: &str) -> String {
    clean::line(text, SHOWN)
}

#[cfg(test)]
mod tests;
