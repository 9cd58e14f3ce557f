//! `receivers:`, what Alertmanager posts to and which targets are sent it.

use std::fmt::Display;
use std::str::FromStr;

use settings_document::Section;

use crate::calendar::Calendar;
use crate::routes::{Matcher, ReceiverSettings, RouteSettings};
use crate::settings::names::Names;

pub(super) fn read(mut section: Section<'_>, names: &Names<'_>) -> ReceiverSettings {
    let routes: Vec<_> =
        section.listed_sections("routes").into_iter().map(|route| read_route(route, names)).collect();
    if !section.has("routes") {
        section.missing("routes", "a list of routes; `[]` tells nobody");
    }
    section.finish();
    ReceiverSettings { routes }
}

fn read_route(mut section: Section<'_>, names: &Names<'_>) -> RouteSettings {
    let matchers: Vec<_> = section
        .texts("matchers")
        .into_iter()
        .filter_map(|item| item.parsed("a matcher such as `severity=\"critical\"`", Matcher::parse_list))
        .flatten()
        .collect();
    let active = section.section("active").map(read_calendar);
    let targets = read_targets(&mut section, names);
    let mentions = section
        .texts("mentions")
        .into_iter()
        .filter_map(|item| item.one_of("person", &names.people))
        .collect();
    section.finish();
    RouteSettings { matchers, active, targets, mentions }
}

/// `targets:` of a route: at least one, each known.
fn read_targets(section: &mut Section<'_>, names: &Names<'_>) -> Vec<String> {
    let items = section.texts("targets");
    if items.is_empty() && !section.has("targets") {
        section.missing("targets", "a list with at least one target");
    } else if items.is_empty() {
        section.problem("targets", "empty: expected a list with at least one target");
    }
    items.into_iter().filter_map(|item| item.one_of("target", &names.targets)).collect()
}

fn read_calendar(mut section: Section<'_>) -> Calendar {
    let times = restricting(&mut section, "times", "times of day such as `09:00-21:00`");
    let weekdays = restricting(&mut section, "weekdays", "weekdays such as `monday:friday` or `sunday`");
    if !section.has("times") && !section.has("weekdays") {
        section.own_problem("empty: expected `times`, `weekdays` or both");
    }
    section.finish();
    Calendar { times, weekdays }
}

/// What a list restricts to. An empty one restricts nothing, where somebody may have meant never.
fn restricting<T: FromStr<Err: Display>>(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
) -> Vec<T> {
    let items = section.texts(key);
    if items.is_empty() && section.has(key) {
        section.problem(
            key,
            format!("empty: expected {expected} (hint: leave it out where it is not to restrict)"),
        );
    }
    items.into_iter().filter_map(|item| item.parsed(expected, str::parse)).collect()
}
