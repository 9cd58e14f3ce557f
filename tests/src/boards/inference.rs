//! What the inference engines do: whether they answer, how fast, what waits, and what fails.

use super::board::{self, Board, Section};
use super::colour::{Colour, Meaning, meaning};
use super::link;
use super::panel::Panel;
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
            "接近 0。流式回答中途的错误仍算 200，看“失败，按种类”。",
            "大于 1%：马上检查。",
            "看引擎日志；看显存和重启。",
        ],
        en: [
            "Near 0. An error inside a stream still counts as 200: see failures by kind.",
            "Above 1 %: look at once.",
            "Read the engine's log; see memory and restarts.",
        ],
    };
    Panel::stat(words("HTTP 5xx 占比", "HTTP 5xx of requests"), Unit::Ratio, note)
        .ask("sum(inference:errors:rate5m{@node}) / (sum(inference:requests:rate5m{@node}) > 0)", "")
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
        .ask("histogram_quantile(0.95, sum by (le) (inference:ttft_seconds_bucket:rate5m{@model}))", "")
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
