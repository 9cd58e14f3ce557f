//! What a webhook is searched by: the names, labels and annotations of its alerts in one short text (pure).

use std::collections::HashSet;

use crate::notification::{Alert, Notification};

/// Bytes of it. The webhook of a usual group fits; of a larger one the first that fits is found.
pub(super) const MOST_BYTES: usize = 4 * 1024;

/// A line for each name of an alert, each label (`instance=gpu-7`) and each annotation's text, in small letters and each once: first the
/// names of all alerts, then what each alert has more.
pub(super) fn of(notification: &Notification) -> String {
    let mut text = Text::default();
    for alert in &notification.alerts {
        text.add("", alert.label("alertname"));
    }
    let mut before = None;
    for alert in &notification.alerts {
        if !text.add_all_of(alert, before) {
            break;
        }
        before = Some(alert);
    }
    text.lines
}

/// What somebody looks for, as it stands in such a text.
pub(super) fn wanted(text: &str) -> String {
    text.to_lowercase()
}

#[derive(Default)]
struct Text<'n> {
    lines: String,
    /// Names and values that stand in it, as they came: most labels of a group's alerts are the same.
    added: HashSet<(&'n str, &'n str)>,
    /// Its lines.
    known: HashSet<Box<str>>,
}

impl<'n> Text<'n> {
    /// Whether there may be space for more. What stands at the same place in the alert before it is not even looked up.
    fn add_all_of(&mut self, alert: &'n Alert, before: Option<&Alert>) -> bool {
        let mut labels_before = before.into_iter().flat_map(|alert| &alert.labels);
        let mut annotations_before = before.into_iter().flat_map(|alert| &alert.annotations);
        let mut labels = alert.labels.iter();
        let mut annotations = alert.annotations.iter();
        labels.all(|(name, value)| {
            labels_before.next() == Some((name, value)) || name == "alertname" || self.add(name, value)
        }) && annotations
            .all(|(name, value)| annotations_before.next() == Some((name, value)) || self.add("", value))
    }

    fn add(&mut self, name: &'n str, value: &'n str) -> bool {
        let left = MOST_BYTES.saturating_sub(self.lines.len());
        if left < SHORTEST {
            return false;
        }
        // Of a value of megabytes no more is read than could be kept.
        let value = &value[..value.floor_char_boundary(left)];
        let name = &name[..name.floor_char_boundary(left)];
        if !self.added.insert((name, value)) {
            return true;
        }
        let start = self.lines.len();
        if !name.is_empty() {
            push_in_small_letters(&mut self.lines, name);
            self.lines.push('=');
        }
        push_in_small_letters(&mut self.lines, value);
        let line = &self.lines[start..];
        if line.is_empty() || self.known.contains(line) {
            self.lines.truncate(start);
            return true;
        }
        self.known.insert(line.into());
        self.lines.truncate(start + line.floor_char_boundary(left));
        self.lines.push('\n');
        true
    }
}

/// As [`str::to_lowercase`], which makes a text of its own.
fn push_in_small_letters(text: &mut String, more: &str) {
    if more.is_ascii() {
        let start = text.len();
        text.push_str(more);
        text[start..].make_ascii_lowercase();
    } else {
        text.push_str(&more.to_lowercase());
    }
}

/// With less space than this nothing more is added.
const SHORTEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::LabelSet;
    use crate::outbox::testing::{firing, notification};

    #[test]
    fn everything_that_people_look_for_stands_in_it_once() {
        let mut one = firing("GpuHot", 10);
        one.labels.extend([("instance".to_owned(), "GPU-7".to_owned())]);
        one.annotations = LabelSet::from([("summary".to_owned(), "90 Grad, heiß\nund laut".to_owned())]);
        let mut other = firing("DiskFull", 10);
        other
            .labels
            .extend([("instance".to_owned(), "gpu-7".to_owned()), ("team".to_owned(), "平台".to_owned())]);
        let text = of(&notification("group", vec![one, other]));
        assert_eq!(text, "gpuhot\ndiskfull\ninstance=gpu-7\n90 grad, heiß\nund laut\nteam=平台\n");
        assert!(text.contains(&wanted("Instance=GPU")) && text.contains(&wanted("平台")));
        assert_eq!(of(&notification("group", vec![])), "");
    }

    #[test]
    fn of_any_webhook_it_is_short_and_has_the_names_first() {
        let mut alerts: Vec<_> = (0..3_000).map(|number| firing(&number.to_string(), 10)).collect();
        alerts[0].annotations = LabelSet::from([("summary".to_owned(), "é".repeat(1_000_000))]);
        let text = of(&notification("group", alerts.clone()));
        assert!(text.len() <= MOST_BYTES + 1 && text.starts_with("0\n1\n2\n"), "{}", text.len());
        alerts.truncate(2);
        let text = of(&notification("group", alerts));
        assert!(text.len() <= MOST_BYTES + 1 && text.starts_with("0\n1\néé"), "{}", text.len());
    }
}
