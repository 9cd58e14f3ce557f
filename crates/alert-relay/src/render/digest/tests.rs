//! Digests as the robots are sent them.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::channel::Part;
use crate::channel::testing::{DINGTALK_URL, WECOM_URL, dingtalk, open, wecom};
use crate::message::{Episodes, Wording, sample};
use crate::notification::{Fingerprint, LabelSet, Status};

fn alert(name: &str, severity: &str, place: &str, status: Status) -> Alert {
    let mut alert = sample::named("firing").expect("a sample").changes.new.remove(0);
    let labels = [("alertname", name), ("severity", severity), ("node", place)];
    alert.labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    alert.fingerprint = Fingerprint(format!("{name} {place}"));
    alert.status = status;
    alert
}

fn many(name: &str, severity: &str, places: std::ops::Range<usize>, status: Status) -> Vec<Alert> {
    places.map(|number| alert(name, severity, &format!("n{number:03}"), status)).collect()
}

fn digest_of(changes: Changes, groups: usize) -> Message {
    let message = sample::message(changes);
    let since = message.now.checked_sub(SignedDuration::from_mins(12)).expect("a time");
    Message { group_labels: LabelSet::new(), digest: Some(Digest { groups, since }), ..message }
}

fn storm() -> Message {
    let mut new = many("NodeLost", "warning", 0..312, Status::Firing);
    new.extend(many("PowerFeedLost", "critical", 0..4, Status::Firing));
    new.push(alert("Flapping", "info", "switch-1", Status::Firing));
    let mut twice = many("GpuXid", "warning", 7..8, Status::Firing);
    twice[0].fingerprint = Fingerprint("another GPU".to_owned());
    new.extend(many("GpuXid", "warning", 7..9, Status::Firing).into_iter().chain(twice));
    let resolved = many("GpuHot", "warning", 0..2, Status::Resolved);
    let vanished = many("Silenced", "warning", 5..6, Status::Firing);
    let still = many("DiskFull", "critical", 9..10, Status::Firing);
    let mut changes = Changes { new, still, resolved, vanished, ..Changes::default() };
    let since = sample::named("firing").expect("a sample").now;
    changes.flapped.insert(Fingerprint("Flapping switch-1".to_owned()), Episodes { count: 8, since });
    digest_of(changes, 300)
}

fn texts(section: &str, language: &str, message: &Message, wording: Wording) -> Vec<String> {
    let channel = open(&format!("{section}, language: {language}"));
    channel.render(message, wording).iter().map(Part::preview).collect()
}

#[test]
fn a_storm_is_one_message_that_names_every_change() {
    for (name, section) in [("dingtalk", dingtalk(DINGTALK_URL)), ("wecom", wecom(WECOM_URL))] {
        for language in ["zh-CN", "en"] {
            let texts = texts(&section, language, &storm(), Wording::Normal);
            assert_eq!(texts.len(), 1, "{texts:?}");
            insta::assert_snapshot!(format!("{name}-{language}"), texts[0]);
        }
    }
}

#[test]
fn every_wording_is_one_part() {
    for section in [dingtalk(DINGTALK_URL), wecom(WECOM_URL)] {
        for wording in [Wording::Normal, Wording::Smaller, Wording::Plain] {
            let texts = texts(&section, "en", &storm(), wording);
            assert_eq!(texts.len(), 1, "{wording:?}: {texts:?}");
            for alert in ["PowerFeedLost", "NodeLost", "GpuXid", "GpuHot", "Silenced", "DiskFull", "n003"] {
                assert!(texts[0].contains(alert), "{wording:?}: no {alert} in {}", texts[0]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However many alerts, names and places: what is listed and what is counted is all there is.
    #[test]
    fn nothing_is_left_out_without_a_number(names in 1..400_usize, places in 1..60_usize, is_wecom in any::<bool>()) {
        let new: Vec<Alert> = (0..names)
            .flat_map(|name| many(&format!("Alert{name:03}Of"), "warning", 0..places, Status::Firing))
            .collect();
        let total = new.len();
        let message = digest_of(Changes { new, ..Changes::default() }, names);
        let section = if is_wecom { wecom(WECOM_URL) } else { dingtalk(DINGTALK_URL) };
        let texts = texts(&section, "en", &message, Wording::Normal);
        prop_assert_eq!(texts.len(), 1);
        let (mut counted, mut listed) = (0, 0);
        for line in texts[0].lines().map(str::trim) {
            let line = line.replace('\\', "");
            if let Some(more) = line.split("…and ").nth(1).and_then(|rest| rest.split_once(" more alerts of ")) {
                counted += more.0.parse::<usize>().expect("a number");
            } else if let Some((_, rest)) = line.split_once("(warning) ") {
                counted += rest.split_once(" firing").expect("a line of a digest").0.parse::<usize>().expect("a number");
                let places = rest.split_once(": ").map_or("", |(_, places)| places);
                let more = places.split("…and ").nth(1).map_or(0, |more| more.trim_end_matches(" more").parse().expect("a number"));
                listed += places.split(", ").filter(|place| place.starts_with('n')).count() + more;
            }
        }
        prop_assert_eq!(counted, total, "{}", &texts[0]);
        prop_assert!(listed <= total);
    }
}
