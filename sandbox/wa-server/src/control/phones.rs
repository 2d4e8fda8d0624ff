//! `/phones`: the phones themselves, and linking companions to them.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{ControlError, body::Json, number::Number};
use crate::{
    WaServer,
    hub::{LinkError, Linked, Phone},
    number::PhoneNumber,
    server::QrSource,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    number: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absent {
    absent: bool,
}

/// Other fields are ignored, so that a whole answer that carries `qrcodeBase64` can be passed on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scan {
    qr: Option<String>,
    qrcode_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairingCode {
    code: String,
}

#[derive(Serialize)]
pub(super) struct LinkedBody {
    linked: bool,
    #[serde(flatten)]
    companion: Linked,
}

#[derive(Serialize)]
struct PasskeyRequired {
    linked: bool,
    passkey: &'static str,
}

impl From<Linked> for LinkedBody {
    fn from(companion: Linked) -> Self {
        Self { linked: true, companion }
    }
}

pub(super) async fn list(State(server): State<WaServer>) -> Json<Vec<Phone>> {
    Json(server.phones())
}

pub(super) async fn create(
    State(server): State<WaServer>,
    Json(body): Json<Create>,
) -> Result<impl IntoResponse, ControlError> {
    let (phone, new) = server.phone(&PhoneNumber::parse(&body.number)?)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(phone)))
}

pub(super) async fn absent(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Absent>,
) -> Result<Json<Absent>, ControlError> {
    server.set_absent(&number, body.absent)?;
    Ok(Json(body))
}

pub(super) async fn scan(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<Scan>,
) -> Result<Response, ControlError> {
    let code = match (body.qr, body.qrcode_base64) {
        (Some(text), None) => QrSource::Text(text),
        (None, Some(picture)) => QrSource::PngBase64(picture),
        (Some(_), Some(_)) | (None, None) => {
            return Err(ControlError::Body("give either qr or qrcodeBase64".to_owned()));
        }
    };
    outcome(server.scan(&number, code).await)
}

pub(super) async fn pairing_code(
    State(server): State<WaServer>,
    Number(number): Number,
    Json(body): Json<PairingCode>,
) -> Result<Response, ControlError> {
    outcome(server.enter_code(&number, &body.code).await)
}

/// 200 once linked; 202 when it now depends on the client's passkey.
fn outcome(linked: Result<Linked, LinkError>) -> Result<Response, ControlError> {
    match linked {
        Ok(companion) => Ok(Json(LinkedBody::from(companion)).into_response()),
        Err(LinkError::PasskeyRequired) => {
            let body = Json(PasskeyRequired { linked: false, passkey: "requested" });
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
