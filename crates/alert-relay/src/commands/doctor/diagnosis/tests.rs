//! Facts of machines that are well and that are not, as whole pages.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::channel::reach::{OtherEnd, Reached};
use crate::commands::doctor::facts::{Disk, Peer};
use crate::commands::doctor::kernel_clock::KernelClock;
use crate::commands::reachability::Tried;
use crate::story::WaitingFor;

const NOW: Millis = Millis(1_795_414_102_000);

const SETTINGS: &str = "store: { url: 'sqlite:///x/relay.db' }\ntargets:\n\
    \x20 chat: { wecom: { webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=secret-1' } }\n\
    \x20 spare: { wecom: { webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=secret-2' } }\n\
    receivers: { ops: { routes: [ { targets: [chat] } ] }, night: { routes: [] } }\n";

fn settings(text: &str) -> Settings {
    Settings::from_text(Path::new("relay.yml"), text, []).expect("good settings")
}

fn reached(answer: &str, ahead: i64) -> Reached {
    let ahead = Some(SignedDuration::from_secs(ahead));
    Reached { answer: answer.to_owned(), ahead, took: Duration::from_millis(80) }
}

fn tried(target: &str, outcome: Result<Reached, String>) -> Tried {
    let end = OtherEnd {
        scheme: "https".to_owned(),
        host: "qyapi.weixin.qq.com".to_owned(),
        port: 443,
        proxy: None,
    };
    Tried { target: target.to_owned(), end, outcome }
}

fn well() -> Facts {
    Facts {
        now: NOW,
        step: SignedDuration::ZERO,
        kernel_clock: Ok(KernelClock { is_kept: true, may_be_off: Duration::from_millis(23) }),
        targets: vec![tried("chat", Ok(reached("HTTP 200", 0))), tried("spare", Ok(reached("HTTP 200", 0)))],
        names: BTreeMap::from([("qyapi.weixin.qq.com".to_owned(), Ok((2, Duration::from_millis(12))))]),
        egress: BTreeMap::from([("qyapi.weixin.qq.com".to_owned(), [10, 0, 0, 7].into())]),
        proxies: BTreeMap::new(),
        disk: Ok(Disk { free: 40 << 30, total: 100 << 30 }),
        sync: Ok(Duration::from_millis(3)),
        store_bytes: 12 << 20,
        store: Ok(Standing {
            waiting: BTreeMap::new(),
            dead_letters: 0,
            newest: Some(NOW),
            posted: BTreeMap::from([("ops".to_owned(), NOW), ("night".to_owned(), NOW)]),
        }),
        is_running: true,
        peers: vec![Peer {
            name: "Alertmanager",
            key: "alertmanager",
            host: "am:9093".to_owned(),
            outcome: Ok(reached("HTTP 200", 0)),
        }],
    }
}

#[test]
fn a_machine_that_is_well_has_no_fault() {
    let settings = settings(&SETTINGS.replace("targets: [chat]", "targets: [chat, spare]"));
    let findings = of(&well(), &settings);
    assert!(findings.iter().all(|finding| finding.level == Level::Good), "{}", page(&findings));
    insta::assert_snapshot!(page(&findings));
}

#[test]
fn each_fault_says_what_to_do() {
    let mut facts = well();
    facts.step = SignedDuration::from_secs(-40);
    facts.kernel_clock = Ok(KernelClock { is_kept: false, may_be_off: Duration::from_secs(16) });
    facts.targets = vec![
        tried("chat", Err("dns error\n\u{1b}[2J".to_owned())),
        tried("spare", Ok(reached("HTTP 200", -7_300))),
    ];
    facts.targets[1].end.proxy = Some("proxy.example:3128".to_owned());
    facts.names = BTreeMap::from([
        ("a.example".to_owned(), Err("no answer within 5s".to_owned())),
        ("b.example".to_owned(), Ok((1, Duration::from_secs(3)))),
    ]);
    facts.proxies = BTreeMap::from([("HTTPS_PROXY", "proxy.example:3128".to_owned())]);
    facts.disk = Ok(Disk { free: 20 << 20, total: 100 << 30 });
    facts.sync = Ok(Duration::from_millis(700));
    facts.store_bytes = 5 << 30;
    facts.is_running = false;
    let waiting = |count, minutes| WaitingFor { count, oldest: NOW.minus(Duration::from_mins(minutes)) };
    facts.store = Ok(Standing {
        waiting: BTreeMap::from([
            ("chat".to_owned(), waiting(30, 90)),
            ("gone".to_owned(), waiting(1, 1)),
            ("spare".to_owned(), waiting(2, 1)),
        ]),
        dead_letters: 4,
        newest: Some(NOW.plus(Duration::from_hours(2))),
        posted: BTreeMap::from([
            ("ops".to_owned(), NOW),
            ("old".to_owned(), NOW),
            ("heartbeats/watchdog".to_owned(), NOW),
        ]),
    });
    let peer = |name, key, host: &str, outcome| Peer { name, key, host: host.to_owned(), outcome };
    facts.peers = vec![
        peer("Alertmanager", "alertmanager", "am:9093", Ok(reached("HTTP 503", 0))),
        peer("Prometheus", "prometheus", "", Err(String::new())),
        peer("Prometheus", "prometheus", "prom:9090", Err("refused".to_owned())),
    ];
    insta::assert_snapshot!(page(&of(&facts, &settings(SETTINGS))));
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let mut facts = well();
    facts.targets.clear();
    facts.store = Err("there is no store at `/x/relay.db`".to_owned());
    facts.disk = Err("No such file or directory".to_owned());
    facts.sync = Err("permission denied".to_owned());
    facts.kernel_clock = Err("Operation not permitted".to_owned());
    let page = page(&of(&facts, &settings("store: { url: 'sqlite:///x/relay.db' }\n")));
    for expected in [
        "FAULT  store: there is no store at",
        "FAULT  disk: No such file",
        "cannot write beside the store: permission denied",
        "FAULT  targets: there are none",
        "hint   clock: the kernel does not say whether it is kept: Operation not permitted",
        "hint   clock: no target has said what time it is",
    ] {
        assert!(page.contains(expected), "no {expected:?} in\n{page}");
    }
}

#[test]
fn a_database_has_no_file_whose_size_counts() {
    let settings = settings(&SETTINGS.replace("sqlite:///x/relay.db", "postgres://relay:secret-3@db/relay"));
    let page = page(&of(&well(), &settings));
    assert!(
        page.contains("good   store: the database can be read\n") && !page.contains("with its log"),
        "{page}"
    );
    assert!(!page.contains("secret-3"), "{page}");
}
