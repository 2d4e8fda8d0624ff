//! Media that came in, for whoever is signed in: no key, and no link that others could use.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use ramal_app::Refusal;
use serde::Deserialize;

use super::rows::is_hidden;
use crate::{
    Web,
    dashboard::{answer::PageError, session::SignedIn},
    download::{POLICY, disposition},
    extract::{Path, Query},
};

/// What browsers show by themselves, and cannot be made to run.
const SHOWN: [&str; 13] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/3gpp",
    "audio/ogg",
    "audio/mpeg",
    "audio/mp4",
    "audio/aac",
    "audio/amr",
    "audio/wav",
    "audio/opus",
];
/// The media type under which something is shown; `None`: it is only downloaded.
pub(super) fn is_shown(mime: &str) -> Option<&'static str> {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    SHOWN.into_iter().find(|known| essence.eq_ignore_ascii_case(known))
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    download: String,
}

pub(super) async fn media(
    State(web): State<Web>,
    by: SignedIn,
    Path((id, message)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    let scoped = web.app.scope(by.caller.clone(), Some(&id)).await?;
    if is_hidden(&web.app.get_message(&scoped, &message).await?, &scoped.number) {
        return Err(Refusal::MediaNotFound.into());
    }
    let media = web.app.message_media(&scoped, &message).await?;
    let known = media.mime.as_deref().and_then(is_shown);
    let shown = known.is_some() && wanted.download.is_empty();
    let headers: HeaderMap = [
        (CONTENT_TYPE, HeaderValue::from_static(known.unwrap_or("application/octet-stream"))),
        (CONTENT_DISPOSITION, disposition(shown, media.file_name.as_deref())),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ]
    .into_iter()
    .collect();
    Ok((headers, Body::from_stream(media.bytes)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_run_is_shown() {
        assert_eq!(is_shown("image/PNG"), Some("image/png"));
        assert_eq!(is_shown("audio/ogg; codecs=opus"), Some("audio/ogg"));
        for mime in ["image/svg+xml", "text/html", "application/pdf", "image/pngx", ""] {
            assert_eq!(is_shown(mime), None, "{mime}");
        }
    }
}
