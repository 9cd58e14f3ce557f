//! A store of an earlier version opens and goes on. How it was made: `testdata/README.md`.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{Connection, Executor};

use crate::client::{get, post_json};
use crate::program::Home;
use crate::robot::Robot;

const VERSION_5: &str = include_str!("testdata/store-of-version-5.sql");
const BEFORE_SENDERS: &str = include_str!("testdata/store-before-senders.sql");

/// Puts the old store into a home, as if it had been written just now: what is too old would be given up or deleted.
fn put_into(home: &Home, dump: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}?mode=rwc", home.path().join("relay.db").display());
        let mut store = sqlx::SqliteConnection::connect(&url).await.unwrap();
        store.execute(dump).await.unwrap();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let newest: i64 = sqlx::query_scalar("SELECT MAX(accepted_at) FROM notifications")
            .fetch_one(&mut store)
            .await
            .unwrap();
        for (table, column) in [
            ("notifications", "accepted_at"),
            ("deliveries", "accepted_at"),
            ("deliveries", "ended_at"),
            ("attempts", "started_at"),
            ("attempts", "ended_at"),
            ("told", "told_at"),
        ] {
            let shift = format!("UPDATE {table} SET {column} = {column} + {}", now - newest);
            store.execute(sqlx::AssertSqlSafe(shift)).await.unwrap();
        }
        store.close().await.unwrap();
    });
}

#[test]
fn what_an_earlier_version_left_is_delivered_and_explained() {
    let robot = Robot::start();
    let home = Home::new(&format!(
        "targets:\n  later: {{ dingtalk: {{ webhook_url: '{}' }} }}\n  chat: {{ dingtalk: {{ webhook_url: 'http://127.0.0.1:9/' }} }}\n\
         receivers: {{ ops: {{ routes: [{{ targets: [later] }}] }} }}\n",
        robot.url()
    ));
    put_into(&home, VERSION_5);
    let (code, said) = home.explain("b12021-1");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("schema version 5") && said.contains("brings it up to date when it starts"),
        "{said}"
    );

    let serving = home.serve();
    let pending = robot.next();
    assert!(pending.body.contains("LinkDown"), "{}", pending.body);
    pending.accept();
    serving.wait_for("b12021-8");
    let page = get(serving.address, "/metrics").body;
    for line in [
        "alert_relay_deliveries_ended_total{target=\"later\",end=\"delivered\"} 1",
        "alert_relay_deliveries_ended_total{target=\"later\",end=\"superseded\"} 1",
        "alert_relay_deliveries_accepted_total{target=\"chat\"} 5",
        "alert_relay_deliveries_pending{target=\"later\"} 0",
        "alert_relay_audit_imbalance 0",
    ] {
        assert!(page.lines().any(|other| other == line), "no `{line}` in\n{page}");
    }

    for (what, expected) in [
        (
            "b12021-1",
            ["to target `chat`: delivered", "firing since 20", "Routes    not recorded", "errcode 0: ok"],
        ),
        (
            "b12021-2",
            [
                "suppressed: duplicate of notification 1",
                "0babb59562eb13a7 firing",
                "none was sent",
                "Attempts  0",
            ],
        ),
        (
            "b12021-3",
            ["suppressed: nothing new to tell", "0babb59562eb13a7 resolved", "none was sent", "Attempts  0"],
        ),
        (
            "b12021-4",
            [
                "dead: 1 of 1 parts refused",
                "as plain text",
                "rejected (content)",
                "errcode 430101: content refused",
            ],
        ),
        (
            "b12021-5",
            ["superseded: told by a newer snapshot", "(told with b12021-6)", "retry (busy)", "Attempts  1"],
        ),
        (
            "b12021-7",
            ["superseded: told by a newer snapshot", "(told with b12021-8)", "retry (busy)", "Attempts  2"],
        ),
        (
            "b12021-8",
            ["to target `later`: delivered", "port=\"2\"", "1 of 1 parts delivered", "errcode 0: ok"],
        ),
        (
            "2d6b219bdcf7d964",
            ["b12021-6 to `chat`: delivered", "b12021-5 to `chat`: superseded", "newest first", "Hint"],
        ),
    ] {
        let (code, said) = home.explain(what);
        assert_eq!(code, Some(0), "{what}: {said}");
        for part in expected {
            assert!(said.contains(part), "{what} does not say {part:?}:\n{said}");
        }
    }
}

/// A webhook: `NodeDown` fires for these nodes.
fn node_down(external_url: &str, nodes: &[&str]) -> Vec<u8> {
    let alert = |node: &&str| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"NodeDown","severity":"critical","team":"chat","instance":"{node}"}},
            "startsAt":"2026-11-28T20:00:00Z"}}"#
        )
    };
    let alerts: Vec<String> = nodes.iter().map(alert).collect();
    format!(
        r#"{{"receiver":"ops","groupKey":"{{}}:{{alertname=\"NodeDown\"}}","externalURL":"{external_url}","alerts":[{}]}}"#,
        alerts.join(",")
    )
    .into_bytes()
}

#[test]
fn what_fired_before_senders_were_known_fires_on() {
    let robot = Robot::start();
    let url = robot.url();
    let home = Home::new(&format!(
        "targets: {{ chat: {{ dingtalk: {{ webhook_url: '{url}' }} }} }}\n\
         receivers: {{ ops: {{ routes: [{{ matchers: ['team=\"chat\"'], targets: [chat] }}] }} }}\n"
    ));
    put_into(&home, BEFORE_SENDERS);
    let serving = home.serve();
    for (external_url, nodes, new) in [
        ("http://am-1:9093", &["node-1", "node-3"][..], "node-3"),
        ("http://am-2:9093", &["node-5"][..], "node-5"),
        ("http://am-1:9093", &["node-1", "node-3", "node-6"][..], "node-6"),
    ] {
        let answer = post_json(serving.address, "/api/v1/alerts/ops", &node_down(external_url, nodes));
        assert_eq!(answer.status, 200, "{answer:?}");
        let message = robot.next();
        assert!(message.body.contains(new), "{new}: {}", message.body);
        assert!(!message.body.contains("longer"), "{new}: {}", message.body);
        message.accept();
        serving.wait_for("to chat ended: delivered");
    }
}
