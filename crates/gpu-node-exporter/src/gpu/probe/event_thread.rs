//! The thread that waits for XIDs and other events, as long as the same GPUs answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::heard::Heard;
use super::pipe::{End, Output, touch};
use crate::gpu::frame::Frame;
use crate::gpu::nvml::{Events, Library, Reported};

/// Small: the thread only waits and writes short frames.
const STACK: usize = 128 << 10;

/// The thread that waits for events. All other calls to a GPU are made by the main thread, after its marker, so that a
/// hang or crash is blamed on the right one. Dropping it ends the thread.
pub(super) struct EventThread<'scope, 'env> {
    scope: &'scope thread::Scope<'scope, 'env>,
    running: Option<thread::ScopedJoinHandle<'scope, ()>>,
    stop: Arc<AtomicBool>,
    /// The GPUs that answered when it was last started.
    gpus: BTreeSet<u32>,
    /// Other GPUs have answered since. One that went and came back has to be registered again.
    is_outdated: bool,
    /// When it was last started, or could not be.
    tried: Option<Instant>,
    retry: Duration,
    /// Events so far.
    heard: Arc<Heard>,
}

/// A lost GPU ends the wait for all, so it is begun again; but not in each sweep, since it may fail again at once.
const RETRY: Duration = Duration::from_secs(10);
const RETRY_SWEEPS: u32 = 10;

impl<'scope, 'env> EventThread<'scope, 'env> {
    /// None yet. `heard` counts the events.
    pub(super) fn new(
        scope: &'scope thread::Scope<'scope, 'env>,
        sample_interval: Duration,
        heard: Arc<Heard>,
    ) -> Self {
        Self {
            heard,
            scope,
            running: None,
            stop: Arc::default(),
            gpus: BTreeSet::new(),
            is_outdated: false,
            tried: None,
            retry: RETRY.min(sample_interval * RETRY_SWEEPS),
        }
    }

    /// Starts the thread where it does not run, or runs for other GPUs than `answering`. Without it the kernel log
    /// still has XIDs.
    pub(super) fn keep(
        &mut self,
        library: &'scope Library,
        output: &'scope Output,
        answering: &BTreeSet<u32>,
    ) -> Result<(), End> {
        self.is_outdated |= *answering != self.gpus;
        let is_running = self.running.as_ref().is_some_and(|thread| !thread.is_finished());
        let is_well = is_running && !self.is_outdated;
        if is_well || self.tried.is_some_and(|tried| tried.elapsed() < self.retry) {
            return Ok(());
        }
        self.end();
        self.tried = Some(Instant::now());
        self.gpus.clone_from(answering);
        self.is_outdated = false;
        let indices = answering.iter().copied().collect();
        let Some(events) = Events::register(library, indices, |gpu| touch(output, gpu))? else {
            return Ok(());
        };
        for watched in events.watched() {
            output.write(Frame::Watched(watched))?;
        }
        self.stop = Arc::default();
        let (stop, heard) = (Arc::clone(&self.stop), Arc::clone(&self.heard));
        // A broken pipe is seen by the main thread, within one interval.
        let wait = move || {
            events.wait(&stop, |reported| {
                let (uuid, frame) = match reported {
                    Reported::Xid(event) => (event.uuid.clone(), Frame::Xid(event)),
                    Reported::Other(event) => (event.uuid.clone(), Frame::Event(event)),
                };
                heard.count(&uuid);
                drop(output.write(frame));
            });
        };
        let thread = thread::Builder::new().name("events".to_owned()).stack_size(STACK);
        self.running = thread.spawn_scoped(self.scope, wait).ok();
        Ok(())
    }
}

impl EventThread<'_, '_> {
    /// Waits for it to end: as long as one wait for an event.
    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.running.take() {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for EventThread<'_, '_> {
    fn drop(&mut self) {
        self.end();
    }
}
