//! What SQLite makes of the statements that run often, or while everybody waits: none walks through the
//! messages. The databases of these tests were never analysed.

use sqlx::{AssertSqlSafe, Row as _};

use crate::{MasterKey, Options, Store, Vault, message_log, messages, official_queue, queue};

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}/ramal.db", folder.path().display()).into();
    let options = Options { url, max_connections: 2 };
    Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap()
}

/// How SQLite goes about a statement, step by step.
async fn plan(store: &Store, sql: &str) -> Vec<String> {
    let mut tx = store.read().await.unwrap();
    // What is bound makes no difference, but for how much there is of it.
    let bound = (1..=4).filter(|place| sql.contains(&format!("${place}"))).count();
    let query = sqlx::query(AssertSqlSafe(format!("explain query plan {sql}")));
    let query = (0..bound).fold(query, |query, _| query.bind(1_i64));
    let steps = query.fetch_all(&mut *tx.inner).await.unwrap();
    steps.iter().map(|step| step.try_get(3).unwrap()).collect()
}

#[tokio::test]
async fn statements_follow_their_indexes_without_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let count = format!("select count(*) from messages where {}", message_log::WAITING);

    for (sql, indexes) in [
        (
            messages::find_by_any_id(),
            &[
                "messages_1 (id=?)",
                "of_correlation (correlation_id=?)",
                "(number_id=? AND wire_id=?)",
            ] as &[&str],
        ),
        (
            official_queue::MESSAGE_OF.to_owned(),
            &["(number_id=? AND wire_id=?)", "messages_1 (id=?)"],
        ),
        (official_queue::LAST_INBOUND.to_owned(), &["messages_once (number_id=? AND peer=?)"]),
        (
            official_queue::heads(2),
            &[
                "numbers_to_run (link=?)",
                "h USING INDEX messages_queue (number_id=?)",
                "f USING INDEX messages_begun (number_id=?",
                "e USING INDEX messages_queue (number_id=?",
                "m USING INDEX sqlite_autoindex_messages_1 (id=?)",
            ],
        ),
        (official_queue::BEGUN_BEFORE.to_owned(), &["messages_begun (number_id=? AND began_at_ms"]),
        (message_log::waiting_page(), &["messages_queue (number_id=? AND created_at_ms>?)"]),
        (count, &["messages_queue (number_id=? AND created_at_ms>?)"]),
        (queue::COUNT.to_owned(), &["messages_queue (number_id=? AND created_at_ms>?)"]),
        (
            queue::BYTES.to_owned(),
            &["messages_queue (number_id=? AND created_at_ms>?)", "media_1 (message_id=?)"],
        ),
        (queue::REMOVED.to_owned(), &["messages_queue (number_id=? AND created_at_ms>?)"]),
        (queue::PAST_UNTIL.to_owned(), &["messages_until (until_ms"]),
        (queue::PAST_AGE.to_owned(), &["messages_queue (number_id=? AND created_at_ms<?)"]),
    ] {
        let steps = plan(&store, &sql).await;
        for index in indexes {
            assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        }
        let walks = |step: &String| step.contains("SCAN m");
        assert!(!steps.iter().any(walks), "{sql}: {steps:?}");
    }
}
