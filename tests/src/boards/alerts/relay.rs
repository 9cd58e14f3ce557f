//! From the webhook to the chat: what the relay took, sent and waits for.

use crate::boards::colour::{Colour, Meaning, meaning};
use crate::boards::limit::Limit;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

/// `alert_relay_target_up`.
const TARGET: [Meaning; 2] =
    [meaning(0, words("不通", "down"), Colour::Bad), meaning(1, words("正常", "up"), Colour::Good)];

pub(super) fn panels() -> Vec<Panel> {
    vec![accepted(), ended(), waiting(), attempts(), latency(), targets(), held(), store()]
}

fn accepted() -> Panel {
    let note = Note {
        zh: [
            "随告警起伏；duplicate 为 Alertmanager 的重发，少量正常。",
            "duplicate 很多：回答太慢，Alertmanager 超时重发。",
            "看存储的错误和磁盘。",
        ],
        en: [
            "Follows the alerts; duplicates are Alertmanager's repeats, a few are normal.",
            "Many duplicates: answers come too late and Alertmanager sends again.",
            "See the store's errors, and the disk.",
        ],
    };
    Panel::series(words("收到的通知", "Notifications accepted"), Unit::PerMinute, note).ask(
        "sum by (receiver, result) (rate(alert_relay_notifications_total[$__rate_interval])) * 60",
        "{{receiver}} {{result}}",
    )
}

fn ended() -> Panel {
    let note = Note {
        zh: [
            "delivered 为通道确认送达；superseded、suppressed 属正常。",
            "出现 dead：最终放弃。",
            "运行 alert-relay dead 查看原因。",
        ],
        en: [
            "Delivered: the channel proved it; superseded and suppressed are normal.",
            "Dead: given up.",
            "Run alert-relay dead for the reasons.",
        ],
    };
    Panel::series(words("结束的投递", "Deliveries ended"), Unit::PerMinute, note).ask(
        "sum by (target, end) (rate(alert_relay_deliveries_ended_total[$__rate_interval])) * 60",
        "{{target}} {{end}}",
    )
}

fn waiting() -> Panel {
    let note = Note {
        zh: [
            "接近 0。虚线（右轴）为最早一条已等待的条数。",
            "最早一条的等待高于虚线 5 分钟告警。",
            "看尝试结果的原因；机器人限流时会自行追上。",
        ],
        en: [
            "Near 0. Dashed (right axis): how many wait.",
            "The oldest waits longer than the dashed line for five minutes: an alert.",
            "See the reasons of the attempts; after a rate limit it catches up by itself.",
        ],
    };
    Panel::series(words("最早一条的等待", "Wait of the oldest delivery"), Unit::Seconds, note)
        .ask("max by (target) (alert_relay_oldest_pending_age_seconds)", "{{target}}")
        .query(
            ask("sum by (target) (alert_relay_deliveries_pending)", "{{target}} 条 waiting")
                .aside(Unit::Count),
        )
        .limit(Limit::warning("RelayQueueOld", "alert_relay_oldest_pending_age_seconds"))
}

fn attempts() -> Panel {
    let note = Note {
        zh: [
            "只有 delivered。",
            "retry：网络或限流，会重试；misconfigured：机器人地址或密钥不对；rejected：内容被拒。",
            "misconfigured：核对 relay.yml；rejected：看日志中的原因。",
        ],
        en: [
            "Delivered alone.",
            "Retry: network or rate limit, tried again. Misconfigured: the robot's address or secret. Rejected: its content.",
            "Misconfigured: check relay.yml. Rejected: read the reason in the log.",
        ],
    };
    Panel::series(words("尝试，按结果和原因", "Attempts, by verdict and reason"), Unit::PerMinute, note).ask(
        "sum by (target, outcome, reason) (rate(alert_relay_attempts_total[$__rate_interval])) * 60",
        "{{target}} {{outcome}} {{reason}}",
    )
}

fn latency() -> Panel {
    let note = Note {
        zh: [
            "几秒以内。空白表示这段时间没有投递。",
            "p95 超过一分钟：限流或通道慢。",
            "看尝试结果；把不重要的告警分到别的机器人。",
        ],
        en: [
            "A few seconds. Empty: nothing was delivered then.",
            "p95 above a minute: a rate limit, or a slow channel.",
            "See the attempts; send what matters less to another robot.",
        ],
    };
    let quantile = |q| {
        format!(
            "histogram_quantile({q}, sum by (le, target) (rate(alert_relay_delivery_latency_seconds_bucket[$__rate_interval])))"
        )
    };
    Panel::series(words("从收到到送达", "From webhook to delivered"), Unit::Seconds, note)
        .ask(&quantile("0.5"), "{{target}} p50")
        .ask(&quantile("0.95"), "{{target}} p95")
}

fn targets() -> Panel {
    let note = Note {
        zh: [
            "每个目标一条绿色。",
            "红色：发往该目标的消息受阻，5 分钟后告警。",
            "看尝试结果；用 send-test 试一次。",
        ],
        en: [
            "A line of green a target.",
            "Red: messages to it are held up; it alerts after five minutes.",
            "See the attempts; try send-test.",
        ],
    };
    Panel::states(words("通道状态", "Targets over time"), &TARGET, note)
        .size(8, 8)
        .ask("min by (target) (alert_relay_target_up)", "{{target}}")
}

fn held() -> Panel {
    let note = Note {
        zh: [
            "接近 0。",
            "限流等待很多：机器人的每分钟额度不够；后备投递：主通道不通。",
            "增加机器人或合并告警；修主通道。",
        ],
        en: [
            "Near 0.",
            "Many waits: the robot's budget a minute is too small. Fallback: the target itself is dead.",
            "Add a robot or group more; mend the target.",
        ],
    };
    Panel::series(words("限流等待与后备", "Budget waits and fallbacks"), Unit::PerMinute, note)
        .ask(
            "sum by (target) (rate(alert_relay_budget_waits_total[$__rate_interval])) * 60",
            "{{target}} 限流 budget",
        )
        .ask(
            "sum by (target) (rate(alert_relay_fallback_deliveries_total[$__rate_interval])) * 60",
            "{{target}} 后备 fallback",
        )
}

fn store() -> Panel {
    let note = Note {
        zh: [
            "0。",
            "任何一种：存储写不进去，转发器回答 503，Alertmanager 会重发。",
            "full：清磁盘；in_use：有两个进程；damaged：用备份。",
        ],
        en: [
            "0: every request is stored.",
            "Any: the relay cannot store and answers 503; Alertmanager sends again.",
            "Full: free the disk. In use: two processes. Damaged: take the backup.",
        ],
    };
    Panel::series(words("存储错误", "Store errors"), Unit::PerMinute, note)
        .ask("sum by (kind) (rate(alert_relay_store_errors_total[$__rate_interval])) * 60", "{{kind}}")
}
