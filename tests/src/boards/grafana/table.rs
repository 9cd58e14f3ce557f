//! A table's JSON: how answers are joined, and how each column looks.

use serde_json::{Map, Value, json};

use super::drawn::{links, mappings, steps};
use super::panel::reference;
use crate::boards::colour::Colour;
use crate::boards::table::{ABSENT_MEANING, Column, Look, Rows, Source, Table};
use crate::boards::unit::Unit;

pub(super) fn options(table: &Table) -> Value {
    let order = table
        .order
        .iter()
        .map(|(title, is_falling)| json!({"displayName": title.to_string(), "desc": is_falling}));
    json!({
        "showHeader": true,
        "cellHeight": "sm",
        "footer": {"show": false},
        "sortBy": order.collect::<Vec<_>>(),
    })
}

/// Joins the answers into rows, leaves out what is not shown, and gives the columns their order and names.
pub(super) fn transformations(table: &Table) -> Value {
    let join = match table.rows {
        Rows::By(label) => json!({"id": "joinByField", "options": {"byField": label, "mode": "outer"}}),
        Rows::Labels => json!({"id": "merge", "options": {}}),
    };
    let (mut hidden, mut order, mut names) = (Map::new(), Map::new(), Map::new());
    hidden.insert("Time".to_owned(), json!(true));
    for place in 0..table.queries().count() {
        hidden.insert(format!("Time {}", place + 1), json!(true));
    }
    for (place, (field, column)) in fields(table).into_iter().enumerate() {
        if matches!(column.look, Look::Hidden) {
            hidden.insert(field, json!(true));
        } else {
            order.insert(field.clone(), json!(place));
            names.insert(field, json!(column.title.to_string()));
        }
    }
    json!([
        join,
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order, "renameByName": names}},
    ])
}

/// What Grafana calls each column before it is renamed.
fn fields(table: &Table) -> Vec<(String, &Column)> {
    let is_alone = table.queries().count() == 1;
    let mut queries = 0;
    let mut name = |source: &Source| match source {
        Source::Label(label) => (*label).to_owned(),
        Source::Query(_) => {
            queries += 1;
            if is_alone { "Value".to_owned() } else { format!("Value #{}", reference(queries - 1)) }
        }
    };
    table.columns.iter().map(|column| (name(&column.source), column)).collect()
}

pub(super) fn overrides(table: &Table) -> Vec<Value> {
    let shown = table.columns.iter().filter(|column| !matches!(column.look, Look::Hidden));
    shown.map(overriding).filter(|written| written["properties"] != json!([])).collect()
}

fn overriding(column: &Column) -> Value {
    let property = |id: &str, value: Value| json!({"id": id, "value": value});
    let cell = |kind: &str| property("custom.cellOptions", json!({"type": kind}));
    let absent = || property("mappings", mappings(&[ABSENT_MEANING]));
    let mut properties = match (&column.source, &column.look) {
        (Source::Label(_), _) | (_, Look::Hidden) => Vec::new(),
        (_, Look::Text(unit)) => vec![property("unit", json!(unit.id())), absent()],
        (_, Look::Bar { is_limited }) => {
            let base = if *is_limited { Colour::Good } else { Colour::Plain };
            let reached: &[_] = if *is_limited { &[(1.0, Colour::Bad)] } else { &[] };
            vec![
                property("unit", json!(Unit::Ratio.id())),
                absent(),
                property("thresholds", steps(base, reached)),
                property("custom.cellOptions", json!({"type": "gauge", "mode": "basic"})),
                property("min", json!(0)),
                property("max", json!(1)),
            ]
        }
        (_, Look::Meanings(meanings)) => {
            vec![
                property("unit", json!(Unit::Count.id())),
                property("mappings", mappings(meanings)),
                cell("color-text"),
            ]
        }
        (_, Look::BadFrom(unit, bad)) => vec![
            property("unit", json!(unit.id())),
            absent(),
            property("thresholds", steps(Colour::Good, &[(f64::from(*bad), Colour::Bad)])),
            cell("color-text"),
        ],
    };
    if let Some(link) = &column.link {
        properties.push(property("links", links(std::slice::from_ref(link))));
    }
    json!({"matcher": {"id": "byName", "options": column.title.to_string()}, "properties": properties})
}
