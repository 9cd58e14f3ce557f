//! The rules about inference engines against the pages that sixteen releases answer: what each recording finds, and what no alert misses.
//!
//! A page is played for ten minutes to promtool: counters rise, gauges stand. Which recordings a release has is the table in
//! rules/README.md, which the test holds in both directions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::files::{in_folder, list, path, run, text};
use crate::{promql, rules};

const FILE: &str = "rules/inference-signals.rules.yml";
/// Where a rate over five minutes is complete, and no sample lies on a window's edge.
const AT: &str = "9m45s";
/// What rules about engines read that is no engine's: the exporter's and Prometheus' own.
/// `gpumon_` is what users say of their own models, in rules or text files of theirs.
const NOT_OF_PAGES: [&str; 6] = ["gpu_", "gpu:", "gpumon:", "gpumon_", "node:", "node_"];
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// A page of `tests/engines`: `vllm-0.33.0-2-engines` is of the release `vLLM 0.33.0`.
struct Page {
    name: String,
    release: String,
    series: Vec<Value>,
}

fn pages() -> Vec<Page> {
    let read = |file: String| {
        let name = file.trim_start_matches("tests/engines/").trim_end_matches(".prom").to_owned();
        let (engine, rest) = name.split_once('-').unwrap();
        let version = rest.split('-').next().unwrap();
        let engine = if engine == "vllm" { "vLLM" } else { "SGLang" };
        let release = format!("{engine} {version}");
        Page { series: played(&text(&file), &name), release, name }
    };
    in_folder("tests/engines", ".prom").into_iter().map(read).collect()
}

/// The page's series as promtool plays them: a sample every thirty seconds.
fn played(page: &str, node: &str) -> Vec<Value> {
    let mut counters = BTreeSet::new();
    let mut series = Vec::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            match kind {
                "counter" => _ = counters.insert(name.to_owned()),
                "histogram" => {
                    counters.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
                }
                _ => {}
            }
            continue;
        }
        let Some((identity, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{node}: `{line}`: {error}"));
        if !value.is_finite() {
            continue;
        }
        let (name, labels) = identity.split_once('{').unwrap_or((identity, "}"));
        let mut of_target = format!("{name}{{node=\"{node}\",job=\"inference\",instance=\"{node}:8000\"");
        let separator = if labels == "}" { "" } else { "," };
        write!(of_target, "{separator}{labels}").unwrap();
        let step = if counters.contains(name) { value / 20.0 } else { 0.0 };
        series.push(json!({ "series": of_target, "values": format!("{value}+{step}x20") }));
    }
    series
}

/// The table of rules/README.md.
struct Table {
    /// The releases of each column.
    columns: Vec<Vec<String>>,
    /// Of each recording, which columns have it.
    recorded: BTreeMap<String, Vec<bool>>,
}

fn table() -> Table {
    let readme = text("rules/README.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = readme.lines().skip_while(|line| !line.starts_with("| recording |"));
    let releases = cells(rows.next().expect("rules/README.md has no table that begins with `| recording |`"));
    let columns = releases[1..].iter().map(|title| {
        let (engine, versions) = title.split_once(' ').unwrap();
        versions.split(' ').map(|version| format!("{engine} {version}")).collect()
    });
    let has = |cell: &String| match cell.as_str() {
        "yes" => true,
        "–" => false,
        other => panic!("rules/README.md: `{other}` is neither `yes` nor `–`"),
    };
    let recordings = rows.skip(1).take_while(|line| line.starts_with('|')).map(|line| {
        let row = cells(line);
        (row[0].trim_matches('`').to_owned(), row[1..].iter().map(has).collect())
    });
    Table { columns: columns.collect(), recorded: recordings.collect() }
}

fn recordings(file: &str) -> BTreeSet<String> {
    let of_file = rules::all().into_iter().filter(|(of, _)| of == file);
    of_file.filter_map(|(_, rule)| rule["record"].as_str().map(str::to_owned)).collect()
}

/// An expression, and the one value it has, if any.
type Question = (String, Option<f64>);

/// Runs promtool on questions about pages.
fn ask(questions: &[(&Page, Vec<Question>)]) {
    let tests: Vec<_> = questions
        .iter()
        .map(|(page, asked)| {
            let asked: Vec<_> = asked
                .iter()
                .map(|(expression, value)| {
                    let samples: Vec<_> =
                        value.iter().map(|value| json!({ "labels": "{}", "value": value })).collect();
                    json!({ "expr": expression, "eval_time": AT, "exp_samples": samples })
                })
                .collect();
            json!({ "name": page.name, "interval": "30s", "input_series": page.series, "promql_expr_test": asked })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pages.test.yml");
    let loaded: Vec<_> = in_folder("rules", ".rules.yml").iter().map(|file| path(file)).collect();
    let document = json!({ "rule_files": loaded, "evaluation_interval": "30s", "tests": tests });
    std::fs::write(&file, document.to_string()).unwrap();
    run("promtool", &["test", "rules", file.to_str().unwrap()]);
}

#[test]
fn each_release_has_the_recordings_of_the_table() {
    let Table { columns, recorded } = table();
    let names: BTreeSet<_> = recorded.keys().cloned().collect();
    assert_eq!(names, recordings(FILE), "the table of rules/README.md, and {FILE}");
    let pages = pages();
    let releases: BTreeSet<_> = pages.iter().map(|page| page.release.clone()).collect();
    assert_eq!(
        columns.concat().into_iter().collect::<BTreeSet<_>>(),
        releases,
        "the table's columns, and the pages"
    );
    let questions: Vec<_> = pages
        .iter()
        .map(|page| {
            let column = columns.iter().position(|column| column.contains(&page.release)).unwrap();
            let asked =
                recorded.iter().map(|(name, has)| (format!("group({name})"), has[column].then_some(1.0)));
            (page, asked.collect())
        })
        .collect();
    ask(&questions);
}

/// The same traffic stands in every page: whatever a release calls things and how many series it has of them, the numbers are the same.
#[test]
fn the_same_traffic_gives_the_same_numbers() {
    let pages = pages();
    let questions: Vec<_> = pages
        .iter()
        .map(|page| {
            // Two replicas run as many each, and ended half of the rest.
            let replicas = if page.name.ends_with("-2-engines") { 2.0 } else { 1.0 };
            let asked = [
                ("sum(inference:requests_running)", 2.0 * replicas),
                ("sum(inference:requests_waiting)", replicas),
                ("round(max(inference:itl_seconds:avg5m), 0.01)", 0.02),
                ("count(inference:engine_info)", 1.0),
                ("sum(inference:progress:rate5m > bool 0)", 1.0),
            ];
            (page, asked.map(|(expression, value)| (expression.to_owned(), Some(value))).to_vec())
        })
        .collect();
    ask(&questions);
}

/// An alert reads recordings that a release has or lacks by the table, or what is no engine's: never an engine's own name, which the
/// next release may change.
#[test]
fn every_alert_about_engines_reads_what_is_recorded() {
    let known: BTreeSet<_> =
        in_folder("rules", ".rules.yml").iter().flat_map(|file| recordings(file)).collect();
    let signals = recordings(FILE);
    let mut alerts = 0;
    for (file, rule) in rules::all() {
        let is_alert = rule["alert"].is_string();
        alerts += usize::from(is_alert && file.starts_with("rules/inference-"));
        for name in promql::names(rule["expr"].as_str().unwrap()).unwrap() {
            let is_of_engine =
                ["vllm:", "sglang:", "http_requests_total"].iter().any(|prefix| name.starts_with(prefix));
            let may_be_read = !is_alert && file.starts_with("rules/inference-");
            assert!(!is_of_engine || may_be_read, "{file}: {} reads `{name}` itself", name_of(&rule));
            if !file.starts_with("rules/inference-") || is_of_engine {
                continue;
            }
            let is_known = known.contains(&name)
                || signals.contains(&name)
                || OF_PROMETHEUS.contains(&name.as_str())
                || NOT_OF_PAGES.iter().any(|prefix| name.starts_with(prefix));
            assert!(is_known, "{file}: {} reads `{name}`, which nothing records", name_of(&rule));
        }
    }
    assert!(alerts > 0);
}

fn name_of(rule: &Value) -> &str {
    rule["alert"].as_str().or(rule["record"].as_str()).unwrap_or_default()
}

/// What is guarded exists in every release: its absence is always somebody's change, and never the release's right.
#[test]
fn the_guard_asks_for_nothing_that_a_release_lacks() {
    let guarded = guarded();
    assert!(guarded.len() >= 8, "{guarded:?}");
    let Table { recorded, .. } = table();
    for name in &guarded {
        assert!(recorded[name].iter().all(|has| *has), "{name} is guarded, and some release lacks it");
    }
}

/// What every release has is guarded, or made of metrics that something guarded is made of.
#[test]
fn what_every_release_has_is_guarded() {
    let Table { recorded, .. } = table();
    let rules = rules::all();
    let guarded: BTreeSet<_> = guarded().iter().flat_map(|name| families(name, &rules)).collect();
    for (name, _) in recorded.iter().filter(|(_, releases)| releases.iter().all(|has| *has)) {
        let unguarded: Vec<_> = families(name, &rules).difference(&guarded).cloned().collect();
        assert!(unguarded.is_empty(), "{name}: nobody tells when {unguarded:?} are renamed");
    }
}

/// The engines' metrics that a recording is made of. A histogram keeps or loses its buckets, sum and count together.
fn families(recording: &str, rules: &[(String, Value)]) -> BTreeSet<String> {
    let own = rules.iter().filter(|(file, rule)| file == FILE && rule["record"] == recording);
    let read = own.flat_map(|(_, rule)| promql::names(rule["expr"].as_str().unwrap()).unwrap());
    read.flat_map(|name| {
        if name.starts_with("inference:") {
            return families(&name, rules);
        }
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        BTreeSet::from([family.unwrap_or(&name).to_owned()])
    })
    .collect()
}

fn guarded() -> BTreeSet<String> {
    let guard = rules::alerts().into_iter().find(|(_, name, _)| name == "InferenceSeriesAbsent").unwrap().2;
    let expression = guard["expr"].as_str().unwrap().to_owned();
    let read = promql::names(&expression).unwrap();
    let named = read.iter().filter(|name| expression.contains(&format!("\"recording\", \"{name}\"")));
    named.cloned().collect()
}

#[test]
fn a_page_is_played_as_it_is_written() {
    let page = "# TYPE a gauge\na 1.0\n# TYPE b_total counter\nb_total{x=\"y z\"} 4e1\n# TYPE c gauge\nc NaN\nc{d=\"e\"} 2\n";
    let expected = [
        ("a{node=\"n\",job=\"inference\",instance=\"n:8000\"}", "1+0x20"),
        ("b_total{node=\"n\",job=\"inference\",instance=\"n:8000\",x=\"y z\"}", "40+2x20"),
        ("c{node=\"n\",job=\"inference\",instance=\"n:8000\",d=\"e\"}", "2+0x20"),
    ];
    let expected = expected.map(|(series, values)| json!({ "series": series, "values": values }));
    assert_eq!(list(&json!({ "all": played(page, "n") }), "all"), expected);
}
