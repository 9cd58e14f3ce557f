use std::sync::Arc;

use super::*;
use crate::family::{Family, Kind, Labels, Number, Sample};

fn page(sources: Vec<Vec<Family>>) -> Arc<Page> {
    Arc::new(Page::new(sources.into_iter().map(Arc::new).collect()))
}

fn labels(pairs: &[(&'static str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(name, value)| (*name, *value)))
}

fn check(sources: Vec<Vec<Family>>, classic: &str, openmetrics: &str) {
    let page = page(sources);
    assert_eq!(page.encode(Format::Classic, 0), classic);
    assert_eq!(page.encode(Format::OpenMetrics, 0), openmetrics);
}

#[test]
fn each_type_in_both_formats() {
    check(
        vec![vec![
            Family::counter("c_total", "Counts.").with(Labels::NONE, 3_u64),
            Family::gauge("g", "Goes.").with(labels(&[("a", "1")]), 0.5),
            Family::info("i_info", "Is.").with(labels(&[("v", "x")]), 1_u64),
            Family::unknown("u", "Who knows.").with(Labels::NONE, u64::MAX),
        ]],
        "# HELP c_total Counts.\n# TYPE c_total counter\nc_total 3\n\
         # HELP g Goes.\n# TYPE g gauge\ng{a=\"1\"} 0.5\n\
         # HELP i_info Is.\n# TYPE i_info gauge\ni_info{v=\"x\"} 1\n\
         # HELP u Who knows.\n# TYPE u untyped\nu 18446744073709551615\n",
        "# HELP c Counts.\n# TYPE c counter\nc_total 3\n\
         # HELP g Goes.\n# TYPE g gauge\ng{a=\"1\"} 0.5\n\
         # HELP i Is.\n# TYPE i info\ni_info{v=\"x\"} 1\n\
         # HELP u Who knows.\n# TYPE u unknown\nu 18446744073709551615\n# EOF\n",
    );
}

#[test]
fn help_and_labels_are_escaped() {
    check(
        vec![vec![Family::gauge("g", "a \"b\"\\\nc").with(labels(&[("l", "a \"b\"\\\nc")]), 1_u64)]],
        "# HELP g a \"b\"\\\\\\nc\n# TYPE g gauge\ng{l=\"a \\\"b\\\"\\\\\\nc\"} 1\n",
        "# HELP g a \\\"b\\\"\\\\\\nc\n# TYPE g gauge\ng{l=\"a \\\"b\\\"\\\\\\nc\"} 1\n# EOF\n",
    );
}

#[test]
fn families_are_merged_and_ordered() {
    check(
        vec![
            vec![Family::gauge("b", "B.").with(labels(&[("n", "1")]), 1_u64), Family::gauge("empty", "E.")],
            vec![
                Family::gauge("a", "A.").with(Labels::NONE, 1_u64),
                Family::gauge("b", "Other.").with(labels(&[("n", "2")]), 2_u64),
            ],
        ],
        "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb{n=\"1\"} 1\nb{n=\"2\"} 2\n",
        "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb{n=\"1\"} 1\nb{n=\"2\"} 2\n# EOF\n",
    );
}

#[test]
fn of_two_equal_series_the_first_stays() {
    let page = page(vec![
        vec![Family::gauge("g", "G.").with(labels(&[("a", "1"), ("b", "2")]), 1_u64)],
        vec![
            Family::gauge("g", "G.")
                .with(labels(&[("b", "2"), ("a", "1")]), 2_u64)
                .with(labels(&[("b", "3")]), 3_u64),
            Family::counter("g", "Not the same.").with(Labels::NONE, 1_u64),
        ],
    ]);
    assert_eq!(
        page.encode(Format::Classic, 0),
        "# HELP g G.\n# TYPE g gauge\ng{a=\"1\",b=\"2\"} 1\ng{b=\"3\"} 3\n"
    );
    assert_eq!(page.refused, ["a second family `g` of another type", "a second series `g{b=\"2\",a=\"1\"}`"]);
}

#[test]
fn clashing_names_lose_their_type_and_nothing_else() {
    check(
        vec![vec![
            Family::gauge("x", "X.").with(Labels::NONE, 1_u64),
            Family::counter("x_total", "Counts x.").with(Labels::NONE, 2_u64),
            Family::counter("plain", "No suffix.").with(Labels::NONE, 3_u64),
            Family::counter("nan_total", "Not a number.").with(Labels::NONE, f64::NAN),
        ]],
        "# HELP nan_total Not a number.\n# TYPE nan_total counter\nnan_total NaN\n\
         # HELP plain No suffix.\n# TYPE plain counter\nplain 3\n\
         # HELP x X.\n# TYPE x gauge\nx 1\n# HELP x_total Counts x.\n# TYPE x_total counter\nx_total 2\n",
        "# HELP nan_total Not a number.\n# TYPE nan_total unknown\nnan_total NaN\n\
         # HELP plain No suffix.\n# TYPE plain unknown\nplain 3\n\
         # HELP x X.\n# TYPE x gauge\nx 1\n# HELP x_total Counts x.\n# TYPE x_total unknown\nx_total 2\n# EOF\n",
    );
}

#[test]
fn histograms_and_summaries_pass_through() {
    let sample = |suffix, pairs: &[(&'static str, &str)], value: Number| Sample {
        suffix,
        labels: labels(pairs),
        value,
    };
    let mut histogram = Family::gauge("h", "H.");
    histogram.kind = Kind::Histogram;
    histogram.samples = vec![
        sample("_bucket", &[("le", "1")], Number::Whole(2)),
        sample("_bucket", &[("le", "+Inf")], Number::Whole(3)),
        sample("_sum", &[], Number::Real(4.5)),
        sample("_count", &[], Number::Whole(3)),
    ];
    let mut summary = Family::gauge("s", "S.");
    summary.kind = Kind::Summary;
    summary.samples =
        vec![sample("", &[("quantile", "0.5")], Number::Real(1.0)), sample("_count", &[], Number::Whole(1))];
    check(
        vec![vec![histogram, summary]],
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n\
         # HELP s S.\n# TYPE s summary\ns{quantile=\"0.5\"} 1.0\ns_count 1\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n\
         # HELP s S.\n# TYPE s summary\ns{quantile=\"0.5\"} 1.0\ns_count 1\n# EOF\n",
    );
}
