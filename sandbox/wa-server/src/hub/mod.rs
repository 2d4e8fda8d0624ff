//! The server's mind: accounts, linked devices, sockets, and what happens between them.
//!
//! # Theory of operation
//! All state lives in one [`State`] under one std mutex; a critical section handles one stanza or
//! one act of a phone and never waits. Stanzas leave through bounded per-socket queues. What must
//! happen later is put on [`State::later`] and started by [`Hub::with`] once the lock is free.

mod account;
mod addressing;
mod app_state;
mod arrivals;
mod calls;
mod channels;
mod crowds;
mod devices;
mod encrypt;
mod faults;
mod groups;
mod history;
mod iq;
mod labels;
mod line;
mod media;
mod messages;
mod pair_code;
mod pairing;
mod passkey;
mod phones;
mod receipts;
mod socket;
mod state;
mod status;
mod typing;
mod usync;
mod writing;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    task::spawn_blocking,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use account::Account;
pub use addressing::ChatAddressing;
pub use arrivals::{Conduct, ConductChange, Reads};
pub use calls::{Call, CallState};
pub use channels::ChannelView;
pub use faults::{Fault, Faults, InvalidFault};
pub use groups::{Addressing, GroupView};
pub use history::HistorySize;
pub use labels::Label;
pub(crate) use line::{Line, Out, Queued};
pub(crate) use pair_code::{CODE_ANSWER_LIMIT, PairingCode};
pub use pairing::{LinkError, Linked, PairingOffer};
pub use passkey::{PasskeyAnswer, PasskeyGate, PasskeyProgress, PasskeyView};
pub(crate) use phones::PhoneError;
pub use phones::{Companion, Phone};
pub(crate) use state::{ConnId, Crowds, Later, State};
pub use typing::{Typing, TypingState};
pub(crate) use writing::Draft;

use crate::media::Store;
use media::Fetch;

/// Phones open attachments in memory; more at once would take too much of it.
const FETCHED_AT_ONCE: usize = 2;

/// Shared by all sockets and by the control API.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Protects everything the server knows. Held for one stanza at a time, never across an await.
    state: Mutex<State>,
    /// Told after every critical section; the snapshot writer listens.
    changed: Notify,
    store: Arc<Store>,
    /// Bounds how many attachments phones hold in memory at once.
    fetching: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Hub {
    pub(crate) fn new(
        state: State,
        store: Arc<Store>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (state, changed) = (Mutex::new(state), Notify::new());
        let fetching = Semaphore::new(FETCHED_AT_ONCE);
        Self { state, changed, store, fetching, tasks, stop }
    }

    /// Runs one critical section, then starts what it put off.
    pub(crate) fn with<R>(self: &Arc<Self>, work: impl FnOnce(&mut State) -> R) -> R {
        let (result, later) = {
            // A panic in one stanza must not take the server down with it.
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&mut state);
            (result, std::mem::take(&mut state.later))
        };
        for (delay, act) in later {
            self.put_off(delay, act);
        }
        self.changed.notify_one();
        result
    }

    /// Looks at the state without changing it.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a critical section has run since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn put_off(self: &Arc<Self>, delay: Duration, act: Later) {
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            // Cancel-safe: both branches only wait.
            tokio::select! {
                () = hub.stop.cancelled() => {}
                () = tokio::time::sleep(delay) => match act {
                    Later::Fetch(fetch) => hub.fetch(fetch).await,
                    Later::Receipt(_) | Later::Passkey(_) => hub.with(|state| state.act(act)),
                },
            }
        });
    }

    /// A phone fetches an attachment, outside the lock.
    async fn fetch(self: &Arc<Self>, fetch: Fetch) {
        let Ok(_permit) = self.fetching.acquire().await else { return };
        let store = Arc::clone(&self.store);
        let fetched = spawn_blocking(move || {
            let outcome = store.fetch(&fetch.attachment).map_err(|error| {
                tracing::debug!(%error, "a phone could not fetch an attachment");
                error.code().to_owned()
            });
            (fetch, outcome)
        });
        match fetched.await {
            Ok((fetch, outcome)) => self.with(|state| state.fetched(&fetch, outcome)),
            Err(error) => tracing::error!(%error, "fetching an attachment failed"),
        }
    }
}
