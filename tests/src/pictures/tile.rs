//! Large numbers.

use serde_json::Value;

use super::answers::Series;
use super::number::{meaning, threshold_colour, written};
use super::property;
use super::svg::{QUIET, Rectangle, Svg, colour, width};

/// Each answer's value beside the others, in its colour.
pub(super) fn draw(svg: &mut Svg, panel: &Value, answers: &[(String, &[Series])], at: Rectangle) {
    let defaults = &panel["fieldConfig"]["defaults"];
    let values: Vec<(&str, &Series, f64)> = answers
        .iter()
        .flat_map(|(reference, series)| series.iter().map(move |one| (reference.as_str(), one)))
        .filter_map(|(reference, one)| Some((reference, one, one.last()?)))
        .collect();
    let middle = at.y + at.height / 2.0;
    if values.is_empty() {
        let nothing = defaults["noValue"].as_str().unwrap_or("No data");
        svg.text_in_the_middle(at.x + at.width / 2.0, middle + 6.0, 14.0, QUIET, nothing);
        return;
    }
    let part = at.width / values.len() as f64;
    for (number, (reference, series, value)) in values.iter().enumerate() {
        let unit = property(panel, reference, "unit").unwrap_or_else(|| defaults["unit"].clone());
        let (text, name) = meaning(&defaults["mappings"], *value).unwrap_or_else(|| {
            let shown = written(*value, unit.as_str().unwrap_or("none"));
            (shown, threshold_colour(&defaults["thresholds"], *value))
        });
        let left = at.x + number as f64 * part;
        let ground = Rectangle { x: left, y: at.y, width: part - 2.0, height: at.height };
        svg.fill(ground, colour(&name), 0.13);
        let fits = (part - 8.0) / width(&text, 1.0);
        let centre = left + part / 2.0;
        svg.text_in_the_middle(centre, middle + 4.0, fits.clamp(9.0, 24.0).round(), colour(&name), &text);
        // A label as long as a UUID says nothing at this size.
        if width(&series.name, 10.0) < part {
            svg.text_in_the_middle(centre, middle + 22.0, 10.0, QUIET, &series.name);
        }
    }
}
