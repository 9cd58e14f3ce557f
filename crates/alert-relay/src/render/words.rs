//! The few words that are not in a template: durations, times, counters, what was left out.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::message::{Changes, Language, Message};
use crate::render::change::Change;
use crate::severity::Severity;

/// A span in its two largest units: `5 分钟`, `3h 12m`. A negative one (two clocks) counts as none.
pub(crate) fn duration(span: SignedDuration, language: Language) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let [day, hour, minute, second] = match language {
        Language::ZhCn => [" 天", " 小时", " 分钟", " 秒"],
        Language::En => ["d", "h", "m", "s"],
    };
    let pair = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}{second}"),
        (0, 0, _) => format!("{minutes}{minute}"),
        (0, _, _) => pair(hours, hour, minutes, minute),
        _ => pair(days, day, hours, hour),
    }
}

/// A moment as short as it is clear: the time on the day of `now`, with the date otherwise.
pub(crate) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = if at.date() == now.date() {
        "%H:%M:%S"
    } else if at.year() == now.year() {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.strftime(form).to_string()
}

/// A severity in the reader's language: the customary words in any case; levels as `P1` with what they stand for; others as they are.
pub(crate) fn severity(word: &str, language: Language) -> String {
    if language == Language::En {
        return word.to_owned();
    }
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "critical" | "emergency" | "fatal" | "disaster" | "page" => "严重".to_owned(),
        "error" => "错误".to_owned(),
        "warning" | "warn" => "警告".to_owned(),
        "major" | "high" => "重要".to_owned(),
        "minor" | "low" => "次要".to_owned(),
        "info" | "information" | "notice" => "提示".to_owned(),
        "none" => "无".to_owned(),
        "p0" => format!("{word} 严重"),
        "p1" => format!("{word} 警告"),
        _ => word.to_owned(),
    }
}

/// What a text ends with when alerts did not fit.
pub(crate) fn left_out(count: usize, language: Language) -> String {
    match language {
        Language::ZhCn => format!("…另有 {count} 条未列出"),
        Language::En => format!("…and {count} more"),
    }
}

/// An alert without a name.
pub(crate) fn nameless(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "无名告警",
        Language::En => "(no alertname)",
    }
}

/// What stands before a list, and between its members.
pub(crate) fn list_marks(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::ZhCn => ("：", "、"),
        Language::En => (": ", ", "),
    }
}

/// What one line of a digest says before it lists where: `NodeLost (critical) 4 firing since 02:10:00`.
pub(crate) fn digest_line(
    change: Change,
    name: &str,
    severity: &str,
    count: usize,
    since: Option<String>,
    language: Language,
) -> String {
    let is_over = matches!(change, Change::Resolved | Change::Vanished);
    let severity = if is_over { "" } else { severity };
    let since = since.filter(|_| !is_over);
    let says = match (change, language) {
        (Change::New, Language::ZhCn) => "条新告警",
        (Change::Still, Language::ZhCn) => "条仍在告警",
        (Change::Resolved, Language::ZhCn) => "条已恢复",
        (Change::Vanished, Language::ZhCn) => "条不再上报",
        (Change::New, Language::En) => "firing",
        (Change::Still, Language::En) => "still firing",
        (Change::Resolved, Language::En) => "resolved",
        (Change::Vanished, Language::En) => "no longer reported",
    };
    match language {
        Language::ZhCn => {
            let severity = if severity.is_empty() { String::new() } else { format!("（{severity}）") };
            let since = since.map_or(String::new(), |since| format!("，{since} 起"));
            format!("{name}{severity} {count} {says}{since}")
        }
        Language::En => {
            let severity = if severity.is_empty() { String::new() } else { format!(" ({severity})") };
            let since = since.map_or(String::new(), |since| format!(" since {since}"));
            format!("{name}{severity} {count} {says}{since}")
        }
    }
}

/// The title of a digest: its counts of alerts that are new, known, over and gone; how many of the first two are critical.
pub(crate) fn digest_title(
    [new, still, resolved, vanished]: [usize; 4],
    critical: usize,
    groups: usize,
    language: Language,
) -> String {
    let names = match language {
        Language::ZhCn => ["告警", "仍在告警", "恢复", "消失", "严重"],
        Language::En => ["firing", "still firing", "resolved", "vanished", "critical"],
    };
    let counts = [critical, new, still, resolved, vanished];
    let names = [names[4], names[0], names[1], names[2], names[3]];
    let said: Vec<String> = counts
        .into_iter()
        .zip(names)
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| match language {
            Language::ZhCn => format!("{name} {count}"),
            Language::En => format!("{count} {name}"),
        })
        .collect();
    match language {
        Language::ZhCn => format!("【{}】汇总 {groups} 个告警组", said.join(" · ")),
        Language::En => format!("{}: digest of {groups} groups", said.join(" · ")),
    }
}

/// Why many groups are told in one message.
pub(crate) fn digest_reason(alerts: usize, groups: usize, since: &str, language: Language) -> String {
    match language {
        Language::ZhCn => {
            format!(
                "待发消息多于这个渠道两分钟内能发的，合并为一条：{since} 起 {groups} 个告警组的全部 {alerts} 条变化"
            )
        }
        Language::En => format!(
            "More waits than this channel may be sent in two minutes, so this is one message: all {alerts} changes of {groups} groups since {since}"
        ),
    }
}

/// That Alertmanager left alerts out.
pub(crate) fn truncated(alerts: u64, language: Language) -> String {
    match language {
        Language::ZhCn => format!("；Alertmanager 另有 {alerts} 条告警未随消息给出"),
        Language::En => format!("; Alertmanager left out {alerts} more"),
    }
}

/// The label of a link to everything.
pub(crate) fn see_all(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "查看全部",
        Language::En => "see all",
    }
}

/// The banner over the built-in text when the target's own template failed on this message.
pub(crate) fn template_failed(file: &str, error: &str, language: Language) -> String {
    match language {
        Language::ZhCn => format!("模板 {file} 渲染失败，以下为内置文本：{error}"),
        Language::En => format!("template {file} failed, this is the built-in text: {error}"),
    }
}

/// What is left to say where a channel refuses the text however it is put: how many alerts, how bad, where to look. Nothing of a
/// label or an annotation is in it: one of those is what is refused.
pub(crate) fn bare(message: &Message, language: Language) -> String {
    let Changes { new, still, resolved, vanished, .. } = &message.changes;
    let firing = new.iter().chain(still);
    let critical =
        firing.clone().filter(|alert| Severity::of(alert.label("severity")) == Severity::Critical).count();
    let counts = [
        (critical, ["条严重告警", "critical alert", "critical alerts"]),
        (firing.count() - critical, ["条其他告警", "other alert", "other alerts"]),
        (resolved.len(), ["条告警已恢复", "alert resolved", "alerts resolved"]),
        (vanished.len(), ["条告警不再上报", "alert no longer reported", "alerts no longer reported"]),
    ];
    let counted = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, [zh, one, many])| {
        match (language, count) {
            (Language::ZhCn, _) => format!("{count} {zh}"),
            (Language::En, 1) => format!("{count} {one}"),
            (Language::En, _) => format!("{count} {many}"),
        }
    });
    let mut said: Vec<String> = message.banner.iter().cloned().chain(counted).collect();
    let id = &message.delivery;
    said.push(match language {
        Language::ZhCn => format!("正文被渠道拒收（投递 {id}）"),
        Language::En => format!("the text was refused by this channel (delivery {id})"),
    });
    let links = [&message.links.relay, &message.links.alertmanager];
    said.extend(links.into_iter().find(|link| !link.is_empty()).cloned());
    said.join(match language {
        Language::ZhCn => "；",
        Language::En => "; ",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::sample;

    #[test]
    fn a_bare_line_counts_and_says_where_to_look_in_nobodys_words() {
        let check = |name: &str, zh: &str, en: &str| {
            let message = sample::named(name).expect("a sample of this name");
            assert_eq!(bare(&message, Language::ZhCn), zh);
            assert_eq!(bare(&message, Language::En), en);
        };
        check(
            "mixed",
            "2 条严重告警；1 条其他告警；1 条告警已恢复；正文被渠道拒收（投递 sample-1）；http://relay.example:8060",
            "2 critical alerts; 1 other alert; 1 alert resolved; the text was refused by this channel (delivery sample-1); \
             http://relay.example:8060",
        );
        check(
            "vanished",
            "1 条告警不再上报；正文被渠道拒收（投递 sample-1）；http://relay.example:8060",
            "1 alert no longer reported; the text was refused by this channel (delivery sample-1); http://relay.example:8060",
        );
        let hostile = bare(&sample::named("hostile").expect("a sample"), Language::En);
        assert!(hostile.is_ascii() && !hostile.contains(['<', '[', '*', '\n']), "{hostile}");
    }

    #[test]
    fn customary_severities_are_translated_in_any_case() {
        let check = |word: &str, expected: &str| {
            assert_eq!(severity(word, Language::ZhCn), expected);
            assert_eq!(severity(word, Language::En), word);
        };
        check("critical", "严重");
        check("Critical", "严重");
        check("WARN", "警告");
        check("P0", "P0 严重");
        check("p1", "p1 警告");
        check("sev-3", "sev-3");
        check("", "");
    }

    #[test]
    fn durations_name_two_units_at_most() {
        let check = |seconds, zh, en| {
            let span = SignedDuration::from_secs(seconds);
            assert_eq!(duration(span, Language::ZhCn), zh);
            assert_eq!(duration(span, Language::En), en);
        };
        check(-5, "0 秒", "0s");
        check(59, "59 秒", "59s");
        check(60, "1 分钟", "1m");
        check(330, "5 分钟", "5m");
        check(3_600, "1 小时", "1h");
        check(11_559, "3 小时 12 分钟", "3h 12m");
        check(86_400, "1 天", "1d");
        check(86_400 * 2 + 3_600 * 3, "2 天 3 小时", "2d 3h");
    }

    #[test]
    fn moments_carry_a_date_only_when_needed() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled zone");
        let now: Timestamp = "2026-11-23T06:08:22Z".parse().expect("constant");
        let check = |at: &str, expected: &str| {
            assert_eq!(moment(at.parse().expect("constant"), now, &zone), expected);
        };
        check("2026-11-23T06:03:22.456Z", "14:03:22");
        check("2026-11-22T16:00:00Z", "00:00:00");
        check("2026-11-22T15:59:00Z", "11-22 23:59");
        check("2025-12-31T15:59:00Z", "2025-12-31 23:59");
    }
}
