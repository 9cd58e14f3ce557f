//! Lines and spans over time.

use serde_json::Value;

use super::answers::Series;
use super::number::{meaning, ticks, written};
use super::svg::{GRID, INK, QUIET, Rectangle, Svg, colour, palette, width};
use super::{list, property};

/// Room for the numbers beside an axis, and for each line of names below.
const AXIS: f64 = 62.0;
const NAME: f64 = 13.0;
/// Names of series that are written; the rest is counted.
const MOST_NAMES: usize = 6;

/// How one series is drawn.
struct Line<'series> {
    series: &'series Series,
    colour: String,
    dash: Option<[u32; 2]>,
    /// Downwards.
    is_below: bool,
    /// On an axis of its own, whose unit this is.
    aside: Option<String>,
}

/// A panel of lines.
pub(super) fn lines(svg: &mut Svg, panel: &Value, answers: &[(String, &[Series])], at: Rectangle) {
    let drawn = styles(panel, answers);
    let defaults = &panel["fieldConfig"]["defaults"];
    let unit = defaults["unit"].as_str().unwrap_or("none");
    let names = names(svg, &drawn, at);
    let area =
        Rectangle { x: at.x + AXIS, y: at.y + 4.0, width: at.width - AXIS, height: at.height - names - 12.0 };
    let (begin, end) = times(&drawn);
    let across = |time: f64| area.x + (time - begin) / (end - begin).max(1.0) * area.width;

    let limits: Vec<(f64, &str)> = list(&defaults["thresholds"], "steps")
        .iter()
        .filter_map(|step| Some((step["value"].as_f64()?, step["color"].as_str()?)))
        .collect();
    let main = drawn.iter().filter(|line| line.aside.is_none());
    let values = main.flat_map(|line| {
        let sign = if line.is_below { -1.0 } else { 1.0 };
        line.series.points.iter().map(move |(_, value)| sign * value)
    });
    let scale = Scale::of(values, defaults, area);
    for tick in ticks(scale.least, scale.most, unit) {
        let y = scale.up(tick);
        svg.line(&[(area.x, y), (area.x + area.width, y)], GRID, None);
        svg.text_from_right(area.x - 4.0, y + 3.5, 10.0, QUIET, &written(tick, unit));
    }
    for (value, name) in limits {
        // One that is far above everything is not what this is about.
        if value <= scale.most {
            let y = scale.up(value);
            svg.line(&[(area.x, y), (area.x + area.width, y)], colour(name), Some([6, 4]));
        }
    }
    for line in &drawn {
        let own = line.aside.as_ref().map(|_| {
            let values = line.series.points.iter().map(|(_, value)| *value);
            Scale::of(values, &serde_json::json!({"min": 0}), area)
        });
        let scale = own.as_ref().unwrap_or(&scale);
        let sign = if line.is_below { -1.0 } else { 1.0 };
        let points: Vec<_> =
            line.series.points.iter().map(|(time, value)| (across(*time), scale.up(sign * value))).collect();
        svg.line(&points, &line.colour, line.dash);
    }
}

/// How each answered series is drawn: by its query's role, else by its number.
fn styles<'series>(panel: &Value, answers: &[(String, &'series [Series])]) -> Vec<Line<'series>> {
    let mut lines = Vec::new();
    for (reference, series) in answers {
        let of = |id: &str| property(panel, reference, id);
        let dash = of("custom.lineStyle").map(|style| {
            let part =
                |at: usize| style["dash"][at].as_u64().and_then(|part| part.try_into().ok()).unwrap_or(4);
            [part(0), part(1)]
        });
        let fixed =
            of("color").and_then(|color| color["fixedColor"].as_str().map(|name| colour(name).to_owned()));
        let aside =
            of("custom.axisPlacement").and(of("unit")).and_then(|unit| unit.as_str().map(str::to_owned));
        let is_below = of("custom.transform").is_some();
        for one in *series {
            let colour = fixed.clone().unwrap_or_else(|| palette(lines.len()).to_owned());
            lines.push(Line { series: one, colour, dash, is_below, aside: aside.clone() });
        }
    }
    lines
}

/// Writes the names below and returns the height they take.
fn names(svg: &mut Svg, lines: &[Line<'_>], at: Rectangle) -> f64 {
    let shown = lines.len().min(MOST_NAMES);
    let rows = shown.div_ceil(2);
    let height = rows as f64 * NAME;
    for (number, line) in lines.iter().take(shown).enumerate() {
        let x = at.x + (number % 2) as f64 * at.width / 2.0;
        let y = at.y + at.height - height + (number / 2) as f64 * NAME + 10.0;
        svg.line(&[(x, y - 3.5), (x + 12.0, y - 3.5)], &line.colour, line.dash);
        let more = if number + 1 == shown && lines.len() > shown {
            format!(" … +{}", lines.len() - shown)
        } else {
            String::new()
        };
        let name = format!("{}{more}", line.series.name);
        svg.text_within(x + 16.0, y, 10.0, QUIET, &name, at.width / 2.0 - 20.0);
    }
    height
}

fn times(lines: &[Line<'_>]) -> (f64, f64) {
    let all = || lines.iter().flat_map(|line| line.series.points.iter().map(|(time, _)| *time));
    (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
}

/// From values to pixels.
struct Scale {
    least: f64,
    most: f64,
    area: Rectangle,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, bounds: &Value, area: Rectangle) -> Self {
        let (mut least, mut most) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !least.is_finite() {
            (least, most) = (0.0, 1.0);
        }
        least = bounds["min"].as_f64().unwrap_or(least.min(0.0));
        most = bounds["max"].as_f64().unwrap_or(most + (most - least) * 0.08);
        if most <= least {
            most = least + 1.0;
        }
        Self { least, most, area }
    }

    fn up(&self, value: f64) -> f64 {
        let share = ((value - self.least) / (self.most - self.least)).clamp(0.0, 1.0);
        self.area.y + self.area.height * (1.0 - share)
    }
}

/// A panel of spans: a row a series.
pub(super) fn states(svg: &mut Svg, panel: &Value, answers: &[(String, &[Series])], at: Rectangle) {
    let mappings = &panel["fieldConfig"]["defaults"]["mappings"];
    let series: Vec<&Series> = answers.iter().flat_map(|(_, series)| *series).collect();
    let named = series.iter().map(|one| width(&one.name, 10.0)).fold(0.0, f64::max).min(at.width * 0.35);
    let all = || series.iter().flat_map(|one| one.points.iter().map(|(time, _)| *time));
    let (begin, end) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let area =
        Rectangle { x: at.x + named + 6.0, y: at.y, width: at.width - named - 6.0, height: at.height - 18.0 };
    let high = (area.height / series.len().max(1) as f64).min(26.0);
    for (number, one) in series.iter().enumerate() {
        let y = area.y + number as f64 * high;
        svg.text_within(at.x, y + high / 2.0 + 4.0, 10.0, INK, &one.name, named + 4.0);
        for (from, to, value) in spans(&one.points) {
            let Some((_, name)) = meaning(mappings, value) else { continue };
            let across = |time: f64| area.x + (time - begin) / (end - begin).max(1.0) * area.width;
            let span = Rectangle {
                x: across(from),
                y: y + 2.0,
                width: across(to) - across(from) + 0.5,
                height: high - 4.0,
            };
            // What is of no interest is there, but quiet.
            let (shown, opacity) = if name == "text" { (GRID, 0.6) } else { (colour(&name), 0.85) };
            svg.fill(span, shown, opacity);
        }
    }
    let mut x = at.x;
    let is_there = |value: &str| {
        series.iter().any(|one| one.points.iter().any(|(_, point)| format!("{point:.0}") == value))
    };
    let options = mappings[0]["options"].as_object().into_iter().flatten();
    for (_, option) in options.filter(|(value, _)| is_there(value)) {
        let (text, name) =
            (option["text"].as_str().unwrap_or_default(), option["color"].as_str().unwrap_or("text"));
        let y = at.y + at.height - 4.0;
        if x + width(text, 10.0) + 14.0 > at.x + at.width {
            break;
        }
        let shown = if name == "text" { GRID } else { colour(name) };
        svg.fill(Rectangle { x, y: y - 8.0, width: 10.0, height: 9.0 }, shown, 0.85);
        svg.text(x + 14.0, y, 10.0, QUIET, text);
        x += width(text, 10.0) + 28.0;
    }
}

/// Neighbouring points of one value as one span: from when to when, and the value.
fn spans(points: &[(f64, f64)]) -> Vec<(f64, f64, f64)> {
    let mut spans: Vec<(f64, f64, f64)> = Vec::new();
    for pair in points.windows(2) {
        let [(from, value), (to, _)] = [pair[0], pair[1]];
        match spans.last_mut() {
            Some((_, end, last)) if (*last - value).abs() < f64::EPSILON => *end = to,
            _ => spans.push((from, to, value)),
        }
    }
    spans
}
