//! The times in which this relay is the one that delivers.
//!
//! On a file of its own that is always. Of several relays on one database each waits for its turn: it then delivers, and watches the
//! heartbeats, until another has taken over. What it needs of the former deliverer is in the store.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::deliver::{self, Deliverer, Nobody, Pace, SizeKeeper, SizeLimits, StartError};
use crate::delivery::SetAside;
use crate::outbox::StoreError;
use crate::relay::{self, Parts, Relay};

/// What the store refuses is asked again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the store knows of heartbeats that other relays heard is read this often.
const HEAR_EVERY: Duration = Duration::from_secs(1);

impl Relay {
    /// Begins to deliver on a store of its own; `false`: of a shared one it is not yet known whose turn it is.
    pub(crate) async fn begin_alone(&self) -> Result<bool, StartError> {
        if self.parts.outbox.is_shared() {
            return Ok(false);
        }
        self.begin_term().await?;
        Ok(true)
    }

    /// Delivers whenever it is this relay's turn. Returns once a part of it has ended by itself, which is a fault of ours.
    pub(crate) async fn deliver(&self) {
        loop {
            let ended = self.deliverer.lock().await.as_ref().map(Deliverer::ended);
            let Some(ended) = ended else {
                self.wait_for_term().await;
                continue;
            };
            tokio::select! {
                () = ended => return,
                () = self.parts.outbox.deposed() => {}
                never = self.watch_heartbeats() => match never {},
                never = self.hear_beats() => match never {},
            }
            self.end_term().await;
        }
    }

    async fn wait_for_term(&self) {
        let led = tokio::select! {
            led = self.parts.outbox.lead() => led,
            never = self.watch_size() => match never {},
            never = self.hear_beats() => match never {},
        };
        let begun = match led {
            Ok(()) => self.begin_term().await,
            Err(error) => Err(error.into()),
        };
        if let Err(StartError::Store(error)) = begun {
            self.parts.outbox.resign().await;
            self.parts.metrics.store_error(&error);
            warn!(%error, "this relay cannot begin to deliver, and tries again: {error}");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn begin_term(&self) -> Result<(), StartError> {
        self.report_set_aside();
        // Held, so that no reload comes between the settings and whoever works by them.
        let mut deliverer = self.deliverer.lock().await;
        let settings = self.settings();
        let relay::Parts { outbox, metrics, audit, clock, memory } = &self.parts;
        let parts = deliver::Parts {
            outbox: outbox.clone(),
            metrics: Arc::clone(metrics),
            audit: Arc::clone(audit),
            clock: clock.clone(),
            memory: memory.clone(),
            pace: Pace::default(),
            observer: Arc::new(Nobody),
        };
        let started = Deliverer::start(parts, &settings).await?;
        self.standings.store(Some(Arc::new(started.standings())));
        *deliverer = Some(started);
        self.heartbeats.watch_from(clock.reading());
        self.recall_alarms().await?;
        if outbox.is_shared() {
            self.note_beats().await?;
            info!("this relay delivers now");
        }
        metrics.delivers(true);
        Ok(())
    }

    /// Begins nothing more. What is under way is cut short: another relay sends it.
    async fn end_term(&self) {
        self.parts.metrics.delivers(false);
        self.standings.store(None);
        let deliverer = self.deliverer.lock().await.take();
        let cut_short = match deliverer {
            Some(deliverer) => deliverer.stop(Duration::ZERO).await,
            None => 0,
        };
        self.parts.metrics.term_ended();
        warn!(
            cut_short,
            "another relay may deliver now: this one accepts, and waits for its turn; {cut_short} deliveries being sent were cut short and may arrive twice"
        );
    }

    /// Refuses what is new while what is pending fills the store, for ever. Room in it is made by the relay that delivers.
    async fn watch_size(&self) -> std::convert::Infallible {
        let mut keeper = SizeKeeper::default();
        loop {
            let Parts { outbox, metrics, clock, .. } = &self.parts;
            let limits = SizeLimits::of(&self.settings());
            if let Err(error) = keeper.look(outbox, metrics, clock.now(), limits).await {
                metrics.store_error(&error);
                warn!(%error, "cannot see how large the store is, and tries again: {error}");
            }
            tokio::time::sleep(Pace::default().housekeeping).await;
        }
    }

    /// Learns of heartbeats from the store, for ever. A relay that does not deliver shows them.
    async fn hear_beats(&self) -> std::convert::Infallible {
        let mut said = None;
        loop {
            tokio::time::sleep(HEAR_EVERY).await;
            let error = self.note_beats().await.err();
            if let Some(error) = &error {
                self.parts.metrics.store_error(error);
            }
            let error = error.map(|error| error.to_string());
            if let Some(error) = error.as_ref().filter(|error| said.as_ref() != Some(*error)) {
                warn!(%error, "cannot read which heartbeats other relays heard, and tries again: {error}");
            }
            said = error;
        }
    }

    async fn note_beats(&self) -> Result<(), StoreError> {
        if !self.parts.outbox.is_shared() || self.settings().heartbeats.is_empty() {
            return Ok(());
        }
        let now = self.parts.clock.reading();
        for beat in self.parts.outbox.beats().await? {
            self.heartbeats.heard(&beat.name, beat.heard_at, beat.ago, now);
        }
        Ok(())
    }

    /// What several processes ended with one after the other is not tried by a further one, and somebody has to know.
    fn report_set_aside(&self) {
        for SetAside { id, target, group } in self.parts.outbox.set_aside() {
            let id = self.parts.outbox.public_id(id);
            error!(
                delivery = %id, %target, %group, end = "dead",
                "delivery {id} to {target} is set aside: the relay ended again and again while it prepared this message (hint: `alert-relay explain {id}` \
                 shows its alerts; tell them yourself, and please report it)"
            );
        }
    }
}
