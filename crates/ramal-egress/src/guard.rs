//! The guard of outbound traffic that customers direct.
//!
//! A target is checked twice: by [`Policy::check`] as text, when it is stored and again before every
//! request (IP literals never reach a resolver), and by address when its name is resolved. The
//! connection goes to the address that was checked, so a name that changes its mind in between
//! gains nothing. Redirects are not followed by the client and proxies not used: both would go around
//! the check.

use std::{
    error::Error,
    io, iter,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::{
    Client, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::{Host, Url};

use crate::address::is_public;

/// Longest address that is accepted. Browsers and servers agree on about this.
pub const URL_LEN_MAX: usize = 2_048;
/// Names that never lead to the public Internet (RFC 6761, RFC 6762, and ICANN for `internal`).
const CLOSED_NAMES: [&str; 3] = ["localhost", "local", "internal"];

/// Where customers may direct traffic to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `http://` besides `https://`.
    pub plain: bool,
    /// Addresses that are not on the public Internet, and `http://`: for the sandbox and tests.
    pub private: bool,
}

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("the URL is malformed: {0}")]
    Malformed(url::ParseError),
    /// Longer than anyone needs.
    #[error("the URL is longer than 2048 characters")]
    TooLong,
    /// Another scheme.
    #[error("the URL must start with {0}")]
    Scheme(&'static str),
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

impl TargetError {
    /// The refusal inside a client's error, if that is what it is. It lies deep in the chain.
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut chain = iter::successors(Some(error), |&error| error.source());
        chain.find_map(|cause| cause.downcast_ref::<Self>()).copied()
    }
}

impl Policy {
    /// Checks that `url` may be a target, as far as the text tells. The name is resolved, and the
    /// address checked, with every request.
    ///
    /// # Errors
    ///
    /// [`TargetError`], whose text is fit for the customer.
    pub fn check(self, url: &str) -> Result<Url, TargetError> {
        if url.len() > URL_LEN_MAX {
            return Err(TargetError::TooLong);
        }
        let url = Url::parse(url).map_err(TargetError::Malformed)?;
        let plain = self.plain || self.private;
        if url.scheme() != "https" && !(plain && url.scheme() == "http") {
            let schemes = if self.plain { "http:// or https://" } else { "https://" };
            return Err(TargetError::Scheme(schemes));
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
        if public || self.private { Ok(url) } else { Err(TargetError::NotPublic) }
    }

    /// A client that goes nowhere else.
    pub fn client(self) -> ClientBuilder {
        self.client_with(system_lookup)
    }

    /// [`Policy::client`] with another way to find the addresses of names: for tests of what a hostile
    /// name server can do.
    pub fn client_with(self, lookup: Lookup) -> ClientBuilder {
        let allow_private = self.private;
        // The whole process has one; whoever is first says which.
        drop(rustls::crypto::ring::default_provider().install_default());
        Client::builder()
            .user_agent(concat!("Ramal/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .https_only(!self.plain && !self.private)
            .dns_resolver(Arc::new(GuardedResolver { allow_private, lookup }))
    }
}

/// The URL parser has lower-cased the name.
fn is_closed_name(name: &str) -> bool {
    name.trim_end_matches('.').rsplit('.').next().is_none_or(|top| CLOSED_NAMES.contains(&top))
}

/// Finds the addresses of a name.
pub type Lookup = fn(&str) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>>;

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

    const STRICT: Policy = Policy { plain: false, private: false };
    const SANDBOX: Policy = Policy { plain: false, private: true };

    #[test]
    fn targets_are_refused_for_the_first_thing_wrong_with_them() {
        use TargetError::{NoHost, NotPublic, Port, UserInfo};
        const SCHEME: TargetError = TargetError::Scheme("https://");
        for (url, expected) in [
            ("https://hooks.example.com/ramal?tenant=1", None),
            ("https://hooks.example.com:8443/", None),
            ("https://8.8.8.8/", None),
            ("https://[2606:4700:4700::1111]/", None),
            ("https://hooks.example.com:0/", Some(Port)),
            ("http://hooks.example.com/", Some(SCHEME)),
            ("ftp://hooks.example.com/", Some(SCHEME)),
            ("file:///etc/passwd", Some(SCHEME)),
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
            assert_eq!(STRICT.check(url).err(), expected, "{url}");
        }
        // The parser leaves nothing without a host under these schemes; the variant is a belt.
        assert_ne!(STRICT.check("https:///path").err(), Some(NoHost));
        let long = format!("https://hooks.example.com/{}", "x".repeat(URL_LEN_MAX));
        assert_eq!(STRICT.check(&long).err(), Some(TargetError::TooLong));
    }

    #[test]
    fn the_sandbox_may_go_anywhere_but_with_a_password() {
        assert!(SANDBOX.check("http://127.0.0.1:8080/hook").is_ok());
        assert!(SANDBOX.check("http://localhost/hook").is_ok());
        assert_eq!(SANDBOX.check("http://me:you@127.0.0.1/"), Err(TargetError::UserInfo));
        assert_eq!(SANDBOX.check("gopher://127.0.0.1/"), Err(TargetError::Scheme("https://")));
    }

    #[test]
    fn media_may_come_in_the_clear_but_not_from_here() {
        let media = Policy { plain: true, private: false };
        assert!(media.check("http://files.example.com/a.png").is_ok());
        let other = Err(TargetError::Scheme("http:// or https://"));
        assert_eq!(media.check("ftp://files.example.com/a.png"), other);
        assert_eq!(media.check("http://127.0.0.1/a.png"), Err(TargetError::NotPublic));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused_by_type() {
        let client = STRICT.client().build().unwrap();
        // `check` would refuse the name; ask the client itself, as a customer's own domain that points
        // to 127.0.0.1 would.
        let error = client.post("https://localhost/").send().await.unwrap_err();

        assert_eq!(TargetError::within(&error), Some(TargetError::NotPublic), "{error:?}");
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
        let client = STRICT.client_with(rebinding).build().unwrap();
        let error = client.post("https://rebind.example.com/").send().await.unwrap_err();
        assert_eq!(TargetError::within(&error), Some(TargetError::NotPublic), "{error:?}");
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

    proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_never_reaches_a_private_address(
            text in "(https://)?\\PC{0,40}"
        ) {
            if let Ok(url) = STRICT.check(&text) {
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
                prop_assert_eq!(STRICT.check(&url).is_ok(), public, "{}", url);
            }
        }
    }
}
