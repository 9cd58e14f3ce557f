//! The captured pages of real engines (`tests/engines/`): each is a page that Prometheus reads, and has what a release is known by.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use e2e::programs::{checkout, debian};
use test_peers::page::{Page, Sample};

/// Every release with a page, and one that begins as it does and is another state of it.
const PAGES: [&str; 19] = [
    "sglang-0.4.6.post5",
    "sglang-0.5.10.post1",
    "sglang-0.5.16",
    "sglang-0.5.2",
    "sglang-0.5.23",
    "sglang-0.5.23-priorities",
    "sglang-0.5.6.post2",
    "vllm-0.10.2",
    "vllm-0.11.2",
    "vllm-0.13.0",
    "vllm-0.17.1",
    "vllm-0.22.1",
    "vllm-0.28.0",
    "vllm-0.33.0",
    "vllm-0.33.0-2-engines",
    "vllm-0.33.0-newer-fastapi",
    "vllm-0.6.6",
    "vllm-0.8.5",
    "vllm-0.9.2",
];

fn page(name: &str) -> Page {
    let file = checkout().join(format!("tests/engines/{name}.prom"));
    Page(std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

#[test]
fn every_release_has_its_page() {
    let folder = std::fs::read_dir(checkout().join("tests/engines")).unwrap();
    let mut found: Vec<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".prom")?.to_owned()))
        .collect();
    found.sort();
    assert_eq!(found, PAGES);
}

/// `promtool` says 3 of a page that is valid and has names or units that it would choose otherwise, which is the engines' matter.
#[test]
fn prometheus_reads_every_page() {
    for name in PAGES {
        let mut promtool = Command::new(debian("promtool").unwrap())
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        promtool.stdin.take().unwrap().write_all(page(name).0.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{name}: {complaint}");
    }
}

/// What a histogram's buckets say of one series.
#[derive(Default)]
struct Histogram {
    buckets: Vec<(f64, f64)>,
    count: f64,
}

#[test]
fn a_histogram_never_falls_and_ends_in_its_count() {
    for name in PAGES {
        let mut histograms: BTreeMap<(String, Vec<(String, String)>), Histogram> = BTreeMap::new();
        for Sample { name, mut labels, value } in page(name).samples() {
            let key = |base: &str, labels: BTreeMap<String, String>| {
                (base.to_owned(), labels.into_iter().collect())
            };
            if let Some(base) = name.strip_suffix("_bucket") {
                let edge = labels.remove("le").unwrap().replace("Inf", "inf").parse().unwrap();
                histograms.entry(key(base, labels)).or_default().buckets.push((edge, value));
            } else if let Some(base) = name.strip_suffix("_count") {
                histograms.entry(key(base, labels)).or_default().count = value;
            }
        }
        histograms.retain(|_, histogram| !histogram.buckets.is_empty());
        assert!(histograms.len() > 2, "{name}: has {} histograms", histograms.len());
        for ((histogram, labels), Histogram { buckets, count }) in histograms {
            let rises = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            assert!(rises, "{name}: {histogram} {labels:?} falls: {buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{name}: {histogram} {labels:?}");
        }
    }
}

/// What tells two requests that run, one that waits, and that some have been answered, in every release.
#[test]
fn every_page_shows_its_requests() {
    for name in PAGES {
        let page = page(name);
        let (running, waiting, whole) = if name.starts_with("vllm") {
            (
                "vllm:num_requests_running",
                "vllm:num_requests_waiting",
                "vllm:e2e_request_latency_seconds_count",
            )
        } else {
            ("sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:e2e_request_latency_seconds_count")
        };
        let sum = |metric: &str| -> f64 {
            let of_all = |sample: &Sample| sample.labels.get("priority").is_none_or(String::is_empty);
            let is_asked = |sample: &Sample| sample.name == metric && (of_all(sample) || metric == whole);
            page.samples().filter(is_asked).map(|sample| sample.value).sum()
        };
        let engines = if name.ends_with("2-engines") { 2.0 } else { 1.0 };
        assert_eq!((sum(running), sum(waiting)), (2.0 * engines, engines), "{name}");
        assert!(sum(whole) > 20.0, "{name}: {}", sum(whole));
    }
}

/// A table of what changed from release to release, against the pages: `engine-sim` and the rules rest on it.
#[test]
fn names_came_and_went_as_they_are_known_to() {
    let has = |name: &str, metric: &str| page(name).samples().any(|sample| sample.name == metric);
    for (metric, with, without) in [
        ("vllm:gpu_cache_usage_perc", "vllm-0.9.2", "vllm-0.11.2"),
        ("vllm:kv_cache_usage_perc", "vllm-0.9.2", "vllm-0.8.5"),
        ("vllm:time_per_output_token_seconds_count", "vllm-0.11.2", "vllm-0.13.0"),
        ("vllm:inter_token_latency_seconds_count", "vllm-0.10.2", "vllm-0.9.2"),
        ("vllm:num_requests_waiting_by_reason", "vllm-0.22.1", "vllm-0.17.1"),
        ("vllm:admission_rejections_total", "vllm-0.33.0", "vllm-0.28.0"),
        ("http_requests_total", "vllm-0.8.5", "vllm-0.6.6"),
        ("sglang:queue_time_seconds_count", "sglang-0.5.6.post2", "sglang-0.5.2"),
        ("sglang:realtime_tokens_total", "sglang-0.5.10.post1", "sglang-0.5.6.post2"),
        ("sglang:http_responses_total", "sglang-0.5.6.post2", "sglang-0.5.2"),
    ] {
        assert!(has(with, metric), "{with} has no {metric}");
        assert!(!has(without, metric), "{without} has {metric}");
    }
}
