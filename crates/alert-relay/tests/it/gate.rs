//! What is refused before it reaches a path is answered, counted and logged as the rest is.

use crate::client::{Answer, request};
use crate::program::{Home, Serving, webhook};

const PATH: &str = "/api/v1/alerts/ops";
const SETTINGS: &str = "receivers: { ops: { routes: [] } }\n";
/// Its password is `right`.
pub(crate) const ALICE: &str =
    "basic_auth_users: { alice: $2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC }\n";
const RIGHT: &str = "Authorization: Basic YWxpY2U6cmlnaHQ=";
const WRONG: &str = "Authorization: Basic YWxpY2U6d3Jvbmc=";

fn ask(serving: &Serving, method: &str, path: &str, header: &str, body: &[u8]) -> Answer {
    request(serving.address, method, path, &[header, "Content-Type: application/json"], body)
}

#[track_caller]
fn expect(answer: &Answer, status: u16, header: &str, message: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.head.contains(header), "{header:?} is not in {answer:?}");
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["status"], "error");
    assert!(body["message"].as_str().unwrap().contains(message), "{message:?} is not in {answer:?}");
}

#[test]
fn a_wrong_password_and_a_body_too_large_are_seen() {
    let home = Home::new(SETTINGS);
    let serving = home.serve_behind(ALICE);
    expect(
        &ask(&serving, "POST", PATH, WRONG, &webhook("A")),
        401,
        "www-authenticate: Basic",
        "Unauthorized",
    );
    serving.wait_for("refused POST /api/v1/alerts/ops with 401: Unauthorized");
    let large = vec![b' '; 20_000_000];
    expect(&ask(&serving, "POST", PATH, RIGHT, &large), 413, "", "at most 8388608");
    serving.wait_for("refused POST /api/v1/alerts/ops with 413: the body has 20000000 bytes");
    let page = ask(&serving, "GET", "/metrics", RIGHT, b"").body;
    for code in [401, 413] {
        let sample = format!("alert_relay_http_requests_total{{path=\"other\",code=\"{code}\"}} 1\n");
        assert!(page.contains(&sample), "no {sample} in\n{page}");
    }
}

/// Alertmanager tries a 503 again and gives up on 429.
#[test]
fn more_than_rate_limit_allows_is_to_be_tried_again() {
    let home = Home::new(SETTINGS);
    let serving = home.serve_behind("rate_limit: { interval: 1h, burst: 1 }\n");
    assert_eq!(ask(&serving, "POST", PATH, RIGHT, &webhook("A")).status, 200);
    let answer = ask(&serving, "POST", PATH, RIGHT, &webhook("B"));
    expect(&answer, 503, "retry-after: 3", "more requests than rate_limit allows");
    serving.wait_for("refused POST /api/v1/alerts/ops with 503");
}
