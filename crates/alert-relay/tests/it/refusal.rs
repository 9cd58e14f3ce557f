//! A text that the vendor refuses is told all the same, by the real program.

use crate::client::post_json;
use crate::program::{Home, Serving, metric, to_robot, webhook};
use crate::robot::{Message, Robot};

fn post(serving: &Serving, alert: &str) {
    let response = post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert));
    assert_eq!(response.status, 200, "{}", response.body);
}

fn refuse(message: Message) {
    message.answer(r#"{"errcode":430102,"errmsg":"improper text"}"#);
}

#[test]
fn a_refused_text_is_told_as_one_line_by_the_same_robot() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    post(&serving, "ForbiddenWord");
    for _ in ["markdown", "plain"] {
        let message = robot.next();
        assert!(message.body.contains("ForbiddenWord"), "{}", message.body);
        refuse(message);
    }
    let line = robot.next();
    assert!(!line.body.contains("ForbiddenWord"), "{}", line.body);
    assert!(line.body.contains("1 critical alert; the text was refused"), "{}", line.body);
    assert!(line.body.contains("http://am:9093"), "{}", line.body);
    line.accept();
    serving.wait_for("ended: delivered (delivered as one line: the channel refuses the text)");
}

#[test]
fn a_refused_text_is_told_by_the_fallback_and_dead_only_when_all_refuse_it() {
    let (robot, other) = (Robot::start(), Robot::start());
    let home = Home::new(&format!(
        "targets:\n  chat: {{ dingtalk: {{ webhook_url: '{}' }}, fallback: other }}\n  \
           other: {{ dingtalk: {{ webhook_url: '{}2' }} }}\n\
         receivers: {{ ops: {{ routes: [{{ targets: [chat] }}] }} }}\n",
        robot.url(),
        other.url()
    ));
    let serving = home.serve();
    post(&serving, "ForbiddenWord");
    for _ in ["markdown", "plain"] {
        refuse(robot.next());
    }
    let told = other.next();
    assert!(told.body.contains("ForbiddenWord"), "{}", told.body);
    assert!(told.body.contains("The channel of chat refuses this text"), "{}", told.body);
    told.accept();
    serving.wait_for("ended: delivered");

    post(&serving, "OtherWord");
    refuse(robot.next());
    refuse(robot.next());
    refuse(other.next());
    refuse(other.next());
    refuse(robot.next());
    refuse(other.next());
    serving.wait_for("ended: dead");
    assert_eq!(metric(&serving, "alert_relay_audit_imbalance"), 0);
}
