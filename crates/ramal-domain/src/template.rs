//! Templates of a tenant's own: texts with `{{variables}}`, kept until somebody sends them.
//!
//! A value is put in as it is. It is never read again, so `{{x}}` in a value stays `{{x}}`.

use std::collections::BTreeMap;

use crate::{Button, MediaKind};

/// Longest name of a variable, in characters.
const NAME_MAX: usize = 64;
const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// What a template's variables are filled in with.
pub type Variables = BTreeMap<String, String>;

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateTextError {
    /// Two braces open, and nothing closes them.
    #[error("{{{{ is never closed: a variable is written {{{{name}}}}")]
    Unclosed,
    /// What stands between the braces is no name.
    #[error(
        "{0:?} is no variable: between {{{{ and }}}} stand 1 to {max} letters, digits or underscores",
        max = NAME_MAX
    )]
    BadName(String),
}

/// A text with variables.
///
/// ```
/// use ramal_domain::TemplateText;
///
/// let text: TemplateText = "Hi {{name}}".parse()?;
/// assert_eq!(text.fill(&[("name".to_owned(), "Ana".to_owned())].into()), "Hi Ana");
/// # Ok::<(), ramal_domain::TemplateTextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateText(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    Variable(String),
}

impl std::str::FromStr for TemplateText {
    type Err = TemplateTextError;

    fn from_str(text: &str) -> Result<Self, TemplateTextError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once(OPEN) {
            let (name, after) = after.split_once(CLOSE).ok_or(TemplateTextError::Unclosed)?;
            if !words.is_empty() {
                parts.push(Part::Words(words.to_owned()));
            }
            parts.push(Part::Variable(check_name(name)?.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Words(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

fn check_name(between: &str) -> Result<&str, TemplateTextError> {
    let name = between.trim();
    let length = name.chars().count();
    let fits = |letter: char| letter.is_alphanumeric() || letter == '_';
    if length == 0 || length > NAME_MAX || !name.chars().all(fits) {
        let shown = between.chars().take(NAME_MAX).collect();
        return Err(TemplateTextError::BadName(shown));
    }
    Ok(name)
}

impl TemplateText {
    /// The names of its variables, in their order, as often as they stand in it.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Words(_) => None,
            Part::Variable(name) => Some(name.as_str()),
        })
    }

    /// The text with the values in it; a variable without one leaves nothing.
    pub fn fill(&self, values: &Variables) -> String {
        let filled = self.0.iter().map(|part| match part {
            Part::Words(words) => words.as_str(),
            Part::Variable(name) => values.get(name).map_or("", String::as_str),
        });
        filled.collect()
    }
}

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateCategory {
    /// What somebody did asks for it: an order, an appointment.
    Utility,
    /// Offers and news.
    Marketing,
    /// Codes and links that let somebody in.
    Otp,
}

/// A word that names no category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a category is UTILITY, MARKETING or OTP")]
pub struct UnknownCategory;

impl TemplateCategory {
    /// Every category.
    pub const ALL: [Self; 3] = [Self::Utility, Self::Marketing, Self::Otp];

    /// Its name, in the API and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utility => "UTILITY",
            Self::Marketing => "MARKETING",
            Self::Otp => "OTP",
        }
    }
}

impl std::str::FromStr for TemplateCategory {
    type Err = UnknownCategory;

    fn from_str(name: &str) -> Result<Self, UnknownCategory> {
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or(UnknownCategory)
    }
}

/// What a template says. Each of its texts may have variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateContent {
    /// Its language, such as `pt_BR`, for people.
    pub language: Option<String>,
    /// The text, or the words below media; empty where media need none.
    pub text: String,
    /// The last line.
    pub footer: Option<String>,
    /// Its media.
    pub media: Option<TemplateMedia>,
    /// Its buttons.
    pub buttons: Vec<Button>,
}

/// Media of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMedia {
    /// What it is.
    pub kind: MediaKind,
    /// Where it is fetched when a message is sent.
    pub url: String,
    /// What a document is called.
    pub file_name: Option<String>,
}

impl TemplateContent {
    /// The names of its variables, each once, in the order in which they stand.
    ///
    /// # Errors
    ///
    /// [`TemplateTextError`] of the first text that is no template, with the text's name.
    pub fn variables(&self) -> Result<Vec<String>, (&'static str, TemplateTextError)> {
        let mut names: Vec<String> = Vec::new();
        self.map(|field, text| {
            let text: TemplateText = text.parse().map_err(|error| (field, error))?;
            for name in text.variables() {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            Ok(String::new())
        })?;
        Ok(names)
    }

    /// The same with the values in it; a variable without one leaves nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::variables`].
    pub fn fill(&self, values: &Variables) -> Result<Self, (&'static str, TemplateTextError)> {
        self.map(|field, text| {
            let text: TemplateText = text.parse().map_err(|error| (field, error))?;
            Ok(text.fill(values))
        })
    }

    /// The same with each of its texts replaced; `change` gets what the text is called, and the text.
    fn map<E>(
        &self,
        mut change: impl FnMut(&'static str, &str) -> Result<String, E>,
    ) -> Result<Self, E> {
        let media = self.media.as_ref().map(|media| {
            Ok(TemplateMedia {
                kind: media.kind,
                url: change("media", &media.url)?,
                file_name: media
                    .file_name
                    .as_deref()
                    .map(|name| change("fileName", name))
                    .transpose()?,
            })
        });
        let media = media.transpose()?;
        let text = change("text", &self.text)?;
        let footer = self.footer.as_deref().map(|text| change("footer", text)).transpose()?;
        let mut buttons = Vec::new();
        for button in &self.buttons {
            buttons.push(match button {
                // What comes back names the button by what it says.
                Button::Reply { label, .. } => {
                    let label = change("buttons", label)?;
                    Button::Reply { id: label.clone(), label }
                }
                Button::Url { label, url } => {
                    Button::Url { label: change("buttons", label)?, url: change("buttons", url)? }
                }
            });
        }
        Ok(Self { language: self.language.clone(), text, footer, media, buttons })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<TemplateText, TemplateTextError> {
        text.parse()
    }

    fn values(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_have_names_or_numbers_and_room_around_them() {
        let text = parse("{{1}} and {{ first_name }} and {{1}}, {not} one }}").unwrap();
        assert_eq!(text.variables().collect::<Vec<_>>(), ["1", "first_name", "1"]);
        let filled = text.fill(&values(&[("1", "A"), ("first_name", "Ana")]));
        assert_eq!(filled, "A and Ana and A, {not} one }}");
    }

    #[test]
    fn what_is_half_a_variable_is_told() {
        assert_eq!(parse("Hi {{name"), Err(TemplateTextError::Unclosed));
        for bad in ["{{}}", "{{ }}", "{{a b}}", "{{{a}}}", "{{a.b}}", "{{a\n}}{{", "{{{{a}}}}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let long = "x".repeat(65);
        assert!(parse(&format!("{{{{{long}}}}}")).is_err());
        let sentence = parse("{{a b}}").unwrap_err().to_string();
        assert!(sentence.contains("\"a b\"") && sentence.contains("{{ and }}"), "{sentence}");
    }

    #[test]
    fn every_text_of_a_template_may_have_variables() {
        let content = TemplateContent {
            language: Some("pt_BR".to_owned()),
            text: "Oi {{name}}".to_owned(),
            footer: Some("Pedido {{order}}".to_owned()),
            media: Some(TemplateMedia {
                kind: MediaKind::Document,
                url: "https://acme.example/{{order}}.pdf".to_owned(),
                file_name: Some("{{order}}.pdf".to_owned()),
            }),
            buttons: vec![Button::Reply { id: String::new(), label: "{{yes}}".to_owned() }],
        };
        assert_eq!(content.variables().unwrap(), ["order", "name", "yes"]);
        let given = values(&[("name", "{{order}}"), ("order", "7"), ("yes", "Sim")]);
        let filled = content.fill(&given).unwrap();
        assert_eq!(filled.text, "Oi {{order}}", "a value is not read again");
        assert_eq!(filled.footer.as_deref(), Some("Pedido 7"));
        let media = filled.media.unwrap();
        assert_eq!(media.url, "https://acme.example/7.pdf");
        assert_eq!(media.file_name.as_deref(), Some("7.pdf"));
        let yes = Button::Reply { id: "Sim".to_owned(), label: "Sim".to_owned() };
        assert_eq!(filled.buttons, [yes]);

        let broken = TemplateContent { footer: Some("{{".to_owned()), ..content };
        assert_eq!(broken.variables(), Err(("footer", TemplateTextError::Unclosed)));
    }

    #[test]
    fn categories_are_read_as_they_are_written() {
        for category in TemplateCategory::ALL {
            assert_eq!(category.name().parse(), Ok(category));
        }
        assert_eq!("utility".parse::<TemplateCategory>(), Err(UnknownCategory));
    }

    proptest! {
        /// However words and variables are mixed, and whatever the values are, each value stands where
        /// its variable stood and nothing else changes.
        #[test]
        fn values_are_put_in_literally(
            parts in prop::collection::vec(
                prop_oneof!["[^{}]{0,8}".prop_map(Ok), "[a-z0-9_]{1,6}".prop_map(Err)],
                0..8,
            ),
            value in prop_oneof![Just("{{a}}".to_owned()), Just("{{".to_owned()), "\\PC{0,8}"],
        ) {
            let written: String = parts.iter().map(|part| match part {
                Ok(words) => words.clone(),
                Err(name) => format!("{{{{{name}}}}}"),
            }).collect();
            let names: Vec<&String> = parts.iter().filter_map(|part| part.as_ref().err()).collect();
            let values: Variables =
                names.iter().map(|name| ((*name).clone(), format!("{value}{name}"))).collect();
            let expected: String = parts.iter().map(|part| match part {
                Ok(words) => words.clone(),
                Err(name) => format!("{value}{name}"),
            }).collect();

            let text = parse(&written).unwrap();
            prop_assert_eq!(text.variables().collect::<Vec<_>>(), names);
            prop_assert_eq!(text.fill(&values), expected);
        }

        #[test]
        fn arbitrary_texts_never_panic(text in "[{}a \\PC]{0,40}") {
            if let Ok(parsed) = parse(&text) {
                let same = parsed.variables().map(|name| (name.to_owned(), name.to_owned()));
                parsed.fill(&same.collect());
            }
        }
    }
}
