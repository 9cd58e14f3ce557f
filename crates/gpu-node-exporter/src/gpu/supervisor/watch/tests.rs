//! The watch alone, told what probes do; and with a simulated machine of GPUs that hang.

mod hangs;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn watch() -> Watch {
    Watch::new(Limits::new(TIMEOUT, INTERVAL))
}

fn start(probe: u64, gpus: &[u32]) -> Order {
    Order::Start { probe, gpus: Some(gpus.to_vec()) }
}

impl Watch {
    /// A sweep of this probe over these GPUs, all of which answer.
    fn sweep(&mut self, now: Duration, probe: u64, gpus: &[u32]) -> Vec<Order> {
        let mut orders = Vec::new();
        for gpu in gpus {
            orders.extend(self.on(now, probe, &Event::Touching(*gpu)));
            orders.extend(self.on(now, probe, &Event::Told { gpu: *gpu, is_read: true }));
        }
        orders.extend(self.on(now, probe, &Event::Swept));
        orders
    }

    /// This probe initialises, finds so many GPUs, and reads these.
    fn begin(&mut self, now: Duration, probe: u64, count: u32, gpus: &[u32]) -> Vec<Order> {
        let mut orders = self.on(now, probe, &Event::Initialised);
        orders.extend(self.on(now, probe, &Event::Listed(count)));
        orders.extend(self.sweep(now, probe, gpus));
        orders
    }
}

/// A watch whose first probe was started at 0 and has read three GPUs.
fn working() -> Watch {
    let mut watch = watch();
    assert_eq!(watch.tick(seconds(0)), [Order::Start { probe: 1, gpus: None }]);
    assert_eq!(watch.begin(seconds(0), 1, 3, &[0, 1, 2]), [Order::List { count: 3 }]);
    assert_eq!(watch.tick(seconds(0)), []);
    watch
}

/// A watch that found GPU 1 stuck at second 6. The others have a probe each, 2 and 3.
fn hung() -> Watch {
    let mut watch = working();
    let half = Duration::from_millis(500);
    watch.on(seconds(1), 1, &Event::Touching(1));
    assert_eq!(watch.deadline(), Some(seconds(1) + half));
    assert_eq!(watch.tick(seconds(1) + half), [start(2, &[0]), start(3, &[2])], "no other GPU waits for it");
    for (probe, gpu) in [(2, 0), (3, 2)] {
        assert_eq!(watch.begin(seconds(2), probe, 3, &[gpu]), []);
        watch.sweep(seconds(6), probe, &[gpu]);
    }
    assert_eq!(
        watch.tick(seconds(6)),
        [Order::Stuck { gpu: 1 }, Order::Kill { probe: 1, gpu: Some(1) }],
        "the call has had its time"
    );
    assert_eq!(watch.restarts(Restart::Stuck), 1);
    watch
}

#[test]
fn a_gpu_that_was_never_read_may_have_to_be_woken_and_is_not_stuck() {
    let mut watch = watch();
    watch.tick(seconds(0));
    watch.on(seconds(0), 1, &Event::Initialised);
    watch.on(seconds(0), 1, &Event::Listed(1));
    watch.on(seconds(0), 1, &Event::Touching(0));
    assert_eq!(watch.deadline(), Some(seconds(30)));
    assert_eq!(watch.tick(seconds(29)), []);
    assert_eq!(watch.tick(seconds(30)), [Order::Stuck { gpu: 0 }, Order::Kill { probe: 1, gpu: Some(0) }]);
}

#[test]
fn a_stuck_gpu_is_tried_again_by_a_process_of_its_own() {
    let mut watch = hung();
    let sweep_others = |watch: &mut Watch, now| {
        watch.sweep(now, 2, &[0]);
        watch.sweep(now, 3, &[2]);
    };
    sweep_others(&mut watch, seconds(66));
    assert!(!watch.tick(seconds(66)).contains(&start(4, &[1])), "not while the first process hangs");
    watch.gone(1);
    let orders = watch.tick(seconds(66));
    assert!(
        orders.iter().any(|order| matches!(order, Order::Start { gpus: Some(gpus), .. } if gpus == &[1]))
    );
    assert_eq!(watch.restarts(Restart::Retrial), 1);
}

#[test]
fn a_try_that_hangs_touches_no_other_and_the_next_waits_longer() {
    let mut watch = hung();
    watch.gone(1);
    // The others share a probe again.
    watch.sweep(seconds(62), 2, &[0]);
    watch.sweep(seconds(62), 3, &[2]);
    assert_eq!(watch.tick(seconds(62)), [start(4, &[0, 2])]);
    assert_eq!(
        watch.begin(seconds(62), 4, 3, &[0, 2]),
        [Order::Leave { probe: 2 }, Order::Leave { probe: 3 }]
    );
    let mut events = Vec::new();
    for second in 63..400 {
        watch.sweep(seconds(second), 4, &[0, 2]);
        for order in watch.tick(seconds(second)) {
            match order {
                Order::Start { probe, gpus } => {
                    assert_eq!(gpus, Some(vec![1]));
                    watch.on(seconds(second), probe, &Event::Initialised);
                    watch.on(seconds(second), probe, &Event::Touching(1));
                    events.push(("start", second));
                }
                Order::Kill { probe, gpu } => {
                    assert_eq!(gpu, Some(1));
                    watch.gone(probe);
                    events.push(("kill", second));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // It is given time to wake, more each time; and each pause is twice as long.
    assert_eq!(events, [("start", 66), ("kill", 96), ("start", 216), ("kill", 276)]);
}

#[test]
fn a_gpu_that_is_only_slow_is_read_apart_for_a_while() {
    let mut watch = working();
    watch.on(seconds(1), 1, &Event::Touching(1));
    assert_eq!(watch.tick(seconds(3)), [start(2, &[0]), start(3, &[2])]);
    let back = Event::Told { gpu: 1, is_read: true };
    assert_eq!(watch.on(seconds(4), 1, &back), [Order::Leave { probe: 1 }], "it would ask for all again");
    assert_eq!(watch.tick(seconds(4)), [start(4, &[1])]);
    for (probe, gpu) in [(2, 0), (3, 2), (4, 1)] {
        watch.begin(seconds(4), probe, 3, &[gpu]);
        watch.sweep(seconds(64), probe, &[gpu]);
    }
    assert_eq!(watch.restarts(Restart::Stuck), 0);
    assert_eq!(watch.tick(seconds(64)), [start(5, &[0, 1, 2])]);
    assert_eq!(
        watch.begin(seconds(64), 5, 3, &[0, 1, 2]),
        [2, 4, 3].map(|probe| Order::Leave { probe }),
        "each passes over when it was read"
    );
    assert_eq!(watch.tick(seconds(65)), []);
}

#[test]
fn what_a_probe_says_of_a_gpu_that_is_not_its_own_counts_for_nothing() {
    let mut watch = working();
    watch.on(seconds(1), 1, &Event::Touching(1));
    watch.tick(seconds(2));
    assert!(watch.is_reader(1, 1) && !watch.is_reader(1, 0), "GPU 0 has another reader since");
    assert!(watch.hears_xids(1, 0), "which has not read it yet");
    watch.begin(seconds(2), 2, 3, &[0]);
    assert!(!watch.hears_xids(1, 0) && watch.hears_xids(2, 0));
}

#[test]
fn a_gpu_that_fails_is_looked_at_by_a_new_process_now_and_then() {
    let mut watch = working();
    let failed = Event::Told { gpu: 1, is_read: false };
    let mut retrials = Vec::new();
    for second in 1..1000 {
        let now = seconds(second);
        watch.sweep(now, 1, &[0, 2]);
        watch.on(now, 1, &failed);
        for order in watch.tick(now) {
            let Order::Start { probe, gpus } = order else { panic!("{order:?}") };
            assert_eq!(gpus, Some(vec![1]));
            retrials.push(second);
            watch.on(now, probe, &Event::Initialised);
            assert_eq!(watch.on(now, probe, &failed), [Order::Leave { probe }], "it sees no more");
        }
        assert!(watch.is_reader(1, 1));
    }
    assert_eq!(retrials, [61, 181, 421, 901]);
    assert_eq!(watch.restarts(Restart::Retrial), 4);
}

#[test]
fn a_gpu_that_a_new_process_sees_again_is_read_by_that_one() {
    let mut watch = working();
    watch.on(seconds(1), 1, &Event::Told { gpu: 1, is_read: false });
    watch.sweep(seconds(61), 1, &[0, 2]);
    assert_eq!(watch.tick(seconds(61)), [start(2, &[1])]);
    assert_eq!(watch.begin(seconds(62), 2, 3, &[1]), []);
    assert!(watch.is_reader(2, 1) && watch.is_reader(1, 0));
}

#[test]
fn a_process_that_lists_other_gpus_makes_all_begin_anew() {
    let mut watch = working();
    watch.unlisted(seconds(1), BTreeSet::from(["0000:17:00.0".to_owned()]));
    watch.sweep(seconds(61), 1, &[0, 1, 2]);
    assert_eq!(watch.tick(seconds(61)), [start(2, &[])]);
    watch.on(seconds(61), 2, &Event::Initialised);
    assert_eq!(watch.on(seconds(61), 2, &Event::Listed(3)), [Order::Leave { probe: 2 }], "nothing new");

    watch.sweep(seconds(181), 1, &[0, 1, 2]);
    assert_eq!(watch.tick(seconds(181)), [start(3, &[])], "twice as long the second time");
    watch.on(seconds(181), 3, &Event::Initialised);
    let all_leave = [1, 3].map(|probe| Order::Leave { probe });
    assert_eq!(watch.on(seconds(181), 3, &Event::Listed(4)), all_leave);
    assert_eq!(watch.tick(seconds(181)), [Order::Start { probe: 4, gpus: None }]);
    assert_eq!(watch.begin(seconds(182), 4, 4, &[0, 1, 2, 3]), [Order::List { count: 4 }]);

    watch.unlisted(seconds(183), BTreeSet::new());
    watch.sweep(seconds(999), 4, &[0, 1, 2, 3]);
    assert_eq!(watch.tick(seconds(999)), [], "nothing is left to look for");
}

#[test]
fn a_driver_without_gpus_is_watched_all_the_same() {
    let mut watch = watch();
    watch.tick(seconds(0));
    assert_eq!(watch.begin(seconds(0), 1, 0, &[]), [Order::List { count: 0 }]);
    assert_eq!(watch.tick(seconds(1)), []);
    assert!(watch.is_working());
    watch.on(seconds(1), 1, &Event::Exited(Exit::Code(1)));
    assert_eq!(watch.tick(seconds(2)), [Order::Start { probe: 2, gpus: None }]);
}

#[test]
fn one_crash_is_bad_luck_and_two_are_the_gpus() {
    let mut watch = working();
    watch.on(seconds(100), 1, &Event::Touching(1));
    watch.on(seconds(100), 1, &Event::Exited(Exit::Signal(11)));
    assert_eq!(watch.tick(seconds(100)), [start(2, &[0, 2])], "the others do not wait");
    watch.begin(seconds(100), 2, 3, &[0, 2]);
    assert_eq!(watch.tick(seconds(101)), [start(3, &[1])], "after a pause");
    watch.on(seconds(101), 3, &Event::Touching(1));
    assert_eq!(watch.on(seconds(101), 3, &Event::Exited(Exit::Signal(11))), [Order::Stuck { gpu: 1 }]);
    assert_eq!(watch.restarts(Restart::Crash), 2);
    watch.sweep(seconds(161), 2, &[0, 2]);
    assert_eq!(watch.tick(seconds(161)), [start(4, &[1])]);
    watch.on(seconds(161), 4, &Event::Touching(1));
    watch.on(seconds(161), 4, &Event::Exited(Exit::Signal(11)));
    watch.sweep(seconds(280), 2, &[0, 2]);
    assert_eq!(watch.tick(seconds(280)), [], "one crash on trial is enough");
}

#[test]
fn a_kill_from_outside_blames_no_gpu_and_costs_little_time() {
    let mut watch = working();
    let (mut now, mut pauses) = (seconds(0), Vec::new());
    for probe in 1..6 {
        watch.on(now, probe, &Event::Touching(1));
        watch.on(now, probe, &Event::Exited(Exit::Signal(9)));
        let next = watch.deadline().expect("a pause ends");
        pauses.push(next.saturating_sub(now).as_secs());
        now = next;
        assert_eq!(watch.tick(now), [start(probe + 1, &[0, 1, 2])]);
        watch.begin(now, probe + 1, 3, &[0, 1, 2]);
    }
    assert_eq!(pauses, [0, 1, 2, 4, 4]);
    assert_eq!(watch.restarts(Restart::Killed), 5);

    now += PROVEN;
    watch.sweep(now, 6, &[0, 1, 2]);
    watch.on(now, 6, &Event::Exited(Exit::Signal(9)));
    assert_eq!(watch.deadline(), Some(now), "it had proven itself");
}

#[test]
fn without_a_driver_probes_are_started_less_and_less_often() {
    let mut watch = watch();
    let (mut now, mut pauses) = (seconds(0), Vec::new());
    for probe in 1..9 {
        assert_eq!(watch.tick(now), [Order::Start { probe, gpus: None }]);
        watch.on(now, probe, &Event::Failed);
        watch.on(now, probe, &Event::Exited(Exit::Code(0)));
        let next = watch.deadline().expect("a pause ends");
        pauses.push(next.saturating_sub(now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(watch.restarts(Restart::Driver), 8);
}

#[test]
fn a_new_process_that_has_no_driver_leaves_the_others_alone() {
    let mut watch = hung();
    watch.gone(1);
    watch.sweep(seconds(66), 2, &[0]);
    watch.sweep(seconds(66), 3, &[2]);
    watch.tick(seconds(66));
    let tried = (4..6).find(|probe| watch.is_reader(*probe, 1)).expect("GPU 1 is tried");
    watch.on(seconds(66), tried, &Event::Failed);
    watch.on(seconds(66), tried, &Event::Exited(Exit::Code(0)));
    assert!(watch.is_reader(2, 0) && watch.is_reader(3, 2));

    for probe in watch.probes.keys().copied().collect::<Vec<_>>() {
        watch.on(seconds(67), probe, &Event::Failed);
        watch.on(seconds(67), probe, &Event::Exited(Exit::Code(0)));
    }
    assert!(watch.gpus.is_empty(), "nobody has the driver any more");
    let start = watch.deadline().expect("a pause ends");
    assert!(matches!(watch.tick(start)[..], [Order::Start { gpus: None, .. }]));
}

#[test]
fn initialising_may_take_longer_than_a_gpu_and_blames_none() {
    let mut watch = watch();
    let (mut now, mut limits) = (seconds(0), Vec::new());
    for probe in 1..5 {
        assert_eq!(watch.tick(now), [Order::Start { probe, gpus: None }]);
        assert!(!watch.is_working());
        let limit = watch.deadline().expect("it is watched").saturating_sub(now);
        limits.push(limit.as_secs());
        now += limit;
        assert_eq!(watch.tick(now), [Order::Kill { probe, gpu: None }]);
        now = watch.deadline().unwrap_or(now);
    }
    assert_eq!(limits, [30, 60, 120, 120], "longer after each start that took too long");
    assert_eq!(watch.tick(now + seconds(999)), [], "four processes that cannot be killed are enough");
    watch.gone(1);
    assert_eq!(watch.tick(now + seconds(999)), [Order::Start { probe: 5, gpus: None }]);
}

#[test]
fn released_means_no_probe_until_acquired() {
    let mut watch = hung();
    let mut left = watch.release();
    left.retain(|order| !matches!(order, Order::Leave { .. }));
    assert_eq!((left, watch.is_released()), (vec![], true));
    assert_eq!((watch.tick(seconds(999)), watch.deadline()), (vec![], None));
    assert_eq!(watch.release(), []);
    watch.acquire(seconds(999));
    assert_eq!(
        watch.tick(seconds(999)),
        [Order::Start { probe: 4, gpus: None }],
        "all GPUs get a new chance, whatever still hangs"
    );
    watch.acquire(seconds(1000));
    assert_eq!(watch.release(), [Order::Leave { probe: 4 }]);
}
