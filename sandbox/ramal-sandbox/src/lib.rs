//! What both binaries of this package share: the promise that they talk to this machine only.

use anyhow::Context as _;
use ramal_server::Config;
use url::{Host, Url};

/// Refuses a configuration that names a WhatsApp outside this machine: this build does not check
/// WhatsApp's certificate, so it must never meet the real one.
///
/// # Errors
///
/// `whatsapp.url` is not on the loopback interface.
pub fn refuse_the_world(config: &Config) -> anyhow::Result<()> {
    let url: Url = config.whatsapp.url.parse().context("whatsapp.url")?;
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    anyhow::ensure!(
        local && config.whatsapp.app_version.is_some(),
        "this build does not check WhatsApp's certificate: whatsapp.url must be a loopback address, \
         and whatsapp.app_version must be set so that nothing is asked of the Internet"
    );
    Ok(())
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
            assert_eq!(refuse_the_world(&config).is_ok(), taken, "{url}");
        }
        config.whatsapp.url = "ws://127.0.0.1:9/".to_owned();
        config.whatsapp.app_version = None;
        assert!(refuse_the_world(&config).is_err());
    }
}
