//! Which of an engine's names means what: from a captured series to the tally behind it.
//!
//! A name that is not here keeps what the captured page says when it is a gauge, and stays at 0 otherwise: features that this engine
//! does not use (adapters, speculative decoding, disaggregation) look like that in real ones too.

use super::tally::{Count, Gauges, Quantity, Tally};
use super::template::{Family, Series};

/// Where a series' value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// What the captured page says.
    Captured,
    /// Nothing that this engine does moves it.
    Never,
    Gauge(fn(&Gauges) -> f64),
    Count(Count, Option<bool>),
    /// Computed from several counts.
    Of(fn(&Tally) -> f64),
    /// The number of one of the tally's histograms.
    Histogram(Quantity, Option<bool>),
}

/// Where the value of a captured series comes from.
pub(crate) fn source(family: &Family, series: &Series) -> Source {
    let streams = match series.labels.get("is_streaming").map(String::as_str) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let known = if family.kind == "histogram" {
        quantity(series).map(|quantity| Source::Histogram(quantity, streams))
    } else if let Some(count) = count(series) {
        Some(Source::Count(count, streams))
    } else {
        gauge(series)
    };
    known.unwrap_or_else(|| match family.kind.as_str() {
        "gauge" => Source::Captured,
        // Of the Python program and its process; what is captured is as good as anything.
        _ if series.name.starts_with("process_") || series.name.starts_with("python_") => Source::Captured,
        _ => Source::Never,
    })
}

fn label<'series>(series: &'series Series, name: &str) -> &'series str {
    series.labels.get(name).map_or("", String::as_str)
}

/// The name without its engine, which of the two does not matter for what is alike.
fn bare(series: &Series) -> &str {
    series.name.split_once(':').map_or(series.name.as_str(), |(_, bare)| bare)
}

fn gauge(series: &Series) -> Option<Source> {
    let read: fn(&Gauges) -> f64 = match bare(series) {
        "num_requests_running" => |gauges| gauges.running,
        "num_running_reqs" if is_total(series) => |gauges| gauges.running,
        "num_requests_waiting" => |gauges| gauges.waiting,
        "num_queue_reqs" if is_total(series) => |gauges| gauges.waiting,
        "num_requests_waiting_by_reason" if label(series, "reason") == "capacity" => |gauges| gauges.waiting,
        "kv_cache_usage_perc" | "gpu_cache_usage_perc" | "token_usage" | "full_token_usage" => ratio,
        "num_used_tokens" | "kv_used_tokens" => |gauges| gauges.held,
        "kv_available_tokens" => |gauges| gauges.room - gauges.held,
        "kv_evictable_tokens" => |_| 0.0,
        "max_total_num_tokens" => |gauges| gauges.room,
        "gen_throughput" | "avg_generation_throughput_toks_per_s" => |gauges| gauges.throughput,
        "http_requests_active" if is_api(series) => |gauges| gauges.in_flight,
        "process_start_time_seconds" => |gauges| gauges.started,
        name if name.ends_with("_created") => |gauges| gauges.started,
        "cache_hit_rate" | "gpu_prefix_cache_hit_rate" => return Some(Source::Of(hit_rate)),
        _ => return None,
    };
    Some(Source::Gauge(read))
}

fn ratio(gauges: &Gauges) -> f64 {
    gauges.held / gauges.room.max(1.0)
}

fn hit_rate(tally: &Tally) -> f64 {
    tally.count(Count::Cached, None) / tally.count(Count::Prompt, None).max(1.0)
}

/// With priority scheduling the total has an empty priority.
fn is_total(series: &Series) -> bool {
    label(series, "priority").is_empty()
}

/// Whether a series is of chat completions; with a `FastAPI` that hides its routers they are `none`, as everything is.
fn is_api(series: &Series) -> bool {
    let is_hidden = label(series, "handler") == "none" && label(series, "method") == "POST";
    label(series, "handler") == "/v1/chat/completions"
        || label(series, "endpoint") == "/v1/chat/completions"
        || is_hidden
}

fn count(series: &Series) -> Option<Count> {
    let sglang = series.name.starts_with("sglang:");
    Some(match bare(series) {
        "prompt_tokens_total" if sglang => Count::PromptAtEnd,
        "generation_tokens_total" if sglang => Count::GeneratedAtEnd,
        "cached_tokens_total" => Count::CachedAtEnd,
        "prompt_tokens_total" | "prefix_cache_queries_total" | "gpu_prefix_cache_queries_total" => {
            Count::Prompt
        }
        "generation_tokens_total" => Count::Generated,
        "prompt_tokens_cached_total" | "prefix_cache_hits_total" | "gpu_prefix_cache_hits_total" => {
            Count::Cached
        }
        "prompt_tokens_by_source_total" => match label(series, "source") {
            "local_compute" => Count::Computed,
            "local_cache_hit" => Count::Cached,
            _ => return None,
        },
        "prompt_tokens_cached_by_source_total" if label(series, "source") == "device" => Count::Cached,
        "realtime_tokens_total" => match label(series, "mode") {
            "prefill_compute" => Count::Computed,
            "prefill_cache" => Count::Cached,
            "decode" => Count::Generated,
            _ => return None,
        },
        "prefill_effective_tokens_total" => match label(series, "mode") {
            "input" => Count::Prompt,
            "device_hit" => Count::Cached,
            _ => return None,
        },
        "request_success_total" => match label(series, "finished_reason") {
            "stop" => Count::Stopped,
            "length" => Count::TooLong,
            "error" => Count::Failed,
            // vLLM's second generation has the label and never counts one.
            _ => return None,
        },
        "num_aborted_requests_total" => Count::Aborted,
        "num_preemptions_total" | "num_retracted_requests_total" => Count::Preempted,
        "num_retracted_input_tokens_total" => Count::PreemptedPrompt,
        "num_retracted_output_tokens_total" => Count::PreemptedGenerated,
        "mm_cache_queries_total" => Count::Images,
        "mm_cache_hits_total" => Count::KnownImages,
        "admission_rejections_total" if label(series, "reason") == "max_num_queued_reqs" => Count::Refused,
        "http_requests_total" if sglang && is_api(series) => Count::HttpStarted,
        "http_requests_total" | "http_responses_total" if is_api(series) => {
            match label(series, if sglang { "status_code" } else { "status" }) {
                "2xx" | "200" => Count::Http2xx,
                "4xx" | "400" => Count::Http4xx,
                "5xx" | "500" => Count::Http5xx,
                _ => return None,
            }
        }
        "cuda_graph_passes_total" if label(series, "mode").starts_with("decode") => Count::Steps,
        "scheduler_idle_seconds_total" => Count::IdleSeconds,
        "scheduler_stage_seconds_total" | "scheduler_process_cpu_seconds_total" => Count::BusySeconds,
        "num_requests_total" => Count::Answered,
        _ => return None,
    })
}

fn quantity(series: &Series) -> Option<Quantity> {
    Some(match bare(series) {
        "time_to_first_token_seconds" => Quantity::FirstToken,
        "inter_token_latency_seconds" | "time_per_output_token_seconds" => Quantity::BetweenTokens,
        "request_time_per_output_token_seconds" => Quantity::BetweenTokensOfRequest,
        "e2e_request_latency_seconds" => Quantity::Whole,
        "request_queue_time_seconds" | "time_in_queue_requests" => Quantity::QueuedAtEnd,
        "queue_time_seconds" => Quantity::Queued,
        "request_prefill_time_seconds" => Quantity::PrefillAtEnd,
        "request_decode_time_seconds" => Quantity::Decode,
        "request_inference_time_seconds" => Quantity::Inference,
        "per_stage_req_latency_seconds" => match label(series, "stage") {
            "request_process" => Quantity::FrontEnd,
            "prefill_waiting" => Quantity::Queued,
            "prefill_forward" => Quantity::Prefill,
            "decode_forward" => Quantity::Decode,
            _ => return None,
        },
        "iteration_tokens_total" => Quantity::StepTokens,
        "request_prompt_tokens" | "prompt_tokens_histogram" => Quantity::PromptTokens,
        "request_prefill_kv_computed_tokens" | "uncached_prompt_tokens_histogram" => Quantity::ComputedTokens,
        "request_generation_tokens" | "generation_tokens_histogram" | "request_max_num_generation_tokens" => {
            Quantity::AnswerTokens
        }
        "request_params_max_tokens" => Quantity::LimitTokens,
        "request_params_n" => Quantity::Answers,
        "request_num_preemptions" | "num_retractions" => Quantity::Preemptions,
        "http_request_duration_highr_seconds" => Quantity::Http,
        "http_request_duration_seconds" if is_api(series) => Quantity::Http,
        _ => return None,
    })
}
