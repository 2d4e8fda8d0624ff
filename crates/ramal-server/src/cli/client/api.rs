//! The v1 API, as this client needs it: JSON in and out, and streams of events.

use std::time::Duration;

use reqwest::{
    Client, Method, RequestBuilder, Response, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    failure::Failure,
    sse::{Message, Parser},
};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take: above the server's own patience with WhatsApp, and enough for a film over
/// a slow line.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
/// How long a stream may be silent: three of its signs of life.
const SILENCE_MAX: Duration = Duration::from_secs(45);
const SILENT: &str = "it does not answer in time";

const KEY_REFUSED: &str =
    "the server does not accept this key: it is mistyped, replaced, or of a deleted number";

/// The API of one server, with one key.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    base: Url,
    key: HeaderValue,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask<'a> {
    /// The number that it acts on, for a tenant's key.
    pub(super) number: Option<&'a str>,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, &'a str)>,
    /// What is asked for.
    pub(super) query: Vec<(&'static str, String)>,
    /// What is sent.
    pub(super) body: Option<Value>,
}

impl Api {
    pub(super) fn new(base: Url, key: &SecretString) -> Result<Self, Failure> {
        let mut key = HeaderValue::from_str(key.expose_secret().trim())
            .map_err(|_odd| Failure::Key("the key has characters that no key has"))?;
        key.set_sensitive(true);
        // The first one stays.
        drop(rustls::crypto::ring::default_provider().install_default());
        let local = base.host_str().is_some_and(is_loopback);
        let client = Client::builder()
            .user_agent(concat!("ramal/", env!("CARGO_PKG_VERSION")))
            // The key is for this server and no other.
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT);
        // No proxy knows the way to this machine.
        let client = if local { client.no_proxy() } else { client };
        let client = client.build().map_err(|error| Failure::Failed(error.into()))?;
        Ok(Self { client, base, key })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A request that is answered with JSON.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &[&str],
        ask: &Ask<'_>,
    ) -> Result<Value, Failure> {
        let request = self.request(method, path, ask)?.timeout(ANSWER_TIMEOUT);
        let response = self.accepted(request.send().await).await?;
        let text = response.text().await.map_err(|error| self.lost(&error))?;
        serde_json::from_str(&text).map_err(|_odd| self.stranger(200))
    }

    /// `GET`.
    pub(super) async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.call(Method::GET, path, &Ask::default()).await
    }

    /// A stream of events.
    pub(super) async fn stream(&self, path: &[&str], ask: &Ask<'_>) -> Result<Stream<'_>, Failure> {
        let request = self.request(Method::GET, path, ask)?;
        let sent = timeout(SILENCE_MAX, request.header(ACCEPT, "text/event-stream").send()).await;
        let response = self.accepted(sent.map_err(|_late| self.unreachable(SILENT))?).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(self.stranger(response.status().as_u16()));
        }
        Ok(Stream { api: self, response, parser: Parser::default() })
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        ask: &Ask<'_>,
    ) -> Result<RequestBuilder, Failure> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            // What a person typed stays one segment, whatever is in it.
            Ok(mut segments) => {
                segments.pop_if_empty().push("v1").extend(path);
            }
            Err(()) => return Err(Failure::usage(format!("{} has no paths", self.url()))),
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request = self.client.request(method, url).header("x-api-key", self.key.clone());
        if let Some(number) = ask.number {
            request = request.header("x-whatsapp-number-id", number);
            // A key of another number would act on its own, and nobody would see it.
            request = request.header("x-whatsapp-number-strict", "1");
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = &ask.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        Ok(request)
    }

    /// The answer, unless it is a refusal.
    async fn accepted(&self, sent: reqwest::Result<Response>) -> Result<Response, Failure> {
        let response = sent.map_err(|error| {
            if error.is_builder() {
                return Failure::usage("what is named has characters that cannot be sent");
            }
            self.lost(&error)
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.map_err(|error| self.lost(&error))?;
        Err(self.refusal(status.as_u16(), &text))
    }

    fn refusal(&self, status: u16, text: &str) -> Failure {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        match (status, field("error")) {
            (_, None) => self.stranger(status),
            (401, Some(_)) => Failure::Key(KEY_REFUSED),
            (_, Some(sentence)) => {
                Failure::Refused { status, code: field("code").unwrap_or_default(), sentence }
            }
        }
    }

    /// What answers is not the API.
    fn stranger(&self, status: u16) -> Failure {
        let sentence = format!(
            "what answers at {} is no Ramal server, or is one behind a proxy \
             that fails",
            self.url()
        );
        Failure::Refused { status, code: String::new(), sentence }
    }

    fn lost(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_connect() {
            "is it running there? --url or RAMAL_URL says where it is"
        } else if error.is_timeout() {
            SILENT
        } else {
            "the connection broke"
        };
        self.unreachable(why)
    }

    fn unreachable(&self, why: &'static str) -> Failure {
        Failure::Unreachable { url: self.url().to_owned(), why }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// A stream of events.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    api: &'a Api,
    response: Response,
    parser: Parser,
}

impl Stream<'_> {
    /// The next event; `None` when the server has ended the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            if let Some(message) = self.parser.pop() {
                return Ok(Some(message));
            }
            let chunk = timeout(SILENCE_MAX, self.response.chunk()).await;
            match chunk.map_err(|_silent| self.api.unreachable(SILENT))? {
                Ok(Some(bytes)) => self.parser.push(&bytes).map_err(Failure::Failed)?,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.api.lost(&error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        Api::new("https://wa.acme.com/ramal/".parse().unwrap(), &"ps_secret".into()).unwrap()
    }

    #[test]
    fn what_a_person_typed_stays_one_segment_and_the_key_is_not_shown() {
        let ask = Ask { query: vec![("since", "a b&c".to_owned())], ..Ask::default() };
        let request = api().request(Method::GET, &["numbers", "wa_1/../x?y"], &ask).unwrap();
        let request = request.build().unwrap();

        let url = request.url().as_str();
        assert_eq!(url, "https://wa.acme.com/ramal/v1/numbers/wa_1%2F..%2Fx%3Fy?since=a+b%26c");
        assert_eq!(request.headers()["x-api-key"], "ps_secret");
        assert!(!format!("{request:?} {:?}", api()).contains("ps_secret"));
    }

    #[test]
    fn refusals_are_told_apart() {
        let body = r#"{"error": "there is no such number", "code": "NUMBER_NOT_FOUND"}"#;
        assert!(api().refusal(404, body).is("NUMBER_NOT_FOUND"));
        assert_eq!(api().refusal(401, body).code(), 4);
        let proxy = api().refusal(502, "<html>Bad gateway</html>");
        assert!(proxy.may_pass());
        let shown = proxy.complaint().unwrap().to_string();
        assert!(shown.contains("https://wa.acme.com/ramal is no Ramal server"), "{shown}");
    }

    #[test]
    fn no_proxy_is_asked_about_this_machine() {
        for (host, local) in
            [("localhost", true), ("127.0.0.1", true), ("[::1]", true), ("wa.acme.com", false)]
        {
            assert_eq!(is_loopback(host), local, "{host}");
        }
    }
}
