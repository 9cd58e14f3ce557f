//! A captured page as a form to be filled in: its families in order, their help and type, and each series' labels and buckets.

use std::collections::BTreeMap;

use test_peers::page::{Page, Sample};

/// Labels by their names.
pub(crate) type Labels = BTreeMap<String, String>;

/// One family of a page.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// As behind `# TYPE`.
    pub(crate) name: String,
    /// `gauge`, `counter`, `histogram`, `summary`.
    pub(crate) kind: String,
    /// Its comment lines, as they stand on the page.
    pub(crate) head: String,
    pub(crate) series: Vec<Series>,
}

/// One series of a family, or the series that make one histogram up.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The sample's name; of a histogram the family's.
    pub(crate) name: String,
    /// Without `le`.
    pub(crate) labels: Labels,
    /// What the captured page says; of a histogram nothing.
    pub(crate) captured: f64,
    /// A histogram's upper bounds, each with its text, `+Inf` last; otherwise none.
    pub(crate) edges: Vec<(f64, String)>,
}

/// The families of a captured page.
pub(crate) fn families(page: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut samples: Vec<String> = Vec::new();
    for line in page.lines() {
        if line.starts_with("# HELP ") {
            families.push(Family {
                name: String::new(),
                kind: String::new(),
                head: String::new(),
                series: Vec::new(),
            });
            samples.push(String::new());
        }
        let (Some(family), Some(samples)) = (families.last_mut(), samples.last_mut()) else { continue };
        if line.starts_with('#') {
            family.head.push_str(line);
            family.head.push('\n');
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                (family.name, family.kind) = (name.to_owned(), kind.to_owned());
            }
        } else {
            samples.push_str(line);
            samples.push('\n');
        }
    }
    for (family, samples) in families.iter_mut().zip(samples) {
        for sample in Page(samples).samples() {
            put(family, sample);
        }
    }
    families
}

fn put(family: &mut Family, Sample { name, mut labels, value }: Sample) {
    if family.kind != "histogram" {
        family.series.push(Series { name, labels, captured: value, edges: Vec::new() });
        return;
    }
    // The sum and the count of a histogram follow from its observations.
    let Some(text) = labels.remove("le") else { return };
    let edge = text.replace("Inf", "inf").parse().unwrap_or(f64::INFINITY);
    if let Some(series) = family.series.iter_mut().find(|series| series.labels == labels) {
        series.edges.push((edge, text));
    } else {
        let name = family.name.clone();
        family.series.push(Series { name, labels, captured: 0.0, edges: vec![(edge, text)] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::captured::PAGES;

    #[test]
    fn a_page_falls_into_families_and_histograms() {
        let page = "# HELP a help\n# TYPE a gauge\na{x=\"1\"} 2.0\na{x=\"2\"} 3.0\n# HELP h\n# TYPE h histogram\n\
                    h_bucket{le=\"0.5\",x=\"1\"} 1.0\nh_bucket{le=\"+Inf\",x=\"1\"} 2.0\nh_count{x=\"1\"} 2.0\nh_sum{x=\"1\"} 3.0\n";
        let families = families(page);
        assert_eq!(families.len(), 2);
        assert_eq!(
            (families[0].name.as_str(), families[0].series.len(), families[0].series[1].captured),
            ("a", 2, 3.0)
        );
        let [histogram] = families[1].series.as_slice() else { panic!("{:?}", families[1]) };
        assert_eq!(histogram.edges, [(0.5, "0.5".to_owned()), (f64::INFINITY, "+Inf".to_owned())]);
        assert_eq!(histogram.labels.len(), 1);
    }

    #[test]
    fn every_captured_page_is_a_form() {
        for (name, page) in PAGES {
            let families = families(page);
            assert!(families.len() > 15, "{name}: {}", families.len());
            assert!(
                families.iter().all(|family| !family.kind.is_empty() && family.head.lines().count() == 2),
                "{name}"
            );
        }
    }
}
