//! How full everything is, against the same hour last week, and how long it lasts.

use super::board::{self, Board, Section};
use super::colour::{Colour, Meaning, meaning};
use super::limit::Limit;
use super::link;
use super::meanings::{GPU, NO_GPU_DATA, NODE};
use super::panel::{Panel, WHOLE};
use super::query::{ALIKE, Query, ask, shared_limit};
use super::table::{Rows, Table};
use super::unit::Unit;
use super::words::{Note, Words, words};

mod service;

const YES_OR_NO: [Meaning; 2] =
    [meaning(0, words("否", "no"), Colour::Plain), meaning(1, words("是", "yes"), Colour::Plain)];

/// What a line is called that is of whatever day it was.
const SEVEN_DAYS: &str = "七天前（不分节假日）7 days ago, holiday or not";

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::CAPACITY,
        title: words("容量与周同比", "Capacity and week over week"),
        about: words(
            "用得多满、和一周前比、还能撑多久。点线是相似的一周（同为工作日或假日）同一小时的平均；没有记录的指标是七天前，不分节假日，图例会写明。",
            "How full everything is, against a week before, and how long it lasts. Dotted: the same hour's mean of a week that was alike (working day or holiday); where none is recorded, seven days before, holiday or not, as the legend says.",
        ),
        since: "now-7d",
        variables: vec![board::NODE, board::GPU],
        sections: vec![
            Section::first(vec![hours(), unused(), no_process(), energy(), generated()]),
            Section::of(words("GPU", "GPU"), vec![busy(), memory(), power()]),
            Section::of(words("推理服务", "Inference service"), service::panels()),
            Section::of(words("还能撑多久", "How long it lasts"), vec![full_in()]),
            Section::of(words("主机", "Host"), vec![cpu(), host_memory(), disks()]),
            Section::of(words("变化最大", "What changed most"), vec![alike(), movers()]),
        ],
    }
}

/// An expression now and a week before: as the rules record it, of a day like today, or else seven days before, whatever day that was.
fn weeks(expression: &str, now: &str, then: &str) -> [Query; 2] {
    let when = if then.contains("week:value_before:") { ALIKE } else { SEVEN_DAYS };
    [ask(expression, now), ask(then, &format!("{now} {when}")).past()]
}

fn hours() -> Panel {
    let note = Note {
        zh: [
            "与日历一致：工作日 9 点到 22 点为工作时段，告警阈值较低。",
            "节假日显示“是”：没有日历，或日历过期。",
            "按规则说明放好 calendar.prom。",
        ],
        en: [
            "As the calendar has it: working days from 9 to 22 are business hours, with lower thresholds.",
            "Yes on a holiday: there is no calendar, or an old one.",
            "Provide calendar.prom as the page about rules says.",
        ],
    };
    Panel::stat(words("工作日 · 工作时段", "Working day · business hours"), Unit::Count, note)
        .size(5, 4)
        .ask("gpumon:workday:bool", "工作日 working day")
        .ask("gpumon:business_hours:bool", "工作时段 business hours")
        .meanings(&YES_OR_NO)
}

fn unused() -> Panel {
    let note = Note {
        zh: ["低于 50%。", "长期很高：买多了，或请求没有到。", "合并服务；或把空闲的卡给别的任务。"],
        en: [
            "Below 50 %.",
            "High for weeks: too many were bought, or requests do not arrive.",
            "Merge services, or give idle cards other work.",
        ],
    };
    Panel::stat(words("没有计算的 GPU 时间", "GPU time without a kernel"), Unit::Ratio, note)
        .size(5, 4)
        .ask("1 - avg(rate(gpu_busy_seconds_total{@gpu}[$__range]))", "")
        .nothing(NO_GPU_DATA)
}

fn no_process() -> Panel {
    let note = Note {
        zh: ["等于计划留出的备用卡。", "更多：有服务没有起来；0：没有备用。", "看“GPU 机群”。"],
        en: [
            "The cards that are meant to be spare.",
            "More: a service is not up. 0: nothing to spare.",
            "See the fleet.",
        ],
    };
    Panel::stat(words("没有进程的 GPU", "GPUs without a process"), Unit::Count, note)
        .size(4, 4)
        .ask("count(gpu_processes{@gpu} == 0) or 0 * count(gpu_processes{@gpu})", "")
        .nothing(NO_GPU_DATA)
}

fn energy() -> Panel {
    let note = Note {
        zh: ["两个数接近。", "负载相同却多用：频率、散热或空转。", "对照功耗和每千 token 的能耗。"],
        en: [
            "Close to each other.",
            "More for the same load: clocks, cooling, or cards kept awake.",
            "Compare with power and with the energy of 1,000 tokens.",
        ],
    };
    Panel::stat(words("能耗 · 七天前同一段", "Energy · the range 7 days ago"), Unit::KilowattHours, note)
        .size(5, 4)
        .ask("sum(increase(gpu_energy_joules_total{@gpu}[$__range])) / 3.6e6", "现在 now")
        .ask("sum(increase(gpu_energy_joules_total{@gpu}[$__range] offset 1w)) / 3.6e6", "七天前 7 days ago")
        .nothing(NO_GPU_DATA)
}

fn generated() -> Panel {
    let note = Note {
        zh: [
            "两个数接近，或按计划增长。",
            "骤减：服务中断过，上游改了，或其中一段是节假日。",
            "看请求面板从哪天开始变。",
        ],
        en: [
            "Close to each other, or growing as planned.",
            "A sudden fall: the service was down, upstream changed, or one of the two had holidays.",
            "See the day on the panel of requests.",
        ],
    };
    Panel::stat(words("输出 token · 七天前同一段", "Output tokens · the range 7 days ago"), Unit::Short, note)
        .size(5, 4)
        .ask(
            "sum(avg_over_time(inference:generation_tokens:rate5m{@node}[$__range])) * $__range_s",
            "现在 now",
        )
        .ask(
            "sum(avg_over_time(inference:generation_tokens:rate5m{@node}[$__range] offset 1w)) * $__range_s",
            "七天前 7 days ago",
        )
        .nothing(words("没有推理引擎", "no engine"))
}

/// A panel of lines by machine, each with the week before.
fn weekly(title: Words, unit: Unit, expression: &str, then: &str, note: Note) -> Panel {
    Panel::series(title, unit, note).queries(weeks(expression, "{{node}}", then)).link(link::node())
}

fn busy() -> Panel {
    let note = Note {
        zh: [
            "与点线接近；峰值低于 80%。",
            "峰值长期高于 80%：该考虑扩容；比上周低一半：请求少了或卡住过。",
            "看等待的请求和延迟，再决定扩容。",
        ],
        en: [
            "Close to the dotted line; peaks below 80 %.",
            "Peaks above 80 % for weeks: think of more GPUs. Half of last week: fewer requests, or it stood still.",
            "See what waits, and latency, before buying.",
        ],
    };
    weekly(
        words("GPU 忙碌", "GPUs busy"),
        Unit::Ratio,
        "avg by (node) (rate(gpu_busy_seconds_total{@gpu}[$__rate_interval]))",
        "avg by (node) (week:value_before:avg1h{measure=\"gpu_load\",@gpu})",
        note,
    )
    .up_to(1)
}

fn memory() -> Panel {
    let note = Note {
        zh: ["与点线接近。", "引擎没有换却比上周高：缓慢泄漏。", "看“进程与容器”的增长；安排重启。"],
        en: [
            "Close to the dotted line.",
            "Above it with the same engine: a slow leak.",
            "See growth among the processes; plan a restart.",
        ],
    };
    weekly(
        words("最满的 GPU 显存", "Fullest GPU memory"),
        Unit::Ratio,
        "max by (node) (gpu:memory_used:ratio{@gpu})",
        "max by (node) (week:value_before:avg1h{measure=\"gpu_memory\",@gpu})",
        note,
    )
    .queries(shared_limit("gpu:memory_threshold:ratio{@gpu}", "阈值 threshold", Colour::Bad))
    .up_to(1)
}

fn power() -> Panel {
    let note = Note {
        zh: ["与点线接近。", "负载相同却更高或更低。", "看频率、温度和功耗上限。"],
        en: [
            "Close to the dotted line.",
            "Higher or lower for the same load.",
            "See clocks, temperature and power limits.",
        ],
    };
    weekly(
        words("GPU 功耗", "Power of GPUs"),
        Unit::Watts,
        "sum by (node) (gpu_power_watts{@gpu})",
        "sum by (node) (gpu_power_watts{@gpu} offset 1w)",
        note,
    )
}

fn cpu() -> Panel {
    let note = Note {
        zh: ["与点线接近，低于虚线。", "一周比一周高：前端快到上限。", "增加 CPU，或分散引擎。"],
        en: [
            "Close to the dotted line, below the dashed one.",
            "Higher from week to week: the front end nears its end.",
            "Add cores, or spread the engines.",
        ],
    };
    weekly(
        words("CPU 忙碌", "CPU busy"),
        Unit::Ratio,
        "max by (node) (node:cpu_busy:ratio_rate5m{@node})",
        "max by (node) (node:cpu_busy:ratio_rate5m{@node} offset 1w)",
        note,
    )
    .limit(Limit::info("HostCpuHigh", "node:cpu_busy:ratio_rate5m"))
    .up_to(1)
}

fn host_memory() -> Panel {
    let note = Note {
        zh: ["与点线接近，低于虚线。", "一周比一周高：缓慢泄漏。", "找增长的进程；安排重启。"],
        en: [
            "Close to the dotted line, below the dashed one.",
            "Higher from week to week: a slow leak.",
            "Find what grows; plan a restart.",
        ],
    };
    weekly(
        words("主机内存", "Host memory"),
        Unit::Ratio,
        "max by (node) (node:memory_used:ratio{@node})",
        "max by (node) (node:memory_used:ratio{@node} offset 1w)",
        note,
    )
    .limit(Limit::warning("HostMemoryHigh", "node:memory_used:ratio"))
    .up_to(1)
}

fn disks() -> Panel {
    let note = Note {
        zh: ["高于虚线，且一周内变化很小。", "每周减少同样多：可以算出哪周写满。", "清理，或在那之前扩容。"],
        en: [
            "Above the dashed lines and hardly changed in a week.",
            "The same less each week: count the weeks until full.",
            "Clean up, or add space before.",
        ],
    };
    weekly(
        words("最少的磁盘余量", "Least disk space left"),
        Unit::Ratio,
        "min by (node) (node:filesystem_avail:ratio{@node})",
        "min by (node) (node:filesystem_avail:ratio{@node} offset 1w)",
        note,
    )
    .limit(Limit::warning("HostDiskAlmostFull", "node:filesystem_avail:ratio"))
    .limit(Limit::critical("HostDiskAlmostFull", "node:filesystem_avail:ratio"))
    .up_to(1)
}

/// What the recordings compare: a holiday says nothing about a Monday.
fn alike() -> Panel {
    let note = Note {
        zh: [
            "比值接近 1。和上周同一小时比；上周那天是假日而今天不是（或相反）时，和前两周比。",
            "负载相同而延迟或能耗翻倍：变慢了；请求减半：上游或中断。空白：没有可比的一周。",
            "点击节点；对照推理服务的延迟和 GPU 的降频。",
        ],
        en: [
            "Ratios near 1: this hour against the same one last week, or the week before where last week's day was a holiday and this is none (or the reverse).",
            "Latency or energy twice as high for the same load: it became slower. Half the requests: upstream, or it was down. Empty: no week to compare with.",
            "Click the node; see latency on the inference board, and throttling.",
        ],
    };
    let by = "measure, node, gpu, model_name";
    let ratio = words("比值", "Ratio");
    let table = Table::new(Rows::Labels)
        .label("measure", words("指标", "Measure"))
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .label("model_name", words("模型", "Model"))
        .value(
            words("这一小时", "This hour"),
            Unit::Short,
            &format!("max by ({by}) (week:value:avg1h{{@node}})"),
        )
        .value(
            words("相似的一周前", "A week that was alike"),
            Unit::Short,
            &format!("max by ({by}) (week:value_before:avg1h{{@node}})"),
        )
        .value(
            words("差", "Difference"),
            Unit::Short,
            &format!("max by ({by}) (week:value:difference{{@node}})"),
        )
        .value(ratio, Unit::Short, &format!("max by ({by}) (week:value:ratio{{@node}})"))
        .largest_first(ratio);
    Panel::table(words("这一小时与相似的一周", "This hour against a week that was alike"), table, note)
        .size(WHOLE, 10)
}

fn full_in() -> Panel {
    let note = Note {
        zh: [
            "空白：没有什么在稳定上涨。",
            "出现一条线：照现在的速度，这么久之后写满。",
            "一天以内：找出是谁在涨并清理；一小时以内：马上限流或重启。",
        ],
        en: [
            "Empty: nothing rises steadily.",
            "A line: at the present pace it is full after that long.",
            "Within a day: find what grows and clean up. Within an hour: shed load or restart at once.",
        ],
    };
    Panel::series(words("多久后写满", "Time until full"), Unit::Seconds, note)
        .size(WHOLE, 7)
        .ask("gpu_memory_time_to_full_seconds{@gpu}", "{{node}} GPU {{gpu}} 显存 memory")
        .ask("node_filesystem_time_to_full_seconds{@node}", "{{node}} {{mountpoint}} 磁盘 disk")
        .ask("node_memory_time_to_full_seconds{@node}", "{{node}} 内存 host memory")
        .limit(Limit::critical("GpuMemoryForecast", "gpu_memory_time_to_full_seconds"))
        .link(link::node())
}

fn movers() -> Panel {
    let note = Note {
        zh: [
            "变化接近 0；没有一周的历史时为 n/a。",
            "最上面的卡比七天前此时多用了很多显存（不分节假日）。",
            "没有换服务却增加的是泄漏：点击这张卡。",
        ],
        en: [
            "Changes near 0; n/a where there is no week of history.",
            "The top ones hold much more memory than at this hour 7 days ago, holiday or not.",
            "More with the same service is a leak: click the GPU.",
        ],
    };
    let change = words("显存变化", "Change of memory");
    let table = Table::new(Rows::By("uuid"))
        .every("max by (node, gpu, uuid) (gpu_up{@gpu})")
        .join("max by (node, gpu, uuid) (gpu_up{@gpu})")
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .bar(words("显存（1 小时平均）", "Memory (mean of 1 h)"), "max by (uuid) (avg_over_time(gpu:memory_used:ratio{@gpu}[1h]))")
        .bar(words("七天前此时", "7 days ago"), "max by (uuid) (avg_over_time(gpu:memory_used:ratio{@gpu}[1h] offset 1w))")
        .value(
            change,
            Unit::Bytes,
            "max by (uuid) (avg_over_time(gpu_memory_used_bytes{@gpu}[1h]) - avg_over_time(gpu_memory_used_bytes{@gpu}[1h] offset 1w))",
        )
        .bar(words("忙碌（所选时间）", "Busy in the range"), "max by (uuid) (rate(gpu_busy_seconds_total{@gpu}[$__range]))")
        .bar(
            words("七天前同一段", "The range 7 days ago"),
            "max by (uuid) (rate(gpu_busy_seconds_total{@gpu}[$__range] offset 1w))",
        )
        .largest_first(change);
    Panel::table(words("每张卡与七天前", "Each GPU against 7 days ago"), table, note).size(WHOLE, 10)
}
