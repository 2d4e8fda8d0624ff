//! How a link's page looks: its branding, as it was checked when the link was created.

use ramal_store::PairingLink;
use serde::Deserialize;

/// The fields of contract C.20 that the page knows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Look {
    #[serde(rename = "companyName")]
    pub(super) company: Option<String>,
    pub(super) subtitle: Option<String>,
    #[serde(rename = "logoUrl")]
    pub(super) logo: Option<String>,
    #[serde(rename = "primaryColor")]
    pub(super) primary: Option<String>,
    #[serde(rename = "backgroundColor")]
    pub(super) background: Option<String>,
    #[serde(rename = "supportUrl")]
    pub(super) support: Option<String>,
    /// Where the page goes after success.
    #[serde(rename = "defaultRedirectUrl")]
    pub(super) redirect: Option<String>,
    #[serde(rename = "hidePilotStatusBranding")]
    pub(super) hide_product: bool,
}

impl Look {
    pub(super) fn of(link: &PairingLink) -> Self {
        // It was checked before it was stored; what cannot be read looks plain.
        let look: Self = serde_json::from_str(&link.branding).unwrap_or_default();
        Self { redirect: link.redirect_url.clone().or(look.redirect), ..look }
    }

    /// Black or white, whichever can be read on the primary colour better (WCAG 2: relative
    /// luminance).
    pub(super) fn on_primary(&self) -> &'static str {
        let colour = self.primary.as_deref().and_then(channels);
        let Some([red, green, blue]) = colour else { return "#fff" };
        let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        // Where both contrasts are equal: (1 + 0.05) / (l + 0.05) = (l + 0.05) / 0.05.
        if luminance > 0.179 { "#111" } else { "#fff" }
    }
}

fn channels(colour: &str) -> Option<[u8; 3]> {
    let digits = colour.strip_prefix('#')?;
    let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some([channel(0)?, channel(2)?, channel(4)?])
}

fn linear(channel: u8) -> f64 {
    let value = f64::from(channel) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_the_primary_colour_can_be_read() {
        for (primary, text) in
            [("#000000", "#fff"), ("#ffffff", "#111"), ("#1fd286", "#111"), ("#0b5d3b", "#fff")]
        {
            let look = Look { primary: Some(primary.to_owned()), ..Look::default() };
            assert_eq!(look.on_primary(), text, "{primary}");
        }
    }
}
