"""Writes SGLang's `/metrics` page with a release's own definitions.

Owns what is SGLang's: which of its modules are run, the labels its server gives to the collectors, and how these are given the traffic.
"""

import dataclasses
import importlib
import inspect
from pathlib import Path

import stand_ins
from traffic import BLOCK, KV_TOKENS, MAX_MODEL_LEN, MODEL, requests
from vllm_page import Settings, define, multiprocess

CHOSEN = {
    "sglang.srt.disaggregation.utils",
    "sglang.srt.metrics.collector",
    "sglang.srt.metrics.utils",
    "sglang.srt.observability.http_request_metrics",
    "sglang.srt.observability.metrics_collector",
    "sglang.srt.observability.scheduler_stage_metrics",
    "sglang.srt.observability.utils",
    "sglang.srt.utils.gauge_histogram",
    "sglang.srt.utils.http_middleware_patch",
}
# What the server's own settings say: one GPU, no disaggregation, everything else at its default.
SERVER = Settings(served_model_name=MODEL, disaggregation_mode="null", enable_metrics=True, prefill_delayer_max_delay_passes=30)
# Where a request's time is observed by stage, of a server without disaggregation (managers/schedule_batch.py, req_time_stats.py).
STAGES = ("request_process", "prefill_waiting", "prefill_forward", "decode_forward")


def page(root: Path, priorities: bool) -> str:
    """The page after the traffic, with two requests running and one waiting."""
    multiprocess()
    SERVER.enable_priority_scheduling = priorities
    asked = {f"get_{part}": lambda: SERVER for part in ("disagg", "observability", "schedule", "serving", "server_args", "lora")}
    parallel = Settings(tp_rank=0, pp_rank=0, moe_ep_rank=0, dp_size=1, attn_dp_size=1)
    context = Settings(is_config_namespace_published=lambda _: True)
    values = {"sglang.srt.runtime_context": {**asked, "get_parallel": lambda: parallel, "get_context": lambda: context}}
    hook = stand_ins.install(root, "sglang", CHOSEN, values)
    collectors = importlib.import_module(
        "sglang.srt.metrics.collector"
        if (root / "sglang/srt/metrics/collector.py").is_file()
        else "sglang.srt.observability.metrics_collector"
    )
    scheduler(collectors, priorities)
    requests_of(collectors, priorities)
    prefix_cache(collectors)
    text = served(root)
    assert hook.ran, "none of the package's modules was run"
    return text


def known(function, values: dict) -> dict:
    """Those of the values that this release's function takes."""
    taken = inspect.signature(function).parameters
    return {name: value for name, value in values.items() if name in taken}


def tell(collector, name: str, *args, **values):
    """Calls a method that this release may not have."""
    if method := getattr(collector, name, None):
        method(*args, **known(method, values))


def scheduler(collectors, priorities: bool):
    """What the scheduler's process tells: gauges, live tokens, queue times, stages."""
    made = collectors.SchedulerMetricsCollector
    taken = inspect.signature(made.__init__).parameters
    text = inspect.getsource(collectors)
    # Which ranks are labels grew with the releases: managers/scheduler.py, scheduler_metrics_mixin.py, init_new of the collector.
    labels = {"model_name": MODEL, "engine_type": "unified"}
    if "engine_load_weights_time" in text or "emit_startup_time" in text:
        labels |= {"tp_rank": 0, "pp_rank": 0}
    if "realtime_tokens_total" in text:
        labels |= {"moe_ep_rank": 0}
    if priorities:
        assert "by_priority" in text, "this release knows no priorities"
        labels |= {"priority": ""}
    collector = made(labels=labels, **({"server_args": SERVER} if "server_args" in taken else {}))
    collector.log_stats(state(collectors, priorities))
    for request in requests():
        tell(collector, "observe_queue_time", request.queue)
        for stage, latency in zip(STAGES, (request.front_end, request.queue, request.prefill, request.decode)):
            tell(collector, "observe_per_stage_req_latency", stage, latency)
        computed = request.prompt - request.cached
        tokens = {"prefill_compute_tokens": computed, "prefill_cache_tokens": request.cached, "decode_tokens": request.output}
        tell(collector, "increment_realtime_tokens", None, **tokens)
        hits = {"input_tokens": request.prompt, "device_hit_tokens": request.cached, "host_hit_tokens": 0, "storage_hit_tokens": 0}
        tell(collector, "increment_effective_prefill_tokens", **hits)
        tell(collector, "increment_decode_cuda_graph_pass", True)
        tell(collector, "increment_prefill_cuda_graph_pass", False)
        tell(collector, "increment_scheduler_idle_seconds", 0.2)
        tell(collector, "increment_scheduler_process_cpu_seconds", 0.3)
        tell(collector, "increment_scheduler_stage_seconds", "run_batch", request.decode)
        if request.preemptions:
            retracted = {"num_retracted_reqs": 1, "num_retracted_input_tokens": request.prompt, "num_retracted_output_tokens": 12}
            tell(collector, "increment_retracted_reqs", **retracted)
    tell(collector, "emit_cache_config_info", BLOCK, KV_TOKENS // BLOCK)
    constants = {
        "max_total_num_tokens": KV_TOKENS,
        "max_total_num_tokens_swa": None,
        "weight_memory_usage_gb": 16.7,
        "kv_cache_memory_usage_gb": 36.0,
        "graph_memory_usage_gb": {"decode": 1.4},
        "max_running_requests_under_SLO": None,
        "engine_startup_time": 74.2,
        "engine_load_weights_time": 21.9,
        "page_size": 1,
        "num_pages": KV_TOKENS,
        "context_len": MAX_MODEL_LEN,
        "startup_available_gpu_memory_gb": 62.3,
    }
    tell(collector, "emit_constants", **constants)


def state(collectors, priorities: bool):
    """The scheduler's state when the page is asked for."""
    made = collectors.SchedulerStats()
    values = {
        "num_running_reqs": (2, {0: 1, 5: 1}),
        "num_queue_reqs": (1, {0: 1}),
        "num_used_tokens": 3120,
        "kv_used_tokens": 3120,
        "kv_available_tokens": KV_TOKENS - 99000,
        "kv_evictable_tokens": 99000 - 3120,
        "token_usage": 0.012,
        "full_token_usage": 0.012,
        "gen_throughput": 71.5,
        "cache_hit_rate": 0.19,
        "utilization": 0.4,
        "is_cuda_graph": 1,
        "new_token_ratio": 0.61,
        "avg_request_queue_latency": 0.02,
        "engine_startup_time": 74.2,
        "engine_load_weights_time": 21.9,
    }
    for field in dataclasses.fields(made):
        if field.name not in values:
            continue
        value = values[field.name]
        if isinstance(value, tuple):
            total, by_priority = value
            counted = getattr(collectors, "QueueCount", None)
            value = counted(total, by_priority if priorities else None) if counted else total
        setattr(made, field.name, value)
    return made


def requests_of(collectors, priorities: bool):
    """What the tokenizer manager's process tells: latencies, and requests when they have ended."""
    text = inspect.getsource(collectors)
    if hasattr(collectors, "tokenizer_metric_labels"):
        labels = collectors.tokenizer_metric_labels()
    else:
        # managers/tokenizer_manager.py: `engine_type` came to the requests when the scheduler's labels were given a class method.
        labels = {"model_name": MODEL} | ({"engine_type": "unified"} if "def init_new" in text else {})
        labels |= {"priority": ""} if priorities else {}
    made = collectors.TokenizerMetricsCollector
    collector = made(labels=labels, **known(made.__init__, {"server_args": SERVER}))
    startup = {"load_weight": 21.9, "kv_cache_allocation": 1.3, "scheduler_e2e": 61.0, "tokenizer_e2e": 74.2, "cuda_graph": {"decode": 9.5}}
    tell(collector, "emit_startup_time", startup)
    for request in requests():
        given = {**labels, "priority": "5" if request.streams else "0"} if priorities else labels
        # Releases that keep the labels themselves take them in no call.
        tell(collector, "observe_time_to_first_token", value=request.first_token, labels=given, stream=request.streams)
        for _ in range(request.output - 1):
            tell(collector, "observe_inter_token_latency", labels=given, internval=request.between_tokens, num_new_tokens=1)
        if request.reason == "abort":
            tell(collector, "observe_one_aborted_request", labels=given)
            continue
        ended = {
            "labels": given,
            "prompt_tokens": request.prompt,
            "generation_tokens": request.output,
            "cached_tokens": request.cached,
            "e2e_latency": request.whole,
            "has_grammar": False,
            "is_streaming": request.streams,
            "time_per_output_token": request.between_tokens,
            "retraction_count": request.preemptions,
            "cached_tokens_details": {"device": request.cached, "host": 0},
        }
        tell(collector, "observe_one_finished_request", **ended)


def prefix_cache(collectors):
    """What the radix cache tells, from the release on that gives it a collector by default (mem_cache/base_prefix_cache.py)."""
    made = getattr(collectors, "RadixCacheMetricsCollector", None)
    if made is None:
        return
    collector = made(labels={"cache_type": "RadixCache"})
    tell(collector, "observe_eviction_duration", 0.004)
    tell(collector, "increment_eviction_num_tokens", 640)


def served(root: Path) -> str:
    """Asks an application that has the server's paths, and its own code's metrics, for `/metrics`."""
    from fastapi import APIRouter, FastAPI, Request as Asked, Response
    from starlette.testclient import TestClient

    app, router = FastAPI(), APIRouter()

    async def answer(asked: Asked) -> Response:
        return Response(status_code=int(asked.headers.get("x-status", "200")))

    for path in ("/v1/chat/completions", "/v1/completions", "/v1/models", "/generate", "/health", "/health_generate"):
        router.add_api_route(path, answer, methods=["GET", "POST"])
    app.include_router(router)
    one, many = root / "sglang/srt/utils.py", root / "sglang/srt/utils/common.py"
    file = one if one.is_file() else many
    text = file.read_text()
    # http_server.py has these called in this order, the second where there is one.
    if (root / "sglang/srt/observability/http_request_metrics.py").is_file():
        http = importlib.import_module("sglang.srt.observability.http_request_metrics")
        http.init_http_request_metrics()
        http.add_http_request_metrics_middleware(app)
    elif "def add_prometheus_track_response_middleware" in text:
        names = ("RefCountedGauge", "_get_fastapi_request_path")
        parts = {name: define(file, name, {}) for name in names if f" {name}(" in text or f"class {name}:" in text}
        define(file, "add_prometheus_track_response_middleware", parts)(app)
    define(file, "add_prometheus_middleware", {})(app)
    with TestClient(app) as client:
        client.get("/v1/models")
        client.get("/health")
        for request in requests():
            status = {"error": "500", "abort": "499"}.get(request.reason, "200")
            client.post("/v1/chat/completions", headers={"x-status": status})
        client.post("/v1/chat/completions", headers={"x-status": "400"})
        client.get("/wp-login.php")
        return client.get("/metrics", headers={"accept": "text/plain;version=0.0.4"}).text
