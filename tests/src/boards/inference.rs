//! What the inference engines do: whether they answer, how fast, what waits, and what fails.

use super::board::{self, Board, Section};
use super::colour::{Colour, Meaning, meaning};
use super::limit::Limit;
use super::link;
use super::meanings::NODE;
use super::panel::Panel;
use super::table::{Rows, Table};
use super::unit::Unit;
use super::words::{Note, Words, words};

mod latency;
mod load;
mod machine;

const NO_ENGINE: Words = words("没有推理引擎", "no engine");
const UP: [Meaning; 2] = [
    meaning(0, words("不应答", "no answer"), Colour::Bad),
    meaning(1, words("应答", "answers"), Colour::Good),
];

/// `inference:state`, each word's number by its place, from 1 on; 0 is none of them.
const STATES: [&str; 7] = ["serving", "busy", "idle", "starting", "choking", "hung", "orphaned"];
const STATE_MEANINGS: [Meaning; 8] = [
    meaning(0, words("不明", "unknown"), Colour::Past),
    meaning(1, words("服务中", "serving"), Colour::Good),
    meaning(2, words("忙", "busy"), Colour::Plain),
    meaning(3, words("空闲", "idle"), Colour::Quiet),
    meaning(4, words("启动中", "starting"), Colour::Warning),
    meaning(5, words("拥塞", "choking"), Colour::Warning),
    meaning(6, words("卡死", "hung"), Colour::Bad),
    meaning(7, words("孤儿", "orphaned"), Colour::Bad),
];
/// `gpu_engine_canary_up`.
const CANARY: [Meaning; 2] = [
    meaning(0, words("答错", "wrong or none"), Colour::Bad),
    meaning(1, words("正确", "right"), Colour::Good),
];

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::INFERENCE,
        title: words("推理服务", "Inference service"),
        about: words(
            "vLLM、SGLang（Qwen3-VL 等）：在不在服务、多快、什么在等、什么失败。",
            "vLLM and SGLang (Qwen3-VL and others): do they serve, how fast, what waits, what fails.",
        ),
        since: "now-3h",
        variables: vec![board::NODE, board::MODEL],
        sections: vec![
            Section::first(vec![answering(), at_work(), failing(), first_token(), tokens(), fullest()]),
            Section::of(words("状态", "State"), vec![states(), pages()]),
            Section::of(words("延迟", "Latency"), latency::panels()),
            Section::of(words("请求与队列", "Requests and queues"), load::panels()),
            Section::of(words("引擎所在的机器", "The machine under the engine"), machine::panels()),
        ],
    }
}

fn answering() -> Panel {
    let note = Note {
        zh: [
            "应答。",
            "不应答：指标页采集不到；不一定是引擎停了，加载模型时也没有应答。",
            "看“进程与容器”的引擎状态和引擎日志。",
        ],
        en: [
            "Answers.",
            "No answer: its page cannot be scraped. It need not be down: while it loads its model it does not answer either.",
            "See the engine's state among the processes, and its log.",
        ],
    };
    Panel::stat(words("引擎应答", "Engines answer"), Unit::Count, note)
        .ask("min by (node, instance) (up{job=\"inference\",@node})", "{{node}} {{instance}}")
        .meanings(&UP)
        .nothing(NO_ENGINE)
}

fn at_work() -> Panel {
    let note = Note {
        zh: [
            "等待接近 0。",
            "等待持续增加：处理不过来。vLLM 卡住时这些数会停在最后的值。",
            "看延迟和 KV 缓存；限流或扩容。",
        ],
        en: [
            "Few wait.",
            "More and more wait: it cannot keep up. In a hang vLLM's numbers stay what they were.",
            "See latency and KV cache; shed load or add engines.",
        ],
    };
    Panel::stat(words("运行 · 等待的请求", "Requests running · waiting"), Unit::Count, note)
        .ask("sum(inference:requests_running{@model})", "运行 running")
        .ask("sum(inference:requests_waiting{@model})", "等待 waiting")
        .nothing(NO_ENGINE)
}

fn failing() -> Panel {
    let note = Note {
        zh: [
            "低于虚线的值（告警阈值）。按种类看下方。",
            "高于告警阈值变色：马上检查。",
            "看引擎日志；看显存和重启。",
        ],
        en: [
            "Below the alert's threshold; each kind is below.",
            "It changes colour where the alert fires: look at once.",
            "Read the engine's log; see memory and restarts.",
        ],
    };
    Panel::stat(words("失败占比（最多的一种）", "Failures (the worst kind)"), Unit::Ratio, note)
        .ask("max(inference:failures:ratio_rate5m{kind!=\"abort\",@node})", "")
        .limit(Limit::warning("InferenceFailureRateHigh", "inference:failures:ratio_rate5m"))
        .nothing(words("没有请求", "no requests"))
}

fn first_token() -> Panel {
    let note = Note {
        zh: [
            "与平时相近；图像请求比纯文本长。",
            "突然变长：排队、图像预处理或降频。",
            "看“首字前的时间花在哪里”。",
        ],
        en: [
            "As usual; images take longer than text.",
            "A sudden rise: queue, image preprocessing, or clocks held down.",
            "See where the time before the first token goes.",
        ],
    };
    Panel::stat(words("首字 p95", "First token p95"), Unit::Seconds, note)
        .ask("max(inference:ttft_seconds:p95{@model})", "")
        .nothing(NO_ENGINE)
}

fn tokens() -> Panel {
    let note = Note {
        zh: ["随请求量起伏。", "有请求在运行却为 0 超过几分钟：可能卡住。", "对照 GPU 忙碌；看状态和探测。"],
        en: [
            "Follows the requests.",
            "0 for minutes while requests run: it may hang.",
            "Compare with GPU busy; see its state.",
        ],
    };
    Panel::stat(words("生成速度", "Tokens generated"), Unit::TokensPerSecond, note)
        .ask("sum(inference:generation_tokens:rate5m{@model})", "")
        .nothing(NO_ENGINE)
}

fn fullest() -> Panel {
    let note = Note {
        zh: [
            "低于 90%。",
            "接近 100%：新请求要等，正在跑的会被挤出（抢占）。",
            "减小并发或上下文长度；增加副本。",
        ],
        en: [
            "Below 90 %.",
            "Near 100 %: new requests wait and running ones are preempted.",
            "Lower concurrency or context length; add replicas.",
        ],
    };
    Panel::stat(words("最满的 KV 缓存", "Fullest KV cache"), Unit::Ratio, note)
        .ask("max(inference:kv_cache_usage:ratio{@model})", "")
        .nothing(NO_ENGINE)
}

fn states() -> Panel {
    let note = Note {
        zh: [
            "服务中、忙或空闲。忙只表示有请求在等，不是故障。",
            "卡死：没有进展而 GPU 满载，或探测没有答对；拥塞：排队超过半分钟；孤儿：服务进程没了，显存还占着；不明：没有应答且原因不明。",
            "卡死：留下 py-spy dump 后重启；拥塞：限流或扩容；孤儿：结束剩下的进程。",
        ],
        en: [
            "Serving, busy or idle. Busy only says that requests wait; it is no fault.",
            "Hung: nothing moves while GPUs spin, or a canary failed. Choking: waits of half a minute. Orphaned: no server, memory held. Unknown: no answer, nobody knows why.",
            "Hung: keep a py-spy dump and restart. Choking: shed load or add engines. Orphaned: end what is left.",
        ],
    };
    let numbered: Vec<_> = STATES
        .iter()
        .zip(1..)
        .map(|(state, number)| format!("inference:state{{state=\"{state}\",@model}} * {number}"))
        .collect();
    Panel::states(words("引擎状态时间线", "What each engine is doing"), &STATE_MEANINGS, note)
        .size(10, 7)
        .ask(
            &format!("sum by (instance, model_name) ({})", numbered.join(" or ")),
            "{{instance}} {{model_name}}",
        )
}

/// What the exporter beside the engine sees, also where Prometheus scrapes no engine.
fn pages() -> Panel {
    let note = Note {
        zh: [
            "应答，进展在几秒以内；空闲的引擎没有进展也正常。空表：导出器没有用 --engine.page 启动。",
            "应答但很久没有进展，且有请求在运行：卡住。不应答：引擎停止，或指标页被堵住。",
            "对照 GPU 忙碌；需要确认时打开 --engine.canary，看探测结果。",
        ],
        en: [
            "Answers, with progress seconds ago; an idle engine makes none. Empty unless the exporter runs with --engine.page.",
            "Answers without progress for long while requests run: it hangs. No answer: it has stopped, or its page is held up.",
            "Compare with GPU busy; to be sure, switch --engine.canary on and see what it was answered.",
        ],
    };
    let state = words("状态", "State");
    let by = "node, page, engine, model_name";
    let of = |series: &str| {
        format!(
            "max by ({by}) (gpu_engine_page_info{{@node}} * on (node, page) group_left () {series}) or max by ({by}) ({series} unless on (node, page) gpu_engine_page_info)"
        )
    };
    let table = Table::new(Rows::Labels)
        .meanings(state, &of("gpu_engine_page_up{@node}"), &UP)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("engine", words("引擎", "Engine"))
        .label("model_name", words("模型", "Model"))
        .label("page", words("指标页", "Page"))
        .value(
            words("上次进展", "Last progress"),
            Unit::Seconds,
            &of("gpu_engine_page_progress_age_seconds{@node}"),
        )
        .meanings(
            words("文本探测", "Text canary"),
            &of("max by (node, page) (gpu_engine_canary_up{kind=\"text\",@node})"),
            &CANARY,
        )
        .meanings(
            words("图像探测", "Image canary"),
            &of("max by (node, page) (gpu_engine_canary_up{kind=\"image\",@node})"),
            &CANARY,
        )
        .value(
            words("探测耗时", "Canary took"),
            Unit::Seconds,
            &of("max by (node, page) (gpu_engine_canary_duration_seconds{@node})"),
        )
        .smallest_first(state);
    Panel::table(
        words("引擎的指标页（从导出器看）", "Engines' pages, as the exporter sees them"),
        table,
        note,
    )
    .size(14, 7)
}
