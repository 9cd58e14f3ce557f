//! Values that are names, and the columns and panels that several boards have.

use super::colour::{Colour, Meaning, meaning};
use super::panel::Panel;
use super::unit::Unit;
use super::words::{Note, Words, words};

/// `gpu_up`.
pub(crate) const UP: [Meaning; 2] =
    [meaning(1, words("正常", "up"), Colour::Good), meaning(0, words("丢失", "lost"), Colour::Bad)];

/// How much a GPU needs somebody, the worst highest.
pub(crate) const ATTENTION: [Meaning; 5] = [
    meaning(4, words("机器采集不到", "machine unreachable"), Colour::Bad),
    meaning(3, words("丢失", "lost"), Colour::Bad),
    meaning(2, words("严重告警", "critical alert"), Colour::Bad),
    meaning(1, words("警告", "warning"), Colour::Warning),
    meaning(0, words("正常", "fine"), Colour::Good),
];

/// `gpu_recovery_action`.
pub(crate) const RECOVERY: [Meaning; 5] = [
    meaning(0, words("无", "none"), Colour::Good),
    meaning(1, words("重置", "GPU reset"), Colour::Bad),
    meaning(2, words("重启机器", "reboot"), Colour::Bad),
    meaning(3, words("排空 P2P", "drain P2P"), Colour::Warning),
    meaning(4, words("排空并重置", "drain and reset"), Colour::Bad),
];

/// Something that holds or does not.
pub(crate) const ACTIVE: [Meaning; 2] =
    [meaning(0, words("否", "no"), Colour::Quiet), meaning(1, words("生效", "active"), Colour::Warning)];

pub(crate) const NODE: Words = words("节点", "Node");
pub(crate) const GPU: Words = words("GPU", "GPU");
pub(crate) const NO_GPU_DATA: Words = words("没有 GPU 数据", "no GPU data");
pub(crate) const NOT_REPORTED: Words = words("未报告", "not reported");

/// Alerts that fire on the chosen machines, and those of no machine.
pub(crate) fn firing() -> Panel {
    let note = Note {
        zh: [
            "两个数都是 0。",
            "大于 0：有告警正在触发；严重告警要马上处理。",
            "打开“告警与投递”看是哪一条，按消息里的处理手册做。",
        ],
        en: [
            "Both are 0.",
            "Above 0: alerts fire; critical ones want somebody now.",
            "Open the board of alerts to see which, and follow the runbook of its message.",
        ],
    };
    let count = |severity| {
        format!(
            "count(ALERTS{{alertstate=\"firing\",severity=\"{severity}\",node=~\"$node|\"}}) or vector(0)"
        )
    };
    Panel::stat(words("正在触发的告警", "Firing alerts"), Unit::Count, note)
        .ask(&count("critical"), "严重 critical")
        .ask(&count("warning"), "警告 warning")
        .bad_from(1)
}

/// Machines of which nothing is known.
pub(crate) fn unseen() -> Panel {
    let note = Note {
        zh: [
            "三个数都是 0。",
            "采集不到：该机器的其他面板是空白，不代表正常。驱动已释放：期间没有 GPU 数据和告警。日历不可用：暂按周一至周五计算工作日。",
            "登录机器看导出器是否在运行；维护结束后执行 POST /-/gpu/acquire；检查写 calendar.prom 的任务。",
        ],
        en: [
            "All three are 0.",
            "Unreachable: other panels of the machine show gaps, not health. Driver released: no GPU readings, no GPU alerts. Calendar: Monday to Friday count.",
            "Log in and see whether the exporter runs; after maintenance POST /-/gpu/acquire; check what writes calendar.prom.",
        ],
    };
    let title =
        words("采集不到 · 驱动已释放 · 日历不可用", "Unreachable · driver released · calendar unusable");
    Panel::stat(title, Unit::Count, note)
        .size(8, 4)
        .ask("count(up{job=\"node\",@node} == 0) or vector(0)", "采集不到 down")
        .ask("count(gpu_probe_released{@node} == 1) or vector(0)", "已释放 released")
        .ask("count(ALERTS{alertname=\"CalendarUnusable\",node=~\"$node|\"}) or vector(0)", "日历 calendar")
        .bad_from(1)
}

/// GPUs that answer, of those that are known.
pub(crate) fn answering() -> Panel {
    let note = Note {
        zh: [
            "两个数相等。",
            "第一个较小：有卡丢失。没有 GPU 的机器不显示数字。",
            "看下表中状态为“丢失”的卡，先迁走任务。",
        ],
        en: [
            "Equal.",
            "The first is smaller: a GPU is lost. A machine without GPUs shows no number.",
            "Find the lost one in the table below and move the work away.",
        ],
    };
    Panel::stat(words("应答 · 已知的 GPU", "GPUs answering · known"), Unit::Count, note)
        .ask("sum(gpu_up{@node})", "应答 answering")
        .ask("count(gpu_up{@node})", "已知 known")
        .nothing(NO_GPU_DATA)
}
