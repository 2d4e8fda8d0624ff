//! Turns: one lock per number, so that two requests for it do not race.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use ramal_domain::NumberId;
use tokio::sync::Mutex as AsyncMutex;

/// The turns of numbers. Whoever holds a number's turn is alone with it.
#[derive(Debug)]
pub struct Turns<K = NumberId>(Mutex<HashMap<K, Arc<AsyncMutex<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// The turn of a number, to be locked.
    pub fn of(&self, id: K) -> Arc<AsyncMutex<()>> {
        // A poisoned map is whole: nothing is done under the lock but single operations.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Turns that nobody holds are dropped here, so that the map stays as small as its use.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(id).or_default())
    }
}
