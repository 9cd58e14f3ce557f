//! The calendar of working days: its table says only what differs from Monday to Friday, the script writes what it says, and the timer is one that systemd takes.

use std::path::Path;
use std::process::Command;

use crate::files::{path, text};

const TABLE: &str = "deploy/calendar/china.csv";

/// Date, and whether it is a working day, of each line of the table.
fn rows() -> Vec<(String, bool)> {
    let row = |line: &str| {
        let cells: Vec<_> = line.split(',').collect();
        let [date, kind, name] = cells[..] else { panic!("{TABLE}: `{line}` has not three cells") };
        assert!(!name.is_empty(), "{TABLE}: `{line}` has no name");
        match kind {
            "workday" => (date.to_owned(), true),
            "holiday" => (date.to_owned(), false),
            other => panic!("{TABLE}: `{other}` is neither workday nor holiday"),
        }
    };
    let table = text(TABLE);
    table.lines().filter(|line| !line.starts_with('#')).skip(1).map(row).collect()
}

/// Whether the script succeeds for a day.
fn write(directory: &Path, day: &str) -> bool {
    let script = path("deploy/calendar/write-calendar.sh");
    Command::new(script).arg(directory).arg(day).output().unwrap().status.success()
}

fn written(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("calendar.prom")).unwrap()
}

#[test]
fn the_table_says_what_differs_from_monday_to_friday() {
    let rows = rows();
    assert!(rows.len() > 20 && rows.is_sorted(), "{rows:?}");
    for (date, works) in &rows {
        let weekday = Command::new("date").args(["-d", date, "+%u"]).output().unwrap().stdout;
        let is_weekend = matches!(weekday.first(), Some(b'6' | b'7'));
        assert_eq!(is_weekend, *works, "{date} is so without the table");
    }
    let table = text(TABLE);
    let years = table.lines().find_map(|line| line.strip_prefix("# years: ")).unwrap();
    for year in years.split(' ') {
        assert!(rows.iter().any(|(date, _)| date.starts_with(year)), "{year} has no days");
    }
}

#[test]
fn the_script_writes_what_the_table_says() {
    let directory = tempfile::tempdir().unwrap();
    // A Saturday, a Sunday and a Monday that are nothing special.
    let plain = [("2026-11-28", false), ("2026-11-29", false), ("2026-11-30", true)];
    let plain = plain.map(|(date, works)| (date.to_owned(), works));
    for (date, works) in rows().into_iter().chain(plain) {
        assert!(write(directory.path(), &date), "{date}");
        let expected = format!(
            "# HELP gpumon_calendar_workday Whether today is a working day in China.\n# TYPE gpumon_calendar_workday gauge\ngpumon_calendar_workday {}\n",
            u8::from(works)
        );
        assert!(written(directory.path()).starts_with(&expected), "{date}");
    }
}

/// Where the years of the table end, or one is missing.
#[test]
fn the_script_writes_how_far_the_table_goes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("write-calendar.sh");
    std::fs::copy(path("deploy/calendar/write-calendar.sh"), &script).unwrap();
    let last_day = |years: &str| {
        let table = format!("# China\n# years: {years}\ndate,kind,name\n");
        std::fs::write(folder.path().join("china.csv"), table).unwrap();
        // The machine's own time zone says nothing about China's days.
        let output = Command::new(&script)
            .env("TZ", "America/New_York")
            .arg(folder.path())
            .arg("2026-03-02")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let written = written(folder.path());
        let line =
            written.lines().find(|line| line.starts_with("gpumon_calendar_last_day_timestamp_seconds "));
        line.unwrap().split(' ').next_back().unwrap().parse::<u64>().unwrap()
    };
    // 16:00 UTC of 30 December 2026 and 2027.
    assert_eq!(last_day("2026"), 1_798_646_400);
    assert_eq!(last_day("2025 2026 2027"), 1_830_182_400);
    assert_eq!(last_day("2026 2028"), 1_798_646_400);
}

/// `systemd-analyze verify` wants the program to be there, and passes over what it does not know with a warning.
#[test]
fn systemd_finds_nothing_wrong_with_the_timer() {
    let folder = tempfile::tempdir().unwrap();
    let units = ["gpu-calendar.timer", "gpu-calendar.service"].map(|name| {
        let program = path("deploy/calendar/write-calendar.sh").to_str().unwrap().to_owned();
        let unit = text(&format!("deploy/calendar/{name}"))
            .replace("/opt/gpu-monitoring/deploy/calendar/write-calendar.sh", &program);
        let file = folder.path().join(name);
        std::fs::write(&file, unit).unwrap();
        file
    });
    let output = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    let timer = text("deploy/calendar/gpu-calendar.timer");
    let when = timer.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    assert_eq!(when, "*-*-* 00:10:00 Asia/Shanghai");
}

/// An old calendar is told by `CalendarUnusable`; a wrong one would not be.
#[test]
fn a_year_that_is_not_in_the_table_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(write(directory.path(), "2026-10-01"));
    let before = written(directory.path());
    for day in ["2025-10-01", "2099-10-01"] {
        assert!(!write(directory.path(), day), "{day}");
    }
    assert_eq!(written(directory.path()), before);
}

/// Whoever is told in December can add the year before it is needed.
#[test]
fn december_tells_that_the_next_year_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let table = text(TABLE);
    let years = table.lines().find_map(|line| line.strip_prefix("# years: ")).unwrap();
    let last: u32 = years.split(' ').next_back().unwrap().parse().unwrap();
    let said = |day: String| {
        let script = path("deploy/calendar/write-calendar.sh");
        let output = Command::new(script).arg(directory.path()).arg(&day).output().unwrap();
        assert!(output.status.success(), "{day}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(said(format!("{last}-11-30")), "");
    assert!(said(format!("{last}-12-01")).contains(&format!("no days of {} yet", last + 1)));
}
