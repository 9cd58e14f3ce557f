//! The page as the real parsers see it: Python's strict OpenMetrics parser and Prometheus' own for text 0.0.4.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::programs;
use e2e::wait::until;

use crate::exporter_fixture::{ExporterFixture, TIMEOUT};

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
const CLASSIC: &str = "text/plain;version=0.0.4";

/// Feeds a page to a program, which must be quick to read it; its exit and all it says.
fn judged_by(program: &Path, arguments: &[&str], page: &str) -> (bool, String) {
    let mut judge = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A judge that stops reading has said why on its own output.
    let _ = judge.stdin.take().unwrap().write_all(page.as_bytes());
    let output = judge.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn fixture() -> ExporterFixture {
    let fixture = ExporterFixture::simulated("h100x8.yaml", Duration::from_mins(1), &[]).await.unwrap();
    fixture
        .page_where("the first sweep over 8 GPUs", |page| page.value("gpu_up", &["gpu=\"7\""]) == Some(1.0))
        .await
        .unwrap();
    fixture
}

#[tokio::test]
async fn the_openmetrics_page_passes_the_strict_parser() {
    let python = programs::python("prometheus_client").unwrap();
    let fixture = fixture().await;
    let reply =
        fixture.client.get(fixture.url("/metrics")).header("Accept", OPENMETRICS).send().await.unwrap();
    let content_type = reply.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let page = reply.text().await.unwrap();
    let script = programs::checkout().join("tests/openmetrics/parse.py");
    let (valid, said) = judged_by(&python, &[script.to_str().unwrap()], &page);
    assert!(valid, "{said}");
    assert!(
        page.ends_with("# EOF\n") && page.contains("\ngpu_up{") && page.contains("\nnode_load1 "),
        "{said}"
    );
}

/// Samples of several times, histograms among them.
#[tokio::test]
async fn a_recording_passes_the_strict_parser() {
    let python = programs::python("prometheus_client").unwrap();
    let fixture = fixture().await;
    fixture
        .page_where("three sweeps", |page| {
            page.value("gpu_memory_used_sample_ratio_count", &["gpu=\"0\""]) >= Some(3.0)
        })
        .await
        .unwrap();
    let url = fixture.url("/api/v1/recorder?gpu=0&format=openmetrics");
    let recording = fixture.client.get(url).send().await.unwrap().text().await.unwrap();
    let script = programs::checkout().join("tests/openmetrics/parse.py");
    let judged = |page: &str| judged_by(&python, &[script.to_str().unwrap()], page);
    let (valid, said) = judged(&recording);
    assert!(valid, "{said}");
    let bucket = "gpu_memory_used_sample_ratio_bucket{";
    assert!(recording.lines().filter(|line| line.starts_with(bucket)).count() >= 30, "{recording}");
    let twice = "# TYPE a gauge\na 1 1.000\na 2 1.000\n# EOF\n";
    let back = "# TYPE a gauge\na 1 2.100\na 2 1.900\n# EOF\n";
    let on = "# TYPE a gauge\na 1 1.900\na 2 2.100\n# EOF\n";
    assert_eq!([twice, back, on].map(|page| judged(page).0), [false, false, true]);
}

#[tokio::test]
async fn the_classic_page_passes_promtool() {
    let promtool = programs::debian("promtool").unwrap();
    let page = fixture().await.scrape_as(CLASSIC).await.unwrap();
    // The linter dislikes names that are node_exporter's own; ours keep to its rules.
    let (_, said) = judged_by(&promtool, &["check", "metrics"], &page);
    assert!(!said.contains("error while linting"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("gpu_")).collect::<Vec<_>>(), [""; 0]);
    for (bad, words) in [("a{ 1\n", "error while linting"), ("gpu_aB 1\n", "gpu_aB metric names should be")] {
        let (_, said) = judged_by(&promtool, &["check", "metrics"], bad);
        assert!(said.starts_with(words), "promtool words its errors differently now: {said}");
    }
}

#[tokio::test]
async fn both_formats_carry_the_same_series() {
    let fixture = fixture().await;
    let series = |page: &str| -> Vec<String> {
        let samples = test_peers::page::Page(page.to_owned())
            .samples()
            .map(|sample| format!("{} {:?}", sample.name, sample.labels))
            .collect::<Vec<_>>();
        let mut sorted = samples;
        sorted.sort();
        sorted
    };
    // A sweep between two pages may bring series, and one that is late takes some away: the same page on either side says that none did.
    let mut last = [const { Vec::new() }; 3];
    let same = until("the same series in both formats", TIMEOUT, async || {
        for (place, format) in [OPENMETRICS, CLASSIC, OPENMETRICS].into_iter().enumerate() {
            last[place] = series(&fixture.scrape_as(format).await.ok()?);
        }
        last.iter().all(|series| *series == last[0]).then_some(())
    });
    if let Err(error) = same.await {
        let [open, classic, _] = last;
        assert_eq!(open, classic, "{error:#}");
        panic!("{error:#}: no two OpenMetrics pages have the same series");
    }
}
