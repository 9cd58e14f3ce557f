//! Rules and dashboards against a running chain with simulated GPUs: every metric they name is exported, every query answers.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::chain::addresses::Addresses;
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Plan};
use e2e::incident::Recipients;
use e2e::wait::until;
use e2e::{http, promql as prometheus};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{dashboards, files, promql, rules};

/// Not there until an operator provides it: a calendar with the time it was written, thresholds of single GPUs.
const FROM_OUTSIDE: [&str; 4] = [
    "gpumon_calendar_workday",
    "gpumon:calendar_fresh:bool",
    "gpumon_gpu_memory_threshold_override_ratio",
    "node_textfile_mtime_seconds",
];

/// What this chain has no engine for: `engines` asks the pages of real ones.
const OF_ENGINES: [&str; 4] = ["inference:", "vllm:", "sglang:", "http_requests_total"];

/// Series that exist once something has gone wrong, or, as memory that grows, while something happens.
const ONLY_IN_TROUBLE: [&str; 7] = [
    "ALERTS",
    "gpu_xid_errors_total",
    "gpu_xid_last_timestamp_seconds",
    "gpu_nvswitch_error_last_timestamp_seconds",
    "gpu:xid_application_errors:total",
    "gpu:last_lost:timestamp_seconds",
    "gpu:memory_growing:bytes",
];

/// What alerts select and this machine or these minutes do not have.
const NOT_HERE: [&str; 1] = ["up{job=\"inference\"}"];

/// Panels that are empty while all is well.
const EMPTY_WHEN_WELL: [&str; 4] =
    ["XID 错误 XID errors", "告警 Alerts", "重启 Reboots", "降频原因 What holds the clocks down"];

/// True once everything has been scraped often enough and judged.
const STANDING: [&str; 8] = [
    "count(up == 1) == 4",
    "count(gpu:memory_threshold:ratio) > 0",
    "count(gpu:memory_used:ratio) > 0",
    "count(node:cpu_busy:ratio_rate5m) > 0",
    "count(node:memory_used:ratio) > 0",
    "count(node:filesystem_avail:ratio) > 0",
    "ALERTS{alertname=\"Watchdog\",alertstate=\"firing\"}",
    "min(count_over_time(up[1m])) > 10",
];

/// Waiting times divided by this: scraping every second makes two samples for a rate quickly.
const PACE: u32 = 15;
const LIMIT: Duration = Duration::from_mins(2);

fn is_of_engines(name: &str) -> bool {
    OF_ENGINES.iter().any(|prefix| name.starts_with(prefix))
}

#[tokio::test]
async fn every_metric_is_exported_and_every_query_answers() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let incident = recipients.plan(data.path(), Addresses::free().unwrap()).unwrap();
    let healthy = files::path("crates/nvml-sim/scenarios/h100x8.yaml");
    let gpus = Gpus::Simulated { scenario: healthy, age: Duration::ZERO };
    let plan = Plan { gpus, pace: PACE, ..incident };
    let chain = Chain::start(plan).await.unwrap();
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

    let page = http::page(&client, &format!("{address}/api/v1/label/__name__/values")).await.unwrap();
    let answer: Value = serde_json::from_str(&page).unwrap();
    let known: BTreeSet<_> = files::list(&answer, "data").iter().map(|name| name.as_str().unwrap()).collect();
    let mut unknown = BTreeSet::new();
    let mut note = |place: &str, expression: &str| {
        for name in promql::names(expression).unwrap() {
            let is_known = known.contains(name.as_str())
                || is_of_engines(&name)
                || FROM_OUTSIDE.contains(&name.as_str())
                || ONLY_IN_TROUBLE.contains(&name.as_str());
            if !is_known {
                unknown.insert(format!("{place}: {name}"));
            }
        }
    };
    for (file, rule) in rules::all() {
        note(&file, rule["expr"].as_str().unwrap());
    }
    // An alert over a selector that never yields anything can never fire, whatever its metric's name.
    let mut blind = BTreeSet::new();
    for (_, rule) in rules::all().iter().filter(|(_, rule)| rule["alert"].is_string()) {
        for selector in promql::selectors(rule["expr"].as_str().unwrap()).unwrap() {
            let is_expected = FROM_OUTSIDE.contains(&selector.name.as_str())
                || is_of_engines(&selector.name)
                || ONLY_IN_TROUBLE.contains(&selector.name.as_str())
                || NOT_HERE.contains(&selector.query.as_str());
            // One scrape may fail on a busy machine.
            let lately = format!("last_over_time({}[5m])", selector.query);
            if !is_expected && prometheus::query(&client, &address, &lately).await.unwrap().is_empty() {
                blind.insert(format!("{}: {}", rule["alert"], selector.query));
            }
        }
    }
    let mut empty = BTreeSet::new();
    for (file, board) in dashboards::all() {
        for (title, query) in dashboards::queries(&board) {
            note(&file, &query);
            let answer = prometheus::query(&client, &address, &query)
                .await
                .unwrap_or_else(|error| panic!("{file}: `{title}`: {error:#}: {query}"));
            if answer.is_empty() && !EMPTY_WHEN_WELL.contains(&title.as_str()) {
                empty.insert(format!("{title}: {query}"));
            }
        }
    }
    assert_eq!(unknown, BTreeSet::new(), "names that nothing exports");
    assert_eq!(blind, BTreeSet::new(), "selectors of alerts that nothing answers");
    assert_eq!(empty, BTreeSet::new(), "panels that stay empty");

    // Prometheus evaluates every rule without an error: types match, joins are one to one.
    let page = http::page(&client, &format!("{address}/api/v1/rules")).await.unwrap();
    let answer: Value = serde_json::from_str(&page).unwrap();
    for group in files::list(&answer["data"], "groups") {
        for rule in files::list(group, "rules") {
            assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
        }
    }
    // Nothing is sent about a healthy machine.
    let firing = utf8_percent_encode("ALERTS{alertstate=\"firing\",alertname=~\"Gpu.+\"}", NON_ALPHANUMERIC)
        .to_string();
    let page = http::page(&client, &format!("{address}/api/v1/query?query={firing}")).await.unwrap();
    let answer: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(files::list(&answer["data"], "result"), &[] as &[Value]);
    chain.stop().await.unwrap();
}
