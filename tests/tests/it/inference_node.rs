//! The demo's machine with an engine: Prometheus scrapes it, and its exporter sees what the engine does.

use std::time::Duration;

use e2e::chain::Chain;
use e2e::chain::addresses::Addresses;
use e2e::incident::Recipients;
use e2e::inference_node::InferenceNode;
use e2e::wait::until;
use e2e::{http, promql};

/// Scrapes are a second apart here, and the exporter asks the engine's page every five.
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn its_engine_is_scraped_and_seen_from_outside() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let node = InferenceNode::start(data.path()).await.unwrap();
    let plan = recipients.plan_with(data.path(), Addresses::free().unwrap(), node.neighbour()).unwrap();
    let chain = Chain::start(plan).await.unwrap();
    let client = http::client().unwrap();
    let prometheus = chain.addresses.prometheus_url("");
    let sees = async |expression: &str| {
        let expression = expression.replace("NODE", "node=\"simulated-inference-node\"");
        until(&expression, LIMIT, async || {
            let answer = promql::query(&client, &prometheus, &expression).await.ok()?;
            (!answer.is_empty()).then_some(())
        })
        .await
        .unwrap();
    };
    sees("min(up{NODE}) == 1 and count(up{NODE}) == 2").await;
    sees("rate(vllm:generation_tokens_total{job=\"inference\",NODE}[10s]) > 0").await;
    sees("gpu_engine_state{NODE,engine=\"vllm\",state=\"running\"} == 1").await;
    sees("gpu_engine_page_up{NODE} == 1").await;

    node.hang().await.unwrap();
    sees("engine_sim_info{NODE,faults=\"hang\"}").await;
    sees("gpu_engine_page_up{NODE} == 1 and gpu_engine_page_progress_age_seconds > 5").await;
    sees("rate(vllm:generation_tokens_total{NODE}[10s]) == 0 and vllm:num_requests_running > 0").await;

    node.restart().await.unwrap();
    // It is away for seconds, in which a busy machine may not look.
    sees("changes(process_start_time_seconds{job=\"inference\",NODE}[5m]) > 0").await;
    sees("rate(vllm:generation_tokens_total{NODE}[10s]) > 0").await;
    node.stop().await.unwrap();
    chain.stop().await.unwrap();
}
