//! `/media`: the media host's objects and faults.

use axum::extract::{Path, State};
use serde::Serialize;

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    media::{MediaFault, Stored},
};

#[derive(Serialize)]
pub(super) struct Contents {
    url: String,
    objects: Vec<Object>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    token: String,
    direct_path: String,
    size: u64,
    /// False for the beginning of an upload that broke off.
    complete: bool,
}

impl From<Stored> for Object {
    fn from(Stored { token, size, whole }: Stored) -> Self {
        let direct_path = token.direct_path();
        Self { token: token.as_str().to_owned(), direct_path, size, complete: whole }
    }
}

#[derive(Serialize)]
pub(super) struct Faults {
    pending: Vec<MediaFault>,
}

#[derive(Serialize)]
pub(super) struct Done {
    ok: bool,
}

const DONE: Json<Done> = Json(Done { ok: true });

pub(super) async fn list(State(server): State<WaServer>) -> Result<Json<Contents>, ControlError> {
    let objects = server.stored_media().await?.into_iter().map(Object::from).collect();
    Ok(Json(Contents { url: server.media_url(), objects }))
}

pub(super) async fn faults(State(server): State<WaServer>) -> Json<Faults> {
    Json(Faults { pending: server.media_faults() })
}

pub(super) async fn add_fault(
    State(server): State<WaServer>,
    Json(fault): Json<MediaFault>,
) -> Result<Json<Faults>, ControlError> {
    Ok(Json(Faults { pending: server.add_media_fault(fault)? }))
}

pub(super) async fn clear_faults(State(server): State<WaServer>) -> Json<Faults> {
    server.clear_media_faults();
    Json(Faults { pending: Vec::new() })
}

pub(super) async fn expire(State(server): State<WaServer>) -> Json<Done> {
    server.expire_media_auth();
    DONE
}

pub(super) async fn delete(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Done>, ControlError> {
    server.delete_media(&number, &id).await?;
    Ok(DONE)
}

pub(super) async fn tamper(
    State(server): State<WaServer>,
    Number(number): Number,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Done>, ControlError> {
    server.tamper_with_media(&number, &id).await?;
    Ok(DONE)
}
