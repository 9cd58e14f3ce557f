use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn watch() -> Watch {
    Watch::new(Limits::new(TIMEOUT, INTERVAL))
}

/// A round that gave everything.
fn swept() -> Event {
    Event::Swept(Shortfall::default())
}

fn swept_without(gpu: u32) -> Event {
    Event::Swept(Shortfall { skipped: [gpu].into(), ..Shortfall::default() })
}

/// A watch whose probe was started at 0 and has completed a sweep.
fn working() -> Watch {
    let mut watch = watch();
    assert_eq!(watch.tick(seconds(0), 0), [Order::Start { skip: vec![] }]);
    for event in [Event::Initialised, Event::Touching(0), Event::Touching(1), swept()] {
        assert_eq!(watch.on(seconds(0), &event), []);
    }
    watch
}

/// A watch that leaves GPU 1 alone since second 6, with a retrial due at second 66.
fn skipping() -> Watch {
    let mut watch = working();
    watch.on(seconds(1), &Event::Touching(1));
    assert_eq!(watch.tick(seconds(6), 0), [Order::Abandon { at: Some(1) }]);
    assert_eq!(watch.tick(seconds(6), 1), [Order::Start { skip: vec![1] }], "at once");
    watch.on(seconds(6), &Event::Initialised);
    watch.on(seconds(6), &swept_without(1));
    watch
}

#[test]
fn a_silent_gpu_is_skipped_and_tried_again_later() {
    let mut watch = working();
    watch.on(seconds(1), &Event::Touching(0));
    watch.on(seconds(4), &Event::Touching(1));
    assert_eq!(watch.tick(seconds(8), 0), [], "GPU 1 has had four seconds");

    let mut watch = skipping();
    assert_eq!(watch.restarts(Restart::Stuck), 1);
    watch.on(seconds(66), &swept_without(1));
    assert_eq!(watch.tick(seconds(66), 1), [], "no retrial while the first process hangs");
    assert_eq!(watch.tick(seconds(66), 0), [Order::Stop]);
    assert_eq!(watch.tick(seconds(66), 0), [Order::Start { skip: vec![] }]);
    watch.on(seconds(67), &Event::Touching(1));
    assert_eq!(watch.tick(seconds(97), 0), [Order::Abandon { at: Some(1) }], "it was given time to wake");
    assert_eq!(watch.tick(seconds(97), 1), [Order::Start { skip: vec![1] }]);
    watch.on(seconds(98), &swept_without(1));
    assert_eq!(watch.deadline(0), Some(seconds(98) + INTERVAL + TIMEOUT));
    watch.on(seconds(216), &swept_without(1));
    assert_eq!(watch.deadline(0), Some(seconds(97 + 120)), "twice as long the second time");
}

#[test]
fn a_gpu_that_answers_again_is_free() {
    let mut watch = skipping();
    watch.on(seconds(66), &swept_without(1));
    assert_eq!(watch.tick(seconds(66), 0), [Order::Stop]);
    assert_eq!(watch.tick(seconds(66), 0), [Order::Start { skip: vec![] }]);
    watch.on(seconds(67), &swept());
    assert_eq!(watch.deadline(0), Some(seconds(67) + INTERVAL + TIMEOUT), "nothing is left to try");
}

#[test]
fn a_trial_does_not_end_itself() {
    let mut watch = skipping();
    watch.on(seconds(66), &swept_without(1));
    assert_eq!(watch.tick(seconds(66), 0), [Order::Stop]);
    assert_eq!(watch.tick(seconds(66), 0), [Order::Start { skip: vec![] }]);
    watch.on(seconds(67), &Event::Initialised);
    assert_eq!(watch.tick(seconds(67), 0), [], "before the first GPU is touched");
}

#[test]
fn a_gpu_that_is_no_longer_listed_is_not_tried_for_ever() {
    let mut watch = skipping();
    for now in (7..1000).map(seconds) {
        watch.on(now, &swept());
        assert_eq!(watch.tick(now, 0), []);
    }
}

#[test]
fn a_gpu_that_fails_is_looked_at_by_a_new_process_now_and_then() {
    let mut watch = working();
    let failed = || Event::Swept(Shortfall { failed: [1].into(), ..Shortfall::default() });
    let mut retrials = Vec::new();
    for second in 1..1000 {
        watch.on(seconds(second), &failed());
        while let [order] = &watch.tick(seconds(second), 0)[..] {
            if let Order::Start { skip } = order {
                assert_eq!(skip, &[0; 0], "it answers, so it is asked");
                retrials.push(second);
                watch.on(seconds(second), &failed());
            }
        }
    }
    assert_eq!(retrials, [61, 181, 421, 901]);
    assert_eq!(watch.restarts(Restart::Retrial), 4);
}

#[test]
fn a_gpu_is_given_time_to_wake_before_the_first_round() {
    let mut watch = watch();
    let mut now = seconds(0);
    let mut limits = Vec::new();
    for gpu in 0..4 {
        assert!(matches!(watch.tick(now, 0)[..], [Order::Start { .. }]));
        watch.on(now, &Event::Initialised);
        watch.on(now, &Event::Touching(gpu));
        let limit = watch.deadline(0).expect("it is watched").saturating_sub(now);
        limits.push(limit.as_secs());
        now += limit;
        assert_eq!(watch.tick(now, 0), [Order::Abandon { at: Some(gpu) }]);
    }
    assert_eq!(limits, [30, 60, 120, 120], "longer after each start that took too long");

    watch.tick(now, 0);
    watch.on(now, &swept());
    watch.on(now, &Event::Touching(4));
    assert_eq!(watch.deadline(0), Some(now + TIMEOUT), "by now it is awake");
}

#[test]
fn one_crash_is_bad_luck_and_two_are_the_gpus() {
    let mut watch = working();
    watch.on(seconds(1), &Event::Touching(1));
    watch.on(seconds(1), &Event::Exited(Exit::Signal(11)));
    assert_eq!(watch.tick(seconds(1), 0), []);
    assert_eq!(watch.tick(seconds(2), 0), [Order::Start { skip: vec![] }], "after a pause");
    watch.on(seconds(2), &Event::Touching(1));
    watch.on(seconds(2), &Event::Exited(Exit::Signal(11)));
    assert_eq!(watch.tick(seconds(4), 0), [Order::Start { skip: vec![1] }], "after twice the pause");
    assert_eq!(watch.restarts(Restart::Crash), 2);
}

#[test]
fn a_kill_from_outside_blames_no_gpu() {
    let mut watch = working();
    for round in 0..5 {
        let now = seconds(100 * (round + 1));
        watch.on(now, &Event::Touching(1));
        watch.on(now, &Event::Exited(Exit::Signal(9)));
        assert_eq!(watch.tick(now + LAST_PAUSE, 0), [Order::Start { skip: vec![] }]);
    }
    assert_eq!(watch.restarts(Restart::Killed), 5);
}

#[test]
fn pauses_double_to_a_limit_and_a_proven_probe_resets_them() {
    let mut watch = watch();
    let mut now = seconds(0);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert!(matches!(watch.tick(now, 0)[..], [Order::Start { .. }]));
        watch.on(now, &Event::Failed);
        watch.on(now, &Event::Exited(Exit::Code(0)));
        let next = watch.deadline(0).expect("a pause ends");
        pauses.push(next.saturating_sub(now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(watch.restarts(Restart::Driver), 8);

    watch.tick(now, 0);
    watch.on(now, &swept());
    watch.on(now + PROVEN, &swept());
    watch.on(now + PROVEN, &Event::Exited(Exit::Code(1)));
    assert_eq!(watch.deadline(0), Some(now + PROVEN + FIRST_PAUSE));
}

#[test]
fn initialising_may_take_longer_than_a_gpu() {
    let mut watch = watch();
    watch.tick(seconds(0), 0);
    assert_eq!(watch.deadline(0), Some(TIMEOUT * 6));
    assert!(!watch.is_working());
    assert_eq!(watch.tick(TIMEOUT * 6, 0), [Order::Abandon { at: None }]);
    assert_eq!(watch.tick(TIMEOUT * 7, 0), [Order::Start { skip: vec![] }], "no GPU is to blame");
}

#[test]
fn abandoned_processes_are_bounded() {
    let mut watch = watch();
    assert_eq!(watch.tick(seconds(0), MAX_ABANDONED), []);
    assert_eq!(watch.deadline(MAX_ABANDONED), None);
    assert_eq!(watch.tick(seconds(1), MAX_ABANDONED - 1), [Order::Start { skip: vec![] }]);
}

#[test]
fn released_means_no_probe_until_acquired() {
    let mut watch = working();
    watch.on(seconds(1), &Event::Touching(1));
    assert_eq!(watch.tick(seconds(6), 0), [Order::Abandon { at: Some(1) }]);
    assert_eq!(watch.on(seconds(6), &Event::Release), [], "there is no probe to stop");
    assert_eq!((watch.tick(seconds(999), 0), watch.deadline(0)), (vec![], None));
    assert_eq!(watch.on(seconds(999), &Event::Release), []);
    watch.on(seconds(999), &Event::Acquire);
    assert_eq!(watch.tick(seconds(999), 0), [Order::Start { skip: vec![] }], "all GPUs get a new chance");
    assert_eq!(watch.on(seconds(1000), &Event::Release), [Order::Stop]);
}
