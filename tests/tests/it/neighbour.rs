//! Who reaches the exporter and the relay of the compose file: three network namespaces, as three machines.
//!
//! One is this machine, with the compose network's gateway 172.30.98.1; one is Prometheus' container in that network; one is a
//! neighbour on the LAN who has set a single static route. Needs root, or a kernel that lets users make namespaces.

use std::process::{Command, Output};

use e2e::programs::{self, checkout};
use yaml_serde::Value;

/// Sets up the machines, starts the program in `$1` and prints what `$2` answers to Prometheus, to the neighbour and to this machine; 000 is a
/// connection that was closed.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
ip link set lo up
machine() { # NAME LINK OUR_ADDRESS ITS_ADDRESS
  ip netns add "$1"
  ip link add "$2" type veth peer name eth0 netns "$1"
  ip addr add "$3" dev "$2"
  ip link set "$2" up
  ip -n "$1" addr add "$4" dev eth0
  ip -n "$1" link set eth0 up
}
machine prometheus monitoring 172.30.98.1/24 172.30.98.2/24
machine neighbour lan 192.0.2.1/24 192.0.2.7/24
ip -n neighbour route add 172.30.98.0/24 via 192.0.2.1
sh -c "exec $1" >"$3" 2>&1 &
# The next program may want the same store: wait until this one has ended.
trap 'kill $! 2>/dev/null; wait $!' EXIT
tries=0
until "$0" "$2" 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { cat "$3" >&2; exit 1; }
  sleep 0.1
done
for who in prometheus neighbour; do
  nsenter --net=/run/netns/$who curl -s -o /dev/null -w "$who %{http_code}\n" --max-time 20 "http://$2/metrics" || true
done
# Docker's rule for its network gives a connection of this machine to the gateway the machine's first address.
curl -s -o /dev/null -w "this %{http_code}\n" --max-time 20 --interface 192.0.2.1 "http://$2/metrics" || true
"#;

/// The answers that Prometheus, the neighbour and this machine get from a program that listens at `address`.
fn answers(command: &str, address: &str) -> String {
    let data = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount", "--", "sh", "-c", SCRIPT])
        .arg(checkout().join("deploy/docker/healthcheck"))
        .args([command, address])
        .arg(data.path().join("log"))
        .output()
        .expect("`unshare` is of the package util-linux");
    let said = String::from_utf8_lossy(&stderr);
    assert!(
        status.success(),
        "no machines could be made, or the program did not start: {said}\n(hint: run as root, or sysctl \
         kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0)"
    );
    String::from_utf8(stdout).unwrap()
}

/// A service of the compose file.
fn service(name: &str) -> Value {
    let text = std::fs::read_to_string(checkout().join("docker-compose.yml")).unwrap();
    let compose: Value = yaml_serde::from_str(&text).unwrap();
    compose["services"][name].clone()
}

/// `${NAME:-default}` as Compose has it with nothing set.
fn with_defaults(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let (variable, rest) = part.split_once('}').unwrap();
        whole + variable.split_once(":-").unwrap().1 + rest
    })
}

/// A refusal arrives as 403 or, when the connection's end overtakes it, not at all.
const ALL_BUT_THE_NEIGHBOUR: [&str; 2] =
    ["prometheus 200\nneighbour 403\nthis 200\n", "prometheus 200\nneighbour 000\nthis 200\n"];
const ALL: &str = "prometheus 200\nneighbour 200\nthis 200\n";

#[test]
fn a_static_route_does_not_lead_to_the_exporter() {
    let program = programs::ours("gpu-node-exporter").unwrap();
    let flags = service("gpu-node-exporter")["command"].as_sequence().unwrap().clone();
    let flags = flags.iter().map(|flag| with_defaults(flag.as_str().unwrap()));
    let (sources, web): (Vec<_>, Vec<_>) = flags
        .filter(|flag| flag.starts_with("--web."))
        .partition(|flag| flag.starts_with("--web.allowed-sources="));
    let start = format!("'{}' {}", program.display(), web.join(" "));
    // An address alone keeps nobody out: the route is there.
    assert_eq!(answers(&start, "172.30.98.1:9100"), ALL);
    let answers = answers(&format!("{start} {}", sources.join(" ")), "172.30.98.1:9100");
    assert!(ALL_BUT_THE_NEIGHBOUR.contains(&answers.as_str()), "{answers}");
}

#[test]
fn a_static_route_does_not_lead_to_the_relay() {
    let program = programs::ours("alert-relay").unwrap();
    let store = tempfile::tempdir().unwrap();
    let sources = service("alert-relay")["environment"]["ALERT_RELAY__SERVER__ALLOWED_SOURCES"].clone();
    let sources = with_defaults(sources.as_str().unwrap());
    let start = |sources: &str| {
        format!(
            "env ALERT_RELAY__SERVER__LISTEN=:8060 ALERT_RELAY__SERVER__ALLOWED_SOURCES={sources} ALERT_RELAY__STORE__URL=sqlite://{}/relay.db \
             '{}' serve --config '{}'",
            store.path().display(),
            program.display(),
            checkout().join("deploy/alert-relay/relay.yml").display()
        )
    };
    assert_eq!(answers(&start(""), "172.30.98.1:8060"), ALL);
    let answers = answers(&start(&sources), "172.30.98.1:8060");
    assert!(ALL_BUT_THE_NEIGHBOUR.contains(&answers.as_str()), "{answers}");
}
