//! HTTP for media and for the version of WhatsApp Web.

use whatsapp_rust_ureq_http_client::UreqHttpClient;

/// The most bytes of one answer that may stand in memory (the library's default is 2 GiB).
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// The library's own client. It is only asked for something when no app version is pinned, or for
/// media.
pub(crate) fn client() -> UreqHttpClient {
    UreqHttpClient::new().with_max_body_bytes(MAX_BODY)
}
