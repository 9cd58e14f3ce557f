//! Tables and bars.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answers::Series;
use super::number::{meaning, threshold_colour, written};
use super::svg::{GRID, INK, QUIET, Rectangle, Svg, colour, palette, width};
use super::{list, property};

const LINE: f64 = 20.0;
const TEXT: f64 = 10.5;
/// The head has a line for each language.
const HEAD: f64 = 28.0;
/// A wider cell is cut.
const WIDEST: f64 = 150.0;

/// A table: the answers joined, and its columns in their order.
pub(super) fn draw(svg: &mut Svg, panel: &Value, answers: &[(String, &[Series])], at: Rectangle) {
    let organize = &list(panel, "transformations").last().map_or(&Value::Null, |last| &last["options"]);
    let mut columns: Vec<(u64, &String, &str)> = organize["indexByName"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(field, place)| {
            Some((place.as_u64()?, field, organize["renameByName"][field].as_str()?))
        })
        .collect();
    columns.sort_unstable();
    let mut rows = joined(panel, answers);
    sort(&mut rows, &columns, panel);

    let texts = |row: &BTreeMap<String, Cell>| -> Vec<(String, String)> {
        columns.iter().map(|(_, field, title)| shown(panel, title, row.get(*field))).collect()
    };
    let written: Vec<Vec<(String, String)>> = rows.iter().map(texts).collect();
    let wide = |column: usize| {
        let cells = written.iter().map(|row| width(&row[column].0, TEXT));
        let heads = columns[column].2.split(" / ").map(|head| width(head, TEXT));
        cells.chain(heads).fold(0.0, f64::max).min(WIDEST) + 12.0
    };
    let wanted: Vec<f64> = (0..columns.len()).map(wide).collect();
    let mut left = at.x;
    for ((column, (_, field, title)), room) in columns.iter().enumerate().zip(widths(&wanted, at.width)) {
        for (line, head) in (0_u8..).zip(title.split(" / ")) {
            svg.text_within(left, at.y + 10.0 + 12.0 * f64::from(line), TEXT, QUIET, head, room - 6.0);
        }
        for (number, row) in rows.iter().enumerate() {
            let y = at.y + HEAD + number as f64 * LINE;
            if y + LINE > at.y + at.height + 4.0 {
                break;
            }
            let (text, colour) = &written[number][column];
            if is_bar(panel, title)
                && let Some(Cell::Number(share)) = row.get(*field)
                && *share >= 0.0
            {
                let full = Rectangle { x: left, y: y + 4.0, width: room - 10.0, height: 12.0 };
                svg.fill(full, GRID, 1.0);
                svg.fill(Rectangle { width: full.width * share.min(1.0), ..full }, colour, 0.45);
            }
            svg.text_within(
                left + 2.0,
                y + 14.0,
                TEXT,
                if is_bar(panel, title) { INK } else { colour },
                text,
                room - 6.0,
            );
        }
        left += room;
    }
    svg.line(&[(at.x, at.y + HEAD), (at.x + at.width, at.y + HEAD)], GRID, None);
}

/// What the columns get of a width: all that they want and a share of the rest; where there is too little, the widest have to be content
/// with less, so that a long identifier does not cut what is short.
fn widths(wanted: &[f64], all: f64) -> Vec<f64> {
    let sum: f64 = wanted.iter().sum();
    if sum <= all {
        return wanted.iter().map(|width| width * all / sum.max(1.0)).collect();
    }
    let mut narrowest_first = wanted.to_vec();
    narrowest_first.sort_by(f64::total_cmp);
    let (mut left, mut most) = (all, 0.0);
    for (number, width) in narrowest_first.iter().enumerate() {
        most = left / (wanted.len() - number) as f64;
        if *width > most {
            break;
        }
        left -= width;
    }
    wanted.iter().map(|width| width.min(most)).collect()
}

#[test]
fn only_the_widest_columns_are_cut() {
    assert_eq!(widths(&[10.0, 30.0], 80.0), [20.0, 60.0]);
    assert_eq!(widths(&[10.0, 200.0, 30.0, 100.0], 140.0), [10.0, 50.0, 30.0, 50.0]);
    assert_eq!(widths(&[50.0, 50.0], 60.0), [30.0, 30.0]);
    assert_eq!(widths(&[], 60.0), [0.0; 0]);
}

/// A cell of a joined answer.
#[derive(Clone, Debug)]
enum Cell {
    Text(String),
    Number(f64),
}

/// Rows as Grafana's transformations make them: by one label, or by all labels.
fn joined(panel: &Value, answers: &[(String, &[Series])]) -> Vec<BTreeMap<String, Cell>> {
    let by = list(panel, "transformations").first().and_then(|first| first["options"]["byField"].as_str());
    let mut rows: BTreeMap<String, BTreeMap<String, Cell>> = BTreeMap::new();
    for (reference, series) in answers {
        let field = if answers.len() == 1 { "Value".to_owned() } else { format!("Value #{reference}") };
        for one in *series {
            let key = match by {
                Some(label) => one.labels.get(label).cloned().unwrap_or_default(),
                None => format!("{:?}", one.labels),
            };
            let row = rows.entry(key).or_default();
            for (label, value) in &one.labels {
                row.entry(label.clone()).or_insert_with(|| Cell::Text(value.clone()));
            }
            if let Some(value) = one.last() {
                row.insert(field.clone(), Cell::Number(value));
            }
        }
    }
    rows.into_values().collect()
}

fn sort(rows: &mut [BTreeMap<String, Cell>], columns: &[(u64, &String, &str)], panel: &Value) {
    // The last key first: sorting keeps the order of equals.
    for key in list(&panel["options"], "sortBy").iter().rev() {
        let Some((_, field, _)) = columns.iter().find(|(_, _, title)| key["displayName"] == *title) else {
            continue;
        };
        let is_falling = key["desc"] == true;
        rows.sort_by(|one, other| {
            let order = match (one.get(*field), other.get(*field)) {
                (Some(Cell::Number(one)), Some(Cell::Number(other))) => one.total_cmp(other),
                (Some(Cell::Text(one)), Some(Cell::Text(other))) => one.cmp(other),
                (one, other) => one.is_some().cmp(&other.is_some()),
            };
            if is_falling { order.reverse() } else { order }
        });
    }
}

fn is_bar(panel: &Value, title: &str) -> bool {
    property(panel, title, "custom.cellOptions").is_some_and(|cell| cell["type"] == "gauge")
}

/// What a cell says and in which colour.
fn shown(panel: &Value, title: &str, cell: Option<&Cell>) -> (String, String) {
    let value = match cell {
        None => return (String::new(), INK.to_owned()),
        Some(Cell::Text(text)) => return (text.clone(), INK.to_owned()),
        Some(Cell::Number(value)) => *value,
    };
    if let Some((text, name)) = property(panel, title, "mappings").and_then(|of| meaning(&of, value)) {
        return (text, colour(&name).to_owned());
    }
    let unit = property(panel, title, "unit");
    let text = match unit.as_ref().and_then(Value::as_str) {
        Some("dateTimeFromNow") => "刚刚 / just now".to_owned(),
        unit => written(value, unit.unwrap_or("none")),
    };
    let judged = property(panel, title, "thresholds").map(|of| threshold_colour(&of, value));
    (text, judged.map_or_else(|| INK.to_owned(), |name| colour(&name).to_owned()))
}

/// Bars, one a series, the longest first.
pub(super) fn bars(svg: &mut Svg, panel: &Value, answers: &[(String, &[Series])], at: Rectangle) {
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or("none");
    let mut values: Vec<(&str, f64)> = answers
        .iter()
        .flat_map(|(_, series)| *series)
        .filter_map(|one| Some((one.name.as_str(), one.last()?)))
        .collect();
    values.sort_by(|one, other| other.1.total_cmp(&one.1));
    let most = values.first().map_or(1.0, |(_, value)| value.max(f64::MIN_POSITIVE));
    let room = (at.height / LINE).floor();
    for (number, (name, value)) in values.iter().enumerate().take_while(|(number, _)| (*number as f64) < room)
    {
        let y = at.y + number as f64 * LINE;
        let full = Rectangle { x: at.x, y: y + 3.0, width: at.width, height: LINE - 5.0 };
        svg.fill(full, GRID, 0.6);
        svg.fill(Rectangle { width: at.width * value / most, ..full }, palette(0), 0.4);
        svg.text_within(at.x + 4.0, y + 14.0, TEXT, INK, name, at.width - 80.0);
        svg.text_from_right(at.x + at.width - 4.0, y + 14.0, TEXT, INK, &written(*value, unit));
    }
}
