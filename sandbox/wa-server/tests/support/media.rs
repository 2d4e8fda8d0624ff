//! How the tests' clients reach the media host: by its real address instead of its name.

use std::sync::{Arc, Mutex};

use wa_server::WaServer;
use whatsapp_rust::{
    anyhow,
    http::{HttpClient, HttpRequest, HttpResponse, UreqHttpClient},
    wacore::net::{StreamingHttpResponse, UploadBody},
};

/// Sends what is meant for the media host there, and remembers what was asked.
#[derive(Clone)]
pub struct MediaClient {
    inner: UreqHttpClient,
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl MediaClient {
    pub fn new(server: &WaServer) -> Self {
        Self { inner: UreqHttpClient::new(), base: server.media_url(), asked: Arc::default() }
    }

    /// The addresses of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn direct(&self, request: HttpRequest) -> HttpRequest {
        self.asked.lock().unwrap().push(request.url.clone());
        let url = request.url.replace("https://media.sandbox.invalid", &self.base);
        HttpRequest { url, ..request }
    }
}

#[whatsapp_rust::async_trait]
impl HttpClient for MediaClient {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        self.inner.execute(self.direct(request)).await
    }

    fn supports_streaming(&self) -> bool {
        true
    }

    fn execute_streaming(&self, request: HttpRequest) -> anyhow::Result<StreamingHttpResponse> {
        self.inner.execute_streaming(self.direct(request))
    }

    fn supports_upload_streaming(&self) -> bool {
        true
    }

    fn execute_upload(
        &self,
        request: HttpRequest,
        body: UploadBody,
        length: u64,
    ) -> anyhow::Result<HttpResponse> {
        self.inner.execute_upload(self.direct(request), body, length)
    }
}
