//! A systemd and a logind of their own, on a bus of their own: what Debian's `node_exporter` shows of them, the exporter shows.
//!
//! systemd runs as a user's, with a handful of units; it says the same over the bus as the system's. No privileges are needed where users
//! may make namespaces.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::Result;
use e2e::chain::parts::{self, Gpus};
use e2e::ports::Port;
use e2e::process::{Launch, Process};
use e2e::wait::until;
use e2e::{http, programs};

use crate::beside_node_exporter::{differences, series};
use crate::exporter_fixture::TIMEOUT;

/// Starts a bus, systemd and logind in the folder `$0`: units that run, that failed, and that failed again and again; a socket, a timer,
/// and somebody who came from another machine.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$0/units"
export XDG_RUNTIME_DIR="$0" HOME="$0" SYSTEMD_UNIT_PATH="$0/units"
export DBUS_SESSION_BUS_ADDRESS="unix:path=$0/bus" DBUS_SYSTEM_BUS_ADDRESS="unix:path=$0/bus"
unit() { printf '[Unit]\nDefaultDependencies=no\n%b\n' "$2" >"$0/units/$1"; }
unit basic.target 'Requires=dbus.socket dbus.service'
unit shutdown.target ''
unit dbus.socket '[Socket]\nListenStream=%t/bus'
unit dbus.service "Requires=dbus.socket\n[Service]\nType=notify\nExecStart=$1 --session --address=systemd: --nofork --nopidfile"
unit long.service '[Service]\nType=exec\nExecStart=/bin/sleep infinity'
unit fails.service '[Service]\nType=oneshot\nExecStart=/bin/false'
unit again.service 'StartLimitIntervalSec=1h\nStartLimitBurst=3\n[Service]\nRestart=always\nRestartSec=0\nExecStart=/bin/false'
unit often.timer '[Timer]\nOnActiveSec=0\nUnit=fails.service'
unit door.socket '[Socket]\nListenStream=%t/door\nAccept=yes'
unit door@.service '[Service]\nExecStart=/bin/cat\nStandardInput=socket'
ask() { busctl --user call "$@"; }
has() {
  until ask org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s "$1" 2>/dev/null | grep -q true; do
    sleep 0.1
  done
}
/lib/systemd/systemd --user --unit=basic.target --log-target=console &
has org.freedesktop.systemd1
ln -s "$0/systemd/private" /run/systemd/private
/lib/systemd/systemd-logind &
has org.freedesktop.login1
systemctl --user start --no-block long.service again.service often.timer
systemctl --user start door.socket
sleep infinity &
ask org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager \
  CreateSession 'uusssssussbssa(sv)' 0 $! sshd tty user '' '' 0 '' '' true root 192.0.2.1 0
echo the machine is up
wait
"#;

/// What starts a program among these. systemd lets nobody ask whom it cannot see among its processes.
fn among(machine: &Process) -> Vec<OsString> {
    let pid = machine.pid();
    let first = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let target = format!("--target={}", first.trim());
    let ways = ["--user", "--preserve-credentials", "--mount", "--pid", "--"];
    ["nsenter", &target].into_iter().chain(ways).map(OsString::from).collect()
}

async fn started(folder: &Path) -> Result<Process> {
    let unshare = ["--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let launch = unshare.iter().fold(Launch::new("machine", Path::new("unshare")), Launch::arg);
    let launch = launch.arg("sh").arg("-c").arg(SCRIPT).arg(folder).arg(programs::debian("dbus-daemon")?);
    let mut machine = launch.start(folder)?;
    let up =
        async || (machine.output().contains("the machine is up") || machine.ended().is_some()).then_some(());
    until("a bus with systemd and logind", TIMEOUT, up).await?;
    anyhow::ensure!(
        machine.output().contains("the machine is up"),
        "no systemd could be started: {}\n(hint: run as root, or sysctl kernel.unprivileged_userns_clone=1 and \
         kernel.apparmor_restrict_unprivileged_userns=0)",
        machine.output()
    );
    Ok(machine)
}

#[tokio::test]
async fn what_node_exporter_shows_of_systemd_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let machine = started(folder.path()).await.unwrap();
    // Somebody is at the door as long as this is open.
    let _visitor = UnixStream::connect(folder.path().join("door")).unwrap();

    let (theirs, ours, itself) = (Port::free().unwrap(), Port::free().unwrap(), Port::free().unwrap());
    let client = http::client().unwrap();
    let node_exporter = programs::debian("prometheus-node-exporter").unwrap();
    let node_exporter = Launch::new("node_exporter", &node_exporter)
        .arg(format!("--web.listen-address={}", theirs.address()));
    let mut running = Vec::new();
    let exporter = |port: &Port| parts::exporter(port.address(), &Gpus::Real).unwrap();
    let bus = folder.path().join("bus");
    // The last finds no bus, and asks systemd itself: it is root there.
    let absent = folder.path().join("absent");
    for (launch, port, bus) in [
        (node_exporter, &theirs, &bus),
        (exporter(&ours), &ours, &bus),
        (exporter(&itself), &itself, &absent),
    ] {
        let flags = [
            "--collector.disable-defaults",
            "--collector.logind",
            "--collector.systemd",
            "--collector.systemd.enable-restarts-metrics",
            "--collector.systemd.enable-start-time-metrics",
            "--collector.systemd.enable-task-metrics",
            "--collector.systemd.unit-exclude=.+\\.(device|mount)",
        ];
        let bus = format!("unix:path={}", bus.display());
        let launch = flags.iter().fold(launch, Launch::arg).env("DBUS_SYSTEM_BUS_ADDRESS", bus);
        let mut process = launch.under(among(&machine)).start(folder.path()).unwrap();
        let url = format!("http://{}/metrics", port.address());
        process.ready(&client, &url, TIMEOUT).await.unwrap();
        running.push((process, url));
    }
    let page = async |place: usize| series(&http::page(&client, &running[place].1).await.unwrap());
    let has = |page: &crate::beside_node_exporter::Series,
               name: &str,
               wanted: &[(&str, &str)],
               value: f64| {
        page.iter().any(|((found, labels), number)| {
            found == name
                && wanted.iter().all(|(label, value)| labels.get(*label).is_some_and(|found| found == value))
                && number.total_cmp(&value).is_eq()
        })
    };

    // What the machine has come to once everything that was started has happened.
    let state = "node_systemd_unit_state";
    let failed = |unit| [("name", unit), ("state", "failed"), ("type", "simple")];
    let shown = until("a unit that runs, units that failed, and a visitor", TIMEOUT, async || {
        let page = page(1).await;
        let door = [("name", "door.socket")];
        let settled = has(&page, state, &failed("again.service"), 1.0)
            && has(&page, state, &[("name", "fails.service"), ("state", "failed"), ("type", "oneshot")], 1.0)
            && has(&page, state, &[("name", "long.service"), ("state", "active"), ("type", "exec")], 1.0)
            && has(&page, "node_systemd_socket_current_connections", &door, 1.0);
        settled.then_some(page)
    })
    .await
    .unwrap();
    assert!(has(&shown, "node_systemd_service_restart_total", &[("name", "again.service")], 3.0));
    let somebody = [("seat", ""), ("remote", "true"), ("type", "tty"), ("class", "user")];
    assert!(has(&shown, "node_logind_sessions", &somebody, 1.0));
    assert!(has(&shown, "node_scrape_collector_success", &[("collector", "systemd")], 1.0));

    let of_systemd = async |place: usize| {
        let mut page = page(place).await;
        page.retain(|(name, _), _| name.starts_with("node_systemd_"));
        page
    };
    assert_eq!(of_systemd(2).await, of_systemd(1).await);

    let (before, shown, after) = (page(0).await, page(1).await, page(0).await);
    let (compared, wrong) = differences(&before, &shown, &after);
    assert_eq!(wrong.into_iter().collect::<Vec<_>>(), []);
    assert!(compared > 200, "only {compared} series were compared");
}
