//! The conformance suite: every method of every repository, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is tested when `RAMAL_TEST_POSTGRES_URL` names a server and a role that may create
//! databases; without it, those tests pass without having looked.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "cases are functions that the tests of both databases call"
)]

/// Makes each case a test on both databases.
macro_rules! on_both_databases {
    ($($case:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::db::on_sqlite(super::$case).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::db::on_postgres(super::$case).await;
            })*
        }
    };
}

mod accounts;
mod correspondence;
mod db;
mod deliveries;
mod delivery_stats;
mod event_feed;
mod events;
mod forgetting;
mod health;
mod idempotency;
mod inbound;
mod messages;
mod numbers;
mod official;
mod overview;
mod pairing_attempts;
mod people;
mod projects;
mod scene;
mod session_state;
mod templates;
mod wrong_phone;
