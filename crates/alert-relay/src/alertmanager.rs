//! What Alertmanager's own file needs so that it posts here: its receivers, to paste (pure).
//!
//! Owns their text. Leaves out what Alertmanager sends with it, which is `intake`'s.

use std::fmt::Write as _;
use std::net::SocketAddr;

use http_serve::AllowedHosts;

use crate::settings::Settings;

/// Where Alertmanager finds this relay: its own address, or this machine's name where it listens on every address. Where requests for that
/// are refused, one of the names that are allowed.
pub(crate) fn base_url(listen: &str, machine: &str, is_tls: bool, allowed: &AllowedHosts) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let is_every = listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified());
    let Some((own, port)) = listen.rsplit_once(':') else { return format!("{scheme}://{listen}") };
    let host = if own.is_empty() || is_every { machine } else { own };
    let host = if allowed.include(host) { host } else { allowed.first().unwrap_or(host) };
    format!("{scheme}://{host}:{port}")
}

/// Receivers that have a line of the log each.
const LOGGED: usize = 20;

/// What the log says of this at a start: a line for each receiver, up to a bound.
pub(crate) fn log_lines(settings: &Settings, base: &str) -> Vec<String> {
    let line = |receiver: &String| {
        format!("Alertmanager posts to the receiver `{receiver}` with: {}", one_line(receiver, base))
    };
    let mut lines: Vec<String> = settings.receivers.keys().take(LOGGED).map(line).collect();
    let more = settings.receivers.len().saturating_sub(LOGGED);
    if more > 0 {
        lines.push(format!(
            "and {more} more receivers (hint: `alert-relay check --print-alertmanager` prints all)"
        ));
    }
    lines
}

/// One receiver on one line: `- { name: "ops", webhook_configs: [{ url: "http://…/api/v1/alerts/ops" }] }`.
fn one_line(receiver: &str, base: &str) -> String {
    format!("- {{ name: \"{receiver}\", webhook_configs: [{{ url: \"{}\" }}] }}", alerts_url(receiver, base))
}

/// What stands under `receivers:` in Alertmanager's file, for every receiver and every heartbeat of these settings.
pub(crate) fn receivers(settings: &Settings, base: &str) -> String {
    let mut text = format!(
        "# For Alertmanager's file. `{base}` has to be how Alertmanager reaches this relay{}.\nreceivers:\n",
        if settings.server.web_config_file.is_some() {
            ", and `http_config` beside `url` has what the web-config file asks for"
        } else {
            ""
        }
    );
    let mut add = |name: &str, url: &str, send_resolved: bool| {
        writeln!(
            text,
            "  - name: \"{name}\"\n    webhook_configs:\n      - url: \"{url}\"\n        send_resolved: {send_resolved}"
        )
        .expect("a String takes every write");
    };
    for name in settings.receivers.keys() {
        add(name, &alerts_url(name, base), true);
    }
    for name in settings.heartbeats.keys() {
        add(&format!("heartbeat-{name}"), &format!("{base}/api/v1/heartbeats/{name}"), false);
    }
    text
}

/// A name in the settings has only characters that need no encoding.
fn alerts_url(receiver: &str, base: &str) -> String {
    format!("{base}/api/v1/alerts/{receiver}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_address_that_is_every_one_is_the_machines_name() {
        for (listen, is_tls, expected) in [
            (":8060", false, "http://relay-1:8060"),
            ("0.0.0.0:8060", true, "https://relay-1:8060"),
            ("[::]:8060", false, "http://relay-1:8060"),
            ("10.0.0.7:8060", false, "http://10.0.0.7:8060"),
            ("[fd00::7]:8060", false, "http://[fd00::7]:8060"),
            ("relay.example:8060", false, "http://relay.example:8060"),
        ] {
            assert_eq!(base_url(listen, "relay-1", is_tls, &AllowedHosts::default()), expected, "{listen}");
        }
    }

    #[test]
    fn a_name_that_is_refused_is_not_given_to_alertmanager() {
        let allowed: AllowedHosts = "alert-relay,relay.example".parse().unwrap();
        for (listen, machine, expected) in [
            (":8060", "relay-1", "http://alert-relay:8060"),
            (":8060", "relay.example", "http://relay.example:8060"),
            ("relay-1:8060", "relay-1", "http://alert-relay:8060"),
            ("10.0.0.7:8060", "relay-1", "http://10.0.0.7:8060"),
            ("[fd00::7]:8060", "relay-1", "http://[fd00::7]:8060"),
        ] {
            assert_eq!(base_url(listen, machine, false, &allowed), expected, "{listen} on {machine}");
        }
    }

    #[test]
    fn every_receiver_and_heartbeat_can_be_pasted() {
        let text = "store: { url: 'sqlite:///x/relay.db' }\nreceivers: { ops: { routes: [] }, '007': { routes: [] } }\n\
                    heartbeats: { watchdog: { expect_every: 2m, targets: [] } }\n";
        let settings = Settings::from_text(Path::new("relay.yml"), text, []).expect("good settings");
        insta::assert_snapshot!(receivers(&settings, "http://relay:8060"));
        assert_eq!(
            log_lines(&settings, "http://relay:8060")[1],
            "Alertmanager posts to the receiver `ops` with: - { name: \"ops\", webhook_configs: [{ url: \"http://relay:8060/api/v1/alerts/ops\" }] }"
        );
    }

    #[test]
    fn many_receivers_are_a_number_in_the_log() {
        let receivers: Vec<String> = (0..30).map(|number| format!("r{number}: {{ routes: [] }}")).collect();
        let text =
            format!("store: {{ url: 'sqlite:///x/relay.db' }}\nreceivers: {{ {} }}\n", receivers.join(", "));
        let settings = Settings::from_text(Path::new("relay.yml"), &text, []).expect("good settings");
        let lines = log_lines(&settings, "http://relay:8060");
        assert_eq!(lines.len(), LOGGED + 1);
        assert!(lines[LOGGED].starts_with("and 10 more receivers"), "{}", lines[LOGGED]);
    }
}
