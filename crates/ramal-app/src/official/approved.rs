//! The templates that an official number can send, for callers to look at.

use ramal_domain::{MediaKind, NumberId};
use ramal_meta::Template;
use serde_json::Value;

use super::templates::placeholders;
use crate::{App, AppError};

/// A template that Meta has approved, in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialTemplate {
    /// Its name.
    pub name: String,
    /// Its language, such as `pt_BR`.
    pub language: String,
    /// Meta's word for what it is for.
    pub category: String,
    /// Its body.
    pub text: String,
    /// Its last line.
    pub footer: Option<String>,
    /// What media its header takes.
    pub media: Option<MediaKind>,
    /// Its buttons.
    pub buttons: Vec<OfficialButton>,
    /// What it must be filled in with, as `variables` calls it.
    pub variables: Vec<String>,
}

/// A button of a template of Meta's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialButton {
    /// `reply`, `url`, or Meta's own word in lower case.
    pub kind: String,
    /// What it says.
    pub label: String,
    /// Where it leads.
    pub url: Option<String>,
}

impl OfficialTemplate {
    /// What it is sent by: the name alone would not say which language.
    pub fn id(&self) -> String {
        format!("{}:{}", self.name, self.language)
    }
}

impl App {
    /// The templates that Meta has approved for the account of an official number, by name.
    pub(crate) async fn official_templates(
        &self,
        number: NumberId,
    ) -> Result<Vec<OfficialTemplate>, AppError> {
        let found = self.meta_templates(number, None).await?;
        let mut templates: Vec<OfficialTemplate> = found.iter().map(view).collect();
        templates.sort_by_key(OfficialTemplate::id);
        Ok(templates)
    }
}

/// A template as callers see it; its variables have the names by which it is filled in.
fn view(template: &Template) -> OfficialTemplate {
    let mut seen = OfficialTemplate {
        name: template.name.clone(),
        language: template.language.clone(),
        category: template.category.clone(),
        text: String::new(),
        footer: None,
        media: None,
        buttons: Vec::new(),
        variables: Vec::new(),
    };
    let prefix = if template.named { "" } else { "header_" };
    for component in &template.components {
        let field = |name: &str| component.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "HEADER" if field("format") == "TEXT" => {
                let names = placeholders(field("text")).into_iter();
                seen.variables.extend(names.map(|name| format!("{prefix}{name}")));
            }
            "HEADER" => {
                let kind = field("format").to_ascii_lowercase();
                seen.media = MediaKind::named(&kind);
            }
            "BODY" => {
                field("text").clone_into(&mut seen.text);
                seen.variables.extend(placeholders(field("text")));
            }
            "FOOTER" => seen.footer = Some(field("text").to_owned()),
            "BUTTONS" => {
                let buttons = component.get("buttons").and_then(Value::as_array);
                seen.buttons = buttons.into_iter().flatten().map(button).collect();
                let open = seen.buttons.iter().enumerate().filter(|(_, button)| {
                    !placeholders(button.url.as_deref().unwrap_or_default()).is_empty()
                });
                seen.variables.extend(open.map(|(index, _)| format!("button_{index}")));
            }
            _ => {}
        }
    }
    seen
}

fn button(button: &Value) -> OfficialButton {
    let field = |name: &str| button.get(name).and_then(Value::as_str);
    OfficialButton {
        kind: match field("type").unwrap_or_default() {
            "QUICK_REPLY" => "reply".to_owned(),
            other => other.to_ascii_lowercase(),
        },
        label: field("text").unwrap_or_default().to_owned(),
        url: field("url").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_have_the_names_by_which_a_template_is_filled_in() {
        let components = json!([
            {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
            {"type": "BODY", "text": "Hi {{1}}, {{2}}"},
            {"type": "FOOTER", "text": "Acme"},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "ok"},
                {"type": "URL", "text": "Track", "url": "https://x/{{1}}"},
            ]},
        ]);
        let template = |named, components: &Value| Template {
            id: "1".to_owned(),
            name: "order".to_owned(),
            language: "pt_BR".to_owned(),
            status: "APPROVED".to_owned(),
            category: "UTILITY".to_owned(),
            named,
            components: components.as_array().unwrap().clone(),
        };
        let seen = view(&template(false, &components));
        assert_eq!(seen.id(), "order:pt_BR");
        assert_eq!(seen.variables, ["header_1", "1", "2", "button_1"]);
        assert_eq!((seen.text.as_str(), seen.footer.as_deref()), ("Hi {{1}}, {{2}}", Some("Acme")));
        let kinds: Vec<&str> = seen.buttons.iter().map(|button| button.kind.as_str()).collect();
        assert_eq!(kinds, ["reply", "url"]);

        let named = json!([
            {"type": "HEADER", "format": "IMAGE"},
            {"type": "BODY", "text": "Hi {{guest}}"},
        ]);
        let seen = view(&template(true, &named));
        assert_eq!(
            (seen.media, seen.variables),
            (Some(MediaKind::Image), vec!["guest".to_owned()])
        );
    }
}
