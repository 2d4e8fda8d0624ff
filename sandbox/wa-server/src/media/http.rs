//! The media host over HTTP, as clients know it (whatsapp-rust 0.7.0, `upload.rs`; wacore 0.7.0,
//! `download.rs`). Uploads name their object by its hash; `resume=1` asks how much of it is there.

use std::{io, path::PathBuf, time::Duration};

use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    fs::OpenOptions,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom},
    time::sleep,
};

use super::{
    HOST, MediaHost, Token,
    faults::{MediaAct, MediaFault},
    in_background, range,
    store::{Found, Progress},
};

/// WhatsApp's limit for documents.
const MAX_UPLOAD: u64 = 2 * 1024 * 1024 * 1024;
const CHUNK: u64 = 64 * 1024;

pub(super) fn router(host: MediaHost) -> Router {
    Router::new()
        .route("/mms/{kind}/{token}", post(upload))
        // The attachments of channels and catalogues, which are not encrypted.
        .route("/newsletter/{kind}/{token}", post(upload))
        .route("/product/{kind}/{token}", post(upload))
        .fallback(download)
        .with_state(host)
}

/// Why the media host refuses.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this authentication is unknown or expired")]
    Auth,
    #[error("the token is no hash, or not the one in the query")]
    Token,
    #[error("less than this offset has been received")]
    Offset,
    #[error("the bytes are not what the token says")]
    Hash,
    #[error("the upload is too large")]
    TooLarge,
    #[error("nothing is at this path")]
    NotFound,
    #[error("what was at this path has been deleted")]
    Gone,
    #[error("the token does not belong to this path")]
    Foreign,
    #[error("the range holds nothing")]
    Range,
    #[error("this path does not know this method")]
    Method,
    #[error("the upload broke off")]
    BrokenOff,
    #[error("told to fail")]
    Told(StatusCode),
    #[error("the media host failed")]
    Io(#[from] io::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Auth => StatusCode::UNAUTHORIZED,
            Self::Token | Self::Offset | Self::Hash => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Gone => StatusCode::GONE,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Range => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BrokenOff => StatusCode::SERVICE_UNAVAILABLE,
            Self::Told(status) => *status,
            Self::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Io(error) = &self {
            tracing::error!(%error, "the media host failed");
        }
        (self.status(), answer(&json!({ "error": self.to_string() }))).into_response()
    }
}

fn answer(body: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string())
}

/// What clients append to an upload's path.
#[derive(Deserialize)]
struct Asked {
    auth: Option<String>,
    token: Option<String>,
    file_offset: Option<u64>,
    resume: Option<u8>,
}

async fn upload(
    State(host): State<MediaHost>,
    Path((_kind, token)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let token = Token::parse(&token).ok_or(Refusal::Token)?;
    if asked.token.is_some_and(|named| named != token.as_str()) {
        return Err(Refusal::Token);
    }
    if !asked.auth.is_some_and(|auth| host.knows(&auth)) {
        return Err(Refusal::Auth);
    }
    let store = std::sync::Arc::clone(&host.store);
    let named = token.clone();
    let progress = in_background(move || Ok(store.progress(&named))).await?;
    if asked.resume == Some(1) {
        return Ok(resume(&token, progress).into_response());
    }
    let fault = meet(&host, MediaAct::Upload).await?;
    if progress == Progress::Whole {
        // The same bytes as before, as their name vouches for.
        return Ok(stored(&token).into_response());
    }
    let (store, named, offset) =
        (std::sync::Arc::clone(&host.store), token.clone(), asked.file_offset.unwrap_or_default());
    let path = in_background(move || store.begin(&named, offset)).await?;
    let path = path.ok_or(Refusal::Offset)?;
    let expected = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let upload = Upload {
        token: token.clone(),
        path,
        expected: expected.and_then(|text| text.parse().ok()),
        cut_after: fault.cut_after,
    };
    // A task of its own: the handler is dropped when the client goes away, and what has come must
    // be kept all the same.
    let receiving = host.tasks.spawn(receive(host.clone(), upload, body.into_data_stream()));
    receiving.await.map_err(io::Error::other)??;
    Ok(stored(&token).into_response())
}

/// The answer to `resume=1`.
fn resume(token: &Token, progress: Progress) -> impl IntoResponse + use<> {
    answer(&match progress {
        Progress::Nothing => json!({ "resume": "0" }),
        Progress::Begun(bytes) => json!({ "resume": bytes.to_string() }),
        Progress::Whole => {
            let direct_path = token.direct_path();
            json!({ "resume": "complete", "url": url(&direct_path), "direct_path": direct_path })
        }
    })
}

fn stored(token: &Token) -> impl IntoResponse + use<> {
    let direct_path = token.direct_path();
    answer(&json!({ "url": url(&direct_path), "direct_path": direct_path }))
}

/// The address of an object, as messages name it.
pub(super) fn url(direct_path: &str) -> String {
    format!("https://{HOST}{direct_path}")
}

/// Waits and fails as told.
async fn meet(host: &MediaHost, act: MediaAct) -> Result<MediaFault, Refusal> {
    let fault = host.faults.meet(act);
    if let Some(delay) = fault.delay_ms {
        sleep(Duration::from_millis(delay)).await;
    }
    match fault.status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => Err(Refusal::Told(status)),
        None => Ok(fault),
    }
}

/// One upload on its way in.
struct Upload {
    token: Token,
    path: PathBuf,
    /// How many bytes the request promised.
    expected: Option<u64>,
    cut_after: Option<u64>,
}

async fn receive(host: MediaHost, upload: Upload, body: BodyDataStream) -> Result<(), Refusal> {
    // Cancel-safe: what is written is kept, and the rest is not asked for.
    let outcome = tokio::select! {
        outcome = write(&upload, body) => outcome,
        () = host.stop.cancelled() => Err(Refusal::BrokenOff),
    };
    let store = std::sync::Arc::clone(&host.store);
    let Upload { token, path, .. } = upload;
    in_background(move || match outcome {
        Ok(()) if store.finish(&token, &path)? => Ok(Ok(())),
        Ok(()) => Ok(Err(Refusal::Hash)),
        Err(refusal @ Refusal::TooLarge) => {
            std::fs::remove_file(&path)?;
            Ok(Err(refusal))
        }
        Err(refusal) => {
            store.keep(&token, &path)?;
            Ok(Err(refusal))
        }
    })
    .await?
}

async fn write(upload: &Upload, mut body: BodyDataStream) -> Result<(), Refusal> {
    let mut file = OpenOptions::new().append(true).open(&upload.path).await?;
    let mut received = 0_u64;
    let mut whole = true;
    while let Some(chunk) = body.next().await {
        let Ok(mut chunk) = chunk else {
            whole = false;
            break;
        };
        let cut = upload.cut_after.and_then(|after| {
            let room = usize::try_from(after.saturating_sub(received)).ok()?;
            (chunk.len() > room).then_some(room)
        });
        if let Some(room) = cut {
            chunk.truncate(room);
            whole = false;
        }
        received += u64::try_from(chunk.len()).unwrap_or(MAX_UPLOAD);
        if received > MAX_UPLOAD {
            return Err(Refusal::TooLarge);
        }
        file.write_all(&chunk).await?;
        if !whole {
            break;
        }
    }
    file.flush().await?;
    file.sync_data().await?;
    // A body whose connection was torn down may look ended.
    whole &= upload.expected.is_none_or(|expected| expected == received);
    if whole { Ok(()) } else { Err(Refusal::BrokenOff) }
}

/// What clients append to a download's path.
#[derive(Deserialize)]
struct Shown {
    auth: Option<String>,
    token: Option<String>,
}

async fn download(
    State(host): State<MediaHost>,
    method: Method,
    uri: Uri,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if method != Method::GET {
        return Err(Refusal::Method);
    }
    let fault = meet(&host, MediaAct::Download).await?;
    // WhatsApp asks for neither; a client that shows them must show the right ones.
    if shown.auth.is_some_and(|auth| !host.knows(&auth)) {
        return Err(Refusal::Auth);
    }
    let token = match host.store.find(uri.path()) {
        Found::Object(token) => token,
        Found::Gone => return Err(Refusal::Gone),
        Found::Unknown => return Err(Refusal::NotFound),
    };
    if shown.token.is_some_and(|named| named != token.as_str()) {
        return Err(Refusal::Foreign);
    }
    let store = std::sync::Arc::clone(&host.store);
    let (file, size) = in_background(move || store.read(&token)).await?;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range::parse(asked, size).map_err(|range::Unsatisfiable| Refusal::Range)?;
    let (status, first, length) = match &range {
        Some(range) => {
            (StatusCode::PARTIAL_CONTENT, *range.start(), range.end() - range.start() + 1)
        }
        None => (StatusCode::OK, 0, size),
    };
    let body = serve(file.into(), first, length, fault.cut_after).await?;
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, length)
        .header(header::ACCEPT_RANGES, "bytes");
    if let Some(range) = range {
        let part = format!("bytes {}-{}/{size}", range.start(), range.end());
        response = response.header(header::CONTENT_RANGE, part);
    }
    Ok(response.body(body).map_err(io::Error::other)?)
}

/// Part of a file as a body, read bit by bit; it breaks off after so many bytes if told to.
pub(crate) async fn serve(
    mut file: tokio::fs::File,
    first: u64,
    length: u64,
    cut_after: Option<u64>,
) -> io::Result<Body> {
    file.seek(SeekFrom::Start(first)).await?;
    let start = (file, length, cut_after.unwrap_or(u64::MAX));
    let chunks = futures_util::stream::try_unfold(start, move |(mut file, left, may)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        if may == 0 {
            return Err(io::Error::other("told to break off"));
        }
        let mut chunk = vec![0; usize::try_from(left.min(may).min(CHUNK)).unwrap_or_default()];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(read);
        let read = u64::try_from(read).unwrap_or(left);
        Ok(Some((chunk, (file, left - read, may - read))))
    });
    Ok(Body::from_stream(chunks))
}
