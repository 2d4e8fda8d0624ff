//! The client of the Graph: one way to call it, and one error.
//!
//! A token goes to the Graph's host and to the hosts of media only: redirects are not followed, proxies
//! from the environment not used, and other addresses that answers name not visited.

mod media;
mod message;
mod number;
mod signup;
mod waba;

use std::{error::Error as _, fmt, iter, time::Duration};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{
    Client, Method, Response, StatusCode,
    multipart::{Form, Part},
    redirect,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;
use tokio::time::Instant;
use url::Url;

pub use self::{
    media::{Download, MediaInfo},
    message::{SentReceipt, Template},
    number::{AppData, Phone},
    signup::{BusinessToken, TokenInfo},
    waba::{PhoneSummary, Subscription},
};
use crate::{AppId, ErrorClass, GraphError, Options};

/// Longest answer that is read. The longest real ones, lists of a hundred templates, stay below.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// How long to wait before each further try of a call that only reads.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];
/// Pages of a list that are read at most, and how long each is.
const PAGES_MAX: usize = 20;
const PAGE_LEN: &str = "100";
/// Slowest upload that is waited for, in bytes a second.
const UPLOAD_PACE: usize = 128 * 1024;
/// Idle connections kept per host.
const IDLE_PER_HOST_MAX: usize = 8;

/// What a customer gave us to call the Graph with.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token of a system user, or of Embedded Signup.
    pub token: SecretString,
    /// The app's secret. When it is there, every call proves that we have it.
    pub app_secret: Option<SecretString>,
}

impl Access {
    /// The app itself: `id|secret`.
    fn of_app(app: &AppId, secret: &SecretString) -> Self {
        let token = format!("{app}|{}", secret.expose_secret());
        Self { token: token.into(), app_secret: Some(secret.clone()) }
    }

    /// The token, if it can stand in a header.
    fn sendable_token(&self) -> Result<&str, GraphError> {
        let token = self.token.expose_secret();
        if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(token);
        }
        let text = "an access token is one word of letters, digits and signs";
        Err(GraphError::refusal(ErrorClass::Credentials, text))
    }

    fn proof(&self) -> Option<String> {
        self.app_secret.as_ref().map(|secret| appsecret_proof(&self.token, secret))
    }
}

/// Shows that whoever holds `token` has the app's secret too: lower-case hexadecimal HMAC-SHA256.
pub fn appsecret_proof(token: &SecretString, secret: &SecretString) -> String {
    hex::encode(hmac(secret, token.expose_secret().as_bytes()))
}

/// HMAC-SHA256 with an app's secret as key.
pub(crate) fn hmac(secret: &SecretString, message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so this never falls back.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return [0; 32];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configured address of the Graph is none.
    #[error("meta.graph_url is not an address")]
    Url(#[source] url::ParseError),
    /// No TLS, or no trusted certificates.
    #[error("the HTTP client of the Graph cannot be built")]
    Client(#[source] reqwest::Error),
}

/// The client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Graph {
    client: Client,
    base: Url,
    version: String,
    media_hosts: Vec<String>,
    timeout: Duration,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("base", &self.base.as_str())
            .field("version", &self.version)
            .field("media_hosts", &self.media_hosts)
            .finish_non_exhaustive()
    }
}

impl Graph {
    /// Builds the client.
    ///
    /// # Errors
    ///
    /// [`BuildError`], when the options are no good or the machine has no certificates.
    pub fn new(options: &Options) -> Result<Self, BuildError> {
        let base = Url::parse(&options.graph_url).map_err(BuildError::Url)?;
        // The whole process has one; whoever is first says which.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .user_agent(concat!("Ramal/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .https_only(base.scheme() == "https")
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build()
            .map_err(BuildError::Client)?;
        Ok(Self {
            client,
            base,
            version: options.version.clone(),
            media_hosts: options.media_hosts.clone(),
            timeout: options.timeout,
        })
    }

    /// Calls the Graph. What only reads is tried up to three times, when Meta was not reached or asks to
    /// try again; anything else once: there is no way to tell Meta that two requests are the same.
    async fn call(&self, call: Call<'_>) -> Result<Value, GraphError> {
        let started = Instant::now();
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            let error = match self.try_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let may_help = matches!(error.class, ErrorClass::Transient | ErrorClass::Unreachable);
            let in_time = started.elapsed() < self.timeout;
            match pauses.next() {
                Some(&pause) if call.only_reads && may_help && in_time => {
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn try_once(&self, call: &Call<'_>) -> Result<Value, GraphError> {
        let started = Instant::now();
        let result = self.exchange(call).await;
        // Paths hold ids only; queries hold secrets, and are not logged.
        tracing::debug!(
            graph.method = %call.method,
            graph.path = call.path.join("/"),
            graph.class = ?result.as_ref().err().map(|error| error.class),
            graph.code = result.as_ref().err().and_then(|error| error.code),
            graph.trace = result.as_ref().err().and_then(GraphError::trace),
            duration_ms = started.elapsed().as_millis(),
            "called the Graph"
        );
        result
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Value, GraphError> {
        let proof = call.access.and_then(Access::proof);
        let mut url = self.url(call.path)?;
        if proof.is_some() || !call.query.is_empty() {
            let query = call.query.iter().map(|(name, value)| (*name, value.as_str()));
            let proof = proof.as_deref().map(|proof| ("appsecret_proof", proof));
            url.query_pairs_mut().extend_pairs(query.chain(proof));
        }
        let mut request = self.client.request(call.method.clone(), url).timeout(self.timeout);
        if let Some(access) = call.access {
            request = request.bearer_auth(access.sendable_token()?);
        }
        let request = match &call.body {
            Body::None => request,
            Body::Json(body) => request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            Body::File(file) => {
                let pace = Duration::from_secs((file.bytes.len() / UPLOAD_PACE) as u64);
                request.timeout(self.timeout.saturating_add(pace)).multipart(file.form()?)
            }
        };
        let response = request.send().await.map_err(|error| broken(error, call.only_reads))?;
        self.answer(response, call, proof.as_deref()).await
    }

    async fn answer(
        &self,
        response: Response,
        call: &Call<'_>,
        proof: Option<&str>,
    ) -> Result<Value, GraphError> {
        let status = response.status();
        let body = read(response, call.only_reads).await?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        let mut secrets = call.secrets.clone();
        secrets.extend(proof);
        secrets.extend(call.access.map(|access| access.token.expose_secret()));
        secrets.extend(
            call.access
                .and_then(|access| access.app_secret.as_ref())
                .map(SecretString::expose_secret),
        );
        let error = answer.as_ref().and_then(|answer| answer.get("error"));
        if let Some(error) = error.and_then(|error| GraphError::from_answer(error, &secrets)) {
            return Err(error);
        }
        match answer {
            Some(answer) if status.is_success() && error.is_none() => Ok(answer),
            _ => Err(not_understood(status, call.only_reads)),
        }
    }

    /// Reads a list to its end, by cursor: the `next` of an answer is an address, and not followed.
    async fn list(
        &self,
        path: &[&str],
        query: &[(&'static str, &str)],
        access: &Access,
    ) -> Result<Vec<Value>, GraphError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        for _page in 0..PAGES_MAX {
            let mut call = Call::get(path, access).query("limit", PAGE_LEN);
            for (name, value) in query {
                call = call.query(name, value);
            }
            if let Some(after) = &after {
                call = call.query("after", after);
            }
            let mut answer = self.call(call).await?;
            let Some(page) = answer.get_mut("data").and_then(Value::as_array_mut) else {
                return Err(GraphError::local(ErrorClass::Unexpected, "a list without data"));
            };
            if page.is_empty() {
                break;
            }
            items.append(page);
            let paging = answer.get("paging");
            let next = paging
                .filter(|paging| paging.get("next").is_some())
                .and_then(|paging| paging.pointer("/cursors/after"))
                .and_then(Value::as_str);
            match next {
                Some(cursor) if after.as_deref() != Some(cursor) => after = Some(cursor.to_owned()),
                _ => break,
            }
        }
        Ok(items)
    }

    fn url(&self, path: &[&str]) -> Result<Url, GraphError> {
        // The parser would drop these from a path, and name another node.
        let is_name = |part: &&str| !part.is_empty() && !part.bytes().all(|byte| byte == b'.');
        let mut url = self.base.clone();
        let fits = path.iter().all(is_name);
        match url.path_segments_mut() {
            Ok(mut segments) if fits => {
                segments.pop_if_empty().push(&self.version).extend(path);
            }
            _ => return Err(GraphError::refusal(ErrorClass::Invalid, "this cannot be an id")),
        }
        Ok(url)
    }
}

/// What a call sends.
#[derive(Debug)]
enum Body {
    None,
    Json(Value),
    File(File),
}

/// A file for `/media`.
#[derive(Debug)]
struct File {
    mime: String,
    name: String,
    bytes: Bytes,
}

impl File {
    fn form(&self) -> Result<Form, GraphError> {
        let length = self.bytes.len() as u64;
        let part = Part::stream_with_length(self.bytes.clone(), length)
            .file_name(self.name.clone())
            .mime_str(&self.mime)
            .map_err(|_not_a_type| {
                GraphError::refusal(ErrorClass::Invalid, "this is no media type")
            })?;
        Ok(Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", self.mime.clone())
            .part("file", part))
    }
}

/// One call of the Graph.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: Vec<(&'a str, String)>,
    body: Body,
    access: Option<&'a Access>,
    /// Whether it changes nothing, so that it may be repeated.
    only_reads: bool,
    /// What must not show in errors, beside what `access` holds.
    secrets: Vec<&'a str>,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self {
            only_reads: method == Method::GET,
            method,
            path,
            query: Vec::new(),
            body: Body::None,
            access: None,
            secrets: Vec::new(),
        }
    }

    fn get(path: &'a [&'a str], access: &'a Access) -> Self {
        Self { access: Some(access), ..Self::new(Method::GET, path) }
    }

    fn post(path: &'a [&'a str], access: &'a Access) -> Self {
        Self { access: Some(access), ..Self::new(Method::POST, path) }
    }

    fn delete(path: &'a [&'a str], access: &'a Access) -> Self {
        Self { access: Some(access), ..Self::new(Method::DELETE, path) }
    }

    fn query(mut self, name: &'a str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    fn secret(mut self, secret: &'a SecretString) -> Self {
        self.secrets.push(secret.expose_secret());
        self
    }
}

/// An answer without Graph's words. To a read that is a reason to try again; a change may have been made.
fn not_understood(status: StatusCode, only_reads: bool) -> GraphError {
    let class = match (status, only_reads) {
        (StatusCode::TOO_MANY_REQUESTS, _) => ErrorClass::Throttled,
        (StatusCode::UNAUTHORIZED, _) => ErrorClass::Credentials,
        (_, true) if status.is_server_error() => ErrorClass::Transient,
        (_, false) if status.is_server_error() || status.is_success() => ErrorClass::TimedOut,
        _ => ErrorClass::Unexpected,
    };
    GraphError::local(class, &format!("status {}", status.as_u16()))
}

/// The request, or its answer, was lost.
fn broken(error: reqwest::Error, only_reads: bool) -> GraphError {
    // The address holds the proof, and sometimes a token.
    let error = error.without_url();
    let class = if error.is_connect() {
        ErrorClass::Unreachable
    } else if error.is_builder() {
        ErrorClass::Invalid
    } else if only_reads && !error.is_timeout() {
        ErrorClass::Transient
    } else {
        ErrorClass::TimedOut
    };
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let mut causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.dedup();
    GraphError::local(class, &causes.join(": "))
}

/// Reads an answer, up to a limit.
async fn read(mut response: Response, only_reads: bool) -> Result<Vec<u8>, GraphError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(error, only_reads))? {
        if body.len() + chunk.len() > ANSWER_MAX {
            let class = if only_reads { ErrorClass::Unexpected } else { ErrorClass::TimedOut };
            return Err(GraphError::local(class, "the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both vectors of meta.md 12; the second is the form with a time, which nothing here sends.
    #[test]
    fn the_published_proofs() {
        let (secret, token) = ("614fc2afde15eee07a26b2fe3eaee9b9".into(), "EAAJtesttoken".into());

        assert_eq!(
            appsecret_proof(&token, &secret),
            "7a8494b29e59bf27b7e653f0a7b6bb2ebb4e01dce85f67c4cc0c8c6e5ac26244"
        );
        assert_eq!(
            hex::encode(hmac(&secret, b"EAAJtesttoken|1750000000")),
            "8b66a96278dd1ea0e4e21550b8fb9768c24785af6ba3de7b9ef9303ff5327ca0"
        );
    }

    #[test]
    fn a_path_names_what_was_asked_for() {
        let graph_url = "https://example.com/proxy/".to_owned();
        let graph = Graph::new(&Options { graph_url, ..Options::default() }).unwrap();
        let url = |path: &[&str]| graph.url(path).map(String::from);

        assert_eq!(
            url(&["12345", "messages"]).unwrap(),
            "https://example.com/proxy/v25.0/12345/messages"
        );
        assert_eq!(url(&["1/2?x"]).unwrap(), "https://example.com/proxy/v25.0/1%2F2%3Fx");
        for part in ["", ".", ".."] {
            assert_eq!(url(&["12345", part]).unwrap_err().class, ErrorClass::Invalid, "{part}");
        }
        let none = Options { graph_url: "graph".to_owned(), ..Options::default() };
        assert!(matches!(Graph::new(&none), Err(BuildError::Url(_))));
    }
}
