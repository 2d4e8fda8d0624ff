//! The hosted pairing page (contract F.3): `/connect/{token}`. It works without JavaScript as far as
//! showing a QR code and refreshing itself; with it, it follows the attempt live. `embed.js` puts it
//! into other sites' pages (F.4).

mod look;
mod page;
pub(crate) mod said;
mod signup;
mod signup_texts;
mod texts;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ACCEPT, ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderName},
};
use ramal_app::{AppError, Branding, DeadLink, Language, Refusal};

pub(crate) use page::preview;

use crate::{
    Web,
    assets::{CSS, JAVASCRIPT, asset},
    error::ApiError,
    extract::Path,
};

const SCRIPT: &str = include_str!("connect/connect.js");
const FRAME_SCRIPT: &str = include_str!("connect/connect-frame.js");
const SIGNUP_SCRIPT: &str = include_str!("connect/signup.js");
const STYLE: &str =
    concat!(include_str!("connect/tokens.css"), include_str!("connect/connect.css"));
const EMBED: &str = include_str!("connect/embed.js");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/connect/{token}", get(show).post(begin))
        .route("/assets/connect.js", get(async || asset(JAVASCRIPT, SCRIPT)))
        .route("/assets/connect-frame.js", get(async || asset(JAVASCRIPT, FRAME_SCRIPT)))
        .route("/assets/signup.js", get(async || asset(JAVASCRIPT, SIGNUP_SCRIPT)))
        .route("/assets/connect.css", get(async || asset(CSS, STYLE)))
        .route("/embed.js", get(embed))
}

/// For pages of any origin, also those that load scripts with CORS or isolate themselves.
async fn embed() -> Response {
    let mut response = asset(JAVASCRIPT, EMBED);
    let headers = response.headers_mut();
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// How the page was asked for.
#[derive(Debug)]
struct Visit {
    /// Its own address with its query, where its forms go.
    here: String,
    parameters: Vec<(String, String)>,
    /// What the browser accepts.
    accepted: Language,
}

impl Visit {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let parameters = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self {
            here: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            parameters: parameters.map(|query| query.0).unwrap_or_default(),
            accepted: Language::accepted(header.unwrap_or_default()),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What the person has chosen, else what the link says, else what the browser accepts.
    fn language(&self, of_link: Option<&str>) -> Language {
        let read = |tag: &str| Language::parse(tag).ok();
        let chosen = self.parameter("lang").and_then(read);
        chosen.or_else(|| of_link.and_then(read)).unwrap_or(self.accepted)
    }

    /// The same page in another language.
    fn in_language(&self, language: Language) -> String {
        let (path, query) = self.here.split_once('?').unwrap_or((&self.here, ""));
        let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang="));
        let lang = format!("lang={}", language.tag());
        let query: Vec<&str> = kept.chain([lang.as_str()]).collect();
        format!("{path}?{}", query.join("&"))
    }

    /// The origin whose page this one lies in, if it is on the list.
    fn parent(&self, allowed: &[String]) -> Option<&str> {
        let asked = self.parameter("parentOrigin");
        asked.filter(|origin| allowed.iter().any(|known| known == origin))
    }

    fn branding(&self) -> Branding {
        let pairs = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Branding::of_address(pairs)
    }
}

/// A page for people in place of an answer that says to try again later, which is for programs.
pub(crate) fn for_people(error: ApiError, uri: &Uri, headers: &HeaderMap) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match error.later().filter(|_| accepted.contains("text/html")) {
        Some((status, seconds)) => page::later(&Visit::of(uri, headers), status, seconds)
            .unwrap_or_else(IntoResponse::into_response),
        None => error.into_response(),
    }
}

async fn show(web: State<Web>, token: Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let shown = page_of(web, token, &uri, &headers).await;
    shown.unwrap_or_else(|error| for_people(error, &uri, &headers))
}

async fn page_of(
    State(web): State<Web>,
    Path(token): Path<String>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let visit = Visit::of(uri, headers);
    let live = match web.app.pairing_link(&token).await {
        Ok(live) => live,
        Err(AppError::Refused(Refusal::PairingLinkInvalid(DeadLink::Unknown))) => {
            return match web.app.signup_link(&token).await {
                Ok(live) => signup::show(&web, &visit, &token, &live).await,
                Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => {
                    page::dead(&visit, dead)
                }
                Err(error) => Err(error.into()),
            };
        }
        Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => {
            return page::dead(&visit, dead);
        }
        Err(error) => return Err(error.into()),
    };
    let look = web.app.look_of(&live.link).await?;
    let codes = web.app.codes_under_way(&live);
    page::live(&visit, &token, &live, look, codes.as_ref())
}

/// For browsers without JavaScript: begins an attempt, and shows it. With a link for an official number,
/// what its form sends.
async fn begin(
    web: State<Web>,
    token: Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let begun = page_after(web, token, &uri, &headers, &body).await;
    begun.unwrap_or_else(|error| for_people(error, &uri, &headers))
}

async fn page_after(
    State(web): State<Web>,
    Path(token): Path<String>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiError> {
    let visit = Visit::of(uri, headers);
    match web.app.connect_by_link(&token).await {
        Ok(_) | Err(AppError::Refused(Refusal::NumberAlreadyConnected)) => {
            Ok(Redirect::to(&visit.here).into_response())
        }
        Err(AppError::Refused(Refusal::PairingLinkInvalid(DeadLink::Unknown))) => {
            signup::submit(&web, &visit, &token, body).await
        }
        Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => page::dead(&visit, dead),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_language_keeps_the_rest_of_the_address() {
        let uri = "/connect/t?companyName=A%26B&lang=en".parse().unwrap();
        let visit = Visit::of(&uri, &HeaderMap::new());

        assert_eq!(visit.parameter("companyName"), Some("A&B"));
        assert_eq!(visit.language(Some("es")), Language::English);
        let spanish = visit.in_language(Language::Spanish);
        assert_eq!(spanish, "/connect/t?companyName=A%26B&lang=es");
    }
}
