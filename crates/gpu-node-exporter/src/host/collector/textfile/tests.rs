use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::exposition::{Format, Page};
use crate::host::testing::values;

/// The page of what the directories hold, without the files' times.
fn page(patterns: &[&str]) -> String {
    let directories: Vec<_> = patterns.iter().flat_map(|pattern| glob::expand(&fixture(pattern))).collect();
    let (mut families, _) = read(&directories, &Limits::DEFAULT);
    families.retain(|family| family.name != "node_textfile_mtime_seconds");
    Page::new(vec![std::sync::Arc::new(families)], None).write(Format::Classic, None, String::new()).text()
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

/// What is shown of these files, but for their times, and what is said.
fn shown(files: &[(&str, &str)], limits: &Limits) -> (Vec<String>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    shown_in(&directory, limits)
}

fn shown_in(directory: &tempfile::TempDir, limits: &Limits) -> (Vec<String>, Vec<String>) {
    let (mut families, mistakes) = read(&[directory.path().into()], limits);
    families.retain(|family| family.name != "node_textfile_mtime_seconds");
    let path = format!("{}/", directory.path().display());
    let mistakes = mistakes.iter().map(|mistake| mistake.to_string().replace(&path, ""));
    (values(&families), mistakes.collect())
}

fn check_shown(files: &[(&str, &str)], limits: &Limits, series: &[&str], mistakes: &[&str]) {
    let (shown, said) = shown(files, limits);
    let failed = format!("node_textfile_scrape_error {}", u8::from(!mistakes.is_empty()));
    assert_eq!(shown, [series, &[&failed]].concat());
    assert_eq!(said, mistakes);
}

#[test]
fn a_bad_file_is_told_and_costs_only_itself() {
    check_shown(
        &[("bad.prom", "a 1\na one\n"), ("good.prom", "b 1\n"), ("other.txt", "c 1\n")],
        &Limits::DEFAULT,
        &["b 1"],
        &["bad.prom: line 2: `one` is not a number"],
    );
}

#[test]
fn of_files_that_disagree_the_first_stays() {
    check_shown(
        &[
            ("1.prom", "# TYPE a gauge\na{x=\"1\"} 1\n"),
            ("2.prom", "# TYPE a gauge\na{x=\"1\"} 2\na{y=\"1\"} 2\n"),
            ("3.prom", "# TYPE a counter\na 3\nb 3\n"),
        ],
        &Limits::DEFAULT,
        &["a{x=\"1\",y=\"\"} 1", "a{x=\"\",y=\"1\"} 2", "b 3"],
        &[
            "2.prom: of `a` there are series that another file has too",
            "3.prom: `a` has another type than in 1.prom",
        ],
    );
}

#[test]
fn more_than_a_bound_is_left_out_and_told() {
    let small = || Limits {
        files: 3,
        file_bytes: 40,
        all_bytes: 60,
        samples: 3,
        labels: 2,
        label_names: 2,
        page_bytes: 1_000,
    };
    let lines = |name: &str, count: usize| {
        (0..count).map(|number| format!("{name}{number} 1\n")).collect::<Vec<_>>().concat()
    };
    check_shown(
        &[("1.prom", "a 1\n"), ("2.prom", "b 1\n"), ("3.prom", "c 1\n"), ("4.prom", "d 1\n"), ("5.prom", "")],
        &small(),
        &["a 1", "b 1", "c 1"],
        &["4.prom: 2 files from this one on are not read, since there are more than 3"],
    );
    check_shown(
        &[("1.prom", &lines("a", 9)), ("2.prom", "b 1\n")],
        &small(),
        &["b 1"],
        &["1.prom: is larger than 40 bytes"],
    );
    let comment = format!("#{}\n", " ".repeat(30));
    check_shown(
        &[("1.prom", &comment), ("2.prom", &comment), ("3.prom", "c 1\n")],
        &small(),
        &["c 1"],
        &["2.prom: the text files together are larger than 60 bytes"],
    );
    check_shown(
        &[("1.prom", &lines("a", 2)), ("2.prom", &lines("b", 2)), ("3.prom", "c 1\n")],
        &small(),
        &["a0 1", "a1 1", "c 1"],
        &["2.prom: line 2: the text files together have too many samples"],
    );
    check_shown(
        &[("1.prom", "a{x=\"1\"} 1\n"), ("2.prom", "a{y=\"1\",z=\"1\"} 1\nb 1\n")],
        &small(),
        &["a{x=\"1\"} 1", "b 1"],
        &["2.prom: `a` has more than 2 label names with those in other files"],
    );
    let long = "# HELP a ".to_owned() + &"x".repeat(1_500) + "\na 1\n";
    check_shown(
        &[("1.prom", &long), ("2.prom", "b 1\n")],
        &Limits { file_bytes: 2_000, all_bytes: 2_000, ..small() },
        &["b 1"],
        &["1.prom: `a` is left out, since the text files would take more than 1000 bytes of the page"],
    );
}

#[test]
fn only_regular_files_are_opened_and_no_link_is_followed_out_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    fs::write(&secret, "good 1\n").unwrap();
    let link = |target: &std::path::Path, name: &str| {
        std::os::unix::fs::symlink(target, directory.path().join(name)).unwrap();
    };
    link(&secret, "link.prom");
    // Each leads out by another way: over a link to a directory, by `..`, by a name of the kernel's for an open file.
    link(elsewhere.path(), "out");
    link("out/secret".as_ref(), "over.prom");
    let up = std::path::Path::new("..").join(elsewhere.path().file_name().unwrap()).join("secret");
    link(&up, "up.prom");
    let open = fs::File::open(&secret).unwrap();
    link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open)).as_ref(), "magic.prom");
    link("circle.prom".as_ref(), "circle.prom");
    link("nothing".as_ref(), "gone.prom");
    link("folder.prom".as_ref(), "to-folder.prom");
    fs::create_dir(directory.path().join("folder.prom")).unwrap();
    // A pipe that nobody writes to: opening it as a file would wait for ever.
    let pipe = directory.path().join("pipe.prom");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    fs::write(directory.path().join("latin1.prom"), b"a{b=\"\xe9\"} 1\n").unwrap();
    let (series, mistakes) = shown_in(&directory, &Limits::DEFAULT);
    assert_eq!(series, ["node_textfile_scrape_error 1"]);
    assert_eq!(
        mistakes,
        [
            "circle.prom: is a symbolic link that leads round in a circle",
            "folder.prom: is not a regular file",
            "gone.prom: is a symbolic link that leads to no file",
            "latin1.prom: is not UTF-8 text",
            "link.prom: is a symbolic link that is absolute or leads out of the directory, which is not followed",
            "magic.prom: is a symbolic link that is absolute or leads out of the directory, which is not followed",
            "over.prom: is a symbolic link that is absolute or leads out of the directory, which is not followed",
            "pipe.prom: is not a regular file",
            "to-folder.prom: is not a regular file",
            "up.prom: is a symbolic link that is absolute or leads out of the directory, which is not followed",
        ]
    );
}

/// As the kubelet writes a `ConfigMap`, and changes it: a new directory, and then the link `..data` is turned to it.
#[test]
fn a_link_within_the_directory_is_read_as_those_of_a_config_map_are() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let version = |name: &str, text: &str| {
        let folder = directory.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.prom"), text).unwrap();
        symlink(name, directory.path().join("..data_tmp")).unwrap();
        fs::rename(directory.path().join("..data_tmp"), directory.path().join("..data")).unwrap();
    };
    version("..2026_11_29_08_00", "a 1\n");
    symlink("..data/a.prom", directory.path().join("a.prom")).unwrap();
    let shown = || shown_in(&directory, &Limits::DEFAULT);
    assert_eq!(shown(), (vec!["a 1".to_owned(), "node_textfile_scrape_error 0".to_owned()], vec![]));
    version("..2026_11_29_09_00", "a 2\n");
    assert_eq!(shown().0[0], "a 2");
}

#[test]
fn names_of_files_that_are_not_text_stay_apart() {
    use std::os::unix::ffi::OsStrExt as _;
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [(b"a\xfe.prom", "a 1\n"), (b"a\xff.prom", "b 1\n")] {
        fs::write(directory.path().join(std::ffi::OsStr::from_bytes(name)), text).unwrap();
    }
    let (families, mistakes) = read(&[directory.path().into()], &Limits::DEFAULT);
    assert_eq!(mistakes, []);
    let page = Page::new(vec![std::sync::Arc::new(families)], None);
    assert_eq!(page.refused().told, [] as [&str; 0]);
    let text = page.write(Format::Classic, None, String::new()).text();
    assert!(text.contains(r"a\\xfe.prom") && text.contains(r"a\\xff.prom"), "{text}");
}

/// Large inputs of one kind each; with a cost that grows with their square these took minutes.
#[test]
fn large_files_are_read_whole() {
    let repeated = |line: &str, count: usize| line.repeat(count);
    let (_, mistakes) = shown(&[("a.prom", &repeated("a 1\n", 160_000))], &Limits::DEFAULT);
    assert_eq!(mistakes, ["a.prom: line 2: the series `a 1` is there twice"]);

    let sets =
        (0..20_000).map(|set| format!("h_bucket{{a=\"{set}\",le=\"+Inf\"}} 1\nh_count{{a=\"{set}\"}} 1\n"));
    let histogram = "# TYPE h histogram\n".to_owned() + &sets.collect::<Vec<_>>().concat();
    let (series, mistakes) = shown(&[("h.prom", &histogram)], &Limits::DEFAULT);
    assert_eq!((series.len(), mistakes), (40_001, Vec::<String>::new()));
}
