//! What a driver can do to its clients, and what must not come of it: the host's metrics stay, the other GPUs stay, and
//! every scrape is answered.

use std::path::PathBuf;
use std::time::Duration;

use e2e::chain::parts::Gpus;
use e2e::http;
use e2e::ports::Port;
use e2e::process::Launch;
use e2e::programs;
use e2e::promql;
use e2e::wait::until;
use tempfile::TempDir;
use test_peers::page::Page;

use crate::exporter_fixture::{ExporterFixture, TIMEOUT};
use crate::page::ExporterPage as _;

const QUICK_PROBE: [&str; 2] = ["--gpu.sample-interval=200ms", "--gpu.probe-timeout=1s"];
/// Gives a GPU up so late that a scrape begins meanwhile which would be too late if it waited for that.
const PATIENT_PROBE: [&str; 2] = ["--gpu.sample-interval=200ms", "--gpu.probe-timeout=30s"];

fn up(page: &Page, gpu: &str) -> Option<f64> {
    page.value("gpu_up", &[&format!("gpu=\"{gpu}\"")])
}

/// How often the probe has been replaced, for whatever reason.
fn restarts(page: &Page) -> f64 {
    page.samples().filter(|sample| sample.name == "gpu_probe_restarts_total").map(|sample| sample.value).sum()
}

/// Whether a GPU is up with all the series it had. Some take two sweeps of one process, and some more.
fn is_well(before: &Page, page: &Page, gpu: &str) -> bool {
    up(page, gpu) == Some(1.0) && has_all(&before.names_of_gpu(gpu), &page.names_of_gpu(gpu))
}

/// Whether the host has all the series it had. A machine whose memory or disks begin to fill has more.
fn host_is_well(before: &Page, page: &Page) -> bool {
    has_all(&before.host_names(), &page.host_names())
}

fn has_all(before: &[String], names: &[String]) -> bool {
    // Not there any more where nothing rises steadily.
    before.iter().filter(|name| !name.ends_with("_time_to_full_seconds")).all(|name| names.contains(name))
}

/// Whether one GPU is down, and the others and the host have all the series they had.
fn only_one_suffers(before: &Page, page: &Page, bad: &str) -> bool {
    let mut others = before.gpus().into_iter().filter(|gpu| gpu != bad);
    up(page, bad) == Some(0.0) && host_is_well(before, page) && others.all(|gpu| is_well(before, page, &gpu))
}

/// What else must hold of the page while one GPU is in trouble.
fn assert_nothing_is_made_up(page: &Page, bad: &str) {
    for series in
        ["gpu_memory_used_bytes", "gpu_utilization_ratio", "gpu_temperature_celsius", "gpu_power_watts"]
    {
        assert!(
            !page.names_of_gpu(bad).iter().any(|name| name == series),
            "{series} of GPU {bad} is still there"
        );
    }
}

async fn all_up(fixture: &ExporterFixture, count: usize) -> Page {
    let is_whole = |page: &Page, gpu: &str| {
        up(page, gpu) == Some(1.0) && page.names_of_gpu(gpu).iter().any(|name| name == "gpu_sm_active_ratio")
    };
    let all = |page: &Page| page.gpus().len() == count && page.gpus().iter().all(|gpu| is_whole(page, gpu));
    fixture.page_where(&format!("{count} GPUs up"), all).await.unwrap()
}

/// A shipped scenario whose incident begins when the test says so.
struct Incident {
    folder: TempDir,
}

impl Incident {
    /// An exporter on a scenario that has `times` in place of the trigger.
    async fn of(scenario: &str, times: &str, flags: &[&str]) -> (ExporterFixture, Self) {
        let incident = Self { folder: tempfile::tempdir().unwrap() };
        let shipped = programs::checkout().join("crates/nvml-sim/scenarios").join(scenario);
        let text = std::fs::read_to_string(&shipped).unwrap();
        assert_eq!(text.matches(times).count(), 1, "{} has another time than `{times}`", shipped.display());
        let text = text.replace(times, &format!("trigger: {}", incident.trigger().display()));
        let scenario = incident.folder.path().join("scenario.yaml");
        std::fs::write(&scenario, text).unwrap();
        let gpus = Gpus::Simulated { scenario, age: Duration::ZERO };
        (ExporterFixture::start(&gpus, flags).await.unwrap(), incident)
    }

    fn trigger(&self) -> PathBuf {
        self.folder.path().join("trigger")
    }

    fn begin(&self) {
        std::fs::write(self.trigger(), "").unwrap();
    }
}

#[tokio::test]
async fn a_hanging_call_costs_its_gpu_and_no_scrape() {
    let (fixture, incident) = Incident::of("hang.yaml", "at: 30s", &PATIENT_PROBE).await;
    let before = all_up(&fixture, 8).await;
    let (prometheus, url) = prometheus(&fixture).await;
    incident.begin();
    let is_given_up = |page: &Page| {
        page.value("gpu_probe_stuck_gpus", &[]) == Some(1.0) && only_one_suffers(&before, page, "2")
    };
    let page = fixture.page_where("GPU 2 alone given up", is_given_up).await.unwrap();
    assert_nothing_is_made_up(&page, "2");

    // Prometheus itself saw the trouble, and not one scrape that waited for the driver: the exporter would have left its collector out half a
    // second before the scraper's time was over, long before the GPU is given up.
    let client = http::client().unwrap();
    let query = async |expression: &str| promql::query(&client, &url, expression).await.unwrap();
    until("Prometheus to see GPU 2 down", TIMEOUT, async || {
        (!query("gpu_up{gpu=\"2\"} == 0").await.is_empty()).then_some(())
    })
    .await
    .unwrap();
    for wrong in ["min_over_time(up[5m]) == 0", "max_over_time(scrape_duration_seconds[5m]) > 13"] {
        assert_eq!(query(wrong).await, Vec::<serde_json::Value>::new(), "{wrong}");
    }
    drop(prometheus);
}

/// A real Prometheus that scrapes the fixture every 15 seconds, each of which may take as long, and its address.
async fn prometheus(fixture: &ExporterFixture) -> (e2e::process::Process, String) {
    let port = Port::free().unwrap();
    let target = fixture.url("");
    let target = target.strip_prefix("http://").unwrap();
    let config = fixture.folder().join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 15s, scrape_timeout: 15s }}\nscrape_configs:\n- job_name: node\n  static_configs: [{{ targets: ['{target}'] }}]\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut prometheus = Launch::new("prometheus", &programs::debian("prometheus").unwrap())
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", fixture.folder().join("prometheus").display()))
        .arg(format!("--web.listen-address={}", port.address()))
        .start(fixture.folder())
        .unwrap();
    let url = format!("http://{}", port.address());
    prometheus.ready(&http::client().unwrap(), &format!("{url}/-/ready"), TIMEOUT).await.unwrap();
    (prometheus, url)
}

#[tokio::test]
async fn a_crashing_call_costs_probe_restarts_and_no_scrape() {
    let (mut fixture, incident) = Incident::of("crash.yaml", "at: 30s", &QUICK_PROBE).await;
    let before = all_up(&fixture, 2).await;
    incident.begin();
    let page = fixture.page_where("GPU 1 down", |page| up(page, "1") == Some(0.0)).await.unwrap();
    assert!(restarts(&page) > restarts(&before));
    // Its neighbour lives in the same process and is back with the next one.
    let page = fixture
        .page_where("GPU 0 as it was before", |page| only_one_suffers(&before, page, "1"))
        .await
        .unwrap();
    assert_nothing_is_made_up(&page, "1");
    assert_eq!(fixture.process.ended(), None);
}

#[tokio::test]
async fn a_lost_gpu_stays_known_and_says_nothing_else() {
    let (fixture, incident) = Incident::of("gpu-lost.yaml", "at: 60s, until: 5m", &QUICK_PROBE).await;
    let before = all_up(&fixture, 8).await;
    incident.begin();
    let uuid = |page: &Page| {
        page.samples()
            .find(|sample| sample.name == "gpu_up" && sample.labels["gpu"] == "3")
            .map(|sample| sample.labels["uuid"].clone())
    };
    let page =
        fixture.page_where("GPU 3 alone down", |page| only_one_suffers(&before, page, "3")).await.unwrap();
    assert_nothing_is_made_up(&page, "3");
    assert_eq!(uuid(&page), uuid(&before));
}

#[tokio::test]
async fn a_killed_probe_comes_back() {
    let fixture = ExporterFixture::simulated("h100x8.yaml", Duration::ZERO, &QUICK_PROBE).await.unwrap();
    let before = all_up(&fixture, 8).await;
    // One that stands still for too long is replaced, too: what was read of it is old then.
    until("the probe to be killed", TIMEOUT, async || {
        let probe = only_child_of(fixture.process.pid())?;
        rustix::process::kill_process(probe, rustix::process::Signal::KILL).ok()
    })
    .await
    .unwrap();
    fixture.page_where("a restart", |page| restarts(page) > restarts(&before)).await.unwrap();
    let back = |page: &Page| {
        before.gpus().iter().all(|gpu| is_well(&before, page, gpu)) && host_is_well(&before, page)
    };
    fixture.page_where("the probe's return", back).await.unwrap();
}

/// The child of a process that has only one, whichever of its threads started it: the exporter's probe.
fn only_child_of(parent: u32) -> Option<rustix::process::Pid> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<i32> = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    let [child] = children[..] else { return None };
    rustix::process::Pid::from_raw(child)
}

#[tokio::test]
async fn without_a_driver_there_are_host_metrics_alone() {
    let fixture =
        ExporterFixture::start(&Gpus::Real, &["--gpu.library=/nonexistent/libnvidia-ml.so.1"]).await.unwrap();
    // A probe has looked, and found no driver.
    let looked = |page: &Page| {
        page.value("gpu_probe_restarts_total", &["reason=\"driver\""]).is_some_and(|count| count > 0.0)
    };
    let page = fixture.page_where("a probe that found no driver", looked).await.unwrap();
    assert_eq!(page.value("node_scrape_collector_success", &["collector=\"gpu\""]), Some(0.0));
    assert!(page.value("node_load1", &[]).is_some());
    let driver: Vec<_> = page.samples().filter(|sample| sample.name == "gpu_driver_info").collect();
    assert_eq!(driver, []);
    assert_eq!(page.names_of_gpu("0"), Vec::<String>::new());
}
