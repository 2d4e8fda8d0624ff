//! How fast messages go out: through one number and through many, and how long one takes from its
//! acceptance to the phone. The real binary, over HTTP, against the offline WhatsApp; see
//! `benches/README.md`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement fails by panicking, and prints"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ramal_tests::{World, ahead, asked_for, within};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Numbers of the two runs.
const RUNS: [usize; 2] = [1, 50];
/// Messages of a throughput run, and the chats of each number.
const BACKLOG: u64 = 3_000;
const CHATS: usize = 10;
/// Requests at once.
const SENDERS: usize = 8;
/// Messages of a latency run, and the pause between two.
const SAMPLES: u64 = 500;
const PAUSE: Duration = Duration::from_millis(30);
/// How long a run may take.
const LIMIT: Duration = Duration::from_mins(10);
const DAY: i64 = 86_400_000;

#[tokio::main]
async fn main() {
    let backlog = asked_for("RAMAL_BENCH_MESSAGES").unwrap_or(BACKLOG);
    println!("| numbers | accepted | on phones | p50 | p95 | p99 | peak memory |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for numbers in RUNS {
        let bench = Bench::start(numbers).await;
        let (accepted, arrived) = bench.throughput(backlog).await;
        let taken = bench.latency().await;
        let at = |percent: usize| taken[(taken.len() * percent / 100).min(taken.len() - 1)];
        let memory = bench.world.product.peak_memory() / 1024 / 1024;
        println!(
            "| {numbers} | {accepted:.0}/s | {arrived:.0}/s | {} ms | {} ms | {} ms | {memory} MiB |",
            at(50),
            at(95),
            at(99)
        );
    }
}

struct Bench {
    world: World,
    client: Client,
    lines: Vec<Line>,
}

struct Line {
    id: String,
    friends: Vec<String>,
}

impl Bench {
    /// Pairs the numbers, and has each write to each of its friends once, so that the sessions are there.
    async fn start(numbers: usize) -> Self {
        let settings = [("LIMITS__PAIRING_BURST", "0"), ("LIMITS__KEY_BURST", "0")];
        let world = World::with(&settings).await;
        let mut lines = Vec::new();
        for index in 0..numbers {
            let created = world.open_number(&format!("+55119999801{index:02}")).await;
            let friend = |chat: usize| format!("+55119999{:02}{index:03}", 70 + chat);
            lines.push(Line { id: created.id, friends: (0..CHATS).map(friend).collect() });
        }
        let bench = Self { world, client: Client::new(), lines };
        let all = u64::try_from(numbers * CHATS).expect("a small number");
        for index in 0..all {
            bench.send("warm", index).await;
        }
        bench.arrivals("warm", all).await;
        bench
    }

    /// Sends the message of this index to the chat whose turn it is; returns when it was accepted.
    async fn send(&self, name: &str, index: u64) -> String {
        let request = self.request(name, index);
        accept(request).await
    }

    fn request(&self, name: &str, index: u64) -> reqwest::RequestBuilder {
        let turn = usize::try_from(index).expect("a small number");
        let line = &self.lines[turn % self.lines.len()];
        let friend = &line.friends[turn / self.lines.len() % CHATS];
        let body = json!({"destinationNumber": friend, "text": format!("{name} {index}")});
        self.client
            .post(format!("{}/v1/messages/send", self.world.product.address()))
            .header("x-api-key", self.world.product.key())
            .header("x-whatsapp-number-id", &line.id)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// When the messages of this name were on their phones, once all are.
    async fn arrivals(&self, name: &str, count: u64) -> BTreeMap<u64, i64> {
        let queued = "messages where status in ('QUEUED', 'SENT')";
        within(LIMIT, "everything is on its phone", async || {
            (self.world.product.database().count(queued).await == 0).then_some(())
        })
        .await;
        let mut arrivals = BTreeMap::new();
        for friend in self.lines.iter().flat_map(|line| &line.friends) {
            for message in self.world.phones().messages(friend).await {
                let index = message["text"].as_str().and_then(|text| text.strip_prefix(name));
                let index = index.and_then(|rest| rest.trim().parse().ok());
                if let Some(index) = index {
                    arrivals.insert(index, milliseconds(&message["at"]));
                }
            }
        }
        assert_eq!(u64::try_from(arrivals.len()).expect("a small number"), count, "each arrived");
        arrivals
    }

    /// Messages per second: accepted, and on their phones.
    async fn throughput(&self, count: u64) -> (f64, f64) {
        let (started, began) = (Instant::now(), milliseconds(&json!(ahead(Duration::ZERO))));
        let (mut index, mut under_way) = (0, JoinSet::new());
        while index < count || !under_way.is_empty() {
            while index < count && under_way.len() < SENDERS {
                under_way.spawn(accept(self.request("load", index)));
                index += 1;
            }
            let _accepted = under_way.join_next().await.expect("one is under way");
        }
        let accepted = started.elapsed();
        let arrivals = self.arrivals("load", count).await;
        let last = arrivals.values().map(|at| (at - began).rem_euclid(DAY)).max();
        let whole = Duration::from_millis(u64::try_from(last.unwrap_or_default()).unwrap_or(1));
        let rate = |taken: Duration| {
            f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / taken.as_secs_f64()
        };
        (rate(accepted), rate(whole))
    }

    /// Milliseconds from acceptance to the phone, sorted, with little to do.
    async fn latency(&self) -> Vec<i64> {
        let mut accepted = Vec::new();
        for index in 0..SAMPLES {
            accepted.push(milliseconds(&json!(self.send("sample", index).await)));
            tokio::time::sleep(PAUSE).await;
        }
        let arrivals = self.arrivals("sample", SAMPLES).await;
        let mut taken: Vec<i64> = accepted
            .iter()
            .zip(arrivals.values())
            // The phone may have it before the answer is here.
            .map(|(from, to)| {
                let taken = (to - from).rem_euclid(DAY);
                if taken > DAY / 2 { 0 } else { taken }
            })
            .collect();
        taken.sort_unstable();
        taken
    }
}

async fn accept(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let _body = answer.bytes().await.expect("a body");
    ahead(Duration::ZERO)
}

/// Milliseconds since midnight of a moment as the API and phones write it.
fn milliseconds(at: &Value) -> i64 {
    let text = at.as_str().expect("a moment");
    let clock = text.split('T').nth(1).expect("a time of day").trim_end_matches('Z');
    let parts: Vec<i64> =
        clock.split([':', '.']).map(|part| part.parse().expect("a number")).collect();
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1_000 + parts[3]
}
