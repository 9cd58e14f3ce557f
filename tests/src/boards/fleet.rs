//! All GPUs of all machines: what needs somebody, the worst first.

use super::board::{self, Board, Section};
use super::colour::Colour;
use super::limit::Limit;
use super::link;
use super::meanings::{ATTENTION, GPU, NO_GPU_DATA, NODE, answering, firing, unseen};
use super::panel::{Panel, WHOLE};
use super::query::{ALIKE, ask, shared_limit};
use super::table::{Rows, Table};
use super::unit::Unit;
use super::words::{Note, words};

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::FLEET,
        title: words("GPU 机群", "GPU fleet"),
        about: words(
            "所有机器的所有 GPU，最需要处理的在最前。",
            "All GPUs of all machines, what needs somebody first.",
        ),
        since: "now-3h",
        variables: vec![board::NODE, board::GPU],
        sections: vec![
            Section::first(vec![firing(), unseen(), answering(), idle(), power()]),
            Section::of(words("GPU", "GPU"), vec![gpus()]),
            Section::of(words("机器", "Machines"), vec![machines()]),
            Section::of(words("趋势", "Trends"), vec![busy(), memory(), heat(), watts(), cpu(), disks()]),
        ],
    }
}

fn idle() -> Panel {
    let note = Note {
        zh: [
            "取决于业务：留出的余量。",
            "长期很大：花了钱没有用；为 0：没有余量，一张卡故障就要停服务。",
            "对照“容量与周同比”，决定合并还是扩容。",
        ],
        en: [
            "What you keep in reserve.",
            "Large for days: paid for and unused. 0: nothing left for a GPU that fails.",
            "See the board of capacity, and merge work or buy.",
        ],
    };
    Panel::stat(words("空闲 GPU（无进程）", "Idle GPUs (no process)"), Unit::Count, note)
        .ask("count(gpu_processes{@gpu} == 0) or 0 * count(gpu_processes{@gpu})", "")
        .nothing(NO_GPU_DATA)
}

fn power() -> Panel {
    let note = Note {
        zh: [
            "低于机柜或电路的额定功率。",
            "接近额定功率：可能跳闸或触发供电保护。",
            "调低功耗上限，或把任务移到别的机柜。",
        ],
        en: [
            "Below what the rack and its circuit are made for.",
            "Close to that: a breaker or the power brake will act.",
            "Lower power limits or move work to another rack.",
        ],
    };
    Panel::stat(
        words("GPU 总功耗 · 所选时间能耗", "Power of all GPUs · energy in the range"),
        Unit::Watts,
        note,
    )
    .ask("sum(gpu_power_watts{@gpu})", "功耗 power")
    .query(
        ask("sum(increase(gpu_energy_joules_total{@gpu}[$__range])) / 3.6e6", "能耗 energy")
            .aside(Unit::KilowattHours),
    )
    .nothing(NO_GPU_DATA)
}

/// A GPU of a machine that has become unreachable keeps its row for as long as the range shown.
fn gpus() -> Panel {
    let note = Note {
        zh: [
            "“状态”一列全为正常。n/a 表示这张卡不报告该项，不是 0。",
            "最上面的行最需要处理：机器采集不到、丢失、严重告警、警告。“显存/阈值”到 100% 即达到告警阈值；“离降频”到 0 即达到该卡自己的降频温度。",
            "点击 GPU 看这张卡为什么慢、谁在占用；点击节点看整台机器。",
        ],
        en: [
            "The first column says fine. n/a is what the card does not report; it is not 0.",
            "The top rows want somebody: unreachable machine, lost, critical alert, warning. Memory of threshold: 100 % is where the alert fires. To slowdown: 0 is the card's own slowdown temperature.",
            "Click a GPU for why it is slow and who uses it, a node for the whole machine.",
        ],
    };
    let every = "max by (node, gpu, uuid) (last_over_time(gpu_up{@gpu}[$__range]))";
    let alerts = "ALERTS{alertstate=\"firing\",severity=\"critical\",gpu!=\"\",@node} * 2 or ALERTS{alertstate=\"firing\",severity=\"warning\",gpu!=\"\",@node}";
    let attention = format!(
        "(max by (uuid) (last_over_time(gpu_up{{@gpu}}[$__range])) * 0 + 4 unless max by (uuid) (gpu_up{{@gpu}})) \
         or max by (uuid) (gpu_up{{@gpu}} == 0) + 3 \
         or max by (uuid) (gpu_up{{@gpu}} * on (node, gpu) group_left () max by (node, gpu) ({alerts})) \
         or max by (uuid) (gpu_up{{@gpu}}) * 0"
    );
    let state = words("状态", "State");
    let used = words("显存/阈值", "Memory of threshold");
    let table = Table::new(Rows::By("uuid"))
        .every(every)
        .join(every)
        .meanings(state, &attention, &ATTENTION)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .join("max by (uuid, name) (last_over_time(gpu_info{@gpu}[$__range]))")
        .label("name", words("型号", "Model"))
        .share_of_limit(
            used,
            "max by (uuid) (gpu:memory_used:ratio{@gpu} / on (node, gpu) group_left () gpu:memory_threshold:ratio{@gpu})",
        )
        .value(words("剩余显存", "Memory left"), Unit::Bytes, "max by (uuid) (gpu_memory_free_bytes{@gpu})")
        .value(
            words("显存写满", "Memory full in"),
            Unit::Seconds,
            "max by (uuid) (gpu_memory_time_to_full_seconds{@gpu})",
        )
        .bar(words("忙碌", "Busy"), "max by (uuid) (rate(gpu_busy_seconds_total{@gpu}[$__rate_interval]))")
        .value(
            words("离降频", "To slowdown"),
            Unit::Celsius,
            "max by (uuid) (clamp_min((gpu_temperature_limit_celsius{limit=\"slowdown\",@gpu} > 0) - on (node, gpu, uuid) gpu_temperature_celsius{sensor=\"gpu\",@gpu}, 0))",
        )
        .bar(
            words("功耗/上限", "Power of limit"),
            "max by (uuid) (gpu_power_watts{@gpu} / gpu_power_limit_watts{@gpu})",
        )
        .bar(
            words("过热降频", "Slowed by heat"),
            "max by (uuid) (rate(gpu_throttle_seconds_total{reason=~\"hw_thermal|sw_thermal\",@gpu}[$__rate_interval]))",
        )
        .bad_from(
            words("致命 XID", "Fatal XIDs"),
            Unit::Count,
            1,
            "max by (uuid) (last_over_time(gpu_xid_incidents_total{severity=\"fatal\",@gpu}[5m]))",
        )
        .bad_from(
            words("不可纠正 ECC", "Uncorrectable ECC"),
            Unit::Count,
            1,
            "sum by (uuid) (last_over_time(gpu_ecc_errors_total{kind=\"uncorrected\",scope=\"volatile\",@gpu}[5m]))",
        )
        .value(words("进程", "Processes"), Unit::Count, "max by (uuid) (gpu_processes{@gpu})")
        .label("uuid", words("UUID", "UUID"))
        .largest_first(state)
        .largest_first(used)
        .smallest_first(NODE);
    Panel::table(words("全部 GPU，最差在前", "All GPUs, the worst first"), table, note).size(WHOLE, 14)
}

fn machines() -> Panel {
    let note = Note {
        zh: [
            "每台机器的驱动、导出器版本一致，“最少磁盘”大于 5%。",
            "版本不一致：升级未完成；“GPU”少于应有数量。",
            "点击节点看整台机器；升级驱动后要重启。",
        ],
        en: [
            "The same driver and exporter everywhere; least disk above 5 %.",
            "Versions differ: an upgrade is half done. Fewer GPUs than the machine has.",
            "Click the node for the whole machine; after a driver upgrade reboot it.",
        ],
    };
    let table = Table::new(Rows::By("node"))
        .every("max by (node) (up{job=\"node\",@node})")
        .join("max by (node) (up{job=\"node\",@node})")
        .label("node", NODE)
        .link(link::node_of_row())
        .value(words("GPU", "GPUs"), Unit::Count, "sum by (node) (gpu_up{@node})")
        .bar(words("CPU", "CPU"), "max by (node) (node:cpu_busy:ratio_rate5m{@node})")
        .bar(words("内存", "Memory"), "max by (node) (node:memory_used:ratio{@node})")
        .bar(words("最少磁盘", "Least disk left"), "min by (node) (node:filesystem_avail:ratio{@node})")
        .value(
            words("运行时间", "Up for"),
            Unit::Seconds,
            "max by (node) (time() - node_boot_time_seconds{@node})",
        )
        .join("max by (node, version) (gpu_driver_info{@node})")
        .label("version", words("驱动", "Driver"))
        .join("max by (node, release) (node_uname_info{@node})")
        .label("release", words("内核", "Kernel"))
        .largest_first(words("内存", "Memory"));
    Panel::table(words("全部机器", "All machines"), table, note).size(WHOLE, 8)
}

fn busy() -> Panel {
    let note = Note {
        zh: [
            "同一业务的机器曲线接近。",
            "一台明显低于其他：流量没有到它，或引擎停住。",
            "看该机器的推理服务面板。",
        ],
        en: [
            "Machines of one service run close together.",
            "One far below: no requests reach it, or its engine has stopped.",
            "Look at the inference board of that machine.",
        ],
    };
    Panel::series(words("每台机器的 GPU 忙碌", "GPUs busy, by machine"), Unit::Ratio, note)
        .ask("avg by (node) (rate(gpu_busy_seconds_total{@gpu}[$__rate_interval]))", "{{node}}")
        .query(
            ask(
                "avg by (node) (week:value_before:avg1h{measure=\"gpu_load\",@gpu})",
                &format!("{{{{node}}}} {ALIKE}"),
            )
            .past(),
        )
        .up_to(1)
        .link(link::node())
}

fn memory() -> Panel {
    let note = Note {
        zh: [
            "虚线（告警阈值）以下；预占显存的推理引擎一直很高也属正常。",
            "越过虚线，或没有引擎却持续上涨。",
            "点击曲线看这台机器，再看“进程与容器”。",
        ],
        en: [
            "Below the dashed threshold; engines that reserve memory are always high.",
            "Above it, or a steady rise without an engine.",
            "Click the line for the machine, then see processes and containers.",
        ],
    };
    Panel::series(words("每台机器最满的 GPU 显存", "Fullest GPU memory, by machine"), Unit::Ratio, note)
        .ask("max by (node) (gpu:memory_used:ratio{@gpu})", "{{node}}")
        .queries(shared_limit("gpu:memory_threshold:ratio{@gpu}", "阈值 threshold", Colour::Warning))
        .up_to(1)
        .link(link::node())
}

fn heat() -> Panel {
    let note = Note {
        zh: ["大于 10 °C。", "5 °C 以内持续 5 分钟告警；0 表示已在降频。", "查风扇、进风温度和相邻机器。"],
        en: [
            "Above 10 °C.",
            "Within 5 °C for five minutes alerts; at 0 the card slows down.",
            "Check fans, inlet air and neighbours.",
        ],
    };
    Panel::series(words("离降频最近的 GPU", "Closest to slowdown, by machine"), Unit::Celsius, note)
        .ask(
            "min by (node) ((gpu_temperature_limit_celsius{limit=\"slowdown\",@gpu} > 0) - on (node, gpu, uuid) gpu_temperature_celsius{sensor=\"gpu\",@gpu})",
            "{{node}}",
        )
        .both_ways()
        .link(link::node())
}

fn watts() -> Panel {
    let note = Note {
        zh: ["随负载起伏。", "突然下降：引擎停住或功耗被限制。", "对照忙碌面板；两者同时下降时看推理服务。"],
        en: [
            "Follows the load.",
            "A sudden fall: engines have stopped, or power is capped.",
            "Compare with busy; when both fall, see the inference board.",
        ],
    };
    Panel::series(words("每台机器的 GPU 功耗", "Power of GPUs, by machine"), Unit::Watts, note)
        .ask("sum by (node) (gpu_power_watts{@gpu})", "{{node}}")
        .stacked()
        .link(link::node())
}

fn cpu() -> Panel {
    let note = Note {
        zh: [
            "低于虚线。",
            "持续高于虚线：分词和图像预处理变慢，首字延迟上升。",
            "增加 CPU 核数或前端进程，减少每机的引擎数。",
        ],
        en: [
            "Below the dashed line.",
            "Above it for long: tokenizing and image work slow down, and first tokens come late.",
            "Give more cores or front-end processes, or fewer engines a machine.",
        ],
    };
    Panel::series(words("每台机器的 CPU 忙碌", "CPU busy, by machine"), Unit::Ratio, note)
        .ask("max by (node) (node:cpu_busy:ratio_rate5m{@node})", "{{node}}")
        .limit(Limit::info("HostCpuHigh", "node:cpu_busy:ratio_rate5m"))
        .up_to(1)
        .link(link::node())
}

fn disks() -> Panel {
    let note = Note {
        zh: [
            "高于两条虚线。",
            "低于虚线 30 分钟告警；写满后日志、模型下载和引擎都会失败。",
            "删除旧模型和日志，或扩容。",
        ],
        en: [
            "Above both dashed lines.",
            "Below one for 30 minutes alerts; a full disk fails logs, downloads and engines.",
            "Delete old models and logs, or add space.",
        ],
    };
    Panel::series(words("每台机器最少的磁盘余量", "Least disk space left, by machine"), Unit::Ratio, note)
        .ask("min by (node) (node:filesystem_avail:ratio{@node})", "{{node}}")
        .limit(Limit::warning("HostDiskAlmostFull", "node:filesystem_avail:ratio"))
        .limit(Limit::critical("HostDiskAlmostFull", "node:filesystem_avail:ratio"))
        .up_to(1)
        .link(link::node())
}
