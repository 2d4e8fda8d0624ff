//! How a client behaves: as its number's row says.

use std::{sync::Arc, time::Duration};

use ramal_domain::NumberId;
use ramal_store::Store;
use tokio::sync::Mutex;

use crate::{BehaveError, Behaviour, Connection};

/// How long a client may take to show itself as its settings say.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has one client behave. Shared by its session, which does so at each login, and by whoever changes
/// the settings: the row is read in one's turn, so that whoever is last has read the newest.
#[derive(Clone, Debug)]
pub(crate) struct Conduct {
    store: Store,
    number: NumberId,
    connection: Arc<dyn Connection>,
    turn: Arc<Mutex<()>>,
}

impl Conduct {
    pub(crate) fn new(store: Store, number: NumberId, connection: Arc<dyn Connection>) -> Self {
        Self { store, number, connection, turn: Arc::default() }
    }

    /// Puts the stored settings into effect.
    pub(crate) async fn apply(&self) -> Result<(), BehaveError> {
        let _turn = self.turn.lock().await;
        let row = async { self.store.read().await?.numbers().get(self.number).await }.await;
        let row = row.map_err(|error| BehaveError(error.into()))?;
        let behaviour = row.map_or_else(Behaviour::default, |row| Behaviour::of(&row.settings));
        match tokio::time::timeout(PATIENCE, self.connection.behave(behaviour)).await {
            Ok(done) => done,
            Err(elapsed) => Err(BehaveError(elapsed.into())),
        }
    }
}
