//! One panel's JSON, but for its place.

use anyhow::Result;
use serde_json::{Value, json};

use super::drawn::{links, mappings, steps};
use super::{source, table};
use crate::boards::colour::Colour;
use crate::boards::limit::Limits;
use crate::boards::panel::{Kind, Panel};
use crate::boards::query::{Query, Role};

/// Grafana's names of queries.
const REFERENCES: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The name of a panel's query by its place.
pub(super) fn reference(place: usize) -> String {
    REFERENCES.chars().nth(place).unwrap_or('Z').to_string()
}

pub(super) fn panel(panel: &Panel, limits: &Limits) -> Result<Value> {
    let (kind, options) = match &panel.kind {
        Kind::Stat => ("stat", stat_options(panel)),
        Kind::Series { .. } => ("timeseries", series_options()),
        Kind::States => ("state-timeline", state_options()),
        Kind::Bars => ("bargauge", bar_options()),
        Kind::Table(shown) => ("table", table::options(shown)),
    };
    let mut written = json!({
        "type": kind,
        "title": panel.title.to_string(),
        "description": panel.note.markdown(),
        "datasource": source(),
        "fieldConfig": {"defaults": defaults(panel, limits)?, "overrides": overrides(panel)},
        "options": options,
        "targets": targets(panel),
    });
    if let Kind::Table(shown) = &panel.kind {
        written["transformations"] = table::transformations(shown);
    }
    Ok(written)
}

fn targets(panel: &Panel) -> Vec<Value> {
    let target = |place: usize, expression: &str, legend: &str, is_instant: bool| {
        json!({
            "refId": reference(place),
            "datasource": source(),
            "expr": expression,
            "legendFormat": legend,
            "instant": is_instant,
            "range": !is_instant,
        })
    };
    match &panel.kind {
        Kind::Table(shown) => {
            let queries = shown.queries().enumerate();
            let written = queries.map(|(place, (_, expression))| {
                let mut target = target(place, expression, "", true);
                target["format"] = json!("table");
                target
            });
            written.collect()
        }
        kind => {
            let is_instant = matches!(kind, Kind::Stat | Kind::Bars);
            let queries = panel.queries.iter().enumerate();
            queries.map(|(at, query)| target(at, &query.expression, &query.legend, is_instant)).collect()
        }
    }
}

fn defaults(panel: &Panel, limits: &Limits) -> Result<Value> {
    let mut reached = Vec::new();
    for limit in &panel.limits {
        reached.push((limits.number(*limit)?, limit.colour()));
    }
    if let Some(value) = panel.bad_from {
        reached.push((f64::from(value), Colour::Bad));
    }
    reached.sort_by(|one, other| one.0.total_cmp(&other.0));
    let is_line = is_line(panel);
    let base = if is_line { Colour::Quiet } else { panel.base_colour() };
    let mut written = json!({
        "unit": panel.unit.id(),
        "mappings": mappings(&panel.meanings),
        "thresholds": steps(base, &reached),
        "color": {"mode": if is_line { "palette-classic" } else { "thresholds" }},
    });
    match &panel.kind {
        Kind::Series { is_stacked } => {
            written["custom"] = json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": if *is_stacked { 30 } else { 10 },
                "showPoints": "never",
                // A gap is a gap: nothing was read then.
                "spanNulls": false,
                "stacking": {"mode": if *is_stacked { "normal" } else { "none" }, "group": "A"},
                "thresholdsStyle": {"mode": if reached.is_empty() { "off" } else { "dashed" }},
            });
        }
        Kind::States => written["custom"] = json!({"fillOpacity": 80, "lineWidth": 0}),
        Kind::Table(_) => written["custom"] = json!({"align": "auto", "cellOptions": {"type": "auto"}}),
        Kind::Stat | Kind::Bars => {}
    }
    for (key, bound) in [("min", panel.least), ("max", panel.most)] {
        if let Some(bound) = bound {
            written[key] = json!(bound);
        }
    }
    if !panel.links.is_empty() {
        written["links"] = links(&panel.links);
    }
    if let Some(words) = panel.nothing {
        written["noValue"] = json!(words.to_string());
    }
    Ok(written)
}

/// What single queries or columns have of their own.
fn overrides(panel: &Panel) -> Vec<Value> {
    if let Kind::Table(shown) = &panel.kind {
        return table::overrides(shown);
    }
    let queries = panel.queries.iter().enumerate();
    let written = queries.filter_map(|(place, query)| {
        let properties = properties(query, is_line(panel))?;
        let matcher = json!({"id": "byFrameRefID", "options": reference(place)});
        Some(json!({"matcher": matcher, "properties": properties}))
    });
    written.collect()
}

fn is_line(panel: &Panel) -> bool {
    matches!(panel.kind, Kind::Series { .. })
}

/// How a query is shown that is no plain value; only lines have axes and styles.
fn properties(query: &Query, is_line: bool) -> Option<Vec<Value>> {
    let property = |id: &str, value: Value| json!({"id": id, "value": value});
    let line = |dash: [u32; 2]| property("custom.lineStyle", json!({"fill": "dash", "dash": dash}));
    let unfilled = property("custom.fillOpacity", json!(0));
    let unstacked = property("custom.stacking", json!({"mode": "none", "group": "A"}));
    let colour = |colour: Colour| property("color", json!({"mode": "fixed", "fixedColor": colour.name()}));
    Some(match query.role {
        Role::Value => return None,
        Role::Limit(of) => vec![line([8, 6]), unfilled, unstacked, colour(of)],
        Role::Past => vec![line([2, 4]), unfilled, unstacked, colour(Colour::Past)],
        Role::Below => vec![property("custom.transform", json!("negative-Y"))],
        Role::Aside(unit) if !is_line => vec![property("unit", json!(unit.id()))],
        Role::Aside(unit) => vec![
            property("unit", json!(unit.id())),
            property("custom.axisPlacement", json!("right")),
            line([8, 6]),
            unfilled,
            unstacked,
        ],
    })
}

fn reduced() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}

fn stat_options(panel: &Panel) -> Value {
    let is_judged = panel.base_colour() == Colour::Good;
    let has_names = panel.queries.iter().any(|query| !query.legend.is_empty());
    json!({
        "reduceOptions": reduced(),
        "colorMode": if is_judged { "background" } else { "value" },
        "graphMode": "none",
        "textMode": if has_names { "value_and_name" } else { "auto" },
        "justifyMode": "center",
        "orientation": "auto",
        "wideLayout": true,
    })
}

fn series_options() -> Value {
    json!({
        "legend": {
            "displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    })
}

fn state_options() -> Value {
    json!({
        "mergeValues": true,
        "showValue": "never",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
        "tooltip": {"mode": "single"},
    })
}

fn bar_options() -> Value {
    json!({
        "reduceOptions": reduced(),
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "showUnfilled": true,
        "sizing": "auto",
        "namePlacement": "auto",
    })
}
