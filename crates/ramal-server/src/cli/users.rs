//! `ramal user`: who signs in to the dashboard, from the machine that holds the database.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::Context as _;
use clap::Subcommand;
use ramal_app::App;
use ramal_domain::{Clock as _, Email, Role, SystemClock, TenantId};
use ramal_store::Store;
use secrecy::SecretString;

use super::say;
use crate::{Config, server::open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a person. The password is asked for, or the first line of standard input.
    Add {
        /// What they sign in with, such as `ana@acme.com`.
        email: Email,
        /// `owner` (everything) or `viewer` (looks, and changes nothing).
        #[arg(long, default_value = "owner")]
        role: Role,
        /// Whose data they see, such as `ten_…`; may be left out when there is only one tenant.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// List the people of every tenant.
    List,
    /// Set a person's password; their browsers are signed out.
    Password {
        /// What they sign in with.
        email: Email,
    },
    /// Remove a person; their browsers are signed out.
    Remove {
        /// What they sign in with.
        email: Email,
    },
}

pub(super) async fn run(command: &Command, config: &Config) -> anyhow::Result<()> {
    let store = open_store(config).await?;
    let now = SystemClock.now();
    match command {
        Command::Add { email, role, tenant } => add(&store, email, *role, *tenant).await,
        Command::List => list(&store).await,
        Command::Password { email } => {
            let there = find(&store, email).await?;
            anyhow::ensure!(there, "nobody signs in with {email}");
            App::reset_password(&store, email, password()?, now).await?;
            say(&format!("{email} has a new password and is signed out everywhere"))
        }
        Command::Remove { email } => {
            let removed = App::delete_user(&store, email, now).await?;
            anyhow::ensure!(removed, "nobody signs in with {email}");
            say(&format!("{email} is removed and signed out everywhere"))
        }
    }
}

async fn add(
    store: &Store,
    email: &Email,
    role: Role,
    tenant: Option<TenantId>,
) -> anyhow::Result<()> {
    // Before the password is asked for: nobody should type one in vain.
    let tenant = choose(store, tenant).await?;
    anyhow::ensure!(!find(store, email).await?, "somebody signs in with {email} already");
    let password = password()?;
    let now = SystemClock.now();
    let added = App::add_user(store, tenant, email.clone(), role, password, now).await?;
    anyhow::ensure!(added.is_some(), "somebody signs in with {email} already");
    say(&format!("{email} signs in as {role} of {tenant}"))
}

async fn choose(store: &Store, named: Option<TenantId>) -> anyhow::Result<TenantId> {
    let tenants = App::all_keys(store).await?;
    match (named, tenants.as_slice()) {
        (Some(named), _) => {
            let known = tenants.iter().any(|(tenant, _)| tenant.id == named);
            anyhow::ensure!(known, "there is no tenant {named}: see `ramal keys list`");
            Ok(named)
        }
        (None, [(only, _)]) => Ok(only.id),
        (None, []) => anyhow::bail!("there is no tenant yet: `ramal serve` creates the first one"),
        (None, _) => {
            anyhow::bail!("there are several tenants: name one of `ramal keys list` with --tenant")
        }
    }
}

async fn find(store: &Store, email: &Email) -> anyhow::Result<bool> {
    Ok(store.read().await?.users().find_by_email(email).await?.is_some())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut nobody = true;
    for (tenant, _) in App::all_keys(store).await? {
        let users = store.read().await?.users().list(tenant.id).await?;
        for user in users {
            nobody = false;
            let seen = user.signed_in_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            let (email, role) = (&user.email, user.role);
            say(&format!(
                "{email}  {role}  {} ({})  last sign-in: {seen}",
                tenant.id, tenant.name
            ))?;
        }
    }
    if nobody {
        return say("Nobody can sign in yet: `ramal user add EMAIL` adds a person.");
    }
    Ok(())
}

/// Asks for a password without showing it; without a terminal, the first line of standard input.
fn password() -> anyhow::Result<SecretString> {
    let typed = if std::io::stdin().is_terminal() {
        rpassword::prompt_password("Password (10 characters or more): ").context("the terminal")?
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    Ok(SecretString::from(typed))
}
