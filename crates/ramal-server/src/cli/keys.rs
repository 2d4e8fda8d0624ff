//! `ramal keys`: the tenants' own keys, from the machine that holds the database.

use clap::Subcommand;
use ramal_app::App;
use ramal_domain::{Clock as _, KeyScope, SystemClock, TenantId};
use ramal_store::Store;

use super::say;
use crate::{Config, server::open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List tenants and their keys, masked.
    List,
    /// Replace a tenant's own key; the old one stops working at once.
    Rotate {
        /// The tenant, such as `ten_…`; may be left out when there is only one.
        tenant: Option<TenantId>,
    },
    /// Create a further tenant, whose numbers, keys and webhooks are its own; prints its key once.
    CreateTenant {
        /// What to call it.
        name: String,
    },
}

pub(super) async fn run(command: &Command, config: &Config) -> anyhow::Result<()> {
    let store = open_store(config).await?;
    match command {
        Command::List => list(&store).await,
        Command::Rotate { tenant } => rotate(&store, *tenant).await,
        Command::CreateTenant { name } => {
            let (tenant, token) = App::create_tenant(&store, name, SystemClock.now()).await?;
            say(&format!("The key of {tenant} ({name}), shown this once: {}", token.expose()))
        }
    }
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let tenants = App::all_keys(store).await?;
    if tenants.is_empty() {
        return say("There is no tenant yet: `ramal serve` creates the first one.");
    }
    for (tenant, keys) in tenants {
        say(&format!("{}  {}", tenant.id, tenant.name))?;
        for key in keys {
            let scope = match key.scope {
                KeyScope::Tenant => "tenant".to_owned(),
                KeyScope::Number(number) => number.to_string(),
            };
            say(&format!("  {}  {}…{}  {scope}  {}", key.id, key.prefix, key.last4, key.name))?;
        }
    }
    Ok(())
}

async fn rotate(store: &Store, tenant: Option<TenantId>) -> anyhow::Result<()> {
    let tenant = match tenant {
        Some(tenant) => tenant,
        None => match App::all_keys(store).await?.as_slice() {
            [(only, _)] => only.id,
            [] => anyhow::bail!("there is no tenant yet: `ramal serve` creates the first one"),
            _ => anyhow::bail!("there are several tenants: name one of `ramal keys list`"),
        },
    };
    let token = App::rotate_tenant_key(store, tenant, SystemClock.now()).await?;
    let token = token.ok_or_else(|| anyhow::anyhow!("there is no tenant {tenant}"))?;
    say(&format!("The new key of {tenant}, shown this once: {}", token.expose()))
}
