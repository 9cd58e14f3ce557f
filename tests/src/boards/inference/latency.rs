//! How long people wait, and for what.

use crate::boards::colour::Colour;
use crate::boards::limit::Limit;
use crate::boards::panel::Panel;
use crate::boards::query::{Query, ask};
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

/// The series' names on these panels.
const LEGEND: &str = "{{instance}} {{model_name}}";

pub(super) fn panels() -> Vec<Panel> {
    vec![first_token(), between_tokens(), whole(), before_the_first_token()]
}

/// Three percentiles now, the larger one a week ago, and where the alert fires at this hour.
fn percentiles(measure: &str) -> Vec<Query> {
    let at = |percentile: &str, offset: &str| {
        format!("inference:{measure}_seconds:{percentile}{{@model}}{offset}")
    };
    let name = |what: &str| format!("{LEGEND} {what}");
    vec![
        ask(&at("p50", ""), &name("p50")),
        ask(&at("p95", ""), &name("p95")),
        ask(&at("p99", ""), &name("p99")),
        ask(&at("p95", " offset 1w"), &name("p95 上周此时 a week ago")).past(),
        ask(&format!("max(inference:{measure}_threshold:seconds{{@model}})"), "阈值 threshold")
            .limit(Colour::Warning),
    ]
}

fn first_token() -> Panel {
    let note = Note {
        zh: [
            "与点线（上周此时）接近。",
            "突然升高：排队、图像预处理、抢占或降频。",
            "看右侧“首字前的时间花在哪里”。",
        ],
        en: [
            "Close to the dotted line, the same hour last week.",
            "A sudden rise: queue, image preprocessing, preemption or clocks held down.",
            "See where the time before the first token goes.",
        ],
    };
    Panel::series(words("首字延迟 (TTFT)", "Time to first token"), Unit::Seconds, note)
        .size(12, 8)
        .queries(percentiles("ttft"))
}

fn between_tokens() -> Panel {
    let note = Note {
        zh: [
            "与点线接近；批次越大越慢。",
            "批次没有变大却变慢：降频、别的进程共用此卡，或 PCIe/NVLink 变慢。",
            "对照“每步处理量”，再看 GPU 详情。",
        ],
        en: [
            "Close to the dotted line; slower with larger steps.",
            "Slower at equal steps: clocks held down, another process on the GPU, or slow links.",
            "Compare with the size of a step, then see the GPU in detail.",
        ],
    };
    Panel::series(words("字间延迟 (ITL)", "Time between tokens"), Unit::Seconds, note)
        .size(12, 8)
        .queries(percentiles("itl"))
}

fn whole() -> Panel {
    let note = Note {
        zh: ["与点线接近；随输出长度变化。", "升高而首字和字间都正常：输出变长了。", "看生成速度和请求数。"],
        en: [
            "Close to the dotted line; depends on the length of answers.",
            "A rise while the other two are normal: answers became longer.",
            "See tokens and requests.",
        ],
    };
    Panel::series(words("整个请求 (E2E)", "Whole request"), Unit::Seconds, note)
        .size(12, 8)
        .queries(percentiles("e2e"))
}

fn before_the_first_token() -> Panel {
    let note = Note {
        zh: [
            "前端（估计）小于 1 秒，排队接近 0。",
            "排队高：引擎处理不过来；前端高：CPU 在解码图像或视频，请求不在任何队列里。",
            "排队：限流或扩容；前端：增加前端进程和 CPU，缩小图像。",
        ],
        en: [
            "Front end (an estimate) below a second, queue near 0.",
            "Much queue: the engine cannot keep up. Much front end: the CPU decodes images or video, in no queue at all.",
            "Queue: shed load or add engines. Front end: more front-end processes and cores, smaller images.",
        ],
    };
    Panel::series(
        words("首字前的时间花在哪里", "Where the time before the first token goes"),
        Unit::Seconds,
        note,
    )
    .size(12, 8)
    .ask("inference:queue_seconds:avg5m{@model}", &format!("{LEGEND} 排队 queue"))
    .ask(
        "histogram_quantile(0.95, sum by (instance, model_name, le) (inference:queue_seconds_bucket:rate5m{@model}))",
        &format!("{LEGEND} 排队 queue p95"),
    )
    .ask("inference:frontend_seconds:avg5m{@model}", &format!("{LEGEND} 前端（估计）front end (estimate)"))
    .limit(Limit::warning("InferenceFrontendSlow", "inference:frontend_seconds:avg5m"))
}
