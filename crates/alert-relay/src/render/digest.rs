//! The words of a digest: many groups in one message, each alert named by what it is about as far as there is room (pure).
//!
//! Alerts of one name, severity and kind of change are one line: how many, and where. What does not fit is a number, never silence. A
//! target's own template is made for one group and has no part in it.

use std::collections::BTreeMap;

use crate::message::{Changes, Digest, Language, Message};
use crate::notification::Alert;
use crate::render::change::{self, Change};
use crate::render::digest::runs::{Run, runs};
use crate::render::labels::Distinction;
use crate::render::markup::Markup;
use crate::render::{Draft, address, clean, one_line, times, words};
use crate::severity::Severity;

mod runs;

/// How much is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Places of one line.
    places: usize,
    /// Lines; the alerts of the others are one number.
    lines: usize,
}

impl Listing {
    /// From the most to the least: names are shortened evenly before any line is left out.
    pub(crate) const LEVELS: [Self; 19] = {
        const fn level(places: usize, lines: usize) -> Listing {
            Listing { places, lines }
        }
        [
            level(2_000, 200),
            level(1_400, 200),
            level(1_000, 200),
            level(700, 200),
            level(500, 200),
            level(350, 200),
            level(250, 200),
            level(175, 200),
            level(120, 200),
            level(80, 200),
            level(50, 200),
            level(30, 200),
            level(20, 200),
            level(10, 200),
            level(5, 200),
            level(3, 100),
            level(2, 40),
            level(1, 10),
            level(0, 4),
        ]
    };

    /// No listing has more.
    const MOST_LINES: usize = Self::LEVELS[0].lines;

    /// Critical alerts are listed further than others.
    fn places_of(self, severity: Severity) -> usize {
        if severity == Severity::Critical { self.places.saturating_mul(4) } else { self.places }
    }
}

/// Characters of an alert's name, and of a place.
const NAME: usize = 80;

/// Alerts of one name and severity that have changed in the same way.
struct Line<'a> {
    change: Change,
    name: &'a str,
    severity: &'a str,
    alerts: Vec<&'a Alert>,
}

/// A line with its words, but for the places: how many of those are listed is not known yet.
struct Worded {
    head: String,
    severity: Severity,
    alerts: usize,
    /// Alerts without a place.
    nowhere: usize,
    places: Vec<Run>,
}

/// What a message about many groups tells. Counted, put in order and worded once: it may have thousands of alerts, and is written with less
/// and less of it listed until it fits.
pub(crate) struct Told<'a> {
    message: &'a Message,
    digest: Digest,
    markup: Markup,
    language: Language,
    title: String,
    /// In all lines.
    alerts: usize,
    /// The lines that may be listed.
    lines: Vec<Worded>,
    /// How many alerts each of the others has.
    others: Vec<usize>,
}

impl<'a> Told<'a> {
    pub(super) fn of(message: &'a Message, digest: Digest, markup: Markup, language: Language) -> Self {
        let mut lines = lines(&message.changes);
        let among = Distinction::among(lines.iter().flat_map(|line| &line.alerts).copied());
        let title = one_line(&title(message, &lines, digest, language));
        let alerts = lines.iter().map(|line| line.alerts.len()).sum();
        let others = lines.split_off(lines.len().min(Listing::MOST_LINES));
        let writer = Writer { message, among: &among, language };
        Self {
            message,
            digest,
            markup,
            language,
            title,
            alerts,
            lines: lines.iter().map(|line| writer.line(line)).collect(),
            others: others.iter().map(|line| line.alerts.len()).collect(),
        }
    }

    /// With so much of it listed.
    pub(crate) fn draft(&self, listing: Listing) -> Draft {
        let Self { message, digest, markup, language, .. } = *self;
        let (listed, rest) = self.lines.split_at(self.lines.len().min(listing.lines));
        let mut blocks: Vec<String> = listed.iter().map(|line| self.block(line, listing)).collect();
        let rest: Vec<usize> =
            rest.iter().map(|line| line.alerts).chain(self.others.iter().copied()).collect();
        if !rest.is_empty() {
            blocks.push(markup.remark(&markup.escape(&others(rest.iter().sum(), rest.len(), language))));
        }
        let see_all = address::group(&message.group_labels, &message.receiver, &message.links.alertmanager);
        let see_all = if see_all.is_empty() { message.links.relay.clone() } else { see_all };
        let told_at = message.now.to_zoned(message.time_zone.clone()).strftime("%m-%d %H:%M").to_string();
        let zone = message.time_zone.iana_name().unwrap_or("UTC");
        let delivery = clean::line(&message.delivery, NAME);
        let name = markup.remark(&markup.escape(&format!("{told_at} {zone} · {delivery}")));
        let footer = [markup.link(words::see_all(language), &see_all), name];
        Draft {
            title: self.title.clone(),
            banner: message.banner.clone(),
            header: markup.remark(&markup.escape(&why(message, self.alerts, digest, language))),
            blocks,
            footer: footer.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n"),
            left_out: 0,
            see_all,
        }
    }

    fn block(&self, line: &Worded, listing: Listing) -> String {
        let mut told = line.nowhere;
        let mut listed = Vec::new();
        for Run { first, last, places, alerts } in line.places.iter().take(listing.places_of(line.severity)) {
            told += alerts;
            listed.push(match (*places, *alerts) {
                (1, 1) => first.clone(),
                (1, _) => format!("{first} ×{alerts}"),
                _ => format!("{first}–{last}"),
            });
        }
        let more = line.alerts - told;
        if more > 0 {
            listed.push(words::left_out(more, self.language));
        }
        let (colon, comma) = words::list_marks(self.language);
        let colon = if listed.is_empty() { "" } else { colon };
        self.markup.escape(&format!("{}{colon}{}", line.head, listed.join(comma)))
    }
}

/// What burns before what is over, the worst and the most first.
fn lines(changes: &Changes) -> Vec<Line<'_>> {
    let lists = [
        (Change::New, &changes.new),
        (Change::Still, &changes.still),
        (Change::Resolved, &changes.resolved),
        (Change::Vanished, &changes.vanished),
    ];
    let mut all = Vec::new();
    for (change, alerts) in lists {
        let mut lines: BTreeMap<(&str, &str), Vec<&Alert>> = BTreeMap::new();
        for alert in alerts {
            lines.entry((alert.label("alertname"), alert.label("severity"))).or_default().push(alert);
        }
        let mut lines: Vec<Line<'_>> = lines
            .into_iter()
            .map(|((name, severity), alerts)| Line { change, name, severity, alerts })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse((Severity::of(line.severity), line.alerts.len())));
        all.extend(lines);
    }
    // Critical ones that are known come after those that are not, and before all else.
    all.sort_by_key(|line| match (line.change, Severity::of(line.severity)) {
        (Change::New, Severity::Critical) => 0,
        (Change::Still, Severity::Critical) => 1,
        (Change::New, _) => 2,
        (Change::Resolved | Change::Vanished, _) => 3,
        (Change::Still, _) => 4,
    });
    all
}

struct Writer<'a> {
    message: &'a Message,
    among: &'a Distinction,
    language: Language,
}

impl Writer<'_> {
    fn line(&self, line: &Line<'_>) -> Worded {
        let Self { message, language, .. } = self;
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for alert in &line.alerts {
            *places.entry(self.place(alert)).or_default() += 1;
        }
        let nowhere = places.remove("").unwrap_or(0);
        let since = line.alerts.iter().filter_map(|alert| alert.known_start()).min();
        let since = since.map(|at| words::moment(at, message.now, &message.time_zone));
        let name = match clean::line(line.name, NAME) {
            name if name.is_empty() => words::nameless(*language).to_owned(),
            name => name,
        };
        let severity = words::severity(&clean::line(line.severity, NAME), *language);
        let head = words::digest_line(line.change, &name, &severity, line.alerts.len(), since, *language);
        Worded {
            head: format!("{} {head}", line.change.icon(line.severity)),
            severity: Severity::of(line.severity),
            alerts: line.alerts.len(),
            nowhere,
            places: runs(places),
        }
    }

    /// Where the alert is, and how often it began to fire if that was more than once.
    fn place(&self, alert: &Alert) -> String {
        let place = clean::line(self.among.place(alert), NAME);
        let flapped = times::flapped(alert, self.message, self.language);
        match (flapped.is_empty(), self.language) {
            (true, _) => place,
            (false, Language::ZhCn) => format!("{place}（{flapped}）"),
            (false, Language::En) => format!("{place} ({flapped})"),
        }
    }
}

fn title(message: &Message, lines: &[Line<'_>], digest: Digest, language: Language) -> String {
    let changes = &message.changes;
    let is_critical = |line: &&Line<'_>| Severity::of(line.severity) == Severity::Critical;
    let critical: usize = lines
        .iter()
        .filter(|line| matches!(line.change, Change::New | Change::Still))
        .filter(is_critical)
        .map(|line| line.alerts.len())
        .sum();
    let worst = if critical > 0 { "critical" } else { lines.first().map_or("", |line| line.severity) };
    let icon = change::group_icon(message, worst);
    let counts = [changes.new.len(), changes.still.len(), changes.resolved.len(), changes.vanished.len()];
    format!("{icon} {}", words::digest_title(counts, critical, digest.groups, language))
}

/// Why this is one message.
fn why(message: &Message, alerts: usize, digest: Digest, language: Language) -> String {
    let since = words::moment(digest.since, message.now, &message.time_zone);
    let mut text = words::digest_reason(alerts, digest.groups, &since, language);
    if message.truncated_alerts > 0 {
        text.push_str(&words::truncated(message.truncated_alerts, language));
    }
    text
}

fn others(alerts: usize, lines: usize, language: Language) -> String {
    match language {
        Language::ZhCn => format!("…另有 {lines} 类共 {alerts} 条未列出"),
        Language::En => format!("…and {alerts} more alerts of {lines} other kinds"),
    }
}

#[cfg(test)]
mod tests;
