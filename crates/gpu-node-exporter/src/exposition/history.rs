//! Families over time: the same series at many moments, as Prometheus' API and `OpenMetrics` with timestamps write them.
//!
//! The JSON is that of a range query (<https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors>), so that what reads one
//! reads the other; `promtool tsdb create-blocks-from openmetrics` takes the text.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::lines::{write_header, write_number, write_unit};
use super::openmetrics::{unit, with_canonical_bounds, word};
use super::shape::Shape;
use crate::family::{Family, Kind, Labels, Number, Text};

/// The content type of the text.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Series with their past.
#[derive(Debug, Default)]
pub(crate) struct History {
    families: BTreeMap<Text, Past>,
    samples: usize,
}

#[derive(Debug)]
struct Past {
    help: Text,
    kind: Kind,
    /// By what their names end with (`_bucket` of a histogram) and the text of their labels, so that their order is the same each time.
    series: BTreeMap<(&'static str, String), Series>,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    /// Seconds since 1970, and the reading then.
    values: Vec<(f64, Number)>,
}

impl History {
    /// Adds what was known at a moment, in seconds since 1970. Moments come in order; what takes the text of `OpenMetrics`
    /// drops those that do not rise.
    pub(crate) fn add(&mut self, at: f64, families: Vec<Family>) {
        for family in families {
            let Family { name, help, kind, samples } = family;
            let past =
                self.families.entry(name).or_insert_with(|| Past { help, kind, series: BTreeMap::new() });
            self.samples += samples.len();
            for sample in samples {
                let key = (sample.suffix, sample.labels.text().to_owned());
                let empty = || Series { labels: sample.labels, values: Vec::new() };
                past.series.entry(key).or_insert_with(empty).values.push((at, sample.value));
            }
        }
    }

    /// As `OpenMetrics` 1.0 with a timestamp on each sample.
    pub(crate) fn openmetrics(&self) -> String {
        let mut out = String::with_capacity(self.samples * 64);
        for (full, past) in &self.families {
            let shape = Shape::own(full, past.kind, std::iter::empty()).unwrap_or(Shape::UNKNOWN);
            let name = shape.name(full);
            write_header(&mut out, name, &past.help, true, word(shape.kind));
            if let Some(unit) = unit(name, shape) {
                write_unit(&mut out, name, unit);
            }
            for metric in past.metrics() {
                for (at, suffix, labels, value) in points(&metric) {
                    out.extend([&**full, suffix]);
                    if !labels.text().is_empty() {
                        out.extend(["{", labels.text(), "}"]);
                    }
                    out.push(' ');
                    write_number(&mut out, value);
                    out.extend([" ", &format!("{at:.3}"), "\n"]);
                }
            }
        }
        out.push_str("# EOF\n");
        out
    }

    /// As the answer of a range query, with sentences for people among its warnings, and for programs with why it was kept, if it was.
    pub(crate) fn json(&self, kept: Option<&impl Serialize>, warnings: &[String]) -> String {
        let result = self.families.iter().flat_map(|(name, past)| {
            past.series.iter().map(move |((suffix, _), series)| Entry {
                metric: Metric { name, suffix, labels: &series.labels },
                values: &series.values,
            })
        });
        let answer = Answer {
            status: "success",
            data: Data { result_type: "matrix", result: result.collect() },
            kept,
            warnings,
        };
        serde_json::to_string(&answer).expect("names, numbers and texts")
    }
}

/// The series that are one metric of `OpenMetrics`, with what their names end with, in the order of a point's lines.
type SeriesOfMetric<'a> = Vec<(&'static str, &'a Series)>;

impl Past {
    /// All series of a histogram that differ in their bounds alone are one metric: its points stand together, by their times
    /// (<https://prometheus.io/docs/specs/om/open_metrics_spec/#metricpoint-1>), and the buckets of a point by their bounds. So it is with the
    /// quantiles of a summary.
    fn metrics(&self) -> Vec<SeriesOfMetric<'_>> {
        let bound = match self.kind {
            Kind::Histogram => "le",
            Kind::Summary => "quantile",
            Kind::Counter | Kind::Gauge | Kind::Info | Kind::Unknown => "",
        };
        let mut metrics: BTreeMap<String, SeriesOfMetric<'_>> = BTreeMap::new();
        for ((suffix, _), series) in &self.series {
            let own = series.labels.iter().filter(|(name, _)| *name != bound);
            metrics.entry(Labels::new(own).text().to_owned()).or_default().push((suffix, series));
        }
        for metric in metrics.values_mut() {
            metric.sort_by(|(one, first), (other, second)| {
                one.cmp(other).then(first.number(bound).total_cmp(&second.number(bound)))
            });
        }
        metrics.into_values().collect()
    }
}

impl Series {
    /// The number in this label; one without it is alone with what its name ends with.
    fn number(&self, label: &str) -> f64 {
        let value = self.labels.iter().find(|(name, _)| *name == label);
        value.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
    }
}

/// The lines of a metric, point by point: time, what the name ends with, labels, reading.
fn points(metric: &SeriesOfMetric<'_>) -> Vec<(f64, &'static str, Labels, Number)> {
    let mut points: Vec<_> = metric
        .iter()
        .flat_map(|(suffix, series)| {
            let labels = with_canonical_bounds(&series.labels);
            series.values.iter().map(move |(at, value)| (*at, *suffix, labels.clone(), *value))
        })
        .collect();
    // Lines of the same time keep their order.
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

#[derive(Serialize)]
struct Answer<'a, K> {
    status: &'static str,
    data: Data<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a K>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    result_type: &'static str,
    result: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    metric: Metric<'a>,
    #[serde(serialize_with = "values")]
    values: &'a [(f64, Number)],
}

/// `__name__` and the labels.
struct Metric<'a> {
    name: &'a str,
    suffix: &'static str,
    labels: &'a Labels,
}

impl Serialize for Metric<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = std::iter::once(("__name__", format!("{}{}", self.name, self.suffix).into()));
        serializer.collect_map(name.chain(self.labels.iter()))
    }
}

/// Numbers are texts in Prometheus' answers: JSON has no NaN.
fn values<S: Serializer>(values: &[(f64, Number)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|(at, value)| {
        let mut text = String::new();
        write_number(&mut text, *value);
        (at, text)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Sample;

    fn history() -> History {
        let mut history = History::default();
        let gpu = |index: &str| Labels::new([("gpu", index), ("name", "a \"b\"")]);
        for (at, watts, joules) in [(1_700_000_000.5, 71.5, 100), (1_700_000_001.5, f64::NAN, 171)] {
            history.add(
                at,
                vec![
                    Family::gauge("gpu_power_watts", "Power.").with(gpu("0"), Number::Real(watts)),
                    Family::counter("gpu_energy_joules_total", "Energy.")
                        .with(gpu("0"), Number::Whole(joules)),
                ],
            );
        }
        history.add(
            1_700_000_002.0,
            vec![Family::gauge("gpu_power_watts", "Power.").with(gpu("1"), Number::Real(3.0))],
        );
        history
    }

    #[test]
    fn each_sample_has_its_time() {
        assert_eq!(
            history().openmetrics(),
            "# HELP gpu_energy_joules Energy.\n# TYPE gpu_energy_joules counter\n# UNIT gpu_energy_joules joules\n\
             gpu_energy_joules_total{gpu=\"0\",name=\"a \\\"b\\\"\"} 100 1700000000.500\n\
             gpu_energy_joules_total{gpu=\"0\",name=\"a \\\"b\\\"\"} 171 1700000001.500\n\
             # HELP gpu_power_watts Power.\n# TYPE gpu_power_watts gauge\n# UNIT gpu_power_watts watts\n\
             gpu_power_watts{gpu=\"0\",name=\"a \\\"b\\\"\"} 71.5 1700000000.500\n\
             gpu_power_watts{gpu=\"0\",name=\"a \\\"b\\\"\"} NaN 1700000001.500\n\
             gpu_power_watts{gpu=\"1\",name=\"a \\\"b\\\"\"} 3.0 1700000002.000\n\
             # EOF\n"
        );
    }

    #[test]
    fn a_histogram_is_written_point_by_point_and_its_buckets_by_their_bounds() {
        let mut history = History::default();
        for at in [1_700_000_000.0, 1_700_000_001.0] {
            let mut family = Family::histogram("gpu_utilization_samples_ratio", "Samples.");
            let own = Labels::new([("gpu", "0")]);
            for bound in ["0.0", "0.25", "1", "+Inf"] {
                let labels = own.and([("le", bound)]);
                family.samples.push(Sample { suffix: "_bucket", labels, value: 3_u64.into() });
            }
            for suffix in ["_sum", "_count"] {
                family.samples.push(Sample { suffix, labels: own.clone(), value: 3_u64.into() });
            }
            history.add(at, vec![family]);
        }
        let text = history.openmetrics();
        let (header, lines) =
            text.split_once("# UNIT gpu_utilization_samples_ratio ratio\n").expect("a unit");
        assert!(header.contains("# TYPE gpu_utilization_samples_ratio histogram\n"), "{header}");
        let point = |at: &str| {
            let bucket = |bound| format!("_bucket{{gpu=\"0\",le=\"{bound}\"}}");
            let own = ["_count", "_sum"].map(|suffix| format!("{suffix}{{gpu=\"0\"}}"));
            let names = ["0.0", "0.25", "1.0", "+Inf"].map(bucket).into_iter().chain(own);
            names
                .map(|name| format!("gpu_utilization_samples_ratio{name} 3 {at}.000\n"))
                .collect::<Vec<_>>()
                .concat()
        };
        assert_eq!(lines, [point("1700000000"), point("1700000001"), "# EOF\n".to_owned()].concat());
        assert!(
            history.json(None::<&()>, &[]).contains("\"__name__\":\"gpu_utilization_samples_ratio_bucket\"")
        );
    }

    #[test]
    fn json_is_a_range_querys() {
        let answer: serde_json::Value =
            serde_json::from_str(&history().json(Some(&"why"), &["cut".to_owned()])).expect("JSON");
        assert_eq!(
            answer,
            serde_json::json!({
                "status": "success",
                "data": { "resultType": "matrix", "result": [
                    { "metric": { "__name__": "gpu_energy_joules_total", "gpu": "0", "name": "a \"b\"" },
                      "values": [[1_700_000_000.5, "100"], [1_700_000_001.5, "171"]] },
                    { "metric": { "__name__": "gpu_power_watts", "gpu": "0", "name": "a \"b\"" },
                      "values": [[1_700_000_000.5, "71.5"], [1_700_000_001.5, "NaN"]] },
                    { "metric": { "__name__": "gpu_power_watts", "gpu": "1", "name": "a \"b\"" },
                      "values": [[1_700_000_002.0, "3.0"]] },
                ] },
                "kept": "why",
                "warnings": ["cut"],
            })
        );
        let plain = history().json(None::<&()>, &[]);
        assert!(!plain.contains("warnings") && !plain.contains("kept"), "{plain}");
    }
}
