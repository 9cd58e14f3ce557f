//! Heartbeats in the running relay: noting those that come, and telling of those that stay away.

use std::convert::Infallible;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::delivery::Accepted;
use crate::heartbeat::Due;
use crate::intake;
use crate::notification::Status;
use crate::outbox::{HEARTBEATS, StoreError};
use crate::relay::Relay;
use crate::relay::accept::Refusal;
use crate::sender::Sender;
use crate::settings::no_such;

/// What could not be stored for a heartbeat is tried again after this long.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A webhook of one alert is a tenth of it.
const MOST_WATCHDOG_BYTES: usize = 64 * 1024;

/// What became of a post to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// A sign of life.
    Heard,
    /// Alertmanager says that the Watchdog is resolved: the opposite of a sign of life.
    Ended,
}

impl Relay {
    /// Notes a sign of life. The body may be anything; only Alertmanager's word that the Watchdog has ended does not count.
    pub(crate) fn beat(&self, name: &str, body: &[u8]) -> Result<Beat, Refusal> {
        let settings = self.settings();
        if !settings.heartbeats.contains_key(name) {
            let known = settings.heartbeats.keys().map(String::as_str).collect();
            return Err(Refusal::Unknown(no_such("heartbeat", name, &known)));
        }
        // A larger body is no Watchdog's, and may be anything.
        let may_be_webhook = body.len() <= MOST_WATCHDOG_BYTES;
        let has_ended = may_be_webhook
            && intake::parse(body).is_ok_and(|notification| {
                notification.alerts.iter().all(|alert| alert.status == Status::Resolved)
            });
        if has_ended {
            return Ok(Beat::Ended);
        }
        self.heartbeats.beat(name, self.parts.clock.reading());
        Ok(Beat::Heard)
    }

    /// Sends an alarm when a heartbeat has gone silent, and its end when it comes back, for ever.
    pub(crate) async fn watch_heartbeats(&self) -> Infallible {
        loop {
            let mut again = None;
            let now = self.parts.clock.reading();
            for due in self.heartbeats.due(now) {
                match self.send_alarm(&due).await {
                    Ok(()) => self.heartbeats.stored(&due, now),
                    Err(error) => {
                        error!(heartbeat = due.name, %error, "cannot store the alarm of heartbeat `{}`, and tries again: {error}", due.name);
                        again = Some(now.passed.saturating_add(STORE_AGAIN_AFTER));
                    }
                }
            }
            let deadline = async {
                match again.or_else(|| self.heartbeats.next_deadline()) {
                    Some(at) => {
                        let left = at.saturating_sub(self.parts.clock.passed());
                        self.parts.clock.sleep_until(self.parts.clock.now().plus(left)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = deadline => {}
                () = self.heartbeats.changed() => {}
            }
        }
    }

    async fn send_alarm(&self, due: &Due) -> Result<(), StoreError> {
        let settings = self.settings();
        let Some(heartbeat) = settings.heartbeats.get(&due.name) else { return Ok(()) };
        if due.is_alarm() {
            warn!(heartbeat = due.name, "heartbeat `{}` is missing", due.name);
        } else {
            info!(heartbeat = due.name, "heartbeat `{}` is heard", due.name);
        }
        let now = self.parts.clock.now().timestamp();
        let (notification, deliveries) = due.notification(heartbeat, settings.language, now);
        if deliveries.is_empty() {
            return Ok(());
        }
        let payload = intake::write(&notification);
        let endpoint = format!("{HEARTBEATS}{}", due.name);
        let (unrouted, sender) = (Vec::new(), Sender::default());
        self.store(Accepted { endpoint, notification, payload, deliveries, unrouted, sender }).await?;
        Ok(())
    }
}
