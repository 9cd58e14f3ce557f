//! Sending against servers that misbehave: every failure comes back as an outcome, in time, without the address.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::channel::Channel;
use crate::channel::part::Stamp;
use crate::channel::testing::{dingtalk, open, target};
use crate::message::{Wording, sample};
use crate::outcome::{Outcome, Reason};

const TOKEN: &str = "dingtalk-token-1";

/// For what ends by itself: far above what it takes on a busy machine.
const LONG: &str = "30s";

/// For what ends by no answer.
const SHORT: &str = "500ms";

/// In milliseconds since 1970: the time of the signature whose value is known.
const SENT_AT: u64 = 1_577_808_000_000;

/// Answers one request with these bytes, then keeps the connection open for as long as the test holds the server.
struct Server {
    address: SocketAddr,
    request: oneshot::Receiver<String>,
    task: JoinHandle<()>,
}

impl Server {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, request) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 4_096];
            while !is_complete(&seen) {
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "the request ended early");
                seen.extend_from_slice(&buffer[..count]);
            }
            told.send(String::from_utf8(seen).unwrap()).unwrap();
            // The client may have seen enough.
            let _ = stream.write_all(&answer).await;
            std::future::pending::<()>().await;
        });
        Self { address, request, task }
    }

    async fn outcome(&self) -> Outcome {
        self.outcome_within(LONG).await
    }

    async fn outcome_within(&self, timeout: &str) -> Outcome {
        attempt(&format!("http://{}/robot/send?access_token={TOKEN}", self.address), timeout).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_complete(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    if head.starts_with("CONNECT") || head.starts_with("HEAD") {
        return true;
    }
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn attempt(url: &str, timeout: &str) -> Outcome {
    send(&*open(&format!("{}, timeout: {timeout}", dingtalk(url)))).await
}

async fn send(channel: &dyn Channel) -> Outcome {
    let parts = channel.render(&sample::named("firing").unwrap(), Wording::Normal);
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(SENT_AT);
    channel.send(&parts[0], &Stamp { at, delivery: "d1" }).await
}

fn check(outcome: &Outcome, expected: Reason) {
    let Outcome::Retry { reason, detail, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(*reason, expected, "{outcome:?}");
    assert!(!detail.is_empty() && detail.len() < 2_200, "{outcome:?}");
    assert!(!detail.contains(TOKEN) && !detail.contains("SECtest"), "{outcome:?}");
}

#[tokio::test]
async fn a_proven_delivery_is_signed_and_encoded_once() {
    let mut server = Server::answering(answer("200 OK", r#"{"errcode":0,"errmsg":"ok"}"#)).await;
    assert_eq!(server.outcome().await, Outcome::Delivered { receipt: "errcode 0: ok".to_owned() });
    let request = (&mut server.request).await.unwrap();
    let line = request.lines().next().unwrap();
    assert_eq!(
        line,
        "POST /robot/send?access_token=dingtalk-token-1&timestamp=1577808000000\
         &sign=rdhUiyGbHzH4Olal17v5mIhUEQxxOsuSFZjuo2SM7Xw%3D HTTP/1.1"
    );
    assert!(request.contains("content-type: application/json; charset=utf-8\r\n"), "{request}");
}

#[tokio::test]
async fn refusals_in_a_good_status_are_refusals() {
    let server = Server::answering(answer("200 OK", r#"{"errcode":310000,"errmsg":"sign not match"}"#)).await;
    assert!(matches!(server.outcome().await, Outcome::Misconfigured { reason: Reason::Refused, .. }));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server =
        Server::answering("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
            .await;
    check(&server.outcome().await, Reason::UnprovenReply);
}

#[tokio::test]
async fn a_server_error_is_busy() {
    let server = Server::answering(answer("503 Service Unavailable", "later")).await;
    check(&server.outcome().await, Reason::Busy);
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_is_blacked_out() {
    let body = format!("<html>POST /robot/send?access_token={TOKEN} was blocked: {TOKEN}</html>");
    let server = Server::answering(answer("200 OK", &body)).await;
    let outcome = server.outcome().await;
    check(&outcome, Reason::UnprovenReply);
    assert!(format!("{outcome:?}").contains("<redacted>"), "{outcome:?}");
}

#[tokio::test]
async fn a_huge_answer_is_read_no_further_than_it_can_matter() {
    let body = "x".repeat(8 * 1024 * 1024);
    let server = Server::answering(answer("200 OK", &body)).await;
    check(&server.outcome().await, Reason::UnprovenReply);
}

#[tokio::test]
async fn a_slow_head_times_out() {
    check(&Server::answering("").await.outcome_within(SHORT).await, Reason::Timeout);
}

#[tokio::test]
async fn a_slow_body_times_out() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"errcode\":0").await;
    check(&server.outcome_within(SHORT).await, Reason::Timeout);
}

#[tokio::test]
async fn garbage_is_a_broken_reply() {
    check(&Server::answering("SSH-2.0-OpenSSH_9.2\r\n").await.outcome().await, Reason::BrokenReply);
}

#[tokio::test]
async fn a_closed_port_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    check(
        &attempt(&format!("http://{address}/robot/send?access_token={TOKEN}"), LONG).await,
        Reason::Connect,
    );
}

#[tokio::test]
async fn a_host_that_does_not_speak_tls_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    check(
        &attempt(&format!("https://{address}/robot/send?access_token={TOKEN}"), LONG).await,
        Reason::Connect,
    );
    server.await.unwrap();
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_its_password_not_shown() {
    let mut proxy = Server::answering("HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n").await;
    let robot = dingtalk("https://robot.example/robot/send?access_token=dingtalk-token-1");
    let channel =
        open(&format!("{robot}, timeout: {LONG}, proxy: 'http://user:proxy-password-1@{}'", proxy.address));
    let outcome = send(&*channel).await;
    let request = (&mut proxy.request).await.unwrap();
    assert!(request.starts_with("CONNECT robot.example:443"), "{request}");
    assert!(!request.contains(TOKEN), "{request}");
    assert!(!format!("{outcome:?} {channel:?}").contains("proxy-password-1"), "{outcome:?}");
}

#[test]
fn a_robot_on_http_is_not_called_through_a_proxy_that_would_read_its_token() {
    let robot = dingtalk("http://127.0.0.1:1/robot/send?access_token=dingtalk-token-1");
    let error = target(&format!("{robot}, proxy: 'http://user:proxy-password-1@127.0.0.1:2'")).unwrap_err();
    assert!(error.starts_with("relay.yml:1: targets.ops.proxy: this target's address is http"), "{error}");
    assert!(!error.contains("password-1") && !error.contains(TOKEN), "{error}");
}

/// An error page that shows the request's headers: `Authorization: Basic` and base64 of `hook:robot password-1`.
#[tokio::test]
async fn a_login_that_is_repeated_is_blacked_out_however_it_is_encoded() {
    let body = "Authorization: Basic aG9vazpyb2JvdCBwYXNzd29yZC0x, hook:robot password-1, hook:robot%20password-1, \
                robot%20password%2D1, cm9ib3QgcGFzc3dvcmQtMQ==";
    let server = Server::answering(answer("200 OK", body)).await;
    let url = format!("http://hook:robot%20password-1@{}/robot/send?access_token={TOKEN}", server.address);
    let outcome = format!("{:?}", attempt(&url, LONG).await);
    for form in ["password", "aG9vazpyb2JvdCBwYXNzd29yZC0x", "cm9ib3QgcGFzc3dvcmQtMQ"] {
        assert!(!outcome.contains(form), "{outcome}");
    }
}

#[tokio::test]
async fn a_host_is_reached_without_its_address_and_says_what_time_it_is() {
    let dated = |date: &str| format!("HTTP/1.1 404 Not Found\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n");
    let ahead = async |answer: String| {
        let mut server = Server::answering(answer).await;
        let url = format!("http://{}/robot/send?access_token={TOKEN}", server.address);
        let channel = open(&format!("{}, timeout: {LONG}", dingtalk(&url)));
        assert_eq!(channel.other_end().to_string(), format!("http://{}", server.address));
        let reached = channel.reach().await.unwrap();
        assert_eq!(reached.answer, "HTTP 404");
        let request = server.request.try_recv().unwrap();
        assert!(request.starts_with("HEAD / HTTP/1.1") && !request.contains(TOKEN), "{request}");
        reached.ahead
    };
    let now = jiff::Timestamp::now();
    let date =
        |at: jiff::Timestamp| jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let behind = ahead(dated(&date(now + jiff::SignedDuration::from_hours(2)))).await.unwrap();
    assert!(behind.as_secs() < -7_000, "{behind}");
    assert_eq!(ahead(dated("now")).await, None);
    assert_eq!(ahead(answer("404 Not Found", "")).await, None);
}

#[tokio::test]
async fn who_cannot_be_reached_is_said_without_the_address() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{unused}/robot/send?access_token={TOKEN}");
    let why = open(&format!("{}, timeout: {LONG}", dingtalk(&url))).reach().await.unwrap_err();
    assert!(why.contains("refused") && !why.contains(TOKEN), "{why}");
}
