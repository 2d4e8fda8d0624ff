//! Where the server is, and with which key.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use reqwest::Url;
use secrecy::SecretString;

use super::{api::Api, failure::Failure};
use crate::Config;

const NO_KEY: &str = "there is no key: set RAMAL_KEY, or name a file that holds it with --key-file \
     (the server prints the tenant's key at its first start, `ramal keys rotate` a new one)";

/// The server, and the key that it knows the caller by.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(in crate::cli) struct Reach {
    /// Where the server is; this machine's by default, at the port of the configuration.
    #[arg(long, global = true, env = "RAMAL_URL", value_name = "URL")]
    url: Option<String>,
    /// The tenant's key, or a number's. Other users of the machine can see arguments: better set
    /// `RAMAL_KEY`, or use --key-file.
    #[arg(long, global = true, env = "RAMAL_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<SecretString>,
    /// A file that holds the key, and nothing else.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Reach {
    /// The API there.
    pub(super) fn api(
        &self,
        config: impl FnOnce() -> anyhow::Result<Config>,
    ) -> Result<Api, Failure> {
        let url = match &self.url {
            Some(url) => parse(url)?,
            None => local(config().map_err(Failure::Usage)?.server.listen)?,
        };
        Api::new(url, &self.key()?)
    }

    fn key(&self) -> Result<SecretString, Failure> {
        match (&self.key_file, &self.key) {
            // A file that is named means more than a variable that happens to be set.
            (Some(file), _) => read_key(file).map_err(Failure::Usage),
            (None, Some(key)) => Ok(key.clone()),
            (None, None) => Err(Failure::Key(NO_KEY)),
        }
    }
}

fn read_key(file: &Path) -> anyhow::Result<SecretString> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let key = text.trim();
    anyhow::ensure!(!key.is_empty(), "{}: there is no key in it", file.display());
    Ok(SecretString::from(key))
}

fn parse(text: &str) -> Result<Url, Failure> {
    let wrong = || Failure::usage(format!("{text:?} is no address such as https://wa.acme.com"));
    let url: Url = text.parse().map_err(|_malformed| wrong())?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    if usable { Ok(url) } else { Err(wrong()) }
}

/// Where a server that listens there is reached from this machine.
fn local(listen: SocketAddr) -> Result<Url, Failure> {
    let ip =
        if listen.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    if listen.port() == 0 {
        return Err(Failure::usage("the configured port is 0: say where the server is with --url"));
    }
    parse(&format!("http://{}", SocketAddr::new(ip, listen.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_reached_here() {
        let at = |listen: &str| local(listen.parse().unwrap()).unwrap().to_string();

        assert_eq!(at("127.0.0.1:8080"), "http://127.0.0.1:8080/");
        assert_eq!(at("0.0.0.0:9000"), "http://127.0.0.1:9000/");
        assert_eq!(at("[::]:9000"), "http://127.0.0.1:9000/");
        assert_eq!(at("[::1]:9000"), "http://[::1]:9000/");
        assert!(local("127.0.0.1:0".parse().unwrap()).is_err());
    }

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        for wrong in ["", "localhost:8080", "ftp://example.com", "http://", "/v1"] {
            assert!(matches!(parse(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
        assert_eq!(parse("https://wa.acme.com/ramal").unwrap().path(), "/ramal");
    }

    #[test]
    fn a_key_file_holds_the_key_with_or_without_a_line_s_end() {
        use secrecy::ExposeSecret as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "ps_abc\n").unwrap();

        assert_eq!(read_key(&file).unwrap().expose_secret(), "ps_abc");
        fs::write(&file, " \n").unwrap();
        assert!(read_key(&file).is_err());
        assert!(read_key(&dir.path().join("none")).is_err());
    }
}
