//! `explain` as an operator runs it, beside a running relay and without one.

use crate::client::post_json;
use crate::program::{Home, to_robot, webhook};
use crate::robot::Robot;

const FINGERPRINT: &str = "00000000000000aa";
const TOKEN: &str = "robot-token-1";

#[track_caller]
fn expect(home: &Home, what: &str, code: i32, parts: &[&str]) -> String {
    let (exit, said) = home.explain(what);
    assert!(!said.contains(TOKEN), "{what} shows the token:\n{said}");
    assert_eq!(exit, Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    said
}

#[test]
fn a_delivery_is_explained_while_it_is_on_its_way_and_after() {
    let robot = Robot::start();
    let settings = to_robot(&robot.url().replace("t0ken", TOKEN))
        .replace("targets: [chat]", "matchers: ['severity=\"critical\"'], targets: [chat]");
    let home = Home::new(&format!("timezone: Asia/Shanghai\n{settings}"));
    let serving = home.serve();
    let post = |alert: &str, fingerprint: &str| {
        let body = String::from_utf8(webhook(alert)).unwrap();
        let body = body.replace("\"startsAt\"", &format!("\"fingerprint\":\"{fingerprint}\",\"startsAt\""));
        assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", body.as_bytes()).status, 200);
    };
    post("DiskFull", FINGERPRINT);
    let first = robot.next();

    let told = [
        "Alert     00000000000000aa {alertname=\"DiskFull\"",
        "firing since 2026-08-22 09:02:03 CST",
        "to `chat`: pending",
        "routes[0] {severity=\"critical\"}: matches, to `chat`",
    ];
    let listed = expect(&home, FINGERPRINT, 0, &told);
    let pending = listed.lines().find(|line| line.contains("to `chat`: pending")).unwrap();
    let id = pending.split_whitespace().nth(3).unwrap().to_owned();
    let under_way =
        ["to target `chat`: pending", "under way", "is being sent", "routes[0] {severity=\"critical\"}"];
    expect(&home, &id, 0, &under_way);
    first.answer(r#"{"errcode":-1,"errmsg":"system busy"}"#);
    robot.next().accept();
    serving.wait_for("delivered");
    expect(
        &home,
        &id,
        0,
        &[
            "receiver `ops`",
            "00000000000000aa firing since 2026-08-22 09:02:03 CST {alertname=\"DiskFull\", severity=\"critical\"}",
            "retry (busy)",
            "errcode -1: system busy",
            "1 of 1 parts delivered",
            "Attempts  2",
        ],
    );

    expect(&home, "", 0, &["Set aside none"]);

    // Alerts that nobody is told of are known too.
    home.write(&settings.replace("critical", "none"));
    serving.signal("HUP");
    serving.wait_for("settings reloaded");
    post("Unheard", "00000000000000bb");
    serving.wait_for(
        "alert Unheard for `ops` matches no route and is told to nobody: {alertname=\"Unheard\", severity=\"critical\"} of group \
         {}:{alertname=\"Unheard\"}: routes[0] {severity=\"none\"}: not severity=\"none\" (the alert has \"critical\")",
    );
    let why = "routes[0] {severity=\"none\"}: not severity=\"none\" (the alert has \"critical\"), to `chat`";
    expect(&home, "00000000000000bb", 0, &["receiver `ops`: no route matched, nobody was told", why]);
    expect(&home, &id, 0, &["Not by    by the settings as they are now", "not severity=\"none\""]);

    // A copy of what is stored ends at once, with a line of its own.
    post("DiskFull", FINGERPRINT);

    let another = id.replace("-1", "-99");
    expect(&home, &another, 1, &[&format!("there is no delivery `{another}` (hint: ")]);
    expect(
        &home,
        "0000000000000000",
        1,
        &["no stored delivery holds an alert with the fingerprint `0000000000000000`"],
    );
    let tag = id.split_once('-').unwrap().0;
    let other_store = if tag == "000000" { "000001-1" } else { "000000-1" };
    expect(&home, other_store, 1, &["another store", &format!("begin with `{tag}-`")]);
}

#[test]
fn without_a_store_or_settings_it_says_so_and_makes_nothing() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    expect(&home, "4f2a91-1", 1, &["there is no store at", "relay.db"]);
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["relay.yml"]);
    home.write("receivers: { ops: { rutes: [] } }\n");
    expect(&home, "4f2a91-1", 2, &["rutes"]);
}
