//! `/v1/media/{id}`: media that came in, for programs that have a key.

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::StreamExt as _;
use ramal_app::{AppError, Refusal};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Web,
    error::ApiError,
    extract::{OnNumber, Path},
};

/// Most bytes that are put into an answer; the message's link has no such limit.
const INLINE_MAX: usize = 32 * 1024 * 1024;
/// Answers with media in them that are put together at a time: each holds its media in memory, twice.
static INLINE: Semaphore = Semaphore::const_new(4);

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Media of a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Media)]
struct Downloaded {
    /// The bytes, in base64.
    base64: String,
    mime_type: String,
    #[schema(required = true)]
    file_name: Option<String>,
    media_id: String,
}

/// The media of a message that came in, whole.
///
/// Up to 32 MiB; larger ones are had by the `mediaLink` of their event.
#[utoipa::path(
    get,
    path = "/media/{id}",
    operation_id = "downloadMedia",
    tag = "media",
    params(
        ("id" = String, Path, description = "`media.id` of the history, or any id of the message", example = "msg_01kdhz4q6yf5svj7g2m9n3t8xw"),
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false),
    ),
    responses((status = 200, description = "The media", body = Downloaded)),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND", "MESSAGE_NOT_FOUND",
        "MEDIA_NOT_FOUND", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"
    ]))),
)]
async fn download(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    Path(id): Path<String>,
) -> Result<Json<Downloaded>, ApiError> {
    // It is never closed.
    let _turn = INLINE.acquire().await.map_err(|_closed| AppError::from(Refusal::NoAnswer))?;
    let mut media = web.app.message_media(&scoped, &id).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = media.bytes.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::info!(%error, "media broke off");
            AppError::from(Refusal::NoAnswer)
        })?;
        if bytes.len().saturating_add(chunk.len()) > INLINE_MAX {
            let sentence = "the media have more than 32 MiB: use the link in the message's event";
            return Err(Refusal::Validation(sentence.to_owned()).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Json(Downloaded {
        base64: BASE64.encode(bytes),
        mime_type: media.mime.unwrap_or_else(|| "application/octet-stream".to_owned()),
        file_name: media.file_name,
        media_id: id,
    }))
}
