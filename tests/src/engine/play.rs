//! A machine in real time: what the endpoint asks and the ticker moves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::fault::Fault;
use super::machine::{Event, Machine};
use super::request::Asked;

/// A machine that plays, and those who wait for its answers.
#[derive(Debug)]
pub struct Play {
    started: Instant,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    machine: Machine,
    clients: HashMap<u64, UnboundedSender<Event>>,
    /// What `/sim` says of the processes.
    processes: Value,
}

/// A client's request under way; dropped, it is aborted.
#[derive(Debug)]
pub struct Waiting {
    play: Arc<Play>,
    client: u64,
    events: UnboundedReceiver<Event>,
}

impl Play {
    /// Time begins now.
    pub fn new(machine: Machine) -> Arc<Self> {
        let inside = Inside { machine, clients: HashMap::new(), processes: Value::Null };
        Arc::new(Self { started: Instant::now(), inside: Mutex::new(inside) })
    }

    /// The machine as it is now. Clients are told what has happened to them.
    fn now(&self) -> MutexGuard<'_, Inside> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.machine.advance(self.started.elapsed());
        inside.tell();
        inside
    }

    /// Moves on. What was said since the last time, and which life it is; `None` while nothing listens.
    pub fn tick(&self) -> (Vec<String>, Option<u64>) {
        let mut inside = self.now();
        if !inside.machine.is_up() {
            // Their connections end too.
            inside.clients.clear();
        }
        let life = inside.machine.is_up().then(|| inside.machine.lives());
        (inside.machine.said(), life)
    }

    /// What `/sim` is to say of the processes.
    pub fn show_processes(&self, processes: Value) {
        self.now().processes = processes;
    }

    /// The `/metrics` page.
    pub fn page(&self) -> Option<String> {
        self.now().machine.page()
    }

    /// How the machine is.
    pub fn state(&self) -> Value {
        let inside = self.now();
        let mut state = inside.machine.state();
        state["processes"] = inside.processes.clone();
        state
    }

    /// The served model.
    pub fn model(&self) -> String {
        self.now().machine.settings().model.clone()
    }

    /// A fault from now on, by a call's body.
    pub fn fail(&self, body: &[u8]) -> anyhow::Result<()> {
        let mut inside = self.now();
        match Fault::of_call(body, inside.machine.now())? {
            Some(fault) => inside.machine.fail(fault),
            None => inside.machine.mend(),
        }
        Ok(())
    }

    /// Asks something; `None` while nothing listens.
    pub fn ask(self: &Arc<Self>, asked: Asked) -> Option<Waiting> {
        let mut inside = self.now();
        let client = inside.machine.ask(asked)?;
        // Its length is bounded by the answer's.
        let (sender, events) = unbounded_channel();
        inside.clients.insert(client, sender);
        inside.tell();
        Some(Waiting { play: Arc::clone(self), client, events })
    }
}

impl Inside {
    fn tell(&mut self) {
        for (client, event) in self.machine.events() {
            if let Some(sender) = self.clients.get(&client) {
                // Who is gone is cancelled by their own end.
                let _ = sender.send(event);
            }
            if event != Event::Token {
                self.clients.remove(&client);
            }
        }
    }
}

impl Waiting {
    /// What is next; `None` when the engine has died.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// What is next, if it is there already.
    pub fn ready(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// The same for a body that is polled.
    pub(crate) fn poll(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Event>> {
        self.events.poll_recv(context)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inside = self.play.now();
        if inside.clients.remove(&self.client).is_some() {
            inside.machine.cancel(self.client);
        }
    }
}
