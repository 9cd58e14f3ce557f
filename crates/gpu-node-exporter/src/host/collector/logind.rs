//! Sessions of users, as systemd-logind knows them (see `org.freedesktop.login1(5)`).
//!
//! Owns their counts by seat, origin, type and class. Leaves out who the users are.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::dbus::{
    Answer, Call, Connection, Listener, Reader, Value, refused, system_bus, unreachable,
};
use crate::host::entry::Entry;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "logind",
    help: "sessions of users",
    reads: "systemd-logind, over the system bus",
    is_default: false,
    waits_for: WaitsFor::Services,
    flags: &[],
    new: |_, _| Box::new(LogindCollector { bus: system_bus(std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS")) }),
};

struct LogindCollector {
    bus: PathBuf,
}

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PATH: &str = "/org/freedesktop/login1";

/// What a session is counted by, as systemd 229 knew it. Another type or class counts as `other`.
const REMOTE: [&str; 2] = ["true", "false"];
const TYPES: [&str; 7] = ["other", "unspecified", "tty", "x11", "wayland", "mir", "web"];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];

/// More sessions are counted in a fault.
const MOST_SESSIONS: usize = 10_000;

/// What a session is counted by.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Session {
    seat: String,
    remote: &'static str,
    kind: &'static str,
    class: &'static str,
}

impl LogindCollector {
    fn read(&self) -> io::Result<Result<Collected, Fault>> {
        let mut connection = Connection::open(&self.bus, Listener::Bus)?;
        let manager = |member| Call::new(Some(SERVICE), PATH, MANAGER, member);
        let answers = connection.calls(&[manager("ListSeats"), manager("ListSessions")])?;
        let [seats, sessions] = &answers[..] else {
            return Ok(Err(Fault::new("logind: answers are missing")));
        };
        let (seats, mut sessions) = match listed(seats).and_then(|seats| Ok((seats, sessions_of(sessions)?)))
        {
            Ok(lists) => lists,
            Err(fault) => return Ok(Err(fault)),
        };
        let faults = cut(&mut sessions, MOST_SESSIONS);
        let asked = ["Remote", "Type", "Class"];
        let properties = sessions.iter().flat_map(|(_, path)| {
            asked.map(|name| {
                Call::new(Some(SERVICE), path, "org.freedesktop.DBus.Properties", "Get")
                    .with(&[SESSION, name])
            })
        });
        let answers = connection.calls(&properties.collect::<Vec<_>>())?;
        let of_sessions = sessions.iter().zip(answers.chunks(asked.len()));
        // A session can end while it is asked.
        let counted = of_sessions.filter_map(|((seat, _), answers)| session(seat, answers));
        Ok(Ok(Collected::new(vec![family(&seats, counted)], faults.into_iter().collect())))
    }
}

impl Collector for LogindCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.read() {
            Ok(read) => read.unwrap_or_else(Collected::failed),
            Err(error) => Collected::failed(unreachable(ENTRY.name, &self.bus, &error)),
        }
    }
}

/// Names of seats. The last is none: remote sessions have no seat.
fn listed(answer: &Answer) -> Result<Vec<String>, Fault> {
    let seat = |reader: &mut Reader<'_>| {
        reader.align(8)?;
        let (seat, _) = (reader.text()?, reader.text()?);
        Some(seat.to_owned())
    };
    let seats = answer.as_ref().ok().and_then(|values| values.read("a(so)", |reader| reader.array(8, seat)));
    let mut seats = seats.ok_or_else(|| refused(ENTRY.name, answer))?;
    seats.push(String::new());
    Ok(seats)
}

/// Seat and path of each session.
fn sessions_of(answer: &Answer) -> Result<Vec<(String, String)>, Fault> {
    let session = |reader: &mut Reader<'_>| {
        reader.align(8)?;
        let (_, _, _) = (reader.text()?, reader.u32()?, reader.text()?);
        let (seat, path) = (reader.text()?, reader.text()?);
        Some((seat.to_owned(), path.to_owned()))
    };
    let sessions =
        answer.as_ref().ok().and_then(|values| values.read("a(susso)", |reader| reader.array(8, session)));
    sessions.ok_or_else(|| refused(ENTRY.name, answer))
}

/// Leaves as many sessions; the others are a fault.
fn cut<T>(sessions: &mut Vec<T>, most: usize) -> Option<Fault> {
    let more = sessions.len().checked_sub(most).filter(|more| *more > 0)?;
    sessions.truncate(most);
    Some(Fault::new(format!("logind: {more} sessions are not counted, beyond {most}")))
}

/// By the answers for its properties; `None` when one is missing.
fn session(seat: &str, answers: &[Answer]) -> Option<Session> {
    let property = |place: usize| answers.get(place)?.as_ref().ok()?.property();
    let (Value::Bool(remote), Value::Text(kind), Value::Text(class)) =
        (property(0)?, property(1)?, property(2)?)
    else {
        return None;
    };
    Some(Session {
        seat: seat.to_owned(),
        remote: REMOTE[usize::from(!remote)],
        kind: known(&kind, &TYPES),
        class: known(&class, &CLASSES),
    })
}

fn known(word: &str, words: &[&'static str]) -> &'static str {
    words.iter().copied().find(|known| *known == word).unwrap_or("other")
}

fn family(seats: &[String], sessions: impl Iterator<Item = Session>) -> Family {
    let mut counts: HashMap<Session, u64> = HashMap::new();
    sessions.for_each(|session| *counts.entry(session).or_default() += 1);
    let mut family = Family::gauge("node_logind_sessions", "Number of sessions registered in logind.");
    for seat in seats {
        for remote in REMOTE {
            for kind in TYPES {
                for class in CLASSES {
                    let labels =
                        [("seat", seat.as_str()), ("remote", remote), ("type", kind), ("class", class)];
                    let session = Session { seat: seat.clone(), remote, kind, class };
                    family.push(Labels::new(labels), counts.get(&session).copied().unwrap_or_default());
                }
            }
        }
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::dbus::peer::{Asked, Given, Peer, answering};
    use crate::host::testing::reading;

    /// A machine with one seat: somebody at its screen, somebody over the network, and a session that ends while it is asked.
    fn logind(asked: &Asked) -> Given {
        let sessions = [("1", "", "/s/1"), ("2", "seat0", "/s/2"), ("3", "", "/s/3")];
        match &*asked.member {
            "ListSeats" => Ok((
                "a(so)",
                Peer::body(|body| {
                    body.array(8, |body| {
                        body.text("seat0");
                        body.text("/seat/seat0");
                    });
                }),
            )),
            "ListSessions" => Ok((
                "a(susso)",
                Peer::body(|body| {
                    body.array(8, |body| {
                        for (id, seat, path) in sessions {
                            body.align(8);
                            body.text(id);
                            body.u32(1000);
                            body.text("somebody");
                            body.text(seat);
                            body.text(path);
                        }
                    });
                }),
            )),
            "Get" => {
                assert_eq!(
                    (&*asked.interface, &*asked.arguments[0]),
                    ("org.freedesktop.DBus.Properties", SESSION)
                );
                let (remote, kind, class) = match &*asked.path {
                    "/s/1" => (1, "tty", "user"),
                    "/s/2" => (0, "x11", "manager"),
                    _ => return Err("org.freedesktop.DBus.Error.UnknownObject".to_owned()),
                };
                Ok((
                    "v",
                    Peer::body(|body| match &*asked.arguments[1] {
                        "Remote" => {
                            body.signature("b");
                            body.u32(remote);
                        }
                        property => {
                            body.signature("s");
                            body.text(if property == "Type" { kind } else { class });
                        }
                    }),
                ))
            }
            member => panic!("nobody asks for {member}"),
        }
    }

    #[test]
    fn sessions_are_counted_on_each_seat_and_on_none() {
        let peer = Peer::start(Listener::Bus, logind);
        let (series, faults) = reading(&mut LogindCollector { bus: peer.path() });
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(series.len(), 2 * REMOTE.len() * TYPES.len() * CLASSES.len());
        let mut counted: Vec<_> = series.iter().filter(|line| !line.ends_with(" 0")).collect();
        counted.sort();
        assert_eq!(
            counted,
            [
                r#"node_logind_sessions{seat="",remote="true",type="tty",class="user"} 1"#,
                r#"node_logind_sessions{seat="seat0",remote="false",type="x11",class="other"} 1"#,
            ]
        );
    }

    #[test]
    fn sessions_beyond_the_bound_are_told() {
        let mut sessions = vec![1, 2, 3];
        assert_eq!((cut(&mut sessions, 3), sessions.len()), (None, 3));
        let fault = cut(&mut sessions, 1).unwrap();
        assert_eq!(fault.to_string(), "logind: 2 sessions are not counted, beyond 1");
        assert_eq!(sessions, [1]);
    }

    #[test]
    fn what_does_not_answer_as_logind_is_told() {
        let check = |bus: PathBuf, expected: &str| {
            let (series, faults) = reading(&mut LogindCollector { bus });
            assert!(series.is_empty() && faults.len() == 1, "{series:?} {faults:?}");
            assert!(faults[0].starts_with("logind: ") && faults[0].contains(expected), "{}", faults[0]);
        };
        check("/nonexistent/bus".into(), "there is no /nonexistent/bus");
        let absent =
            Peer::start(Listener::Bus, |_| Err("org.freedesktop.DBus.Error.ServiceUnknown".to_owned()));
        check(absent.path(), "org.freedesktop.DBus.Error.ServiceUnknown");
        assert!(LogindCollector { bus: absent.path() }.collect().faults[0].is_no_data());
        let other = Peer::start(Listener::Bus, |_| Ok(("as", Peer::body(|body| body.array(4, |_| ())))));
        check(other.path(), "the answer is garbled");
        check(answering(b"OK x\r\nSegmentation fault").path(), "the answer is garbled");
    }
}
