//! One call, taken apart.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Uri, header},
};
use futures_util::stream;
use serde_json::{Map, Value};

use super::GraphError;

/// A call of Graph. Parameters may come in the query, in a form or as JSON.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The segments after the version.
    pub(crate) path: Vec<String>,
    pub(crate) bearer: Option<String>,
    params: BTreeMap<String, String>,
    /// The JSON object; empty when there was none.
    pub(crate) json: Map<String, Value>,
    pub(crate) file: Option<Upload>,
}

/// The file of a multipart form.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    pub(crate) async fn read(
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Self, GraphError> {
        let bearer = header_text(headers, header::AUTHORIZATION);
        let bearer = bearer.and_then(|text| text.strip_prefix("Bearer ").map(str::to_owned));
        let query = uri.query().unwrap_or_default();
        let mut request = Self {
            method,
            path: segments(uri.path())?,
            bearer,
            params: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            json: Map::new(),
            file: None,
        };
        let kind = header_text(headers, header::CONTENT_TYPE).unwrap_or_default();
        if kind.starts_with("application/json") {
            request.read_json(body)?;
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            request.params.extend(form_urlencoded::parse(body).into_owned());
        } else if kind.starts_with("multipart/form-data") {
            request.read_multipart(kind, body).await?;
        }
        Ok(request)
    }

    fn read_json(&mut self, body: &[u8]) -> Result<(), GraphError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => {
                self.json = object;
                Ok(())
            }
            Ok(_) | Err(_) => Err(GraphError::parameter("The request body is not a JSON object.")),
        }
    }

    async fn read_multipart(&mut self, kind: &str, body: &Bytes) -> Result<(), GraphError> {
        let unreadable =
            |error: multer::Error| GraphError::parameter(format!("Unreadable form: {error}"));
        let boundary = multer::parse_boundary(kind).map_err(unreadable)?;
        let whole = stream::iter([Ok::<_, std::io::Error>(body.clone())]);
        let mut form = multer::Multipart::new(whole, boundary);
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                let filename = field.file_name().map(str::to_owned);
                let content_type = field.content_type().map(ToString::to_string);
                let bytes = field.bytes().await.map_err(unreadable)?.to_vec();
                self.file = Some(Upload { filename, content_type, bytes });
            } else {
                self.params.insert(name, field.text().await.map_err(unreadable)?);
            }
        }
        Ok(())
    }

    /// A parameter, wherever it came.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        self.params.get(name).cloned().or_else(|| match self.json.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        })
    }

    /// A parameter of the query or a form only.
    pub(crate) fn plain_param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<String, GraphError> {
        self.param(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| GraphError::parameter(format!("The parameter {name} is required.")))
    }

    /// The method as Graph's sentences have it.
    pub(crate) fn verb(&self) -> String {
        self.method.as_str().to_lowercase()
    }

    /// The part of the path with this index.
    pub(crate) fn segment(&self, index: usize) -> &str {
        self.path.get(index).map(String::as_str).unwrap_or_default()
    }
}

pub(crate) fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Checks the version, and returns what follows it.
fn segments(path: &str) -> Result<Vec<String>, GraphError> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let unknown = || GraphError::graph(2500, format!("Unknown path components: {path}"));
    let version = parts.next().and_then(|part| part.strip_prefix('v')).ok_or_else(unknown)?;
    let (major, minor) = version.split_once('.').ok_or_else(unknown)?;
    let (major, _) = (
        major.parse::<u32>().ok().ok_or_else(unknown)?,
        minor.parse::<u32>().ok().ok_or_else(unknown)?,
    );
    if major < 21 {
        let sentence = format!("(#2635) v{version} is no longer available: use a newer version.");
        return Err(GraphError::graph(2635, sentence));
    }
    Ok(parts.map(str::to_owned).collect())
}
