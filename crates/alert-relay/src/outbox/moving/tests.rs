//! A file with something in every state, moved.

use std::collections::BTreeSet;

use super::*;
use crate::delivery::{End, LedgerEntry};
use crate::outbox::moving::tables::TABLES;
use crate::outbox::testing::{Stage, accepted, firing, postgres};

fn url(directory: &Path) -> Secret {
    postgres(directory).postgres.unwrap()
}

/// A store with something in every state.
async fn used() -> Stage {
    let stage = Stage::new().await;
    for (group, alert) in [("told", "a"), ("waiting", "b"), ("waiting", "nul\u{0}")] {
        stage.outbox.accept(accepted(group, vec![firing(alert, 10)], &["chat", "mail"])).await.unwrap();
    }
    let claim = stage.claim_only("chat").await.unwrap();
    stage.attempt(&claim, 1, 1, true).await;
    stage.outbox.begin_test_attempt("robot").await.unwrap();
    stage
        .outbox
        .store
        .writer
        .statement("INSERT INTO store (name, value) VALUES ('pruned_before', '7')")
        .await
        .unwrap();
    stage.settle(&claim, End::Delivered, vec![LedgerEntry::new(firing("a", 10))]).await;
    stage
}

#[tokio::test]
async fn a_moved_store_goes_on_where_the_file_ended() {
    let stage = used().await;
    let (counts, id) = (stage.outbox.counts().await.unwrap(), stage.outbox.public_id(6));
    let to = url(stage.directory.path());
    let error = move_store(&stage.settings().path, &to).await.unwrap_err();
    assert!(matches!(error, MoveError::SourceInUse { .. }), "{error}");
    let settings = stage.settings();
    let before = {
        stage.outbox.close().await;
        std::fs::read(&settings.path).unwrap()
    };
    drop(stage.outbox);
    while crate::outbox::Outbox::is_in_use(&settings.path) {
        tokio::task::yield_now().await;
    }
    let moved = move_store(&settings.path, &to).await.unwrap();
    assert_eq!((moved["notifications"], moved["deliveries"], moved["attempts"], moved["told"]), (3, 6, 1, 1));
    assert_eq!(moved["test_attempts"], 1);
    assert_eq!(std::fs::read(&settings.path).unwrap(), before, "the file has changed");

    let mut filled = crate::outbox::postgres::open_to_fill(&to).await.unwrap();
    let mut filled = Session::Postgres(&mut filled.connection);
    let pruned_before = filled.query("SELECT value FROM store WHERE name = 'pruned_before'").fetch_value();
    assert_eq!(pruned_before.await.ok(), Some("7".to_owned()));

    let there = crate::settings::StoreSettings { postgres: Some(to.clone()), ..settings.clone() };
    let outbox = crate::outbox::Outbox::open(&there, stage.clock.clone()).await.unwrap();
    let error = move_store(&settings.path, &to).await.unwrap_err();
    assert!(matches!(error, MoveError::NotEmpty { table: "notifications" }), "{error}");
    outbox.lead().await.unwrap();
    let error = move_store(&settings.path, &to).await.unwrap_err();
    assert!(matches!(error, MoveError::TargetInUse), "{error}");
    assert_eq!(outbox.counts().await.unwrap(), counts);
    assert_eq!(outbox.public_id(6), id);
    let next = outbox.accept(accepted("next", vec![firing("c", 10)], &["chat"])).await.unwrap();
    assert_eq!(next, crate::delivery::Acceptance::Stored { notification: 4, deliveries: 1 });
}

/// Whoever adds a column or a table adds it here, and to both databases.
#[tokio::test]
async fn every_column_of_either_database_is_copied() {
    let listed: BTreeSet<(String, String)> = TABLES
        .iter()
        .flat_map(|table| {
            table.columns.iter().map(|(column, _)| (table.name.to_owned(), (*column).to_owned()))
        })
        .collect();
    let stage = Stage::new().await;
    let mut file = crate::outbox::sqlite::read_only::open(&stage.settings().path).await.unwrap().0;
    let rows = Session::Sqlite(&mut file)
        .query(
            "SELECT tables.name, columns.name FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns \
             WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' AND tables.name <> 'store'",
        )
        .fetch_all()
        .await
        .unwrap();
    let pair = |row: &Row| (row.try_get(0).unwrap(), row.try_get(1).unwrap());
    assert_eq!(rows.iter().map(pair).collect::<BTreeSet<_>>(), listed);

    let directory = tempfile::tempdir().unwrap();
    let mut database = postgres::open_to_fill(&url(directory.path())).await.unwrap();
    let rows = Session::Postgres(&mut database.connection)
        .query(
            "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema() \
             AND table_name NOT IN ('store', 'beats', 'deliverer')",
        )
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(rows.iter().map(pair).collect::<BTreeSet<_>>(), listed);
}
