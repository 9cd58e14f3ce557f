//! When each file system is full at its present pace, by the sizes that scrapes asked for.

use std::collections::HashMap;
use std::time::Instant;

use time_to_full::{Level, TimeToFull};

use super::mounts::Mount;
use super::sizes::{Answer, Size};
use crate::family::{Family, Labels};

/// The file systems that can be written and told their size.
pub(super) struct Filling {
    began: Instant,
    /// By device, mount point and type.
    series: HashMap<Key, TimeToFull>,
}

type Key = (String, String, String);

impl Filling {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, series: HashMap::new() }
    }

    /// Takes in what mounts answered at `now`; those that are no longer there, or cannot be written, are forgotten.
    pub(super) fn add(&mut self, mounts: &[Mount], answers: &[Answer], now: Instant) -> Family {
        let at = now.saturating_duration_since(self.began).as_secs_f64();
        let mut before = std::mem::take(&mut self.series);
        let mut family = Family::gauge(
            "node_filesystem_time_to_full_seconds",
            "Time until others than root have no free space left at the present pace; absent while the use does not rise steadily.",
        );
        for (mount, answer) in mounts.iter().zip(answers).filter(|(mount, _)| !mount.read_only) {
            let key = (mount.device.clone(), mount.point.clone(), mount.fs_type.clone());
            let mut series = before.remove(&key).unwrap_or_default();
            if let Some(level) = answer.as_ref().ok().and_then(level) {
                series.add(at, level);
            }
            if let Some(seconds) = series.seconds(at) {
                let labels = [
                    ("device", mount.device.as_str()),
                    ("mountpoint", &mount.point),
                    ("fstype", &mount.fs_type),
                ];
                family.push(Labels::new(labels), seconds);
            }
            self.series.insert(key, series);
        }
        family
    }
}

fn level(size: &Size) -> Option<Level> {
    let room = size.available as f64 / size.total as f64;
    (size.total > 0 && size.available <= size.total).then_some(Level { used: 1.0 - room, room })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::mount;
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn what_is_written_to_is_full_in_time_and_what_is_read_only_or_flat_never() {
        let start = Instant::now();
        let mut filling = Filling::new(start);
        let mounts = [mount("/", false), mount("/data", false), mount("/image", true), mount("/nfs", false)];
        let size = |available| Size { total: 1_000_000, free: available, available, files: 0, files_free: 0 };
        let mut shown = Vec::new();
        // Scraped every 15 seconds; from the first hour on, a hundredth goes each minute.
        for number in 0..280 {
            let second = 15 * number;
            let left = size(600_000 - 10_000 * (u64::saturating_sub(second, 3600) / 60));
            let answers = [Ok(size(600_000)), Ok(left), Ok(left), Err("mountpoint timeout".to_owned())];
            shown = values(&[filling.add(&mounts, &answers, start + Duration::from_secs(second))]);
            if second <= 3600 {
                assert_eq!(shown, [] as [&str; 0]);
            }
        }
        let [line] = &shown[..] else { panic!("{shown:?}") };
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(
            series,
            r#"node_filesystem_time_to_full_seconds{device="/dev/sda1",mountpoint="/data",fstype="ext4"}"#
        );
        let minutes = value.parse::<f64>().unwrap() / 60.0;
        assert!((minutes - 51.0).abs() < 2.0, "{minutes} min left of 60 after 9.75");
        filling.add(&mounts[..1], &[Ok(size(1))], start);
        assert_eq!(filling.series.len(), 1);
    }

    #[test]
    fn a_size_that_cannot_be_is_no_level() {
        let size = |total, available| Size { total, free: 0, available, files: 0, files_free: 0 };
        assert_eq!(level(&size(0, 0)), None);
        assert_eq!(level(&size(10, 11)), None);
        assert_eq!(level(&size(8, 2)), Some(Level { used: 0.75, room: 0.25 }));
    }
}
