//! The way in to the sandbox's dashboard: a link that signs in whoever opens it, as often as they like
//! while the sandbox runs. It listens on this machine only.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use ramal_app::App;
use ramal_domain::{BrowserSecret, Clock as _, Email, Role, SystemClock};
use ramal_server::Server;
use ramal_store::User;
use secrecy::SecretString;

/// Whom the link signs in.
const OWNER: &str = "you@sandbox.local";

/// The link, and whom it signs in once there is a server to sign in to.
#[derive(Clone)]
pub(crate) struct Entrance {
    secret: BrowserSecret,
    behind: Arc<OnceLock<(App, User)>>,
}

impl Entrance {
    pub(crate) fn new() -> Self {
        Self { secret: BrowserSecret::mint(), behind: Arc::default() }
    }

    pub(crate) fn router(&self) -> Router {
        let entrance = self.clone();
        let enter = move |Path(given): Path<String>, headers: HeaderMap| {
            let entrance = entrance.clone();
            async move { entrance.enter(&given, &headers).await }
        };
        Router::new().route("/sandbox/sign-in/{secret}", get(enter))
    }

    async fn enter(&self, given: &str, headers: &HeaderMap) -> Response {
        // By their hashes: what the comparison's time tells is of no use.
        let known = given.parse::<BrowserSecret>().is_ok_and(|it| it.hash() == self.secret.hash());
        let Some((app, user)) = self.behind.get().filter(|_| known) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        match ramal_web::enter(app, user, headers).await {
            Ok(response) => response,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "nobody was signed in");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// Opens the way in to `server`; returns the link.
    pub(crate) async fn open(&self, server: &Server) -> anyhow::Result<String> {
        let app = server.app().clone();
        let user = owner(&app).await?;
        let _opened_already = self.behind.set((app, user));
        Ok(format!("{}/sandbox/sign-in/{}", server.url(), self.secret.expose()))
    }
}

/// The sandbox's own person: that of an earlier start on the same data, or a new one.
async fn owner(app: &App) -> anyhow::Result<User> {
    let email: Email = OWNER.parse()?;
    let store = app.store();
    if let Some((user, _)) = store.read().await?.users().find_by_email(&email).await? {
        return Ok(user);
    }
    let tenants = App::all_keys(store).await?;
    let (tenant, _) = tenants.first().context("the database has no tenant")?;
    // Nobody knows it: one comes in by the link.
    let password = SecretString::from(BrowserSecret::mint().expose());
    let now = SystemClock.now();
    let added = App::add_user(store, tenant.id, email, Role::Owner, password, now).await?;
    added.context("the sandbox's person was added twice")
}
