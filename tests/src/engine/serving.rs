//! Runs a play: the ticker, and a listener that is there only while the engine lives.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::api;
use super::play::Play;
use super::processes::Processes;
use super::release::Kind;
use crate::terminal::Terminal;

/// How often the machine moves on by itself.
const TICK: Duration = Duration::from_millis(20);

/// Where it listens, whether it does at the moment or not.
#[derive(Debug)]
pub struct Place {
    address: SocketAddr,
    /// Bound when the port was chosen, for an engine that serves at once.
    first: Option<TcpListener>,
}

impl Place {
    /// An address; port 0 is any that is free. While the engine is not up, nothing may accept there.
    pub fn new(address: SocketAddr, is_up: bool) -> Result<Self> {
        let first = TcpListener::bind(address).with_context(|| format!("failed to listen on {address}"))?;
        Ok(Self { address: first.local_addr()?, first: Some(first).filter(|_| is_up) })
    }

    /// With the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn listener(&mut self) -> Result<TcpListener> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        TcpListener::bind(self.address).with_context(|| format!("failed to listen on {} again", self.address))
    }
}

/// An engine that lives: its processes and its listener. Dropping it ends them, and every open connection.
#[derive(Debug)]
struct Server {
    life: u64,
    processes: Processes,
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(life: u64, kind: Kind, listener: TcpListener, play: &Arc<Play>) -> Result<Self> {
        let processes = Processes::start(kind).context("failed to start the engine's processes")?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (ends, ended) = oneshot::channel::<()>();
        let router = api::router(Arc::clone(play));
        // A runtime of its own: its end is that of its connections.
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(listener, router).into_future() => {}
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { life, processes, ends: Some(ends), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

/// Plays until this future is dropped, and says what happens.
pub async fn serve(play: Arc<Play>, kind: Kind, mut place: Place, terminal: &Terminal) -> Result<()> {
    let mut tick = tokio::time::interval(TICK);
    let mut server: Option<Server> = None;
    loop {
        tick.tick().await;
        let (said, life) = play.tick();
        for line in said {
            terminal.say(&line);
        }
        if server.as_ref().map(|server| server.life) == life {
            continue;
        }
        // The old one first: they have the same address.
        drop(server.take());
        if let Some(life) = life {
            let begun = Server::start(life, kind, place.listener()?, &play)?;
            play.show_processes(begun.processes.listing());
            terminal.say(&format!(
                "listening on http://{}, processes {}",
                place.address,
                begun.processes.listing()
            ));
            server = Some(begun);
        }
    }
}
