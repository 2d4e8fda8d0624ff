//! Reading a QR code as a phone's camera does: from the picture.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

/// The text in the QR code of a `data:image/png;base64,…` URI.
pub fn decode_qr(data_uri: &str) -> String {
    let encoded = data_uri
        .strip_prefix("data:image/png;base64,")
        .unwrap_or_else(|| panic!("not a PNG data URI: {data_uri:.40}"));
    let png = BASE64.decode(encoded).expect("the data URI holds base64");
    let picture = image::load_from_memory_with_format(&png, image::ImageFormat::Png)
        .expect("the data URI holds a PNG")
        .to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    decode(width, height, |x, y| {
        let (x, y) = (u32::try_from(x).unwrap(), u32::try_from(y).unwrap());
        let [light] = picture.get_pixel(x, y).0;
        light
    })
}

/// Pixels per module that a camera sees of a terminal.
const SCALE: usize = 6;

/// The text in the last QR code that was drawn on a terminal with half blocks, light ones on dark.
pub fn decode_terminal_qr(log: &str) -> Option<String> {
    let halves = |symbol: char| match symbol {
        ' ' => Some((0, 0)),
        '\u{2580}' => Some((255, 0)),
        '\u{2584}' => Some((0, 255)),
        '\u{2588}' => Some((255, 255)),
        _ => None,
    };
    let mut lines = Vec::new();
    for line in log.lines().rev() {
        let row: Option<Vec<(u8, u8)>> = line.chars().map(halves).collect();
        match row.filter(|row| row.len() > 20) {
            Some(row) => lines.push(row),
            None if lines.is_empty() => {}
            None => break,
        }
    }
    lines.reverse();
    let width = lines.first()?.len();
    let light = |x: usize, y: usize| {
        let (upper, lower) = lines[y / SCALE / 2][x / SCALE];
        if (y / SCALE).is_multiple_of(2) { upper } else { lower }
    };
    Some(decode(width * SCALE, lines.len() * 2 * SCALE, light))
}

fn decode(width: usize, height: usize, light: impl FnMut(usize, usize) -> u8) -> String {
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, light);
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "QR codes in the picture");
    let (_, text) = grids.first().unwrap().decode().expect("the QR code can be read");
    text
}
