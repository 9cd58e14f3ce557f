//! `receivers:`, what Alertmanager posts to and which targets are sent it.

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
    let times = section
        .texts("times")
        .into_iter()
        .filter_map(|item| item.parsed("times of day such as `09:00-21:00`", str::parse))
        .collect();
    let weekdays = section
        .texts("weekdays")
        .into_iter()
        .filter_map(|item| item.parsed("weekdays such as `monday:friday` or `sunday`", str::parse))
        .collect();
    if !section.has("times") && !section.has("weekdays") {
        section.own_problem("empty: expected `times`, `weekdays` or both");
    }
    section.finish();
    Calendar { times, weekdays }
}
