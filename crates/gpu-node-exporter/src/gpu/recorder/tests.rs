//! What is recorded, for how long, and what becomes of it.

use std::sync::LazyLock;

use serde_json::Value;

use super::*;
use crate::family::{Family, Labels, Number};
use crate::gpu::delta::Diff as _;
use crate::gpu::reading::{self, MadeByPart, ShownGpu, Sums};
use crate::gpu::subject::Step;
use crate::gpu::xid::Detail;
use crate::units::Watts;

/// What a GPU says that says everything there is to say.
const EVERYTHING: &str = include_str!("../families/testdata/everything.json");

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
    let asked = Asked {
        since: START + since,
        until: START + until,
        most,
        only_newest_run: false,
        longest_gap: Duration::from_mins(1),
    };
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
    assert!(recorder.size() < 4 << 10, "{} bytes", recorder.size());
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

/// As with a slow sweep: what is summed up goes on over gaps up to the longest that may be filled.
#[test]
fn what_is_summed_up_follows_the_pace_of_the_sweeps() {
    let mut recorder = Recorder::default();
    for minute in 0..5 {
        recorder.record(0, &reading(10.0), moment(f64::from(minute) * 60.0 + 1.0));
    }
    let joules = |longest_gap| {
        let recording = recorder.recording("A").expect("it is recorded");
        let asked =
            Asked { since: START, until: START + 600.0, most: 100, only_newest_run: false, longest_gap };
        let mut joules = Vec::new();
        recording.play(asked, |_, families| {
            let energy = families.iter().find(|family| family.name == "gpu_energy_joules_total");
            let Number::Real(sum) = energy.expect("its energy").samples[0].value else { panic!("a sum") };
            joules.push(sum.round());
        });
        joules
    };
    assert_eq!(joules(Duration::from_mins(3)), [0.0, 600.0, 1_200.0, 1_800.0, 2_400.0]);
    assert_eq!(joules(Duration::from_secs(30)), [0.0; 5]);
}

/// Moves a part of the numbers: some by little, some by much, as reals that take all their bits, or to zero.
fn shake(value: &mut Value, random: &mut fastrand::Rng) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| shake(value, random)),
        Value::Object(fields) => fields.values_mut().for_each(|value| shake(value, random)),
        Value::Number(number) if random.u8(..3) == 0 => {
            *value = match (number.as_u64(), number.as_f64()) {
                (Some(whole), _) => (whole + random.u64(..4)).into(),
                (None, Some(_)) if random.bool() => (f64::from(random.i32(-99_999..99_999)) / 1e3).into(),
                (None, Some(real)) => (real * random.f64()).into(),
                (None, None) => Value::Null,
            }
        }
        _ => {}
    }
}

/// So many readings of GPU `A`, which says everything and now and then leaves out a subject.
fn moving_readings(count: usize) -> impl Iterator<Item = Arc<Reading>> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut said: Value = serde_json::from_str(EVERYTHING).expect("JSON");
    std::iter::repeat_with(move || {
        shake(&mut said, &mut random);
        let mut told = said.clone();
        if let Some(subjects) = told.as_object_mut()
            && random.u8(..8) == 0
        {
            let number = random.usize(..subjects.len());
            let name = subjects.keys().nth(number).cloned().unwrap_or_default();
            subjects.remove(&name);
        }
        let mut reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
        reading.subjects.apply(serde_json::from_value(told).expect("changes of subjects"));
        Arc::new(reading)
    })
    .take(count)
}

#[test]
fn what_is_played_is_what_was_recorded() {
    let (mut recorder, mut expected) = (Recorder::default(), Vec::new());
    let labels = Labels::new([("gpu", "0"), ("uuid", "A")]);
    let mut sums = Sums::default();
    for (reading, second) in moving_readings(300).zip(0_u32..) {
        let moment = moment(second.into());
        recorder.record(0, &reading, moment);
        // To the last bit it is what JSON says: serde_json reads the next real instead of some.
        let text = serde_json::to_string(&reading.diff(&Reading::default())).expect("JSON");
        let mut reading = Reading::default();
        reading.apply(serde_json::from_str(&text).expect("the same"));
        let gap = Duration::from_secs(second.min(1).into());
        reading.subjects.add_to(&mut sums, Step { now: moment.now, gap });
        let shown = ShownGpu { labels: labels.clone(), reading: &reading, sums: &sums };
        let families = reading::families(&[shown], None, &mut MadeByPart::default());
        let families: Vec<Family> = families.into_iter().flat_map(Arc::unwrap_or_clone).collect();
        expected.push((moment.at, families));
    }
    let mut expected = expected.into_iter();
    let asked = Asked {
        since: 0.0,
        until: 2.0 * START,
        most: 1_000,
        only_newest_run: false,
        longest_gap: Duration::from_mins(1),
    };
    recorder.recording("A").expect("it is recorded").play(asked, |at, families| {
        let (then, said) = expected.next().expect("as many");
        assert!(at.total_cmp(&then).is_eq() && families == said, "{at}: {families:?}");
    });
    assert_eq!(expected.count(), 0, "all of them");
}

/// Some 5 KiB of text each. Seventy numbers of each move, a third of them so that nothing is left to pack.
#[test]
fn what_moves_is_all_that_takes_room() {
    let size = |readings: &mut dyn Iterator<Item = Arc<Reading>>| {
        let mut recorder = Recorder::default();
        readings
            .zip(0_u32..)
            .for_each(|(reading, second)| recorder.record(0, &reading, moment(second.into())));
        recorder.size()
    };
    let moving = size(&mut moving_readings(600));
    assert!(moving <= 600 * 420, "{moving} bytes");
    let still = moving_readings(1).next().expect("one");
    let still = size(&mut std::iter::repeat_n(still, 600));
    assert!(still <= 600 * 40, "{still} bytes");
}

/// Each time the clock is set back, a block begins.
#[test]
fn what_blocks_have_in_common_is_kept_once() {
    let mut recorder = Recorder::default();
    let reading = moving_readings(1).next().expect("one");
    let mut record = |number: u32| {
        recorder.record(0, &reading, moment_at(-10.0 * f64::from(number), f64::from(number)));
        recorder.size()
    };
    let sizes: Vec<usize> = (0..40).map(&mut record).collect();
    assert!(sizes[39] - sizes[0] <= 39 * 250, "{sizes:?}");
}

fn cause(what: &str, second: f64) -> Cause {
    Cause::new(what.to_owned(), START + second, true)
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

#[test]
fn a_loss_takes_the_place_of_what_passed() {
    let mut recorder = Recorder::default();
    record(&mut recorder, 0..200);
    let mut keep = |cause: Cause, second: f64| {
        recorder.keep("A", cause, moment(second).now);
        recorder.recording("A").and_then(|recording| recording.cause)
    };
    let passing = Cause { is_loss: false, ..cause("timed out", 10.0) };
    assert_eq!(keep(passing.clone(), 10.0), Some(passing.clone()));
    let lost = cause("fallen off the bus", 140.0);
    assert_eq!(keep(lost.clone(), 140.0), Some(lost.clone()));
    assert_eq!(keep(Cause { at: START + 141.0, ..passing }, 141.0), Some(lost.clone()));
    // The sweep came first; the XID of the same says why.
    let xid =
        Cause { xid: Some(79), text: "GPU has fallen off the bus.".to_owned(), ..cause("XID 79", 141.5) };
    let explained = Cause { xid: xid.xid, text: xid.text.clone(), ..lost };
    assert_eq!(keep(xid.clone(), 141.5), Some(explained.clone()));
    assert_eq!(keep(Cause { xid: Some(154), ..xid }, 142.0), Some(explained), "what follows is not why");
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
    // What is not packed yet comes on top, and the dictionary.
    assert!(recorder.size() <= ROOM + (32 << 10), "{} bytes", recorder.size());
    let begins = |recorder: &Recorder| recorder.recording("A").and_then(|recording| recording.begins);
    let mut times = Vec::new();
    let asked = Asked {
        since: 0.0,
        until: 2.0 * START,
        most: 10_000,
        only_newest_run: false,
        longest_gap: Duration::from_mins(1),
    };
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
fn what_is_not_packed_yet_is_small() {
    let mut recorder = Recorder::default();
    let mut reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
    for second in 0..59_u32 {
        reading.unsupported = (0..150).map(|number| format!("reading {second} {number}")).collect();
        recorder.record(0, &Arc::new(reading.clone()), moment(second.into()));
    }
    let size = recorder.size();
    assert!(size <= 24 << 10, "{size} bytes");
    let recording = recorder.recording("A").expect("it is recorded");
    let mut times = Vec::new();
    let asked = Asked {
        since: START,
        until: START + 100.0,
        most: 1_000,
        only_newest_run: false,
        longest_gap: Duration::from_mins(1),
    };
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
        let asked = Asked {
            since: START + since,
            until: START + until,
            most,
            only_newest_run,
            longest_gap: Duration::from_mins(1),
        };
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
