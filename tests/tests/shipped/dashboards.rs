//! The dashboards, by the checks of Grafana's dashboard-linter that matter here, and what it does not know.

use serde_json::Value;

use crate::files::{in_folder, list, text};
use crate::promql;

/// A panel may be read at a glance; a board of more is two boards.
const MOST_PANELS: usize = 25;
/// The newest classic format; newer Grafana versions migrate it on load.
const SCHEMA_VERSION: u64 = 42;
/// Functions of counters, whose window has to follow the range that is shown.
const RATES: [&str; 4] = ["rate(", "irate(", "increase(", "delta("];

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

/// A query as Prometheus would get it: Grafana's variables filled in as for "All".
pub(crate) fn filled_in(expression: &str) -> String {
    [("$__rate_interval", "1m"), ("$__range", "1h"), ("$__interval", "15s"), ("$node", ".+"), ("$gpu", ".*")]
        .iter()
        .fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// Where each query stands, and its text: of panels, annotations and variables.
pub(crate) fn queries(board: &Value) -> Vec<(String, String)> {
    let named = |value: &Value, expression: &str| {
        let title = value["title"].as_str().or(value["name"].as_str()).unwrap_or("?").to_owned();
        (title, filled_in(expression))
    };
    let mut queries = Vec::new();
    for panel in panels(board) {
        let expressions = list(panel, "targets").iter().filter_map(|target| target["expr"].as_str());
        queries.extend(expressions.map(|expression| named(panel, expression)));
    }
    for annotation in list(&board["annotations"], "list") {
        queries.extend(annotation["expr"].as_str().map(|expression| named(annotation, expression)));
    }
    for variable in list(&board["templating"], "list") {
        let values =
            variable["query"]["query"].as_str().and_then(|query| query.strip_prefix("label_values("));
        // The part before the last comma: `label_values(metric{…}, label)`.
        queries.extend(
            values.and_then(|query| query.rsplit_once(',')).map(|(metric, _)| named(variable, metric)),
        );
    }
    queries
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

#[test]
fn each_panel_says_what_it_shows_and_in_what_unit() {
    for (file, board) in all() {
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(!title.is_empty(), "{file}: panel {} has no title", panel["id"]);
            assert!(
                !panel["description"].as_str().unwrap_or_default().is_empty(),
                "{file}: `{title}` has no description"
            );
            assert!(!list(panel, "targets").is_empty(), "{file}: `{title}` asks nothing");
            let defaults = &panel["fieldConfig"]["defaults"];
            let has_unit = defaults["unit"].is_string() || panel["type"] == "table";
            assert!(has_unit, "{file}: `{title}` has no unit");
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

#[test]
fn queries_are_valid_and_follow_the_variables() {
    for (file, board) in all() {
        for (title, query) in queries(&board) {
            promql::names(&query).unwrap_or_else(|error| panic!("{file}: `{title}`: {error}"));
            assert!(!query.contains('$'), "{file}: `{title}` uses a variable that is not there: {query}");
        }
        for panel in panels(&board) {
            for target in list(panel, "targets") {
                let expression = target["expr"].as_str().unwrap();
                let title = &panel["title"];
                for window in RATES.iter().flat_map(|function| expression.split(function).skip(1)) {
                    let (_, after) = window.split_once('[').unwrap();
                    assert!(after.starts_with("$__rate_interval]"), "{file}: {title}: {expression}");
                }
                for name in promql::names(&filled_in(expression)).unwrap() {
                    let is_counter = name.ends_with("_total");
                    let is_rated = ["rate(", "increase(", "last_over_time("]
                        .iter()
                        .any(|function| expression.contains(function));
                    assert!(
                        !is_counter || is_rated || name.ends_with("ecc_errors_total"),
                        "{file}: {title}: `{name}` is a counter"
                    );
                }
                let is_relays = expression.contains("alert_relay_");
                assert!(
                    is_relays || expression.contains("$node"),
                    "{file}: {title} ignores the chosen node: {expression}"
                );
            }
        }
    }
}
