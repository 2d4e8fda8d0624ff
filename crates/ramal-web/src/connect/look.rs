//! The colours of a branded page. Whatever a tenant chooses, the page can be read (WCAG 2.2 AA).

use ramal_app::Branding;

/// The smallest contrast of text.
const TEXT: f64 = 4.5;
/// The smallest contrast of what is not text: buttons, icons.
const SHAPE: f64 = 3.0;
/// How much of the primary colour is in the soft grounds of icons and tabs.
const SOFT: f64 = 0.12;
/// Backgrounds darker than this get the dark scheme. On lighter ones, even where their own text is
/// white, a white card looks best.
const DARK_GROUND: f64 = 0.05;

/// A colour's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Colour([u8; 3]);

const BLACK: Colour = Colour([0; 3]);
const WHITE: Colour = Colour([0xff, 0xff, 0xff]);

/// What lies below the primary colour: as in `tokens.css`, which a test compares.
struct Scheme {
    card: Colour,
    well: Colour,
    ink: Colour,
}

const LIGHT: Scheme =
    Scheme { card: WHITE, well: Colour([0xf6, 0xf8, 0xf7]), ink: Colour([0x17, 0x21, 0x1d]) };
const DARK: Scheme = Scheme {
    card: Colour([0x18, 0x20, 0x1d]),
    well: Colour([0x11, 0x18, 0x15]),
    ink: Colour([0xea, 0xf0, 0xed]),
};

/// How a page differs from `tokens.css`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// `light` or `dark` when the background decides and not the browser; else nothing.
    pub(super) scheme: &'static str,
    /// Custom properties, as a style sheet. Of checked colours only. Its selectors weigh as much as
    /// the heaviest of `tokens.css`.
    pub(super) palette: String,
}

impl Look {
    pub(super) fn of(branding: &Branding) -> Self {
        let background = branding.background_color.as_deref().and_then(Colour::parse);
        let primary = branding.primary_color.as_deref().and_then(Colour::parse);
        let mut look = Self::default();
        if let Some(page) = background {
            look.scheme = if page.luminance() < DARK_GROUND { "dark" } else { "light" };
            look.palette =
                format!(":root:root{{--page:{};--on-page:{}}}", page.hex(), page.ink().hex());
        }
        if let Some(primary) = primary {
            let palette = match look.scheme {
                "" => format!(
                    ":root:root{{{}}}@media(prefers-color-scheme:dark){{:root:root{{{}}}}}",
                    primary.tokens(&LIGHT),
                    primary.tokens(&DARK)
                ),
                "dark" => format!(":root[data-scheme]{{{}}}", primary.tokens(&DARK)),
                _ => format!(":root[data-scheme]{{{}}}", primary.tokens(&LIGHT)),
            };
            look.palette.push_str(&palette);
        }
        look
    }
}

impl Colour {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self([channel(0)?, channel(2)?, channel(4)?]))
    }

    fn hex(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// Relative luminance.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever can be read on this better. One of them always can.
    fn ink(self) -> Self {
        if self.contrast(BLACK) > self.contrast(WHITE) { BLACK } else { WHITE }
    }

    /// `share` of this over `ground`.
    fn over(self, ground: Self, share: f64) -> Self {
        let mut mixed = ground.0;
        for (below, above) in mixed.iter_mut().zip(self.0) {
            let value = f64::from(above) * share + f64::from(*below) * (1.0 - share);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between two channels"
            )]
            {
                *below = value.round() as u8;
            }
        }
        Self(mixed)
    }

    /// What a scheme looks like with this as its primary colour.
    fn tokens(self, scheme: &Scheme) -> String {
        let soft = self.over(scheme.card, SOFT);
        // As text, icon or ring it must stand out from everything it may lie on; else the ink does.
        let grounds = [scheme.card, scheme.well, soft];
        let readable = grounds.iter().all(|ground| self.contrast(*ground) >= TEXT);
        let accent = if readable { self } else { scheme.ink };
        // A button that is hardly a button without a border.
        let visible = self.contrast(scheme.card) >= SHAPE;
        let edge = if visible { "transparent".to_owned() } else { scheme.ink.hex() };
        format!(
            "--primary:{};--on-primary:{};--primary-soft:{};--accent:{};--edge:{edge}",
            self.hex(),
            self.ink().hex(),
            soft.hex(),
            accent.hex(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A colour in each corner, on each edge and in the middle of the cube, and some of brands.
    fn colours() -> Vec<Colour> {
        let steps = [0x00, 0x40, 0x80, 0xc0, 0xff];
        let mut all = Vec::new();
        for red in steps {
            for green in steps {
                all.extend(steps.map(|blue| Colour([red, green, blue])));
            }
        }
        all.extend(["#1fd286", "#25d366", "#0b7d5b", "#777777"].map(|c| Colour::parse(c).unwrap()));
        all
    }

    fn token(style: &str, name: &str) -> Colour {
        let (_, rest) = style.split_once(&format!("{name}:")).unwrap();
        Colour::parse(rest.trim_start().get(..7).unwrap()).unwrap()
    }

    #[test]
    fn every_choice_can_be_read() {
        for colour in colours() {
            assert!(colour.contrast(colour.ink()) >= TEXT, "{colour:?}");
            for scheme in [&LIGHT, &DARK] {
                let style = colour.tokens(scheme);
                let (soft, accent) = (token(&style, "--primary-soft"), token(&style, "--accent"));
                for ground in [scheme.card, scheme.well, soft] {
                    assert!(accent.contrast(ground) >= TEXT, "{style}");
                }
                let bordered = !style.contains("--edge:transparent");
                assert!(bordered || colour.contrast(scheme.card) >= SHAPE, "{style}");
            }
        }
    }

    #[test]
    fn the_background_decides_the_scheme() {
        let look = |background: &str| {
            let background_color = Some(background.to_owned());
            Look::of(&Branding { background_color, ..Branding::default() })
        };
        assert_eq!(look("#101820").scheme, "dark");
        assert!(look("#101820").palette.contains("--on-page:#ffffff"));
        assert_eq!(look("#ffe08a").scheme, "light");
        assert!(look("#ffe08a").palette.contains("--on-page:#000000"));
        assert_eq!(look("#8a1c7c").scheme, "light", "a white card on a strong colour");
        assert_eq!(Look::of(&Branding::default()), Look::default());
    }

    #[test]
    fn the_schemes_are_those_of_the_style_sheet() {
        let style = include_str!("tokens.css");
        for colour in [LIGHT.card, LIGHT.well, LIGHT.ink, DARK.card, DARK.well, DARK.ink] {
            assert!(style.contains(&colour.hex()) || colour == WHITE, "{colour:?}");
        }
        // The dark scheme stands there twice: as the browser's wish and as the page's.
        let dark: Vec<&str> = style.split("/* dark */").skip(1).collect();
        let [first, second] = dark[..] else { panic!("two dark schemes") };
        let declarations = |block: &str| block.split('}').next().unwrap().trim().to_owned();
        assert_eq!(declarations(first), declarations(second));
    }
}
