//! The settings, resolved: past this point no value can be wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::channel::ChannelSettings;
use crate::message::Language;
use crate::people::Person;

/// Everything `relay.yml` says, checked and with its secrets read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `server:`
    pub(crate) server: ServerSettings,
    /// `store:`
    pub(crate) store: StoreSettings,
    /// `language`: of built-in texts, unless a target says otherwise.
    pub(crate) language: Language,
    /// `timezone`: of shown times and of `active:` windows.
    pub(crate) time_zone: TimeZone,
    /// `alertmanager.url`, without a trailing slash; empty when unset.
    pub(crate) alertmanager_url: String,
    /// `prometheus.url`, without a trailing slash; empty when unset.
    pub(crate) prometheus_url: String,
    /// `targets:` by name.
    pub(crate) targets: BTreeMap<String, TargetSettings>,
    /// `receivers:` by name; every target they name exists.
    pub(crate) receivers: BTreeMap<String, ReceiverSettings>,
    /// `heartbeats:` by name.
    pub(crate) heartbeats: BTreeMap<String, HeartbeatSettings>,
    /// `people:` by name; everyone a route mentions exists.
    pub(crate) people: BTreeMap<String, Person>,
}

/// `server:`
#[derive(Clone, Debug)]
pub(crate) struct ServerSettings {
    /// `listen`
    pub(crate) listen: Vec<SocketAddr>,
    /// `external_url`: how people reach this relay, without a trailing slash; for links.
    pub(crate) external_url: String,
    /// `web_config_file`: Prometheus' web-config for TLS and basic auth.
    pub(crate) web_config_file: Option<PathBuf>,
    /// `max_body_bytes`: larger webhooks are refused with 413.
    pub(crate) max_body_bytes: usize,
    /// `drain_timeout`: how long a stop waits for requests and sends under way.
    pub(crate) drain_timeout: Duration,
}

/// `store:`
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    /// `url`: the `SQLite` file, from `sqlite:///path`.
    pub(crate) path: PathBuf,
    /// `retention`: how long ended deliveries stay readable.
    pub(crate) retention: Duration,
}

/// One entry of `targets:`.
#[derive(Clone, Debug)]
pub(crate) struct TargetSettings {
    /// The key under `targets:`; a metric label.
    pub(crate) name: String,
    /// The one channel section.
    pub(crate) channel: ChannelSettings,
    /// `budget`: at most this many sends in any window of this length; shared by targets with the same robot.
    pub(crate) budget: Budget,
    /// `fallback`: another target that is told when this one is dead.
    pub(crate) fallback: Option<String>,
    /// `language`
    pub(crate) language: Language,
    /// `template`: a file that replaces the built-in text.
    pub(crate) template: Option<PathBuf>,
    /// `send_resolved`
    pub(crate) send_resolved: bool,
    /// `proxy`: an HTTP proxy for this target; may hold credentials.
    pub(crate) proxy: Option<crate::secret::Secret>,
    /// `timeout`: of one attempt, from connecting to the last byte of the reply.
    pub(crate) timeout: Duration,
}

/// `20/1m`: a sliding window, never a bucket that refills (a bucket of 20 a minute was measured to send 39 in one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Sends allowed in any window.
    pub(crate) sends: u32,
    /// The window's length.
    pub(crate) window: Duration,
}

/// One entry of `receivers:`: what Alertmanager posts to `/api/v1/alerts/{receiver}`.
#[derive(Clone, Debug)]
pub(crate) struct ReceiverSettings {
    /// `routes:` in order; an alert goes to every route that matches it.
    pub(crate) routes: Vec<RouteSettings>,
}

/// One entry of `routes:`.
#[derive(Clone, Debug)]
pub(crate) struct RouteSettings {
    /// `matchers`: all must match; none matches everything.
    pub(crate) matchers: Vec<crate::routes::Matcher>,
    /// `active`: when this route applies; `None` is always.
    pub(crate) active: Option<crate::calendar::Calendar>,
    /// `targets`: names that exist.
    pub(crate) targets: Vec<String>,
    /// `mentions`: names that exist in `people:`.
    pub(crate) mentions: Vec<String>,
}

/// One entry of `heartbeats:`.
#[derive(Clone, Debug)]
pub(crate) struct HeartbeatSettings {
    /// `expect_every`: silence longer than this alarms.
    pub(crate) expect_every: Duration,
    /// `targets`: who is told.
    pub(crate) targets: Vec<String>,
}
