//! `/groups`, `/channels` and `/phones/{number}/status`: writing to many at once.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;

use super::{ControlError, body::Json, messages::Body, number::Number};
use crate::{
    WaServer,
    hub::{Addressing, ChannelView, GroupView},
    number::PhoneNumber,
    writing::{Recipient, Writing},
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
    Json(mut body): Json<Body>,
) -> Result<impl IntoResponse, ControlError> {
    let from = PhoneNumber::parse(&body.take::<String>("from")?)?;
    let message = server.send(&from, &Recipient::Group(id), body.writing()?).await?;
    Ok((StatusCode::CREATED, Json(message)))
}

/// `to` holds the contacts that see it.
pub(super) async fn post_status(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(mut body): Json<Body>,
) -> Result<impl IntoResponse, ControlError> {
    let to = Recipient::Status(numbers(&body.take::<Vec<String>>("to")?)?);
    Ok((StatusCode::CREATED, Json(server.send(&number, &to, body.writing()?).await?)))
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
    Json(writing): Json<Writing>,
) -> Result<impl IntoResponse, ControlError> {
    Ok((StatusCode::CREATED, Json(server.post(&id, writing).await?)))
}
