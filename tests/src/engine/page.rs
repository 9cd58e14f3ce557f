//! The engine's `/metrics` page: a captured page's form with the tally's numbers, in text 0.0.4.

use std::fmt::Write as _;

use super::names::{Source, source};
use super::release::{Kind, Release};
use super::tally::{Histogram, Tally};
use super::template::{Family, Labels, Series, families};

/// The served model of the captured pages; what is played may have another.
const CAPTURED_MODEL: &str = "Qwen/Qwen3-VL-8B-Instruct";

/// A release's page, ready to be filled in.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    release: Release,
    families: Vec<(Family, Vec<Source>)>,
}

impl Form {
    /// The release's form for a model of this name.
    pub(crate) fn new(release: Release, model: &str) -> Self {
        let mut families = families(release.page);
        for series in families.iter_mut().flat_map(|family| &mut family.series) {
            if let Some(name) = series.labels.get_mut("model_name").filter(|name| *name == CAPTURED_MODEL) {
                model.clone_into(name);
            }
        }
        let with_sources = |family: Family| {
            let sources = family.series.iter().map(|series| source(&family, series)).collect();
            (family, sources)
        };
        Self { release, families: families.into_iter().map(with_sources).collect() }
    }

    /// A tally with this form's histograms, in the order in which they stand on it.
    pub(crate) fn tally(&self) -> Tally {
        let mut histograms = Vec::new();
        for (family, sources) in &self.families {
            for (series, source) in family.series.iter().zip(sources) {
                if let Source::Histogram(quantity, streams) = source {
                    let edges = series.edges.iter().map(|(edge, _)| *edge).collect();
                    histograms.push(Histogram::new(*quantity, *streams, edges));
                }
            }
        }
        Tally::new(histograms)
    }

    /// The page. `faults` says what is wrong with the simulated engine.
    pub(crate) fn page(&self, tally: &Tally, faults: &str) -> String {
        let mut page = String::new();
        let mut histograms = tally.histograms.iter();
        for (family, sources) in &self.families {
            let mut samples = String::new();
            for (series, source) in family.series.iter().zip(sources) {
                let value = match source {
                    Source::Captured => Some(series.captured),
                    Source::Never => Some(0.0),
                    Source::Gauge(read) => Some(read(&tally.gauges)),
                    Source::Of(read) => Some(read(tally)),
                    Source::Count(count, streams) => Some(tally.count(*count, *streams)),
                    Source::Histogram(..) => None,
                };
                match value {
                    Some(_) if family.kind == "histogram" => {
                        let none = vec![0.0; series.edges.len()];
                        self.histogram(&mut samples, series, &none, 0.0);
                    }
                    Some(value) if value > 0.0 || !self.is_born_at_first_event(family) => {
                        line(&mut samples, &series.name, &series.labels, None, value);
                    }
                    Some(_) => {}
                    None => {
                        let Some(histogram) = histograms.next() else { continue };
                        if histogram.count() > 0.0 || !self.is_born_at_first_event(family) {
                            self.histogram(&mut samples, series, &histogram.counts, histogram.sum);
                        }
                    }
                }
            }
            if !samples.is_empty() {
                page.push_str(&family.head);
                page.push_str(&samples);
            }
        }
        let engine = match self.release.kind {
            Kind::Vllm => "vllm",
            Kind::Sglang => "sglang",
        };
        let labels = [("engine", engine), ("faults", faults), ("version", self.release.version())];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        page.push_str("# HELP engine_sim_info This engine is simulated: no number on this page comes from a real one.\n");
        page.push_str("# TYPE engine_sim_info gauge\n");
        line(&mut page, "engine_sim_info", &labels, None, 1.0);
        page
    }

    /// vLLM's second generation makes each of its series when it starts. `SGLang`, and the library that counts HTTP requests, make one
    /// at its first event.
    fn is_born_at_first_event(&self, family: &Family) -> bool {
        let counts = matches!(family.kind.as_str(), "counter" | "histogram" | "summary");
        counts && (self.release.kind == Kind::Sglang || family.name.starts_with("http_"))
    }

    fn histogram(&self, samples: &mut String, series: &Series, counts: &[f64], sum: f64) {
        let Series { name, labels, edges, .. } = series;
        let mut below = 0.0;
        for ((_, edge), count) in edges.iter().zip(counts) {
            below += count;
            line(samples, &format!("{name}_bucket"), labels, Some(edge), below);
        }
        if below > 0.0 || self.release.kind == Kind::Vllm {
            line(samples, &format!("{name}_count"), labels, None, below);
            line(samples, &format!("{name}_sum"), labels, None, sum);
        }
    }
}

fn line(page: &mut String, name: &str, labels: &Labels, edge: Option<&str>, value: f64) {
    page.push_str(name);
    let edge = edge.map(|edge| ("le", edge));
    let mut all: Vec<(&str, &str)> =
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(edge);
    all.sort_unstable();
    for (number, (label, value)) in all.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = write!(page, "{}{label}=\"{value}\"", if number == 0 { '{' } else { ',' });
    }
    let _ = writeln!(page, "{} {value:?}", if all.is_empty() { "" } else { "}" });
}
