//! Accounts on disk: one JSON file, replaced atomically some time after each change.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    files::{self, FileError},
    hub::{Account, Hub},
    number::PhoneNumber,
};

const FILE_NAME: &str = "accounts.json";
/// Changes come in bursts; one write serves all that happen within this time.
const DEBOUNCE: Duration = Duration::from_millis(250);

type Accounts = BTreeMap<PhoneNumber, Account>;

/// Reads the accounts of an earlier run; none when there was none.
pub(crate) fn load(dir: &Path) -> Result<Accounts, FileError> {
    Ok(files::read_json(&dir.join(FILE_NAME))?.unwrap_or_default())
}

/// Writes a snapshot after changes until the server stops; the last one is the server's own duty,
/// once nothing moves any more. What happens between a snapshot and a crash is lost.
pub(crate) async fn keep(hub: Arc<Hub>, dir: PathBuf, stop: CancellationToken) {
    loop {
        // Cancel-safe: a missed change is in the last snapshot.
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.changed() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(DEBOUNCE) => {}
        }
        save(&hub, &dir).await;
    }
}

/// Writes a snapshot now.
pub(crate) async fn save(hub: &Arc<Hub>, dir: &Path) {
    let (hub, path) = (Arc::clone(hub), dir.join(FILE_NAME));
    let written = spawn_blocking(move || {
        // Only the encoding happens under the lock, not the writing.
        let json = hub.peek(|state| serde_json::to_vec(&state.accounts))?;
        files::replace(&path, &json)
    });
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the snapshot was not written"),
        Err(error) => tracing::error!(%error, "the snapshot writer failed"),
    }
}
