//! How many of the shapes were told in time, how long ahead, and how many alarms were false.

use std::fmt::Write as _;

use anyhow::Result;

use super::promtool::{Series, fired};
use super::shape::{Shape, Truth};
use super::subject::{SCRAPE, Subject};

/// A row of the table: all shapes of one kind.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kind.
    pub kind: &'static str,
    /// What became of each.
    pub outcomes: Vec<Outcome>,
}

/// What became of one shape.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The shape's name.
    pub name: String,
    /// Seconds from beginning to full; `None` of one that does not fill.
    pub fills: Option<f64>,
    /// Seconds before it was full when it was first told.
    pub ahead: Option<f64>,
    /// The same of the first critical alert.
    pub critical: Option<f64>,
    /// An alert fired that should not have.
    pub is_false: bool,
    /// One fired before anybody could know that the rise would come back.
    pub is_first_rise: bool,
}

/// From here on a ramp is to be told so long before it is full.
pub const LONG: f64 = 45.0 * 60.0;
const AHEAD: f64 = 30.0 * 60.0;
/// A shorter one is to be told so soon.
const SOON: f64 = 5.0 * 60.0;

impl Outcome {
    /// Whether it was told in time; of one that does not fill, whether nothing was told.
    pub fn is_good(&self) -> bool {
        match (self.fills, self.ahead) {
            _ if self.is_false => false,
            (None, _) => true,
            (Some(_), None) => false,
            (Some(fills), Some(ahead)) if fills >= LONG => ahead >= AHEAD,
            (Some(fills), Some(ahead)) => fills - ahead <= SOON,
        }
    }
}

/// Replays one of so many shapes of a subject made from each of the seeds.
pub fn rows(subject: Subject, seeds: &[u64], one_of: usize) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for seed in seeds {
        let shapes: Vec<Shape> = subject.shapes(*seed).into_iter().step_by(one_of).collect();
        let mut series = Vec::new();
        for (number, shape) in shapes.iter().enumerate() {
            let shown = subject.shown(shape, seed ^ (number as u64 * 7919));
            series.extend(parts(subject, shape, &shown));
        }
        let fired = fired(subject.alerts(), &series)?;
        let first = |node: String, severities: &[&str]| {
            let of = |severity: &&str| fired.get(&(node.clone(), (*severity).to_owned())).copied();
            severities.iter().filter_map(of).min_by(f64::total_cmp)
        };
        for shape in &shapes {
            let told = first(shape.name.clone(), &["critical", "warning"]);
            let critical = first(shape.name.clone(), &["critical"]);
            let is_first_rise = first(format!("{}-first", shape.name), &["critical", "warning"]).is_some();
            let name = format!("{}, seed {seed}", shape.name);
            let outcome = match shape.truth {
                Truth::Stays => Outcome {
                    name,
                    fills: None,
                    ahead: None,
                    critical: None,
                    is_false: told.is_some(),
                    is_first_rise,
                },
                Truth::Fills { begins, full } => Outcome {
                    name,
                    fills: Some(full - begins),
                    ahead: told.map(|told| full - told),
                    critical: critical.map(|critical| full - critical),
                    is_false: told.is_some_and(|told| told < begins),
                    is_first_rise,
                },
            };
            match rows.iter_mut().find(|row| row.kind == shape.kind) {
                Some(row) => row.outcomes.push(outcome),
                None => rows.push(Row { kind: shape.kind, outcomes: vec![outcome] }),
            }
        }
    }
    Ok(rows)
}

/// A shape's series, its beginning apart, and what else the rules look at.
fn parts(subject: Subject, shape: &Shape, shown: &[Option<f64>]) -> Vec<Series> {
    let scrapes = shown.len();
    let is_first = |scrape: usize| (scrape as f64) * SCRAPE < shape.first;
    let part = |node: &str, is_part: &dyn Fn(usize) -> bool| Series {
        name: subject.series(node),
        values: shown.iter().enumerate().map(|(scrape, value)| value.filter(|_| is_part(scrape))).collect(),
    };
    let mut parts = vec![part(&shape.name, &|scrape| !is_first(scrape))];
    if shape.first > 0.0 {
        parts.push(part(&format!("{}-first", shape.name), &is_first));
    }
    if subject == Subject::FileSystem {
        let mount = Subject::mount(&shape.name);
        // In millionths; every four minutes is often enough to be there at every moment.
        let whole = |scrape: usize, value: f64| (scrape.is_multiple_of(16)).then_some((1e6 * value).round());
        let series = |name: &str, value: &dyn Fn(f64) -> f64| Series {
            name: format!("{name}{mount}"),
            values: (0..scrapes).map(|scrape| whole(scrape, value(scrape as f64 * SCRAPE))).collect(),
        };
        parts.push(series("node_filesystem_avail_bytes", &|at| 1.0 - shape.course.at(at)));
        parts.push(series("node_filesystem_size_bytes", &|_| 1.0));
        parts.push(series("node_filesystem_readonly", &|_| 0.0));
    }
    parts
}

/// As Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| series | number | good | minutes ahead: p10, p50 | false alarms | told in the first rise |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let count = |is: fn(&Outcome) -> bool| row.outcomes.iter().filter(|outcome| is(outcome)).count();
        let mut ahead: Vec<f64> = row.outcomes.iter().filter_map(|outcome| outcome.ahead).collect();
        ahead.sort_unstable_by(f64::total_cmp);
        let at = |tenths: usize| ahead.get(ahead.len() * tenths / 10).map_or(0.0, |seconds| seconds / 60.0);
        let fills = row.outcomes.iter().any(|outcome| outcome.fills.is_some());
        let ahead = if fills { format!("{:.0}, {:.0}", at(1), at(5)) } else { String::new() };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {ahead} | {} | {} |",
            row.kind,
            row.outcomes.len(),
            count(Outcome::is_good),
            count(|outcome| outcome.is_false),
            count(|outcome| outcome.is_first_rise)
        );
    }
    text
}
