//! The one client for outbound traffic that customers direct.
//!
//! A target is checked twice: by [`check_target`] as text, when it is stored and again before every
//! request (IP literals never reach a resolver), and by address when its name is resolved. The
//! connection goes to the address that was checked, so a name that changes its mind in between
//! gains nothing. Redirects are not followed and proxies not used: both would go around the check.

use std::{
    error::Error,
    io, iter,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::{Options, address::is_public};

/// Longest webhook address that is accepted. Browsers and servers agree on about this.
const URL_LEN_MAX: usize = 2_048;
/// Idle connections kept per host: enough for a busy webhook, few for thousands of quiet ones.
const IDLE_PER_HOST_MAX: usize = 2;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Names that never lead to the public Internet (RFC 6761, RFC 6762, and ICANN for `internal`).
const CLOSED_NAMES: [&str; 3] = ["localhost", "local", "internal"];

/// Why a URL cannot be the target of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("the URL is malformed: {0}")]
    Malformed(url::ParseError),
    /// Longer than anyone needs.
    #[error("the URL is longer than 2048 characters")]
    TooLong,
    /// Another scheme.
    #[error("the URL must start with https://")]
    Scheme,
    /// `user:password@`: it would end up in logs.
    #[error("the URL must not contain a user name or a password")]
    UserInfo,
    /// No host, such as `https:///path`.
    #[error("the URL names no host")]
    NoHost,
    /// Port 0, which nobody listens on.
    #[error("the URL names port 0")]
    Port,
    /// Loopback, private, link-local and so on.
    #[error("the URL leads to an address that is not on the public Internet")]
    NotPublic,
}

/// Checks that `url` can be the target of a webhook, as far as the text tells. The name is resolved,
/// and the address checked, with every request.
///
/// # Errors
///
/// [`TargetError`], whose text is fit for the customer.
pub fn check_target(url: &str, options: &Options) -> Result<Url, TargetError> {
    if url.len() > URL_LEN_MAX {
        return Err(TargetError::TooLong);
    }
    let url = Url::parse(url).map_err(TargetError::Malformed)?;
    let scheme_fits = url.scheme() == "https" || (options.allow_private && url.scheme() == "http");
    if !scheme_fits {
        return Err(TargetError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::UserInfo);
    }
    if url.port() == Some(0) {
        return Err(TargetError::Port);
    }
    let public = match url.host().ok_or(TargetError::NoHost)? {
        Host::Domain(name) => !is_closed_name(name),
        Host::Ipv4(address) => is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => is_public(IpAddr::V6(address)),
    };
    if public || options.allow_private { Ok(url) } else { Err(TargetError::NotPublic) }
}

/// The URL parser has lower-cased the name.
fn is_closed_name(name: &str) -> bool {
    name.trim_end_matches('.').rsplit('.').next().is_none_or(|top| CLOSED_NAMES.contains(&top))
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
    /// Sorts by type, not by text. The resolver's refusal lies deep in the chain.
    fn from_client(error: reqwest::Error, timeout: Duration) -> Self {
        let refused = chain(&error).find_map(|cause| cause.downcast_ref::<TargetError>());
        match refused {
            Some(&target) => Self::Target(target),
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
        Self::with_lookup(options, system_lookup)
    }

    fn with_lookup(options: &Options, lookup: Lookup) -> Result<Self, EgressError> {
        let allow_private = options.allow_private;
        // The whole process has one; whoever is first says which.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .user_agent(concat!("Ramal/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .https_only(!options.allow_private)
            .connect_timeout(options.attempt_timeout)
            .read_timeout(options.attempt_timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .dns_resolver(Arc::new(GuardedResolver { allow_private, lookup }))
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

/// Finds the addresses of a name.
type Lookup = fn(&str) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>>;

fn system_lookup(name: &str) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
    async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed()
}

/// The system's resolver, whose answers pass only when they are public. The client asks it for every
/// connection that it opens, and connects to what it answers: nobody resolves the name again.
#[derive(Debug)]
struct GuardedResolver {
    allow_private: bool,
    lookup: Lookup,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow_private, lookup) = (self.allow_private, self.lookup);
        Box::pin(async move {
            let found = lookup(name.as_str()).await?;
            let fit: Vec<_> = found
                .into_iter()
                .filter(|address| allow_private || is_public(address.ip()))
                .collect();
            if fit.is_empty() {
                return Err(TargetError::NotPublic.into());
            }
            let fit: Addrs = Box::new(fit.into_iter());
            Ok(fit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        str::FromStr as _,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use proptest::prelude::*;

    use super::*;

    fn strict() -> Options {
        Options::default()
    }

    fn sandbox() -> Options {
        Options { allow_private: true, ..Options::default() }
    }

    #[test]
    fn targets_are_refused_for_the_first_thing_wrong_with_them() {
        use TargetError::{NoHost, NotPublic, Port, Scheme, UserInfo};
        for (url, expected) in [
            ("https://hooks.example.com/ramal?tenant=1", None),
            ("https://hooks.example.com:8443/", None),
            ("https://8.8.8.8/", None),
            ("https://[2606:4700:4700::1111]/", None),
            ("https://hooks.example.com:0/", Some(Port)),
            ("http://hooks.example.com/", Some(Scheme)),
            ("ftp://hooks.example.com/", Some(Scheme)),
            ("file:///etc/passwd", Some(Scheme)),
            ("https://user@hooks.example.com/", Some(UserInfo)),
            ("https://:secret@hooks.example.com/", Some(UserInfo)),
            ("https://hooks.example.com@127.0.0.1/", Some(UserInfo)),
            ("https://", Some(TargetError::Malformed(url::ParseError::EmptyHost))),
            (
                "hooks.example.com",
                Some(TargetError::Malformed(url::ParseError::RelativeUrlWithoutBase)),
            ),
            ("https://localhost/", Some(NotPublic)),
            ("https://LOCALHOST./", Some(NotPublic)),
            ("https://db.localhost/", Some(NotPublic)),
            ("https://printer.local/", Some(NotPublic)),
            ("https://metadata.google.internal/", Some(NotPublic)),
            ("https://127.0.0.1/", Some(NotPublic)),
            ("https://127.1/", Some(NotPublic)),
            ("https://2130706433/", Some(NotPublic)),
            ("https://0x7f000001/", Some(NotPublic)),
            ("https://0177.0.0.1/", Some(NotPublic)),
            ("https://①②⑦.⓪.⓪.①/", Some(NotPublic)),
            ("https://169.254.169.254/latest/meta-data/", Some(NotPublic)),
            ("https://[::1]/", Some(NotPublic)),
            ("https://[::ffff:10.0.0.1]/", Some(NotPublic)),
            ("https://[fd00:ec2::254]/", Some(NotPublic)),
        ] {
            assert_eq!(check_target(url, &strict()).err(), expected, "{url}");
        }
        // The parser leaves nothing without a host under these schemes; the variant is a belt.
        assert_ne!(check_target("https:///path", &strict()).err(), Some(NoHost));
        let long = format!("https://hooks.example.com/{}", "x".repeat(URL_LEN_MAX));
        assert_eq!(check_target(&long, &strict()).err(), Some(TargetError::TooLong));
    }

    #[test]
    fn the_sandbox_may_go_anywhere_but_with_a_password() {
        assert!(check_target("http://127.0.0.1:8080/hook", &sandbox()).is_ok());
        assert!(check_target("http://localhost/hook", &sandbox()).is_ok());
        assert_eq!(
            check_target("http://me:you@127.0.0.1/", &sandbox()),
            Err(TargetError::UserInfo)
        );
        assert_eq!(check_target("gopher://127.0.0.1/", &sandbox()), Err(TargetError::Scheme));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused_by_type() {
        let egress = Egress::new(&strict()).unwrap();
        // `check_target` would refuse the name; ask the client itself, as a customer's own domain
        // that points to 127.0.0.1 would.
        let error = egress.client.post("https://localhost/").send().await.unwrap_err();

        let error = AttemptError::from_client(error, Duration::ZERO);
        assert!(matches!(error, AttemptError::Target(TargetError::NotPublic)), "{error:?}");
    }

    /// A name server in an attacker's hand: public the first time, ours from then on.
    fn rebinding(_name: &str) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let first = ASKED.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if first { [93, 184, 216, 34] } else { [169, 254, 169, 254] };
        async move { Ok(vec![SocketAddr::from((address, 0))]) }.boxed()
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_judged_at_every_connection() {
        let name = || Name::from_str("rebind.example.com").unwrap();
        let resolver = GuardedResolver { allow_private: false, lookup: rebinding };
        let first: Vec<_> = resolver.resolve(name()).await.unwrap().collect();
        assert!(first.iter().all(|address| is_public(address.ip())), "{first:?}");

        let error = resolver.resolve(name()).await.err().unwrap();
        assert!(error.downcast_ref::<TargetError>().is_some(), "{error:?}");
        // And so through the client, which does not resolve on its own.
        let egress = Egress::with_lookup(&strict(), rebinding).unwrap();
        let headers = ["a", "b", "c", "d"].map(|name| (name, String::new()));
        let error = egress.post("https://rebind.example.com/", headers, String::new()).await;
        let error = error.unwrap_err();
        assert!(matches!(error, AttemptError::Target(TargetError::NotPublic)), "{error:?}");
    }

    /// One public address among private ones does not let the others in.
    fn mixed(_name: &str) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        let addresses = ["10.0.0.1:0", "93.184.216.34:0", "[::ffff:127.0.0.1]:0", "100.64.0.1:0"];
        async move { Ok(addresses.iter().map(|text| text.parse().unwrap()).collect()) }.boxed()
    }

    #[tokio::test]
    async fn of_several_addresses_only_the_public_ones_are_dialled() {
        let resolver = GuardedResolver { allow_private: false, lookup: mixed };

        let fit = resolver.resolve("mixed.example.com".parse().unwrap()).await.unwrap();
        let fit: Vec<_> = fit.map(|address| address.ip().to_string()).collect();
        assert_eq!(fit, ["93.184.216.34"]);
    }

    #[tokio::test]
    async fn the_resolver_of_the_sandbox_answers() {
        let resolver = GuardedResolver { allow_private: true, lookup: system_lookup };
        let found = resolver.resolve("localhost".parse().unwrap()).await.unwrap();

        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn errors_do_not_show_the_url() {
        let egress = Egress::new(&sandbox()).unwrap();
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

    proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_never_reaches_a_private_address(
            text in "(https://)?\\PC{0,40}"
        ) {
            if let Ok(url) = check_target(&text, &strict()) {
                let closed = match url.host() {
                    Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
                    Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
                    Some(Host::Domain(_)) => false,
                    None => true,
                };
                prop_assert!(!closed && url.scheme() == "https", "{url}");
            }
        }

        #[test]
        fn an_address_as_a_number_is_an_address(bits in any::<u32>()) {
            let public = is_public(IpAddr::V4(bits.into()));
            for url in [format!("https://{bits}/"), format!("https://{bits:#x}/")] {
                prop_assert_eq!(check_target(&url, &strict()).is_ok(), public, "{}", url);
            }
        }
    }
}
