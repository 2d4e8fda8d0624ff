//! Chaos: the product is killed at random moments while numbers are created, connect, receive, send
//! and are deleted. At the end the database, the phones and the receiver must tell one story.
//!
//! One round of bounded length runs by default. Twenty in a row, with what happened in each:
//!
//! ```sh
//! RAMAL_CHAOS_ROUNDS=20 cargo test --manifest-path sandbox/Cargo.toml -p ramal-tests --test chaos -- --nocapture
//! ```
//!
//! `RAMAL_CHAOS_SEED` repeats the choices of an earlier round; how they meet remains chance.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

#[path = "chaos/judge.rs"]
mod judge;
#[path = "chaos/life.rs"]
mod life;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ramal_tests::{Mortal, Receiver, asked_for};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::{JoinSet, LocalSet};

use self::{
    judge::Counts,
    life::{Life, Story},
};

const NUMBERS: usize = 20;
/// Nothing is killed later than this, so that a round ends.
const CHAOS: Duration = Duration::from_secs(20);
/// The path of the webhook that hears of every creation.
const WATCHER: &str = "watcher";

/// Where the numbers live.
struct Town {
    mortal: Mortal,
    receiver: Receiver,
    /// Whether deleted numbers can be restored, or are gone at once.
    restorable: bool,
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the log of the rounds")]
async fn whenever_it_dies_every_fact_is_told_and_nothing_else() {
    let first = asked_for("RAMAL_CHAOS_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("| seed | kills | events | deliveries | repeats | refused | seconds |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for round in 0..asked_for("RAMAL_CHAOS_ROUNDS").unwrap_or(1) {
        let (seed, started) = (first.wrapping_add(round), Instant::now());
        println!("<!-- RAMAL_CHAOS_SEED={seed} -->");
        let (kills, counts) = LocalSet::new().run_until(play(seed)).await;
        let Counts { events, deliveries, repeats, refused } = counts;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "| {seed} | {kills} | {events} | {deliveries} | {repeats} | {refused} | {seconds:.1} |"
        );
    }
}

async fn play(seed: u64) -> (u32, Counts) {
    let mut rng = StdRng::seed_from_u64(seed);
    let town = Arc::new(Town::start(rng.random()).await);
    let mut lives = JoinSet::new();
    for index in 0..NUMBERS {
        // Slow answers, so that it dies over some of them.
        let slowness = Duration::from_millis(rng.random_range(0..300));
        town.receiver.answer_after(&life::path(index), slowness);
        let life = Life::plan(index, town.restorable, StdRng::seed_from_u64(rng.random()));
        lives.spawn_local(life.live(Arc::clone(&town)));
    }
    let (kills, stories) = town.kill_while(lives, &mut rng).await;
    (kills, judge::judge(&town, &stories).await)
}

impl Town {
    async fn start(restorable: bool) -> Self {
        let settings = [
            ("NUMBERS__RESTORE_WINDOW", if restorable { "1h" } else { "0s" }),
            ("NUMBERS__SWEEP_EVERY", "500ms"),
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
        let watcher = mortal.api().await.create("+5511999990000").await;
        let created = ["number.created"];
        mortal.api().await.webhook(&watcher.id, &receiver.url(WATCHER), &created).await;
        Self { mortal, receiver, restorable }
    }

    /// Kills and restarts it until every life is lived.
    async fn kill_while(&self, mut lives: JoinSet<Story>, rng: &mut StdRng) -> (u32, Vec<Story>) {
        let (mut kills, mut stories, started) = (0, Vec::new(), Instant::now());
        while !lives.is_empty() {
            let killing = started.elapsed() < CHAOS;
            let moment = Duration::from_millis(rng.random_range(100..2_500));
            // Both are cancel-safe by their contract.
            tokio::select! {
                Some(story) = lives.join_next() => stories.push(story.expect("a life")),
                () = tokio::time::sleep(moment), if killing => {
                    // Sometimes the receiver is in trouble at the same time.
                    self.receiver.answer_with(if rng.random_bool(0.25) { 503 } else { 200 });
                    self.mortal.die_and_come_back().await;
                    kills += 1;
                }
            }
        }
        self.receiver.answer_with(200);
        // What was told last must survive as well.
        self.mortal.die_and_come_back().await;
        (kills + 1, stories)
    }
}
