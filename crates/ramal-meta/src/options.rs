//! `[meta]` of the configuration: the part that the client needs.

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de};
use url::{Host, Url};

use crate::AppId;

/// Longest name and port of a media host.
const HOST_LEN_MAX: usize = 260;

/// `[meta]`: where the Graph is, and the operator's own app.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where the Graph API is. `http://` is for a loopback address only.
    pub graph_url: String,
    /// Its version, such as `v25.0`.
    pub version: String,
    /// Hosts that media are downloaded from, with the token: `host` or `host:port`.
    pub media_hosts: Vec<String>,
    /// How long connecting may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a call may take, connecting included; of downloads, how long nothing may come.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The id of the operator's own app, for Embedded Signup; empty: there is none.
    #[serde(deserialize_with = "text_or_digits")]
    pub app_id: String,
    /// That app's secret.
    pub app_secret: SecretString,
    /// The id of its Login for Business configuration.
    #[serde(deserialize_with = "text_or_digits")]
    pub config_id: String,
    /// What Meta says when it verifies the app-wide callback.
    pub verify_token: SecretString,
    /// Meta's script for browsers.
    pub sdk_url: String,
    /// Where the messages of Meta's dialog may come from: `https://host` or `https://*.host`.
    pub login_origins: Vec<String>,
    /// How often Meta is asked about each official number.
    #[serde(with = "humantime_serde")]
    pub poll_every: Duration,
    /// How long a status is waited for after a send that Meta did not answer, before it counts as failed.
    #[serde(with = "humantime_serde")]
    pub confirm_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            graph_url: "https://graph.facebook.com".to_owned(),
            version: "v25.0".to_owned(),
            media_hosts: vec!["lookaside.fbsbx.com".to_owned()],
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
            app_id: String::new(),
            app_secret: SecretString::default(),
            config_id: String::new(),
            verify_token: SecretString::default(),
            sdk_url: "https://connect.facebook.net/en_US/sdk.js".to_owned(),
            login_origins: vec![
                "https://facebook.com".to_owned(),
                "https://*.facebook.com".to_owned(),
            ],
            poll_every: Duration::from_mins(10),
            confirm_within: Duration::from_mins(2),
        }
    }
}

impl Options {
    /// Whether the operator has an app for Embedded Signup.
    pub fn signup_configured(&self) -> bool {
        !self.app_id.is_empty()
    }

    /// Adds what is wrong with this section to `problems`.
    pub fn check(&self, problems: &mut Vec<String>) {
        let mut claim = |holds: bool, problem: &str| {
            if !holds {
                problems.push(format!("meta.{problem}"));
            }
        };
        claim(
            is_fit_url(&self.graph_url),
            "graph_url must be an https:// address without query, or http:// of a loopback address",
        );
        claim(is_version(&self.version), "version must look like v25.0");
        claim(
            self.media_hosts.iter().all(|host| is_host(host)),
            "media_hosts must be host names, with a port or without",
        );
        claim(!self.connect_timeout.is_zero(), "connect_timeout must not be zero");
        claim(!self.timeout.is_zero(), "timeout must not be zero");
        claim(!self.poll_every.is_zero(), "poll_every must not be zero");
        claim(
            self.confirm_within >= self.timeout * 2,
            "confirm_within must be twice as long as timeout at least",
        );
        claim(
            is_fit_url(&self.sdk_url),
            "sdk_url must be an https:// address without query, or http:// of a loopback address",
        );
        claim(
            self.login_origins.iter().all(|origin| is_origin(origin)),
            "login_origins must be origins, such as https://*.facebook.com",
        );
        claim(
            self.app_id.is_empty() || self.app_id.parse::<AppId>().is_ok(),
            "app_id must be 5 to 20 digits",
        );
        let given = [
            !self.app_id.is_empty(),
            !self.app_secret.expose_secret().is_empty(),
            !self.config_id.is_empty(),
            !self.verify_token.expose_secret().is_empty(),
        ];
        claim(
            given.iter().all(|&is| is) || !given.iter().any(|&is| is),
            "app_id, app_secret, config_id and verify_token must be given together, or none of them",
        );
    }
}

/// `v`, digits, a dot, digits.
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

/// Whether the token may go there: TLS, or this very machine.
pub(crate) fn is_fit_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let scheme_fits = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    plain && scheme_fits && url.has_host()
}

/// Whether an address names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `host` or `host:port`, and nothing else.
fn is_host(text: &str) -> bool {
    let named =
        !text.is_empty() && text.len() <= HOST_LEN_MAX && !text.contains(['/', '?', '#', '@']);
    named && Url::parse(&format!("https://{text}/")).is_ok_and(|url| url.has_host())
}

fn is_origin(text: &str) -> bool {
    let plain = text.replacen("://*.", "://", 1);
    is_fit_url(&plain)
        && !plain.ends_with('/')
        && Url::parse(&plain).is_ok_and(|url| url.path() == "/")
}

/// An environment variable that holds digits only arrives as a number.
fn text_or_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;

    impl de::Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an id of Meta's")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u128<E: de::Error>(self, number: u128) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    deserializer.deserialize_any(Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(options: &Options) -> Vec<String> {
        let mut problems = Vec::new();
        options.check(&mut problems);
        problems
    }

    #[test]
    fn the_defaults_contradict_nothing_and_there_is_no_app() {
        assert_eq!(problems(&Options::default()), Vec::<String>::new());
        assert!(!Options::default().signup_configured());
    }

    #[test]
    fn all_contradictions_are_collected() {
        let options = Options {
            graph_url: "http://graph.facebook.com".to_owned(),
            version: "25".to_owned(),
            media_hosts: vec!["https://lookaside.fbsbx.com".to_owned()],
            timeout: Duration::ZERO,
            app_id: "mine".to_owned(),
            login_origins: vec!["https://*.facebook.com/x".to_owned()],
            ..Options::default()
        };

        let problems = problems(&options);
        assert_eq!(problems.len(), 7, "{problems:#?}");
        assert!(problems.iter().all(|problem| problem.starts_with("meta.")), "{problems:?}");
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for url in
            ["http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:1", "https://x.org/graph"]
        {
            assert!(is_fit_url(url), "{url}");
        }
        for url in [
            "http://10.0.0.1",
            "http://localhost.example.com",
            "https://user@graph.facebook.com",
            "https://graph.facebook.com?x=1",
            "ftp://127.0.0.1",
            "graph.facebook.com",
        ] {
            assert!(!is_fit_url(url), "{url}");
        }
    }

    #[test]
    fn an_app_is_given_whole_and_is_not_shown() {
        let text = r#"{"app_id": 670843887433847, "app_secret": "hush-app", "config_id": "12",
            "verify_token": "hush-verify", "timeout": "3s"}"#;
        let options: Options = serde_json::from_str(text).unwrap();

        assert_eq!(options.app_id, "670843887433847");
        assert_eq!(options.timeout, Duration::from_secs(3));
        assert!(options.signup_configured());
        assert_eq!(problems(&options), Vec::<String>::new());
        assert!(!format!("{options:?}").contains("hush"), "{options:?}");

        assert!(serde_json::from_str::<Options>(r#"{"timeuot": "3s"}"#).is_err());
        let half = Options { config_id: String::new(), ..options };
        assert_eq!(problems(&half).len(), 1);
    }
}
