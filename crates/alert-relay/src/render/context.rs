//! The variables of a template, made from a [`Message`] (pure).
//!
//! Owns what a template may say and how long a value may be. The list, for people who write their own template, is in
//! `templates/README.md`. Leaves out words and layout, which are the template's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::context;
use minijinja::value::{Enumerator, Object, Value};

use crate::message::{Language, Message};
use crate::notification::{Alert, LabelSet};
use crate::render::change::Change;
use crate::render::labels::{Distinction, place_label};
use crate::render::{address, change, clean, times};
use crate::severity::Severity;

/// How much of every value is shown. A message too large for its channel is written again in less detail before any alert is
/// left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    /// Characters of a label's value.
    label: usize,
    /// Characters of a summary.
    summary: usize,
    /// Characters of a description.
    description: usize,
    /// Labels shown of one alert.
    labels: usize,
    /// Bytes of a link's address; longer ones are left out, since a cut address leads nowhere. 0 leaves out all.
    address: usize,
    /// One line for every alert, not only for those that are known already.
    is_brief: bool,
}

impl Detail {
    /// From the most to the least. Even the first is bounded: nobody reads a description of a megabyte.
    pub(crate) const LEVELS: [Self; 3] = [
        Self { label: 300, summary: 500, description: 2_000, labels: 40, address: 2_000, is_brief: false },
        Self { label: 100, summary: 200, description: 300, labels: 12, address: 500, is_brief: false },
        Self { label: 40, summary: 60, description: 0, labels: 4, address: 300, is_brief: true },
    ];

    /// The same without any link.
    pub(crate) const fn without_links(self) -> Self {
        Self { address: 0, ..self }
    }
}

/// Alerts listed in one message; a storm's rest is counted. Far above what fits any robot, it bounds the work.
pub(crate) const MAX_ALERTS: usize = 300;

/// Annotations that carry the measured value, by custom of the rules people use.
const VALUE_ANNOTATIONS: [&str; 3] = ["value", "current_value", "current"];

/// Everything a template may use, and how many alerts are not in it.
pub(crate) fn context(message: &Message, language: Language, detail: Detail) -> (Value, usize) {
    let listed = list(message);
    let left_out = listed.len().saturating_sub(MAX_ALERTS);
    let listed = &listed[..listed.len() - left_out];
    let among = Distinction::among(listed.iter().map(|listed| listed.alert));

    let titled = Titled::of(message);
    let focus = || listed.iter().filter(|listed| titled.includes(listed.change));
    let names = distinct(focus().map(|listed| listed.alert.label("alertname")));
    let places = distinct(focus().map(|listed| among.place(listed.alert)));
    // What the title says is not said again.
    let said =
        if places.len() == 1 { focus().next().and_then(|listed| place_label(listed.alert)) } else { None };
    let shared = if listed.len() > 1 { shared_labels(listed) } else { LabelSet::new() };
    let common = among.shown(&shared, said);

    let writer = Writer {
        message,
        language,
        detail,
        among: &among,
        titled,
        common: &common,
        names: names.len(),
        places: places.len(),
    };
    let alerts: Vec<Value> = listed.iter().map(|listed| writer.alert(listed)).collect();
    let of = |change: Change| -> Vec<Value> {
        listed
            .iter()
            .zip(&alerts)
            .filter(|(listed, _)| listed.change == change)
            .map(|(_, value)| value.clone())
            .collect()
    };
    let (new, still) = (of(Change::New), of(Change::Still));
    let (resolved, vanished) = (of(Change::Resolved), of(Change::Vanished));
    let changes = &message.changes;
    let firing = changes.new.iter().chain(&changes.still);
    let severity =
        firing.map(|alert| alert.label("severity")).max_by_key(|word| Severity::of(word)).unwrap_or("");

    let value = context! {
        alerts,
        new,
        still,
        resolved,
        vanished,
        counts => context! {
            new => changes.new.len(),
            still => changes.still.len(),
            resolved => changes.resolved.len(),
            vanished => changes.vanished.len(),
        },
        is_repeat => changes.is_repeat(),
        is_firing => changes.is_firing(),
        lasted => times::longest(listed.iter().map(|listed| listed.alert), message, language),
        icon => change::group_icon(message, severity),
        severity => clean::line(severity, detail.label),
        name => clean::line(&summed(&names), 120),
        place => clean::line(&summed(&places), 80),
        receiver => clean::line(&message.receiver, detail.label),
        group_labels => labels(&message.group_labels, detail),
        common_labels => labels(&message.common_labels, detail),
        common_annotations => annotations(&message.common_annotations, detail),
        common => pairs(&common, detail),
        mentions => message.mentions.iter().map(|person| clean::line(&person.name, 60)).collect::<Vec<_>>(),
        truncated_alerts => message.truncated_alerts,
        snapshots => message.snapshots,
        now => message.now.to_string(),
        told_at => message.now.to_zoned(message.time_zone.clone()).strftime("%m-%d %H:%M").to_string(),
        time_zone => message.time_zone.iana_name().unwrap_or("UTC"),
        delivery => clean::line(&message.delivery, 80),
        links_to => context! {
            group => writer.address(address::group(&message.group_labels, &message.receiver, &message.links.alertmanager)),
            relay => writer.address(message.links.relay.clone()),
        },
    };
    (value, left_out)
}

/// One alert with the reason why it is listed.
struct Listed<'a> {
    alert: &'a Alert,
    change: Change,
}

/// Alerts of each kind that come before the rest of any: in a message of thousands all kinds are seen.
const FIRST_OF_EACH: usize = 20;

/// The alerts in the order of their urgency: what burns before what is over, what is new before what is known; the worst and the oldest
/// first in each. Messages are cut from the end.
fn list(message: &Message) -> Vec<Listed<'_>> {
    let changes = &message.changes;
    let lists = [
        (Change::New, &changes.new),
        (Change::Still, &changes.still),
        (Change::Resolved, &changes.resolved),
        (Change::Vanished, &changes.vanished),
    ];
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (change, alerts) in lists {
        let mut alerts: Vec<&Alert> = alerts.iter().collect();
        alerts
            .sort_by_key(|alert| (std::cmp::Reverse(Severity::of(alert.label("severity"))), alert.starts_at));
        let mut alerts = alerts.into_iter().map(|alert| Listed { alert, change });
        first.extend(alerts.by_ref().take(FIRST_OF_EACH));
        rest.extend(alerts);
    }
    first.extend(rest);
    first
}

/// Which alerts the title names: the new ones; else those that burn and are known; else those that are over.
#[derive(Clone, Copy)]
struct Titled {
    new: bool,
    still: bool,
}

impl Titled {
    fn of(message: &Message) -> Self {
        let changes = &message.changes;
        Self { new: !changes.new.is_empty(), still: !changes.still.is_empty() }
    }

    fn includes(self, change: Change) -> bool {
        match change {
            Change::New => true,
            Change::Still => !self.new,
            Change::Resolved | Change::Vanished => !self.new && !self.still,
        }
    }
}

/// The first of these annotations that says something. Rules may bring a text in several languages (`summary`, `summary_en`):
/// the message's own comes first.
fn annotation<'a>(annotations: &'a LabelSet, names: &[&str], language: Language) -> Option<&'a str> {
    let suffix = match language {
        Language::ZhCn => "zh",
        Language::En => "en",
    };
    names
        .iter()
        .flat_map(|name| [annotations.get(&format!("{name}_{suffix}")), annotations.get(name)])
        .flatten()
        .find(|text| !text.trim().is_empty())
}

/// What all alerts of one message share while they are written.
struct Writer<'a> {
    message: &'a Message,
    language: Language,
    detail: Detail,
    among: &'a Distinction,
    titled: Titled,
    /// Labels the header shows once for all.
    common: &'a [(&'a str, &'a str)],
    /// How many alert names and places the message has: a single one is in the title and not repeated.
    names: usize,
    places: usize,
}

impl Writer<'_> {
    fn alert(&self, listed: &Listed<'_>) -> Value {
        let Listed { alert, change } = *listed;
        let (message, detail) = (self.message, self.detail);
        let annotation = |names: &[&str]| annotation(&alert.annotations, names, self.language);
        let summary = annotation(&["summary", "message", "title"])
            .map_or(String::new(), |text| clean::line(text, detail.summary));
        let description =
            annotation(&["description"]).map_or(String::new(), |text| clean::text(text, detail.description));
        let value = annotation(&VALUE_ANNOTATIONS)
            .map(|value| clean::line(value, detail.label))
            .filter(|value| !says(&summary, value) && !says(&description, value));
        let own = self.among.shown(&alert.labels, place_label(alert));
        let own: Vec<_> = own.into_iter().filter(|pair| !self.common.contains(pair)).collect();
        context! {
            change => change.as_str(),
            status => alert.status.as_str(),
            is_brief => detail.is_brief || (change == Change::Still && !message.changes.is_repeat()),
            name => clean::line(alert.label("alertname"), detail.label),
            place => clean::line(self.among.place(alert), detail.label),
            headline => self.headline(alert, change),
            severity => clean::line(alert.label("severity"), detail.label),
            icon => change.icon(alert.label("severity")),
            color => change.color(alert.label("severity")),
            description => if description == summary { String::new() } else { description },
            summary,
            value => value.unwrap_or_default(),
            since => times::since(alert, message, self.language),
            until => times::until(alert, message, self.language),
            lasted => times::lasted(alert, message, self.language),
            flapped => times::flapped(alert, message, self.language),
            starts_at => alert.starts_at.to_string(),
            ends_at => alert.ends_at.map_or(String::new(), |at| at.to_string()),
            labels => labels(&alert.labels, detail),
            annotations => annotations(&alert.annotations, detail),
            details => pairs(&own, detail),
            fingerprint => &alert.fingerprint.0,
            links => context! {
                graph => self.address(address::graph(&alert.generator_url, &message.links.prometheus)),
                silence => self.address(address::silence(alert, &message.links.alertmanager)),
                runbook => self.address(annotation(&["runbook_url", "runbook"]).unwrap_or_default().to_owned()),
                dashboard => self.address(annotation(&["dashboard_url", "dashboard"]).unwrap_or_default().to_owned()),
            },
        }
    }

    /// What distinguishes this alert from the others of the message: the name and the place, unless the title says them for all.
    fn headline(&self, alert: &Alert, change: Change) -> String {
        let is_apart = !self.titled.includes(change);
        let name = if self.names > 1 || is_apart { alert.label("alertname") } else { "" };
        let place = if self.places > 1 || is_apart { self.among.place(alert) } else { "" };
        let text = match (name.is_empty(), place.is_empty()) {
            (false, false) => format!("{name} @ {place}"),
            (true, false) => place.to_owned(),
            _ => name.to_owned(),
        };
        clean::line(&text, self.detail.label)
    }

    fn address(&self, address: String) -> String {
        if address.len() > self.detail.address { String::new() } else { address }
    }
}

/// Whether a text has the value in it already. A digit or two may stand for anything: `GPU 3` does not say that 3 °C were
/// measured.
fn says(text: &str, value: &str) -> bool {
    value.len() > 2 && text.contains(value)
}

/// Labels equal in every alert listed. Not Alertmanager's `commonLabels`: those know nothing of alerts that are gone.
fn shared_labels(listed: &[Listed<'_>]) -> LabelSet {
    let Some((first, rest)) = listed.split_first() else { return LabelSet::new() };
    let is_shared =
        |name: &str, value: &str| rest.iter().all(|listed| listed.alert.labels.get(name) == Some(value));
    first.alert.labels.iter().filter(|(name, value)| is_shared(name, value)).collect()
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    values.filter(|value| !value.is_empty() && seen.insert(*value)).collect()
}

/// `a`, `a, b, c` or `a, b +3`.
fn summed(values: &[&str]) -> String {
    match values {
        [first, second, rest @ ..] if rest.len() > 1 => format!("{first}, {second} +{}", rest.len()),
        all => all.join(", "),
    }
}

fn pairs(shown: &[(&str, &str)], detail: Detail) -> Vec<Value> {
    let line = |(name, value): &(&str, &str)| {
        context! {
            name => clean::line(name, detail.label),
            value => clean::line(value, detail.label),
        }
    };
    shown.iter().take(detail.labels).map(line).collect()
}

fn labels(set: &LabelSet, detail: Detail) -> Value {
    TextMap::value(
        set.iter().map(|(name, value)| (clean::line(name, detail.label), clean::line(value, detail.label))),
    )
}

fn annotations(set: &LabelSet, detail: Detail) -> Value {
    TextMap::value(set.iter().map(|(name, value)| {
        (clean::line(name, detail.label), clean::text(value, detail.description.max(detail.summary)))
    }))
}

/// A map whose missing keys are empty strings, as in Alertmanager's own templates: `{{ alert.labels.pod }}` is right for an
/// alert without a pod, while a misspelt variable of ours stays an error.
struct TextMap(BTreeMap<String, Value>);

impl TextMap {
    fn value(pairs: impl Iterator<Item = (String, String)>) -> Value {
        Value::from_object(Self(pairs.map(|(name, text)| (name, Value::from(text))).collect()))
    }
}

impl fmt::Debug for TextMap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Object for TextMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.0.get(key.as_str()?).cloned().unwrap_or_else(|| Value::from("")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(Value::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_in_the_language_of_the_message_comes_first() {
        let check = |annotations: &[(&str, &str)], language, expected: Option<&str>| {
            let annotations =
                annotations.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            let found = annotation(&annotations, &["summary", "message"], language);
            assert_eq!(found, expected);
        };
        let both = [("summary", "显存已满"), ("summary_en", "memory full")];
        check(&both, Language::En, Some("memory full"));
        check(&both, Language::ZhCn, Some("显存已满"));
        check(&[("summary", "x"), ("summary_en", " ")], Language::En, Some("x"));
        check(&[("message", "y"), ("summary_zh", "")], Language::ZhCn, Some("y"));
        check(&[], Language::En, None);
    }

    #[test]
    fn many_values_are_summed_up() {
        assert_eq!(summed(&[]), "");
        assert_eq!(summed(&["a"]), "a");
        assert_eq!(summed(&["a", "b", "c"]), "a, b, c");
        assert_eq!(summed(&["a", "b", "c", "d"]), "a, b +2");
    }
}
