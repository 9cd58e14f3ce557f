//! Pages of the file that hold nothing any more, and giving them back to the disk.

use sqlx::SqliteConnection;

/// Free pages that stay in the file for what comes next: 16 MiB.
const KEPT_PAGES: i64 = 4_096;

/// Free pages that one transaction gives back to the disk at most.
const GIVEN_PAGES: i64 = 1_024;

/// Makes the file smaller, if it was made by a version that can (`auto_vacuum`).
pub(in crate::outbox) async fn give_back(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await?;
    let given = (free - KEPT_PAGES).min(GIVEN_PAGES);
    if given > 0 {
        // A pragma takes no parameters; it is our own number.
        let pragma = format!("PRAGMA incremental_vacuum({given})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(connection).await?;
    }
    Ok(())
}
