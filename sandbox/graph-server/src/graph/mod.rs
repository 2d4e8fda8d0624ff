//! Graph itself: finds out what a call is about, and answers it.

mod error;
mod fields;
mod media;
mod messages;
mod oauth;
mod phone;
mod profile;
mod register;
mod request;
mod rules;
mod smb_app_data;
mod subscriptions;
mod templates;
mod token;
mod waba;

use axum::{
    body::{Body, Bytes},
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

pub(crate) use error::{GraphError, title};
pub(crate) use request::{Request, header_text};
pub(crate) use rules::{MANAGEMENT, MESSAGING, hmac_hex};

use crate::{
    GraphServer,
    state::{State, Token},
};

/// A good answer.
pub(crate) enum Reply {
    Json(Value),
    File { mime_type: String, bytes: Bytes },
}

impl Reply {
    pub(crate) fn success() -> Self {
        Self::Json(json!({ "success": true }))
    }

    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Json(body) => json_response(StatusCode::OK, &body),
            Self::File { mime_type, bytes } => {
                ([(header::CONTENT_TYPE, mime_type)], Body::from(bytes)).into_response()
            }
        }
    }
}

/// An answer as Graph writes it.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    (status, kind, body.to_string()).into_response()
}

/// What an id names.
pub(crate) enum Object {
    App,
    Waba,
    Phone,
    Media,
}

impl State {
    pub(crate) fn object(&self, id: &str) -> Option<Object> {
        if self.apps.contains_key(id) {
            Some(Object::App)
        } else if self.wabas.contains_key(id) {
            Some(Object::Waba)
        } else if self.numbers.contains_key(id) {
            Some(Object::Phone)
        } else if self.media.contains_key(id) {
            Some(Object::Media)
        } else {
            None
        }
    }

    /// The name of a call in the list of calls and in faults: the edge, or the kind of node.
    pub(crate) fn route(&self, path: &str) -> (String, String) {
        let mut parts = path.split('/').filter(|part| !part.is_empty()).skip(1);
        let (first, edge) = (parts.next().unwrap_or_default(), parts.next());
        let route = match (edge, self.object(first)) {
            _ if path.starts_with(DOWNLOADS) => "download",
            (Some(edge), _) => edge,
            (None, Some(Object::App)) => "app",
            (None, Some(Object::Waba)) => "waba",
            (None, Some(Object::Phone)) => "phone",
            (None, Some(Object::Media)) => "media_node",
            (None, None) => first,
        };
        (route.to_owned(), first.to_owned())
    }
}

/// Answers one call. `fail` makes an accepted message fail later, with this code.
pub(crate) async fn answer(
    server: &GraphServer,
    request: &Request,
    fail: Option<i64>,
) -> Result<Reply, GraphError> {
    let (first, edge) = (request.segment(0), request.segment(1));
    if request.path.len() > 2 {
        let sentence = format!("Unknown path components: /{}", request.path.join("/"));
        return Err(GraphError::graph(2500, sentence));
    }
    match (first, edge) {
        ("oauth", "access_token") => {
            return server.with(|state| oauth::access_token(state, request));
        }
        ("debug_token", "") => return server.with(|state| token::debug(state, request)),
        _ => {}
    }
    let token = server.with(|state| rules::authenticate(state, request))?;
    match server.with(|state| state.object(first)) {
        Some(Object::App) => subscriptions::of_app(server, request, &token).await,
        Some(Object::Waba) => on_waba(server, request, &token).await,
        Some(Object::Phone) => on_phone(server, request, &token, fail).await,
        Some(Object::Media) => server.with(|state| media::node(state, request, &token, server)),
        None => Err(GraphError::unknown_object(&request.verb(), first)),
    }
}

async fn on_waba(
    server: &GraphServer,
    request: &Request,
    token: &Token,
) -> Result<Reply, GraphError> {
    let id = request.segment(0);
    rules::allow(token, MANAGEMENT, id, (request, id))?;
    match (request.segment(1), &request.method) {
        ("", &Method::GET) => server.with(|state| waba::show(state, request)),
        ("phone_numbers", &Method::GET) => server.with(|state| waba::numbers(state, request)),
        ("phone_numbers", &Method::POST) => server.with(|state| waba::add_number(state, request)),
        ("message_templates", &Method::GET) => server.with(|state| templates::list(state, request)),
        ("subscribed_apps", _) => subscriptions::of_waba(server, request, token).await,
        (edge, _) => Err(unsupported(request, edge)),
    }
}

async fn on_phone(
    server: &GraphServer,
    request: &Request,
    token: &Token,
    fail: Option<i64>,
) -> Result<Reply, GraphError> {
    let (id, edge) = (request.segment(0), request.segment(1));
    let scope = if matches!(edge, "messages" | "media") { MESSAGING } else { MANAGEMENT };
    server.with(|state| {
        let number = state.numbers.get(id);
        let waba = number.map(|number| number.waba_id.as_str()).unwrap_or_default();
        rules::allow(token, scope, waba, (request, id))?;
        if number.is_some_and(crate::state::Number::is_deleted) {
            return Err(GraphError::cloud(33, "The business phone number has been deleted."));
        }
        Ok(())
    })?;
    match (edge, &request.method) {
        ("", &Method::GET) => server.with(|state| phone::show(state, request)),
        ("", &Method::POST) => phone::change(server, request, token).await,
        ("register", &Method::POST) => server.with(|state| register::register(state, request)),
        ("deregister", &Method::POST) => server.with(|state| register::deregister(state, request)),
        ("request_code", &Method::POST) => {
            server.with(|state| register::request_code(state, request))
        }
        ("verify_code", &Method::POST) => {
            server.with(|state| register::verify_code(state, request))
        }
        ("smb_app_data", &Method::POST) => {
            server.with(|state| smb_app_data::request(state, request))
        }
        ("media", &Method::POST) => server.with(|state| media::upload(state, request)),
        ("messages", &Method::POST) => server.with(|state| messages::post(state, request, fail)),
        ("whatsapp_business_profile", &Method::GET) => {
            server.with(|state| profile::show(state, request))
        }
        ("whatsapp_business_profile", &Method::POST) => {
            server.with(|state| profile::change(state, request))
        }
        (edge, _) => Err(unsupported(request, edge)),
    }
}

/// No such edge, or not by this method.
pub(crate) fn unsupported(request: &Request, edge: &str) -> GraphError {
    if edge.is_empty() {
        return GraphError::unknown_object(&request.verb(), request.segment(0));
    }
    GraphError::graph(2500, format!("Unknown path components: /{edge}"))
}

/// Hands out a file; its address has no version.
pub(crate) use media::{DOWNLOADS, download, keep, link};
