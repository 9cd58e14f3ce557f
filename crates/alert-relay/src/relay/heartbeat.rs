//! Heartbeats in the running relay: noting those that come, and telling of those that stay away.

use std::convert::Infallible;
use std::mem;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::clock::Millis;
use crate::delivery::Accepted;
use crate::heartbeat::{self, Due};
use crate::intake;
use crate::notification::{Notification, Status};
use crate::outbox::{HEARTBEATS, StoreError};
use crate::relay::Relay;
use crate::relay::accept::Refusal;
use crate::routes::Planned;
use crate::sender::Sender;
use crate::settings::{Settings, no_such};

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
    pub(crate) async fn beat(&self, name: &str, body: &[u8]) -> Result<Beat, Refusal> {
        let settings = self.settings();
        if !settings.heartbeats.contains_key(name) {
            let known = settings.heartbeats.keys().map(String::as_str).collect();
            return Err(Refusal::Unknown(no_such("heartbeat", name, &known)));
        }
        if has_ended(body) {
            return Ok(Beat::Ended);
        }
        self.heartbeats.beat(name, self.parts.clock.reading());
        // Another relay may be the one that watches.
        let noted = self.parts.outbox.beat(name).await;
        noted.inspect_err(|error| self.parts.metrics.store_error(error))?;
        Ok(Beat::Heard)
    }

    /// Sends an alarm when a heartbeat has gone silent, and its end when it comes back, for ever.
    pub(super) async fn watch_heartbeats(&self) -> Infallible {
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

    /// Goes on with what was stored last of each heartbeat, by an earlier run or by another relay. The alarm of one that the settings do not
    /// have any more ends.
    pub(super) async fn recall_alarms(&self) -> Result<(), StoreError> {
        let settings = self.settings();
        let mut known = self.parts.outbox.alarms().await?;
        for name in settings.heartbeats.keys() {
            let told = known.remove(name).unwrap_or_default();
            let told = told.into_iter().map(|target| settings.called_now(target));
            let told = told.filter(|target| settings.targets.contains_key(target)).collect();
            if let Some((notification, at)) = self.newest_alarm(name).await? {
                self.heartbeats.recall(name, &notification, told, at, self.parts.clock.reading());
            }
        }
        for (name, told) in known {
            if let Some((notification, _)) = self.newest_alarm(&name).await?
                && notification.alerts.iter().any(|alert| alert.status == Status::Firing)
            {
                info!(heartbeat = name, "heartbeat `{name}` is no longer in the settings: its alarm ends");
                let now = self.parts.clock.now().timestamp();
                let (notification, deliveries) = heartbeat::end(&name, notification, told, now);
                self.store_alarm(&settings, &name, notification, deliveries).await?;
            }
        }
        Ok(())
    }

    /// What was stored last of a heartbeat, and when.
    async fn newest_alarm(&self, name: &str) -> Result<Option<(Notification, Millis)>, StoreError> {
        let group = heartbeat::group_key(name);
        let endpoint = format!("{HEARTBEATS}{name}");
        let stored = self.parts.outbox.newest(&endpoint, heartbeat::RECEIVER, &group).await?;
        let parsed =
            stored.and_then(|stored| Some((intake::parse(stored.payload.as_deref()?).ok()?, stored.at)));
        Ok(parsed)
    }

    async fn send_alarm(&self, due: &Due) -> Result<(), StoreError> {
        let settings = self.settings();
        if due.is_alarm() {
            warn!(heartbeat = due.name, "heartbeat `{}` is missing", due.name);
        } else if due.is_gone() {
            info!(
                heartbeat = due.name,
                "heartbeat `{}` is no longer in the settings: its alarm ends", due.name
            );
        } else {
            info!(heartbeat = due.name, "heartbeat `{}` is heard", due.name);
        }
        let now = self.parts.clock.now().timestamp();
        if due.is_nobodys() {
            return Ok(());
        }
        let (notification, deliveries) = due.notification(settings.language, now);
        self.store_alarm(&settings, &due.name, notification, deliveries).await
    }

    async fn store_alarm(
        &self,
        settings: &Settings,
        name: &str,
        notification: Notification,
        mut deliveries: Vec<Planned>,
    ) -> Result<(), StoreError> {
        // A target may have got another name, or have gone, together with the heartbeat.
        for planned in &mut deliveries {
            planned.target = settings.called_now(mem::take(&mut planned.target));
        }
        deliveries.retain(|planned| settings.targets.contains_key(&planned.target));
        let payload = intake::write(&notification);
        let endpoint = format!("{HEARTBEATS}{name}");
        let (unrouted, unrouted_notes, sender) = (Vec::new(), Vec::new(), Sender::default());
        let accepted =
            Accepted { endpoint, notification, payload, deliveries, unrouted, unrouted_notes, sender };
        self.store(accepted).await?;
        Ok(())
    }
}

/// Whether Alertmanager says in a body that the Watchdog is over. A larger body is no Watchdog's, and may be anything.
fn has_ended(body: &[u8]) -> bool {
    body.len() <= MOST_WATCHDOG_BYTES
        && intake::parse(body).is_ok_and(|notification| {
            notification.alerts.iter().all(|alert| alert.status == Status::Resolved)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_has_ended_only_by_alertmanagers_word_in_a_small_body() {
        let padded = |statuses: &[&str], bytes: usize| {
            let alerts: Vec<_> = statuses
                .iter()
                .map(|status| {
                    serde_json::json!({
                        "status": status,
                        "labels": { "alertname": "Watchdog" },
                        "startsAt": "2026-11-23T01:02:03Z",
                        "endsAt": "2026-11-23T02:02:03Z",
                    })
                })
                .collect();
            let mut body = serde_json::json!({ "alerts": alerts }).to_string().into_bytes();
            // Spaces around a document change nothing in it.
            body.resize(body.len().max(bytes), b' ');
            body
        };
        for (body, expected) in [
            (padded(&["resolved"], 0), true),
            (padded(&["resolved", "resolved"], 0), true),
            (padded(&["firing"], 0), false),
            (padded(&["resolved", "firing"], 0), false),
            (padded(&[], 0), false),
            (Vec::new(), false),
            (b"tick".to_vec(), false),
            (vec![b'['; MOST_WATCHDOG_BYTES], false),
            (padded(&["resolved"], MOST_WATCHDOG_BYTES), true),
            (padded(&["resolved"], MOST_WATCHDOG_BYTES + 1), false),
        ] {
            let start = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
            assert_eq!(has_ended(&body), expected, "{} bytes: {start}", body.len());
        }
    }
}
