//! State on disk: two JSON files, replaced atomically some time after each change.

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
    hub::{Account, Crowds, Hub},
    number::PhoneNumber,
};

const ACCOUNTS: &str = "accounts.json";
const CROWDS: &str = "crowds.json";
/// Changes come in bursts; one write serves all that happen within this time.
const DEBOUNCE: Duration = Duration::from_millis(250);

type Accounts = BTreeMap<PhoneNumber, Account>;

/// Reads the accounts, groups and channels of an earlier run; none when there was none.
pub(crate) fn load(dir: &Path) -> Result<(Accounts, Crowds), FileError> {
    let accounts = files::read_json(&dir.join(ACCOUNTS))?.unwrap_or_default();
    Ok((accounts, files::read_json(&dir.join(CROWDS))?.unwrap_or_default()))
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
    let (hub, accounts, crowds) = (Arc::clone(hub), dir.join(ACCOUNTS), dir.join(CROWDS));
    let written = spawn_blocking(move || {
        // Only the encoding happens under the lock, not the writing.
        let encoded = hub.peek(|state| {
            Ok::<_, serde_json::Error>((
                serde_json::to_vec(&state.accounts)?,
                serde_json::to_vec(&state.crowds)?,
            ))
        });
        let (of_accounts, of_crowds) = encoded?;
        files::replace(&accounts, &of_accounts)?;
        files::replace(&crowds, &of_crowds)
    });
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the snapshot was not written"),
        Err(error) => tracing::error!(%error, "the snapshot writer failed"),
    }
}
