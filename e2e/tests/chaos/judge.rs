//! Do the database, the phones and the receiver tell one story?

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ramal_tests::{Delivery, within};
use serde_json::Value;
use sqlx::{FromRow, sqlite::SqliteRow};

use crate::{Town, WATCHER, life::Fate, life::Story};

/// How long everything may take that is still under way when the last life is lived.
const SETTLING: Duration = Duration::from_mins(1);

/// What a round amounted to.
pub(crate) struct Counts {
    /// Rows of the record.
    pub(crate) events: usize,
    /// Events that a receiver took, each once.
    pub(crate) deliveries: usize,
    /// Deliveries that came once more after they had been taken.
    pub(crate) repeats: usize,
    /// Deliveries that the receiver refused.
    pub(crate) refused: usize,
}

/// An event as it is recorded.
#[derive(Clone, Debug)]
struct Fact {
    id: String,
    number_id: String,
    kind: String,
    body: String,
}

impl FromRow<'_, SqliteRow> for Fact {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let (id, number_id, kind, body) = FromRow::from_row(row)?;
        Ok(Self { id, number_id, kind, body })
    }
}

pub(crate) async fn judge(town: &Town, stories: &[Story]) -> Counts {
    settle(town, stories).await;
    let facts: Vec<Fact> = town
        .mortal
        .database()
        .rows("select id, number_id, kind, body from events order by seq")
        .await;
    for story in stories {
        judge_number(town, story).await;
        judge_messages(town, story, &facts).await;
        judge_links(story, &facts);
    }
    judge_numbers(town, stories).await;
    judge_deliveries(town, stories, &facts).await
}

/// Waits until nothing is left to do.
async fn settle(town: &Town, stories: &[Story]) {
    let database = town.mortal.database();
    for what in [
        "deliveries where state = 'pending'",
        "numbers where stage = 'reserved'",
        "numbers where unlink_pending = 1",
        // An hour is far away from now.
        "numbers where stage = 'removed' and restorable_until_ms < (unixepoch() + 600) * 1000",
        "messages where status = 'QUEUED'",
    ] {
        within(SETTLING, &format!("no {what}"), async || {
            (database.count(what).await == 0).then_some(())
        })
        .await;
    }
    for story in stories.iter().filter(|story| story.fate.connected()) {
        let path = format!("/v1/numbers/{}/status", story.id);
        within(SETTLING, &format!("{} is OPEN", story.phone), async || {
            let status = town.mortal.api().await.get(&path).await.expect(200);
            (status["state"] == "OPEN" && status["stale"] == false).then_some(())
        })
        .await;
    }
    // What was written while it was down.
    for story in stories.iter().filter(|story| story.fate == Fate::Stays) {
        let received = format!("messages where direction = 'in' and number_id = '{}'", story.id);
        within(SETTLING, &format!("{} has its messages", story.phone), async || {
            (database.count(&received).await >= expected_inbound(story)).then_some(())
        })
        .await;
    }
    within(SETTLING, "everything is delivered", async || {
        (database.count("deliveries where state = 'pending'").await == 0).then_some(())
    })
    .await;
}

fn expected_inbound(story: &Story) -> i64 {
    i64::try_from(story.received.len()).expect("a small number")
}

/// No companion that nobody owns, and nothing left of what was deleted for good.
async fn judge_number(town: &Town, story: &Story) {
    let (database, id) = (town.mortal.database(), &story.id);
    let companions = town.mortal.phones().companions(&story.phone).await;
    let rows: Vec<(String, String, Option<String>)> =
        database.rows(&format!("select stage, link, jid from numbers where id = '{id}'")).await;
    let what = format!("{} ({:?}): {rows:?}, {companions:?}", story.phone, story.fate);
    let stored = database.count(&format!("session_state where number_id = '{id}'")).await;
    if story.fate.connected() {
        let [(stage, link, jid)] = rows.as_slice() else { panic!("{what}") };
        assert_eq!((stage.as_str(), link.as_str()), ("live", "open"), "{what}");
        assert_eq!(companions.len(), 1, "{what}");
        assert_eq!(companions[0]["jid"].as_str(), jid.as_deref(), "{what}");
        assert!(stored > 0, "{what}");
        return;
    }
    assert_eq!(companions, Vec::<Value>::new(), "{what}");
    assert_eq!(stored, 0, "{what}");
    let gone = is_gone(town, story);
    assert_eq!(rows.is_empty(), gone, "{what}");
    if gone {
        for table in ["api_keys", "webhooks", "messages", "pairing_attempts"] {
            let left = database.count(&format!("{table} where number_id = '{id}'")).await;
            assert_eq!(left, 0, "{table} of {what}");
        }
    }
}

/// Whether nothing but its own history is to be left of a number: what was said is gone, too.
fn is_gone(town: &Town, story: &Story) -> bool {
    story.fate == Fate::Purged || (story.fate == Fate::Deleted && !town.restorable)
}

/// Whether a delivery tells of a message of a number that is gone for good.
fn is_forgotten(town: &Town, stories: &[Story], body: &str) -> bool {
    let body: Value = serde_json::from_str(body).expect("a body is JSON");
    let event = body["event"].as_str().expect("a name");
    let number = body["data"]["numberId"].as_str().expect("a number");
    event.starts_with("message.")
        && stories.iter().any(|story| story.id == number && is_gone(town, story))
}

/// Each message is there once, with one event; what was accepted has arrived once, in order.
async fn judge_messages(town: &Town, story: &Story, facts: &[Fact]) {
    let id = &story.id;
    let rows: Vec<(String,)> = town
        .mortal
        .database()
        .rows(&format!(
            "select content from messages where number_id = '{id}' and direction = 'in'
             order by created_at_ms, id"
        ))
        .await;
    let mut rows: Vec<&String> = rows.iter().map(|(content,)| content).collect();
    rows.sort();
    let own = facts.iter().filter(|fact| fact.number_id == *id && fact.kind == "message.received");
    let mut told: Vec<String> = own.map(|fact| data(fact)["content"].to_string()).collect();
    told.sort();
    let mut wanted: Vec<&String> = story.received.iter().collect();
    wanted.sort();
    let quoted: Vec<String> = wanted.iter().map(|text| format!("\"{text}\"")).collect();
    if story.fate == Fate::Stays {
        assert_eq!(rows, wanted, "{}", story.phone);
        assert_eq!(told, quoted, "{}", story.phone);
    } else {
        // It may have been deleted before they came in.
        assert!(is_set(&rows) && rows.iter().all(|text| wanted.contains(text)), "{rows:?}");
        assert!(is_set(&told) && told.iter().all(|text| quoted.contains(text)), "{told:?}");
    }
    let arrived: Vec<String> = town.mortal.phones().received(&story.friend).await;
    if story.fate == Fate::Stays {
        assert_eq!(arrived, story.sent, "{}", story.phone);
    } else {
        // What the phone could not read it asks for again, which the deletion may cut short.
        assert!(is_part(&arrived, &story.sent), "{}: {arrived:?}", story.phone);
    }
}

/// Whether `part` is some of `whole`, in its order.
fn is_part(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|text| whole.any(|other| other == text))
}

fn is_set<T: Ord>(sorted: &[T]) -> bool {
    sorted.windows(2).all(|pair| pair[0] < pair[1])
}

/// A number's life was told as it was.
fn judge_links(story: &Story, facts: &[Fact]) {
    let told: Vec<&str> = facts
        .iter()
        .filter(|fact| fact.number_id == story.id && fact.kind.starts_with("number."))
        .map(|fact| fact.kind.as_str())
        .collect();
    let wanted = match story.fate {
        Fate::Stays => vec!["number.created", "number.connected"],
        Fate::Deleted | Fate::Purged => {
            vec!["number.created", "number.connected", "number.removed"]
        }
        Fate::Restored => {
            vec!["number.created", "number.connected", "number.removed", "number.restored"]
        }
        Fate::RestoredAndPaired => vec![
            "number.created",
            "number.connected",
            "number.removed",
            "number.restored",
            "number.connected",
        ],
    };
    assert_eq!(told, wanted, "{} {:?}", story.phone, story.fate);
}

/// No number is lost, none is there twice, and nobody else's socket is open.
async fn judge_numbers(town: &Town, stories: &[Story]) {
    let listed = town.mortal.api().await.numbers().await;
    let listed: Vec<&str> = listed.iter().filter_map(|row| row["id"].as_str()).collect();
    let there: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(there.len(), listed.len(), "listed once each: {listed:?}");
    let wanted: BTreeSet<&str> =
        stories.iter().filter(|one| one.fate.listed()).map(|one| one.id.as_str()).collect();
    let strangers: Vec<&&str> = there.difference(&wanted).collect();
    assert_eq!(strangers.len(), 1, "the watcher only: {strangers:?}");
    assert!(wanted.is_subset(&there), "{wanted:?} in {there:?}");
    let connected = stories.iter().filter(|one| one.fate.connected()).count();
    within(SETTLING, "no socket is open that nobody owns", async || {
        let open = town.mortal.phones().connections().await;
        (open == u64::try_from(connected).expect("a small number")).then_some(())
    })
    .await;
}

/// Every fact has reached everybody who subscribed, and nothing else has.
async fn judge_deliveries(town: &Town, stories: &[Story], facts: &[Fact]) -> Counts {
    let bodies: BTreeMap<&str, &str> =
        facts.iter().map(|fact| (fact.id.as_str(), fact.body.as_str())).collect();
    let mut counts = Counts { events: facts.len(), deliveries: 0, repeats: 0, refused: 0 };
    let mut taken: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let paths = stories.iter().map(|story| story.path.as_str()).chain([WATCHER]);
    for path in paths {
        let taken = taken.entry(path).or_default();
        for delivery in town.receiver.all(path) {
            let id = delivery.id().to_owned();
            let body = std::str::from_utf8(&delivery.body).expect("the body is text");
            // Also those that were refused: the same id always carries the same bytes.
            if let Some(recorded) = bodies.get(id.as_str()) {
                assert_eq!(*recorded, body, "{id} at {path}");
            } else {
                let forgotten = is_forgotten(town, stories, body);
                assert!(forgotten, "{id} at {path} is no recorded fact: {body}");
            }
            if !is_taken(&delivery) {
                counts.refused += 1;
            } else if taken.insert(id) {
                counts.deliveries += 1;
            } else {
                counts.repeats += 1;
            }
        }
    }
    for fact in facts {
        let mut audience: Vec<&str> = Vec::new();
        if fact.kind == "number.created" {
            // To the number's own webhook not: that came later.
            audience.push(WATCHER);
        } else {
            let own = stories.iter().find(|story| story.id == fact.number_id);
            audience.extend(own.map(|story| story.path.as_str()));
        }
        // The watcher's own creation came before its webhook.
        let first = fact.id == facts[0].id;
        for path in audience.into_iter().filter(|_| !first) {
            assert!(taken[path].contains(&fact.id), "{path} was not told {fact:?}");
        }
    }
    judge_outbox(town, &taken).await;
    counts
}

const fn is_taken(delivery: &Delivery) -> bool {
    delivery.answered < 300
}

/// What the outbox believes is so.
async fn judge_outbox(town: &Town, taken: &BTreeMap<&str, BTreeSet<String>>) {
    let rows: Vec<(String, String, String)> = town
        .mortal
        .database()
        .rows("select d.event_id, w.url, d.state from deliveries d join webhooks w on w.id = d.webhook_id")
        .await;
    for (event, url, state) in rows {
        let path = url.rsplit('/').next().expect("a path");
        assert_eq!(state, "done", "{event} to {path}");
        assert!(taken[path].contains(&event), "{event} to {path} is done, and never came");
    }
}

fn data(fact: &Fact) -> Value {
    let body: Value = serde_json::from_str(&fact.body).expect("a body is JSON");
    body["data"].clone()
}
