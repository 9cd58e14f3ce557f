use super::*;

fn load(text: &str) -> Result<Settings, String> {
    load_with(text, &[])
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_text(Path::new("relay.yml"), text, environment)
        .map_err(|problems| problems.iter().map(|problem| format!("{problem}\n")).collect())
}

#[test]
fn the_embedded_default_is_complete() {
    let settings = load("").unwrap();
    assert_eq!(settings.server.max_body_bytes, 8 << 20);
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

#[test]
fn a_heartbeat_says_whom_it_tells() {
    let problems = load("heartbeats: { watchdog: { expect_every: 2m } }\n").unwrap_err();
    assert!(problems.contains("heartbeats.watchdog.targets"), "{problems}");
}
