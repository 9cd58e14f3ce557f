use rustix::net::{bind, listen};

use super::peer::Peer;
use super::*;

fn greet(name: &str) -> Call<'_> {
    Call::new(Some("a.b"), "/a", "a.b", "Greet").with(&[name])
}

#[test]
fn answers_are_in_the_order_of_the_calls() {
    let peer = Peer::start(Listener::Bus, |asked| match &*asked.arguments[0] {
        "nobody" => Err("a.b.Absent".to_owned()),
        name => Ok(("s", Peer::body(|body| body.text(&format!("hello {name}"))))),
    });
    let mut connection = Connection::open(&peer.path(), Listener::Bus).unwrap();
    let names: Vec<String> = (0..UNDER_WAY * 2 + 7).map(|number| number.to_string()).collect();
    let calls: Vec<_> = names.iter().map(|name| greet(name)).collect();
    let answers = connection.calls(&calls).unwrap();
    let texts: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().unwrap().read("s", Reader::text).unwrap()).collect();
    assert_eq!(texts, names.iter().map(|name| format!("hello {name}")).collect::<Vec<_>>());
    assert_eq!(connection.call(&greet("nobody")).unwrap(), Err("a.b.Absent".to_owned()));
    let odd = connection.call(&greet("x")).unwrap().unwrap();
    assert_eq!(odd.read("u", Reader::u32), None, "values of another type");
}

#[test]
fn a_service_is_not_greeted() {
    let peer = Peer::start(Listener::Service, |asked| Ok(("s", Peer::body(|body| body.text(&asked.member)))));
    let mut connection = Connection::open(&peer.path(), Listener::Service).unwrap();
    let answer = connection.call(&greet("x")).unwrap().unwrap();
    assert_eq!(answer.read("s", Reader::text), Some("Greet"));
}

#[test]
fn what_is_no_bus_is_an_error() {
    for answer in [&b"REJECTED EXTERNAL\r\n"[..], b"", b"OK x\r\nl\x02\0\x02", &[b'x'; MOST_OF_A_LINE * 2]] {
        let error = Connection::open(&peer::answering(answer).path(), Listener::Bus).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
    assert_eq!(
        Connection::open("/nonexistent".as_ref(), Listener::Bus).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn a_message_without_bounds_is_not_waited_for() {
    let mut endless = b"OK x\r\n".to_vec();
    endless.extend(message::header(u32::MAX / 2));
    let error = Connection::open(&peer::answering(&endless).path(), Listener::Bus).unwrap_err();
    assert_eq!(error.to_string(), "a message is longer than 16777216 bytes");
}

#[test]
fn a_service_that_does_not_answer_is_given_up() {
    let peer = Peer::start(Listener::Service, |_| Ok(("", Vec::new())));
    let mut connection = Connection::open(&peer.path(), Listener::Service).unwrap();
    connection.until = Instant::now();
    assert_eq!(connection.call(&greet("x")).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// As a bus that is stopped looks, first before and then after the queue of its socket is full.
#[test]
fn a_bus_that_stands_still_is_given_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let still = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&still, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&still, 1).unwrap();
    let given_up = |socket: Result<Connection, io::Error>| {
        assert_eq!(socket.unwrap_err().kind(), io::ErrorKind::TimedOut);
    };
    let soon = || Instant::now() + Duration::from_millis(50);
    given_up(Connection::open_until(&path, Listener::Bus, soon()));
    let waiting: Vec<_> = std::iter::from_fn(|| connected(&path, soon()).ok()).take(100).collect();
    assert!(waiting.len() < 100, "the queue is never full");
    given_up(Connection::open_until(&path, Listener::Bus, soon()));
}

#[test]
fn what_a_peer_does_not_take_is_not_said_for_ever() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let until = Instant::now() + Duration::from_millis(50);
    let mut connection = Connection { socket: ours, received: Vec::new(), serial: 0, until };
    let error = connection.send(&vec![0; 1 << 24]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// Each byte that comes in time is no reason to wait for another.
#[test]
fn an_answer_that_trickles_is_given_up_in_time() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let until = Instant::now() + Duration::from_millis(50);
    let trickle = std::thread::spawn(move || while theirs.write_all(b"l").is_ok() {});
    let mut connection = Connection { socket: ours, received: Vec::new(), serial: 0, until };
    let error = loop {
        connection.received.clear();
        if let Err(error) = connection.receive() {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(connection);
    trickle.join().unwrap();
}

#[test]
fn the_address_says_where_the_bus_is() {
    for (address, path) in [
        (None, "/var/run/dbus/system_bus_socket"),
        (Some(""), "/var/run/dbus/system_bus_socket"),
        (Some("unix:path=/run/bus"), "/run/bus"),
        (Some("tcp:host=a;unix:guid=1,path=/run/a%20b"), "/run/a b"),
    ] {
        assert_eq!(system_bus(address.map(OsString::from)), Path::new(path), "{address:?}");
    }
}
