//! What went wrong with a GPU.

use crate::boards::colour::{Colour, Meaning, meaning};
use crate::boards::link;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::table::{Rows, Table};
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

/// An error in the minutes before.
const SEEN: [Meaning; 2] =
    [meaning(0, words("无", "none"), Colour::Quiet), meaning(1, words("发生", "seen"), Colour::Bad)];

/// An event of the driver at that time: which ones are bad depends on the kind.
const REPORTED: [Meaning; 2] =
    [meaning(0, words("无", "none"), Colour::Quiet), meaning(1, words("发生", "seen"), Colour::Warning)];

pub(super) fn panels() -> Vec<Panel> {
    vec![timeline(), events(), xids(), ecc(), remaps(), links()]
}

fn timeline() -> Panel {
    let note = Note {
        zh: [
            "空白：没有发生过。",
            "红色段：该代码发生后的 5 分钟。最先出现的多是原因，其余是后果。",
            "点击打开导出器的每秒记录，看出错前的温度、功耗和显存。",
        ],
        en: [
            "Empty: none ever was.",
            "Red: the five minutes after an error. What comes first is mostly the cause, the rest its consequence.",
            "Click for the exporter's recording at 1 Hz: temperature, power and memory before the error.",
        ],
    };
    Panel::states(words("XID 时间线", "XID timeline"), &SEEN, note)
        .ask("time() - max by (xid) (gpu_xid_last_timestamp_seconds{@gpu}) < bool 300", "XID {{xid}}")
        .link(link::recorder())
}

fn events() -> Panel {
    let note = Note {
        zh: [
            "没有黄色段；驱动太旧时为空。",
            "黄色段：那时发生了事件。poison_fatal、unavailable、dram_retirement_failure 表示该卡要停用。",
            "与 XID 时间线对照：多数事件伴有 XID。mig_config_change 是人改了 MIG 配置。",
        ],
        en: [
            "Nothing is yellow; empty where the driver is too old.",
            "Yellow: there was an event then. poison_fatal, unavailable and dram_retirement_failure mean that the card has to be taken out of use.",
            "Compare with the XID timeline: most of these come with an XID. mig_config_change is somebody's change of MIG instances.",
        ],
    };
    Panel::states(words("驱动报告的其他事件", "Other events of the driver"), &REPORTED, note)
        .ask("max by (event) (increase(gpu_events_total{@gpu}[$__rate_interval])) > bool 0", "{{event}}")
}

fn xids() -> Panel {
    let note = Note {
        zh: [
            "空表：导出器启动以来没有发生。",
            "severity 为 fatal：结果不可信。",
            "按告警手册中该代码的步骤处理。",
        ],
        en: [
            "Empty: none since the exporter started.",
            "Severity fatal: results cannot be trusted.",
            "Follow the runbook's steps for the code.",
        ],
    };
    let last = words("最近", "Last");
    let table = Table::new(Rows::Labels)
        .label("xid", words("XID", "XID"))
        .link(link::recorder())
        .label("severity", words("级别", "Severity"))
        .value(last, Unit::Ago, "max by (xid, severity) (gpu_xid_last_timestamp_seconds{@gpu}) * 1000")
        .value(
            words("次数", "Count"),
            Unit::Count,
            "max by (xid, severity) (last_over_time(gpu_xid_errors_total{@gpu}[5m])) > 0",
        )
        .largest_first(last);
    Panel::table(words("XID 错误", "XID errors"), table, note).size(12, 8)
}

fn ecc() -> Panel {
    let note = Note {
        zh: [
            "不可纠正为 0；可纠正偶尔出现属正常。",
            "不可纠正大于 0；可纠正每小时上百。",
            "不可纠正：迁走任务并重置；可纠正：关注行重映射。",
        ],
        en: [
            "Uncorrected 0; corrected now and then.",
            "Uncorrected above 0; corrected by the hundred an hour.",
            "Uncorrected: move the work and reset. Corrected: watch the row remaps.",
        ],
    };
    Panel::series(words("ECC 错误（累计）", "ECC errors (since driver load)"), Unit::Count, note)
        .ask("last_over_time(gpu_ecc_errors_total{scope=\"volatile\",@gpu}[$__rate_interval])", "{{kind}}")
}

fn remaps() -> Panel {
    let note = Note {
        zh: [
            "都为 0，或长期不变。",
            "不可纠正导致的增加；等待重置为 1；失败为 1 即达到更换条件。",
            "安排重置；失败时联系厂商更换。",
        ],
        en: [
            "All 0, or unchanged for months.",
            "More for uncorrectable errors; pending at 1; failed at 1 is the criterion for a new card.",
            "Plan a reset; on failure have the card replaced.",
        ],
    };
    Panel::series(words("显存行重映射", "Row remaps"), Unit::Count, note)
        .ask("last_over_time(gpu_row_remaps_total{@gpu}[$__rate_interval])", "因 {{cause}}")
        .ask("gpu_row_remap_pending{@gpu}", "等待重置 pending")
        .ask("gpu_row_remap_failed{@gpu}", "失败 failed")
        .query(
            ask(
                "gpu_row_remap_banks{availability=~\"low|none\",@gpu}",
                "备用不足的库 banks {{availability}}",
            )
            .aside(Unit::Count),
        )
}

fn links() -> Panel {
    let note = Note {
        zh: [
            "接近 0。",
            "持续增长：接触不良、线缆或信号质量问题。",
            "重新插拔；查转接卡、桥接器和 NVSwitch。",
        ],
        en: [
            "Near 0.",
            "They keep coming: contact, cable or signal.",
            "Reseat; check riser, bridge and NVSwitch.",
        ],
    };
    Panel::series(words("链路错误", "Link errors"), Unit::PerSecond, note)
        .ask("rate(gpu_pcie_errors_total{@gpu}[$__rate_interval])", "PCIe {{kind}}")
        .ask("sum by (kind) (rate(gpu_nvlink_errors_total{@gpu}[$__rate_interval]))", "NVLink {{kind}}")
}
