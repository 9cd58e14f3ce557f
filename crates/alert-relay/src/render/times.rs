//! When an alert began and ended, how long it lasted, and how often it came, in words (pure).

use jiff::Timestamp;

use crate::message::{Language, Message};
use crate::notification::{Alert, Status};
use crate::render::words;

/// When it began.
pub(super) fn since(alert: &Alert, message: &Message, language: Language) -> String {
    alert.known_start().map_or_else(|| unknown(language).to_owned(), |start| moment(start, message))
}

/// When it ended; empty while it fires.
pub(super) fn until(alert: &Alert, message: &Message, language: Language) -> String {
    match (alert.ends_at, alert.status) {
        (Some(end), _) => moment(end, message),
        (None, Status::Resolved) => unknown(language).to_owned(),
        (None, Status::Firing) => String::new(),
    }
}

/// From its beginning to its end, or to now while it fires.
pub(super) fn lasted(alert: &Alert, message: &Message, language: Language) -> String {
    let end = alert.ends_at.or((alert.status == Status::Firing).then_some(message.now));
    match (alert.known_start(), end) {
        (Some(start), Some(end)) => words::duration(end.duration_since(start), language),
        _ => unknown(language).to_owned(),
    }
}

/// How long the oldest of these has lasted.
pub(super) fn longest<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
    message: &Message,
    language: Language,
) -> String {
    match alerts.filter_map(Alert::known_start).min() {
        Some(start) => words::duration(message.now.duration_since(start), language),
        None => unknown(language).to_owned(),
    }
}

/// That it began to fire several times since the chat last heard of it; empty if it did not.
pub(super) fn flapped(alert: &Alert, message: &Message, language: Language) -> String {
    let Some(episodes) = message.changes.flapped.get(&alert.fingerprint) else { return String::new() };
    let (count, since) = (episodes.count, moment(episodes.since, message));
    match language {
        Language::ZhCn => format!("{since} 起共触发 {count} 次"),
        Language::En => format!("fired {count} times since {since}"),
    }
}

fn moment(at: Timestamp, message: &Message) -> String {
    words::moment(at, message.now, &message.time_zone)
}

fn unknown(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "未知",
        Language::En => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake;
    use crate::message::{Changes, Episodes, sample};

    fn told(body: &str) -> (Alert, Message) {
        let alert = intake::parse(body.as_bytes()).unwrap().alerts.remove(0);
        let message = sample::message(Changes { new: vec![alert.clone()], ..Changes::default() });
        (alert, message)
    }

    /// Since, until, lasted.
    fn check(body: &str, expected: [&str; 3]) {
        let (alert, message) = told(body);
        let said = [since, until, lasted].map(|say| say(&alert, &message, Language::En));
        assert_eq!(said, expected);
    }

    #[test]
    fn what_a_sender_does_not_know_is_not_made_up() {
        let zero_start = include_str!("testdata/zero_start.json");
        check(zero_start, ["unknown", "", "unknown"]);
        check(
            &zero_start.replace("0001-01-01T00:00:00Z\", \"endsAt", "1970-01-01T00:00:00Z\", \"endsAt"),
            ["unknown", "", "unknown"],
        );
        let (alert, message) = told(zero_start);
        assert_eq!(longest([alert].iter(), &message, Language::ZhCn), "未知");
        let (_, until, lasted) = {
            let (alert, message) = told(include_str!("testdata/resolved_zero_end.json"));
            let say = |say: fn(&Alert, &Message, Language) -> String| say(&alert, &message, Language::En);
            (say(since), say(until), say(lasted))
        };
        assert_eq!((until.as_str(), lasted.as_str()), ("unknown", "unknown"));
    }

    #[test]
    fn what_begins_in_the_future_has_not_lasted() {
        let (alert, message) = told(include_str!("testdata/future.json"));
        assert_eq!(lasted(&alert, &message, Language::En), "0s");
    }

    #[test]
    fn what_came_and_went_is_counted() {
        let (alert, mut message) = told(include_str!("testdata/zero_start.json"));
        assert_eq!(flapped(&alert, &message, Language::En), "");
        let episodes = Episodes { count: 8, since: message.now };
        message.changes.flapped.insert(alert.fingerprint.clone(), episodes);
        assert_eq!(flapped(&alert, &message, Language::En), "fired 8 times since 14:08:22");
        assert_eq!(flapped(&alert, &message, Language::ZhCn), "14:08:22 起共触发 8 次");
    }
}
