//! Pictures of the dashboards, drawn from their own questions: SVG, without Grafana.
//!
//! Owns how a panel looks in a picture. Each says that its numbers are simulated. What Grafana's panels can do beyond that (tooltips,
//! legends as tables, links) is left out, and so are fonts: whoever looks brings them.

use serde_json::Value;

mod answers;
mod chart;
mod number;
mod svg;
mod table;
mod tile;

pub use answers::{Answers, Series, Span, ask};
use svg::{Rectangle, Svg};

/// Pixels of one of the board's 24 columns, and of one row.
const COLUMN: f64 = 50.0;
const ROW: f64 = 30.0;
/// Space between panels.
const GAP: f64 = 6.0;
/// Height of the picture's own heading.
const HEADING: f64 = 34.0;

/// A board's picture. `rows` is how many of its rows are drawn, from the top.
pub fn draw(board: &Value, answers: &Answers, rows: u64) -> String {
    let panels: Vec<&Value> =
        list(board, "panels").iter().filter(|panel| place(panel, "y") + place(panel, "h") <= rows).collect();
    let bottom = panels.iter().map(|panel| place(panel, "y") + place(panel, "h")).max().unwrap_or(0);
    let (width, height) = (24.0 * COLUMN + GAP, bottom as f64 * ROW + HEADING + GAP);
    let mut svg = Svg::new(width, height);
    let title = board["title"].as_str().unwrap_or_default();
    svg.text(GAP + 4.0, 23.0, 17.0, svg::INK, title);
    svg.text_from_right(width - GAP - 4.0, 23.0, 13.0, svg::WARNING, "模拟数据 / simulated data");
    for panel in panels {
        let at = Rectangle {
            x: place(panel, "x") as f64 * COLUMN + GAP,
            y: place(panel, "y") as f64 * ROW + HEADING,
            width: place(panel, "w") as f64 * COLUMN - GAP,
            height: place(panel, "h") as f64 * ROW - GAP,
        };
        draw_panel(&mut svg, panel, answers, at);
    }
    svg.end()
}

fn draw_panel(svg: &mut Svg, panel: &Value, answers: &Answers, at: Rectangle) {
    let title = panel["title"].as_str().unwrap_or_default();
    if panel["type"] == "row" {
        svg.text(at.x, at.y + 18.0, 14.0, svg::INK, title);
        return;
    }
    svg.panel(at);
    let head = heading(svg, title, at);
    let inside =
        Rectangle { x: at.x + 8.0, y: at.y + head, width: at.width - 16.0, height: at.height - head - 6.0 };
    let answers = answers.of(panel);
    match panel["type"].as_str() {
        Some("stat") => tile::draw(svg, panel, &answers, inside),
        Some("timeseries") => chart::lines(svg, panel, &answers, inside),
        Some("state-timeline") => chart::states(svg, panel, &answers, inside),
        Some("bargauge") => table::bars(svg, panel, &answers, inside),
        _ => table::draw(svg, panel, &answers, inside),
    }
}

/// Writes a panel's title, a line for each language where one has no room for both, and returns its height.
fn heading(svg: &mut Svg, title: &str, at: Rectangle) -> f64 {
    const SIZE: f64 = 12.0;
    let room = at.width - 16.0;
    let lines: Vec<&str> =
        if svg::width(title, SIZE) > room { title.split(" / ").collect() } else { vec![title] };
    let mut height = 24.0;
    for (number, line) in lines.iter().enumerate() {
        height = 24.0 + 14.0 * number as f64;
        svg.text_within(at.x + 8.0, at.y + height - 7.0, SIZE, svg::INK, line, room);
    }
    height
}

fn place(panel: &Value, key: &str) -> u64 {
    panel["gridPos"][key].as_u64().unwrap_or(0)
}

fn list<'value>(value: &'value Value, key: &str) -> &'value [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A property that an override has for a query, or the panel's default.
fn property(panel: &Value, reference: &str, id: &str) -> Option<Value> {
    let overrides = list(&panel["fieldConfig"], "overrides").iter();
    let own = overrides.filter(|over| over["matcher"]["options"] == reference);
    let mut properties = own.flat_map(|over| list(over, "properties"));
    properties.find(|property| property["id"] == id).map(|property| property["value"].clone())
}

#[cfg(test)]
mod tests;
