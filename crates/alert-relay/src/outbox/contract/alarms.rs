//! Alarms that the relay makes by itself: who knows of them.

use std::collections::BTreeMap;

use super::on_every_store;
use crate::delivery::{Accepted, End, LedgerEntry};
use crate::outbox::HEARTBEATS;
use crate::outbox::testing::{accepted, firing};

#[tokio::test]
async fn a_target_knows_of_an_alarm_that_it_is_about_to_be_told_of() {
    on_every_store(async |stage| {
        let alert = firing("a", 10);
        let alarm = |targets: &[&str]| Accepted {
            endpoint: format!("{HEARTBEATS}watchdog"),
            ..accepted("alarm", vec![alert.clone()], targets)
        };
        let known = |targets: &[&str]| {
            let targets = targets.iter().map(|target| (*target).to_owned()).collect();
            BTreeMap::from([("watchdog".to_owned(), targets)])
        };
        stage.outbox.accept(accepted("other", vec![alert.clone()], &["room"])).await.unwrap();
        assert_eq!(stage.outbox.alarms().await.unwrap(), BTreeMap::new());
        stage.outbox.accept(alarm(&["chat", "mail"])).await.unwrap();
        assert_eq!(stage.outbox.alarms().await.unwrap(), known(&["chat", "mail"]));
        let claim = stage.claim_only("chat").await.unwrap();
        stage.attempt(&claim, 1, 1, true).await;
        stage.settle(&claim, End::Delivered, vec![LedgerEntry::new(alert.clone())]).await;
        let claim = stage.claim_only("mail").await.unwrap();
        stage.settle(&claim, End::Suppressed, Vec::new()).await;
        assert_eq!(stage.outbox.alarms().await.unwrap(), known(&["chat"]));
    })
    .await;
}
