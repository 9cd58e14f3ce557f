//! The alert rules: valid, tested, explained, and alike in their labels and annotations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use promql_parser::util::parse_duration;
use serde_json::Value;

use crate::files::{in_folder, list, run, text, yaml};
use crate::promql;

const SCOPES: [&str; 4] = ["gpu", "host", "inference", "monitoring"];
const SEVERITIES: [&str; 4] = ["critical", "warning", "info", "none"];

/// Every rule with the file it is in.
pub(crate) fn all() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for file in in_folder("rules", ".rules.yml") {
        for group in list(&yaml(&file), "groups") {
            all.extend(list(group, "rules").iter().map(|rule| (file.clone(), rule.clone())));
        }
    }
    all
}

pub(crate) fn alerts() -> Vec<(String, String, Value)> {
    let name = |rule: &Value| rule["alert"].as_str().map(str::to_owned);
    all().into_iter().filter_map(|(file, rule)| Some((file, name(&rule)?, rule))).collect()
}

#[test]
fn promtool_accepts_the_rules_and_the_configuration() {
    for file in in_folder("rules", ".rules.yml") {
        run("promtool", &["check", "rules", "--lint=all", "--lint-fatal", &file]);
    }
    run("promtool", &["check", "config", "--lint=all", "--lint-fatal", "deploy/prometheus/prometheus.yml"]);
}

#[test]
fn the_rules_pass_their_tests() {
    for file in in_folder("rules", ".test.yml") {
        run("promtool", &["test", "rules", &file]);
    }
}

#[test]
fn each_alert_is_tested_where_it_belongs() {
    let tests = in_folder("rules", ".test.yml");
    for (file, name, _) in alerts() {
        let loaded = file.trim_start_matches("rules/");
        let is_named = tests.iter().any(|test| {
            let loads = list(&yaml(test), "rule_files").iter().any(|file| file == loaded);
            loads && text(test).split(|symbol: char| !symbol.is_ascii_alphanumeric()).any(|word| word == name)
        });
        assert!(is_named, "{name} has no test in a file that loads {loaded}");
    }
}

#[test]
fn each_alert_has_its_heading_and_each_heading_its_alert() {
    let readme = text("rules/README.md");
    let headings: BTreeSet<_> = readme.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(headings, names);
}

/// The page a runbook link opens says what the message said, so that neither goes stale alone.
#[test]
fn the_readme_repeats_the_english_description() {
    let readme = text("rules/README.md");
    for (_, name, rule) in alerts() {
        let Some(description) = rule["annotations"]["description_en"].as_str() else { continue };
        let (_, section) = readme.split_once(&format!("### {name}\n")).unwrap_or_else(|| panic!("{name}"));
        let paragraph = section.split("\n\n").next().unwrap_or_default();
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words, description, "{name}");
    }
}

#[test]
fn labels_and_annotations_are_alike() {
    for (_, name, rule) in alerts() {
        let label = |key: &str| rule["labels"][key].as_str().unwrap_or_default();
        assert!(SEVERITIES.contains(&label("severity")), "{name}: severity `{}`", label("severity"));
        assert!(SCOPES.contains(&label("scope")), "{name}: scope `{}`", label("scope"));
        assert_eq!(
            rule["labels"].as_object().unwrap().len(),
            2,
            "{name}: a label more makes another alert of it"
        );
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_default();
        for (key, suffix) in [("runbook_url", ""), ("runbook_url_en", "-en")] {
            let link = format!("{{{{ $externalLabels.runbooks }}}}#{}{suffix}", name.to_lowercase());
            assert_eq!(annotation(key), link, "{name}");
        }
        let keys = match label("severity") {
            "none" => &["summary", "summary_en"][..],
            _ => &["summary", "summary_en", "description", "description_en"],
        };
        for key in keys {
            assert!(!annotation(key).is_empty(), "{name} has no {key}");
            assert!(!annotation(key).contains('\n'), "{name}: {key} is one line");
        }
    }
}

/// `increase()` extrapolates to the window's ends, and makes 1.03 of one.
#[test]
fn what_increase_counts_is_told_as_a_whole_number() {
    for (_, name, rule) in alerts() {
        if !rule["expr"].as_str().unwrap().contains("increase(") {
            continue;
        }
        for (key, annotation) in rule["annotations"].as_object().unwrap() {
            for fraction in ["{{ $value }}", "{{ $value | humanize }}"] {
                assert!(!annotation.as_str().unwrap().contains(fraction), "{name}: {key} has `{fraction}`");
            }
        }
    }
}

#[test]
fn no_rule_needs_a_newer_prometheus() {
    for (file, rule) in all() {
        let expression = rule["expr"].as_str().unwrap();
        for word in ["double_exponential_smoothing", "limitk", "info(", "first_over_time", "ts_of_"] {
            assert!(!expression.contains(word), "{file}: `{word}` is newer than 2.42");
        }
    }
}

/// What Prometheus 3 reads otherwise than 2.42 (its migration guide): `le="1"` is `le="1.0"` there, a range no longer holds a sample
/// at its older end, a regular expression's `.` takes a line's end, and `holt_winters` has another name.
#[test]
fn no_expression_means_something_else_in_prometheus_3() {
    // So that a range holds two samples with either end open, and one that was missed changes nothing.
    const LEAST_SAMPLES: u32 = 4;
    const SCRAPE: Duration = Duration::from_secs(15);
    let recorded: BTreeMap<String, Duration> = in_folder("rules", ".rules.yml")
        .iter()
        .flat_map(|file| list(&yaml(file), "groups").to_vec())
        .flat_map(|group| {
            let interval = parse_duration(group["interval"].as_str().unwrap_or("15s")).unwrap();
            let names = list(&group, "rules").iter().filter_map(|rule| rule["record"].as_str());
            names.map(|name| (name.to_owned(), interval)).collect::<Vec<_>>()
        })
        .collect();
    for (file, rule) in all() {
        let expression = rule["expr"].as_str().unwrap();
        assert!(!expression.contains("holt_winters"), "{file}: {expression}");
        for edge in promql::asked_of(expression, "le").unwrap() {
            assert!(edge.contains(['.', 'I']), "{file}: le={edge:?} in {expression}");
        }
        for (name, range) in promql::ranges(expression).unwrap() {
            let step = recorded.get(&name).copied().unwrap_or(SCRAPE);
            assert!(
                range >= LEAST_SAMPLES * step,
                "{file}: {name}[{range:?}], a sample every {step:?}: {expression}"
            );
        }
    }
}
