//! Units of systemd and their states (see `org.freedesktop.systemd1(5)`).
//!
//! Owns which units are shown, and their families. `systemd/asked.rs` owns the questions to systemd. What a version of systemd does not have
//! is absent.

mod asked;

use std::io;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::dbus::{Listener, Value, system_bus, unreachable};
use crate::host::entry::Entry;
use asked::{Properties, Reading, Systemd, Unit};

static UNIT_INCLUDE: Flag =
    Flag::regex("collector.systemd.unit-include", ".+", "Units to show, by their whole name")
        .formerly(&["collector.systemd.unit-whitelist"]);
static UNIT_EXCLUDE: Flag = Flag::regex(
    "collector.systemd.unit-exclude",
    r".+\.(automount|device|mount|scope|slice)",
    "Units to leave out, by their whole name",
)
.formerly(&["collector.systemd.unit-blacklist"]);
static TASKS: Flag =
    Flag::switch("collector.systemd.enable-task-metrics", false, "Show how many tasks services have");
static RESTARTS: Flag = Flag::switch(
    "collector.systemd.enable-restarts-metrics",
    false,
    "Show how often services were restarted",
);
static START_TIMES: Flag =
    Flag::switch("collector.systemd.enable-start-time-metrics", false, "Show since when units are active");
static PRIVATE: Flag = Flag::switch(
    "collector.systemd.private",
    false,
    "Ask systemd itself and not over the system bus, which only root may",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "systemd",
    help: "units of systemd and their states",
    reads: "systemd, over the system bus",
    is_default: false,
    waits_for: WaitsFor::Services,
    flags: &[&UNIT_INCLUDE, &UNIT_EXCLUDE, &TASKS, &RESTARTS, &START_TIMES, &PRIVATE],
    new: |flags, _| Box::new(SystemdCollector::new(flags)),
};

/// Where systemd itself listens.
const PRIVATE_SOCKET: &str = "/run/systemd/private";

/// Whether systemd itself lets this process ask.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// More units are counted in a fault.
const MOST_UNITS: usize = 10_000;

struct SystemdCollector {
    /// Where systemd is asked; each is tried when nobody is reached over the one before.
    ways: Vec<(PathBuf, Listener)>,
    include: Option<Regex>,
    exclude: Option<Regex>,
    wanted: Wanted,
}

/// What of units is shown beside their states.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    tasks: bool,
    restarts: bool,
    start_times: bool,
}

impl SystemdCollector {
    fn new(flags: &mut Flags) -> Self {
        let bus = || (system_bus(std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS")), Listener::Bus);
        let itself = (PathBuf::from(PRIVATE_SOCKET), Listener::Service);
        // A machine may have systemd and no bus.
        let ways = match (flags.is_on(&PRIVATE), is_root()) {
            (true, _) => vec![itself],
            (false, true) => vec![bus(), itself],
            (false, false) => vec![bus()],
        };
        let wanted = Wanted {
            tasks: flags.is_on(&TASKS),
            restarts: flags.is_on(&RESTARTS),
            start_times: flags.is_on(&START_TIMES),
        };
        let (include, exclude) = (flags.whole_regex(&UNIT_INCLUDE), flags.whole_regex(&UNIT_EXCLUDE));
        Self { ways, include, exclude, wanted }
    }

    fn shows(&self, unit: &Unit) -> bool {
        let matches =
            |expression: &Option<Regex>| expression.as_ref().is_some_and(|it| it.is_match(&unit.name));
        matches(&self.include) && !matches(&self.exclude) && unit.load_state == "loaded"
    }

    /// The first way that leads to somebody, and where it leads; what was wrong with the first of all where none does.
    fn connect(&self) -> Result<(Systemd, &Path), Fault> {
        let mut refused = None;
        for (socket, listener) in &self.ways {
            match Systemd::connect(socket, *listener) {
                Ok(systemd) => return Ok((systemd, socket)),
                Err(error) => refused = refused.or_else(|| Some(unreachable(ENTRY.name, socket, &error))),
            }
        }
        Err(refused.unwrap_or_else(|| Fault::no_data("systemd: there is no way to it")))
    }

    fn read(&self, mut systemd: Systemd) -> io::Result<Collected> {
        let Reading { version, virtualization, state, units } = match systemd.overview()? {
            Ok(reading) => reading,
            Err(fault) => return Ok(Collected::failed(fault)),
        };
        let mut families = vec![
            version_family(version.as_deref()),
            virtualization_family(virtualization.as_deref()),
            running_family(state.as_deref()),
            summary(&units),
        ];
        let mut units: Vec<Unit> = units.into_iter().filter(|unit| self.shows(unit)).collect();
        let more = units.len().saturating_sub(MOST_UNITS);
        units.truncate(MOST_UNITS);
        let properties = systemd.properties(&units, |unit| self.wanted.properties(unit))?;
        families.extend(unit_families(&units, &properties, self.wanted));
        let faults = (more > 0)
            .then(|| Fault::new(format!("systemd: {more} units are left out, beyond {MOST_UNITS}")));
        Ok(Collected::new(families, faults.into_iter().collect()))
    }
}

impl Collector for SystemdCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let (systemd, socket) = match self.connect() {
            Ok(reached) => reached,
            Err(fault) => return Collected::failed(fault),
        };
        self.read(systemd).unwrap_or_else(|error| Collected::failed(unreachable(ENTRY.name, socket, &error)))
    }
}

/// A property of a unit, by interface and name.
type Property = (&'static str, &'static str);

const SERVICE_TYPE: Property = ("org.freedesktop.systemd1.Service", "Type");
const MOUNT_TYPE: Property = ("org.freedesktop.systemd1.Mount", "Type");
const RESTARTED: Property = ("org.freedesktop.systemd1.Service", "NRestarts");
const TASKS_NOW: Property = ("org.freedesktop.systemd1.Service", "TasksCurrent");
const TASKS_MOST: Property = ("org.freedesktop.systemd1.Service", "TasksMax");
const ACTIVE_SINCE: Property = ("org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp");
const LAST_TRIGGER: Property = ("org.freedesktop.systemd1.Timer", "LastTriggerUSec");
const ACCEPTED: Property = ("org.freedesktop.systemd1.Socket", "NAccepted");
const CONNECTIONS: Property = ("org.freedesktop.systemd1.Socket", "NConnections");
const REFUSED: Property = ("org.freedesktop.systemd1.Socket", "NRefused");

impl Wanted {
    /// What is asked about a unit.
    fn properties(self, unit: &Unit) -> Vec<Property> {
        let mut asked = Vec::new();
        match unit.kind() {
            "service" => {
                asked.push(SERVICE_TYPE);
                asked.extend(self.restarts.then_some(RESTARTED));
                asked.extend([TASKS_NOW, TASKS_MOST].into_iter().filter(|_| self.tasks));
            }
            "mount" => asked.push(MOUNT_TYPE),
            "socket" => asked.extend([ACCEPTED, CONNECTIONS, REFUSED]),
            "timer" => asked.push(LAST_TRIGGER),
            _ => {}
        }
        asked.extend((self.start_times && unit.active_state == "active").then_some(ACTIVE_SINCE));
        asked
    }
}

/// States that each unit is shown in.
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];

/// The number at the start of a version, with what follows a point: 252.39 of `252.39-1~deb12u1`.
fn version_number(version: &str) -> Option<f64> {
    let is_digit = |symbol: char| symbol.is_ascii_digit();
    let digits = |text: &str| text.len() - text.trim_start_matches(is_digit).len();
    let mut rest = version;
    loop {
        rest = rest.trim_start_matches(|symbol| !is_digit(symbol));
        let whole = digits(rest);
        if whole >= 3 {
            let parts = rest[whole..].strip_prefix('.').map_or(0, digits);
            let end = if parts > 0 { whole + 1 + parts } else { whole };
            return rest[..end].parse().ok();
        }
        if whole == 0 {
            return None;
        }
        rest = &rest[whole..];
    }
}

fn version_family(version: Option<&str>) -> Family {
    let mut family = Family::gauge("node_systemd_version", "Detected systemd version");
    if let Some((version, number)) = version.and_then(|version| Some((version, version_number(version)?))) {
        family.push(Labels::new([("version", version)]), number);
    }
    family
}

/// systemd says nothing on a machine that is none.
fn virtualization_family(virtualization: Option<&str>) -> Family {
    let kind = match virtualization {
        None => "unknown",
        Some("") => "none",
        Some(kind) => kind,
    };
    Family::info("node_systemd_virtualization_info", "Detected virtualization technology")
        .with(Labels::new([("virtualization_type", kind)]), 1_u64)
}

fn running_family(state: Option<&str>) -> Family {
    let mut family = Family::gauge(
        "node_systemd_system_running",
        "Whether the system is operational (see 'systemctl is-system-running')",
    );
    if let Some(state) = state {
        family.push(Labels::NONE, state == "running");
    }
    family
}

fn summary(units: &[Unit]) -> Family {
    let mut counts: Vec<(&str, u64)> = STATES.map(|state| (state, 0)).into();
    for unit in units {
        match counts.iter_mut().find(|(state, _)| *state == unit.active_state) {
            Some((_, count)) => *count += 1,
            None => counts.push((&unit.active_state, 1)),
        }
    }
    let mut family = Family::gauge("node_systemd_units", "Summary of systemd unit states");
    for (state, count) in counts {
        family.push(Labels::new([("state", state)]), count);
    }
    family
}

/// A property that is one number of a unit's, its family, and how many of its units are one base unit.
type Row = (Property, fn() -> Family, f64);

const NUMBERS: [Row; 7] = [
    (
        RESTARTED,
        || Family::counter("node_systemd_service_restart_total", "Service unit count of Restart triggers"),
        1.0,
    ),
    (
        TASKS_NOW,
        || Family::gauge("node_systemd_unit_tasks_current", "Current number of tasks per Systemd unit"),
        1.0,
    ),
    (
        TASKS_MOST,
        || Family::gauge("node_systemd_unit_tasks_max", "Maximum number of tasks per Systemd unit"),
        1.0,
    ),
    (
        LAST_TRIGGER,
        || Family::gauge("node_systemd_timer_last_trigger_seconds", "Seconds since epoch of last trigger."),
        1e6,
    ),
    (
        ACCEPTED,
        || {
            Family::counter(
                "node_systemd_socket_accepted_connections_total",
                "Total number of accepted socket connections",
            )
        },
        1.0,
    ),
    (
        CONNECTIONS,
        || Family::gauge("node_systemd_socket_current_connections", "Current number of socket connections"),
        1.0,
    ),
    (
        REFUSED,
        || {
            Family::gauge(
                "node_systemd_socket_refused_connections_total",
                "Total number of refused socket connections",
            )
        },
        1.0,
    ),
];

fn unit_families(units: &[Unit], properties: &[Properties], wanted: Wanted) -> Vec<Family> {
    let mut states = Family::gauge("node_systemd_unit_state", "Systemd unit");
    let mut start_times = Family::gauge(
        "node_systemd_unit_start_time_seconds",
        "Start time of the unit since unix epoch in seconds.",
    );
    let mut numbers = NUMBERS.map(|(_, family, _)| family());
    for (unit, properties) in units.iter().zip(properties) {
        let name = unit.name.as_str();
        let kind = [SERVICE_TYPE, MOUNT_TYPE].into_iter().find_map(|property| properties.get(&property));
        let kind =
            kind.and_then(|kind| if let Value::Text(kind) = kind { Some(kind.as_str()) } else { None });
        for state in STATES {
            let labels = [("name", name), ("state", state), ("type", kind.unwrap_or_default())];
            states.push(Labels::new(labels), state == unit.active_state);
        }
        let labels = Labels::new([("name", name)]);
        let number = |property: &Property| match properties.get(property) {
            // What no limit, or nobody who counts, says.
            Some(Value::Whole(number)) if *number != u64::MAX => Some(*number),
            _ => None,
        };
        for ((property, _, parts), family) in NUMBERS.iter().zip(&mut numbers) {
            match number(property) {
                Some(number) if *parts > 1.0 => family.push(labels.clone(), number as f64 / parts),
                Some(number) => family.push(labels.clone(), number),
                None => {}
            }
        }
        if wanted.start_times && unit.active_state != "active" {
            start_times.push(labels, 0_u64);
        } else if let Some(since) = number(&ACTIVE_SINCE) {
            start_times.push(labels, since as f64 / 1e6);
        }
    }
    [states, start_times].into_iter().chain(numbers).collect()
}

#[cfg(test)]
mod tests;
