//! The dashboards' queries: valid, following the variables, and of series that somebody exports or records.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{all, panels};
use crate::files::list;
use crate::{known_names, promql};

/// Functions of counters, whose window has to follow the range that is shown.
const RATES: [&str; 4] = ["rate(", "irate(", "increase(", "delta("];
/// Windows that follow it: of two samples at least, or all of what is shown.
const WINDOWS: [&str; 2] = ["$__rate_interval]", "$__range]"];
/// Windows that are what the panel is about; its title says so.
const FIXED_WINDOWS: [(&str, &str); 1] = [("node_vmstat_oom_kill", "1h]")];
/// Series of one machine: a query of them has to follow the variable.
const OF_A_NODE: [&str; 6] = ["gpu_", "gpu:", "node_", "node:", "inference:", "week:"];

/// A question of a board as Prometheus would get it.
#[derive(Debug)]
pub(crate) struct Question {
    /// Of the panel, annotation or variable that asks.
    pub(crate) title: String,
    /// With Grafana's variables filled in as for "All".
    pub(crate) query: String,
}

/// A query as Prometheus would get it: Grafana's variables filled in as for "All".
fn filled_in(board: &Value, expression: &str) -> String {
    let own = list(&board["templating"], "list").iter().filter_map(|variable| variable["name"].as_str());
    let mut names: Vec<(String, &str)> = own.map(|name| (format!("${name}"), ".*")).collect();
    let grafanas =
        [("$__rate_interval", "1m"), ("$__range_s", "3600"), ("$__range", "1h"), ("$__interval", "15s")];
    names.extend(grafanas.map(|(name, value)| (name.to_owned(), value)));
    // `$node_name` before `$node`.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn asked(board: &Value, by: &Value, expression: &str) -> Question {
    let title = by["title"].as_str().or(by["name"].as_str()).unwrap_or("?").to_owned();
    Question { title, query: filled_in(board, expression) }
}

/// Everything that a panel asks.
pub(crate) fn of_panel(board: &Value, panel: &Value) -> Vec<Question> {
    let expressions = list(panel, "targets").iter().filter_map(|target| target["expr"].as_str());
    expressions.map(|expression| asked(board, panel, expression)).collect()
}

/// Everything that a board asks: its panels, annotations and variables.
pub(crate) fn of(board: &Value) -> Vec<Question> {
    let mut questions: Vec<_> = panels(board).into_iter().flat_map(|panel| of_panel(board, panel)).collect();
    for annotation in list(&board["annotations"], "list") {
        questions.extend(annotation["expr"].as_str().map(|expression| asked(board, annotation, expression)));
    }
    for variable in list(&board["templating"], "list") {
        let values =
            variable["query"]["query"].as_str().and_then(|query| query.strip_prefix("label_values("));
        // The part before the last comma: `label_values(metric{…}, label)`.
        questions.extend(
            values.and_then(|query| query.rsplit_once(',')).map(|(metric, _)| asked(board, variable, metric)),
        );
    }
    questions
}

#[test]
fn each_panel_asks_and_each_question_is_valid() {
    for (file, board) in all() {
        for panel in panels(&board) {
            assert!(!list(panel, "targets").is_empty(), "{file}: `{}` asks nothing", panel["title"]);
        }
        for Question { title, query } in of(&board) {
            promql::names(&query).unwrap_or_else(|error| panic!("{file}: `{title}`: {error}"));
            assert!(!query.contains('$'), "{file}: `{title}` uses a variable that is not there: {query}");
        }
    }
}

#[test]
fn each_name_is_exported_or_recorded() {
    let known = known_names::all();
    let mut unknown = BTreeSet::new();
    for (file, board) in all() {
        for Question { title, query } in of(&board) {
            let names = promql::names(&query).unwrap();
            unknown.extend(
                names
                    .into_iter()
                    .filter(|name| !known.contains(name))
                    .map(|name| format!("{file}: `{title}`: {name}")),
            );
        }
    }
    assert_eq!(unknown, BTreeSet::new(), "in no exporter's, relay's or engine's page and in no rule");
}

#[test]
fn windows_follow_the_range_that_is_shown() {
    for (file, board) in all() {
        for panel in panels(&board) {
            for target in list(panel, "targets") {
                let (title, expression) = (&panel["title"], target["expr"].as_str().unwrap());
                for window in RATES.iter().flat_map(|function| expression.split(function).skip(1)) {
                    let (of, after) = window.split_once('[').unwrap();
                    let follows = WINDOWS.iter().any(|window| after.starts_with(window));
                    let is_fixed = FIXED_WINDOWS
                        .iter()
                        .any(|(metric, window)| of.contains(metric) && after.starts_with(window));
                    assert!(follows || is_fixed, "{file}: {title}: {expression}");
                }
            }
        }
    }
}

#[test]
fn a_counter_is_rated_unless_its_level_is_meant() {
    for (file, board) in all() {
        for Question { title, query } in of(&board) {
            for name in promql::names(&query).unwrap() {
                let is_meant = ["rate(", "increase(", "last_over_time(", "count by"]
                    .iter()
                    .any(|function| query.contains(function));
                assert!(!name.ends_with("_total") || is_meant, "{file}: {title}: `{name}` is a counter");
            }
        }
    }
}

#[test]
fn what_is_a_machines_follows_the_chosen_machine() {
    for (file, board) in all() {
        let has_nodes = list(&board["templating"], "list").iter().any(|variable| variable["name"] == "node");
        for panel in panels(&board) {
            for target in list(panel, "targets") {
                let expression = target["expr"].as_str().unwrap();
                let names = promql::names(&filled_in(&board, expression)).unwrap();
                let is_a_nodes =
                    names.iter().any(|name| OF_A_NODE.iter().any(|prefix| name.starts_with(prefix)));
                let follows = expression.contains("$node") || !has_nodes;
                assert!(
                    !is_a_nodes || follows,
                    "{file}: {} ignores the chosen node: {expression}",
                    panel["title"]
                );
            }
        }
    }
}
