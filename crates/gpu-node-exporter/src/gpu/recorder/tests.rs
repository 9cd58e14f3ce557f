//! What is recorded, for how long, and what becomes of it.

use std::sync::LazyLock;

use super::*;
use crate::family::Number;
use crate::gpu::xid::Detail;
use crate::units::Watts;

const START: f64 = 1_700_000_000.0;

/// A reading of GPU `A` that draws so much.
fn reading(watts: f64) -> Arc<Reading> {
    let mut reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
    reading.subjects.power.usage = Some(Watts(watts));
    Arc::new(reading)
}

/// So many seconds after the start, by the clock, and in truth by another count.
fn moment_at(clock: f64, truth: f64) -> Moment {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Moment { at: START + clock, now: *ORIGIN + Duration::from_secs_f64(truth) }
}

fn moment(second: f64) -> Moment {
    moment_at(second, second)
}

/// Records one reading a second, of as many watts as seconds since the start.
fn record(recorder: &mut Recorder, seconds: std::ops::Range<u32>) {
    for second in seconds {
        recorder.record(0, &reading(f64::from(second)), moment(second.into()));
    }
}

/// The sweeps of GPU `A`: seconds since the start, and watts.
fn played(recorder: &Recorder, since: f64, until: f64, most: usize) -> (Vec<(f64, f64)>, usize) {
    let mut sweeps = Vec::new();
    let recording = recorder.recording("A").expect("it is recorded");
    let asked = Asked { since: START + since, until: START + until, most, only_newest_run: false };
    let played = recording.play(asked, |at, families| {
        let power = families.iter().find(|family| family.name == "gpu_power_watts").expect("power");
        let [sample] = &power.samples[..] else { panic!("one sample") };
        assert_eq!(sample.labels.text(), r#"gpu="0",uuid="A""#);
        let Number::Real(watts) = sample.value else { panic!("{:?}", sample.value) };
        sweeps.push((at - START, watts));
    });
    (sweeps, played.left_out)
}

#[test]
fn sweeps_that_come_at_once_have_times_of_their_own() {
    let mut recorder = Recorder::default();
    for at in [1.0, 1.0, 1.0004, 0.9, 1.1, 1.1] {
        recorder.record(0, &reading(5.0), moment(at));
    }
    let times: Vec<f64> =
        played(&recorder, 0.0, 10.0, 100).0.iter().map(|(at, _)| (at * 1e3).round()).collect();
    assert_eq!(times, [1_000.0, 1_001.0, 1_002.0, 1_003.0, 1_100.0, 1_101.0]);
}

#[test]
fn the_last_ten_minutes_are_there() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..1_500);
    let (sweeps, left_out) = played(&recorder, 0.0, 2_000.0, 10_000);
    assert_eq!(left_out, 0);
    assert!((600..=661).contains(&sweeps.len()), "{} sweeps", sweeps.len());
    assert_eq!(sweeps.last(), Some(&(1_499.0, 1_499.0)));
    assert!(sweeps.windows(2).all(|pair| (pair[1].0 - pair[0].0 - 1.0).abs() < 0.01), "none is missing");
    assert!(sweeps.iter().all(|(at, watts)| (at - watts).abs() < 0.01), "each at its time");
    assert!(recorder.size() < 64 << 10, "{} bytes", recorder.size());
}

#[test]
fn a_part_of_it_is_given_and_the_last_of_too_many() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..300);
    let seconds = |since, until, most| {
        let (sweeps, left_out) = played(&recorder, since, until, most);
        (sweeps.first().map(|first| first.0), sweeps.last().map(|last| last.0), left_out)
    };
    assert_eq!(seconds(100.0, 200.0, 1_000), (Some(100.0), Some(200.0), 0));
    assert_eq!(seconds(100.0, 1_000.0, 50), (Some(250.0), Some(299.0), 150));
    assert_eq!(seconds(400.0, 500.0, 50), (None, None, 0));
}

fn cause(what: &str, second: f64) -> Cause {
    Cause::new(what.to_owned(), START + second)
}

#[test]
fn what_was_before_a_fault_is_kept() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..700);
    let keep = |recorder: &mut Recorder, uuid: &str, cause: Cause, second| {
        recorder.keep(uuid, cause, moment(second).now);
    };
    keep(&mut recorder, "A", cause("XID 79", 700.0), 700.0);
    // What it brings with it does not take its place.
    keep(&mut recorder, "A", cause("XID 154", 701.0), 701.0);
    // The kernel log says of the same whose it was; of the next of its kind it adds nothing.
    let told = |text: &str, pid| Cause {
        text: text.to_owned(),
        detail: Detail { pid: Some(pid), ..Detail::default() },
        ..cause("XID 79", 702.0)
    };
    keep(&mut recorder, "A", told("pid=7", 7), 702.0);
    keep(&mut recorder, "A", told("pid=8", 8), 702.0);
    record(&mut recorder, 700..3_000);
    let recording = recorder.recording("0").expect("by its index");
    assert_eq!(recording.cause, Some(Cause { at: START + 700.0, ..told("pid=7", 7) }));
    let (sweeps, _) = played(&recorder, 0.0, 5_000.0, 10_000);
    assert!(sweeps.iter().filter(|(at, _)| *at < 700.0).count() >= 600);
    assert!(sweeps.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, none twice");
    // The next one takes its place.
    keep(&mut recorder, "A", cause("stuck in the driver", 3_000.0), 3_000.0);
    let latest = recorder.recording("A").and_then(|recording| recording.cause);
    assert_eq!(latest, Some(cause("stuck in the driver", 3_000.0)));
    keep(&mut recorder, "B", cause("unknown", 0.0), 0.0);
    assert_eq!(recorder.gpus(), [(0, "A".to_owned())]);
}

/// The first minutes say why; the last ten are there all the same.
#[test]
fn what_goes_on_for_hours_keeps_what_was_before_it_began() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..100);
    let mut stormy = |from: u32, until: u32, every: u32| {
        for second in from..until {
            record(&mut recorder, second..second + 1);
            if (second - from).is_multiple_of(every) {
                recorder.keep("A", cause("XID 48", second.into()), moment(second.into()).now);
            }
        }
        recorder.recording("A").and_then(|recording| recording.cause).map(|cause| cause.at - START)
    };
    assert_eq!(stormy(100, 8_000, 179), Some(100.0));
    assert_eq!(stormy(8_200, 8_201, 1), Some(8_200.0), "another one");
}

/// A lost GPU has no readings that push out what there is, however late somebody asks.
#[test]
fn a_gpu_that_says_no_more_keeps_its_last_minutes() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..700);
    recorder.record(1, &Arc::new(Reading { uuid: "B".to_owned(), ..Reading::default() }), moment(90_000.0));
    assert!(played(&recorder, 0.0, 100_000.0, 10_000).0.len() >= 600);
}

#[test]
fn memory_is_bounded() {
    let mut recorder = Recorder::default();
    let mut reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
    // Words that do not pack well, ten times a second.
    for sweep in 0..4_000_u32 {
        let word = |number: u64| format!("{:x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        reading.unsupported = (0..30).map(|part| word(u64::from(sweep) * 31 + part)).collect();
        recorder.record(0, &Arc::new(reading.clone()), moment(f64::from(sweep) / 10.0));
    }
    // The minute that is not over comes on top.
    assert!(recorder.size() <= ROOM + (256 << 10), "{} bytes", recorder.size());
    let begins = |recorder: &Recorder| recorder.recording("A").and_then(|recording| recording.begins);
    let mut times = Vec::new();
    let asked = Asked { since: 0.0, until: 2.0 * START, most: 10_000, only_newest_run: false };
    recorder.recording("A").expect("it is recorded").play(asked, |at, _| times.push(at));
    assert!(times.len() < 3_999, "{} sweeps", times.len());
    assert_eq!(begins(&recorder), times.first().copied(), "who asks is told");
    // What goes for its age is no loss.
    record(&mut recorder, 400..1_500);
    assert_eq!(begins(&recorder), None);
    for gpu in 0..500 {
        let reading = Reading { uuid: format!("GPU-{gpu}"), ..Reading::default() };
        recorder.record(gpu, &Arc::new(reading), moment(0.0));
    }
    assert_eq!(recorder.gpus().len(), MOST_GPUS);
}

/// As text these readings are 150 KiB.
#[test]
fn a_minute_that_is_not_over_is_small() {
    let mut recorder = Recorder::default();
    let mut reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
    for second in 0..59_u32 {
        reading.unsupported = (0..150).map(|number| format!("reading {second} {number}")).collect();
        recorder.record(0, &Arc::new(reading.clone()), moment(second.into()));
    }
    let size = recorder.size();
    assert!(size <= 40 << 10, "{size} bytes");
    let recording = recorder.recording("A").expect("it is recorded");
    let mut times = Vec::new();
    let asked = Asked { since: START, until: START + 100.0, most: 1_000, only_newest_run: false };
    recording.play(asked, |at, _| times.push(at));
    assert_eq!(times, (0..59).map(|second| START + f64::from(second)).collect::<Vec<_>>());
}

/// A hundred seconds, and sixty more after the clock was set back by 500.
fn set_back() -> Recorder {
    let mut recorder = Recorder::default();
    record(&mut recorder, 600..700);
    for second in 700..760 {
        let second = f64::from(second);
        recorder.record(0, &reading(second), moment_at(second - 500.0, second));
    }
    recorder
}

#[test]
fn of_a_clock_set_back_all_is_there_and_the_newest_run_alone_for_who_needs_rising_times() {
    let recorder = set_back();
    let recording = recorder.recording("A").expect("it is recorded");
    let check = |only_newest_run, (since, until), most, expected| {
        let mut times: Vec<f64> = Vec::new();
        let asked = Asked { since: START + since, until: START + until, most, only_newest_run };
        let played = recording.play(asked, |at, _| times.push(at - START));
        let span = (times.len(), times.first().copied(), times.last().copied());
        assert_eq!((span, played.left_out, played.was_set_back), expected, "{since} to {until}");
    };
    let all = (0.0, 1_000.0);
    check(false, all, 1_000, ((160, Some(600.0), Some(259.0)), 0, true));
    check(true, all, 1_000, ((60, Some(200.0), Some(259.0)), 0, true));
    check(true, all, 10, ((10, Some(250.0), Some(259.0)), 50, true));
    // What was before can be asked for by its times.
    check(true, (600.0, 1_000.0), 1_000, ((100, Some(600.0), Some(699.0)), 0, false));
}

#[test]
fn a_clock_set_back_loses_no_evidence() {
    let mut recorder = set_back();
    let cause_of = |recorder: &Recorder| recorder.recording("A").and_then(|recording| recording.cause);
    recorder.keep("A", cause("XID 48", 700.0), moment(700.0).now);
    // It stands for ten minutes, whatever the clock says, and until three pass without another.
    recorder.keep("A", cause("XID 79", 799.0), moment(1_299.0).now);
    assert_eq!(cause_of(&recorder), Some(cause("XID 48", 700.0)));
    recorder.keep("A", cause("XID 79", 979.0), moment(1_479.0).now);
    assert_eq!(cause_of(&recorder), Some(cause("XID 79", 979.0)));
}

/// Readings of what the clock calls the future are as old as they are.
#[test]
fn what_was_before_the_clock_was_set_back_is_forgotten_too() {
    let mut recorder = set_back();
    for second in 760..1_500 {
        let second = f64::from(second);
        recorder.record(0, &reading(second), moment_at(second - 500.0, second));
    }
    let (sweeps, _) = played(&recorder, 0.0, 2_000.0, 10_000);
    assert!((600..=661).contains(&sweeps.len()), "{} sweeps", sweeps.len());
    assert_eq!(sweeps.last(), Some(&(999.0, 1_499.0)));
    assert!(sweeps.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

/// A card that was exchanged leaves its index to the next.
#[test]
fn an_index_is_of_the_gpu_that_answered_last() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..10);
    let other = Arc::new(Reading { uuid: "B".to_owned(), ..Reading::default() });
    let asked = |recorder: &Recorder, gpu| {
        recorder.recording(gpu).map(|recording| (recording.uuid, recording.others))
    };
    recorder.record(0, &other, moment_at(5.0, 10.0));
    assert_eq!(asked(&recorder, "0"), Some(("B".to_owned(), vec!["A".to_owned()])));
    assert_eq!(asked(&recorder, "A"), Some(("A".to_owned(), Vec::new())));
    recorder.record(1, &other, moment(11.0));
    assert_eq!(asked(&recorder, "0"), Some(("A".to_owned(), Vec::new())));
}
