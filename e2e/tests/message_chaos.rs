//! Chaos among messages: two thousand of them go both ways through ten numbers while the product is
//! killed and its connections are cut. Every message that was accepted is on its phone once, in the
//! order of its chat, and its receipt is told; every one that a phone sent is one row, one event and at
//! least one delivery.
//!
//! One round runs by default. Ten in a row, and longer ones:
//!
//! ```sh
//! RAMAL_CHAOS_ROUNDS=10 RAMAL_CHAOS_TEXTS=500 cargo test --manifest-path sandbox/Cargo.toml --workspace --test message_chaos -- --nocapture
//! ```
//!
//! `RAMAL_CHAOS_SEED` repeats the choices of an earlier round; how they meet remains chance.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use ramal_tests::{Mortal, Receiver, asked_for, within};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

const NUMBERS: usize = 10;
/// Chats of each number.
const CHATS: usize = 2;
/// Messages of each chat, each way.
const TEXTS: u64 = 50;
/// Nothing is killed later than this, so that a round ends.
const CHAOS: Duration = Duration::from_secs(40);
/// How long a person waits at most before the next message, in milliseconds.
const PAUSE: u64 = 400;
/// How long everything may take that is still under way when the last message is written.
const SETTLING: Duration = Duration::from_mins(4);

struct Town {
    mortal: Mortal,
    receiver: Receiver,
    lines: Vec<Line>,
}

/// A number.
struct Line {
    id: String,
    phone: String,
    path: String,
    friends: Vec<String>,
}

/// A chat of a number, and what was said in it.
struct Chat {
    line: usize,
    friend: String,
    sent: Vec<String>,
    received: Vec<String>,
}

struct Faults {
    kills: u32,
    cuts: u32,
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the log of the rounds")]
async fn no_message_is_lost_doubled_or_overtaken_whatever_dies() {
    let first = asked_for("RAMAL_CHAOS_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("| seed | messages | kills | cuts | deliveries | repeats | seconds |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for round in 0..asked_for("RAMAL_CHAOS_ROUNDS").unwrap_or(1) {
        let (seed, started) = (first.wrapping_add(round), Instant::now());
        println!("<!-- RAMAL_CHAOS_SEED={seed} -->");
        let mut rng = StdRng::seed_from_u64(seed);
        let town = Arc::new(Town::start().await);
        let play = async {
            let chats = town.talk(&mut rng);
            town.fail_while(chats, &mut rng).await
        };
        let (Faults { kills, cuts }, chats) = LocalSet::new().run_until(play).await;
        let messages: usize = chats.iter().map(|chat| chat.sent.len() + chat.received.len()).sum();
        let (deliveries, repeats) = town.judge(&chats).await;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "| {seed} | {messages} | {kills} | {cuts} | {deliveries} | {repeats} | {seconds:.1} |"
        );
    }
}

impl Town {
    async fn start() -> Self {
        let settings = [
            ("SESSIONS__RECONCILE", "500ms"),
            ("SESSIONS__RETRY_BASE", "200ms"),
            ("SESSIONS__RETRY_CAP", "2s"),
            // What was refused for long must not be waited for as long.
            ("WEBHOOKS__RETRY_CAP", "2s"),
            // A slow machine is no outage.
            ("SESSIONS__CONFIRM_OUTAGE", "10m"),
            // A customer who insists is not the subject here.
            ("LIMITS__PAIRING_BURST", "0"),
            ("LIMITS__KEY_BURST", "0"),
        ];
        let (mortal, receiver) = (Mortal::start(&settings).await, Receiver::start().await);
        let mut lines = Vec::new();
        for index in 0..NUMBERS {
            let phone = format!("+55119999801{index:02}");
            let (api, path) = (mortal.api().await, format!("number{index}"));
            let created = api.create(&phone).await;
            api.webhook(&created.id, &receiver.url(&path), &["*"]).await;
            mortal.pair(&created.id, &phone, Some(created.qrcode)).await;
            let friend = |chat: usize| format!("+55119999{:02}{:03}", 70 + chat, index);
            let friends = (0..CHATS).map(friend).collect();
            lines.push(Line { id: created.id, phone, path, friends });
        }
        Self { mortal, receiver, lines }
    }

    /// Everybody talks at once.
    fn talk(self: &Arc<Self>, rng: &mut StdRng) -> JoinSet<Chat> {
        let texts = asked_for("RAMAL_CHAOS_TEXTS").unwrap_or(TEXTS);
        let mut chats = JoinSet::new();
        for (line, Line { friends, .. }) in self.lines.iter().enumerate() {
            for friend in friends {
                let chat =
                    Chat { line, friend: friend.clone(), sent: Vec::new(), received: Vec::new() };
                let (town, seed) = (Arc::clone(self), rng.random());
                chats.spawn_local(async move { town.converse(chat, texts, seed).await });
            }
        }
        chats
    }

    async fn converse(&self, mut chat: Chat, texts: u64, seed: u64) -> Chat {
        let mut rng = StdRng::seed_from_u64(seed);
        let Line { id, phone, .. } = &self.lines[chat.line];
        for index in 0..texts {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..PAUSE))).await;
            let text = format!("to {phone} {index}");
            self.mortal.phones().send(&chat.friend, phone, &text).await;
            chat.received.push(text);

            let text = format!("to {} {index}", chat.friend);
            let body = json!({"destinationNumber": chat.friend, "text": text});
            let headers = [("x-whatsapp-number-id", id.as_str()), ("idempotency-key", &text)];
            let path = "/v1/messages/send";
            let sent = self.mortal.insist_with(Method::POST, path, &headers, Some(&body)).await;
            sent.answer.expect(202);
            chat.sent.push(text);
        }
        chat
    }

    /// Kills it and cuts its connections until everything is said.
    async fn fail_while(&self, mut chats: JoinSet<Chat>, rng: &mut StdRng) -> (Faults, Vec<Chat>) {
        let (mut faults, mut done, started) =
            (Faults { kills: 0, cuts: 0 }, Vec::new(), Instant::now());
        while !chats.is_empty() {
            let failing = started.elapsed() < CHAOS;
            let moment = Duration::from_millis(rng.random_range(200..3_000));
            // Both are cancel-safe by their contract.
            tokio::select! {
                Some(chat) = chats.join_next() => done.push(chat.expect("a chat")),
                () = tokio::time::sleep(moment), if failing => {
                    // Sometimes the receiver is in trouble at the same time.
                    self.receiver.answer_with(if rng.random_bool(0.25) { 503 } else { 200 });
                    if rng.random_bool(0.4) {
                        self.mortal.phones().network(json!({"dropConnections": true})).await;
                        faults.cuts += 1;
                    } else {
                        self.mortal.die_and_come_back().await;
                        faults.kills += 1;
                    }
                }
            }
        }
        self.receiver.answer_with(200);
        // What was told last must survive as well.
        self.mortal.die_and_come_back().await;
        faults.kills += 1;
        (faults, done)
    }

    /// Database, phones and receiver tell one story. Returns the deliveries and the repeats among them.
    async fn judge(&self, chats: &[Chat]) -> (usize, usize) {
        self.settle(chats).await;
        for chat in chats {
            let arrived = self.mortal.phones().received(&chat.friend).await;
            assert_eq!(arrived, chat.sent, "{}: each once, in order", chat.friend);
        }
        let (mut deliveries, mut repeats) = (0, 0);
        for (index, line) in self.lines.iter().enumerate() {
            self.judge_rows(line, chats.iter().filter(|chat| chat.line == index)).await;
            let (told, again) = self.judge_deliveries(line).await;
            (deliveries, repeats) = (deliveries + told, repeats + again);
        }
        (deliveries, repeats)
    }

    async fn settle(&self, chats: &[Chat]) {
        let database = self.mortal.database();
        let received: usize = chats.iter().map(|chat| chat.received.len()).sum();
        let received = i64::try_from(received).expect("a small number");
        within(SETTLING, "what was sent to it is here", async || {
            (database.count("messages where direction = 'in'").await >= received).then_some(())
        })
        .await;
        let waiting = "messages where direction = 'out' and status in ('QUEUED', 'SENT')";
        for what in [waiting, "deliveries where state = 'pending'"] {
            within(SETTLING, &format!("no {what}"), async || {
                (database.count(what).await == 0).then_some(())
            })
            .await;
        }
    }

    /// One row and its events for each message, and nothing else.
    async fn judge_rows(&self, line: &Line, chats: impl Iterator<Item = &Chat>) {
        let (database, id) = (self.mortal.database(), &line.id);
        let (mut received, mut sent) = (Vec::new(), Vec::new());
        for chat in chats {
            received.extend(chat.received.iter().map(|text| (chat.friend.as_str(), text.as_str())));
            sent.extend(chat.sent.iter().map(String::as_str));
        }
        received.sort_unstable();
        sent.sort_unstable();
        let rows: Vec<(String, String)> = database
            .rows(&format!(
                "select '+' || peer, content from messages where number_id = '{id}' and direction = 'in'"
            ))
            .await;
        let mut rows: Vec<_> =
            rows.iter().map(|(peer, text)| (peer.as_str(), text.as_str())).collect();
        rows.sort_unstable();
        assert_eq!(rows, received, "{}", line.phone);

        let facts: Vec<(String, String)> = database
            .rows(&format!("select kind, body from events where number_id = '{id}' order by seq"))
            .await;
        let mut told: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (kind, body) in &facts {
            let body: Value = serde_json::from_str(body).expect("a body is JSON");
            told.entry(kind).or_default().push(body["data"].clone());
        }
        let contents = |kind: &str| {
            let all = told.get(kind).into_iter().flatten();
            let mut all: Vec<&str> =
                all.map(|data| data["content"].as_str().expect("a content")).collect();
            all.sort_unstable();
            all
        };
        let mut words: Vec<&str> = received.iter().map(|(_, text)| *text).collect();
        words.sort_unstable();
        assert_eq!(contents("message.received"), words, "{}", line.phone);
        assert_eq!(contents("message.sent"), sent, "{}", line.phone);
        assert_eq!(contents("message.delivered"), sent, "{}", line.phone);
        for never in ["message.failed", "number.disconnected"] {
            assert_eq!(told.get(never), None, "{}", line.phone);
        }
    }

    /// Each event came, always under its own id and with its own words.
    async fn judge_deliveries(&self, line: &Line) -> (usize, usize) {
        let facts: Vec<(String, String)> = self
            .mortal
            .database()
            .rows(&format!(
                "select id, body from events where number_id = '{}' and kind <> 'number.created'",
                line.id
            ))
            .await;
        let bodies: BTreeMap<&str, &str> =
            facts.iter().map(|(id, body)| (id.as_str(), body.as_str())).collect();
        let (mut taken, mut repeats) = (BTreeSet::new(), 0);
        // It is told of the creation of the others as well.
        let own = self.receiver.all(&line.path).into_iter();
        for delivery in own.filter(|one| one.event() != "number.created") {
            let body = std::str::from_utf8(&delivery.body).expect("the body is text");
            assert_eq!(
                bodies.get(delivery.id()),
                Some(&body),
                "{} at {}",
                delivery.id(),
                line.path
            );
            if delivery.answered < 300 && !taken.insert(delivery.id().to_owned()) {
                repeats += 1;
            }
        }
        for (id, body) in &facts {
            assert!(taken.contains(id), "{} was not told {body}", line.path);
        }
        (taken.len(), repeats)
    }
}
