//! The console's paths from outside: who may see them, what they answer, and what they keep a browser from doing.

use test_peers::client::{Answer, get, post_json, request};

use crate::program::{Home, to_robot, webhook};
use crate::robot::Robot;

/// The value of a header.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

#[test]
fn every_page_keeps_the_browser_from_loading_and_running_anything() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    let paths = [
        "/",
        "/deliveries",
        "/deliveries/4f2a91-17",
        "/alerts/x",
        "/dead-letters",
        "/preview",
        "/send-test",
        "/settings",
        "/settings/reload",
        "/audit-trail",
        "/console/style.css",
    ];
    for path in paths {
        let answer = get(serving.address, path);
        let expected = if path == "/deliveries/4f2a91-17" { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path} {answer:?}");
        let policy = header(&answer, "content-security-policy").unwrap_or_default().to_owned();
        for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
    }
    // A language that is asked for is kept; another one is not.
    let answer = get(serving.address, "/?lang=zh-CN");
    assert!(
        header(&answer, "set-cookie").is_some_and(|cookie| cookie.starts_with("alert_relay_lang=zh-CN;")),
        "{answer:?}"
    );
    assert!(answer.body.contains("<html lang=\"zh-CN\">"), "{}", answer.body);
    assert_eq!(header(&get(serving.address, "/?lang=%3Cscript%3E"), "set-cookie"), None);
}

/// The input of the fault: each alert that had no link to a runbook.
#[test]
fn an_alert_without_annotations_has_its_pages() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("GpuHot")).status, 200);
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");
    let list = get(serving.address, "/deliveries").body;
    let id = list.split("href=\"/deliveries/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let story = get(serving.address, &format!("/deliveries/{id}"));
    assert!(story.status == 200 && story.body.contains("GpuHot"), "{story:?}");
    let fingerprint =
        story.body.split("href=\"/alerts/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let alert = get(serving.address, &format!("/alerts/{fingerprint}"));
    assert!(alert.status == 200 && alert.body.contains("GpuHot"), "{alert:?}");
}

#[test]
fn a_form_has_a_bound_and_says_so() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    let body = format!("target=chat&body={}", "x".repeat(1024 * 1024));
    let answer = request(serving.address, "POST", "/preview", &[FORM], body.as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("at most 1048576 bytes"), "{}", answer.body);
    // Forms that make no sense change nothing and say why.
    for body in [
        "action=retry&id=17",
        "action=explode",
        "",
        "action=retry&from=yesterday&confirmed=yes",
        "action=give_up&action=retry",
    ] {
        let answer = request(serving.address, "POST", "/dead-letters", &[FORM], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(answer.body.contains("role=\"alert\""), "{body}: {}", answer.body);
    }
    let trail = get(serving.address, "/audit-trail").body;
    assert!(trail.contains("Nothing was changed by hand yet."), "{trail}");
}

#[test]
fn the_console_is_behind_the_same_password_as_everything() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve_behind(
        "basic_auth_users: { operator: '$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC' }\n",
    );
    for path in ["/", "/dead-letters", "/console/style.css"] {
        assert_eq!(get(serving.address, path).status, 401, "{path}");
    }
    let posted = request(serving.address, "POST", "/send-test", &[FORM], b"target=chat");
    assert_eq!(posted.status, 401, "{posted:?}");
}
