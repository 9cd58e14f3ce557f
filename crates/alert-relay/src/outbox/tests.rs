//! The store as its users see it, on a real file.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::notification::{GroupKey, LabelSet, Status};

pub(crate) fn alert(fingerprint: &str, start: i64) -> Alert {
    Alert {
        status: Status::Firing,
        labels: LabelSet::from([("alertname".to_owned(), fingerprint.to_owned())]),
        annotations: LabelSet::new(),
        starts_at: Timestamp::from_second(start).unwrap(),
        ends_at: None,
        generator_url: String::new(),
        fingerprint: Fingerprint(fingerprint.to_owned()),
    }
}

pub(crate) fn firing(fingerprint: &str, start: i64) -> Alert {
    alert(fingerprint, start)
}

pub(crate) fn resolved(fingerprint: &str, start: i64) -> Alert {
    let ends_at = Some(Timestamp::from_second(start + 60).unwrap());
    Alert { status: Status::Resolved, ends_at, ..alert(fingerprint, start) }
}

pub(crate) fn notification(group: &str, alerts: Vec<Alert>) -> Notification {
    Notification {
        receiver: "ops".to_owned(),
        group_key: GroupKey(group.to_owned()),
        group_labels: BTreeMap::new(),
        common_labels: BTreeMap::new(),
        common_annotations: BTreeMap::new(),
        external_url: "http://am:9093".to_owned(),
        truncated_alerts: 0,
        is_declared_repeat: false,
        alerts,
    }
}
