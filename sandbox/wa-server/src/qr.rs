//! What a phone's camera sees: QR images, and the text inside them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{crypto::Key, hub::LinkError};

const DATA_URL: &str = "data:image/png;base64,";
/// Pictures of QR codes are small; this keeps a hostile one from filling the memory.
const MAX_SIDE: u32 = 4_096;

/// The fields of a WhatsApp QR code (wa-server.md §4).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QrText {
    pub(crate) reference: String,
    pub(crate) noise_key: Key,
    pub(crate) identity: Key,
    pub(crate) adv_secret: Key,
}

impl QrText {
    /// Reads the text of a code; Baileys' deep-link prefix and a fifth field are optional.
    pub(crate) fn parse(text: &str) -> Result<Self, LinkError> {
        let fields = text.trim().rsplit('#').next().unwrap_or_default();
        let mut fields = fields.split(',');
        let reference = fields.next().unwrap_or_default().to_owned();
        if reference.is_empty() {
            return Err(LinkError::InvalidQr("it is empty"));
        }
        let mut key = || {
            let field = fields.next().ok_or(LinkError::InvalidQr("it has too few fields"))?;
            let bytes =
                STANDARD.decode(field).ok().ok_or(LinkError::InvalidQr("a field is not base64"))?;
            bytes.try_into().ok().ok_or(LinkError::InvalidQr("a field is not a key"))
        };
        Ok(Self { reference, noise_key: key()?, identity: key()?, adv_secret: key()? })
    }
}

/// Finds the text of the QR code in a PNG data URL. Heavy work: not for async threads.
pub(crate) fn read_image(data_url: &str) -> Result<String, LinkError> {
    let encoded = data_url.strip_prefix(DATA_URL).unwrap_or(data_url).trim();
    let png = STANDARD.decode(encoded).ok().ok_or(LinkError::UnreadableImage)?;
    let mut reader =
        image::ImageReader::with_format(std::io::Cursor::new(png), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let grey = reader.decode().ok().ok_or(LinkError::UnreadableImage)?.to_luma8();
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let at = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        grey.get_pixel_checked(at(x), at(y)).map_or(u8::MAX, |pixel| pixel.0[0])
    });
    prepared
        .detect_grids()
        .into_iter()
        .find_map(|grid| grid.decode().ok())
        .map(|(_, text)| text)
        .ok_or(LinkError::UnreadableImage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: usize) -> String {
        let key = STANDARD.encode([7_u8; 32]);
        std::iter::once("2@ref".to_owned())
            .chain(std::iter::repeat_n(key, fields))
            .collect::<Vec<_>>()
            .join(",")
    }

    #[test]
    fn prefix_and_client_type_are_optional() {
        let plain = QrText::parse(&text(3)).unwrap();
        assert_eq!(plain.reference, "2@ref");
        let prefixed = format!("https://wa.me/settings/linked_devices#{},1", text(3));
        assert_eq!(QrText::parse(&prefixed).unwrap(), plain);
    }

    #[test]
    fn everything_else_is_refused() {
        for wrong in ["", "hello", "https://example.org", "2@ref,AAAA,AAAA,AAAA", &text(2)] {
            assert!(QrText::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_picture_leads_to_its_text() {
        let code = qrcode::QrCode::new(text(3)).unwrap();
        let width = code.width();
        let (scale, border) = (4, 4);
        let side = u32::try_from((width + 2 * border) * scale).unwrap();
        let colors = code.to_colors();
        let picture = image::GrayImage::from_fn(side, side, |x, y| {
            let module = |at: u32| (at as usize / scale).checked_sub(border).filter(|m| *m < width);
            let dark = module(x)
                .zip(module(y))
                .is_some_and(|(x, y)| colors[y * width + x] == qrcode::Color::Dark);
            image::Luma([if dark { 0 } else { 255 }])
        });
        let mut png = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let url = format!("{DATA_URL}{}", STANDARD.encode(png.into_inner()));
        assert_eq!(read_image(&url).unwrap(), text(3));
    }

    #[test]
    fn a_picture_of_nothing_is_refused() {
        assert!(read_image("data:image/png;base64,AAAA").is_err());
        assert!(read_image("%%%").is_err());
    }
}
