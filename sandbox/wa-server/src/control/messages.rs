//! `/phones/{number}/messages`: writing, and what the phone's user sees.

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    media::{in_background, serve},
    phone::Message,
    writing::{Recipient, Writing},
};

/// Where to, or where from, and what: the fields of both lie side by side.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Takes a field out of the body.
    pub(super) fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, ControlError> {
        let value = self
            .0
            .remove(field)
            .ok_or_else(|| ControlError::Body(format!("missing field `{field}`")))?;
        serde_json::from_value(value).map_err(|error| ControlError::Body(error.to_string()))
    }

    /// What is left is what to send.
    pub(super) fn writing(self) -> Result<Writing, ControlError> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|error| ControlError::Body(error.to_string()))
    }
}

pub(super) async fn list(
    State(server): State<WaServer>,
    Number(number): Number,
) -> Json<Vec<Message>> {
    Json(server.messages(&number))
}

pub(super) async fn send(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(mut body): Json<Body>,
) -> Result<impl IntoResponse, ControlError> {
    let to = Recipient::parse(&body.take::<String>("to")?)?;
    let message = server.send(&number, &to, body.writing()?).await?;
    Ok((StatusCode::CREATED, Json(message)))
}

pub(super) async fn read(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Message>, ControlError> {
    Ok(Json(server.mark_read(&number, &id)?))
}

/// The attachment of a message, as the phone has it.
pub(super) async fn media(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, ControlError> {
    let (path, mime) = server.attachment(&number, &id)?;
    let opened = in_background(move || {
        let file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    });
    let (file, size) = opened.await.map_err(ControlError::internal)?;
    let body = serve(file.into(), 0, size, None).await.map_err(ControlError::internal)?;
    let headers = [(header::CONTENT_TYPE, mime), (header::CONTENT_LENGTH, size.to_string())];
    Ok((headers, body).into_response())
}
