//! Alertmanagers that do not know each other post to one receiver.

use crate::client::post_json;
use crate::program::{Home, Serving, to_robot, webhook};
use crate::robot::Robot;

/// Posts one firing alert of the group `Down` for this instance, as this Alertmanager.
fn post(serving: &Serving, path: &str, external_url: &str, instance: &str) -> String {
    let body = String::from_utf8(webhook("Down")).unwrap();
    let body = body
        .replace("http://am:9093", external_url)
        .replace(r#""severity":"critical""#, &format!(r#""severity":"critical","instance":"{instance}""#));
    let answer = post_json(serving.address, path, body.as_bytes());
    format!("{} {}", answer.status, answer.body)
}

#[test]
fn each_says_what_fires_for_it_and_nothing_of_the_others() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    for (path, external_url, instance, others) in [
        ("/api/v1/alerts/ops", "http://am-1:9093", "node-1", vec![]),
        ("/api/v1/alerts/ops", "http://am-2:9093", "node-2", vec!["node-1"]),
        // Behind one proxy, without a URL of its own: only the name tells it apart.
        ("/api/v1/alerts/ops?source=sh", "", "node-3", vec!["node-1", "node-2"]),
        ("/dingtalk/ops/send?source=bj", "", "node-4", vec!["node-1", "node-2", "node-3"]),
    ] {
        let answer = post(&serving, path, external_url, instance);
        assert!(answer.starts_with("200"), "{answer}");
        let message = robot.next();
        assert!(message.body.contains(instance), "{}", message.body);
        for other in others {
            assert!(!message.body.contains(other), "{other} is in {}", message.body);
        }
        message.accept();
        serving.wait_for("ended: delivered");
    }
    let (_, said) = home.explain(&id_of_the_last(&home));
    assert!(said.contains("Sender    127.0.0.1 at 127.0.0.1, source `bj`"), "{said}");
}

fn id_of_the_last(home: &Home) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", home.path().join("relay.db").display());
        let mut store = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let tag: String = sqlx::query_scalar("SELECT value FROM store WHERE name = 'tag'")
            .fetch_one(&mut store)
            .await
            .unwrap();
        format!("{tag}-4")
    })
}

#[test]
fn a_source_that_is_no_name_is_refused() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    for query in ["source=", "source=a%0Ab", "source=a&source=b"] {
        let answer = post(&serving, &format!("/api/v1/alerts/ops?{query}"), "http://am:9093", "node-1");
        assert!(answer.starts_with("400") && answer.contains("source"), "{query}: {answer}");
    }
    let answer = post(&serving, "/api/v1/alerts/ops?other=x", "http://am:9093", "node-1");
    assert!(answer.starts_with("200"), "{answer}");
}
