//! Test messages: no deliveries, and counted as their attempts are.

use std::time::Duration;

use crate::delivery::PastAttempt;
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{LEASE, Stage, accepted, firing};

#[tokio::test]
async fn test_messages_count_in_budgets_for_as_long_as_attempts_do() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        let (second, ask) = (Duration::from_secs(1), async |stage: &Stage| {
            let past = stage.outbox.past_attempts(LEASE).await.unwrap();
            let of = |past: PastAttempt| {
                (past.robot, past.ended_ago.as_secs(), past.pause.map(|pause| pause.as_secs()))
            };
            past.into_iter().map(of).collect::<Vec<_>>()
        });
        let silenced = stage.outbox.begin_test_attempt("silenced").await.unwrap();
        let pause_until = Some(stage.clock.now().plus(Duration::from_mins(10)));
        stage.outbox.end_test_attempt(silenced, pause_until).await.unwrap();
        stage.clock.advance(second);
        stage.attempt(&claim, 1, 1, true).await;
        stage.clock.advance(second);
        let tested = stage.outbox.begin_test_attempt("tested").await.unwrap();
        stage.outbox.end_test_attempt(tested, None).await.unwrap();
        stage.clock.advance(second);
        // Under way when it died.
        stage.outbox.begin_test_attempt("cut short").await.unwrap();
        let stage = stage.reopen().await;
        let named = |robot: &str, ago, pause| (robot.to_owned(), ago, pause);
        // First the one that ended first.
        let all = [
            named("silenced", 3, Some(600)),
            named("robot", 2, None),
            named("tested", 1, None),
            named("cut short", 0, None),
        ];
        assert_eq!(ask(&stage).await, all);
        stage.clock.advance(LEASE);
        assert_eq!(ask(&stage).await, [named("silenced", 3 + LEASE.as_secs(), Some(600))]);
        assert_eq!(stage.outbox.prune(stage.clock.now()).await.unwrap(), 3);
        assert_eq!(ask(&stage).await, []);
    })
    .await;
}
