//! HTTP for media and for the version of WhatsApp Web.

use wacore::net::{HttpClient, HttpRequest, HttpResponse, StreamingHttpResponse, UploadBody};
use whatsapp_rust::anyhow;
use whatsapp_rust_ureq_http_client::UreqHttpClient;

/// The most bytes of one answer that may stand in memory (the library's default is 2 GiB).
const IN_MEMORY_MAX: u64 = 64 * 1024 * 1024;
/// What encryption adds to a file, and some room.
const OVERHEAD: u64 = 1_024;

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
    /// One that takes files of up to `media_max` bytes.
    pub(crate) fn new(media_url: &str, media_max: u64) -> Self {
        Self {
            small: UreqHttpClient::new().with_max_body_bytes(IN_MEMORY_MAX),
            large: UreqHttpClient::new().with_max_body_bytes(media_max.saturating_add(OVERHEAD)),
            media_url: Some(media_url.trim_end_matches('/').to_owned())
                .filter(|url| !url.is_empty()),
        }
    }

    fn led(&self, request: HttpRequest) -> HttpRequest {
        let Some(base) = &self.media_url else { return request };
        HttpRequest { url: led(base, &request.url), ..request }
    }
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
    use super::*;

    #[test]
    fn only_the_host_changes() {
        let base = "http://127.0.0.1:9";
        let url = "https://mmg.whatsapp.net/v/t62/a?ccb=11-4&oh=x";

        assert_eq!(led(base, url), "http://127.0.0.1:9/v/t62/a?ccb=11-4&oh=x");
        assert_eq!(led(base, "http://127.0.0.1:8/x"), "http://127.0.0.1:8/x");
        assert_eq!(led(base, "https://nowhere"), "https://nowhere");
    }
}
