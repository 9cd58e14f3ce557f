//! The clock: the time, the zone's offset and the kernel's clock sources.
//!
//! Owns what the wall clock says. The zone is this process's own, as in `node_exporter`: `TZ`, else `/etc/localtime`, which
//! is looked at again after some minutes. Leaves out how well the clock is disciplined by NTP.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile, read_whole};
use crate::host::root::Root;
use crate::host::sysfs::numbered;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "time",
    help: "the clock, its zone and the kernel's clock sources",
    reads: "the clock, /sys/devices/system/clocksource",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(TimeCollector::new(root)),
};

struct TimeCollector {
    zone: Zone,
    directory: PathBuf,
    /// Found at the first reading; a machine gets no others while it runs.
    sources: Option<Vec<ClockSource>>,
    buffer: Buffer,
}

impl TimeCollector {
    fn new(root: &Root) -> Self {
        let directory = root.sys.join("devices/system/clocksource");
        Self { zone: Zone::default(), directory, sources: None, buffer: Buffer::default() }
    }

    fn clock_sources(&mut self) -> Result<Vec<Family>, Fault> {
        let sources = match &mut self.sources {
            Some(sources) => sources,
            none => none.insert(ClockSource::find(&self.directory)?),
        };
        clock_sources(sources, &mut self.buffer)
    }
}

impl Collector for TimeCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected =
            Collected::complete(clock(&Timestamp::now().to_zoned(self.zone.at(Instant::now()))));
        match self.clock_sources() {
            Ok(families) => collected.families.extend(families),
            Err(fault) => collected.faults.push(fault),
        }
        collected
    }
}

/// The machine's time zone, as it was when it was last looked at.
#[derive(Default)]
struct Zone(Option<(TimeZone, Instant)>);

impl Zone {
    /// An administrator changes it while programs run, and expects them to follow soon.
    const LOOK_AGAIN: Duration = Duration::from_mins(5);

    fn at(&mut self, now: Instant) -> TimeZone {
        match &self.0 {
            Some((zone, looked)) if now.duration_since(*looked) < Self::LOOK_AGAIN => zone.clone(),
            _ => {
                let zone = system_zone();
                self.0 = Some((zone.clone(), now));
                zone
            }
        }
    }
}

/// UTC where `TZ` or `/etc/localtime` names no zone, as the C library and Go have it. On a thread of its own: jiff was seen
/// to take more stack for a zone's file than the threads that read have.
fn system_zone() -> TimeZone {
    let zone = || match std::env::var_os("TZ") {
        Some(_) => Some(TimeZone::system()).filter(|zone| !zone.is_unknown()),
        None => zone_in(LOCAL_ZONE.as_ref()),
    };
    let thread = thread::Builder::new().name("time-zone".to_owned()).spawn(zone);
    thread.ok().and_then(|thread| thread.join().ok()).flatten().unwrap_or(TimeZone::UTC)
}

const LOCAL_ZONE: &str = "/etc/localtime";

/// The zone that a file is of. Its name is not asked for: to find it jiff lists all zones of the machine, which takes as long as to read all
/// other files that wait for nothing, and keeps them.
fn zone_in(file: &Path) -> Option<TimeZone> {
    TimeZone::tzif("localtime", &read_whole(file).ok()?).ok()
}

fn clock(now: &Zoned) -> Vec<Family> {
    let seconds = now.timestamp().as_nanosecond() as f64 / 1e9;
    let zone = now.strftime("%Z").to_string();
    vec![
        Family::gauge("node_time_seconds", "System time in seconds since epoch (1970).")
            .with(Labels::NONE, seconds),
        Family::gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.")
            .with(Labels::new([("time_zone", zone)]), f64::from(now.offset().seconds())),
    ]
}

/// `/sys/devices/system/clocksource/clocksource<N>`; real machines have one.
struct ClockSource {
    device: String,
    available: KeptFile,
    current: KeptFile,
}

impl ClockSource {
    fn find(directory: &Path) -> Result<Vec<Self>, Fault> {
        let source = |(index, number): (usize, u32)| {
            let directory = directory.join(format!("clocksource{number}"));
            Self {
                device: index.to_string(),
                available: KeptFile::attribute(directory.join("available_clocksource")),
                current: KeptFile::attribute(directory.join("current_clocksource")),
            }
        };
        Ok(numbered(directory, "clocksource")?.into_iter().enumerate().map(source).collect())
    }
}

fn clock_sources(sources: &mut [ClockSource], buffer: &mut Buffer) -> Result<Vec<Family>, Fault> {
    let mut available = Family::info(
        "node_time_clocksource_available_info",
        "Available clocksources read from '/sys/devices/system/clocksource'.",
    );
    let mut current = Family::info(
        "node_time_clocksource_current_info",
        "Current clocksource read from '/sys/devices/system/clocksource'.",
    );
    for source in sources {
        let labels = |name: &str| Labels::new([("device", source.device.as_str()), ("clocksource", name)]);
        for name in source.available.read(buffer)?.split_ascii_whitespace() {
            available.push(labels(name), 1_u64);
        }
        current.push(labels(source.current.read(buffer)?.trim()), 1_u64);
    }
    Ok(vec![available, current])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn tells_time_and_zone() {
        let now: Zoned = "2026-01-02T03:04:05.5+08:00[Asia/Shanghai]".parse().unwrap();
        assert_eq!(
            values(&clock(&now)),
            ["node_time_seconds 1767294245.5", "node_time_zone_offset_seconds{time_zone=\"CST\"} 28800"]
        );
    }

    #[test]
    fn a_file_without_its_name_is_a_zone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(zone_in(file.path()), None, "an empty file is none");
        assert_eq!(zone_in("/nonexistent".as_ref()), None);
        // Version 1 of the format (RFC 8536): a header, no changes, one type of local time, eight hours ahead and called CST.
        let header = [
            b"TZif".to_vec(),
            vec![0; 16],
            [0, 0, 0, 0, 1, 4].iter().flat_map(|n: &u32| n.to_be_bytes()).collect(),
        ];
        let local = [&28_800_i32.to_be_bytes()[..], &[0, 0], b"CST\0"].concat();
        std::fs::write(file.path(), [header.concat(), local].concat()).unwrap();
        let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
        let shown = values(&clock(&now.to_zoned(zone_in(file.path()).unwrap())));
        assert_eq!(shown[1], "node_time_zone_offset_seconds{time_zone=\"CST\"} 28800");
    }

    #[test]
    fn lists_clock_sources() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("clocksource0");
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("available_clocksource"), "tsc hpet \n").unwrap();
        std::fs::write(source.join("current_clocksource"), "tsc\n").unwrap();
        let families =
            clock_sources(&mut ClockSource::find(directory.path()).unwrap(), &mut Buffer::default()).unwrap();
        assert_eq!(
            values(&families),
            [
                "node_time_clocksource_available_info{device=\"0\",clocksource=\"tsc\"} 1",
                "node_time_clocksource_available_info{device=\"0\",clocksource=\"hpet\"} 1",
                "node_time_clocksource_current_info{device=\"0\",clocksource=\"tsc\"} 1",
            ]
        );
    }
}
