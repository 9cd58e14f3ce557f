use super::*;
use crate::exposition::{Format, Page};

/// The page of what the directories hold, without the files' times.
fn page(patterns: &[&str]) -> String {
    let directories: Vec<_> = patterns.iter().flat_map(|pattern| glob::expand(&fixture(pattern))).collect();
    let Found { files, mistakes } = read(&directories);
    let mut families = families(files, !mistakes.is_empty()).families;
    families.retain(|family| family.name != "node_textfile_mtime_seconds");
    std::sync::Arc::new(Page::new(vec![std::sync::Arc::new(families)])).encode(Format::Classic, 0)
}

fn fixture(name: &str) -> String {
    format!("{}/src/host/testdata/node_exporter/textfile/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `node_exporter`'s expected page, compared as sets of series with their values, and TYPE lines.
fn check(patterns: &[&str], expected: &str) {
    let ours = page(patterns);
    let expected = std::fs::read_to_string(fixture(expected)).unwrap();
    assert_eq!(series(&ours), series(&expected), "{patterns:?}\n{ours}");
}

/// A summary without sum and count: `node_exporter` shows zeros for what the file does not say, we nothing.
const MADE_UP: [&str; 2] = [
    r#"prometheus_rule_evaluation_duration_seconds_sum{handler="foo",rule_type="alerting"} 0"#,
    r#"prometheus_rule_evaluation_duration_seconds_count{handler="foo",rule_type="alerting"} 0"#,
];

fn series(page: &str) -> BTreeMap<String, String> {
    let lines =
        page.lines().filter(|line| !line.contains("node_textfile_mtime_seconds") && !MADE_UP.contains(line));
    lines
        .filter(|line| !line.starts_with("# HELP"))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse::<f64>().map_or(value.to_owned(), |number| number.to_string());
            (ordered(series), value)
        })
        .collect()
}

/// The labels in order: what follows from the order of the names in a file is not compared.
fn ordered(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    let mut labels: Vec<&str> = labels.trim_end_matches('}').split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

#[test]
fn shows_what_node_exporter_shows() {
    for name in [
        "client_side_timestamp",
        "different_metric_types",
        "histogram",
        "histogram_extra_dimension",
        "inconsistent_metrics",
        "metrics_merge_different_help",
        "metrics_merge_empty_help",
        "metrics_merge_no_help",
        "metrics_merge_same_help",
        "no_metric_files",
        "summary",
        "summary_extra_dimension",
        "two_metric_files",
    ] {
        check(&[name], &format!("{name}.out"));
    }
    check(&["*_extra_dimension"], "glob_extra_dimension.out");
    check(&["nonexistent_path"], "nonexistent_path.out");
}

#[test]
fn a_bad_file_is_told_and_costs_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("bad.prom"), "a one\n").unwrap();
    std::fs::write(directory.path().join("good.prom"), "b 1\n").unwrap();
    std::fs::write(directory.path().join("other.txt"), "c 1\n").unwrap();
    let Found { files, mistakes } = read(&[directory.path().into()]);
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].ends_with("bad.prom: line 1: `one` is not a number"), "{mistakes:?}");
    let families = families(files, true).families;
    let names: Vec<_> = families.iter().map(|family| &*family.name).collect();
    assert_eq!(names, ["b", "node_textfile_mtime_seconds", "node_textfile_scrape_error"]);
}
