use std::sync::Arc;

use super::*;
use crate::family::{Family, Kind, Labels, Number, Sample};

fn page(sources: Vec<Vec<Family>>) -> Arc<Page> {
    Arc::new(Page::new(sources.into_iter().map(Arc::new).collect(), None))
}

fn written(page: &Page, format: Format) -> String {
    page.write(format, None, String::new()).text()
}

fn labels(pairs: &[(&'static str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(name, value)| (*name, *value)))
}

fn check(sources: Vec<Vec<Family>>, classic: &str, openmetrics: &str) {
    let page = page(sources);
    assert_eq!(written(&page, Format::Classic), classic);
    assert_eq!(written(&page, Format::OpenMetrics), openmetrics);
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
        written(&page, Format::Classic),
        "# HELP g G.\n# TYPE g gauge\ng{a=\"1\",b=\"2\"} 1\ng{b=\"3\"} 3\n"
    );
    assert_eq!(
        page.refused().told,
        [
            "a second family `g` of another type; the first one is shown",
            "a second series `g{b=\"2\",a=\"1\"}`; the first one is shown"
        ]
    );
}

/// What one page holds of these families in both formats, and what is said about the rest.
fn check_refused(families: Vec<Family>, shown: &str, told: &[&str]) {
    let page = page(vec![families]);
    for format in [Format::Classic, Format::OpenMetrics] {
        let text = written(&page, format);
        let samples: String = text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples, shown, "{format:?}");
    }
    assert_eq!(page.refused().told, told);
    assert_eq!(page.refused().count, told.len());
}

#[test]
fn what_a_reader_would_refuse_costs_itself_and_not_the_page() {
    let of = |name: &'static str, pairs: &[(&'static str, &str)]| {
        Family::gauge(name, "Any.").with(labels(pairs), 1_u64)
    };
    check_refused(
        vec![
            of("a", &[("__name__", "x")]).with(labels(&[("b", "1")]), 2_u64),
            of("b", &[("__b", "x")]),
            of("c", &[("d", "1"), ("d", "2")]),
            of("d", &[("e-f", "1")]),
            of("e f", &[]),
            of("9", &[]),
            of("", &[]),
            of("good", &[]),
        ],
        "a{b=\"1\"} 2\ngood 1\n",
        &[
            "the family ``: this is not a valid name",
            "the family `9`: this is not a valid name",
            "the family `e f`: this is not a valid name",
            "`a{__name__=\"x\"}`: it has a label whose name is reserved",
            "`b{__b=\"x\"}`: it has a label whose name is reserved",
            "`c{d=\"1\",d=\"2\"}`: it has a label that is there twice",
            "`d{e-f=\"1\"}`: it has a label without a valid name",
        ],
    );
}

#[test]
fn a_family_whose_name_is_anothers_sample_is_on_neither_page() {
    let counter = Family::counter("x_total", "Counts.").with(Labels::NONE, 1_u64);
    let created = Family::gauge("x_created", "Another's.").with(Labels::NONE, 1_u64);
    check_refused(vec![counter, created], "x_created 1\nx_total 1\n", &[]);
    let mut summary = Family::gauge("s", "S.");
    summary.kind = Kind::Summary;
    summary.samples = vec![Sample { suffix: "_count", labels: Labels::NONE, value: Number::Whole(1) }];
    check_refused(
        vec![summary, Family::gauge("s_count", "Another's.").with(Labels::NONE, 2_u64)],
        "s_count 1\n",
        &["the family `s_count`: another family's samples have this name"],
    );
}

#[test]
fn any_number_of_repeated_series_costs_as_many_words_as_a_few() {
    let many = (0..100_000).fold(Family::gauge("a", "A."), |family, _| family.with(Labels::NONE, 1_u64));
    let page = page(vec![vec![many]]);
    assert_eq!(written(&page, Format::Classic), "# HELP a A.\n# TYPE a gauge\na 1\n");
    assert_eq!((page.refused().count, page.refused().told.len()), (99_999, 64));
}

#[test]
fn a_unit_is_told_where_the_name_ends_with_one() {
    let unit = |family: Family| {
        let text = page(vec![vec![family.with(Labels::NONE, 1_u64)]])
            .write(Format::OpenMetrics, None, String::new())
            .text();
        text.lines().find_map(|line| Some(line.strip_prefix("# UNIT ")?.to_owned()))
    };
    assert_eq!(unit(Family::counter("a_seconds_total", "A.")).as_deref(), Some("a_seconds seconds"));
    assert_eq!(
        unit(Family::gauge("gpu_memory_used_bytes", "B.")).as_deref(),
        Some("gpu_memory_used_bytes bytes")
    );
    for without in
        [Family::gauge("bytes", "A."), Family::gauge("_bytes", "A."), Family::gauge("a_bytes_free", "A.")]
    {
        assert_eq!(unit(without), None);
    }
    // The format knows no unit of an info.
    assert_eq!(unit(Family::info("a_bytes_info", "A.")), None);
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
