//! What both binaries of this package share: the promise that they talk to this machine only.

use anyhow::Context as _;
use ramal_app::MetaOptions;
use ramal_server::Config;
use url::{Host, Url};

/// Where nobody answers: in place of Meta or of WhatsApp's media hosts, where none were named.
const NOBODY: &str = "http://127.0.0.1:9";

/// Refuses a configuration that names a WhatsApp or a Meta outside this machine: this build does not
/// check WhatsApp's certificate, so it must never meet the real one, and is there for tests only. Where
/// no Meta or media host is named, there is none.
///
/// # Errors
///
/// `whatsapp.url`, `whatsapp.media_url` or `meta.graph_url` is not on the loopback interface.
pub fn refuse_the_world(config: &mut Config) -> anyhow::Result<()> {
    let local = is_local(&config.whatsapp.url).context("whatsapp.url")?;
    anyhow::ensure!(
        local && config.whatsapp.app_version.is_some(),
        "this build does not check WhatsApp's certificate: whatsapp.url must be a loopback address, \
         and whatsapp.app_version must be set so that nothing is asked of the Internet"
    );
    if config.whatsapp.media_url.is_empty() {
        NOBODY.clone_into(&mut config.whatsapp.media_url);
    }
    anyhow::ensure!(
        is_local(&config.whatsapp.media_url).context("whatsapp.media_url")?,
        "this build is for tests: whatsapp.media_url must be a loopback address"
    );
    if config.meta.graph_url == MetaOptions::default().graph_url {
        NOBODY.clone_into(&mut config.meta.graph_url);
    }
    let (graph, sdk) = (is_local(&config.meta.graph_url)?, is_local(&config.meta.sdk_url)?);
    anyhow::ensure!(
        graph && (sdk || !config.meta.signup_configured()),
        "this build is for tests: meta.graph_url and meta.sdk_url must be loopback addresses"
    );
    Ok(())
}

fn is_local(url: &str) -> anyhow::Result<bool> {
    let url: Url = url.parse().with_context(|| url.to_owned())?;
    Ok(match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        let mut config = Config::defaults("unused".into()).unwrap();
        config.whatsapp.app_version = Some([2, 3000, 1]);
        for (url, taken) in [
            ("ws://127.0.0.1:9/ws/chat", true),
            ("ws://[::1]:9/ws/chat", true),
            ("ws://localhost:9/", true),
            ("wss://web.whatsapp.com/ws/chat", false),
            ("ws://127.0.0.1.example.com/", false),
            ("ws://10.0.0.1/", false),
        ] {
            config.whatsapp.url = url.to_owned();
            assert_eq!(refuse_the_world(&mut config).is_ok(), taken, "{url}");
        }
        config.whatsapp.url = "ws://127.0.0.1:9/".to_owned();
        assert_eq!(config.whatsapp.media_url, NOBODY, "none was named");
        "https://mmg.whatsapp.net".clone_into(&mut config.whatsapp.media_url);
        assert!(refuse_the_world(&mut config).is_err());
        config.whatsapp.media_url.clear();
        assert!(is_local(&config.meta.graph_url).unwrap(), "no Meta was named, so there is none");
        "https://graph.facebook.com:443".clone_into(&mut config.meta.graph_url);
        assert!(refuse_the_world(&mut config).is_err());
        NOBODY.clone_into(&mut config.meta.graph_url);
        config.whatsapp.app_version = None;
        assert!(refuse_the_world(&mut config).is_err());
    }
}
