//! What systemd is asked over D-Bus.
//!
//! Owns the questions and the types of the answers.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::{ENTRY, Property};
use crate::collector::Fault;
use crate::host::dbus::{Answer, Call, Connection, Listener, Reader, Value, refused};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A connection to systemd, for one reading.
pub(super) struct Systemd {
    connection: Connection,
    /// What a bus passes calls on to; `None` where there is no bus between.
    destination: Option<&'static str>,
}

/// What there is to say of the whole system.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    /// `None` for what this version of systemd does not say.
    pub(super) version: Option<String>,
    pub(super) virtualization: Option<String>,
    pub(super) state: Option<String>,
    pub(super) units: Vec<Unit>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) load_state: String,
    pub(super) active_state: String,
    path: String,
}

/// What was asked about one unit, without what it does not have.
pub(super) type Properties = HashMap<Property, Value>;

impl Unit {
    /// `service`, `timer` and so on: what its name ends in.
    pub(super) fn kind(&self) -> &str {
        self.name.rsplit_once('.').map_or("", |(_, kind)| kind)
    }
}

impl Systemd {
    pub(super) fn connect(socket: &Path, listener: Listener) -> io::Result<Self> {
        let destination = (listener == Listener::Bus).then_some(NAME);
        Ok(Self { connection: Connection::open(socket, listener)?, destination })
    }

    /// The system and its units; a fault where something else answers.
    pub(super) fn overview(&mut self) -> io::Result<Result<Reading, Fault>> {
        let property = |name| Call::new(self.destination, PATH, PROPERTIES, "Get").with(&[MANAGER, name]);
        let calls = [
            Call::new(self.destination, PATH, MANAGER, "ListUnits"),
            property("Version"),
            property("Virtualization"),
            property("SystemState"),
        ];
        let answers = self.connection.calls(&calls)?;
        let text = |place: usize| match value(answers.get(place)?)? {
            Value::Text(text) => Some(text),
            _ => None,
        };
        let Some(listed) = answers.first() else { return Err(io::ErrorKind::InvalidData.into()) };
        let units = listed
            .as_ref()
            .ok()
            .and_then(|units| units.read("a(ssssssouso)", |reader| reader.array(8, unit)));
        let reading =
            units.map(|units| Reading { version: text(1), virtualization: text(2), state: text(3), units });
        Ok(reading.ok_or_else(|| refused(ENTRY.name, listed)))
    }

    /// The properties of each unit that are wanted of it, in the order of the units.
    pub(super) fn properties(
        &mut self,
        units: &[Unit],
        wanted: impl Fn(&Unit) -> Vec<Property>,
    ) -> io::Result<Vec<Properties>> {
        let asked: Vec<(usize, Property)> = units
            .iter()
            .enumerate()
            .flat_map(|(place, unit)| wanted(unit).into_iter().map(move |property| (place, property)))
            .collect();
        let call = |(place, (interface, name)): &(usize, Property)| {
            Call::new(self.destination, &units[*place].path, PROPERTIES, "Get").with(&[interface, name])
        };
        let answers = self.connection.calls(&asked.iter().map(call).collect::<Vec<_>>())?;
        let mut properties = vec![Properties::new(); units.len()];
        for ((place, property), answer) in asked.iter().zip(&answers) {
            // A unit can go while it is asked, and a version of systemd may lack a property.
            properties[*place].extend(value(answer).map(|value| (*property, value)));
        }
        Ok(properties)
    }
}

fn value(answer: &Answer) -> Option<Value> {
    answer.as_ref().ok()?.property()
}

/// Name, description, load state, active state, sub-state, the unit it follows, path, and the job that waits.
fn unit(reader: &mut Reader<'_>) -> Option<Unit> {
    reader.align(8)?;
    let (name, _, load_state, active_state) =
        (reader.text()?, reader.text()?, reader.text()?, reader.text()?);
    let (_, _, path) = (reader.text()?, reader.text()?, reader.text()?);
    let (_, _, _) = (reader.u32()?, reader.text()?, reader.text()?);
    let owned = str::to_owned;
    Some(Unit {
        name: owned(name),
        load_state: owned(load_state),
        active_state: owned(active_state),
        path: owned(path),
    })
}
