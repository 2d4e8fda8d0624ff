//! The offline Meta of the sandbox: a demo business with a number of its own, and the app of this
//! server's operator for Embedded Signup.

use anyhow::Context as _;
use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use graph_server::GraphServer;
use ramal_server::Config;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// What the demo business is called.
const NAME: &str = "Demo Shop";
/// Its phone number.
const NUMBER: &str = "+5511999990009";
/// What Meta says when it tries the app-wide callback.
const VERIFY_TOKEN: &str = "sandbox";
/// Largest answer of the control API that is read.
const ANSWER_MAX: usize = 1024 * 1024;

/// A demo business, as its owner knows it.
#[derive(Debug)]
pub(crate) struct Demo {
    /// Ids, token and secret, as the offline Meta made them up.
    pub(crate) business: Value,
}

impl Demo {
    /// Sets up the business.
    pub(crate) async fn create(graph: &GraphServer) -> anyhow::Result<Self> {
        let business =
            control(graph, "/businesses", &json!({"name": NAME, "number": NUMBER})).await?;
        Ok(Self { business })
    }

    fn text(&self, field: &str) -> &str {
        self.business.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The body of the request that creates the number here.
    pub(crate) fn wish(&self) -> Value {
        json!({
            "name": NAME,
            "number": self.text("number"),
            "metaPhoneId": self.text("phoneId"),
            "metaWabaId": self.text("wabaId"),
            "metaAccessToken": self.text("token"),
            "metaAppSecret": self.text("appSecret"),
        })
    }

    /// Points the product at the offline Meta, with the demo app as the operator's own.
    pub(crate) fn configure(&self, config: &mut Config, graph: &GraphServer) {
        let meta = &mut config.meta;
        let url = graph.graph_url();
        meta.media_hosts = vec![url.trim_start_matches("http://").to_owned()];
        self.text("appId").clone_into(&mut meta.app_id);
        meta.app_secret = self.text("appSecret").into();
        self.text("configId").clone_into(&mut meta.config_id);
        meta.verify_token = VERIFY_TOKEN.into();
        meta.sdk_url = graph.sdk_url();
        meta.login_origins = vec![url.clone()];
        meta.graph_url = url;
    }

    /// Makes the product's app-wide callback the demo app's.
    pub(crate) async fn subscribe(&self, graph: &GraphServer, product: &str) -> anyhow::Result<()> {
        let callback = format!("{product}/webhooks/meta");
        let change = json!({"callbackUrl": callback, "verifyToken": VERIFY_TOKEN});
        control(graph, &format!("/apps/{}", self.text("appId")), &change).await?;
        Ok(())
    }
}

async fn control(graph: &GraphServer, path: &str, body: &Value) -> anyhow::Result<Value> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .context("a request of the offline Meta's control API")?;
    // An axum router never fails, it answers.
    let Ok(answer) = graph.control().oneshot(request).await;
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), ANSWER_MAX).await.context("its answer")?;
    anyhow::ensure!(status.is_success(), "the offline Meta answered {status} to {path}");
    serde_json::from_slice(&bytes).context("its answer")
}
