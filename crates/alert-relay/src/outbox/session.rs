//! A connection that is lent for some statements, to whichever database keeps the store.
//!
//! Owns what the two drivers have in common: a statement with its values, and rows. The statements (`statements`) are one text for
//! both: `$1` placeholders, `ON CONFLICT`, `RETURNING`, no functions for dates or JSON, and a CAST where PostgreSQL counts in other types.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query as Sql;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    ColumnIndex, Connection as _, Decode, PgConnection, Postgres, Row as _, SqlSafeStr, Sqlite,
    SqliteConnection, Type,
};

/// A connection of its own.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Connection {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }
}

/// A lent connection.
#[derive(Debug)]
pub(super) enum Session<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Session<'_> {
    /// A statement, to which its values are bound.
    pub(super) fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        match self {
            Self::Sqlite(connection) => Query::Sqlite(connection, sqlx::query(sql)),
            Self::Postgres(connection) => Query::Postgres(connection, sqlx::query(sql)),
        }
    }

    /// Statements without values.
    pub(super) async fn run(&mut self, statements: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        let statements = sqlx::raw_sql(statements);
        match self {
            Self::Sqlite(connection) => statements.execute(&mut **connection).await.map(drop),
            Self::Postgres(connection) => statements.execute(&mut **connection).await.map(drop),
        }
    }

    /// Statements that all see the same moment.
    pub(super) async fn moment(&mut self) -> Result<Moment<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => Moment::Sqlite(connection.begin().await?),
            Self::Postgres(connection) => Moment::Postgres(connection.begin_with(ONE_MOMENT).await?),
        })
    }
}

/// Otherwise each statement sees what was committed before it.
const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

/// A transaction; undone where it is dropped.
#[derive(Debug)]
pub(super) enum Moment<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    Postgres(sqlx::Transaction<'c, Postgres>),
}

impl Moment<'_> {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(transaction) => Session::Sqlite(transaction),
            Self::Postgres(transaction) => Session::Postgres(transaction),
        }
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

/// A statement on its way, with the values that are bound to it so far.
#[must_use = "a statement does nothing until it is executed or fetched"]
pub(super) enum Query<'c> {
    Sqlite(&'c mut SqliteConnection, Sql<'c, Sqlite, SqliteArguments>),
    Postgres(&'c mut PgConnection, Sql<'c, Postgres, PgArguments>),
}

impl Query<'_> {
    /// The value of the next placeholder.
    pub(super) fn bind(self, value: impl Value) -> Self {
        value.bind_to(self)
    }

    /// How many rows it changed.
    pub(super) async fn execute(self) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection, query) => query.execute(connection).await?.rows_affected(),
            Self::Postgres(connection, query) => query.execute(connection).await?.rows_affected(),
        })
    }

    pub(super) async fn fetch_all(self) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection, query) => {
                query.fetch_all(connection).await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(connection, query) => {
                query.fetch_all(connection).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    pub(super) async fn fetch_optional(self) -> Result<Option<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection, query) => query.fetch_optional(connection).await?.map(Row::Sqlite),
            Self::Postgres(connection, query) => query.fetch_optional(connection).await?.map(Row::Postgres),
        })
    }

    pub(super) async fn fetch_one(self) -> Result<Row, sqlx::Error> {
        self.fetch_optional().await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The first column of its only row.
    pub(super) async fn fetch_value<T: for<'r> Column<'r>>(self) -> Result<T, sqlx::Error> {
        self.fetch_one().await?.try_get(0)
    }

    /// The first column of all rows.
    pub(super) async fn fetch_values<T: for<'r> Column<'r>>(self) -> Result<Vec<T>, sqlx::Error> {
        self.fetch_all().await?.iter().map(|row| row.try_get(0)).collect()
    }
}

/// A row of an answer.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value in a column, by its name or its place.
    pub(super) fn try_get<'r, T: Column<'r>>(
        &'r self,
        column: impl ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    ) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

/// What is read from a column of either database.
pub(super) trait Column<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Column<'r> for T where T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{}

/// What is bound to a statement for either database.
pub(super) trait Value {
    fn bind_to(self, query: Query<'_>) -> Query<'_>;
}

macro_rules! bound_as_they_are {
    ($($value:ty),*) => {$(
        impl Value for $value {
            fn bind_to(self, query: Query<'_>) -> Query<'_> {
                match query {
                    Query::Sqlite(connection, query) => Query::Sqlite(connection, query.bind(self)),
                    Query::Postgres(connection, query) => Query::Postgres(connection, query.bind(self)),
                }
            }
        }
    )*};
}

bound_as_they_are!(i64, Option<i64>, &[u8], Option<&[u8]>);

impl Value for Option<Cow<'_, str>> {
    fn bind_to(self, query: Query<'_>) -> Query<'_> {
        match query {
            Query::Sqlite(connection, query) => Query::Sqlite(connection, query.bind(self)),
            Query::Postgres(connection, query) => {
                Query::Postgres(connection, query.bind(self.map(without_nul)))
            }
        }
    }
}

impl Value for Option<&str> {
    fn bind_to(self, query: Query<'_>) -> Query<'_> {
        self.map(Cow::Borrowed).bind_to(query)
    }
}

impl Value for Option<String> {
    fn bind_to(self, query: Query<'_>) -> Query<'_> {
        self.map(Cow::<str>::Owned).bind_to(query)
    }
}

impl Value for &str {
    fn bind_to(self, query: Query<'_>) -> Query<'_> {
        Some(self).bind_to(query)
    }
}

impl Value for &String {
    fn bind_to(self, query: Query<'_>) -> Query<'_> {
        Some(self.as_str()).bind_to(query)
    }
}

impl Value for String {
    fn bind_to(self, query: Query<'_>) -> Query<'_> {
        Some(self).bind_to(query)
    }
}

/// PostgreSQL takes every character in a text but this one, and refused, its webhook would be posted for ever.
fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text }
}
