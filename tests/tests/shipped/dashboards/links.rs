//! Links between boards, and from messages to boards.

use std::collections::BTreeSet;

use serde_json::Value;

use super::all;
use crate::files::list;
use crate::rules::alerts;

/// Every text under `value` with this key.
fn texts<'value>(value: &'value Value, key: &str, found: &mut Vec<&'value str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str));
            map.values().for_each(|value| texts(value, key, found));
        }
        _ => {}
    }
}

/// The board that a link opens, and the names of the variables it sets.
fn target(url: &str) -> Option<(&str, Vec<&str>)> {
    let (_, path) = url.split_once("/d/")?;
    let (uid, query) = path.split_once('?').unwrap_or((path, ""));
    let names = query.split('&').filter_map(|pair| pair.split_once('=')?.0.strip_prefix("var-")).collect();
    Some((uid, names))
}

/// Whether the board is there and has these variables; `Err` says what is missing.
fn opens(url: &str) -> Result<(), String> {
    let Some((uid, names)) = target(url) else { return Ok(()) };
    let boards = all();
    let board = boards.iter().find(|(_, board)| board["uid"] == uid);
    let (_, board) = board.ok_or_else(|| format!("no board `{uid}`"))?;
    let variables: BTreeSet<_> =
        list(&board["templating"], "list").iter().filter_map(|variable| variable["name"].as_str()).collect();
    match names.iter().find(|name| !variables.contains(*name)) {
        Some(name) => Err(format!("board `{uid}` has no variable `{name}`")),
        None => Ok(()),
    }
}

#[test]
fn each_link_leads_to_a_board_with_the_variables_that_it_sets() {
    for (file, board) in all() {
        let mut urls = Vec::new();
        texts(&board, "url", &mut urls);
        let of_boards: Vec<_> = urls.into_iter().filter(|url| !url.is_empty()).collect();
        assert!(!of_boards.is_empty(), "{file} leads nowhere");
        for url in of_boards {
            opens(url).unwrap_or_else(|missing| panic!("{file}: {url}: {missing}"));
        }
    }
}

#[test]
fn each_alert_leads_to_a_board() {
    for (_, name, rule) in alerts() {
        // What stands between the templates' braces is not the link's.
        let url = rule["annotations"]["dashboard_url"].as_str().unwrap_or_default().replace("{{ end }}", "");
        assert!(target(&url).is_some(), "{name}: `{url}` is no board's");
        opens(&url).unwrap_or_else(|missing| panic!("{name}: {missing}"));
    }
}

/// A board is opened by its link; its panels lead on to another, but for those at the end of the way.
#[test]
fn every_board_is_in_the_list_of_boards() {
    for (file, board) in all() {
        let links = list(&board, "links");
        let lists = links.iter().filter(|link| link["type"] == "dashboards" && link["includeVars"] == true);
        assert_eq!(lists.count(), 1, "{file}");
        assert_eq!(board["tags"], links[0]["tags"], "{file} is not in the other boards' list");
    }
}
