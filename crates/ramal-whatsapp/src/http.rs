//! HTTP for media and for the version of WhatsApp Web.

use std::time::Duration;

use wacore::net::{HttpClient, HttpRequest, HttpResponse, StreamingHttpResponse, UploadBody};
use whatsapp_rust::anyhow;
use whatsapp_rust_ureq_http_client::UreqHttpClient;

/// The most bytes of one answer that may stand in memory (the library's default is 2 GiB).
const IN_MEMORY_MAX: u64 = 64 * 1024 * 1024;
/// What encryption adds to a file, and some room.
const OVERHEAD: u64 = 1_024;
/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request with a small answer may take.
const SMALL: Duration = Duration::from_secs(30);
/// Buffers and idle connections of one client, as small as the library's own.
const BUFFER: usize = 16 * 1_024;
const IDLE_MAX: usize = 3;

/// The library's own client, led to another place in the sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// For what is read into memory.
    small: UreqHttpClient,
    /// For what streams to and from the disk.
    large: UreqHttpClient,
    /// Where media are, in place of the hosts that WhatsApp names.
    media_url: Option<String>,
}

impl Http {
    /// One that takes files of up to `media_max` bytes, and `patience` for each.
    pub(crate) fn new(media_url: &str, media_max: u64, patience: Duration) -> Self {
        let large = media_max.saturating_add(OVERHEAD);
        Self {
            small: UreqHttpClient::with_agent(agent(SMALL)).with_max_body_bytes(IN_MEMORY_MAX),
            large: UreqHttpClient::with_agent(agent(patience)).with_max_body_bytes(large),
            media_url: Some(media_url.trim_end_matches('/').to_owned())
                .filter(|url| !url.is_empty()),
        }
    }

    fn led(&self, request: HttpRequest) -> HttpRequest {
        let Some(base) = &self.media_url else { return request };
        HttpRequest { url: led(base, &request.url), ..request }
    }
}

/// The client's threads cannot be cut off, so each request ends by itself.
fn agent(patience: Duration) -> ureq::Agent {
    let config = ureq::config::Config::builder()
        .timeout_connect(Some(CONNECT.min(patience)))
        .timeout_global(Some(patience))
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .max_idle_connections(IDLE_MAX)
        .build();
    config.into()
}

/// The same path and query under another base.
fn led(base: &str, url: &str) -> String {
    let rest =
        url.strip_prefix("https://").and_then(|rest| rest.find('/').map(|at| rest.split_at(at).1));
    rest.map_or_else(|| url.to_owned(), |rest| format!("{base}{rest}"))
}

#[async_trait::async_trait]
impl HttpClient for Http {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        self.small.execute(self.led(request)).await
    }

    fn supports_streaming(&self) -> bool {
        self.large.supports_streaming()
    }

    fn execute_streaming(&self, request: HttpRequest) -> anyhow::Result<StreamingHttpResponse> {
        self.large.execute_streaming(self.led(request))
    }

    fn supports_upload_streaming(&self) -> bool {
        self.large.supports_upload_streaming()
    }

    fn execute_upload(
        &self,
        request: HttpRequest,
        body: UploadBody,
        content_length: u64,
    ) -> anyhow::Result<HttpResponse> {
        self.large.execute_upload(self.led(request), body, content_length)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_host_that_stays_silent_holds_no_thread_for_ever() {
        // The system accepts for it.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", silent.local_addr().unwrap());
        let http = Http::new(&base, 1_000, Duration::from_millis(100));

        let request = HttpRequest::get("https://mmg.whatsapp.net/v/t62/a");
        assert!(http.execute_streaming(request).is_err());
    }

    #[test]
    fn only_the_host_changes() {
        let base = "http://127.0.0.1:9";
        let url = "https://mmg.whatsapp.net/v/t62/a?ccb=11-4&oh=x";

        assert_eq!(led(base, url), "http://127.0.0.1:9/v/t62/a?ccb=11-4&oh=x");
        assert_eq!(led(base, "http://127.0.0.1:8/x"), "http://127.0.0.1:8/x");
        assert_eq!(led(base, "https://nowhere"), "https://nowhere");
    }
}
