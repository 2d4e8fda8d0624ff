//! Asks a callback whether it wants webhooks.

use rand::RngExt as _;
use reqwest::Url;

use crate::{GraphServer, graph::GraphError};

impl GraphServer {
    /// Gets the callback with a challenge, which it must answer.
    pub(crate) async fn verify_callback(
        &self,
        url: &str,
        verify_token: &str,
    ) -> Result<(), GraphError> {
        let refused = |what: &str| {
            Err(GraphError::graph(
                2200,
                format!("(#2200) Callback verification failed with the following errors: {what}"),
            ))
        };
        let Some(mut address) = Url::parse(url).ok().filter(is_local) else {
            // This server never talks to the world.
            return refused("the callback is not on this machine");
        };
        let challenge = rand::rng().random_range(100_000_000..2_000_000_000_u32).to_string();
        address
            .query_pairs_mut()
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.challenge", &challenge)
            .append_pair("hub.verify_token", verify_token);
        let Ok(answer) = self.inner.client.get(address).send().await else {
            return refused("Connection failed");
        };
        let status = answer.status();
        if status != 200 {
            let reason = status.canonical_reason().unwrap_or_default();
            return refused(&format!(
                "HTTP Status Code = {}; HTTP Message = {reason}",
                status.as_u16()
            ));
        }
        match answer.text().await {
            Ok(body) if body == challenge => Ok(()),
            Ok(_) | Err(_) => {
                refused("The response does not match the challenge, expected value was different")
            }
        }
    }
}

fn is_local(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        })
}
