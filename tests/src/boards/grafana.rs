//! Grafana's classic JSON of a board. The only place that knows its format.

use anyhow::Result;
use serde_json::{Value, json};

use super::board::{Board, Choice, Variable};
use super::limit::Limits;
use super::panel::WHOLE;
use super::words::Words;

mod drawn;
mod panel;
mod table;

/// The newest classic format that Grafana 10.4 reads as it is; newer versions migrate it on load.
const SCHEMA_VERSION: u32 = 39;
/// By which the boards find each other.
const TAG: &str = "gpu-monitoring";
const ROW_HEIGHT: u32 = 1;

/// The whole document.
///
/// Errors when a limit is in no rule.
pub(crate) fn dashboard(board: &Board, limits: &Limits) -> Result<Value> {
    Ok(json!({
        "id": null,
        "uid": board.uid,
        "title": board.title.to_string(),
        "description": board.about.to_string(),
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "tags": [TAG],
        "timezone": "browser",
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": board.since, "to": "now"},
        "templating": {"list": variables(board)},
        "annotations": {"list": annotations(board)},
        "links": [{
            "type": "dashboards",
            "title": "看板 / Boards",
            "tags": [TAG],
            "asDropdown": true,
            "keepTime": true,
            "includeVars": true,
            "icon": "external link",
            "targetBlank": false,
            "url": "",
            "tooltip": "",
        }],
        "panels": panels(board, limits)?,
    }))
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn variables(board: &Board) -> Vec<Value> {
    let source = json!({
        "type": "datasource",
        "name": "datasource",
        "label": "数据源 / Data source",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "includeAll": false,
        "multi": false,
        "regex": "",
        "options": [],
        "current": {},
    });
    std::iter::once(source).chain(board.variables.iter().map(variable)).collect()
}

fn variable(variable: &Variable) -> Value {
    let (metric, label) = variable.of;
    let query = format!("label_values({metric}, {label})");
    let mut written = json!({
        "type": "query",
        "name": variable.name,
        "label": variable.title.to_string(),
        "datasource": source(),
        "definition": query,
        "query": {"query": query, "refId": format!("variable-{}", variable.name)},
        // With the range shown, so that a machine that is gone can still be chosen.
        "refresh": 2,
        // By number: GPU 10 after GPU 9.
        "sort": 3,
        "regex": "",
        "options": [],
        "includeAll": false,
        "multi": false,
        "current": {},
        "hide": if variable.choice == Choice::Hidden { 2 } else { 0 },
    });
    if let Choice::Many { all } = variable.choice {
        written["includeAll"] = json!(true);
        written["multi"] = json!(true);
        written["allValue"] = json!(all);
        written["current"] = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    }
    written
}

/// What is noted on every graph: alerts that fire and machines that start.
fn annotations(board: &Board) -> Vec<Value> {
    let note = |name: &str, colour: &str, expression: &str, title: &str, tags: &str| {
        json!({
            "name": name,
            "datasource": source(),
            "enable": true,
            "hide": false,
            "iconColor": colour,
            "expr": expression,
            "step": "60s",
            "titleFormat": title,
            "tagKeys": tags,
            "textFormat": "{{node}} {{gpu}}",
            "useValueForTime": false,
        })
    };
    let has_nodes = board.variables.iter().any(|variable| variable.name == "node");
    let (chosen, of_chosen) = if has_nodes { (",node=~\"$node|\"", "{node=~\"$node\"}") } else { ("", "") };
    let alerts = format!("ALERTS{{alertstate=\"firing\",severity=~\"critical|warning\"{chosen}}}");
    let starts = format!("changes(node_boot_time_seconds{of_chosen}[2m]) > 0");
    vec![
        note("告警 / Alerts", "red", &alerts, "{{alertname}}", "severity,node,gpu"),
        note("重启 / Reboots", "purple", &starts, "重启 / reboot", "node"),
    ]
}

/// Panels from left to right, line after line, each line as high as its highest panel.
fn panels(board: &Board, limits: &Limits) -> Result<Vec<Value>> {
    let mut written: Vec<Value> = Vec::new();
    let mut top = 0;
    for section in &board.sections {
        if let Some(title) = section.title {
            written.push(row(title, written.len() + 1, top));
            top += ROW_HEIGHT;
        }
        let (mut left, mut height) = (0, 0);
        for shown in &section.panels {
            if left + shown.width > WHOLE {
                (left, top, height) = (0, top + height, 0);
            }
            let mut panel = panel::panel(shown, limits)?;
            panel["id"] = json!(written.len() + 1);
            panel["gridPos"] = json!({"x": left, "y": top, "w": shown.width, "h": shown.height});
            written.push(panel);
            left += shown.width;
            height = height.max(shown.height);
        }
        top += height;
    }
    Ok(written)
}

fn row(title: Words, id: usize, top: u32) -> Value {
    json!({
        "id": id,
        "type": "row",
        "title": title.to_string(),
        "collapsed": false,
        "gridPos": {"x": 0, "y": top, "w": WHOLE, "h": ROW_HEIGHT},
        "panels": [],
    })
}
