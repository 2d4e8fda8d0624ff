//! How the client behaves, as its number's settings have it; changes while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use ramal_session::Behaviour;

/// Shared by the connection, which sets it, and the inbox, which asks.
#[derive(Clone, Debug)]
pub(crate) struct Manners(Arc<RwLock<Behaviour>>);

impl Manners {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self(Arc::new(RwLock::new(behaviour)))
    }

    // A panic cannot leave a value half written that is copied in one go.

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How to behave at this moment.
    pub(crate) fn now(&self) -> Behaviour {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
