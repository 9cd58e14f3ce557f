//! `heartbeats:`, signs of life whose absence is an alarm.

use std::time::Duration;

use super::Names;
use super::receiver::read_targets;
use super::section::Section;

/// One entry of `heartbeats:`.
#[derive(Clone, Debug)]
pub(crate) struct HeartbeatSettings {
    /// `expect_every`: silence longer than this alarms.
    pub(crate) expect_every: Duration,
    /// `targets`: who is told.
    pub(crate) targets: Vec<String>,
}

pub(super) fn read(mut section: Section<'_>, names: &Names<'_>) -> Option<HeartbeatSettings> {
    if !section.has("expect_every") {
        section.missing("expect_every", "a duration such as `2m`");
    }
    let expect_every = section.duration("expect_every");
    let targets = read_targets(&mut section, names);
    section.finish();
    Some(HeartbeatSettings { expect_every: expect_every?, targets })
}
