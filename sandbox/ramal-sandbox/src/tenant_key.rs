//! The tenant's key across restarts of one sandbox: the product keeps a hash only, so the sandbox
//! keeps the key itself, in its data folder.

use std::{fs, io::ErrorKind, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;
use ramal_app::App;
use ramal_domain::{ApiToken, Clock as _, SystemClock};
use ramal_server::{Config, Server};

const FILE: &str = "tenant.key";

/// The key that this start made, the one that an earlier start left, or, when that is lost, a new
/// one.
pub(crate) async fn obtain(server: &Server, config: &Config) -> anyhow::Result<ApiToken> {
    let path = config.data_dir.join(FILE);
    if let Some(key) = server.first_key() {
        keep(&path, key)?;
        return Ok(key.clone());
    }
    if let Some(key) = kept(&path)?
        && server.app().authenticate(key.expose()).await.is_ok()
    {
        return Ok(key);
    }
    let store = server.app().store();
    let tenants = App::all_keys(store).await?;
    let (tenant, _) = tenants.first().context("the database has no tenant")?;
    let key = App::rotate_tenant_key(store, tenant.id, SystemClock.now()).await?;
    let key = key.context("the tenant is gone")?;
    keep(&path, &key)?;
    Ok(key)
}

fn kept(path: &Path) -> anyhow::Result<Option<ApiToken>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn keep(path: &Path, key: &ApiToken) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    writeln!(file, "{}", key.expose()).with_context(|| path.display().to_string())
}
