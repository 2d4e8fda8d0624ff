//! How the client behaves, as its number's settings have it; changes while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ramal_session::Behaviour;

/// Shared by the connection, which sets it, and the inbox, which asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    reads: Arc<AtomicBool>,
}

impl Manners {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        let manners = Self::default();
        manners.set(behaviour);
        manners
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.reads.store(behaviour.read_messages == Some(true), Ordering::Relaxed);
    }

    /// Whether messages are marked as read as they come in.
    pub(crate) fn reads(&self) -> bool {
        self.reads.load(Ordering::Relaxed)
    }
}
