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
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let (x, y) = (u32::try_from(x).unwrap(), u32::try_from(y).unwrap());
        let [light] = picture.get_pixel(x, y).0;
        light
    });
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "QR codes in the picture");
    let (_, text) = grids.first().unwrap().decode().expect("the QR code can be read");
    text
}
