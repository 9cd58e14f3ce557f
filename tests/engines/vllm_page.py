"""Writes vLLM's `/metrics` page with a release's own definitions.

Owns what is vLLM's: which of its modules are run, the settings they read, and how its loggers are given the traffic.
"""

import ast
import dataclasses
import importlib
import os
from pathlib import Path
from types import SimpleNamespace

import stand_ins
from traffic import BLOCK, KV_TOKENS, MAX_MODEL_LEN, MODEL, Request, requests

CHOSEN = {
    "vllm.config.cache",
    "vllm.config.utils",
    "vllm.distributed.ec_transfer.ec_connector.metrics",
    "vllm.distributed.kv_transfer.kv_connector.v1.metrics",
    "vllm.engine.metrics",
    "vllm.engine.metrics_types",
    "vllm.entrypoints.serve.instrumentator.metrics",
    "vllm.envs",
    "vllm.v1.core.kv_cache_metrics",
    "vllm.v1.engine",
    "vllm.v1.metrics.buckets",
    "vllm.v1.metrics.cache_hit_source",
    "vllm.v1.metrics.loggers",
    "vllm.v1.metrics.perf",
    "vllm.v1.metrics.prometheus",
    "vllm.v1.metrics.stats",
    "vllm.v1.metrics.utils",
    "vllm.v1.spec_decode.metrics",
}
# Found elsewhere in the package, where more would have to be loaded than is wanted.
BORROWED = {"vllm.utils": {"GiB_bytes": 1 << 30}, "vllm.utils.mem_constants": {"GiB_bytes": 1 << 30}}
API_SERVER = "vllm/entrypoints/openai/api_server.py"


class Settings(SimpleNamespace):
    """A configuration in which what is not set is off: None, and so False where a switch is meant."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def page(root: Path, engines: int) -> str:
    """The page after the traffic, with two requests running and one waiting."""
    is_first_generation = not (root / "vllm/v1/metrics/loggers.py").is_file()
    if is_first_generation:
        # Its API server and its engine are two processes, which share their metrics by files.
        multiprocess()
    hook = stand_ins.install(root, "vllm", CHOSEN, BORROWED)
    cache = cache_config(root)
    if is_first_generation:
        record_first_generation(cache)
    else:
        record(cache, engines)
    text = served(root)
    assert hook.ran, "none of the package's modules was run"
    return text


def multiprocess():
    import tempfile

    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="capture-")


def define(file: Path, name: str, borrowed: dict):
    """One function or class of a file that cannot be imported as a whole, run as it stands there."""
    tree = ast.parse(file.read_text())
    # Its module's own imports, as far as they can be had, and what it was given.
    names = {"__name__": file.stem, **borrowed}
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            try:
                exec(compile(ast.Module([node], []), str(file), "exec"), names)
            except ImportError:
                continue
    names.update(borrowed)
    found = next(node for node in tree.body if getattr(node, "name", None) == name)
    exec(compile(ast.Module([found], []), str(file), "exec"), names)
    return names[name]


def cache_config(root: Path):
    """The cache's settings, whose names and values are the labels of `vllm:cache_config_info`."""
    if (root / "vllm/config/cache.py").is_file():
        made = importlib.import_module("vllm.config.cache").CacheConfig
    else:
        borrowed = {
            "GiB_bytes": 1 << 30,
            "logger": stand_ins.Anything(),
            "config": lambda decorated: decorated,
            "PrefixCachingHashAlgo": str,
            "BlockSize": int,
            "CacheDType": str,
        }
        made = define(root / "vllm/config.py", "CacheConfig", borrowed)
    first_generation = {"block_size": BLOCK, "gpu_memory_utilization": 0.9, "swap_space": 4, "cache_dtype": "auto"}
    try:
        made = made(**first_generation)
    except (TypeError, ValueError):
        made = made(block_size=BLOCK, gpu_memory_utilization=0.9)
    for name, value in {"num_gpu_blocks": KV_TOKENS // BLOCK, "num_cpu_blocks": 0, "kv_cache_size_tokens": KV_TOKENS}.items():
        if hasattr(made, name):
            setattr(made, name, value)
    return made


def settings(cache) -> Settings:
    """What the loggers read of a server's settings: everything at its default, speculative decoding and adapters off."""
    return Settings(
        model_config=Settings(served_model_name=MODEL, max_model_len=MAX_MODEL_LEN, is_diffusion=False),
        observability_config=Settings(show_hidden_metrics=False),
        cache_config=cache,
        # The batch sizes a server captures by default; the first generation takes them for its buckets (vllm/config.py).
        compilation_config=Settings(capture_sizes=[1, 2, 4] + [8 * step for step in range(1, 33)]),
    )


def record(cache, engines: int):
    """Gives the traffic to the logger of vLLM's second generation, step by step, as its engine does."""
    loggers = importlib.import_module("vllm.v1.metrics.loggers")
    stats = importlib.import_module("vllm.v1.metrics.stats")
    reasons = importlib.import_module("vllm.v1.engine").FinishReason
    try:
        logger = loggers.PrometheusStatLogger(settings(cache), list(range(engines)))
        give = lambda engine, *what: logger.record(*what, engine_idx=engine)
    except TypeError:
        logger = None
    if logger is None or not hasattr(logger, "engine_indexes"):
        assert engines == 1, "this release makes one logger an engine"
        logger = loggers.PrometheusStatLogger(settings(cache))
        give = lambda engine, *what: logger.record(*what)
    if hasattr(logger, "log_engine_initialized"):
        logger.log_engine_initialized()
    if hasattr(logger, "record_sleep_state"):
        logger.record_sleep_state(0, 0)
    caching = getattr(stats, "MultiModalCacheStats", None)
    for number, request in enumerate(requests()):
        engine = number % engines
        finished = finish(stats, reasons, request)
        extra = [caching(requests=1, queries=request.images, hits=request.image_hits)] if caching else []
        give(engine, scheduler(stats, request), first_step(stats, request), *extra)
        for _ in range(request.output - 2):
            give(engine, scheduler(stats, None), step(stats, request))
        last = step(stats, request)
        if finished:
            last.finished_requests.append(finished)
            fill(last, max_num_generation_tokens_iter=[request.output], n_params_iter=[1])
        give(engine, scheduler(stats, None), last)
    if hasattr(logger, "record_admission_rejection"):
        logger.record_admission_rejection("max_num_queued_reqs")


def fill(target, **values):
    """Sets those of the values that this release knows."""
    for name, value in values.items():
        known = getattr(type(target), name, None)
        if hasattr(target, name) and not isinstance(known, property):
            setattr(target, name, value)
    return target


def scheduler(stats, request: Request | None):
    made = stats.SchedulerStats()
    fill(made, num_running_reqs=2, num_waiting_reqs=1, kv_cache_usage=0.37, gpu_cache_usage=0.37)
    if request is not None:
        # Counted in tokens, as the scheduler asks its cache.
        fill(made.prefix_cache_stats, requests=1, queries=request.prompt, hits=request.cached)
    return made


def first_step(stats, request: Request):
    made = stats.IterationStats()
    fill(made, num_prompt_tokens=request.prompt, num_generation_tokens=1, time_to_first_tokens_iter=[request.first_token])
    fill(made, num_preempted_reqs=request.preemptions)
    if hasattr(made, "prompt_token_stats"):
        computed = request.prompt - request.cached
        values = {"computed": computed, "local_cache_hit": request.cached, "cached_tokens": request.cached, "total": request.prompt}
        fill(made.prompt_token_stats, **values)
    return made


def step(stats, request: Request):
    made = stats.IterationStats()
    between = [request.between_tokens]
    return fill(made, num_generation_tokens=1, inter_token_latencies_iter=between, time_per_output_tokens_iter=between)


def finish(stats, reasons, request: Request):
    """How the request ended; None for a reason that this release has not, and for an abort, which its engine never reports."""
    reason = getattr(reasons, request.reason.upper(), None)
    if reason is None or request.reason == "abort":
        return None
    values = {
        "finish_reason": reason,
        "e2e_latency": request.whole,
        "num_prompt_tokens": request.prompt,
        "num_generation_tokens": request.output,
        "num_preemptions": request.preemptions,
        "max_tokens_param": 512,
        "queued_time": request.queue,
        "prefill_time": request.prefill,
        "inference_time": request.prefill + request.decode,
        "decode_time": request.decode,
        "mean_time_per_output_token": request.between_tokens,
        "num_cached_tokens": request.cached,
    }
    known = {field.name for field in dataclasses.fields(stats.FinishedRequestStats)}
    return stats.FinishedRequestStats(**{name: value for name, value in values.items() if name in known})


def record_first_generation(cache):
    """Gives the traffic to the logger of vLLM's first generation."""
    metrics = importlib.import_module("vllm.engine.metrics")
    stats = importlib.import_module("vllm.engine.metrics_types").Stats
    logger = metrics.PrometheusStatLogger(local_interval=0, labels={"model_name": MODEL}, vllm_config=settings(cache))
    logger.info("cache_config", cache)
    blank = {}
    for field in dataclasses.fields(stats):
        is_list = "List" in str(field.type)
        blank[field.name] = [] if is_list else "0" if field.type == "str" or field.type is str else 0
    blank["spec_decode_metrics"] = None
    moment = logger.last_local_log
    for request in requests():
        moment += request.whole
        state = {"now": moment, "num_running_sys": 2, "num_waiting_sys": 1, "gpu_cache_usage_sys": 0.37}
        first = {
            "num_prompt_tokens_iter": request.prompt,
            "num_generation_tokens_iter": 1,
            "num_tokens_iter": request.prompt,
            "time_to_first_tokens_iter": [request.first_token],
            "num_preemption_iter": request.preemptions,
        }
        logger.log(stats(**{**blank, **state, **first}))
        later = {"num_generation_tokens_iter": 1, "num_tokens_iter": 1, "time_per_output_tokens_iter": [request.between_tokens]}
        for _ in range(request.output - 2):
            logger.log(stats(**{**blank, **state, **later}))
        ended = {
            "time_e2e_requests": [request.whole],
            "time_queue_requests": [request.queue],
            "time_in_queue_requests": [request.queue],
            "time_prefill_requests": [request.prefill],
            "time_decode_requests": [request.decode],
            "time_inference_requests": [request.prefill + request.decode],
            "num_prompt_tokens_requests": [request.prompt],
            "num_generation_tokens_requests": [request.output],
            "n_requests": [1],
            "max_num_generation_tokens_requests": [request.output],
            "max_tokens_requests": [512],
            "finished_reason_requests": [request.reason],
        }
        if request.reason in ("stop", "length", "abort"):
            logger.log(stats(**{**blank, **state, **later, **ended}))


def served(root: Path) -> str:
    """Asks an application that has the server's paths, and its own code's metrics, for `/metrics`."""
    from fastapi import APIRouter, FastAPI, Request as Asked, Response
    from starlette.testclient import TestClient

    app, router = FastAPI(), APIRouter()

    async def answer(asked: Asked) -> Response:
        return Response(status_code=int(asked.headers.get("x-status", "200")))

    for path in ("/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/ping", "/version", "/tokenize"):
        router.add_api_route(path, answer, methods=["GET", "POST"])
    app.include_router(router)
    if (root / "vllm/entrypoints/serve/instrumentator/metrics.py").is_file():
        importlib.import_module("vllm.entrypoints.serve.instrumentator.metrics").attach_router(app)
    else:
        prometheus = root / "vllm/v1/metrics/prometheus.py"
        borrowed = {"logger": stand_ins.Anything()}
        if prometheus.is_file():
            borrowed["get_prometheus_registry"] = importlib.import_module("vllm.v1.metrics.prometheus").get_prometheus_registry
        if "class PrometheusResponse" in (root / API_SERVER).read_text():
            borrowed["PrometheusResponse"] = define(root / API_SERVER, "PrometheusResponse", {})
        define(root / API_SERVER, "mount_metrics", borrowed)(app)
    with TestClient(app) as client:
        client.get("/v1/models")
        client.get("/health")
        for request in requests():
            status = {"error": "500", "abort": "499"}.get(request.reason, "200")
            client.post("/v1/chat/completions", headers={"x-status": status})
        client.post("/v1/chat/completions", headers={"x-status": "400"})
        client.get("/wp-login.php")
        # As Prometheus 2.42 would be answered that accepts only the text format.
        return client.get("/metrics", headers={"accept": "text/plain;version=0.0.4"}).text
