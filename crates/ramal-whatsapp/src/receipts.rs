//! Receipts are stored before WhatsApp is told that we have them.
//!
//! The library acknowledges a receipt as soon as its event was heard, and what is acknowledged
//! WhatsApp never tells again. So from the event on no frame leaves the socket, the acknowledgement
//! least of all, before what the receipt says is in the database. Nothing that stores a receipt needs
//! the socket, so the two do not wait for each other.

use std::{
    error::Error,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ramal_domain::{Backoff, CloseReason, NumberId, Timestamp, WireId};
use ramal_store::{Receipt, Store, StoreError};
use tokio::sync::{Notify, watch};

use crate::reporter::Reporter;

/// Receipts in one transaction.
const BATCH: usize = 100;
/// How many may wait before the client is given up: connected anew, WhatsApp tells them again.
const GIVE_UP_AT: usize = 16_384;
/// Pauses while the database is busy.
const PAUSES: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(2) };
/// How often a busy database is asked by a client that has stopped. WhatsApp was told nothing.
const LAST_TRIES: u32 = 3;

/// The other side got or read messages of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The messages.
    pub(crate) wire_ids: Vec<WireId>,
    /// What happened to them.
    pub(crate) receipt: Receipt,
    /// When.
    pub(crate) at: Timestamp,
}

/// The receipts that one client has heard.
pub(crate) struct Receipts {
    waiting: Mutex<Waiting>,
    /// Rung when there is something to store, and at the end.
    bell: Notify,
    /// How many are stored.
    stored: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiting {
    queue: Vec<Heard>,
    /// How many were ever heard.
    heard: u64,
    closed: bool,
}

/// Where receipts are stored.
pub(crate) struct Register {
    pub(crate) store: Store,
    /// Rung after each commit, for whoever delivers events.
    pub(crate) wake: Arc<Notify>,
    pub(crate) number: NumberId,
}

impl Receipts {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), bell: Notify::new(), stored: watch::Sender::new(0) }
    }

    /// Takes a receipt. Never waits; returns `false` when there are too many.
    #[must_use]
    pub(crate) fn hear(&self, heard: Heard) -> bool {
        let mut waiting = self.lock();
        let room = waiting.queue.len() < GIVE_UP_AT;
        // Counted also without room: it was not stored, so nobody may be told that it was.
        waiting.heard += 1;
        if room {
            waiting.queue.push(heard);
        }
        drop(waiting);
        self.bell.notify_one();
        room
    }

    /// Waits until all that was heard up to now is stored.
    pub(crate) async fn settled(&self) {
        let heard = self.lock().heard;
        // The sender is `self`, so waiting cannot fail.
        drop(self.stored.subscribe().wait_for(|stored| *stored >= heard).await);
    }

    /// Lets [`Receipts::keep`] return once all is stored.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    /// Stores receipts as they come, until the client has stopped. A client whose receipts cannot be
    /// stored is ended.
    pub(crate) async fn keep(&self, register: &Register, reporter: &Reporter) {
        while let Some(batch) = self.next().await {
            for part in batch.chunks(BATCH) {
                if let Err(error) = self.insist(register, part).await {
                    tracing::error!(
                        number.id = %register.number,
                        receipts.count = batch.len(),
                        error = &error as &dyn Error,
                        "receipts could not be stored; WhatsApp will tell them again"
                    );
                    reporter.end(CloseReason::Network);
                    return;
                }
                let count = u64::try_from(part.len()).unwrap_or(u64::MAX);
                self.stored.send_modify(|stored| *stored += count);
            }
        }
    }

    async fn next(&self) -> Option<Vec<Heard>> {
        loop {
            {
                let mut waiting = self.lock();
                if !waiting.queue.is_empty() {
                    return Some(mem::take(&mut waiting.queue));
                }
                if waiting.closed {
                    return None;
                }
            }
            self.bell.notified().await;
        }
    }

    /// A busy database is waited for, as long as the client lives.
    async fn insist(&self, register: &Register, batch: &[Heard]) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            match register.store(batch).await {
                Err(StoreError::Busy(_)) if tries < LAST_TRIES || !self.lock().closed => {
                    tokio::time::sleep(PAUSES.jittered(tries)).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that may panic is done under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    async fn store(&self, batch: &[Heard]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut moved = 0;
        for Heard { wire_ids, receipt, at } in batch {
            moved += tx.messages().receipt(self.number, wire_ids, *receipt, *at).await?;
        }
        tx.commit().await?;
        if moved > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use ramal_store::{MasterKey, Options, Vault};

    use super::*;

    async fn register(directory: &tempfile::TempDir) -> Register {
        let url = format!("sqlite://{}", directory.path().join("ramal.db").display());
        let options = Options { url: url.into(), max_connections: 2 };
        let store = Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap();
        Register { store, wake: Arc::new(Notify::new()), number: NumberId::mint() }
    }

    fn heard() -> Heard {
        let wire_ids = vec![WireId::from_text("3EB0A")];
        Heard { wire_ids, receipt: Receipt::Read, at: Timestamp::from_secs(1_780_000_000) }
    }

    #[tokio::test]
    async fn nothing_is_settled_before_it_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let register = register(&directory).await;
        let (receipts, reporter) = (Receipts::new(), Reporter::new());
        assert!(receipts.settled().now_or_never().is_some(), "nothing was heard");

        for _ in 0..=BATCH {
            assert!(receipts.hear(heard()));
        }
        assert!(receipts.settled().now_or_never().is_none());

        receipts.close();
        receipts.keep(&register, &reporter).await;
        assert!(receipts.settled().now_or_never().is_some());
        assert_eq!(reporter.reason(), None);
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_never_settled_and_ends_the_client() {
        let directory = tempfile::tempdir().unwrap();
        let register = register(&directory).await;
        let (receipts, reporter) = (Receipts::new(), Reporter::new());
        register.store.close().await;

        assert!(receipts.hear(heard()));
        receipts.close();
        receipts.keep(&register, &reporter).await;

        assert!(receipts.settled().now_or_never().is_none());
        assert_eq!(reporter.reason(), Some(CloseReason::Network));
    }

    #[test]
    fn what_finds_no_room_is_never_settled() {
        let receipts = Receipts::new();
        for _ in 0..GIVE_UP_AT {
            assert!(receipts.hear(heard()));
        }

        assert!(!receipts.hear(heard()));
        receipts.stored.send_replace(u64::try_from(GIVE_UP_AT).unwrap());
        assert!(receipts.settled().now_or_never().is_none());
    }
}
