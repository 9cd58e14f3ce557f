//! Numbers as Grafana's units write them, and the ticks of an axis.

use serde_json::Value;

const BINARY: [&str; 5] = ["", " Ki", " Mi", " Gi", " Ti"];
const DECIMAL: [&str; 5] = ["", " k", " M", " G", " T"];

/// A value in a unit, by Grafana's name of it.
pub(super) fn written(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => scaled(value, 1024.0, &BINARY, "B"),
        "binBps" => scaled(value, 1024.0, &BINARY, "B/s"),
        "percentunit" => format!("{}%", short(value * 100.0)),
        "celsius" => format!("{} °C", short(value)),
        "watt" => scaled(value, 1000.0, &DECIMAL, "W"),
        "joule" => scaled(value, 1000.0, &DECIMAL, "J"),
        "hertz" => scaled(value, 1000.0, &DECIMAL, "Hz"),
        "kwatth" => format!("{} kWh", short(value)),
        "s" => seconds(value),
        "reqps" => format!("{} req/s", short(value)),
        "cps" => format!("{} /s", short(value)),
        "cpm" => format!("{} /min", short(value)),
        "iops" => format!("{} io/s", short(value)),
        "suffix: tok/s" => format!("{} tok/s", short(value)),
        "short" => scaled(value, 1000.0, &DECIMAL, ""),
        _ => short(value),
    }
}

/// What a value means, when the panel says so; its name and colour.
pub(super) fn meaning(mappings: &Value, value: f64) -> Option<(String, String)> {
    let options = mappings.as_array()?.first()?.get("options")?;
    let named = options.get(format!("{value:.0}"))?;
    Some((named["text"].as_str()?.to_owned(), named["color"].as_str()?.to_owned()))
}

/// The colour of a value by thresholds.
pub(super) fn threshold_colour(thresholds: &Value, value: f64) -> String {
    let steps = thresholds["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let reached = steps.iter().rfind(|step| step["value"].as_f64().is_none_or(|from| value >= from));
    reached.and_then(|step| step["color"].as_str()).unwrap_or("text").to_owned()
}

/// Round values within a range, about five.
pub(super) fn ticks(least: f64, most: f64, unit: &str) -> Vec<f64> {
    let span = most - least;
    if !span.is_finite() || span <= 0.0 {
        return Vec::new();
    }
    let rough = span / 4.0;
    // Powers of two are round for bytes.
    let step = if unit == "bytes" || unit == "binBps" {
        rough.log2().ceil().exp2()
    } else {
        let magnitude = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
        steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * magnitude)
    };
    let first = (least / step).ceil();
    (0..12_u32).map(|number| (first + f64::from(number)) * step).take_while(|tick| *tick <= most).collect()
}

fn scaled(value: f64, base: f64, prefixes: &[&str], unit: &str) -> String {
    let mut left = value;
    let mut place = 0;
    while left.abs() >= base && place + 1 < prefixes.len() {
        left /= base;
        place += 1;
    }
    let space = if place == 0 && !unit.is_empty() { " " } else { "" };
    format!("{}{space}{}{unit}", short(left), prefixes[place])
}

fn seconds(value: f64) -> String {
    match value.abs() {
        less if less < 1.0 && less > 0.0 => format!("{} ms", short(value * 1000.0)),
        less if less < 120.0 => format!("{} s", short(value)),
        less if less < 7200.0 => format!("{} min", short(value / 60.0)),
        less if less < 172_800.0 => format!("{} h", short(value / 3600.0)),
        _ => format!("{} d", short(value / 86_400.0)),
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 0 } else { usize::from(value.abs() < 10.0) + 1 };
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
