//! What the relay answers to a browser that shows a foreign site's page.

use crate::client::{get, post_json, request};
use crate::program::{Home, metric, to_robot, webhook};
use crate::robot::Robot;
use test_peers::browser::{foreign_headers, foreign_paths};

/// The port that the page expects the relay at.
const PORT_OF_THE_PAGE: u16 = 47060;

#[test]
fn a_foreign_page_can_do_nothing_with_its_visitors_browser() {
    let robot = Robot::start();
    let heartbeats = "heartbeats: { watchdog: { expect_every: 1h, targets: [chat] } }\n";
    let home = Home::new(&(to_robot(&robot.url()) + heartbeats));
    let serving = home.serve();
    let paths = foreign_paths(PORT_OF_THE_PAGE);
    assert_eq!(paths, ["/-/reload", "/api/v1/heartbeats/watchdog", "/api/v1/alerts/ops"]);
    let mut refused = 0;
    let others = [
        "/dingtalk/ops/send",
        "/api/v1/targets/chat/test",
        "/api/v1/targets/chat/preview",
        "/api/v1/dead-letters/retry?all=true",
        "/api/v1/dead-letters/give-up?all=true",
        "/mcp",
        // Each form of the console.
        "/dead-letters",
        "/preview",
        "/send-test",
        "/settings/reload",
    ];
    for path in paths.into_iter().chain(others) {
        for headers in foreign_headers() {
            let answer = request(serving.address, "POST", path, &headers, &webhook("FORGED_BY_BROWSER"));
            assert_eq!(answer.status, 403, "{path} {headers:?} {answer:?}");
            assert!(answer.body.contains("a page of another site"), "{answer:?}");
            refused += 1;
        }
    }
    assert_eq!(metric(&serving, "alert_relay_http_requests_total{path=\"other\",code=\"403\"}"), refused);
    let page = get(serving.address, "/").body;
    assert!(page.contains("not since the relay"), "the heartbeat was heard: {page}");

    // The first message that goes out is nobody's but the first sender's; and an operator's browser on our own page may do as he likes.
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("Accepted")).status, 200);
    let first = robot.next();
    assert!(first.body.contains("Accepted"), "{}", first.body);
    let ours = ["Sec-Fetch-Site: same-origin", "Origin: http://test"];
    assert_eq!(request(serving.address, "POST", "/-/reload", &ours, b"").status, 200);
}

#[test]
fn only_allowed_hosts_and_sources_are_answered() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving =
        home.serve_with(&[("ALLOWED_HOSTS", "relay.example,test"), ("ALLOWED_SOURCES", "192.0.2.0/24")]);
    // Loopback is always allowed, and `Host: test` is in the list.
    assert_eq!(get(serving.address, "/-/healthy").status, 200);
    let asked = format!(
        "GET /metrics HTTP/1.1\r\nHost: evil.example:{}\r\nConnection: close\r\n\r\n",
        serving.address.port()
    );
    let answer = raw(serving.address, &asked);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(
        answer.body.contains("`evil.example`") && answer.body.contains("server.allowed_hosts"),
        "{answer:?}"
    );
    assert_eq!(metric(&serving, "alert_relay_connections_closed_total{reason=\"foreign_source\"}"), 0);
}

/// An answer to these bytes.
fn raw(address: std::net::SocketAddr, bytes: &str) -> crate::client::Answer {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    crate::client::Answer::parse(&answer)
}
