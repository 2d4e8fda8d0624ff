//! The people of a tenant: who they are, inviting and removing them; and what everybody may do with
//! their own account.

use axum::{
    Router,
    extract::State,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::post,
};
use http::HeaderMap;
use ramal_app::{AppError, SignInError};
use ramal_domain::Role;
use secrecy::SecretString;
use serde::Deserialize;

use super::{PATH, ProfilePage, ProfileTexts, Secret, is_invalid};
use crate::{
    Web,
    dashboard::{
        answer::{Flash, PageError, after},
        session::{OwnPosted, Posted, SignedIn, let_in, let_out, visitor},
        sign_in::Nothing,
        texts::{Common, Done},
    },
    extract::Path,
};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/profile/users/invite", post(invite))
        .route("/profile/users/{id}/role", post(change_role))
        .route("/profile/users/{id}/remove", post(remove))
        .route("/profile/password", post(change_password))
        .route("/profile/sign-out-everywhere", post(sign_out_everywhere))
}

#[derive(Debug, Deserialize)]
struct RoleForm {
    role: String,
}

impl RoleForm {
    fn role(self) -> Result<Role, PageError> {
        self.role.parse().map_err(|_unknown| PageError::BadForm(self.role))
    }
}

async fn invite(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<RoleForm>,
) -> Result<Response, PageError> {
    let text = web.app.invite(&by.caller, form.role()?).await?;
    let page = ProfilePage::new(&web, &by, &headers).await?;
    let secret = Secret { title: page.t.invited, hint: page.t.invited_hint, text };
    let page = ProfilePage { secret: Some(secret), ..page };
    page.frame.answer(&web, &page)
}

async fn change_role(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<RoleForm>,
) -> Result<Response, PageError> {
    let result = web.app.change_role(&by.caller, &id, form.role()?).await;
    told(&web, &by, &id, result, Done::Saved).await
}

async fn remove(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let result = web.app.remove_user(&by.caller, &id).await;
    told(&web, &by, &id, result, Done::Deleted).await
}

/// Back to the page, with what came of it. There are two reasons for a refusal.
async fn told(
    web: &Web,
    by: &SignedIn,
    id: &str,
    result: Result<(), AppError>,
    done: Done,
) -> Result<Response, PageError> {
    if !result.as_ref().is_err_and(is_invalid) {
        return after(web, by.language, PATH, result, done);
    }
    let t = ProfileTexts::of(by.language);
    let users = web.app.users(&by.caller).await?;
    let is_there = users.iter().any(|user| user.id.to_string() == id);
    Ok(problem(if is_there { t.only_owner } else { t.nobody }).to(web, PATH))
}

fn problem(text: &str) -> Flash {
    Flash { problem: true, text: text.to_owned() }
}

#[derive(Debug, Deserialize)]
struct PasswordForm {
    #[serde(default)]
    present: SecretString,
    #[serde(default)]
    new: SecretString,
}

async fn change_password(
    State(web): State<Web>,
    headers: HeaderMap,
    OwnPosted { by, form }: OwnPosted<PasswordForm>,
) -> Result<Response, PageError> {
    let t = ProfileTexts::of(by.language);
    let browser = visitor(&headers, None);
    match web.app.change_password(&by.user, form.present, form.new, &browser).await {
        Ok(secret) => {
            let flash = Flash { problem: false, text: Done::Password.text(by.language).to_owned() };
            Ok((AppendHeaders([let_in(&web, &secret)]), flash.to(&web, PATH)).into_response())
        }
        Err(SignInError::Refused) => Ok(problem(t.password_wrong).to(&web, PATH)),
        Err(SignInError::Throttled { retry_after_seconds }) => {
            let text = Common::of(by.language).rate_limited;
            let text = text.replace("{s}", &retry_after_seconds.to_string());
            Ok(problem(&text).to(&web, PATH))
        }
        Err(SignInError::App(error)) if is_invalid(&error) => {
            Ok(problem(t.password_short).to(&web, PATH))
        }
        Err(SignInError::App(error)) => Err(error.into()),
    }
}

async fn sign_out_everywhere(
    State(web): State<Web>,
    OwnPosted { by, form: Nothing {} }: OwnPosted<Nothing>,
) -> Result<Response, PageError> {
    web.app.sign_out_everywhere(&by.user).await?;
    Ok(([let_out(&web)], Redirect::to("/sign-in")).into_response())
}
