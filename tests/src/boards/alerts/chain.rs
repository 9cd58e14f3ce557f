//! Scraping, rules and Alertmanager.

use crate::boards::colour::{Colour, Meaning, meaning};
use crate::boards::limit::Limit;
use crate::boards::meanings::NODE;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::table::{Rows, Table};
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

/// `up`.
const SCRAPED: [Meaning; 2] =
    [meaning(0, words("采集不到", "down"), Colour::Bad), meaning(1, words("正常", "up"), Colour::Good)];

pub(super) fn panels() -> Vec<Panel> {
    vec![targets(), scrapes(), rules(), handed_over(), sent(), held(), series()]
}

fn targets() -> Panel {
    let note = Note {
        zh: [
            "全部正常，耗时远小于采集间隔。",
            "采集不到；或耗时接近采集超时。",
            "登录该机器看服务是否在运行、端口是否可达。",
        ],
        en: [
            "All up, in far less than the scrape interval.",
            "Down; or close to the scrape's time-out.",
            "Log in: does it run, is its port reachable?",
        ],
    };
    let up = words("状态", "State");
    let table = Table::new(Rows::Labels)
        .meanings(up, "max by (job, instance, node) (up)", &SCRAPED)
        .label("job", words("任务", "Job"))
        .label("instance", words("地址", "Address"))
        .label("node", NODE)
        .value(
            words("耗时", "Duration"),
            Unit::Seconds,
            "max by (job, instance, node) (scrape_duration_seconds)",
        )
        .value(
            words("样本数", "Samples"),
            Unit::Short,
            "max by (job, instance, node) (scrape_samples_scraped)",
        )
        .smallest_first(up);
    Panel::table(words("采集目标", "Targets"), table, note).size(12, 8)
}

fn scrapes() -> Panel {
    let note = Note {
        zh: [
            "0.1 秒以内。",
            "某个采集项变慢：filesystem 常因 NFS，gpu 常因驱动卡住。",
            "在该机器上看挂载和 nvidia-smi。",
        ],
        en: [
            "Under 0.1 s.",
            "A collector slows down: filesystem is often NFS, gpu often a driver that hangs.",
            "Look at mounts and nvidia-smi there.",
        ],
    };
    Panel::series(words("最慢的采集项", "Slowest collectors"), Unit::Seconds, note)
        .size(12, 8)
        .ask("topk by (node) (3, node_scrape_collector_duration_seconds)", "{{node}} {{collector}}")
        .query(
            ask("count by (node) (node_scrape_collector_success) - sum by (node) (node_scrape_collector_success)", "{{node}} 失败 failing")
                .aside(Unit::Count),
        )
}

fn rules() -> Panel {
    let note = Note {
        zh: [
            "远小于 100%；失败（右轴虚线）为 0。",
            "接近 100%：规则算不完，告警会迟到；失败：规则出错。",
            "在 Prometheus 的规则页看是哪一组。",
        ],
        en: [
            "Far below 100 %; failures (dashed, right axis) at 0.",
            "Near 100 %: rules take too long, alerts come late. Failures: a rule is in error.",
            "Prometheus' page of rules says which group.",
        ],
    };
    Panel::series(words("规则耗时占间隔", "Rule evaluation of its interval"), Unit::Ratio, note)
        .size(6, 8)
        .ask(
            "max(prometheus_rule_group_last_duration_seconds / prometheus_rule_group_interval_seconds)",
            "最慢一组 slowest group",
        )
        .query(
            ask(
                "sum(rate(prometheus_rule_evaluation_failures_total[$__rate_interval])) * 60",
                "失败 failures",
            )
            .aside(Unit::PerMinute),
        )
}

fn handed_over() -> Panel {
    let note = Note {
        zh: [
            "错误占比接近 0。",
            "高于虚线 15 分钟告警：告警没有交到 Alertmanager。",
            "看 Alertmanager 是否在运行、地址是否正确。",
        ],
        en: [
            "Errors near 0.",
            "Above the dashed line for 15 minutes alerts: alerts do not reach Alertmanager.",
            "Does Alertmanager run, and is its address right?",
        ],
    };
    Panel::series(words("交给 Alertmanager 的错误占比", "Errors on the way to Alertmanager"), Unit::Ratio, note)
        .size(6, 8)
        .ask(
            "sum(rate(prometheus_notifications_errors_total[$__rate_interval])) / sum(rate(prometheus_notifications_sent_total[$__rate_interval]))",
            "错误 errors",
        )
        .limit(Limit::warning("PrometheusAlertsDropped", "prometheus_notifications_errors_total"))
}

fn sent() -> Panel {
    let note = Note {
        zh: [
            "失败为 0。",
            "有失败：转发器回答 5xx（会重发）或 4xx（不再发）。",
            "看转发器的日志和存储错误。",
        ],
        en: [
            "No failures.",
            "Failures: the relay answered 5xx (sent again) or 4xx (dropped).",
            "Read the relay's log and its store's errors.",
        ],
    };
    Panel::series(words("Alertmanager 发出与失败", "Alertmanager sent and failed"), Unit::PerMinute, note)
        .size(6, 8)
        .ask("sum by (integration) (rate(alertmanager_notifications_total[$__rate_interval])) * 60 > 0 or sum(rate(alertmanager_notifications_total[$__rate_interval])) * 60", "{{integration}} 发出 sent")
        .ask("sum(rate(alertmanager_notifications_failed_total[$__rate_interval])) * 60", "失败 failed")
}

fn held() -> Panel {
    let note = Note {
        zh: [
            "静默数与计划的维护一致。",
            "长期不变的静默：有人忘了删除，告警被吞掉。",
            "在 Alertmanager 页面删除过期的静默。",
        ],
        en: [
            "Silences are those of planned work.",
            "One that stays for days: forgotten, and alerts are lost in it.",
            "Delete it on Alertmanager's page.",
        ],
    };
    Panel::series(words("Alertmanager 的告警与静默", "Alertmanager's alerts and silences"), Unit::Count, note)
        .size(6, 8)
        .ask("sum by (state) (alertmanager_alerts)", "告警 alerts {{state}}")
        .ask("sum by (state) (alertmanager_silences)", "静默 silences {{state}}")
}

fn series() -> Panel {
    let note = Note {
        zh: [
            "平稳；磁盘占用随保留时间到顶后不再增长。",
            "序列数突然翻倍：某个目标的标签失控。",
            "看采集目标的样本数，找出是哪一个。",
        ],
        en: [
            "Steady; the disk stops growing once retention is reached.",
            "Series double: some target's labels have run away.",
            "See the targets' samples for which.",
        ],
    };
    Panel::series(words("Prometheus 的序列与磁盘", "Prometheus' series and disk"), Unit::Short, note)
        .size(6, 8)
        .ask("prometheus_tsdb_head_series", "序列 series")
        .query(ask("prometheus_tsdb_storage_blocks_bytes", "磁盘 blocks").aside(Unit::Bytes))
}
