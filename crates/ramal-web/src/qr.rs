//! QR codes as pictures: PNG for the API, block characters for the terminal.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use qrcode::{Color, EcLevel, QrCode, render::unicode::Dense1x2};

/// Pixels per module: a 300 to 400 pixel picture for WhatsApp's codes.
const SCALE: usize = 6;
/// Modules of white around the code, as ISO/IEC 18004 asks for.
const QUIET: usize = 4;

/// Why a text cannot be shown as a QR code.
#[derive(Debug)]
pub struct QrError(String);

impl std::fmt::Display for QrError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the QR code cannot be drawn: {}", self.0)
    }
}

impl std::error::Error for QrError {}

/// A QR code, drawn.
#[derive(Clone, Debug)]
pub struct QrPicture(Vec<u8>);

impl QrPicture {
    /// Draws `text` as a black-and-white PNG.
    ///
    /// # Errors
    ///
    /// [`QrError`] when the text is too long for a QR code (about 2,900 bytes).
    pub fn draw(text: &str) -> Result<Self, QrError> {
        // Level L: WhatsApp Web's own; screens need no damage repair, and the code stays small.
        let code = QrCode::with_error_correction_level(text, EcLevel::L)
            .map_err(|error| QrError(error.to_string()))?;
        let width = code.width();
        let side = (width + 2 * QUIET) * SCALE;
        let colors = code.into_colors();
        let dark = |x: usize, y: usize| {
            let module = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|&m| m < width);
            let (Some(column), Some(row)) = (module(x), module(y)) else { return false };
            colors.get(row * width + column) == Some(&Color::Dark)
        };
        let stride = side.div_ceil(8);
        let mut bits = vec![0xff_u8; stride * side];
        for y in 0..side {
            for x in (0..side).filter(|&x| dark(x, y)) {
                if let Some(byte) = bits.get_mut(y * stride + x / 8) {
                    *byte &= !(0x80 >> (x % 8));
                }
            }
        }
        encode(side, &bits).map(Self)
    }

    /// As `data:image/png;base64,…`.
    pub fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", BASE64.encode(&self.0))
    }
}

fn encode(side: usize, bits: &[u8]) -> Result<Vec<u8>, QrError> {
    let side = u32::try_from(side).map_err(|error| QrError(error.to_string()))?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().map_err(|error| QrError(error.to_string()))?;
    writer.write_image_data(bits).map_err(|error| QrError(error.to_string()))?;
    writer.finish().map_err(|error| QrError(error.to_string()))?;
    Ok(file)
}

/// Draws `text` with block characters, for a dark terminal.
///
/// # Errors
///
/// [`QrError`] when the text is too long for a QR code.
pub fn terminal_qr(text: &str) -> Result<String, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|error| QrError(error.to_string()))?;
    let picture = code.render::<Dense1x2>();
    let mut picture = picture;
    // Inverted: light modules are drawn, so that the code reads dark on light on a dark terminal.
    Ok(picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_png_of_whole_modules() {
        let uri = QrPicture::draw("2@abc,def,ghi,jkl,1").unwrap().data_uri();
        let file = BASE64.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();

        assert!(file.starts_with(b"\x89PNG\r\n\x1a\n"));
        let side = u32::from_be_bytes(file[16..20].try_into().unwrap());
        assert_eq!(usize::try_from(side).unwrap() % SCALE, 0);
    }

    #[test]
    fn a_text_that_does_not_fit_is_an_error() {
        assert!(QrPicture::draw(&"x".repeat(5_000)).is_err());
        assert!(terminal_qr(&"x".repeat(5_000)).is_err());
    }
}
