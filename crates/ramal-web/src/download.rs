//! Files that strangers sent, as answers: nothing of them runs under our name.

use std::fmt::Write as _;

use http::HeaderValue;

/// What a browser may do with one that it shows.
pub(crate) const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; \
     style-src 'unsafe-inline'; sandbox";

/// Whether it is shown or saved, and under which name (RFC 6266).
pub(crate) fn disposition(shown: bool, name: Option<&str>) -> HeaderValue {
    let way = if shown { "inline" } else { "attachment" };
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return HeaderValue::from_static(way);
    };
    let mut value = format!("{way}; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            value.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(value).unwrap_or_else(|_never| HeaderValue::from_static(way))
}

/// The media type under which a file is handed out: its own, unless a browser could run it.
pub(crate) fn harmless(mime: Option<&str>) -> HeaderValue {
    let kept = mime.filter(|mime| {
        let essence = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let runs = ["script", "html", "xml", "svg", "css", "wasm", "multipart"];
        !runs.iter().any(|word| essence.contains(word)) || essence.contains("openxml")
    });
    let kept = kept.and_then(|mime| HeaderValue::from_str(mime).ok());
    kept.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_handed_out_as_bytes() {
        for mime in
            ["text/html", "Image/SVG+xml", "text/javascript", "application/xhtml+xml", "a\nb"]
        {
            assert_eq!(harmless(Some(mime)), "application/octet-stream", "{mime}");
        }
        let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for mime in ["image/png", "audio/ogg; codecs=opus", "application/pdf", "text/plain", word] {
            assert_eq!(harmless(Some(mime)), mime);
        }
        assert_eq!(harmless(None), "application/octet-stream");
    }

    #[test]
    fn a_file_keeps_its_name_and_adds_nothing() {
        assert_eq!(disposition(true, None), "inline");
        let named = disposition(false, Some("conta \"é\".pdf\r\nx: y"));
        assert_eq!(named, "attachment; filename*=UTF-8''conta%20%22%C3%A9%22.pdf%0D%0Ax%3A%20y");
    }
}
