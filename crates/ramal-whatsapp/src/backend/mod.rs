//! whatsapp-rust's storage, over [`SessionState`]: one module for each of its traits.
//!
//! Batches are one transaction. Merges happen inside a transaction. What may be forgotten carries a
//! deadline, so that one sweep cleans up for all numbers.

mod app_sync;
mod device;
mod key;
mod msg_secret;
mod protocol;
mod signal;
mod spaces;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ramal_domain::{Clock, Timestamp};
use ramal_store::{SessionState, SessionStateError, StateWrite};
use serde::{Serialize, de::DeserializeOwned};
use wacore::store::error::StoreError;

type Result<T> = std::result::Result<T, StoreError>;

/// The stored session of one number, as whatsapp-rust wants to see it. Cheap to clone.
#[derive(Clone)]
pub struct SessionBackend {
    state: SessionState,
    clock: Arc<dyn Clock>,
    fence: Arc<Fence>,
}

/// Tells once that another process owns the number.
struct Fence {
    told: AtomicBool,
    tell: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for SessionBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBackend")
            .field("number", &self.state.number())
            .finish_non_exhaustive()
    }
}

impl SessionBackend {
    /// A backend over `state`. `on_fenced` is called once, at the first write that is refused
    /// because another process owns the number.
    pub fn new(
        state: SessionState,
        clock: Arc<dyn Clock>,
        on_fenced: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let fence = Fence { told: AtomicBool::new(false), tell: Box::new(on_fenced) };
        Self { state, clock, fence: Arc::new(fence) }
    }

    /// Turns our errors into the library's.
    fn lift<T>(&self, result: std::result::Result<T, SessionStateError>) -> Result<T> {
        result.map_err(|error| {
            if matches!(error, SessionStateError::Fenced)
                && !self.fence.told.swap(true, Ordering::SeqCst)
            {
                (self.fence.tell)();
            }
            StoreError::Database(Box::new(error))
        })
    }

    async fn get(&self, space: &'static str, key: &str) -> Result<Option<Vec<u8>>> {
        self.lift(self.state.get(space, key).await)
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        space: &'static str,
        key: &str,
    ) -> Result<Option<T>> {
        self.get(space, key).await?.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn scan(&self, space: &'static str, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        self.lift(self.state.scan(space, prefix).await)
    }

    async fn keys(&self, space: &'static str, prefix: &str) -> Result<Vec<String>> {
        self.lift(self.state.keys(space, prefix).await)
    }

    async fn apply(&self, writes: &[StateWrite]) -> Result<()> {
        self.lift(self.state.apply(writes).await)
    }

    async fn put(
        &self,
        space: &'static str,
        key: impl Into<String> + Send,
        value: impl Into<Vec<u8>> + Send,
    ) -> Result<()> {
        let write = StateWrite::put(space, key, value);
        self.apply(&[write]).await
    }

    async fn delete(&self, space: &'static str, key: impl Into<String> + Send) -> Result<()> {
        let write = StateWrite::delete(space, key);
        self.apply(&[write]).await
    }

    async fn update(
        &self,
        space: &'static str,
        key: &str,
        change: impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + Send,
    ) -> Result<()> {
        self.lift(self.state.update(space, key, change).await).map(|_next| ())
    }

    async fn change(
        &self,
        space: &'static str,
        keys: &[String],
        decide: impl FnOnce(Vec<Option<Vec<u8>>>) -> Vec<StateWrite> + Send,
    ) -> Result<()> {
        self.lift(self.state.change(space, keys, decide).await)
    }

    /// Removes what expired before `now`, counted as the library counts.
    async fn expire(&self, space: &'static str, now: Timestamp) -> Result<u32> {
        let gone = self.lift(self.state.expire(space, now).await)?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| StoreError::Serialization(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Serialization(Box::new(error)))
}
