//! `/groups`, `/channels` and `/phones/{number}/status`: writing to many at once.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{Addressing, ChannelView, GroupView},
    number::PhoneNumber,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    subject: String,
    creator: String,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    addressing: Addressing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    from: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostStatus {
    text: String,
    /// The contacts that see it.
    to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    name: String,
    owner: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Follower {
    number: String,
    /// False ends it.
    #[serde(default = "yes")]
    follows: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Post {
    text: String,
}

fn numbers(texts: &[String]) -> Result<Vec<PhoneNumber>, ControlError> {
    texts.iter().map(|text| Ok(PhoneNumber::parse(text)?)).collect()
}

pub(super) async fn list(State(server): State<WaServer>) -> Json<Vec<GroupView>> {
    Json(server.groups())
}

pub(super) async fn create(
    State(server): State<WaServer>,
    Json(body): Json<Create>,
) -> Result<impl IntoResponse, ControlError> {
    let (creator, members) = (PhoneNumber::parse(&body.creator)?, numbers(&body.members)?);
    let group = server.create_group(&creator, &body.subject, &members, body.addressing)?;
    Ok((StatusCode::CREATED, Json(group)))
}

pub(super) async fn write(
    State(server): State<WaServer>,
    Path(id): Path<String>,
    Json(body): Json<Write>,
) -> Result<impl IntoResponse, ControlError> {
    let from = PhoneNumber::parse(&body.from)?;
    Ok((StatusCode::CREATED, Json(server.write_to_group(&id, &from, &body.text)?)))
}

pub(super) async fn post_status(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<PostStatus>,
) -> Result<impl IntoResponse, ControlError> {
    let to = numbers(&body.to)?;
    Ok((StatusCode::CREATED, Json(server.post_status(&number, &to, &body.text)?)))
}

pub(super) async fn channels(State(server): State<WaServer>) -> Json<Vec<ChannelView>> {
    Json(server.channels())
}

pub(super) async fn open(
    State(server): State<WaServer>,
    Json(body): Json<Open>,
) -> Result<impl IntoResponse, ControlError> {
    let owner = PhoneNumber::parse(&body.owner)?;
    Ok((StatusCode::CREATED, Json(server.create_channel(&owner, &body.name)?)))
}

pub(super) async fn follow(
    State(server): State<WaServer>,
    Path(id): Path<String>,
    Json(body): Json<Follower>,
) -> Result<Json<ChannelView>, ControlError> {
    Ok(Json(server.follow(&id, &PhoneNumber::parse(&body.number)?, body.follows)?))
}

pub(super) async fn post(
    State(server): State<WaServer>,
    Path(id): Path<String>,
    Json(body): Json<Post>,
) -> Result<impl IntoResponse, ControlError> {
    Ok((StatusCode::CREATED, Json(server.post(&id, &body.text)?)))
}
