//! Configuration: section `[whatsapp]`.

use std::time::Duration;

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
