//! Any number of GPUs that hang, with real processes: what it costs the others, and that each is told.
//!
//! Sweeps come every second, as by default, and the time-out is shortened. A GPU is up on the page as long as it has missed two sweeps
//! at most. That no other misses more is shown to the millisecond by `gpu/supervisor/watch/tests/hangs.rs`, in simulated time. Here the
//! machine may be so busy that processes do not run, so what is asserted is that nobody ever waits for the processes that hang: that
//! would take six time-outs for each.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::exporter::{Exporter, Page, Trigger};

const GPUS: u32 = 8;
const FLAGS: [&str; 3] = ["--gpu.sample-interval=1s", "--gpu.probe-timeout=2s", "--path.sysfs=/nonexistent"];
const TIMEOUT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// More than what passes until each has been tried again: twelve time-outs, and as many more where a GPU was slow before.
const FIRST_RETRIALS: Duration = Duration::from_mins(2);
/// What a loaded machine may add to the times of the program.
const SLACK: Duration = Duration::from_secs(20);
/// How long a process is waited for that has not answered yet: nobody else may be kept waiting for it.
const START_TIMEOUT: Duration = Duration::from_secs(12);
/// Less than a page would take that waited for a GPU which has not answered yet, until that is given up.
const SLOWEST_PAGE: Duration = Duration::from_millis(11_500);
/// So many machines run at a time, with up to nine processes each.
const AT_A_TIME: usize = 2;

/// In which order GPUs hang, so that neither the first nor the last is special.
const ORDER: [u32; 7] = [3, 0, 6, 1, 7, 2, 5];

/// One exporter and what must hold of it at each look.
struct Machine {
    exporter: Exporter,
    triggers: Vec<Trigger>,
    healthy: Vec<u32>,
}

impl Machine {
    /// Eight GPUs, of which the first `count` of [`ORDER`] are to hang: at the start, or each when its trigger is pulled.
    fn start(count: usize, hang_at_start: bool) -> Self {
        let (hanging, rest) = ORDER.split_at(count);
        let triggers: Vec<_> = hanging.iter().map(|_| Trigger::new()).collect();
        let incidents: Vec<_> = hanging
            .iter()
            .zip(&triggers)
            .map(|(gpu, trigger)| {
                let when = if hang_at_start {
                    "at: 0s".to_owned()
                } else {
                    format!("trigger: {}", trigger.path().display())
                };
                format!("{{ gpu: {gpu}, {when}, kind: hang }}")
            })
            .collect();
        let scenario = format!(
            "description: test\ngpus: [{{ model: h100-sxm, count: {GPUS}, utilization: {{ constant: 0.8 }} }}]\nincidents: [{}]\n",
            incidents.join(", ")
        );
        let healthy = rest.iter().copied().chain([4]).collect();
        let machine = Self { exporter: Exporter::on_scenario(&scenario, &FLAGS), triggers, healthy };
        machine.exporter.wait_for(FIRST_RETRIALS, "all others are up", |page| machine.is_healthy(page));
        machine
    }

    fn is_healthy(&self, page: &Page) -> bool {
        self.healthy.iter().all(|gpu| page.says("gpu_up", &[&format!("gpu=\"{gpu}\"")], 1.0))
    }

    /// Looks until so many GPUs count as stuck.
    #[track_caller]
    fn watch_until_stuck(&self, count: u32) -> Page {
        self.watch_until(&format!("{count} GPUs are stuck"), |page| {
            page.value("gpu_probe_stuck_gpus", &[]) == Some(f64::from(count))
        })
    }

    /// Looks until it is so. Each time, the other GPUs are up, and the page did not wait for the driver.
    #[track_caller]
    fn watch_until(&self, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
        let seen_well = Cell::new(Instant::now());
        self.exporter.wait_for(FIRST_RETRIALS, what, |page| {
            let is_healthy = self.is_healthy(page);
            if is_healthy {
                seen_well.set(Instant::now());
            }
            let down_for = seen_well.get().elapsed();
            assert!(
                down_for < START_TIMEOUT,
                "not all of {:?} were well: {}",
                self.healthy,
                self.exporter.log()
            );
            assert!(page.took < SLOWEST_PAGE, "no scrape waits for the driver: {:?}", page.took);
            thread::park_timeout(LOOK_EVERY);
            is_healthy && is_so(page) && self.tells_exactly_the_stuck(page)
        })
    }

    /// Whether the condition of the alert `GpuLost` holds for those that count as stuck and for no other.
    fn tells_exactly_the_stuck(&self, page: &Page) -> bool {
        let rules = include_str!("../../../../rules/gpu.rules.yml");
        assert!(
            rules.contains("- alert: GpuLost\n        expr: gpu_up == 0\n"),
            "the condition is another now"
        );
        let lost: BTreeSet<u32> = page
            .samples()
            .filter(|sample| sample.name == "gpu_up" && sample.value == 0.0)
            .map(|sample| sample.labels["gpu"].parse().expect("an index"))
            .collect();
        let hanging: BTreeSet<u32> = (0..GPUS).filter(|gpu| !self.healthy.contains(gpu)).collect();
        lost.is_subset(&hanging) && page.value("gpu_probe_stuck_gpus", &[]) == Some(lost.len() as f64)
    }
}

/// Runs the check for each of these numbers of GPUs that hang.
fn for_each_number(numbers: &[usize], check: impl Fn(usize) + Sync) {
    for some in numbers.chunks(AT_A_TIME) {
        thread::scope(|threads| some.iter().for_each(|count| drop(threads.spawn(|| check(*count)))));
    }
}

fn in_time(began: Instant, limit: Duration, what: &str) {
    let took = began.elapsed();
    assert!(took < limit + TIMEOUT + SLACK, "{what}: it took {took:?}");
}

#[test]
fn gpus_that_hang_at_the_start_cost_no_other() {
    for_each_number(&[1, 2, 3, 4, 5, 6, 7], |count| {
        let began = Instant::now();
        let machine = Machine::start(count, true);
        machine.watch_until_stuck(u32::try_from(count).expect("a few"));
        in_time(began, START_TIMEOUT, &format!("{count} of {GPUS} at the start"));
    });
}

#[test]
fn gpus_that_hang_together_cost_no_other_nor_do_their_retrials() {
    for_each_number(&[1, 2, 3, 4, 5, 6, 7], |count| {
        let machine = Machine::start(count, false);
        machine.triggers.iter().for_each(Trigger::begin);
        let began = Instant::now();
        let stuck = u32::try_from(count).expect("a few");
        machine.watch_until_stuck(stuck);
        in_time(began, TIMEOUT, &format!("{count} of {GPUS} together"));
        // Each is tried again after twelve time-outs, and still hangs.
        let page = machine.watch_until("each is tried again", |page| {
            page.value("gpu_probe_restarts_total", &[r#"reason="retrial""#]) >= Some(f64::from(stuck))
        });
        assert_eq!(page.value("gpu_probe_stuck_gpus", &[]), Some(f64::from(stuck)));
        // Meanwhile the others have come to share one probe again, which the retrials do not touch.
        machine.watch_until("the others share a probe", |_| machine.exporter.probes().len() == count + 1);
    });
}

#[test]
fn gpus_that_hang_one_after_another_cost_no_other() {
    for_each_number(&[1, 2, 3, 4, 5, 6, 7], |count| {
        let machine = Machine::start(count, false);
        for (trigger, stuck) in machine.triggers.iter().zip(1..) {
            trigger.begin();
            let began = Instant::now();
            machine.watch_until_stuck(stuck);
            in_time(began, TIMEOUT, &format!("number {stuck} of {count}"));
        }
    });
}
