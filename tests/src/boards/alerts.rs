//! What fires, who was told, and whether the chain that tells it works.

use super::board::{Board, Section};
use super::colour::{Colour, Meaning, meaning};
use super::link;
use super::meanings::{GPU, NODE};
use super::panel::Panel;
use super::table::{Rows, Table};
use super::unit::Unit;
use super::words::{Note, words};

mod chain;
mod relay;

/// How bad what fires is.
const SEVERITIES: [Meaning; 2] = [
    meaning(1, words("警告", "warning"), Colour::Warning),
    meaning(2, words("严重", "critical"), Colour::Bad),
];

/// Whether the settings in force are those of the file.
const LOADED: [Meaning; 2] = [
    meaning(0, words("被拒绝", "refused"), Colour::Bad),
    meaning(1, words("已生效", "in force"), Colour::Good),
];

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::ALERTS,
        title: words("告警与投递", "Alerts and deliveries"),
        about: words(
            "现在有什么告警、告诉了谁、监控链路本身是否正常。",
            "What fires, who was told, and whether the chain that tells it works.",
        ),
        since: "now-6h",
        variables: Vec::new(),
        sections: vec![
            Section::first(vec![firing(), targets_down(), dead(), unrouted(), imbalance(), settings()]),
            Section::of(words("告警", "Alerts"), vec![alerts(), timeline(), by_severity()]),
            Section::of(words("投递", "Deliveries"), relay::panels()),
            Section::of(words("监控链路", "The chain itself"), chain::panels()),
        ],
    }
}

fn firing() -> Panel {
    let note = Note {
        zh: ["都是 0。", "大于 0：严重要马上处理，警告今天处理。", "看下表，按消息里的处理手册做。"],
        en: [
            "Both are 0.",
            "Above 0: critical wants somebody now, warning today.",
            "See the table below and follow the runbook of the message.",
        ],
    };
    Panel::stat(words("正在触发的告警", "Firing alerts"), Unit::Count, note)
        .ask("count(ALERTS{alertstate=\"firing\",severity=\"critical\"}) or vector(0)", "严重 critical")
        .ask("count(ALERTS{alertstate=\"firing\",severity=\"warning\"}) or vector(0)", "警告 warning")
        .bad_from(1)
}

fn targets_down() -> Panel {
    let note = Note {
        zh: ["0。", "大于 0：该目标没有数据，它的告警不会触发。", "看下方“采集目标”是哪一个。"],
        en: [
            "0: all are scraped.",
            "Above 0: no data of it, and its alerts cannot fire.",
            "See the targets below for which.",
        ],
    };
    Panel::stat(words("采集不到的目标", "Targets down"), Unit::Count, note)
        .ask("count(up == 0) or vector(0)", "")
        .bad_from(1)
}

fn dead() -> Panel {
    let note = Note {
        zh: [
            "0。",
            "大于 0：有消息最终没有送达，也没有后备通道。",
            "运行 alert-relay dead 查看原因，修好后重新投递。",
        ],
        en: [
            "0: none was lost.",
            "Above 0: messages were given up and no fallback brought them.",
            "Run alert-relay dead for the reasons; mend, then deliver them again.",
        ],
    };
    Panel::stat(words("放弃的投递（所选时间）", "Deliveries given up in the range"), Unit::Count, note)
        .ask("sum(increase(alert_relay_deliveries_ended_total{end=\"dead\"}[$__range]))", "")
        .bad_from(1)
}

fn unrouted() -> Panel {
    let note = Note {
        zh: [
            "0。",
            "大于 0：有告警不匹配任何路由，没有告诉任何人。",
            "在 relay.yml 中补一条路由，再 reload。",
        ],
        en: [
            "0: each has a route.",
            "Above 0: alerts that no route matches were told to nobody.",
            "Add a route to relay.yml and reload.",
        ],
    };
    Panel::stat(words("无路由的告警（所选时间）", "Alerts without a route in the range"), Unit::Count, note)
        .ask("sum(increase(alert_relay_unrouted_alerts_total[$__range])) or vector(0)", "")
        .bad_from(1)
}

fn imbalance() -> Panel {
    let note = Note {
        zh: ["0：接受的 = 已结束的 + 等待中的。", "不为 0：转发器自己的缺陷。", "保留存储文件并报告问题。"],
        en: [
            "0: accepted = ended + pending.",
            "Anything else is a fault of the relay.",
            "Keep the store and report it.",
        ],
    };
    Panel::stat(words("账目差额", "Audit imbalance"), Unit::Count, note)
        .ask("sum(abs(alert_relay_audit_imbalance))", "")
        .bad_from(1)
}

fn settings() -> Panel {
    let note = Note {
        zh: [
            "1：当前设置与文件一致。",
            "0：最近一次重载被拒绝，仍在用旧设置；下次启动会失败。",
            "运行 alert-relay check 看错误，改好后 reload。",
        ],
        en: [
            "1: the settings in force are the file's.",
            "0: the last reload was refused; the next start will fail.",
            "Run alert-relay check for the mistakes, mend them and reload.",
        ],
    };
    Panel::stat(words("设置重载", "Settings"), Unit::Count, note)
        .ask("min(alert_relay_config_last_reload_successful)", "转发器 relay")
        .ask("min(alertmanager_config_last_reload_successful)", "Alertmanager")
        .ask("min(prometheus_config_last_reload_successful)", "Prometheus")
        .meanings(&LOADED)
}

fn alerts() -> Panel {
    let note = Note {
        zh: [
            "只有 Watchdog：它一直触发，用来证明链路通。",
            "其余每一行都要有人处理。",
            "点击节点或 GPU 看当时的情况。",
        ],
        en: [
            "Only Watchdog, which always fires and proves that the chain works.",
            "Every other row wants somebody.",
            "Click the node or the GPU to see how it was.",
        ],
    };
    let since = words("开始于", "Since");
    let table = Table::new(Rows::Labels)
        .label("severity", words("级别", "Severity"))
        .label("alertname", words("告警", "Alert"))
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .label("model_name", words("模型", "Model"))
        .label("scope", words("范围", "Scope"))
        .value(
            since,
            Unit::Ago,
            "max by (severity, alertname, node, gpu, model_name, scope) (ALERTS_FOR_STATE and ignoring (alertstate) ALERTS{alertstate=\"firing\"}) * 1000",
        )
        .largest_first(since);
    Panel::table(words("正在触发", "Firing now"), table, note).size(24, 8)
}

fn timeline() -> Panel {
    let note = Note {
        zh: [
            "空白。",
            "多行同时开始：看最先的一行，它多半是原因；反复出现：阈值附近抖动或问题没有解决。",
            "对照 GPU 详情同一时刻的面板。",
        ],
        en: [
            "Empty.",
            "Several begin at once: the first is mostly the cause. Again and again: it was not mended, or it hovers.",
            "Compare with the GPU's board at the same time.",
        ],
    };
    Panel::states(words("告警时间线", "Alerts over time"), &SEVERITIES, note)
        .size(16, 8)
        .ask(
            "max by (alertname, node, gpu) (ALERTS{alertstate=\"firing\",severity=\"critical\"} * 2 or ALERTS{alertstate=\"firing\",severity=\"warning\"})",
            "{{alertname}} {{node}} {{gpu}}",
        )
}

fn by_severity() -> Panel {
    let note = Note {
        zh: [
            "平稳；none 一直为 1（Watchdog）。",
            "突然增多：一个故障引起很多告警。",
            "看时间线上最先的一条。",
        ],
        en: [
            "Steady; none is always 1 (Watchdog).",
            "A sudden rise: one fault makes many fire.",
            "See the first in the timeline.",
        ],
    };
    Panel::series(words("触发数，按级别", "Firing, by severity"), Unit::Count, note)
        .ask("count by (severity) (ALERTS{alertstate=\"firing\"})", "{{severity}}")
        .stacked()
}
