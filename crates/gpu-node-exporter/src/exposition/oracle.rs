//! The same page as prometheus-client writes it: what our own writing is compared with.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use proptest::prelude::*;

use super::{Format, Page};
use crate::family::{Family, Kind, Labels, Number};

/// Families that have neither suffix clashes nor histograms, which the crate leaves to its caller.
#[derive(Debug)]
struct Plain(Arc<Page>);

impl Collector for Plain {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in self.0.families().flatten() {
            let (name, kind) = match family.kind() {
                Kind::Counter => (family.name().strip_suffix("_total").unwrap(), MetricType::Counter),
                Kind::Info => (family.name().strip_suffix("_info").unwrap(), MetricType::Info),
                Kind::Gauge => (family.name(), MetricType::Gauge),
                _ => (family.name(), MetricType::Unknown),
            };
            // The crate puts the unit behind the name.
            let bytes = name.strip_suffix("_bytes").filter(|_| family.kind() != Kind::Info);
            let unit = bytes.map(|_| Unit::Bytes);
            let name = bytes.unwrap_or(name);
            let mut metric = encoder.encode_descriptor(name, family.help(), unit.as_ref(), kind)?;
            for sample in family.samples() {
                let labels: Vec<_> =
                    sample.labels.iter().map(|(name, value)| (name, value.into_owned())).collect();
                let labels = labels.as_slice();
                if family.kind() == Kind::Info {
                    metric.encode_info(&labels)?;
                    continue;
                }
                let mut metric = metric.encode_family(&labels)?;
                match (family.kind(), sample.value) {
                    (Kind::Counter, Number::Whole(whole)) => {
                        metric.encode_counter::<NoLabelSet, _, u64>(&whole, None)?;
                    }
                    (Kind::Counter, Number::Real(real)) => {
                        metric.encode_counter::<NoLabelSet, _, f64>(&real, None)?;
                    }
                    (_, Number::Whole(whole)) => metric.encode_gauge(&whole)?,
                    (_, Number::Real(real)) => metric.encode_gauge(&real)?,
                }
            }
        }
        Ok(())
    }
}

/// A page as lines, each sample cut into what names it and its value. The crate writes `name{} 1` where we write
/// `name 1`, and does not always find the fewest digits, so values are compared as numbers.
fn lines(text: &str) -> Vec<(String, Option<f64>)> {
    let cut = |line: &str| match line.rsplit_once(' ') {
        Some((series, value)) if !line.starts_with('#') => {
            (series.replace("{}", ""), Some(value.parse().unwrap()))
        }
        _ => (line.to_owned(), None),
    };
    // A label's value may hold line feeds only escaped, so lines are lines.
    text.lines().map(cut).collect()
}

fn family() -> impl Strategy<Value = Family> {
    let number = prop_oneof![
        any::<u64>().prop_map(Number::Whole),
        (0.0..1e300_f64).prop_map(Number::Real),
        Just(Number::Real(f64::INFINITY)),
    ];
    let labels = prop::collection::btree_map("[a-z]{1,3}", any::<String>(), 0..4).prop_map(Labels::new);
    let samples = prop::collection::vec((labels, number), 1..6);
    let kind = prop_oneof![Just(Kind::Counter), Just(Kind::Gauge), Just(Kind::Info), Just(Kind::Unknown)];
    ("m_[a-z]{1,4}(_bytes)?", "[a-zA-Z ,.]{0,20}", kind, samples).prop_map(|(name, help, kind, samples)| {
        let mut family = match kind {
            Kind::Counter => Family::counter(name + "_total", help),
            Kind::Info => Family::info(name + "_info", help),
            Kind::Gauge => Family::gauge(name, help),
            _ => Family::unknown(name, help),
        };
        for (labels, value) in samples {
            family.push(labels, if kind == Kind::Info { Number::Whole(1) } else { value });
        }
        family
    })
}

proptest! {
    #[test]
    fn our_page_is_the_librarys_page(families in prop::collection::vec(family(), 0..5)) {
        // Two families of one base name are a clash, which the crate does not look for.
        let mut bases = std::collections::HashSet::new();
        let families: Vec<Family> = families
            .into_iter()
            .filter(|family| bases.insert(family.name.trim_end_matches("_total").trim_end_matches("_info").to_owned()))
            .collect();
        let page = Arc::new(Page::new(vec![Arc::new(families)], None));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Plain(Arc::clone(&page))));
        let mut theirs = String::new();
        text::encode(&mut theirs, &registry).unwrap();
        prop_assert_eq!(lines(&page.write(Format::OpenMetrics, None, String::new()).text()), lines(&theirs));
    }
}
