//! The running server: listener, shared state, and its address.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request as HttpRequest, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    connection::{Cut, Cuttable},
    control, dialog,
    graph::{self, GraphError, Request, header_text},
    state::{Call, Cutting, Mishap, State},
    webhooks,
};

/// The largest body: a document of 100 MB in a form.
const BODY_LIMIT: usize = 101 * 1024 * 1024;
/// How long a callback may take.
const CALLBACK_LIMIT: Duration = Duration::from_secs(10);

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen: a loopback address.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
    }
}

/// A handle to a running server; clones share it.
#[derive(Clone, Debug)]
pub struct GraphServer {
    address: SocketAddr,
    pub(crate) inner: Arc<Inner>,
    tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Inner {
    state: Mutex<State>,
    /// Something may be due.
    pub(crate) changed: Notify,
    /// For callbacks.
    pub(crate) client: reqwest::Client,
}

impl Inner {
    /// Works on the state, alone, and wakes the worker.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let done = self.quietly(work);
        self.changed.notify_one();
        done
    }

    /// As [`Inner::with`], for the worker itself.
    pub(crate) fn quietly<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl GraphServer {
    /// Binds the listener and starts serving.
    ///
    /// # Errors
    /// When the address is not loopback, or taken.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(std::io::Error::other("this server listens on loopback addresses only"));
        }
        // The whole process has one; whoever is first says which.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(CALLBACK_LIMIT)
            .build()
            .map_err(std::io::Error::other)?;
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let inner = Inner { state: Mutex::default(), changed: Notify::new(), client };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let server = Self { address, inner: Arc::new(inner), tasks, stop };
        let (app, stop) = (server.routes(), server.stop.clone());
        let listener = Cuttable { listener, all: stop.clone() };
        server.tasks.spawn(async move {
            let service = app.into_make_service_with_connect_info::<Cut>();
            let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
                stop.cancelled().await;
            });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the listener ended");
            }
        });
        server.tasks.spawn(webhooks::run(server.clone()));
        Ok(server)
    }

    fn routes(&self) -> Router {
        Router::new()
            .fallback(serve)
            .with_state(self.clone())
            .merge(dialog::router(self.clone()))
            .nest("/__emu", self.control())
    }

    /// The control API, without a prefix.
    pub fn control(&self) -> Router {
        control::router(self.clone())
    }

    /// The base of Graph: versions and paths follow it.
    pub fn graph_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The control API on the server's own port.
    pub fn control_url(&self) -> String {
        format!("{}/__emu", self.graph_url())
    }

    /// The script that stands for Meta's JavaScript SDK.
    pub fn sdk_url(&self) -> String {
        format!("{}/sdk.js", self.graph_url())
    }

    /// Cuts all connections and stops all tasks.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        self.inner.with(work)
    }
}

/// One call of Graph, from the bytes to the answer.
async fn serve(
    Shared(server): Shared<GraphServer>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        let error = GraphError::parameter("The request is too large.");
        return graph::json_response(StatusCode::PAYLOAD_TOO_LARGE, &error.body());
    };
    let (call, id, mishap) = server.with(|state| {
        let (route, id) = state.route(parts.uri.path());
        let call = record(&parts, &body, &route, state.clock.millis());
        let id_of_call = state.calls.begin(call);
        let mishap = state.take_fault(parts.method.as_str(), &route, &id);
        (id_of_call, id, mishap)
    });
    match &mishap {
        Some(Mishap::Hang(_)) => {
            server.stop.cancelled().await;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Some(Mishap::Drop(Cutting::Before)) => return hang_up(&cut),
        Some(Mishap::Status(status)) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            server.with(|state| state.calls.finish(call, status.as_u16(), Value::Null));
            return (status, "<html><body>Sorry, something went wrong.</body></html>")
                .into_response();
        }
        Some(
            Mishap::Code(_)
            | Mishap::Subcode { .. }
            | Mishap::Fail(_)
            | Mishap::Drop(Cutting::After),
        )
        | None => {}
    }
    if parts.uri.path().starts_with(graph::DOWNLOADS) {
        let header = header_text(&parts.headers, header::AUTHORIZATION);
        let query = parts.uri.query().unwrap_or_default();
        let response = server.with(|state| {
            let bearer = header.and_then(|text| text.strip_prefix("Bearer "));
            graph::download(state, query, bearer)
        });
        let status = response.status().as_u16();
        server.with(|state| state.calls.finish(call, status, Value::Null));
        return response;
    }
    let answered = match &mishap {
        Some(Mishap::Code(code)) => Err(GraphError::scripted(*code)),
        Some(Mishap::Subcode { code: 100, subcode: 33 }) => {
            Err(GraphError::unknown_object(&parts.method.as_str().to_lowercase(), &id))
        }
        Some(Mishap::Subcode { code, subcode }) => {
            Err(GraphError::scripted(*code).subcode(*subcode))
        }
        other => asked(&server, parts, &body, other.as_ref()).await,
    };
    let (status, body, response) = match answered {
        Ok(graph::Reply::Json(body)) => {
            (StatusCode::OK, body.clone(), graph::json_response(StatusCode::OK, &body))
        }
        Ok(file) => (StatusCode::OK, Value::Null, file.into_response()),
        Err(error) => {
            let body = error.body();
            (error.status, body.clone(), graph::json_response(error.status, &body))
        }
    };
    server.with(|state| state.calls.finish(call, status.as_u16(), body));
    if matches!(mishap, Some(Mishap::Drop(Cutting::After))) { hang_up(&cut) } else { response }
}

/// What Graph answers, if no script says otherwise.
async fn asked(
    server: &GraphServer,
    parts: axum::http::request::Parts,
    body: &axum::body::Bytes,
    mishap: Option<&Mishap>,
) -> Result<graph::Reply, GraphError> {
    let fail = if let Some(Mishap::Fail(code)) = mishap { Some(*code) } else { None };
    let request = Request::read(parts.method, &parts.uri, &parts.headers, body).await?;
    graph::answer(server, &request, fail).await
}

/// Nothing of the answer gets through.
fn hang_up(cut: &Cut) -> Response {
    cut.0.cancel();
    Response::new(Body::empty())
}

fn record(parts: &axum::http::request::Parts, body: &[u8], route: &str, at: i64) -> Call {
    let content_type = header_text(&parts.headers, header::CONTENT_TYPE).map(str::to_owned);
    let is_form = content_type.as_deref().is_some_and(|it| it.starts_with("multipart/"));
    let body = if is_form {
        json!(format!("{} bytes of a form", body.len()))
    } else {
        let text = || json!(String::from_utf8_lossy(body));
        serde_json::from_slice(body)
            .unwrap_or_else(|_| if body.is_empty() { Value::Null } else { text() })
    };
    Call {
        id: 0,
        at,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        route: route.to_owned(),
        authorization: header_text(&parts.headers, header::AUTHORIZATION).map(str::to_owned),
        content_type,
        body,
        status: None,
        answer: None,
    }
}
