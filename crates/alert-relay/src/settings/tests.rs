use std::time::Duration;

use super::*;
use crate::budget::Budget;
use crate::channel::testing::{dingtalk, open};

fn load(text: &str) -> Result<Settings, String> {
    load_with(text, &[])
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_text(Path::new("relay.yml"), text, environment).map_err(|rejected| {
        rejected.problems.iter().fold(String::new(), |said, problem| said + &format!("{problem}\n"))
    })
}

#[test]
fn the_embedded_default_is_complete() {
    let settings = load("").unwrap();
    assert_eq!(settings.server.max_body_bytes, 8 << 20);
}

/// Who closes a hole has to know that it is open until then.
#[test]
fn what_a_reload_cannot_change_is_named() {
    let web_config = tempfile::NamedTempFile::new().unwrap();
    let web_config = format!("server: {{ web_config_file: {} }}", web_config.path().display());
    for (text, key) in [
        ("server: { listen: ':9999' }", Some("server.listen")),
        (web_config.as_str(), Some("server.web_config_file")),
        ("server: { allowed_sources: [10.0.0.0/8] }", Some("server.allowed_sources")),
        ("server: { allowed_hosts: [relay.example] }", Some("server.allowed_hosts")),
        ("server: { max_body_bytes: 4096 }", Some("server.max_body_bytes")),
        ("server: { drain_timeout: 1s }", Some("server.drain_timeout")),
        ("store: { url: 'sqlite:///elsewhere.db' }", Some("store.url")),
        ("server: { external_url: 'https://relay.example' }", None),
        ("store: { retention: 1d }", None),
    ] {
        let named = load(text).unwrap().needs_restart(&load("").unwrap());
        assert_eq!(named, key.as_slice(), "{text}");
    }
}

/// What `deploy/alert-relay/relay.yml` relies on: the chain starts before anyone has a robot.
#[test]
fn a_relay_without_channels_is_valid() {
    let settings = load(
        "receivers: { ops: { routes: [] } }\nheartbeats: { watchdog: { expect_every: 2m, targets: [] } }\n",
    )
    .unwrap();
    assert!(settings.receivers["ops"].routes.is_empty());
    assert!(settings.heartbeats["watchdog"].targets.is_empty());
}

/// It would restrict nothing.
#[test]
fn a_window_without_times_or_days_is_refused() {
    let route = |active: &str| {
        load(&format!(
            "targets: {{ chat: {{ webhook: {{ url: 'https://own.example/' }} }} }}\n\
             receivers: {{ ops: {{ routes: [{{ targets: [chat], active: {active} }}] }} }}\n"
        ))
    };
    for (active, key) in
        [("{ times: [] }", "active.times"), ("{ times: ['09:00-21:00'], weekdays: [] }", "active.weekdays")]
    {
        let problems = route(active).unwrap_err();
        assert!(problems.contains(key) && problems.contains("empty: expected"), "{problems}");
    }
    assert!(route("{ weekdays: [sunday] }").is_ok());
}

#[test]
fn a_heartbeat_that_nobody_could_send_is_refused() {
    let problems = load("heartbeats: { watchdog: { expect_every: 1ms, targets: [] } }\n").unwrap_err();
    assert!(problems.contains("heartbeats.watchdog.expect_every: less than a second"), "{problems}");
}

#[test]
fn a_heartbeat_says_whom_it_tells() {
    let problems = load("heartbeats: { watchdog: { expect_every: 2m } }\n").unwrap_err();
    assert!(problems.contains("heartbeats.watchdog.targets"), "{problems}");
}

#[test]
fn every_mistake_is_named_at_once() {
    let problems = load_with(
        include_str!("testdata/everything_wrong.bad.yml"),
        &[
            ("ALERT_RELAY__SERVER__LISTN", "SECRET-environment"),
            ("ALERT_RELAY__SERVER__DRAIN_TIMEOUT", "soon"),
            ("ALERT_RELAY__TARGETS__OPS__DINGTALK__SECRET", "SECRET-environment"),
            ("OTHER__SERVER__LISTN", "SECRET-environment"),
        ],
    )
    .unwrap_err();
    insta::assert_snapshot!(problems);
    assert!(!problems.contains("SECRET-"), "a secret shows up");
}

#[test]
fn what_is_no_yaml_is_named_with_its_line() {
    let check = |text: &str, expected: &str| assert_eq!(load(text).unwrap_err(), expected, "{text}");
    check(
        "targets:\n  a: { dingtalk: {",
        "relay.yml:3: not valid YAML: while parsing a node, did not find expected node content\n",
    );
    check("server: {}\nserver: {}\n", "relay.yml:2: not valid YAML: duplicated key in mapping\n");
    check("- a\n", "relay.yml:1: expected `key: value` lines\n");
    check("{}\n---\n{}\n", "relay.yml:3: a second YAML document (hint: remove the `---`)\n");
    check("language: !x zh-CN\n", "relay.yml:1: a value with a YAML tag, which settings do not use\n");
    check("? [a]\n: b\n", "relay.yml:1: a key that is not a name (hint: keys are words such as `timeout`)\n");
}

/// The commented examples of the default, taken out of their comments, are settings that load.
#[test]
fn the_examples_of_the_default_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("dingtalk_url", " https://oapi.dingtalk.com/robot/send?access_token=t\n");
    write("dingtalk_secret", "SEC0\n");
    write("wecom_url", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k\n");
    write("receiver_url", "https://hooks.example.com/alerts\n");
    write("receiver_key", "whsec_a2V5\n");
    write("mail_password", "p\r\n");
    let mut is_example = false;
    let lines: Vec<_> = DEFAULT
        .lines()
        .map(|line| {
            let section = line.strip_suffix(" {}");
            is_example = section.is_some() || (is_example && line.starts_with('#'));
            section.unwrap_or(if is_example { &line[1..] } else { line })
        })
        .collect();
    let text = lines.join("\n").replace("/run/secrets/", "");
    let settings = Settings::from_text(&directory.path().join("relay.yml"), &text, []).unwrap();

    let TargetSettings { channel, fallback, budget, .. } = &settings.targets["ops-dingtalk"];
    assert_eq!(channel.kind().key, "dingtalk");
    let same = open(&dingtalk("https://oapi.dingtalk.com/robot/send?access_token=t"));
    assert_eq!(channel.robot(), same.robot(), "the spaces around the address were removed");
    assert_eq!(fallback.as_deref(), Some("ops-mail"));
    assert_eq!(*budget, Budget::ROBOT);
    assert_eq!(settings.targets["ops-mail"].budget, Budget::MAIL);
    assert_eq!(settings.receivers["ops"].routes.len(), 2);
    assert_eq!(settings.heartbeats["watchdog"].expect_every, Duration::from_mins(2));
    let oncall = settings.people.resolve("oncall", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(oncall.mobile.as_deref(), Some("13800000000"));
}

/// Every key that the code asks for stands in the default, commented or not: it is the reference.
#[test]
fn the_default_names_every_key() {
    let sources = [
        include_str!("server.rs"),
        include_str!("store.rs"),
        include_str!("target.rs"),
        include_str!("../channel/robot.rs"),
        include_str!("../channel/dingtalk.rs"),
        include_str!("../channel/email/settings.rs"),
        include_str!("../channel/webhook/settings.rs"),
        include_str!("receiver.rs"),
        include_str!("heartbeat.rs"),
    ];
    // A getter's first argument is the key; `_file` siblings and the channels of later versions are described in prose.
    let getter = regex::Regex::new(
        r#"(?:text|named_texts|parsed|duration|count|flag|texts|path|readable_file|base_url|secret|secret_url|section|identity|read_targets)\((?:&mut )?(?:section,)?\s*"([a-z_]+)""#,
    )
    .unwrap();
    for source in sources {
        for key in getter.captures_iter(source).map(|found| found[1].to_owned()) {
            assert!(
                DEFAULT.contains(&format!("{key}:")) || DEFAULT.contains(&format!("{key}_file:")),
                "`{key}` is not in default.yml"
            );
        }
    }
}

#[test]
fn the_environment_lies_over_the_file() {
    let text = "server: { listen: ':1', max_body_bytes: 1 }\ntimezone: Asia/Tokyo\n";
    let environment = [
        ("ALERT_RELAY__SERVER__LISTEN", "127.0.0.1:2"),
        ("ALERT_RELAY__SERVER__MAX_BODY_BYTES", "4096"),
        ("ALERT_RELAY__ALERTMANAGER__URL", ""),
    ];
    let settings = load_with(text, &environment).unwrap();
    assert_eq!(settings.server.listen, ["127.0.0.1:2".parse().unwrap()]);
    assert_eq!(settings.server.max_body_bytes, 4096);
    assert_eq!(settings.time_zone.iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn what_has_ended_is_kept_for_a_day_at_least() {
    assert!(load("store: { retention: 1d }\n").is_ok());
    let rejected = load("store: { retention: 23h }\n").unwrap_err();
    assert!(rejected.contains("store.retention: too short"), "{rejected}");
}

#[test]
fn a_store_has_room_for_what_is_pending() {
    assert_eq!(load("").unwrap().store.max_bytes, None);
    assert_eq!(load("store: { max_bytes: 67108864 }\n").unwrap().store.max_bytes, Some(64 << 20));
    let rejected = load("store: { max_bytes: 67108863 }\n").unwrap_err();
    assert!(rejected.contains("store.max_bytes: too small"), "{rejected}");
}

#[test]
fn a_key_without_a_value_means_its_default() {
    let settings = load("server:\nstore: { retention: }\ntargets:\ntimezone:\n").unwrap();
    assert_eq!(settings.store.retention, Duration::from_hours(30 * 24));
    let problems = load("tragets:\ntargets: { a: { dingtalk: } }\n").unwrap_err();
    assert!(
        problems.contains("tragets: unknown key") && problems.contains("targets.a: no channel"),
        "{problems}"
    );
}

#[test]
fn names_keep_their_case() {
    let text = "targets: { Ops-运维: { wecom: { webhook_url: 'https://example.com/k' } } }\n";
    assert!(load(text).unwrap().targets.contains_key("Ops-运维"));
}

#[test]
fn no_secret_is_printed_with_the_settings() {
    let text = "
targets:
  a: { dingtalk: { webhook_url: 'https://example.com/SECRET', secret: SECRET }, proxy: 'http://u:SECRET@p:1' }
  b: { wecom: { webhook_url: 'https://example.com/SECRET' } }
  c: { email: { smarthost: 'm:25', from: a@b.c, to: a@b.c, auth_username: u, auth_password: SECRET } }
";
    let settings = load(text).unwrap();
    assert!(!format!("{settings:?} {settings:#?}").contains("SECRET"));
}

#[test]
fn a_store_is_a_file() {
    let check = |url: &str, expected: &str| {
        let settings = load(&format!("store: {{ url: '{url}' }}\n")).unwrap();
        assert_eq!(settings.store.path, Path::new(expected), "{url}");
    };
    check("sqlite:///var/lib/relay.db", "/var/lib/relay.db");
    check("sqlite://relay.db", "relay.db");
    check("sqlite:relay.db", "relay.db");
    for url in ["sqlite::memory:", "sqlite://", "sqlite://a.db?mode=ro", "relay.db", "mysql://h/d", ""] {
        assert!(load(&format!("store: {{ url: '{url}' }}\n")).is_err(), "{url}");
    }
    assert_eq!(load("").unwrap().store.path, Path::new("/var/lib/alert-relay/relay.db"));
}

#[test]
fn a_store_may_be_a_database_whose_address_is_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("url");
    std::fs::write(&file, "postgres://relay:SECRET@db/relay\n").unwrap();
    for store in [
        "url: 'postgresql://relay:SECRET@db/relay?sslmode=verify-full'".to_owned(),
        "url: 'postgres://relay@%2Frun%2Fpostgresql/relay'".to_owned(),
        format!("url_file: '{}'", file.display()),
    ] {
        let settings = load(&format!("store: {{ {store}, directory: run }}\n")).unwrap().store;
        assert!(settings.postgres.is_some(), "{store}");
        assert_eq!(settings.path, Path::new("run/relay"));
        assert!(!format!("{settings:?}").contains("SECRET"));
    }
    for (store, key) in [
        ("url: 'postgres://relay:SECRET@db'".to_owned(), "store.url:"),
        (format!("url: 'sqlite:a.db', url_file: '{}'", file.display()), "store.url_file:"),
        ("url_file: no/such/file".to_owned(), "store.url_file:"),
    ] {
        let said = load(&format!("store: {{ {store} }}\n")).unwrap_err();
        assert!(said.contains(key) && !said.contains("SECRET"), "{store}: {said}");
    }
}

#[test]
fn who_may_not_read_the_settings_is_told_who_that_is() {
    let user = rustix::process::geteuid();
    let refused = cannot_read(&io::ErrorKind::PermissionDenied.into());
    assert!(
        refused.contains(&format!("(hint: user {user}, ")) && refused.contains("deploy/README.md"),
        "{refused}"
    );
    let absent = cannot_read(&io::ErrorKind::NotFound.into());
    assert!(absent.ends_with("(hint: name the file with --config)"), "{absent}");
}
