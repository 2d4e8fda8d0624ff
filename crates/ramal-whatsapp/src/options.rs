//! Configuration: section `[whatsapp]`.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use wacore::net::WHATSAPP_WEB_WS_URL;

/// `[whatsapp]`: how to reach WhatsApp, and what we look like there.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The WebSocket to dial: `wss://` in production, `ws://` for an offline server.
    pub url: String,
    /// The version of WhatsApp Web to speak, such as `[2, 3000, 1035194821]`. Without it the
    /// present one is asked of `web.whatsapp.com` once a day.
    pub app_version: Option<[u32; 3]>,
    /// How long to wait for a socket, TLS and the upgrade together. More than 20 seconds have no
    /// effect: the library gives up by itself then.
    #[serde(with = "humantime_serde")]
    pub dial_timeout: Duration,
    /// How long to wait for an answer of WhatsApp's server: to a message, a look-up, a probe, an
    /// unlinking.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// How long flushing and disconnecting may take before a client is cut off.
    #[serde(with = "humantime_serde")]
    pub close_timeout: Duration,
    /// Where media are sent to and fetched from, in place of the hosts that WhatsApp names: for an
    /// offline server.
    pub media_url: String,
    /// How long the way of one file may take: from a customer's address, or to or from WhatsApp.
    #[serde(with = "humantime_serde")]
    pub media_timeout: Duration,
    /// The most bytes that one file may have.
    pub media_max: u64,
    /// Where files are put on their way. They have no names there and are gone with the process. Empty:
    /// whoever runs the provider chooses a place.
    pub scratch_dir: PathBuf,
    /// Allows `http://` and addresses that are not on the public Internet as sources of media: for the
    /// sandbox and tests.
    pub media_allow_private: bool,
    /// What the phone shows in its list of linked devices.
    pub device_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: WHATSAPP_WEB_WS_URL.to_owned(),
            app_version: None,
            dial_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            media_url: String::new(),
            media_timeout: Duration::from_mins(2),
            media_max: 100 * 1024 * 1024,
            scratch_dir: PathBuf::new(),
            media_allow_private: false,
            device_name: "Ramal".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_default_and_nothing_unknown_is_taken() {
        let options: Options = serde_json::from_str(
            r#"{"url": "ws://127.0.0.1:1/ws/chat", "app_version": [2, 3000, 1], "dial_timeout": "3s"}"#,
        )
        .unwrap();

        assert_eq!(options.dial_timeout, Duration::from_secs(3));
        assert_eq!(options.app_version, Some([2, 3000, 1]));
        assert_eq!(options.device_name, "Ramal");
        assert!(serde_json::from_str::<Options>(r#"{"dial_timout": "3s"}"#).is_err());
    }
}
