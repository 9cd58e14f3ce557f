//! What is asked of the engines, what waits, and what they hold.

use crate::boards::limit::Limit;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

const LEGEND: &str = "{{instance}} {{model_name}}";

pub(super) fn panels() -> Vec<Panel> {
    vec![requests(), failures(), queues(), tokens(), replicas(), cache(), preemptions(), images()]
}

fn requests() -> Panel {
    let note = Note {
        zh: [
            "与点线（上周此时）接近；5xx 为 0。",
            "骤降：上游或网络；5xx 出现：引擎出错。",
            "对照告警；看引擎日志。",
        ],
        en: [
            "Close to the dotted line, the same hour last week; no 5xx.",
            "A sudden fall: upstream or network. 5xx: the engine fails.",
            "Compare with the alerts; read the engine's log.",
        ],
    };
    Panel::series(words("请求与 5xx", "Requests and 5xx"), Unit::RequestsPerSecond, note)
        .ask("inference:requests:rate5m{@node}", "{{instance}} 请求 requests")
        .ask("inference:errors:rate5m{@node}", "{{instance}} 5xx")
        .query(ask("inference:requests:rate5m{@node} offset 1w", "{{instance}} 上周此时 a week ago").past())
}

fn failures() -> Panel {
    let note = Note {
        zh: [
            "都在虚线以下。abort 是客户端自己断开，不算失败。",
            "http_5xx：回答错误；error：流式回答中途出错（仍算 200）；refused：引擎拒绝接收。高于虚线 5 分钟告警。",
            "看引擎日志和显存；refused 多：限流或增加副本。",
        ],
        en: [
            "All below the dashed line. Aborts are clients that went away: no failure.",
            "http_5xx: answered with an error. error: broken off inside a stream, which counts as 200. refused: not taken in. Above the line for five minutes alerts.",
            "Read the engine's log, see its memory; many refused: shed load or add replicas.",
        ],
    };
    Panel::series(words("失败，按种类", "Failures, by kind"), Unit::Ratio, note)
        .ask("inference:failures:ratio_rate5m{@node}", "{{instance}} {{kind}}")
        .limit(Limit::warning("InferenceFailureRateHigh", "inference:failures:ratio_rate5m"))
}

fn queues() -> Panel {
    let note = Note {
        zh: [
            "等待和隐藏的都接近 0。",
            "等待增加：引擎满；隐藏增加：图像在 CPU 上排队，引擎看不见。",
            "等待：看 KV 缓存；隐藏：增加前端进程和 CPU。",
        ],
        en: [
            "Few wait, seen or hidden.",
            "More wait: the engine is full. More hidden: images queue on the CPU, unseen by the engine.",
            "Waiting: see the KV cache. Hidden: more front-end processes and cores.",
        ],
    };
    Panel::series(words("运行、等待与隐藏队列", "Running, waiting and the hidden queue"), Unit::Count, note)
        .ask("inference:requests_running{@model}", &format!("{LEGEND} 运行 running"))
        .ask("inference:requests_waiting{@model}", &format!("{LEGEND} 等待 waiting"))
        .ask("inference:hidden_queue{@node}", "{{instance}} 隐藏（估计）hidden (estimate)")
        .limit(Limit::warning("InferenceHiddenQueue", "inference:hidden_queue"))
}

fn tokens() -> Panel {
    let note = Note {
        zh: [
            "随请求起伏。虚线（右轴）为每步处理量。",
            "有请求在运行却没有进展：卡住；输入很多输出很少：长提示或图像。",
            "看状态；看 GPU 是否忙。",
        ],
        en: [
            "Follow the requests. Dashed (right axis): the size of a step.",
            "Requests run and nothing moves: it hangs. Much input, little output: long prompts or images.",
            "See its state, and whether the GPU is busy.",
        ],
    };
    Panel::series(
        words("输入、输出与每步处理量", "Prompt, output and the size of a step"),
        Unit::TokensPerSecond,
        note,
    )
    .ask("inference:prompt_tokens:rate5m{@model}", &format!("{LEGEND} 输入 prompt"))
    .ask("inference:generation_tokens:rate5m{@model}", &format!("{LEGEND} 输出 output"))
    .query(ask("inference:step_size:avg5m{@model}", &format!("{LEGEND} 每步 step")).aside(Unit::Short))
}

fn replicas() -> Panel {
    let note = Note {
        zh: [
            "各副本都有进展，快慢相近。只有一个副本时就是引擎本身。",
            "一个副本停在 0 而它还有请求（右轴）：这个副本卡住，其他副本照常应答。",
            "先把流量切走，留下 py-spy dump，再重启整个引擎。",
        ],
        en: [
            "All replicas move, about as fast. With one replica it is the engine itself.",
            "One stays at 0 while requests run in it (right axis): that replica hangs, the others still answer.",
            "Take its traffic away, keep a py-spy dump, and restart the whole engine.",
        ],
    };
    Panel::series(words("各副本的进展", "Progress of each replica"), Unit::PerSecond, note)
        .ask("inference:rank_progress:rate2m{@model}", &format!("{LEGEND} {{{{rank}}}} 进展 progress"))
        .query(
            ask("inference:rank_requests_running{@model}", &format!("{LEGEND} {{{{rank}}}} 运行 running"))
                .aside(Unit::Count),
        )
}

fn cache() -> Panel {
    let note = Note {
        zh: ["随负载起伏，低于 90%。", "长期接近 100%：请求在等缓存。", "减小并发或上下文长度；增加副本。"],
        en: [
            "Follows the load, below 90 %.",
            "Near 100 % for long: requests wait for it.",
            "Lower concurrency or context length; add replicas.",
        ],
    };
    Panel::series(words("KV 缓存使用率", "KV cache used"), Unit::Ratio, note)
        .ask("inference:kv_cache_usage:ratio{@model}", LEGEND)
        .limit(Limit::warning("InferenceKvCacheFull", "inference:kv_cache_usage:ratio"))
        .up_to(1)
}

fn preemptions() -> Panel {
    let note = Note {
        zh: ["0。", "持续大于 0：缓存不够，正在生成的请求被挤出后重算。", "减小并发；看 KV 缓存使用率。"],
        en: [
            "It stays at 0.",
            "Above 0 for long: too little cache; requests are thrown out and computed again.",
            "Lower concurrency; see the KV cache.",
        ],
    };
    Panel::series(words("抢占", "Preemptions"), Unit::PerSecond, note)
        .ask("inference:preemptions:rate5m{@model}", LEGEND)
        .limit(Limit::warning("InferencePreemptions", "inference:preemptions:rate5m"))
}

fn images() -> Panel {
    let note = Note {
        zh: [
            "与平时接近；同一图像多次提问时高。空白：30 分钟内没有图像，或引擎不报告。",
            "比平时低一半：图像不再重复，或缓存太小。",
            "增大多模态缓存（mm_processor_cache_gb）。",
        ],
        en: [
            "As usual; high where people ask about one image several times. Empty: no image in 30 minutes, or not reported.",
            "Half of the usual: images no longer repeat, or the cache is too small.",
            "Give it more room (mm_processor_cache_gb).",
        ],
    };
    Panel::series(words("多模态缓存命中率", "Multimodal cache hits"), Unit::Ratio, note)
        .ask("inference:mm_cache_hit:ratio_rate30m{@model}", LEGEND)
        .up_to(1)
}
