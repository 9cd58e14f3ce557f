//! `heartbeats:`, signs of life whose absence is an alarm.

use std::time::Duration;

use settings_document::Section;

use crate::settings::names::Names;

/// One entry of `heartbeats:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeartbeatSettings {
    /// `expect_every`: silence longer than this alarms.
    pub(crate) expect_every: Duration,
    /// `targets`: who is sent the alarm; empty is nobody, for a relay that has no channel yet.
    pub(crate) targets: Vec<String>,
}

/// Any shorter one would be missed at each start.
const LEAST_SPAN: Duration = Duration::from_secs(1);

pub(super) fn read(mut section: Section<'_>, names: &Names<'_>) -> Option<HeartbeatSettings> {
    if !section.has("expect_every") {
        section.missing("expect_every", "a duration such as `2m`");
    }
    let expect_every = section.duration("expect_every");
    if expect_every.is_some_and(|span| span < LEAST_SPAN) {
        section.problem("expect_every", "less than a second: no sender beats so often");
    }
    if !section.has("targets") {
        section.missing("targets", "a list of targets; `[]` is nobody");
    }
    let targets = section
        .texts("targets")
        .into_iter()
        .filter_map(|item| item.one_of("target", &names.targets))
        .collect();
    section.finish();
    Some(HeartbeatSettings { expect_every: expect_every?, targets })
}
