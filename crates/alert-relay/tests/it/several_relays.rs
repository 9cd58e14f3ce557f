//! Several relays on one PostgreSQL database: all accept, one delivers, and another takes over when that one dies, freezes or is cut off.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use test_peers::endpoint::{Call, Endpoint, Reply};
use test_peers::postgres::Cluster;

use crate::client::{get, post_json, request};
use crate::program::{Home, Serving, metric, relay, webhook};
use crate::several_relays::front::Front;
use crate::several_relays::way::Way;

mod front;
mod heartbeats;
mod way;

/// What is promised, from the moment on at which a deliverer is no longer one, is ten seconds; the rest is a busy machine.
const TAKE_OVER: Duration = Duration::from_secs(20);

/// Sends of the chat's robot, in any window of this length.
const BUDGET: usize = 40;
const WINDOW: Duration = Duration::from_secs(4);

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A message, as the chat got it.
#[derive(Clone, Debug)]
struct Told {
    at: Instant,
    /// Which relay sent it.
    relay: String,
    alerts: Vec<String>,
    /// What it says of each of them.
    changes: Vec<String>,
}

/// A chat that takes everything, and takes its time.
struct Chat {
    endpoint: Endpoint,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Chat {
    fn start() -> Self {
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let endpoint = Endpoint::start({
            let told = Arc::clone(&told);
            move |call: Call| {
                let body: Value = serde_json::from_slice(&call.body).unwrap();
                let each = |text: fn(&Value) -> &Value| {
                    let alerts = body["alerts"].as_array().into_iter().flatten();
                    alerts.map(|alert| text(alert).as_str().unwrap().to_owned()).collect()
                };
                let message = Told {
                    at: Instant::now(),
                    relay: call.headers["x-relay"].to_str().unwrap().to_owned(),
                    alerts: each(|alert| &alert["labels"]["alertname"]),
                    changes: each(|alert| &alert["change"]),
                };
                told.lock().unwrap().push(message);
                async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Reply::json("{}")
                }
            }
        });
        Self { endpoint: endpoint.unwrap(), told }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// How often each alert was told.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for alert in self.told().into_iter().flat_map(|told| told.alerts) {
            *counts.entry(alert).or_insert(0) += 1;
        }
        counts
    }

    #[track_caller]
    fn keeps_its_budget(&self) {
        let mut times: Vec<Instant> = self.told().iter().map(|told| told.at).collect();
        times.sort_unstable();
        // Between a relay's note of a send and its arrival here lies what a busy machine makes of it: one of each relay may come so late
        // that it counts in a later window.
        let (window, sends) = (WINDOW.mul_f64(0.8), BUDGET + 3);
        for burst in times.windows(sends) {
            let took = burst[sends - 1] - burst[0];
            assert!(took >= window, "{sends} sends within {took:?}");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "paces how often is looked; what is waited for, and until when, is the caller's"
)]
fn look_again_later() {
    thread::sleep(Duration::from_millis(20));
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        look_again_later();
    }
}

/// Two relays, a chat and a database.
struct Relays {
    chat: Chat,
    store: String,
    one: Serving,
    other: Serving,
    _homes: [Home; 2],
}

impl Relays {
    /// The first one delivers. It may reach the store by another way.
    fn start(store: &str, by_another_way: Option<&str>) -> Self {
        Self::start_with(store, by_another_way, "", |_| {})
    }

    /// The same with these further settings; `meanwhile` is done with the first one again and again until the other one runs.
    fn start_with(
        store: &str,
        by_another_way: Option<&str>,
        more: &str,
        meanwhile: impl Fn(&Serving),
    ) -> Self {
        let chat = Chat::start();
        let home = |name: &str, store: &str| {
            let settings = format!(
                "targets: {{ chat: {{ webhook: {{ url: 'http://{}/', headers: {{ X-Relay: {name} }} }}, budget: {BUDGET}/{}s }} }}\n\
                 receivers: {{ ops: {{ routes: [{{ targets: [chat] }}] }} }}\n{more}",
                chat.endpoint.address(),
                WINDOW.as_secs()
            );
            Home::sharing(store, &settings)
        };
        let homes = [home("one", by_another_way.unwrap_or(store)), home("other", store)];
        let one = homes[0].serve();
        wait_until("the first relay delivers", || {
            meanwhile(&one);
            metric(&one, "alert_relay_deliverer") == 1
        });
        let other = thread::scope(|scope| {
            let starting = scope.spawn(|| homes[1].serve());
            wait_until("the other relay runs", || {
                meanwhile(&one);
                starting.is_finished()
            });
            starting.join().unwrap()
        });
        Self { chat, store: store.to_owned(), one, other, _homes: homes }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.one.address, self.other.address]
    }

    /// Attempts of which nobody knows what became.
    fn in_flight(&self, cluster: &Cluster) -> usize {
        let schema = self.store.split("%3D").nth(1).unwrap();
        cluster
            .sql(&format!("SELECT count(*) FROM {schema}.attempts WHERE outcome = 'unknown'"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Every alert is told, and none twice but those whose message was on its way.
    #[track_caller]
    fn all_are_told(&self, cluster: &Cluster, alerts: usize) {
        wait_until("every alert is told", || self.chat.counts().len() == alerts);
        let twice: usize = self.chat.counts().values().map(|count| count - 1).sum();
        let in_flight = self.in_flight(cluster);
        assert!(twice <= in_flight, "{twice} are told twice, {in_flight} were on their way");
        self.chat.keeps_its_budget();
    }
}

/// Posts alerts as an Alertmanager does that knows these addresses: each to all, and again until one of them has it.
fn post_all<const N: usize>(relays: [SocketAddr; N], names: impl IntoIterator<Item = String>) {
    for name in names {
        let body = webhook(&name);
        let end = Instant::now() + PATIENCE;
        while !relays.map(|relay| post(relay, &body) == Some(200)).contains(&true) {
            assert!(Instant::now() < end, "nobody takes {name}");
            look_again_later();
        }
    }
}

/// The status, or nothing from a relay that is dead, frozen or cut off.
fn post(relay: SocketAddr, body: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(relay).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let head = format!(
        "POST /api/v1/alerts/ops HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).ok()?;
    std::str::from_utf8(&start[9..]).ok()?.parse().ok()
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    let prefix = prefix.to_owned();
    (0..count).map(move |number| format!("{prefix}{number}"))
}

fn overview(relay: &Serving) -> Value {
    serde_json::from_str(&get(relay.address, "/api/v1/overview").body).unwrap()
}

/// Whether the relay tells Prometheus which targets are up.
fn knows_who_is_up(relay: &Serving) -> bool {
    get(relay.address, "/metrics").body.contains("alert_relay_target_up{target=")
}

#[test]
fn both_accept_one_delivers_and_the_other_says_that_it_waits() {
    let cluster = Cluster::shared();
    let relays = Relays::start(&cluster.new_store(), None);
    for (relay, is_deliverer, status) in [(&relays.one, 1, "ready"), (&relays.other, 0, "standby")] {
        let ready = get(relay.address, "/-/ready");
        assert_eq!(ready.status, 200, "{ready:?}");
        assert!(ready.body.contains(&format!("\"{status}\"")), "{ready:?}");
        assert_eq!(metric(relay, "alert_relay_deliverer"), is_deliverer);
    }
    // Known to the one that waits alone; and a copy of what the other has is none.
    assert_eq!(post_json(relays.other.address, "/api/v1/alerts/ops", &webhook("Alone")).status, 200);
    wait_until("it is told", || relays.chat.told().len() == 1);
    post_all(relays.addresses(), names("Both", 20));
    relays.all_are_told(cluster, 21);
    assert!(relays.chat.told().iter().all(|told| told.relay == "one"));
    assert_eq!(relays.chat.told().len(), 21);
    let (here, there) = (overview(&relays.one), overview(&relays.other));
    assert_eq!(
        (&here["deliverer"]["is_this_relay"], &there["deliverer"]["is_this_relay"]),
        (&true.into(), &false.into())
    );
    assert!(there["deliverer"]["name"].is_string() && here["deliverer"] != there["deliverer"], "{there}");
    assert_eq!(here["targets"][0]["health"]["state"], "up");
    let unknown = &there["targets"][0];
    assert!(unknown["health"].is_null() && unknown["budget"].is_null(), "{unknown}");
    assert!(unknown["last_success"].is_string(), "{unknown}");
    assert!(!knows_who_is_up(&relays.other));
    let refused = request(relays.other.address, "POST", "/api/v1/targets/chat/test", &[], b"");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("another relay delivers"), "{refused:?}");
    // Nor where none of the two runs.
    let chat = relays.chat.endpoint.address();
    let targets = format!("targets: {{ chat: {{ webhook: {{ url: 'http://{chat}/' }} }} }}\n");
    let elsewhere = Home::sharing(&relays.store, &targets);
    let output = relay().args(["send-test", "chat", "--config"]).arg(elsewhere.settings()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("delivers from this database"), "{output:?}");
}

#[test]
fn a_deliverer_that_is_killed_is_replaced_and_nothing_is_lost() {
    let cluster = Cluster::shared();
    let relays = Relays::start(&cluster.new_store(), None);
    take_over(cluster, &relays, |relays| relays.one.signal("KILL"));
}

#[test]
fn behind_one_address_a_deliverer_that_is_killed_costs_no_alert() {
    let cluster = Cluster::shared();
    let relays = Relays::start(&cluster.new_store(), None);
    let front = Front::of(relays.addresses());
    take_over_behind([front.address], cluster, &relays, |relays| relays.one.signal("KILL"));
    let stored = metric(&relays.other, "alert_relay_notifications_total{receiver=\"ops\",result=\"stored\"}");
    assert!(stored > 20, "it was handed every second webhook, and then all: {stored}");
}

#[test]
fn a_frozen_deliverer_is_replaced_and_sends_nothing_when_it_wakes() {
    let cluster = Cluster::shared();
    let relays = Relays::start(&cluster.new_store(), None);
    take_over(cluster, &relays, |relays| relays.one.signal("STOP"));
    let woken_at = Instant::now();
    relays.one.signal("CONT");
    relays.one.wait_for("another relay may deliver now");
    post_all(relays.addresses(), names("Awake", 10));
    wait_until("every alert is told", || relays.chat.counts().len() == 70);
    let late: Vec<Told> =
        relays.chat.told().into_iter().filter(|told| told.relay == "one" && told.at > woken_at).collect();
    assert!(late.is_empty(), "{late:?}");
    assert_eq!(metric(&relays.one, "alert_relay_deliverer"), 0);
    assert!(!knows_who_is_up(&relays.one) && knows_who_is_up(&relays.other));
    assert_eq!(get(relays.one.address, "/-/ready").status, 200);
}

#[test]
fn a_deliverer_whose_sessions_end_begins_anew_or_is_replaced() {
    let cluster = Cluster::shared();
    let relays = Relays::start(&cluster.new_store(), None);
    take_over(cluster, &relays, |_| {
        cluster.sql(
            "SELECT pg_terminate_backend(locks.pid) FROM pg_locks AS locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = 1634497140",
        );
    });
}

#[test]
fn a_deliverer_that_is_cut_off_from_the_database_is_replaced_and_comes_back() {
    let cluster = Cluster::shared();
    let store = cluster.new_store();
    let way = Way::to(&cluster.socket());
    let relays = Relays::start(&store, Some(&way.url(&store)));
    take_over(cluster, &relays, |_| way.block(true));
    relays.one.wait_for("another relay may deliver now");
    // What it cannot store it does not take.
    assert_ne!(post(relays.one.address, &webhook("Cut")), Some(200));
    way.block(false);
    wait_until("it takes webhooks again", || post(relays.one.address, &webhook("Again")) == Some(200));
    wait_until("it is told", || relays.chat.counts().contains_key("Again"));
}

#[test]
fn a_database_that_is_restarted_loses_nothing_and_delivering_goes_on() {
    let cluster = Cluster::start();
    let relays = Relays::start(&cluster.new_store(), None);
    take_over(&cluster, &relays, |_| cluster.crash_and_start());
}

/// Sixty alerts, and what is done after a third of them: somebody delivers again in time, and each is told.
#[track_caller]
fn take_over(cluster: &Cluster, relays: &Relays, disturb: impl FnOnce(&Relays)) {
    take_over_behind(relays.addresses(), cluster, relays, disturb);
}

/// The same, posted to these addresses.
#[track_caller]
fn take_over_behind<const N: usize>(
    addresses: [SocketAddr; N],
    cluster: &Cluster,
    relays: &Relays,
    disturb: impl FnOnce(&Relays),
) {
    post_all(addresses, names("Before", 20));
    wait_until("the first ones are told", || relays.chat.counts().len() > 5);
    thread::scope(|scope| {
        let posting = scope.spawn(move || post_all(addresses, names("During", 40)));
        disturb(relays);
        let disturbed_at = Instant::now();
        let told_then = relays.chat.told().len();
        // Something was on its way; what comes after that was sent by whoever delivers now.
        wait_until("somebody delivers", || {
            let told = relays.chat.told();
            told.len() > told_then + 5 || told.iter().any(|told| told.relay == "other")
        });
        let took = disturbed_at.elapsed();
        assert!(took < TAKE_OVER, "{took:?}");
        posting.join().unwrap();
    });
    relays.all_are_told(cluster, 60);
}
