//! How a client behaves: as its number's row says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ramal_domain::NumberId;
use ramal_store::Store;
use tokio::sync::Mutex;

use crate::{BehaveError, Behaviour, Connection};

/// How long a client may take to show itself as its settings say.
const PATIENCE: Duration = Duration::from_secs(5);
/// No pace of its own: the server's.
const SERVERS_PACE: u32 = u32::MAX;
const MINUTE: Duration = Duration::from_mins(1);

/// Has one client behave. Shared by its session, which does so at each login, and by whoever changes
/// the settings: the row is read in one's turn, so that whoever is last has read the newest.
#[derive(Clone, Debug)]
pub(crate) struct Conduct {
    store: Store,
    number: NumberId,
    connection: Arc<dyn Connection>,
    turn: Arc<Mutex<()>>,
    /// How many messages a minute the number sends at most, by its own settings.
    messages_per_minute: Arc<AtomicU32>,
}

impl Conduct {
    pub(crate) fn new(store: Store, number: NumberId, connection: Arc<dyn Connection>) -> Self {
        let messages_per_minute = Arc::new(AtomicU32::new(SERVERS_PACE));
        Self { store, number, connection, turn: Arc::default(), messages_per_minute }
    }

    /// How long to wait after a message; `None` for not at all. People do not write in even steps.
    pub(crate) fn pace(&self, servers: u32) -> Option<Duration> {
        let own = self.messages_per_minute.load(Ordering::Relaxed);
        let rate = if own == SERVERS_PACE { servers } else { own };
        let even = MINUTE.checked_div(rate)?;
        Some(even.mul_f64(rand::random_range(0.5..1.5)))
    }

    /// Puts the stored settings into effect.
    pub(crate) async fn apply(&self) -> Result<(), BehaveError> {
        let _turn = self.turn.lock().await;
        let row = async { self.store.read().await?.numbers().get(self.number).await }.await;
        let row = row.map_err(|error| BehaveError(error.into()))?;
        let behaviour = row.map_or_else(Behaviour::default, |row| Behaviour::of(&row.settings));
        let pace = behaviour.messages_per_minute.unwrap_or(SERVERS_PACE);
        self.messages_per_minute.store(pace, Ordering::Relaxed);
        match tokio::time::timeout(PATIENCE, self.connection.behave(behaviour)).await {
            Ok(done) => done,
            Err(elapsed) => Err(BehaveError(elapsed.into())),
        }
    }
}
