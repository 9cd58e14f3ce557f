//! SVG's elements as text.

use std::fmt::Write as _;

/// Text, and what is quieter than text.
pub(super) const INK: &str = "#24292e";
pub(super) const QUIET: &str = "#6a737d";
pub(super) const GRID: &str = "#e3e6ea";
pub(super) const WARNING: &str = "#b45309";
const GROUND: &str = "#f4f5f5";

/// Where something is drawn, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rectangle {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A picture under way.
#[derive(Debug)]
pub(super) struct Svg(String);

/// Grafana's names of colours, as a browser knows them.
pub(super) fn colour(name: &str) -> &str {
    match name {
        "green" => "#37872d",
        "orange" => "#e8890c",
        "red" => "#c4162a",
        "blue" => "#1f60c4",
        "purple" => "#8f3bb8",
        "text" => QUIET,
        other => other,
    }
}

/// The colour of the series with this number.
pub(super) fn palette(number: usize) -> &'static str {
    const COLOURS: [&str; 8] =
        ["#3274d9", "#37872d", "#e0752d", "#a352cc", "#c4162a", "#0aa1a1", "#8f6b00", "#d64591"];
    COLOURS[number % COLOURS.len()]
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let fonts = "'Noto Sans CJK SC','PingFang SC','Microsoft YaHei','WenQuanYi Zen Hei',sans-serif";
        let mut svg = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"{fonts}\">\n"
        ));
        svg.fill(Rectangle { x: 0.0, y: 0.0, width, height }, GROUND, 1.0);
        svg
    }

    pub(super) fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    /// The ground of a panel.
    pub(super) fn panel(&mut self, at: Rectangle) {
        let Rectangle { x, y, width, height } = at;
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"3\" fill=\"#fff\" stroke=\"{GRID}\"/>"
        );
    }

    pub(super) fn fill(&mut self, at: Rectangle, colour: &str, opacity: f64) {
        let Rectangle { x, y, width, height } = at;
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>",
            escaped(colour)
        );
    }

    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str, dash: Option<[u32; 2]>) {
        if points.is_empty() {
            return;
        }
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dash = dash.map(|[on, off]| format!(" stroke-dasharray=\"{on} {off}\"")).unwrap_or_default();
        let _ = writeln!(
            self.0,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\"{dash}/>",
            points.join(" "),
            escaped(colour)
        );
    }

    pub(super) fn text(&mut self, x: f64, y: f64, size: f64, colour: &str, text: &str) {
        self.put(x, y, size, colour, text, "start");
    }

    pub(super) fn text_from_right(&mut self, x: f64, y: f64, size: f64, colour: &str, text: &str) {
        self.put(x, y, size, colour, text, "end");
    }

    pub(super) fn text_in_the_middle(&mut self, x: f64, y: f64, size: f64, colour: &str, text: &str) {
        self.put(x, y, size, colour, text, "middle");
    }

    /// Cut to a width, with `…` where something is left out.
    pub(super) fn text_within(&mut self, x: f64, y: f64, size: f64, colour: &str, text: &str, width: f64) {
        self.put(x, y, size, colour, &cut(text, size, width), "start");
    }

    fn put(&mut self, x: f64, y: f64, size: f64, colour: &str, text: &str, anchor: &str) {
        let anchor = if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") };
        let (colour, text) = (escaped(colour), escaped(text));
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\"{anchor}>{text}</text>"
        );
    }
}

/// About how wide a text is: fonts differ, so a little more than most.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|letter| if letter as u32 >= 0x2e80 { size } else { size * 0.56 }).sum()
}

fn cut(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while !kept.is_empty() && width(&kept, size) + size > room {
        kept.pop();
    }
    kept.trim_end().to_owned() + "…"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
