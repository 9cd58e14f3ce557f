//! One machine, or several: health, GPUs, host. Links in messages lead here.

use super::board::{self, Board, Section};
use super::colour::Colour;
use super::link;
use super::meanings::{
    ACTIVE, GPU, NO_GPU_DATA, NODE, NOT_REPORTED, RECOVERY, UP, answering, firing, unseen,
};
use super::panel::{Panel, WHOLE};
use super::query::{ask, shared_limit};
use super::table::{Rows, Table};
use super::unit::Unit;
use super::words::{Note, words};

mod host;

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::GPU_NODE,
        title: words("GPU 节点", "GPU node"),
        about: words(
            "一台或多台 GPU 机器：健康、GPU、主机。",
            "One or several GPU machines: health, GPUs, host.",
        ),
        since: "now-3h",
        variables: vec![board::NODE, board::GPU],
        sections: vec![
            Section::first(vec![
                firing(),
                unseen(),
                answering().size(3, 4),
                recovery(),
                uncorrectable(),
                age(),
            ]),
            Section::of(
                words("GPU", "GPU"),
                vec![
                    gpus(),
                    memory(),
                    memory_left(),
                    busy(),
                    pcie(),
                    power(),
                    temperature(),
                    clocks(),
                    throttle(),
                    xids(),
                ],
            ),
            Section::of(words("主机", "Host"), host::panels()),
        ],
    }
}

fn recovery() -> Panel {
    let note = Note {
        zh: [
            "“无”。旧驱动（570 以前）不报告。",
            "驱动自己要求重置、重启或排空。",
            "先迁走任务，再按该操作处理。",
        ],
        en: [
            "None. Drivers before 570 do not report it.",
            "The driver itself asks for a reset, a reboot or a drain.",
            "Move the work away, then do what it asks.",
        ],
    };
    Panel::stat(words("驱动要求的操作", "Recovery action"), Unit::Count, note)
        .size(3, 4)
        .ask("max(gpu_recovery_action{@node})", "")
        .meanings(&RECOVERY)
        .bad_from(1)
        .nothing(NOT_REPORTED)
}

fn uncorrectable() -> Panel {
    let note = Note {
        zh: [
            "0。消费级显卡不报告。",
            "大于 0：自驱动加载以来显存返回过错误数据，该卡的结果不可信。",
            "迁走任务并重置 GPU；再次出现则联系厂商。",
        ],
        en: [
            "0. Consumer cards do not report it.",
            "Above 0: since the driver was loaded memory has returned wrong data; results of the card cannot be trusted.",
            "Move the work away and reset the GPU; if it returns, have the card replaced.",
        ],
    };
    Panel::stat(words("不可纠正 ECC", "Uncorrectable ECC"), Unit::Count, note)
        .size(3, 4)
        .ask(
            "sum(last_over_time(gpu_ecc_errors_total{kind=\"uncorrected\",scope=\"volatile\",@node}[5m]))",
            "",
        )
        .bad_from(1)
        .nothing(NOT_REPORTED)
}

fn age() -> Panel {
    let note = Note {
        zh: [
            "2 秒以内。",
            "持续变大：采集进程卡在驱动里，过旧的读数会被撤下，GPU 显示为丢失。",
            "在机器上运行 nvidia-smi；看内核日志中的 NVRM。",
        ],
        en: [
            "Under 2 s.",
            "It grows: the probe hangs in the driver; readings too old are taken down and the GPU shows as lost.",
            "Run nvidia-smi on the machine; read NVRM lines in the kernel's log.",
        ],
    };
    Panel::stat(words("GPU 数据时效", "Age of GPU readings"), Unit::Seconds, note)
        .size(3, 4)
        .ask("max(gpu_snapshot_age_seconds{@node})", "")
        .nothing(NO_GPU_DATA)
}

fn gpus() -> Panel {
    let note = Note {
        zh: [
            "状态全为正常；n/a 表示这张卡不报告该项，不是 0。",
            "丢失；“显存/阈值”到 100%；链路低于最高规格且正忙。",
            "点击 GPU 看这张卡的详情。",
        ],
        en: [
            "All are up; n/a is what the card does not report, not 0.",
            "Lost; memory at 100 % of its threshold; a link below its best while busy.",
            "Click the GPU for its details.",
        ],
    };
    let every = "max by (node, gpu, uuid) (gpu_up{@gpu})";
    let state = words("状态", "State");
    let table = Table::new(Rows::By("uuid"))
        .every(every)
        .meanings(state, every, &UP)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .join("max by (uuid, name) (gpu_info{@gpu})")
        .label("name", words("型号", "Model"))
        .share_of_limit(
            words("显存/阈值", "Memory of threshold"),
            "max by (uuid) (gpu:memory_used:ratio{@gpu} / on (node, gpu) group_left () gpu:memory_threshold:ratio{@gpu})",
        )
        .value(words("已用显存", "Memory used"), Unit::Bytes, "max by (uuid) (gpu_memory_used_bytes{@gpu})")
        .value(words("剩余显存", "Memory left"), Unit::Bytes, "max by (uuid) (gpu_memory_free_bytes{@gpu})")
        .bar(words("忙碌", "Busy"), "max by (uuid) (rate(gpu_busy_seconds_total{@gpu}[$__rate_interval]))")
        .value(
            words("温度", "Temperature"),
            Unit::Celsius,
            "max by (uuid) (gpu_temperature_celsius{sensor=\"gpu\",@gpu})",
        )
        .value(words("功耗", "Power"), Unit::Watts, "max by (uuid) (gpu_power_watts{@gpu})")
        .value(words("P 状态", "P-state"), Unit::Count, "max by (uuid) (gpu_performance_state{@gpu})")
        .value(words("PCIe 代", "PCIe gen"), Unit::Count, "max by (uuid) (gpu_pcie_link_generation{@gpu})")
        .value(words("PCIe 宽度", "PCIe width"), Unit::Count, "max by (uuid) (gpu_pcie_link_width{@gpu})")
        .label("uuid", words("UUID", "UUID"))
        .smallest_first(state)
        .smallest_first(NODE)
        .smallest_first(GPU);
    Panel::table(words("GPU 一览", "GPUs now"), table, note).size(WHOLE, 9)
}

fn memory() -> Panel {
    let note = Note {
        zh: [
            "虚线以下。vLLM、SGLang 启动时预占显存，一直很高属正常，应看“剩余显存”。",
            "没有引擎的卡高于虚线 5 分钟告警。",
            "看“进程与容器”中是谁占用、是否还在上涨。",
        ],
        en: [
            "Below the dashed line. vLLM and SGLang reserve memory at start and are always high: look at what is left.",
            "Above it for five minutes alerts, on a card without an engine.",
            "See processes and containers: who holds it, and does it still rise?",
        ],
    };
    Panel::series(words("显存使用率与阈值", "Memory used and its threshold"), Unit::Ratio, note)
        .size(12, 9)
        .ask("gpu:memory_used:ratio{@gpu}", "{{node}} GPU {{gpu}}")
        .queries(shared_limit("gpu:memory_threshold:ratio{@gpu}", "阈值 threshold", Colour::Bad))
        .up_to(1)
        .link(link::gpu())
}

fn memory_left() -> Panel {
    let note = Note {
        zh: [
            "引擎启动后基本不变。",
            "持续下降：泄漏，最终显存不足退出；突然下降：别的进程来了。",
            "看“进程与容器”；安排在低峰重启引擎。",
        ],
        en: [
            "Hardly changes once an engine has started.",
            "A steady fall is a leak that ends in out-of-memory; a sudden one is another process.",
            "See processes and containers; restart the engine at a quiet hour.",
        ],
    };
    Panel::series(words("剩余显存", "Memory left"), Unit::Bytes, note)
        .size(12, 9)
        .ask("gpu_memory_free_bytes{@gpu}", "{{node}} GPU {{gpu}}")
        .link(link::gpu())
}

fn busy() -> Panel {
    let note = Note {
        zh: [
            "随请求量起伏；由驱动采样累计，不会漏掉尖峰。",
            "有请求排队却接近 0，或没有请求却一直 100%：引擎可能卡住。",
            "看“推理服务”的状态。",
        ],
        en: [
            "Follows the requests; from cumulative samples, so no burst is missed.",
            "Near 0 while requests wait, or 100 % without any: the engine may hang.",
            "See its state on the inference board.",
        ],
    };
    Panel::series(words("GPU 忙碌", "GPU busy"), Unit::Ratio, note)
        .size(12, 8)
        .ask("rate(gpu_busy_seconds_total{@gpu}[$__rate_interval])", "{{node}} GPU {{gpu}}")
        .queries(shared_limit("gpu:utilization_threshold:ratio{@gpu}", "阈值 threshold", Colour::Plain))
        .up_to(1)
        .link(link::gpu())
}

fn pcie() -> Panel {
    let note = Note {
        zh: [
            "向上发送，向下接收；加载模型时接收偏高。部分消费级显卡不报告。",
            "加载模型时远低于同型号的其他卡。",
            "点击曲线看链路代数、宽度和重传。",
        ],
        en: [
            "Up: sent; down: received, high while a model is loaded. Some consumer cards do not report it.",
            "Far below its like while a model is loaded.",
            "Click the line for the link's generation, width and replays.",
        ],
    };
    Panel::series(words("PCIe 流量", "PCIe traffic"), Unit::BytesPerSecond, note)
        .size(12, 8)
        .ask("rate(gpu_pcie_transmit_bytes_total{@gpu}[$__rate_interval])", "{{node}} GPU {{gpu}} 发送 sent")
        .query(
            ask(
                "rate(gpu_pcie_receive_bytes_total{@gpu}[$__rate_interval])",
                "{{node}} GPU {{gpu}} 接收 received",
            )
            .below(),
        )
        .both_ways()
        .link(link::gpu())
}

fn power() -> Panel {
    let note = Note {
        zh: [
            "虚线（功耗上限）以下，满载时贴着上限属正常。",
            "长期贴着被调低过的上限：频率和吞吐都低。",
            "核对上限是否有意调低；看总功耗是否接近机柜额定。",
        ],
        en: [
            "Below the dashed limit; at it under full load is normal.",
            "For long at a limit that somebody lowered: clocks and throughput are low, too.",
            "Check that it was meant; see whether the total nears the rack's rating.",
        ],
    };
    Panel::series(words("功耗、上限与总功耗", "Power, its limit and the total"), Unit::Watts, note)
        .ask("gpu_power_watts{@gpu}", "{{node}} GPU {{gpu}}")
        .queries(shared_limit("gpu_power_limit_watts{@gpu}", "上限 limit", Colour::Warning))
        .query(ask("sum by (node) (gpu_power_watts{@gpu})", "{{node}} 合计 total").aside(Unit::Watts))
        .link(link::gpu())
}

fn temperature() -> Panel {
    let note = Note {
        zh: [
            "比虚线（该卡自己的降频温度）低 5 °C 以上。",
            "5 °C 以内持续 5 分钟告警；没有给出阈值的卡按规则里的值。",
            "查风扇、进风温度和相邻的卡。",
        ],
        en: [
            "More than 5 °C below the dashed line, where the card itself slows down.",
            "Within 5 °C for five minutes alerts; for cards without a limit the rule has one.",
            "Check fans, inlet air and neighbours.",
        ],
    };
    Panel::series(words("GPU 温度", "GPU temperature"), Unit::Celsius, note)
        .ask("gpu_temperature_celsius{sensor=\"gpu\",@gpu}", "{{node}} GPU {{gpu}}")
        .queries(shared_limit(
            "gpu_temperature_limit_celsius{limit=\"slowdown\",@gpu} > 0",
            "降频 slowdown",
            Colour::Bad,
        ))
        .link(link::gpu())
}

fn clocks() -> Panel {
    let note = Note {
        zh: ["满载时在 80% 以上；空闲时降低属正常。", "负载中突然下降。", "看下方的降频原因。"],
        en: ["Above 80 % under load; low when idle.", "A fall under load.", "See the reasons below."],
    };
    Panel::series(words("SM 频率占最高", "SM clock of its maximum"), Unit::Ratio, note)
        .ask(
            "gpu_clock_hertz{domain=\"sm\",@gpu} / gpu_clock_max_hertz{domain=\"sm\",@gpu}",
            "{{node}} GPU {{gpu}}",
        )
        .up_to(1)
        .link(link::gpu())
}

/// Only reasons that were active in the range: eight GPUs have eighty rows otherwise.
fn throttle() -> Panel {
    let note = Note {
        zh: [
            "空白：所选时间内没有降频；满载时 sw_power_cap 属正常。",
            "hw_thermal、sw_thermal：过热；hw_power_brake：供电异常。",
            "过热查散热；供电查 PSU、电缆和机柜。",
        ],
        en: [
            "Empty: no clock was held down in the range; sw_power_cap at full load is normal.",
            "hw_thermal, sw_thermal: heat; hw_power_brake: power supply.",
            "Heat: check cooling. Power: check PSU, cable and rack.",
        ],
    };
    Panel::states(words("降频原因", "What holds the clocks down"), &ACTIVE, note).size(14, 8).ask(
        "gpu_throttle_active{reason!~\"idle|applications_clocks|display_clocks\",@gpu} \
             and on (node, gpu, reason) max_over_time(gpu_throttle_active{@gpu}[$__range]) > 0",
        "{{node}} GPU {{gpu}} {{reason}}",
    )
}

fn xids() -> Panel {
    let note = Note {
        zh: [
            "空表：导出器启动以来没有发生。",
            "79、48、95 等为致命错误（级别列）；13、31 多为程序问题。",
            "按告警手册中该代码的步骤处理。",
        ],
        en: [
            "Empty: none since the exporter started.",
            "79, 48, 95 and others are fatal (see the severity); 13 and 31 mostly a program's.",
            "Follow the runbook's steps for the code.",
        ],
    };
    let last = words("最近", "Last");
    let table = Table::new(Rows::Labels)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .label("xid", words("XID", "XID"))
        .label("severity", words("级别", "Severity"))
        .value(
            last,
            Unit::Ago,
            "max by (node, gpu, xid, severity) (gpu_xid_last_timestamp_seconds{@gpu}) * 1000",
        )
        .value(
            words("次数", "Count"),
            Unit::Count,
            "max by (node, gpu, xid, severity) (last_over_time(gpu_xid_errors_total{@gpu}[5m])) > 0",
        )
        .largest_first(last);
    Panel::table(words("XID 错误", "XID errors"), table, note).size(10, 8)
}
