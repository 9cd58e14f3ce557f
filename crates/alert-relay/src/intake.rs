//! Alertmanager's webhook, version "4": the one place that knows its JSON.
//!
//! Owns reading it (and writing it, for what the relay itself has to say), and how much of it is read. Leaves out what to do with it.
//! Fields nobody here knows are let through, since new versions of Alertmanager add some. The format:
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::notification::{Alert, Fingerprint, GroupKey, LabelSet, Notification, Status};

/// Reads one webhook's body. Never panics, whatever the bytes are.
pub(crate) fn parse(body: &[u8]) -> Result<Notification, IntakeError> {
    let body: Body = serde_json::from_slice(body).map_err(|error| refusal(body, &error))?;
    if body.alerts.kept.is_empty() {
        return Err(IntakeError::NoAlerts);
    }
    Ok(body.into_notification())
}

/// Alerts that are read of one webhook. Twice what a large cluster brings in one group; what is beyond is counted, as Alertmanager
/// counts what its own `max_alerts` cuts off.
pub(crate) const MOST_ALERTS: usize = 20_000;

/// The body that [`parse`] reads back as `notification`.
pub(crate) fn write(notification: &Notification) -> Bytes {
    let any_firing = notification.alerts.iter().any(|alert| alert.status == Status::Firing);
    let status = if any_firing { Status::Firing } else { Status::Resolved };
    let alerts: Vec<_> = notification
        .alerts
        .iter()
        .map(|alert| {
            serde_json::json!({
                "status": alert.status.as_str(),
                "labels": alert.labels,
                "annotations": alert.annotations,
                "startsAt": alert.starts_at.to_string(),
                "endsAt": alert.ends_at.map_or_else(|| ZERO_TIME.to_owned(), |at| at.to_string()),
                "generatorURL": alert.generator_url,
                "fingerprint": alert.fingerprint.0,
            })
        })
        .collect();
    let body = serde_json::json!({
        "version": "4",
        "receiver": escape(&notification.receiver),
        "status": status.as_str(),
        "alerts": alerts,
        "groupLabels": notification.group_labels,
        "commonLabels": notification.common_labels,
        "commonAnnotations": notification.common_annotations,
        "externalURL": notification.external_url,
        "groupKey": notification.group_key.0,
        "truncatedAlerts": notification.truncated_alerts,
    });
    Bytes::from(body.to_string())
}

/// Why a body can never be accepted: the reason in a 400. A message names the place, and shows no more than a line of what
/// stood there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IntakeError {
    /// Nothing at all.
    #[error("the body is empty (hint: POST what Alertmanager's webhook_config sends)")]
    Empty,
    /// Not JSON, or cut off.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// What Prometheus itself posts to `/api/v2/alerts`.
    #[error(
        "the body is a JSON array: this looks like Prometheus pointed straight at the relay \
         (hint: point Prometheus at Alertmanager, and Alertmanager's webhook_config here)"
    )]
    Array,
    /// What a robot of DingTalk or WeCom is sent.
    #[error(
        "the body is a message for a robot (it has `msgtype`): this address takes Alertmanager's webhook and writes the message itself \
         (hint: post the message to the robot, or let Alertmanager's webhook_config post here)"
    )]
    RobotMessage,
    /// JSON of another shape.
    #[error(
        "the body is not as in Alertmanager's webhook, version 4: {place}: {message} \
         (hint: remove `payload` from the webhook_config)"
    )]
    Shape {
        /// Where in the document, as "at `alerts[0].labels.job`".
        place: String,
        /// What was expected there.
        message: String,
    },
    /// An empty list of alerts.
    #[error("`alerts` is empty: there is nothing to tell")]
    NoAlerts,
}

/// Only after a failure, so that the common way pays nothing for it: reads the body again to say where it went wrong.
fn refusal(body: &[u8], error: &serde_json::Error) -> IntakeError {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_none() {
        return IntakeError::Empty;
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return IntakeError::NotJson(one_line(&error.to_string()));
    }
    if first == Some(&b'[') {
        return IntakeError::Array;
    }
    if serde_json::from_slice::<RobotMessage>(body).is_ok() {
        return IntakeError::RobotMessage;
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let located = serde_path_to_error::deserialize::<_, Body>(&mut reader).err();
    let path = located.as_ref().map_or_else(String::new, |located| located.path().to_string());
    let message = one_line(&error.to_string());
    match error.classify() {
        Category::Data if path == "." => IntakeError::Shape { place: "at the top".to_owned(), message },
        Category::Data => IntakeError::Shape { place: format!("at `{path}`"), message },
        // Invalid UTF-8 inside of a string, which `IgnoredAny` skips.
        _ => IntakeError::NotJson(message),
    }
}

/// What every robot's body has, and no webhook of Alertmanager.
#[derive(Debug, Deserialize)]
struct RobotMessage {
    #[serde(rename = "msgtype")]
    _msgtype: String,
}

/// A message may quote what it found, which may be megabytes.
fn one_line(message: &str) -> String {
    const MOST: usize = 200;
    let mut line: String = message
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(MOST)
        .collect();
    if message.chars().count() > MOST {
        line.push('…');
    }
    line
}

/// Go's zero time: "not yet".
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with `alerts`")]
struct Body {
    #[serde(default)]
    receiver: String,
    /// Absent only in bodies written by hand or by a script.
    group_key: Option<String>,
    #[serde(default, deserialize_with = "null_as_empty")]
    group_labels: LabelSet,
    #[serde(default, deserialize_with = "null_as_empty")]
    common_labels: LabelSet,
    #[serde(default, deserialize_with = "null_as_empty")]
    common_annotations: LabelSet,
    #[serde(default, rename = "externalURL")]
    external_url: String,
    #[serde(default)]
    truncated_alerts: u64,
    #[serde(default, rename = "notification_reason")]
    notification_reason: String,
    alerts: BodyAlerts,
}

/// The alerts as far as they are read, each turned into ours as it comes, so that a large body is in memory twice and not three times.
#[derive(Debug, Default)]
struct BodyAlerts {
    kept: Vec<Alert>,
    /// Where those stand that are over.
    over: Vec<usize>,
    left_out: u64,
}

impl BodyAlerts {
    /// What fires takes the place of what is over.
    fn add(&mut self, alert: Alert, most: usize) {
        if self.kept.len() < most {
            if alert.status == Status::Resolved {
                self.over.push(self.kept.len());
            }
            self.kept.push(alert);
            return;
        }
        self.left_out += 1;
        if alert.status == Status::Firing
            && let Some(place) = self.over.pop().and_then(|place| self.kept.get_mut(place))
        {
            *place = alert;
        }
    }
}

impl<'de> Deserialize<'de> for BodyAlerts {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = BodyAlerts;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BodyAlerts, A::Error> {
                let mut alerts = BodyAlerts::default();
                while let Some(alert) = list.next_element::<BodyAlert>()? {
                    alerts.add(alert.into_alert(), MOST_ALERTS);
                }
                Ok(alerts)
            }
        }
        value.deserialize_seq(List)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an alert: an object with `status`, `labels` and `startsAt`")]
struct BodyAlert {
    #[serde(deserialize_with = "status")]
    status: Status,
    labels: LabelSet,
    #[serde(default, deserialize_with = "null_as_empty")]
    annotations: LabelSet,
    #[serde(deserialize_with = "time")]
    starts_at: Timestamp,
    #[serde(default, deserialize_with = "optional_time")]
    ends_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    #[serde(default)]
    fingerprint: String,
}

impl Body {
    fn into_notification(self) -> Notification {
        let BodyAlerts { kept, left_out, .. } = self.alerts;
        let alerts = distinct(kept);
        let group_key = self.group_key.filter(|key| !key.is_empty()).unwrap_or_else(|| {
            // Alertmanager's own form for a group of the root route.
            format!("{{}}:{:?}", self.group_labels)
        });
        Notification {
            receiver: unescape(&self.receiver),
            group_key: GroupKey(group_key),
            group_labels: self.group_labels,
            common_labels: self.common_labels,
            common_annotations: self.common_annotations,
            external_url: self.external_url,
            truncated_alerts: self.truncated_alerts.saturating_add(left_out),
            is_declared_repeat: self.notification_reason == "repeat interval elapsed",
            alerts,
        }
    }
}

/// One alert is one thing. Two with the same labels are one: that it fires is what counts. Two with the same fingerprint and other labels
/// are two, of a sender that makes its fingerprints in some way of its own: the second gets one of ours.
fn distinct(alerts: Vec<Alert>) -> Vec<Alert> {
    let mut places: HashMap<Fingerprint, usize> = HashMap::with_capacity(alerts.len());
    let mut distinct: Vec<Alert> = Vec::with_capacity(alerts.len());
    for mut alert in alerts {
        let is_same = |place: &usize, alert: &Alert| distinct[*place].labels == alert.labels;
        if places.get(&alert.fingerprint).is_some_and(|place| !is_same(place, &alert)) {
            alert.fingerprint = fingerprint(&alert.labels);
        }
        match places.get(&alert.fingerprint) {
            None => {
                places.insert(alert.fingerprint.clone(), distinct.len());
                distinct.push(alert);
            }
            Some(place) if alert.status == Status::Firing && distinct[*place].status == Status::Resolved => {
                distinct[*place] = alert;
            }
            Some(_) => {}
        }
    }
    distinct
}

/// Bytes of a fingerprint from outside; Alertmanager's have 16. It is stored with every delivery.
const MOST_FINGERPRINT_BYTES: usize = 64;

impl BodyAlert {
    fn into_alert(self) -> Alert {
        let is_usable = !self.fingerprint.is_empty() && self.fingerprint.len() <= MOST_FINGERPRINT_BYTES;
        let fingerprint = if is_usable { Fingerprint(self.fingerprint) } else { fingerprint(&self.labels) };
        Alert {
            status: self.status,
            // While it fires an end is a guess about the future at best.
            ends_at: self.ends_at.filter(|_| self.status == Status::Resolved),
            labels: self.labels,
            annotations: self.annotations,
            starts_at: self.starts_at,
            generator_url: self.generator_url,
            fingerprint,
        }
    }
}

/// Prometheus' own hash of a label set (FNV-1a over names and values, each followed by 0xff), for bodies that lack it.
pub(crate) fn fingerprint(labels: &LabelSet) -> Fingerprint {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = labels
        .iter()
        .flat_map(|(name, value)| [name, value])
        .flat_map(|text| text.bytes().chain([0xff]))
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    Fingerprint(format!("{hash:016x}"))
}

/// Alertmanager sends the receiver's name as a regular expression that matches it: `ops\.team`.
fn unescape(receiver: &str) -> String {
    let mut name = String::with_capacity(receiver.len());
    let mut characters = receiver.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.extend(characters.next()),
            other => name.push(other),
        }
    }
    name
}

/// As Go's `regexp.QuoteMeta` does.
fn escape(receiver: &str) -> String {
    receiver.chars().fold(String::with_capacity(receiver.len()), |mut escaped, character| {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    })
}

fn null_as_empty<'de, D: Deserializer<'de>>(value: D) -> Result<LabelSet, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

fn status<'de, D: Deserializer<'de>>(value: D) -> Result<Status, D::Error> {
    match String::deserialize(value)?.as_str() {
        "firing" => Ok(Status::Firing),
        "resolved" => Ok(Status::Resolved),
        other => Err(D::Error::unknown_variant(other, &["firing", "resolved"])),
    }
}

fn time<'de, D: Deserializer<'de>>(value: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(value)?;
    text.parse().map_err(|_| {
        D::Error::invalid_value(serde::de::Unexpected::Str(&text), &"a time such as 2026-08-22T01:02:03Z")
    })
}

fn optional_time<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(value)? else { return Ok(None) };
    if text.is_empty() || text == ZERO_TIME {
        return Ok(None);
    }
    time(serde::de::value::StringDeserializer::new(text)).map(Some)
}

#[cfg(test)]
mod tests;
