//! Rules and dashboards against a running chain with simulated GPUs: every metric they name is exported, every query answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::chain::addresses::Addresses;
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Part, Plan};
use e2e::engine::started::Started;
use e2e::incident::{NODE, Recipients};
use e2e::wait::until;
use e2e::{http, promql as prometheus};
use serde_json::Value;

use crate::dashboards::queries::{self, Question};
use crate::{dashboards, files, known_names, promql, rules};

/// Not there until an operator provides it (a calendar with the time it was written, thresholds of single GPUs), or until days or weeks have passed.
const FROM_OUTSIDE: [&str; 13] = [
    "gpu:memory_held:bytes",
    "week:value_before:avg1h",
    "week:value:difference",
    "week:value:ratio",
    "gpumon_calendar_last_day_timestamp_seconds",
    "gpumon_calendar_workday",
    "gpumon:calendar_fresh:bool",
    "gpumon_gpu_memory_threshold_override_ratio",
    "gpumon_gpu_utilization_threshold_override_ratio",
    "gpumon_inference_e2e_threshold_override_seconds",
    "gpumon_inference_itl_threshold_override_seconds",
    "gpumon_inference_ttft_threshold_override_seconds",
    "node_textfile_mtime_seconds",
];

/// What this chain has no engine for: `engines` asks the pages of real ones.
const OF_ENGINES: [&str; 6] =
    ["inference:", "vllm:", "sglang:", "http_requests_total", "gpu_engine_page_", "gpu_engine_canary_"];

/// Series that exist once something has gone wrong, or, as memory that grows, while something happens; an engine at work is never
/// sent a canary.
const ONLY_IN_TROUBLE: [&str; 13] = [
    "gpu_memory_time_to_full_seconds",
    "gpu:memory_time_to_full_resumed:seconds",
    "node_filesystem_time_to_full_seconds",
    "node_memory_time_to_full_seconds",
    "gpu_engine_canary_duration_seconds",
    "gpu_engine_canary_up",
    "ALERTS",
    "gpu_xid_errors_total",
    "gpu_xid_last_timestamp_seconds",
    "gpu_nvswitch_error_last_timestamp_seconds",
    "gpu:xid_application_errors:total",
    "gpu:last_lost:timestamp_seconds",
    "gpu:memory_growing:bytes",
];

/// Cards with NVLink and one with fans, and an engine's process on one of them, whose owner the exporter finds in `/proc`.
const HEALTHY: &str = "
description: Cards of two kinds, an engine on one.
driver: { version: \"595.10\", cuda: 13020 }
gpus:
  - count: 2
    model: h100-sxm
    utilization: { wave: { low: 0.35, high: 0.95, period: 90s } }
    memory_used: { wave: { low: 0.70, high: 0.74, period: 5m } }
  - model: rtx4090
    utilization: { constant: 0.5 }
    memory_used: { constant: 0.35 }
processes:
  - { gpu: 0, pid: PID, memory_mib: 40000, utilization: { constant: 0.5 } }
";

/// What alerts select and this machine or these minutes do not have; the simulated driver is older than the second.
const NOT_HERE: [&str; 2] = ["up{job=\"inference\"}", "gpu_unrepairable_memory"];

/// Questions of dashboards that this machine or these minutes have no answer to: what they contain, and why.
const UNANSWERED: [(&str, &str); 17] = [
    ("ALERTS", "nothing fires on a healthy machine"),
    ("gpu_xid_", "no GPU has had an error"),
    ("max_over_time(gpu_throttle_active", "nothing holds the clocks of a healthy card down"),
    ("gpu_engine_canary_", "an engine at work is never sent a canary"),
    ("_time_to_full_seconds", "nothing rises steadily"),
    ("week:value_before:", "no week lies behind these minutes"),
    ("week:value:difference", "no week lies behind these minutes"),
    ("week:value:ratio", "no week lies behind these minutes"),
    ("offset 1w", "no week lies behind these minutes"),
    ("changes(node_boot_time_seconds", "the machine has not been rebooted meanwhile"),
    ("node_nf_conntrack_", "not every machine tracks connections"),
    ("node_infiniband_", "not every machine has InfiniBand"),
    ("node_hwmon_", "a virtual machine has no sensors"),
    ("node_edac_", "a virtual machine does not see errors of memory"),
    ("node_md_", "not every machine has a RAID array"),
    ("node_nvme_", "not every machine has NVMe disks"),
    ("min by (node) (gpu:utilization_threshold:ratio", "no GPU has a threshold of utilisation of its own"),
];

/// True once everything has been scraped often enough and judged.
const STANDING: [&str; 16] = [
    "count(up == 1) == 6",
    "count(gpu:memory_threshold:ratio) > 0",
    "count(gpu:memory_used:ratio) > 0",
    "count(node:cpu_busy:ratio_rate5m) > 0",
    "count(node:memory_used:ratio) > 0",
    "count(node:filesystem_avail:ratio) > 0",
    "ALERTS{alertname=\"Watchdog\",alertstate=\"firing\"}",
    "min(count_over_time(up[1m])) > 10",
    "count(gpu_engine_state) > 0",
    "count(gpu_engine_page_progress_age_seconds) > 0",
    "count(inference:itl_threshold:seconds) > 0",
    "count(week:value:avg1h{measure=\"joules_per_1000_tokens\"}) > 0",
    "count(inference:itl_seconds_bucket:rate5m) > 0",
    "count(inference:mm_cache_hit:ratio_rate30m) > 0",
    "count(inference:queue_seconds:avg5m) > 0",
    "min(count_over_time(gpu_up[1m])) > 10",
];

/// Waiting times divided by this: scraping every second makes two samples for a rate quickly.
const PACE: u32 = 15;
const LIMIT: Duration = Duration::from_mins(2);

fn is_of_engines(name: &str) -> bool {
    OF_ENGINES.iter().any(|prefix| name.starts_with(prefix))
}

/// What is asked once everything stands. What has no answer yet, as after a scrape that failed on a busy machine, is asked again.
struct Questions<'a> {
    client: &'a reqwest::Client,
    prometheus: &'a str,
}

impl Questions<'_> {
    /// Those of these queries, by where they stand, that have no answer at the moment.
    async fn empty(&self, asked: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut empty = BTreeMap::new();
        for (place, query) in asked {
            let answer = prometheus::query(self.client, self.prometheus, query).await;
            if answer.unwrap_or_else(|error| panic!("{place}: {error:#}")).is_empty() {
                empty.insert(place.clone(), query.clone());
            }
        }
        empty
    }

    /// Where those stand that have none however often they are asked.
    async fn stay_empty(&self, mut asked: BTreeMap<String, String>) -> Vec<String> {
        let answered = until("every answer", LIMIT, async || {
            asked = self.empty(&asked).await;
            asked.is_empty().then_some(())
        });
        // Too late for those that are left.
        let _ = answered.await;
        asked.into_keys().collect()
    }

    /// Names of running programs that none of them has, and those named somewhere that nothing exports.
    async fn strange_names(
        &self,
        named: &BTreeSet<(String, String)>,
    ) -> (BTreeSet<&'static str>, BTreeSet<String>) {
        let url = format!("{}/api/v1/label/__name__/values", self.prometheus);
        let mut strange = (BTreeSet::new(), BTreeSet::new());
        let none = until("every name", LIMIT, async || {
            let answer: Value = serde_json::from_str(&http::page(self.client, &url).await.unwrap()).unwrap();
            let known = files::list(&answer, "data").iter().map(|name| name.as_str().unwrap());
            let known: BTreeSet<_> = known.collect();
            let is_known = |name: &str| {
                known.contains(name)
                    || is_of_engines(name)
                    || known_names::OF_PARTS.contains(&name)
                    || FROM_OUTSIDE.contains(&name)
                    || ONLY_IN_TROUBLE.contains(&name)
            };
            let unknown = named.iter().filter(|(_, name)| !is_known(name));
            let gone = known_names::OF_RUNNING_PROGRAMS
                .into_iter()
                .filter(|name| !ONLY_IN_TROUBLE.contains(name) && !known.contains(name));
            strange = (gone.collect(), unknown.map(|(place, name)| format!("{place}: {name}")).collect());
            (strange.0.is_empty() && strange.1.is_empty()).then_some(())
        });
        let _ = none.await;
        strange
    }
}

#[tokio::test]
async fn every_metric_is_exported_and_every_query_answers() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let incident = recipients.plan(data.path(), Addresses::free().unwrap()).unwrap();
    let scenario = data.path().join("healthy.yaml");
    let engine = Started::start(data.path(), &["--rate=5"]).await.unwrap();
    std::fs::write(&scenario, HEALTHY.replace("PID", &engine.pid_on_gpu.to_string())).unwrap();
    let gpus = Gpus::Simulated { scenario, age: Duration::ZERO };
    let plan = Plan { gpus, pace: PACE, ..incident };
    let mut chain = Chain::start(plan).await.unwrap();
    engine.becomes_a_target_of(&chain, NODE).unwrap();
    // A threshold of its own for one GPU is a second line on the boards.
    let own = "gpumon_gpu_memory_threshold_override_ratio{gpu=\"1\"} 0.9\n";
    std::fs::write(chain.textfiles().join("thresholds.prom"), own).unwrap();
    // What is off by default has its panels, too.
    chain.kill(Part::Exporter);
    chain
        .begin_with(Part::Exporter, |launch| {
            launch.arg("--gpu.processes").arg(format!("--engine.page={}", engine.page()))
        })
        .await
        .unwrap();
    let client = http::client().unwrap();
    let address = chain.addresses.prometheus_url("");
    for awaited in STANDING {
        until(awaited, LIMIT, async || {
            let answer = prometheus::query(&client, &address, awaited).await.ok()?;
            (!answer.is_empty()).then_some(())
        })
        .await
        .unwrap();
    }

    // What the rules' runbook links open.
    let runbooks = http::page(&client, &format!("{address}/user/runbooks.html")).await.unwrap();
    assert!(runbooks.contains("<section id=\"gpulost-en\">"), "{runbooks}");

    let mut named = BTreeSet::new();
    let mut note = |place: &str, expression: &str| {
        named.extend(promql::names(expression).unwrap().into_iter().map(|name| (place.to_owned(), name)));
    };
    for (file, rule) in rules::all() {
        note(&file, rule["expr"].as_str().unwrap());
    }
    // An alert over a selector that never yields anything can never fire, whatever its metric's name.
    let mut selectors = BTreeMap::new();
    for (_, rule) in rules::all().iter().filter(|(_, rule)| rule["alert"].is_string()) {
        for selector in promql::selectors(rule["expr"].as_str().unwrap()).unwrap() {
            let is_expected = known_names::OF_PARTS.contains(&selector.name.as_str())
                || FROM_OUTSIDE.contains(&selector.name.as_str())
                || is_of_engines(&selector.name)
                || ONLY_IN_TROUBLE.contains(&selector.name.as_str())
                || NOT_HERE.contains(&selector.query.as_str());
            if !is_expected {
                // One scrape may fail on a busy machine.
                let lately = format!("last_over_time({}[5m])", selector.query);
                selectors.insert(format!("{}: {}", rule["alert"], selector.query), lately);
            }
        }
    }
    let (mut panels, mut may_be_empty) = (BTreeMap::new(), BTreeMap::new());
    for (file, board) in dashboards::all() {
        for Question { title, query } in queries::of(&board) {
            note(&file, &query);
            let has_reason = UNANSWERED.iter().any(|(part, _)| query.contains(part));
            let asked = if has_reason { &mut may_be_empty } else { &mut panels };
            asked.insert(format!("{file}: {title}: {query}"), query);
        }
    }
    let questions = Questions { client: &client, prometheus: &address };
    let (gone, unknown) = questions.strange_names(&named).await;
    assert_eq!(gone, BTreeSet::new(), "names of running programs that none of them has");
    assert_eq!(unknown, BTreeSet::new(), "names that nothing exports");
    assert_eq!(questions.stay_empty(selectors).await, [""; 0], "selectors of alerts that nothing answers");
    assert_eq!(questions.stay_empty(panels).await, [""; 0], "panels that stay empty");
    // Good questions all the same.
    questions.empty(&may_be_empty).await;

    // Prometheus evaluates every rule without an error: types match, joins are one to one.
    let page = http::page(&client, &format!("{address}/api/v1/rules")).await.unwrap();
    let answer: Value = serde_json::from_str(&page).unwrap();
    for group in files::list(&answer["data"], "groups") {
        for rule in files::list(group, "rules") {
            assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
        }
    }
    // Nothing is sent about a healthy machine; what a busy one has stood still for is over by itself.
    let firing = "ALERTS{alertstate=\"firing\",alertname=~\"Gpu.+\"}";
    let is_calm = async || {
        let answer = prometheus::query(&client, &address, firing).await.ok()?;
        answer.is_empty().then_some(())
    };
    let calm = until("no alert about GPUs to fire", LIMIT, is_calm).await;
    assert!(calm.is_ok(), "{:?}", prometheus::query(&client, &address, firing).await);
    chain.stop().await.unwrap();
}
