//! Files: to Meta, and from it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::{Response, header};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::{Access, Body, Call, File, Graph, broken};
use crate::{ErrorClass, GraphError, PhoneId, node::text, options::is_loopback};

/// Largest file that Meta passes on, in bytes.
const FILE_MAX: u64 = 100 * 1024 * 1024;
/// Longest id of a file.
const ID_LEN_MAX: usize = 128;
/// How long a download may take in all; addresses work for five minutes, and large files take their time.
const DOWNLOAD_MAX: Duration = Duration::from_mins(15);

/// Where a file is, and what Meta says it is.
#[derive(Clone)]
pub struct MediaInfo {
    /// Its address, for five minutes and with the token.
    pub url: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its digest; hexadecimal or base64.
    pub sha256: Option<String>,
    /// Its length in bytes.
    pub file_size: Option<u64>,
}

impl std::fmt::Debug for MediaInfo {
    /// The address is signed, so it stays out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaInfo")
            .field("mime_type", &self.mime_type)
            .field("file_size", &self.file_size)
            .finish_non_exhaustive()
    }
}

/// A file on its way to us.
#[derive(Debug)]
pub struct Download {
    /// Its media type.
    pub content_type: Option<String>,
    /// Its length in bytes.
    pub content_length: Option<u64>,
    response: Response,
    patience: Duration,
    deadline: Instant,
    left: u64,
}

impl Download {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`GraphError`] when the connection breaks, nothing comes for too long, or too much comes.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, GraphError> {
        let soon = Instant::now() + self.patience;
        let chunk = timeout_at(soon.min(self.deadline), self.response.chunk())
            .await
            .map_err(|_elapsed| GraphError::local(ErrorClass::TimedOut, "the file stopped coming"))?
            .map_err(|error| broken(error, true))?;
        if let Some(chunk) = &chunk {
            self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
        }
        Ok(chunk)
    }

    /// All pieces; ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, GraphError>> + Send {
        stream::try_unfold(self, |mut download| async move {
            Ok(download.chunk().await?.map(|chunk| (chunk, download)))
        })
    }
}

/// A name that cannot end its place in a form.
fn form_name(name: &str) -> String {
    let is_odd = |c: char| c.is_control() || c == '"' || c == '\\';
    name.chars().map(|c| if is_odd(c) { '_' } else { c }).collect()
}

fn too_large() -> GraphError {
    GraphError::refusal(ErrorClass::Invalid, "the file is larger than 100 MB")
}

impl Graph {
    /// Gives Meta a file to send; answers with its id. Meta keeps it for thirty days.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn upload(
        &self,
        access: &Access,
        phone: &PhoneId,
        mime: &str,
        file_name: &str,
        bytes: Bytes,
    ) -> Result<String, GraphError> {
        let path = [phone.as_str(), "media"];
        let file = File { mime: mime.to_owned(), name: form_name(file_name), bytes };
        let call = Call { body: Body::File(file), ..Call::post(&path, access) };
        let answer = self.call(call).await?;
        text(&answer, "id").ok_or_else(|| {
            GraphError::local(ErrorClass::TimedOut, "an answer without the file's id")
        })
    }

    /// Where a file is. With `phone`, only if it is that number's.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn media(
        &self,
        access: &Access,
        id: &str,
        phone: Option<&PhoneId>,
    ) -> Result<MediaInfo, GraphError> {
        let is_id = id.len() <= ID_LEN_MAX
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        if !is_id {
            return Err(GraphError::refusal(ErrorClass::NotFound, "no file has such an id"));
        }
        let path = [id];
        let call = Call::get(&path, access);
        let call = match phone {
            Some(phone) => call.query("phone_number_id", phone.as_str()),
            None => call,
        };
        let answer = self.call(call).await?;
        let Some(url) = text(&answer, "url") else {
            return Err(GraphError::local(ErrorClass::Unexpected, "a file without an address"));
        };
        let size = answer.get("file_size").and_then(Value::as_u64);
        Ok(MediaInfo {
            url,
            mime_type: text(&answer, "mime_type"),
            sha256: text(&answer, "sha256"),
            file_size: size.or_else(|| text(&answer, "file_size")?.parse().ok()),
        })
    }

    /// Fetches a file. The token is sent to the configured media hosts only.
    ///
    /// # Errors
    ///
    /// [`GraphError`]; of class `NotFound` when the address is too old.
    pub async fn download(
        &self,
        access: &Access,
        media: &MediaInfo,
    ) -> Result<Download, GraphError> {
        let url = self.media_url(&media.url)?;
        let deadline = Instant::now() + DOWNLOAD_MAX;
        let request = self.client.get(url).bearer_auth(access.sendable_token()?);
        let response = timeout(self.timeout, request.send())
            .await
            .map_err(|_elapsed| {
                GraphError::local(ErrorClass::TimedOut, "no answer from the media host")
            })?
            .map_err(|error| broken(error, true))?;
        let status = response.status();
        if !status.is_success() {
            let class = match status.as_u16() {
                401 => ErrorClass::Credentials,
                403 => ErrorClass::Permission,
                404 | 410 => ErrorClass::NotFound,
                429 => ErrorClass::Throttled,
                500..=599 => ErrorClass::Transient,
                _ => ErrorClass::Unexpected,
            };
            return Err(GraphError::local(class, &format!("status {}", status.as_u16())));
        }
        let content_length = response.content_length();
        if content_length.is_some_and(|length| length > FILE_MAX) {
            return Err(too_large());
        }
        let content_type = response.headers().get(header::CONTENT_TYPE);
        Ok(Download {
            content_type: content_type.and_then(|value| value.to_str().ok()).map(str::to_owned),
            content_length,
            response,
            patience: self.timeout,
            deadline,
            left: FILE_MAX,
        })
    }

    fn media_url(&self, text: &str) -> Result<Url, GraphError> {
        let refused = || {
            GraphError::local(ErrorClass::Unexpected, "the file is at a host that is not trusted")
        };
        let url = Url::parse(text).map_err(|_malformed| refused())?;
        let host = url.host_str().ok_or_else(refused)?;
        let name = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let is_known = self.media_hosts.iter().any(|known| known.eq_ignore_ascii_case(&name));
        // Plain HTTP stays on this machine, as the Graph's own address does.
        let scheme_fits = url.scheme() == "https"
            || (url.scheme() == "http" && self.base.scheme() == "http" && is_loopback(&url));
        let plain = url.username().is_empty() && url.password().is_none();
        if is_known && scheme_fits && plain { Ok(url) } else { Err(refused()) }
    }
}
