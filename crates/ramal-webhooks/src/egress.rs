//! The client that posts to webhooks; `ramal-egress` guards where it goes.

use std::{error::Error, iter, time::Duration};

use ramal_egress::{Policy, TargetError};
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::Options;

/// Idle connections kept per host: enough for a busy webhook, few for thousands of quiet ones.
const IDLE_PER_HOST_MAX: usize = 2;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Checks that `url` can be the target of a webhook, as far as the text tells. The name is resolved,
/// and the address checked, with every request.
///
/// # Errors
///
/// [`TargetError`], whose text is fit for the customer.
pub fn check_target(url: &str, options: &Options) -> Result<Url, TargetError> {
    policy(options).check(url)
}

const fn policy(options: &Options) -> Policy {
    Policy { plain: false, private: options.allow_private }
}

/// The outbound client cannot be built: no TLS, or no trusted certificates.
#[derive(Debug, thiserror::Error)]
#[error("the outbound HTTP client cannot be built")]
pub struct EgressError(#[from] reqwest::Error);

/// Why an attempt got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The target is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No connection, or it broke. Never shows the URL.
    #[error("{}", causes(.0))]
    Broken(reqwest::Error),
}

impl AttemptError {
    /// Sorts by type, not by text.
    fn from_client(error: reqwest::Error, timeout: Duration) -> Self {
        match TargetError::within(&error) {
            Some(target) => Self::Target(target),
            None if error.is_timeout() => Self::Timeout(timeout),
            None => Self::Broken(error.without_url()),
        }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The chain of causes on one line; some of the client's errors repeat their cause's text.
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

/// What a receiver answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its `Retry-After`, as it stands.
    pub(crate) retry_after: Option<String>,
    /// The beginning of its body; what is not UTF-8 is replaced.
    pub(crate) body: String,
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    client: Client,
    options: Options,
}

impl Egress {
    pub(crate) fn new(options: &Options) -> Result<Self, EgressError> {
        let client = policy(options)
            .client()
            .connect_timeout(options.attempt_timeout)
            .read_timeout(options.attempt_timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()?;
        Ok(Self { client, options: options.clone() })
    }

    /// Posts `body` as JSON. Ends within the attempt's deadline: once the head of the answer is
    /// there, a body that is slow or long is cut, not waited for.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: [(&'static str, String); 4],
        body: String,
    ) -> Result<Answer, AttemptError> {
        let timeout = self.options.attempt_timeout;
        let deadline = Instant::now() + timeout;
        let url = check_target(url, &self.options)?;
        let request = self.client.post(url).headers(header_map(headers)).body(body).send();
        let response = timeout_at(deadline, request)
            .await
            .map_err(|_elapsed| AttemptError::Timeout(timeout))?
            .map_err(|error| AttemptError::from_client(error, timeout))?;
        let retry_after = response.headers().get(RETRY_AFTER);
        Ok(Answer {
            status: response.status(),
            retry_after: retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned),
            body: read_start(response, self.options.response_limit, deadline).await,
        })
    }
}

fn header_map(signed: [(&'static str, String); 4]) -> HeaderMap {
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let signed = signed.into_iter().filter_map(|(name, value)| {
        // Ids, digits and base64 are always fit for a header.
        Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
    });
    iter::once(json).chain(signed).collect()
}

/// Reads at most `limit` bytes, until `deadline`; the status already says how the attempt ended.
async fn read_start(mut response: Response, limit: usize, deadline: Instant) -> String {
    let mut start = Vec::new();
    while start.len() < limit {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = limit.saturating_sub(start.len());
                start.extend(chunk.iter().take(room));
            }
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&start).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_do_not_show_the_url() {
        let egress = Egress::new(&Options { allow_private: true, ..Options::default() }).unwrap();
        let headers = [
            ("a", String::new()),
            ("b", String::new()),
            ("c", String::new()),
            ("d", String::new()),
        ];
        // Port 1 is closed on loopback.
        let error = egress
            .post("http://127.0.0.1:1/hook?token=hush", headers, String::new())
            .await
            .unwrap_err();

        assert!(matches!(error, AttemptError::Broken(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}
