//! The engine over time: its faults come and go, it dies and is started again.
//!
//! Owns the time, the faults and the lives of an engine. Pure: whoever runs it says what time it is.

use std::mem;
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{Fault, Kind};
use super::page::Form;
use super::release::Release;
use super::request::{Asked, Load};
use super::scheduler::{Conditions, Scheduler};
use super::tally::Tally;

pub use super::scheduler::{Capacity, Event};

/// While it is not yet known when an engine is empty, it is looked at this often.
const LOOK: Duration = Duration::from_millis(50);

/// What is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of which release.
    pub release: Release,
    /// The name of the served model.
    pub model: String,
    /// The requests beside those of clients.
    pub load: Load,
    /// What the engine can take on.
    pub capacity: Capacity,
    /// When the program was started, in seconds since 1970.
    pub epoch: f64,
}

/// A fault, and whether it has begun.
#[derive(Clone, Copy, Debug)]
struct Planned {
    fault: Fault,
    has_begun: bool,
}

/// One engine process: what it has under way, and what it has counted.
#[derive(Clone, Debug)]
struct Life {
    scheduler: Scheduler,
    tally: Tally,
}

impl Life {
    /// Whether this is a moment for such a hang to begin at: its page will say what it said last.
    fn is_like(&self, hang: Kind) -> bool {
        if hang == Kind::HangIdle { self.scheduler.in_flight() == 0 } else { self.tally.gauges.running > 0.0 }
    }
}

/// A simulated engine.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
    form: Form,
    now: Duration,
    faults: Vec<Planned>,
    life: Option<Life>,
    lives: u64,
    /// It hangs, since a moment that is like its fault: when requests ran, or when none was there.
    is_hung: bool,
    clients: u64,
    events: Vec<(u64, Event)>,
    said: Vec<String>,
}

impl Machine {
    /// An engine that is started at time 0, unless a fault says otherwise.
    pub fn new(settings: Settings, faults: Vec<Fault>) -> Self {
        let form = Form::new(settings.release, &settings.model);
        let faults = faults.into_iter().map(|fault| Planned { fault, has_begun: false }).collect();
        let mut machine = Self {
            settings,
            form,
            now: Duration::ZERO,
            faults,
            life: None,
            lives: 0,
            is_hung: false,
            clients: 0,
            events: Vec::new(),
            said: Vec::new(),
        };
        machine.turn();
        machine
    }

    /// Lets everything happen that happens until `to`, counted from the start.
    pub fn advance(&mut self, to: Duration) {
        while self.now < to {
            let until = self.next_turn().map_or(to, |turn| turn.min(to));
            let conditions = self.conditions();
            if let Some(Life { scheduler, tally }) = &mut self.life {
                scheduler.advance(until, &conditions, tally);
                self.events.append(&mut scheduler.events());
            }
            self.now = until;
            self.turn();
        }
    }

    /// When a fault next begins or ends.
    fn next_turn(&self) -> Option<Duration> {
        let edges = self.faults.iter().flat_map(|Planned { fault, .. }| [Some(fault.at), fault.until]);
        let next = edges.flatten().filter(|edge| *edge > self.now).min();
        let looks = self.hang().is_some() && !self.is_hung;
        if looks { Some(next.unwrap_or(Duration::MAX).min(self.now + LOOK)) } else { next }
    }

    /// Begins what begins now, and ends what ends.
    fn turn(&mut self) {
        let now = self.now;
        let mut begun = Vec::new();
        for planned in &mut self.faults {
            if planned.fault.holds(now) && !mem::replace(&mut planned.has_begun, true) {
                begun.push(planned.fault.kind);
            }
        }
        for kind in begun {
            self.said.push(format!("fault {} begins", kind.name()));
            if let (Kind::Aborts, Some(Life { scheduler, tally })) = (kind, &mut self.life) {
                scheduler.cancel_all(tally);
            }
        }
        let said = &mut self.said;
        self.faults.retain(|Planned { fault, has_begun }| {
            let is_over = *has_begun && !fault.holds(now);
            if is_over {
                said.push(format!("fault {} is over", fault.kind.name()));
            }
            !is_over
        });
        self.is_hung = self.hang().is_some_and(|hang| {
            self.is_hung || self.life.as_ref().is_some_and(|life| life.is_like(hang.kind))
        });
        self.live_or_die();
    }

    fn live_or_die(&mut self) {
        let is_down =
            self.faults.iter().any(|planned| planned.fault.kind.is_down() && planned.fault.holds(self.now));
        if is_down && self.life.take().is_some() {
            let is_oom = self.holding(Kind::Oom).is_some();
            let why = if is_oom { "torch.OutOfMemoryError: CUDA out of memory" } else { "it is stopped" };
            self.said.push(format!("the engine is gone: {why}"));
        } else if !is_down && self.life.is_none() {
            let Settings { release, load, capacity, epoch, .. } = &self.settings;
            // Each life has other requests.
            let load = Load { seed: load.seed.wrapping_add(self.lives), ..*load };
            let mut tally = self.form.tally();
            tally.gauges.room = capacity.room as f64;
            tally.gauges.started = epoch + self.now.as_secs_f64();
            self.life =
                Some(Life { scheduler: Scheduler::new(release.kind, *capacity, load, self.now), tally });
            self.lives += 1;
            self.said.push("the engine serves".to_owned());
        }
    }

    fn holding(&self, kind: Kind) -> Option<&Fault> {
        let holds = |fault: &&Fault| fault.kind == kind && fault.holds(self.now);
        self.faults.iter().map(|planned| &planned.fault).find(holds)
    }

    /// The hang that holds now.
    fn hang(&self) -> Option<&Fault> {
        self.holding(Kind::Hang).or_else(|| self.holding(Kind::HangIdle))
    }

    fn conditions(&self) -> Conditions {
        let strength = |kind, usual| self.holding(kind).map_or(usual, |fault| fault.strength);
        let empties = self.holding(Kind::HangIdle).is_some() && !self.is_hung;
        let nobody = empties || self.holding(Kind::Aborts).is_some();
        Conditions {
            hung: self.is_hung,
            arrivals: if nobody { 0.0 } else { strength(Kind::Flood, 1.0) },
            step: strength(Kind::SlowDecode, 1.0),
            front_end: strength(Kind::SlowFrontEnd, 1.0),
            stream_errors: strength(Kind::StreamError, 0.0),
            http_errors: strength(Kind::HttpError, 0.0),
        }
    }

    /// Another fault.
    pub fn fail(&mut self, fault: Fault) {
        self.faults.push(Planned { fault, has_begun: false });
        self.turn();
    }

    /// Ends every fault, those that have not begun too.
    pub fn mend(&mut self) {
        self.faults.clear();
        self.said.push("every fault is over".to_owned());
        self.turn();
    }

    /// Whether anything listens.
    pub fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Which engine process it is, counted from 1.
    pub fn lives(&self) -> u64 {
        self.lives
    }

    /// What time it is.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// What is played.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it has counted; `None` while nothing listens.
    pub fn tally(&self) -> Option<&Tally> {
        self.life.as_ref().map(|life| &life.tally)
    }

    /// Its `/metrics` page; `None` while nothing listens.
    pub fn page(&self) -> Option<String> {
        Some(self.form.page(self.tally()?, &self.faults()))
    }

    /// The names of the faults there are now.
    fn faults(&self) -> String {
        let now = self.faults.iter().filter(|planned| planned.fault.holds(self.now));
        now.map(|planned| planned.fault.kind.name()).collect::<Vec<_>>().join(",")
    }

    /// A client asks something; its number, by which it is told what comes of it. `None` while nothing listens.
    pub fn ask(&mut self, asked: Asked) -> Option<u64> {
        let conditions = self.conditions();
        let Life { scheduler, tally } = self.life.as_mut()?;
        self.clients += 1;
        scheduler.take(Some(self.clients), asked, &conditions, tally);
        self.events.append(&mut scheduler.events());
        Some(self.clients)
    }

    /// A client goes away.
    pub fn cancel(&mut self, client: u64) {
        if let Some(Life { scheduler, tally }) = &mut self.life {
            scheduler.cancel(client, tally);
        }
    }

    /// What clients' requests came to since this was last asked.
    pub fn events(&mut self) -> Vec<(u64, Event)> {
        mem::take(&mut self.events)
    }

    /// What happened since this was last asked, in words.
    pub fn said(&mut self) -> Vec<String> {
        mem::take(&mut self.said)
    }

    /// How it is, for people and tests.
    pub fn state(&self) -> Value {
        let faults: Vec<Value> = self
            .faults
            .iter()
            .map(|Planned { fault, .. }| {
                json!({
                    "kind": fault.kind.name(),
                    "strength": fault.strength,
                    "at": fault.at.as_secs_f64(),
                    "until": fault.until.map(|until| until.as_secs_f64()),
                    "now": fault.holds(self.now),
                })
            })
            .collect();
        json!({
            "simulated": true,
            "release": self.settings.release.name,
            "now": self.now.as_secs_f64(),
            "up": self.is_up(),
            "lives": self.lives,
            "faults": faults,
        })
    }
}
