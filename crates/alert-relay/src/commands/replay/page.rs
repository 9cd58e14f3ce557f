//! The outcome of a replay as text for a terminal, or as JSON (pure).

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use crate::clock::Millis;
use crate::render::clean;
use crate::replay::{Load, ReceiverChange, Report, RoutingChange, TargetChange};

/// Changes of the routing that are shown; the JSON has more.
const ROUTING: usize = 50;

/// Characters of a text from outside that are shown.
const SHOWN: usize = 400;

/// One object.
pub(super) fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&serde_json::json!({ "is_changed": report.is_changed(), "report": report }))
}

/// A page.
pub(super) fn of(report: &Report, zone: &TimeZone) -> String {
    let mut page = Page { text: String::new(), zone };
    page.head(report);
    page.receivers(report);
    page.routing(report);
    page.targets(report);
    page.texts(report);
    let verdict =
        if report.is_changed() { "something would be different" } else { "nothing would be different" };
    page.line("Verdict", verdict);
    page.text
}

struct Page<'z> {
    text: String,
    zone: &'z TimeZone,
}

impl Page<'_> {
    fn line(&mut self, name: &str, what: &str) {
        writeln!(self.text, "{name:<9} {what}").expect("a String takes every write");
    }

    fn entry(&mut self, what: &str) {
        self.line("", what);
    }

    fn time(&self, at: Millis) -> String {
        at.timestamp().to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    fn head(&mut self, report: &Report) {
        let read = &report.read;
        let span = match (read.from, read.until) {
            (Some(from), Some(until)) => {
                format!(", accepted from {} to {}", self.time(from), self.time(until))
            }
            _ => String::new(),
        };
        self.line("Replayed", &format!("{} webhooks with {} alerts{span}", read.webhooks, read.alerts));
        if read.older > 0 {
            self.entry(&format!("{} older webhooks of the span are left out (hint: --most)", read.older));
        }
        if read.unreadable > 0 {
            self.entry(&format!(
                "{} webhooks cannot be read by this version and are left out",
                read.unreadable
            ));
        }
        if report.forgotten > 0 {
            let forgotten = report.forgotten;
            self.entry(&format!(
                "{forgotten} groups were forgotten on the way: their alerts count as new once more"
            ));
        }
        self.line("Compared", if report.is_recorded {
            "with where the store says that the alerts went (hint: --current FILE compares with other settings, and texts too)"
        } else {
            "with the settings of --current"
        });
    }

    fn receivers(&mut self, report: &Report) {
        for (place, (name, change)) in report.receivers.iter().enumerate() {
            let ReceiverChange { is_lost, webhooks, alerts } = change;
            let what = if *is_lost { "is gone: refused would be" } else { "is new: accepted would be" };
            let title = if place == 0 { "Receivers" } else { "" };
            self.line(title, &format!("`{}` {what} {webhooks} webhooks with {alerts} alerts", clean(name)));
        }
    }

    fn routing(&mut self, report: &Report) {
        if report.routing.is_empty() {
            return self.line("Routing", "every alert goes where it went");
        }
        self.line("Routing", "- before, + after");
        for change in report.routing.iter().take(ROUTING) {
            let RoutingChange { receiver, alert, before, after, alerts, example, why } = change;
            let name = if alert.is_empty() { "an alert without a name" } else { alert };
            let times = if *alerts == 1 { "once" } else { &format!("{alerts} times") };
            self.entry(&format!(
                "{} of `{}`, {times}; for one: {}",
                clean(name),
                clean(receiver),
                clean(example)
            ));
            self.entry(&format!("- {}", destinations(before)));
            self.entry(&format!("+ {}", destinations(after)));
            for why in why {
                self.entry(&format!("  {}", clean(why)));
            }
        }
        let more = report.routing.len().saturating_sub(ROUTING);
        if more > 0 || report.routing_more > 0 {
            let alerts = report.routing_more;
            self.entry(&format!("and {more} more such changes, and {alerts} alerts beyond those that are listed (hint: --format json)"));
        }
    }

    fn targets(&mut self, report: &Report) {
        let changed: Vec<&TargetChange> =
            report.targets.iter().filter(|target| target.is_changed()).collect();
        if changed.is_empty() {
            return self.line("Targets", "each would be sent as much as before");
        }
        self.line("Targets", "- before, + after; sent at once, without waiting and merging");
        for TargetChange { target, before, after } in changed {
            self.entry(&clean(target));
            self.entry(&format!("- {}", load(before)));
            self.entry(&format!("+ {}", load(after)));
        }
    }

    fn texts(&mut self, report: &Report) {
        if report.texts_changed.is_empty() {
            return;
        }
        let counts =
            report.texts_changed.iter().map(|(target, count)| format!("{count} for {}", clean(target)));
        self.line("Texts", &format!("other ones: {}", counts.collect::<Vec<_>>().join(", ")));
        for text in &report.texts {
            let at = self.time(text.at);
            self.entry(&format!("{}, notification {} of {at}", clean(&text.target), text.notification));
            for line in text.diff.lines() {
                // The first character says what the line is.
                let readable: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
                self.entry(&format!("  {readable}"));
            }
        }
    }
}

fn destinations(targets: &[String]) -> String {
    if targets.is_empty() { "nobody".to_owned() } else { targets.join(", ") }
}

fn load(load: &Load) -> String {
    let Load { messages, parts, cut, most_in_window, budget } = load;
    let Some(budget) = budget else {
        return format!("{messages} messages; the settings have no such target");
    };
    let cut = if *cut > 0 { format!(", {cut} of them cut") } else { String::new() };
    let window = budget.split_once('/').map_or("", |(_, window)| window);
    let sends: u64 = budget.split_once('/').and_then(|(sends, _)| sends.parse().ok()).unwrap_or(u64::MAX);
    let beyond =
        if *most_in_window > sends { ", more than it allows: the rest would wait or merge" } else { "" };
    format!(
        "{messages} messages{cut}, {parts} sends, at most {most_in_window} in {window} (budget {budget}{beyond})"
    )
}

/// A text from outside on one line, without what a terminal would obey.
fn clean(text: &str) -> String {
    clean::line(text, SHOWN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::replay::{Read, TextChange};

    fn report() -> Report {
        let load = |messages, budget: Option<&str>| Load {
            messages,
            parts: 2 * messages,
            cut: messages / 5,
            most_in_window: messages,
            budget: budget.map(str::to_owned),
        };
        let change = |alert: &str, after: &[&str], why: &[&str]| RoutingChange {
            receiver: "ops".to_owned(),
            alert: alert.to_owned(),
            before: vec!["chat".to_owned(), "mail (outside its hours)".to_owned()],
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            alerts: 1 + alert.len() as u64,
            example: "{alertname=\"\u{1b}[31mGpuHot\"}".to_owned(),
            why: why.iter().map(|why| (*why).to_owned()).collect(),
        };
        Report {
            read: Read {
                webhooks: 9,
                alerts: 20,
                from: Some(Millis(0)),
                until: Some(Millis(3_600_000)),
                older: 3,
                unreadable: 1,
            },
            is_recorded: false,
            receivers: BTreeMap::from([
                ("net".to_owned(), ReceiverChange { is_lost: true, webhooks: 2, alerts: 4 }),
                ("new".to_owned(), ReceiverChange { is_lost: false, webhooks: 1, alerts: 1 }),
            ]),
            routing: vec![
                change("GpuHot", &["net"], &[]),
                change("", &[], &["routes[0] {a=\"b\"}: not a=\"b\" (the alert has \"c\")"]),
            ],
            routing_more: 7,
            targets: vec![
                TargetChange {
                    target: "chat".to_owned(),
                    before: load(5, Some("18/1m")),
                    after: load(20, Some("18/1m")),
                },
                TargetChange {
                    target: "mail".to_owned(),
                    before: load(1, None),
                    after: load(0, Some("60/1m")),
                },
                TargetChange {
                    target: "same".to_owned(),
                    before: load(1, Some("60/1m")),
                    after: load(1, Some("60/1m")),
                },
            ],
            texts_changed: BTreeMap::from([("chat".to_owned(), 4)]),
            texts: vec![TextChange {
                target: "chat".to_owned(),
                notification: 17,
                at: Millis(0),
                diff: "@@ -1 +1 @@\n-\u{1b}old\n+new".to_owned(),
            }],
            forgotten: 2,
        }
    }

    #[test]
    fn what_changes_is_a_page_and_what_does_not_is_a_few_lines() {
        let same = Report {
            read: Read { webhooks: 2, alerts: 3, ..Read::default() },
            is_recorded: true,
            ..Report::default()
        };
        insta::assert_snapshot!([of(&report(), &TimeZone::UTC), of(&same, &TimeZone::UTC)].join("\n"));
    }

    #[test]
    fn programs_get_all_of_it() {
        let value: serde_json::Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
        assert_eq!(
            (&value["is_changed"], &value["report"]["routing"][1]["after"]),
            (&true.into(), &serde_json::json!([]))
        );
        assert_eq!(value["report"]["targets"][0]["after"]["most_in_window"], 20);
    }
}
