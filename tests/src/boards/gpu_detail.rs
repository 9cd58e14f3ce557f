//! One GPU: why it is slow, what went wrong with it, who uses it.

use super::board::{self, Board, Section};
use super::link;
use super::meanings::{NOT_REPORTED, RECOVERY, UP};
use super::panel::Panel;
use super::unit::Unit;
use super::words::{Note, words};

mod errors;
mod memory;
mod slow;

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::GPU_DETAIL,
        title: words("GPU 详情", "GPU detail"),
        about: words(
            "一张卡：为什么慢、出过什么错、谁在用。每秒的记录在导出器里，XID 面板上有链接。",
            "One GPU: why it is slow, what went wrong, who uses it. The exporter has each second; the XID panels link to it.",
        ),
        since: "now-1h",
        variables: vec![board::ONE_NODE, board::ONE_GPU, board::INSTANCE],
        sections: vec![
            Section::first(vec![state(), recovery(), performance_state(), energy()]),
            Section::of(words("为什么慢", "Why it is slow"), slow::panels()),
            Section::of(words("显存与使用者", "Memory and who uses it"), memory::panels()),
            Section::of(words("错误", "Errors"), errors::panels()),
        ],
    }
}

fn state() -> Panel {
    let note = Note {
        zh: ["正常。", "丢失：驱动读不到这张卡。", "看下方的 XID；迁走任务，重置或重启。"],
        en: [
            "Up.",
            "Lost: the driver cannot read it.",
            "See its XIDs below; move the work away, reset or reboot.",
        ],
    };
    Panel::stat(words("状态", "State"), Unit::Count, note)
        .size(6, 4)
        .ask("max by (uuid) (gpu_up{@gpu})", "{{uuid}}")
        .meanings(&UP)
}

fn recovery() -> Panel {
    let note = Note {
        zh: [
            "“无”。旧驱动（570 以前）不报告。",
            "驱动要求重置、重启或排空。",
            "先迁走任务，再按该操作处理。",
        ],
        en: [
            "None. Drivers before 570 do not report it.",
            "The driver asks for a reset, a reboot or a drain.",
            "Move the work away, then do what it asks.",
        ],
    };
    Panel::stat(words("驱动要求的操作", "Recovery action"), Unit::Count, note)
        .size(6, 4)
        .ask("max(gpu_recovery_action{@gpu})", "")
        .meanings(&RECOVERY)
        .bad_from(1)
        .nothing(NOT_REPORTED)
}

fn performance_state() -> Panel {
    let note = Note {
        zh: [
            "有负载时为 0（最高性能）；空闲时为 8 左右。",
            "有负载却停在高数值：频率上不去。",
            "看下方的降频原因和功耗上限。",
        ],
        en: [
            "0, the fastest, under load; about 8 when idle.",
            "A high number under load: the clocks do not rise.",
            "See the reasons and the power limit below.",
        ],
    };
    Panel::stat(words("性能状态 P", "Performance state P"), Unit::Count, note)
        .size(6, 4)
        .ask("max(gpu_performance_state{@gpu})", "")
        .nothing(NOT_REPORTED)
}

fn energy() -> Panel {
    let note = Note {
        zh: ["与同型号、同负载的卡接近。", "空闲时仍然很高：有进程占着卡。", "看下方是谁在用。"],
        en: [
            "Close to its like under the same load.",
            "High while idle: a process keeps the card awake.",
            "See below who uses it.",
        ],
    };
    Panel::stat(words("所选时间的能耗", "Energy in the range"), Unit::KilowattHours, note)
        .size(6, 4)
        .ask("sum(increase(gpu_energy_joules_total{@gpu}[$__range])) / 3.6e6", "")
        .nothing(NOT_REPORTED)
}
