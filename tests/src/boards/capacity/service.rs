//! The inference engines against last week.

use super::weekly;
use crate::boards::limit::Limit;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

pub(super) fn panels() -> Vec<Panel> {
    vec![requests(), tokens(), cache(), waiting(), first_token(), cost(), budget()]
}

fn requests() -> Panel {
    let note = Note {
        zh: [
            "与点线接近：点线是相似的一周（工作日对工作日，假日对假日）。",
            "骤降：上游或网络；每周稳定增长：按此推算扩容时间。",
            "对照告警；给上游打电话。",
        ],
        en: [
            "Close to the dotted line, which is of a day like today: a working day, or a holiday.",
            "A sudden fall: upstream or network. Steady growth: count the weeks until more is needed.",
            "Compare with the alerts; call upstream.",
        ],
    };
    weekly(
        words("请求", "Requests"),
        Unit::RequestsPerSecond,
        "sum by (node) (inference:requests:rate5m{@node})",
        "sum by (node) (week:value_before:avg1h{measure=\"requests\",@node})",
        note,
    )
}

fn tokens() -> Panel {
    let note = Note {
        zh: ["与点线接近。", "请求相同却少很多：输出变短，或引擎变慢。", "看字间延迟和降频。"],
        en: [
            "Close to the dotted line.",
            "Far fewer for the same requests: shorter answers, or a slow engine.",
            "See the time between tokens, and throttling.",
        ],
    };
    weekly(
        words("输出 token", "Output tokens"),
        Unit::TokensPerSecond,
        "sum by (node) (inference:generation_tokens:rate5m{@node})",
        "sum by (node) (inference:generation_tokens:rate5m{@node} offset 1w)",
        note,
    )
}

fn cache() -> Panel {
    let note = Note {
        zh: ["峰值低于 90%。", "峰值一周比一周高：快要排队。", "增加副本，或减小上下文长度。"],
        en: [
            "Peaks below 90 %.",
            "Higher from week to week: requests will soon wait.",
            "Add replicas, or lower the context length.",
        ],
    };
    weekly(
        words("KV 缓存", "KV cache"),
        Unit::Ratio,
        "max by (node) (inference:kv_cache_usage:ratio{@node})",
        "max by (node) (inference:kv_cache_usage:ratio{@node} offset 1w)",
        note,
    )
    .up_to(1)
}

fn waiting() -> Panel {
    let note = Note {
        zh: ["接近 0。", "每天同一时段都排队：容量不够。", "那个时段限流，或增加副本。"],
        en: [
            "Near 0.",
            "A queue at the same hour each day: too little capacity.",
            "Shed load at that hour, or add replicas.",
        ],
    };
    weekly(
        words("等待的请求", "Requests waiting"),
        Unit::Count,
        "sum by (node) (inference:requests_waiting{@node})",
        "sum by (node) (inference:requests_waiting{@node} offset 1w)",
        note,
    )
}

fn first_token() -> Panel {
    let note = Note {
        zh: ["与点线接近。", "请求没有增加却变慢：前端、降频或缓存。", "看“推理服务”的延迟。"],
        en: [
            "Close to the dotted line.",
            "Slower without more requests: front end, throttling or cache.",
            "See latency on the inference board.",
        ],
    };
    weekly(
        words("首字 p95", "First token p95"),
        Unit::Seconds,
        "max by (node) (inference:ttft_seconds:p95{@node})",
        "max by (node) (inference:ttft_seconds:p95{@node} offset 1w)",
        note,
    )
}

fn cost() -> Panel {
    let note = Note {
        zh: [
            "与点线接近；负载越高越低。只算引擎占用的 GPU，一台机器一个数。",
            "升高：批次变小、空转或降频。",
            "合并流量到更少的引擎。",
        ],
        en: [
            "Close to the dotted line; lower under more load. Of the GPUs that engines hold, one figure for all engines of a machine.",
            "A rise: small batches, idle engines or throttling.",
            "Send the traffic to fewer engines.",
        ],
    };
    weekly(
        words("每千输出 token 的能耗", "Energy of 1,000 output tokens"),
        Unit::Joules,
        "max by (node) (inference:joules_per_1000_tokens{@node})",
        "max by (node) (week:value_before:avg1h{measure=\"joules_per_1000_tokens\",@node})",
        note,
    )
}

fn budget() -> Panel {
    let note = Note {
        zh: [
            "都在虚线以下：30 天 1% 的失败额度够用。",
            "1 小时高于 14.4%、6 小时高于 6%：几天内用完（严重）；1 天高于 3%、3 天高于 1%：提前用完（警告）。",
            "看“推理服务”上的失败种类；从某次发布开始的先回退。",
        ],
        en: [
            "Below the dashed lines: the 1 % that may fail in 30 days lasts.",
            "An hour above 14.4 % or six above 6 %: gone within days. A day above 3 % or three above 1 %: gone too early.",
            "See the kinds of failures on the board of the engines; what began with a deployment is rolled back.",
        ],
    };
    let of = |window: &str| {
        let expression =
            format!("max by (instance) (inference:failures:ratio_rate{window}{{kind!=\"abort\",@node}})");
        ask(&expression, &format!("{{{{instance}}}} {window}"))
    };
    Panel::series(words("失败额度消耗", "Budget of failures"), Unit::Ratio, note)
        .queries(["1h", "6h", "1d", "3d"].map(of))
        .limit(Limit::critical("InferenceErrorBudgetBurn", "inference:failures:ratio_rate1h"))
        .limit(Limit::critical("InferenceErrorBudgetBurn", "inference:failures:ratio_rate6h"))
        .limit(Limit::warning("InferenceErrorBudgetBurn", "inference:failures:ratio_rate1d"))
        .limit(Limit::warning("InferenceErrorBudgetBurn", "inference:failures:ratio_rate3d"))
}
