//! How an engine works its requests off: a front end, a queue, and steps that each compute prompts and one token of every answer.
//!
//! Owns what happens when, and tells it to the tally at the moment at which the real engines tell it. Pure: time is an argument. Leaves
//! out which faults there are (they come as [`Conditions`]) and what the numbers are called.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use super::ending;
use super::release::Kind;
use super::request::{Arrivals, Asked, Load, Request};
use super::tally::{Count, Quantity, Tally};

/// How much the engine can take on.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Requests in one step, at most.
    pub running: usize,
    /// Tokens in the key-value cache.
    pub room: u64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { running: 64, room: 262_144 }
    }
}

/// Requests that are let in at the same time; one more is answered 503. A queue without an end would take all memory in a hang.
pub(crate) const MOST_REQUESTS: usize = 5000;
/// Tokens of prompts that one step computes; a longer prompt has a step alone.
const STEP_TOKENS: u64 = 8192;
/// What a step takes, and how much longer for each request in it and each token of a prompt.
const STEP: Duration = Duration::from_millis(12);
const STEP_OF_REQUEST: Duration = Duration::from_micros(250);
const STEP_OF_TOKEN: Duration = Duration::from_micros(90);
/// Requests that the front end prepares at the same time.
const PREPARED_AT_ONCE: usize = 4;
/// What a request takes there, and an image that the processor cache has not.
const PREPARE: Duration = Duration::from_millis(8);
const PREPARE_IMAGE: Duration = Duration::from_millis(120);
/// `SGLang` sets its gauges once more when it has been idle for so long; vLLM does not (vllm#22545).
const IDLE_REFRESH: Duration = Duration::from_secs(30);

/// What is wrong now; the default is nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conditions {
    /// No step begins or ends.
    pub(crate) hung: bool,
    /// As many times the usual requests.
    pub(crate) arrivals: f64,
    /// As many times the usual time of a step, that of prompts apart.
    pub(crate) step: f64,
    /// As many times the usual time in the front end, which then prepares one request after the other.
    pub(crate) front_end: f64,
    /// The share of answers that break off.
    pub(crate) stream_errors: f64,
    /// The share of requests that are answered 500.
    pub(crate) http_errors: f64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { hung: false, arrivals: 1.0, step: 1.0, front_end: 1.0, stream_errors: 0.0, http_errors: 0.0 }
    }
}

/// What a client's request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Another token of its answer.
    Token,
    /// The end of it; true when it was as long as it may be.
    Ended(bool),
    /// It broke off, after its answer's status was sent.
    Broken,
    /// It is answered with this status, without a token.
    Refused(u16),
}

/// A step under way.
#[derive(Clone, Debug)]
struct Step {
    began: Duration,
    ends: Duration,
    tokens: u64,
}

/// The engine's requests, wherever they are.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    kind: Kind,
    capacity: Capacity,
    now: Duration,
    arrivals: Arrivals,
    next_arrival: Option<Duration>,
    front_end: VecDeque<Request>,
    /// In preparation, with the moment at which that is done.
    prepared: Vec<(Duration, Request)>,
    waiting: VecDeque<Request>,
    running: Vec<Request>,
    step: Option<Step>,
    idle_since: Duration,
    events: Vec<(u64, Event)>,
}

impl Scheduler {
    pub(crate) fn new(kind: Kind, capacity: Capacity, load: Load, now: Duration) -> Self {
        Self {
            kind,
            capacity,
            now,
            arrivals: Arrivals::new(load),
            next_arrival: None,
            front_end: VecDeque::new(),
            prepared: Vec::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            step: None,
            idle_since: now,
            events: Vec::new(),
        }
    }

    /// Requests that are somewhere in the engine.
    pub(crate) fn in_flight(&self) -> usize {
        self.front_end.len() + self.prepared.len() + self.waiting.len() + self.running.len()
    }

    /// What clients' requests came to since this was last asked.
    pub(crate) fn events(&mut self) -> Vec<(u64, Event)> {
        mem::take(&mut self.events)
    }

    /// Lets everything happen that happens until `to`, under these conditions.
    pub(crate) fn advance(&mut self, to: Duration, conditions: &Conditions, tally: &mut Tally) {
        if conditions.arrivals <= 0.0 {
            self.next_arrival = None;
        } else if self.next_arrival.is_none() {
            self.next_arrival = self.arrivals.pause(conditions.arrivals).map(|pause| self.now + pause);
        }
        loop {
            if !conditions.hung {
                self.begin_step(conditions, tally);
            }
            self.prepare(conditions);
            let step = self.step.as_ref().filter(|_| !conditions.hung).map(|step| step.ends.max(self.now));
            let prepared = self.prepared.iter().map(|(done, _)| *done).min();
            let Some(at) =
                [self.next_arrival, step, prepared].into_iter().flatten().min().filter(|at| *at <= to)
            else {
                break;
            };
            self.pass(at, conditions, tally);
            if Some(at) == step {
                self.end_step(conditions, tally);
            } else if Some(at) == prepared {
                self.queue(tally);
            } else {
                self.next_arrival = self.arrivals.pause(conditions.arrivals).map(|pause| at + pause);
                let asked = self.arrivals.next();
                self.take(None, asked, conditions, tally);
            }
        }
        self.pass(to, conditions, tally);
        tally.gauges.in_flight = number(self.in_flight());
    }

    /// Time goes by without an event.
    fn pass(&mut self, to: Duration, conditions: &Conditions, tally: &mut Tally) {
        let seconds = to.saturating_sub(self.now).as_secs_f64();
        self.now = self.now.max(to);
        if self.step.is_some() {
            self.idle_since = self.now;
        } else if !conditions.hung {
            tally.add(Count::IdleSeconds, false, seconds);
            if self.kind == Kind::Sglang && self.now.saturating_sub(self.idle_since) >= IDLE_REFRESH {
                self.show(tally);
            }
        }
    }

    /// A request comes: of the load, or of a client with its number.
    pub(crate) fn take(
        &mut self,
        client: Option<u64>,
        asked: Asked,
        conditions: &Conditions,
        tally: &mut Tally,
    ) {
        tally.add(Count::HttpStarted, asked.streams, 1.0);
        let refused = if self.in_flight() >= MOST_REQUESTS {
            tally.add(Count::Refused, asked.streams, 1.0);
            Some(503)
        } else {
            self.arrivals.happens(conditions.http_errors).then_some(500)
        };
        if let Some(status) = refused {
            tally.add(Count::Http5xx, asked.streams, 1.0);
            tally.observe(Quantity::Http, asked.streams, 0.002);
            self.events.extend(client.map(|client| (client, Event::Refused(status))));
            return;
        }
        self.front_end.push_back(Request::new(client, asked, self.now));
    }

    /// A client goes away.
    pub(crate) fn cancel(&mut self, client: u64, tally: &mut Tally) {
        let stays = |request: &Request| request.client != Some(client);
        let before = self.in_flight();
        self.front_end.retain(stays);
        self.prepared.retain(|(_, request)| stays(request));
        self.waiting.retain(stays);
        self.running.retain(stays);
        tally.add(Count::Aborted, false, number(before - self.in_flight()));
    }

    /// All of them go away.
    pub(crate) fn cancel_all(&mut self, tally: &mut Tally) {
        tally.add(Count::Aborted, false, number(self.in_flight()));
        let gone = self.front_end.drain(..).chain(self.prepared.drain(..).map(|(_, request)| request));
        let gone = gone.chain(self.waiting.drain(..)).chain(self.running.drain(..));
        self.events.extend(gone.filter_map(|request| Some((request.client?, Event::Broken))));
        // Nothing is in it any more, so it ends without telling anything: the gauges stay.
        self.step = None;
    }

    fn prepare(&mut self, conditions: &Conditions) {
        let at_once = if conditions.front_end > 1.0 { 1 } else { PREPARED_AT_ONCE };
        while self.prepared.len() < at_once {
            let Some(request) = self.front_end.pop_front() else { return };
            let images = request.asked.images - request.asked.known_images;
            let images = PREPARE_IMAGE.mul_f64(count(images) * conditions.front_end);
            self.prepared.push((self.now + PREPARE + images, request));
        }
    }

    /// What is prepared now goes into the queue.
    fn queue(&mut self, tally: &mut Tally) {
        let now = self.now;
        let (done, still): (Vec<_>, Vec<_>) = self.prepared.drain(..).partition(|(done, _)| *done <= now);
        self.prepared = still;
        for (_, mut request) in done {
            request.queued = now;
            let Asked { streams, images, known_images, .. } = request.asked;
            tally.observe(Quantity::FrontEnd, streams, self.since(request.arrived));
            tally.add(Count::Images, streams, count(images));
            tally.add(Count::KnownImages, streams, count(known_images));
            self.waiting.push_back(request);
        }
    }

    fn held(&self) -> u64 {
        self.running.iter().map(Request::held).sum()
    }

    fn begin_step(&mut self, conditions: &Conditions, tally: &mut Tally) {
        if self.step.is_some() {
            return;
        }
        self.make_room(tally);
        let mut tokens = 0;
        while self.running.len() < self.capacity.running {
            let held = self.held();
            let fits = |request: &mut Request| {
                let computed = request.held() - request.asked.cached;
                (held == 0 || held + request.held() <= self.capacity.room)
                    && (tokens == 0 || tokens + computed <= STEP_TOKENS)
            };
            let Some(mut request) = self.waiting.pop_front_if(fits) else { break };
            tokens += request.held() - request.asked.cached;
            if request.scheduled.is_none() {
                request.scheduled = Some(self.now);
                let queued = self.since(request.queued);
                tally.observe(Quantity::Queued, request.asked.streams, queued);
            }
            self.running.push(request);
        }
        if self.running.is_empty() {
            return;
        }
        let requests = count(self.running.len() as u64);
        let decode = (STEP + STEP_OF_REQUEST.mul_f64(requests)).mul_f64(conditions.step);
        let ends = self.now + decode + STEP_OF_TOKEN.mul_f64(count(tokens));
        self.step = Some(Step { began: self.now, ends, tokens: tokens + self.running.len() as u64 });
    }

    /// Puts the youngest back when the next tokens would not fit.
    fn make_room(&mut self, tally: &mut Tally) {
        while self.running.len() > 1 && self.held() + self.running.len() as u64 > self.capacity.room {
            let Some(mut request) = self.running.pop() else { return };
            request.preemptions += 1;
            tally.add(Count::Preempted, false, 1.0);
            tally.add(Count::PreemptedPrompt, false, count(request.asked.prompt));
            tally.add(Count::PreemptedGenerated, false, count(request.made));
            self.waiting.push_front(request);
        }
    }

    fn end_step(&mut self, conditions: &Conditions, tally: &mut Tally) {
        let Some(step) = self.step.take() else { return };
        let seconds = self.since(step.began);
        tally.add(Count::Steps, false, 1.0);
        tally.add(Count::BusySeconds, false, seconds);
        tally.observe(Quantity::StepTokens, false, count(step.tokens));
        tally.gauges.throughput = number(self.running.len()) / seconds.max(1e-6);
        for mut request in mem::take(&mut self.running) {
            self.make_token(&mut request, tally);
            let Asked { answer, .. } = request.asked;
            if request.made == answer.div_ceil(2) && self.arrivals.happens(conditions.stream_errors) {
                self.end(&request, true, tally);
            } else if request.made >= answer {
                self.end(&request, false, tally);
            } else {
                self.running.push(request);
            }
        }
        self.show(tally);
    }

    fn make_token(&mut self, request: &mut Request, tally: &mut Tally) {
        let Asked { streams, prompt, cached, .. } = request.asked;
        request.made += 1;
        tally.add(Count::Generated, streams, 1.0);
        if request.first_token.is_none() {
            request.first_token = Some(self.now);
            tally.add(Count::Prompt, streams, count(prompt));
            tally.add(Count::Cached, streams, count(cached));
            tally.add(Count::Computed, streams, count(prompt - cached));
            tally.observe(Quantity::FirstToken, streams, self.since(request.arrived));
            let scheduled = request.scheduled.unwrap_or(request.queued);
            tally.observe(Quantity::Prefill, streams, self.since(scheduled));
        } else {
            tally.observe(Quantity::BetweenTokens, streams, self.since(request.last_token));
        }
        request.last_token = self.now;
        self.events.extend(request.client.map(|client| (client, Event::Token)));
    }

    fn end(&mut self, request: &Request, is_broken: bool, tally: &mut Tally) {
        ending::tell(self.kind, request, self.now, is_broken, tally);
        let is_long = request.asked.answer >= request.asked.limit;
        let event = if is_broken { Event::Broken } else { Event::Ended(is_long) };
        self.events.extend(request.client.map(|client| (client, event)));
    }

    /// Seconds that have passed since then.
    fn since(&self, then: Duration) -> f64 {
        self.now.saturating_sub(then).as_secs_f64()
    }

    /// Sets the gauges, which nothing else does.
    fn show(&self, tally: &mut Tally) {
        tally.gauges.running = number(self.running.len());
        tally.gauges.waiting = number(self.waiting.len());
        tally.gauges.held = count(self.held());
        if self.running.is_empty() {
            tally.gauges.throughput = 0.0;
        }
    }
}

fn count(number: u64) -> f64 {
    number as f64
}

fn number(number: usize) -> f64 {
    number as f64
}
