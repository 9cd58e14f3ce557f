//! The dashboards' form, by the checks of Grafana's dashboard-linter that matter here and by what it does not know.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{in_folder, list, text};
use crate::promql;
use crate::rules::alerts;

mod links;
mod provisioning;
pub(crate) mod queries;
mod schema;

/// A panel may be read at a glance; a board of more is two boards.
const MOST_PANELS: usize = 25;
/// The newest classic format; newer Grafana versions migrate it on load.
const SCHEMA_VERSION: u64 = 42;
/// Grafana's identifiers of the units that may be used (`packages/grafana-data/src/valueFormats/categories.ts`).
const UNITS: [&str; 18] = [
    "none",
    "short",
    "bytes",
    "binBps",
    "percentunit",
    "celsius",
    "watt",
    "joule",
    "kwatth",
    "hertz",
    "s",
    "dateTimeFromNow",
    "cps",
    "iops",
    "cpm",
    "reqps",
    "suffix: tok/s",
    "dateTimeAsIso",
];

/// Every dashboard with the file it is in.
pub(crate) fn all() -> Vec<(String, Value)> {
    let parse = |file: String| {
        (serde_json::from_str(&text(&file)).unwrap_or_else(|error| panic!("{file}: {error}")), file)
    };
    in_folder("dashboards", ".json").into_iter().map(parse).map(|(board, file)| (file, board)).collect()
}

/// The panels that show something: no rows.
pub(crate) fn panels(board: &Value) -> Vec<&Value> {
    let rows = list(board, "panels");
    let inside = rows.iter().flat_map(|row| list(row, "panels"));
    rows.iter().filter(|panel| panel["type"] != "row").chain(inside).collect()
}

#[test]
fn a_board_is_classic_stable_and_of_a_readable_size() {
    for (file, board) in all() {
        let uid = board["uid"].as_str().unwrap();
        assert_eq!(
            file,
            format!("dashboards/{uid}.json"),
            "the uid is in links, so it is the file's name for ever"
        );
        assert!(uid.len() <= 40);
        assert!(board["schemaVersion"].as_u64().unwrap() <= SCHEMA_VERSION, "{file}");
        assert!(board["id"].is_null(), "{file}: a number here is another server's");
        assert_eq!(board["editable"], false, "{file}");
        assert!(board.get("__inputs").is_none(), "{file}: nobody fills these in for provisioned files");
        assert!(panels(&board).len() <= MOST_PANELS, "{file}: {} panels", panels(&board).len());
        let mut ids: Vec<_> =
            list(&board, "panels").iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{file}: two panels share an id");
    }
}

#[test]
fn everything_reads_from_the_data_source_that_is_chosen() {
    for (file, board) in all() {
        let variables = list(&board["templating"], "list");
        assert!(
            variables
                .iter()
                .any(|variable| variable["type"] == "datasource" && variable["query"] == "prometheus")
        );
        let mut readers: Vec<&Value> = panels(&board);
        readers.extend(panels(&board).into_iter().flat_map(|panel| list(panel, "targets")));
        readers.extend(list(&board["annotations"], "list"));
        readers.extend(variables.iter().filter(|variable| variable["type"] == "query"));
        for reader in readers {
            assert_eq!(reader["datasource"]["uid"], "${datasource}", "{file}: {reader}");
        }
        for variable in variables.iter().filter(|variable| variable["type"] == "query") {
            assert_eq!(variable["refresh"], 2, "{file}: `{}` is to follow the range shown", variable["name"]);
        }
    }
}

/// Both languages, unless the words are the same in both.
fn is_bilingual(text: &str) -> bool {
    let is_chinese = |letter: char| ('\u{4e00}'..='\u{9fff}').contains(&letter);
    let Some((zh, en)) = text.split_once(" / ") else {
        return !text.is_empty() && !text.chars().any(is_chinese);
    };
    zh.chars().any(is_chinese) && en.chars().any(|letter| letter.is_ascii_alphabetic())
}

#[test]
fn each_panel_says_in_both_languages_what_it_shows_what_is_bad_and_what_to_do() {
    for (file, board) in all() {
        assert!(is_bilingual(board["title"].as_str().unwrap()), "{file}: {}", board["title"]);
        let mut titles = BTreeSet::new();
        for panel in list(&board, "panels") {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(is_bilingual(title), "{file}: panel {} is called `{title}`", panel["id"]);
            assert!(
                titles.insert((panel["type"].as_str(), title)),
                "{file}: two panels are called `{title}`"
            );
        }
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap_or_default();
            let description = panel["description"].as_str().unwrap_or_default();
            for head in ["正常", "异常", "处理", "Normal", "Bad", "Do"] {
                let said = description.lines().find_map(|line| line.strip_prefix(&format!("- **{head}** ")));
                assert!(said.is_some_and(|said| said.len() > 2), "{file}: `{title}` does not say: {head}");
            }
        }
    }
}

#[test]
fn each_number_has_a_unit_that_grafana_knows() {
    for (file, board) in all() {
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap_or_default();
            let config = &panel["fieldConfig"];
            let own = config["defaults"]["unit"].as_str();
            let properties = list(config, "overrides").iter().flat_map(|over| list(over, "properties"));
            let others =
                properties.filter(|property| property["id"] == "unit").map(|unit| unit["value"].as_str());
            for unit in std::iter::once(own).chain(others) {
                let unit = unit.unwrap_or_else(|| panic!("{file}: `{title}` has no unit"));
                assert!(UNITS.contains(&unit), "{file}: `{title}`: Grafana knows no `{unit}`");
            }
        }
    }
}

/// "All" shows every node in one panel: a stack of them has no fixed top, and the top of all is not each one's.
#[test]
fn a_panel_of_several_nodes_is_whole() {
    for (file, board) in all() {
        for panel in panels(&board) {
            let defaults = &panel["fieldConfig"]["defaults"];
            let is_stacked = defaults["custom"]["stacking"]["mode"] == "normal";
            assert!(!is_stacked || defaults["max"].is_null(), "{file}: `{}` is cut off", panel["title"]);
            for target in list(panel, "targets") {
                assert!(!target["expr"].as_str().unwrap().contains("topk("), "{file}: `{}`", panel["title"]);
            }
        }
    }
}

/// A board has no limit of its own: where a line is drawn or a colour changes, an alert over the same series has that number. One
/// (a GPU lost, a target down) is a thing that should not be.
#[test]
fn a_limit_is_an_alerts() {
    let alerts: Vec<_> =
        alerts().into_iter().map(|(_, _, rule)| rule["expr"].as_str().unwrap().to_owned()).collect();
    for (file, board) in all() {
        for panel in panels(&board) {
            let asked: BTreeSet<_> = queries::of_panel(&board, panel)
                .iter()
                .flat_map(|question| promql::names(&question.query).unwrap())
                .collect();
            let related = || alerts.iter().filter(|alert| !promql::names(alert).unwrap().is_disjoint(&asked));
            let steps = list(&panel["fieldConfig"]["defaults"]["thresholds"], "steps");
            for step in steps.iter().filter_map(|step| step["value"].as_f64()) {
                let is_one = (step - 1.0).abs() < f64::EPSILON;
                // Bytes are written as `512 * 1024 ^ 2`, hours as `4 * 3600`.
                let written = [
                    format!("{step}"),
                    format!("{step:.2}"),
                    format!("{} * 1024 ^", step / 1024_f64.powi(2)),
                    format!("{} * 3600", step / 3600.0),
                ];
                let is_alerts =
                    related().any(|alert| written.iter().any(|number| alert.contains(number.as_str())));
                assert!(is_one || is_alerts, "{file}: `{}`: no alert has {step}", panel["title"]);
            }
        }
    }
}

#[test]
fn no_panel_lies_over_another() {
    for (file, board) in all() {
        let mut taken = std::collections::HashMap::new();
        for panel in list(&board, "panels") {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{file}: `{}` is wider than the page", panel["title"]);
            for cell in
                (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y)))
            {
                let other = taken.insert(cell, panel["title"].clone());
                assert!(other.is_none(), "{file}: `{}` lies over {other:?}", panel["title"]);
            }
        }
    }
}
