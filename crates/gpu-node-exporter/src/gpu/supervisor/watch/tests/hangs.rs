//! A simulated machine of eight GPUs, some of which hang: what the watch makes of it, event by event.

use super::*;

const GPUS: u32 = 8;
const HANG_ENDS: Duration = Duration::from_secs(400);
/// From its start until a process has initialised the driver.
const INITIALISING: Duration = Duration::from_millis(400);

/// When a GPU hangs.
#[derive(Clone, Copy)]
struct Hang {
    from: Duration,
    until: Duration,
}

/// A process as it would run.
struct Process {
    gpus: Vec<u32>,
    /// When it does its next step.
    next: Duration,
    is_initialised: bool,
    /// Its place in the sweep, and whether it is in the call.
    at: usize,
    is_calling: bool,
}

struct Machine {
    watch: Watch,
    now: Duration,
    hangs: BTreeMap<u32, Hang>,
    processes: BTreeMap<u64, Process>,
    /// Killed and not gone: they stay in their call to this GPU.
    dying: BTreeMap<u64, u32>,
    /// Whether processes that hang can be killed.
    can_kill: bool,
    read_at: BTreeMap<u32, Duration>,
    /// The longest time between two readings of each GPU.
    longest: BTreeMap<u32, Duration>,
    stuck_at: BTreeMap<u32, Duration>,
    most_processes: usize,
}

impl Machine {
    fn new(hangs: BTreeMap<u32, Hang>, can_kill: bool) -> Self {
        Self {
            watch: watch(),
            now: Duration::ZERO,
            hangs,
            processes: BTreeMap::new(),
            dying: BTreeMap::new(),
            can_kill,
            read_at: BTreeMap::new(),
            longest: BTreeMap::new(),
            stuck_at: BTreeMap::new(),
            most_processes: 0,
        }
    }

    fn hangs(&self, gpu: u32) -> bool {
        self.hangs.get(&gpu).is_some_and(|hang| (hang.from..hang.until).contains(&self.now))
    }

    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            let numbers: Vec<_> = self.processes.keys().copied().collect();
            for number in numbers {
                self.step(number);
            }
            let gone: Vec<_> =
                self.dying.iter().filter(|(_, gpu)| !self.hangs(**gpu)).map(|(number, _)| *number).collect();
            for number in gone {
                self.dying.remove(&number);
                self.watch.gone(number);
            }
            loop {
                let orders = self.watch.tick(self.now);
                if orders.is_empty() {
                    break;
                }
                self.carry_out_all(orders);
            }
            self.most_processes = self.most_processes.max(self.processes.len() + self.dying.len());
            self.now = self.next_event().min(end);
        }
    }

    /// When something happens next: in a process, to a GPU, or by the watch's clock.
    fn next_event(&self) -> Duration {
        let steps = self.processes.values().map(|process| process.next);
        let changes = self.hangs.values().flat_map(|hang| [hang.from, hang.until]);
        let later = |at: &Duration| *at > self.now;
        steps.chain(changes).chain(self.watch.deadline()).filter(later).min().unwrap_or(Duration::MAX)
    }

    /// One process does what it does in one step of time: all that takes none.
    fn step(&mut self, number: u64) {
        let mut told = Vec::new();
        loop {
            let now = self.now;
            let Some(process) = self.processes.get(&number) else { break };
            if now < process.next {
                break;
            }
            let called = process.gpus.get(process.at).copied();
            let is_hanging = called.is_some_and(|gpu| self.hangs(gpu));
            let Some(process) = self.processes.get_mut(&number) else { break };
            if !process.is_initialised {
                process.is_initialised = true;
                told.extend([Event::Initialised, Event::Listed(GPUS)]);
            } else if let Some(gpu) = called {
                if !process.is_calling {
                    process.is_calling = true;
                    told.push(Event::Touching(gpu));
                }
                if is_hanging {
                    self.tell(number, &mut told);
                    break;
                }
                (process.is_calling, process.at) = (false, process.at + 1);
                told.push(Event::Told { gpu, is_read: true });
            } else {
                (process.at, process.next) = (0, now + INTERVAL);
                told.push(Event::Swept);
            }
            self.tell(number, &mut told);
        }
    }

    fn tell(&mut self, number: u64, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            let orders = self.watch.on(self.now, number, &event);
            if let Event::Told { gpu, .. } = event
                && self.watch.is_reader(number, gpu)
            {
                let before = self.read_at.insert(gpu, self.now).unwrap_or(self.now);
                let longest = self.longest.entry(gpu).or_default();
                *longest = (*longest).max(self.now.saturating_sub(before));
                self.stuck_at.remove(&gpu);
            }
            self.carry_out_all(orders);
        }
    }

    /// The time since the last reading of this GPU.
    fn silence(&self, gpu: u32) -> Duration {
        self.now.saturating_sub(self.read_at[&gpu])
    }

    fn carry_out_all(&mut self, orders: Vec<Order>) {
        for order in orders {
            self.carry_out(order);
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Start { probe, gpus } => {
                let process = Process {
                    gpus: gpus.unwrap_or_else(|| (0..GPUS).collect()),
                    next: self.now + INITIALISING,
                    is_initialised: false,
                    at: 0,
                    is_calling: false,
                };
                self.processes.insert(probe, process);
            }
            Order::Leave { probe } | Order::Kill { probe, .. } => {
                let process = self.processes.remove(&probe).expect("it was started");
                let called = process.gpus.get(process.at).copied().filter(|_| process.is_calling);
                match called.filter(|gpu| !self.can_kill && self.hangs(*gpu)) {
                    Some(gpu) => drop(self.dying.insert(probe, gpu)),
                    None => self.watch.gone(probe),
                }
            }
            Order::List { count } => assert_eq!(count, GPUS),
            Order::Stuck { gpu } => drop(self.stuck_at.entry(gpu).or_insert(self.now)),
        }
    }
}

/// Which GPUs hang, when: at the start, together, or one after another. The order of the indices should not matter, so it is mixed.
fn cases() -> Vec<(String, BTreeMap<u32, Hang>)> {
    let until = HANG_ENDS;
    let mut cases = Vec::new();
    for count in 1..GPUS {
        let order = [3, 0, 6, 1, 7, 2, 5, 4];
        let gpus = order.into_iter().take(count as usize);
        for (name, pause) in
            [("together", 0), ("0.3 s apart", 300), ("7 s apart", 7000), ("50 s apart", 50_000)]
        {
            for from in [Duration::ZERO, Duration::from_millis(20_350)] {
                if from.is_zero() && pause > 7000 {
                    continue;
                }
                let hangs = gpus.clone().zip(0..).map(|(gpu, place)| {
                    let from = from + Duration::from_millis(pause) * place;
                    (gpu, Hang { from, until })
                });
                cases.push((format!("{count} hang {name} from {from:?}"), hangs.collect()));
            }
        }
    }
    cases
}

#[test]
fn however_many_gpus_hang_no_other_misses_more_than_two_sweeps() {
    for can_kill in [true, false] {
        for (case, hangs) in cases() {
            let mut machine = Machine::new(hangs.clone(), can_kill);
            let mut now = Duration::ZERO;
            // Retrials fall due after a minute, two and four; the last hang comes within six.
            while now < HANG_ENDS {
                now += seconds(1);
                machine.run_until(now);
                for (gpu, hang) in &hangs {
                    // One that hangs in the first sweep was never read.
                    let limit = if hang.from < seconds(2) { TIMEOUT * 7 } else { TIMEOUT * 2 };
                    let due = hang.from.max(INITIALISING) + limit;
                    assert_eq!(
                        machine.stuck_at.contains_key(gpu),
                        now >= due || machine.stuck_at.contains_key(gpu) && now >= hang.from,
                        "{case}: GPU {gpu} at {now:?}"
                    );
                }
            }
            for gpu in (0..GPUS).filter(|gpu| !hangs.contains_key(gpu)) {
                let longest = machine.longest[&gpu].max(machine.silence(gpu));
                assert!(longest <= INTERVAL * 3, "{case}: GPU {gpu} was not read for {longest:?}");
            }
            assert!(machine.most_processes <= 2 * GPUS as usize + 2, "{case}: {}", machine.most_processes);

            if !can_kill {
                continue;
            }
            // All answer again, and after a while they share one process.
            machine.run_until(HANG_ENDS + seconds(3600));
            assert_eq!(machine.stuck_at, BTreeMap::new(), "{case}");
            assert_eq!((machine.processes.len(), machine.dying.len()), (1, 0), "{case}");
            for gpu in 0..GPUS {
                assert!(machine.silence(gpu) <= INTERVAL * 3, "{case}: GPU {gpu}");
            }
        }
    }
}
