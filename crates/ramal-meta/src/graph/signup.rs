//! Tokens: what one may do, and how Embedded Signup gives one.

use std::time::Duration;

use ramal_domain::Timestamp;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Access, Call, Graph};
use crate::{
    AppId, ErrorClass, GraphError,
    node::{is_true, text},
};

/// What Meta says of a token.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Whether it works.
    pub valid: bool,
    /// The app that it was made for.
    pub app_id: Option<String>,
    /// What it may do, such as `whatsapp_business_messaging`.
    pub scopes: Vec<String>,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Why it does not work.
    pub error: Option<String>,
    granular: Vec<(String, Vec<String>)>,
}

impl TokenInfo {
    /// Whether it has a permission.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|known| known == scope)
            || self.granular.iter().any(|(known, _)| known == scope)
    }

    /// The accounts that a permission is limited to, the newest first; `None`: all of them.
    pub fn wabas_of(&self, scope: &str) -> Option<&[String]> {
        let (_, targets) = self.granular.iter().find(|(known, _)| known == scope)?;
        Some(targets.as_slice()).filter(|targets| !targets.is_empty())
    }
}

/// The token that Embedded Signup gives for a business.
#[derive(Clone, Debug)]
pub struct BusinessToken {
    /// The token.
    pub token: SecretString,
    /// How long it lasts; `None`: for ever.
    pub expires_in: Option<Duration>,
}

impl Graph {
    /// Asks what a token may do: as `app` when its id and secret are there, else with the token itself,
    /// which Meta may refuse.
    ///
    /// # Errors
    ///
    /// [`GraphError`]. A token that does not work is an answer, unless it is what asks.
    pub async fn inspect_token(
        &self,
        access: &Access,
        app: Option<&AppId>,
    ) -> Result<TokenInfo, GraphError> {
        let as_app =
            app.zip(access.app_secret.as_ref()).map(|(app, secret)| Access::of_app(app, secret));
        let asker = as_app.as_ref().unwrap_or(access);
        let call = Call::get(&["debug_token"], asker)
            .query("input_token", access.token.expose_secret())
            .secret(&access.token);
        let answer = self.call(call).await?;
        let Some(data) = answer.get("data").filter(|data| data.is_object()) else {
            return Err(GraphError::local(ErrorClass::Unexpected, "no data on the token"));
        };
        Ok(token_info(data, access))
    }

    /// Changes the code that Embedded Signup gave a browser into a token. A code works once, and for
    /// half a minute.
    ///
    /// # Errors
    ///
    /// [`GraphError`]; of class `Invalid` when the code has expired or been used.
    pub async fn exchange_code(
        &self,
        app: &AppId,
        secret: &SecretString,
        code: &str,
    ) -> Result<BusinessToken, GraphError> {
        let code = SecretString::from(code);
        let mut call = Call::new(Method::GET, &["oauth", "access_token"])
            .query("client_id", app.as_str())
            .query("client_secret", secret.expose_secret())
            .query("code", code.expose_secret())
            .secret(secret)
            .secret(&code);
        // It uses the code up.
        call.only_reads = false;
        let answer = self.call(call).await?;
        let token = text(&answer, "access_token").filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(GraphError::local(ErrorClass::Unexpected, "no token for the code"));
        };
        let seconds =
            answer.get("expires_in").and_then(Value::as_u64).filter(|&seconds| seconds > 0);
        Ok(BusinessToken { token: token.into(), expires_in: seconds.map(Duration::from_secs) })
    }
}

fn token_info(data: &Value, access: &Access) -> TokenInfo {
    let texts = |list: Option<&Value>| -> Vec<String> {
        let items = list.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let granular = data.get("granular_scopes").and_then(Value::as_array).into_iter().flatten();
    let expires = data.get("expires_at").and_then(Value::as_i64).filter(|&seconds| seconds > 0);
    let secrets = [access.token.expose_secret()];
    let error = data.get("error").and_then(|error| GraphError::from_answer(error, &secrets));
    TokenInfo {
        valid: is_true(data, "is_valid"),
        app_id: text(data, "app_id"),
        scopes: texts(data.get("scopes")),
        expires_at: expires.map(Timestamp::from_secs),
        error: error.and_then(|error| error.details().map(str::to_owned)),
        granular: granular
            .filter_map(|one| Some((text(one, "scope")?, texts(one.get("target_ids")))))
            .collect(),
    }
}
