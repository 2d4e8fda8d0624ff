//! The media in a message.

use ramal_store::RemoteMedia;
use wacore::download::Downloadable;
use whatsapp_rust::waproto::whatsapp as wa;

use super::{Found, Part};

pub(super) fn find(message: &wa::Message) -> Found {
    let kept = |kind, caption: Option<&String>, part| Some((kind, caption.cloned(), part));
    if let Some(image) = message.image_message.as_option() {
        return kept(
            "image",
            image.caption.as_ref(),
            part("image", image, image.mimetype.as_ref(), image.caption.as_ref()),
        );
    }
    if let Some(video) = message.video_message.as_option() {
        return kept(
            "video",
            video.caption.as_ref(),
            part("video", video, video.mimetype.as_ref(), video.caption.as_ref()),
        );
    }
    if let Some(video) = message.ptv_message.as_option() {
        return kept("video", None, part("video", video, video.mimetype.as_ref(), None));
    }
    if let Some(audio) = message.audio_message.as_option() {
        return kept("audio", None, part("audio", audio, audio.mimetype.as_ref(), None));
    }
    if let Some(document) = message.document_message.as_option() {
        let part =
            part("document", document, document.mimetype.as_ref(), document.caption.as_ref());
        let file_name = document.file_name.clone().or_else(|| document.title.clone());
        let part = part.map(|part| Part { file_name, ..part });
        return kept("document", document.caption.as_ref(), part);
    }
    if let Some(sticker) = message.sticker_message.as_option() {
        return kept("sticker", None, part("sticker", sticker, sticker.mimetype.as_ref(), None));
    }
    None
}

/// What is needed to fetch media; `None` if the sender has left it out.
fn part(
    kind: &str,
    media: &dyn Downloadable,
    mime: Option<&String>,
    caption: Option<&String>,
) -> Option<Part> {
    let written = |bytes: Option<&[u8]>| bytes.map(hex::encode).unwrap_or_default();
    let remote = RemoteMedia {
        kind: kind.to_owned(),
        path: media.direct_path().filter(|path| path.starts_with('/'))?.to_owned(),
        key: written(media.media_key()),
        sha256: written(media.file_sha256()),
        enc_sha256: written(media.file_enc_sha256()),
        length: media.file_length().unwrap_or_default(),
    };
    let (mime, caption) = (mime.cloned(), caption.cloned().filter(|text| !text.is_empty()));
    Some(Part { remote, mime, caption, file_name: None })
}
