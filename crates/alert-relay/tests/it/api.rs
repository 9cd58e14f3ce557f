//! The JSON API of the real program: what an operator is shown, and what is done by hand.

use serde_json::Value;

use crate::client::{get, post_json, request};
use crate::program::{Home, Serving, to_robot, webhook};
use crate::robot::Robot;

/// A name and its password, as a web-config file has them and as a request carries them: `alice`, `right`.
const USERS: &str =
    "basic_auth_users: { alice: '$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC' }\n";

#[track_caller]
fn shown(serving: &Serving, path: &str) -> Value {
    let answer = get(serving.address, path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {answer:?}"))
}

#[track_caller]
fn done(serving: &Serving, path: &str) -> Value {
    let answer = request(serving.address, "POST", path, &[], b"");
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn an_alert_can_be_followed_from_the_overview_to_the_robots_own_words() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("GpuHot")).status, 200);
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");

    let overview = shown(&serving, "/api/v1/overview");
    let chat = &overview["targets"][0];
    assert_eq!((&chat["name"], &chat["health"]["state"]), (&Value::from("chat"), &Value::from("up")));
    assert_eq!((&chat["open"]["count"], &chat["queue"]["waiting"]), (&Value::from(1), &Value::from(0)));
    assert_eq!(chat["open"]["alerts"][0]["name"], "GpuHot", "{chat}");
    assert!(chat["last_success"].as_str().unwrap().ends_with('Z') && chat["last_error"].is_null(), "{chat}");
    assert!(chat["budget"]["left"].as_u64() < chat["budget"]["sends"].as_u64(), "{chat}");

    let page = shown(&serving, "/api/v1/deliveries?text=gpuhot&state=delivered&target=chat&from=1h");
    let delivery = &page["deliveries"][0];
    assert_eq!(
        (&delivery["alerts"], &delivery["state"]),
        (&Value::from("GpuHot"), &Value::from("delivered"))
    );
    assert_eq!(shown(&serving, "/api/v1/deliveries?text=nothing")["deliveries"], Value::Array(vec![]));

    let id = delivery["id"].as_str().unwrap();
    let story = shown(&serving, &format!("/api/v1/deliveries/{id}"));
    assert!(story["attempt_list"][0]["words"].as_str().unwrap().contains("errcode 0"), "{story}");
    assert_eq!(story["told_alerts"][0]["labels"]["alertname"], "GpuHot", "{story}");
    assert_eq!(story["sent"]["kind"], "as_sent");
    assert!(story["sent"]["parts"][0]["text"].as_str().unwrap().contains("GpuHot"), "{story}");

    let fingerprint = story["told_alerts"][0]["fingerprint"].as_str().unwrap();
    let alert = shown(&serving, &format!("/api/v1/alert-stories/{fingerprint}"));
    assert_eq!(
        (&alert["alert"]["labels"]["alertname"], &alert["deliveries"][0]["id"]),
        (&Value::from("GpuHot"), &Value::from(id))
    );
    assert!(alert["deliveries"][0]["attempt_list"][0]["words"].is_string(), "{alert}");
    assert!(
        alert["deliveries"][0]["sent"]["parts"][0]["text"].as_str().unwrap().contains("GpuHot"),
        "{alert}"
    );

    let webhooks = shown(&serving, "/api/v1/webhooks");
    let number = &webhooks[0]["notification"];
    let preview = shown(&serving, &format!("/api/v1/targets/chat/preview?webhook={number}&wording=plain"));
    assert!(preview["parts"][0]["text"].as_str().unwrap().contains("GpuHot"), "{preview}");
    let pasted = post_json(serving.address, "/api/v1/targets/chat/preview", &webhook("Pasted"));
    assert!(pasted.status == 200 && pasted.body.contains("Pasted"), "{pasted:?}");
    assert_eq!(shown(&serving, "/api/v1/audit-trail")["entries"], Value::Array(vec![]), "looking is no deed");
}

#[test]
fn what_is_asked_wrongly_is_refused_by_its_name() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve();
    for (path, status, expected) in [
        ("/api/v1/overview?x=1", 400, "there is no `x` here"),
        ("/api/v1/deliveries?targets=chat", 400, "there is no `targets` here (hint: from, until, target"),
        ("/api/v1/deliveries?state=lost", 400, "`state`: expected one of pending"),
        ("/api/v1/deliveries?limit=1000", 400, "`limit`: expected a whole number from 1 to 200"),
        ("/api/v1/deliveries/17", 404, "expected a delivery's id"),
        ("/api/v1/deliveries/4f2a91-17", 404, "there is no delivery `4f2a91-17`"),
        ("/api/v1/targets/nobody/preview?sample=mixed", 404, "target"),
        ("/api/v1/targets/nobody/preview", 400, "expected `webhook`"),
        ("/api/v1/audit-trail?before=x", 400, "`before`: "),
        ("/api/v1/deliveries/%ff", 400, "Invalid UTF-8"),
        ("/api/v1/alert-stories/%ff", 400, "Invalid UTF-8"),
        ("/api/v1/targets/%ff/preview?sample=mixed", 400, "Invalid UTF-8"),
    ] {
        let answer = get(serving.address, path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["status"], "error", "{path}");
        assert!(body["message"].as_str().unwrap().contains(expected), "{path}: {body}");
    }
    for path in
        ["/-/reload?force=maybe", "/api/v1/alerts/%ff", "/api/v1/heartbeats/%ff", "/api/v1/targets/%ff/test"]
    {
        let answer = request(serving.address, "POST", path, &[], b"");
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        let body: Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {answer:?}"));
        assert_eq!(body["status"], "error", "{path}");
    }
    for path in ["/deliveries/%ff", "/alerts/%ff"] {
        let answer = get(serving.address, path);
        assert!(answer.status == 400 && answer.body.contains("<html"), "{path}: {answer:?}");
    }
    for path in ["/api/v1/dead-letters/retry", "/api/v1/dead-letters/give-up?state=pending"] {
        assert_eq!(request(serving.address, "POST", path, &[], b"").status, 400, "{path}");
        assert_eq!(get(serving.address, path).status, 405, "{path}");
    }
}

#[test]
fn a_dead_letter_is_sent_again_and_who_did_it_stands_in_the_trail() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve_behind(USERS);
    let alice = ["Authorization: Basic YWxpY2U6cmlnaHQ="];
    let ask = |method: &str, path: &str, body: &[u8]| {
        let headers = [alice.as_slice(), &["Content-Type: application/json"]].concat();
        request(serving.address, method, path, &headers, body)
    };
    assert_eq!(ask("POST", "/api/v1/alerts/ops", &webhook("GpuHot")).status, 200);
    // Refused as it is, as plain text, and as one bare line.
    for _ in 0..3 {
        robot.next().answer(r#"{"errcode":430101,"errmsg":"content refused"}"#);
    }
    serving.wait_for("to chat ended: dead");
    let letters = ask("GET", "/api/v1/dead-letters", b"").body;
    assert!(letters.contains("\"alerts\":\"GpuHot\""), "{letters}");
    let overview: Value = serde_json::from_str(&ask("GET", "/api/v1/overview", b"").body).unwrap();
    assert_eq!(
        (&overview["dead_letters"], &overview["targets"][0]["last_error"]["reason"]),
        (&Value::from(1), &Value::from("content"))
    );

    let answer = ask("POST", "/api/v1/dead-letters/retry?all=true", b"");
    let retried: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &retried["changed"]), (200, &Value::from(1)), "{answer:?}");
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");
    let page: Value = serde_json::from_str(&ask("GET", "/api/v1/deliveries", b"").body).unwrap();
    let [again, dead] = &page["deliveries"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!((&again["state"], &again["id"]), (&Value::from("delivered"), &retried["deliveries"][0]));
    assert_eq!((&dead["settled"], &dead["sent_with"]), (&Value::from("retried"), &again["id"]));

    assert_eq!(ask("POST", "/-/reload", b"").status, 200);
    assert_eq!(home.run("reload").status.code(), Some(0));
    let trail: Value = serde_json::from_str(&ask("GET", "/api/v1/audit-trail", b"").body).unwrap();
    let lines: Vec<String> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!("{} {} {} {}", entry["who"], entry["address"], entry["action"], entry["is_done"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        lines,
        ["local command null reload true", "alice 127.0.0.1 reload true", "alice 127.0.0.1 retry true"],
        "{trail}"
    );
    assert!(trail["entries"][2]["result"].as_str().unwrap().starts_with("1 changed"), "{trail}");
}

#[test]
fn what_no_route_wants_is_shown_with_its_labels_and_why() {
    let home = Home::new(
        "targets: { chat: { dingtalk: { webhook_url: 'http://127.0.0.1:9/' } } }\n\
         receivers: { ops: { routes: [{ matchers: ['team=\"net\"'], targets: [chat] }] } }\n",
    );
    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("GpuHot")).status, 200);
    let unrouted = &shown(&serving, "/api/v1/overview")["unrouted"];
    assert_eq!(
        (unrouted.as_array().unwrap().len(), &unrouted[0]["labels"]["alertname"]),
        (1, &Value::from("GpuHot"))
    );
    assert!(unrouted[0]["why"].as_str().unwrap().contains("not team=\"net\""), "{unrouted}");
    assert_eq!(unrouted[0]["routes_now"][0]["unmet"][0]["label"], "team", "{unrouted}");

    let given_up = done(&serving, "/api/v1/dead-letters/give-up?all=true");
    assert_eq!(given_up["changed"], 0);
    let trail = shown(&serving, "/api/v1/audit-trail");
    assert_eq!(trail["entries"][0]["who"], "anonymous", "{trail}");
}
