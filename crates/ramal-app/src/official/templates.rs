//! Templates of Meta's, filled in with a caller's variables.
//!
//! A counted variable of the body is called by its number (`1`), of the header `header_1`, the end of a
//! button's address `button_0`; a named one by its name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ramal_domain::{FilledTemplate, Media, NumberId, TemplateValue};
use ramal_meta::Template;
use serde_json::Value;
use tokio::time::Instant;

use super::{refusal_of, stored_ids};
use crate::{App, AppError, Refusal};

/// How long what Meta said of a template is believed: it lets us ask only so often.
const BELIEVED: Duration = Duration::from_mins(5);
/// Longest name of a template.
const NAME_MAX: usize = 512;

/// What Meta said of templates lately.
#[derive(Debug, Default)]
pub(crate) struct Templates(Mutex<HashMap<Key, (Instant, Vec<Template>)>>);

/// An account, and the name of a template; no name for all that can be sent.
type Key = (String, String);

impl Templates {
    fn get(&self, key: &Key) -> Option<Vec<Template>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < BELIEVED);
        known.get(key).map(|(_, templates)| templates.clone())
    }

    fn put(&self, key: Key, templates: Vec<Template>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, (Instant::now(), templates));
    }
}

impl App {
    /// Fills in a template of an official number's account. `wanted` is its name, or `name:language`.
    pub(crate) async fn fill_template(
        &self,
        number: NumberId,
        wanted: &str,
        variables: &BTreeMap<String, String>,
        header: Option<Media>,
    ) -> Result<FilledTemplate, AppError> {
        let (name, language) = match wanted.split_once(':') {
            Some((name, language)) => (name, Some(language)),
            None => (wanted, None),
        };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
            // No template of Meta's is called so.
            return Err(Refusal::TemplateNotFound.into());
        }
        let templates = self.meta_templates(number, Some(name)).await?;
        let template = choose(&templates, language)?;
        fill(template, variables, header)
    }

    /// The templates of that name, or all that can be sent.
    pub(super) async fn meta_templates(
        &self,
        number: NumberId,
        name: Option<&str>,
    ) -> Result<Vec<Template>, AppError> {
        let meta = self.meta()?;
        let official = self.store.read().await?.official().get(number).await?;
        let official = official.ok_or(Refusal::NumberNotFound)?;
        let key = (official.waba_id.clone(), name.unwrap_or_default().to_owned());
        if let Some(known) = meta.templates.get(&key) {
            return Ok(known);
        }
        let (_phone, waba) = stored_ids(&official)?;
        let access = meta.access(&official);
        let found = match name {
            Some(name) => meta.graph.templates(&access, &waba, name).await,
            None => meta.graph.approved_templates(&access, &waba).await,
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.note_refusal(number, &error, &access).await?;
                return Err(refusal_of(&error).into());
            }
        };
        // One that is not there may be made any moment.
        if !found.is_empty() {
            meta.templates.put(key, found.clone());
        }
        Ok(found)
    }
}

fn choose<'a>(templates: &'a [Template], language: Option<&str>) -> Result<&'a Template, AppError> {
    let approved = |template: &&Template| {
        template.status == "APPROVED" && language.is_none_or(|wanted| template.language == wanted)
    };
    let mut fitting = templates.iter().filter(approved);
    let first = fitting.next().ok_or(Refusal::TemplateNotFound)?;
    if fitting.next().is_some() {
        let languages: Vec<_> = templates.iter().map(|it| it.language.as_str()).collect();
        let sentence = format!(
            "templateId: the template exists in {}; send it as name:language",
            languages.join(", ")
        );
        return Err(AppError::invalid(sentence));
    }
    Ok(first)
}

fn fill(
    template: &Template,
    variables: &BTreeMap<String, String>,
    header: Option<Media>,
) -> Result<FilledTemplate, AppError> {
    let mut filled = FilledTemplate {
        name: template.name.clone(),
        language: template.language.clone(),
        header: None,
        header_values: Vec::new(),
        body_values: Vec::new(),
        button_values: Vec::new(),
        preview: String::new(),
    };
    let mut missing = Vec::new();
    let mut value = |key: String| {
        let given = variables.get(&key).cloned();
        if given.is_none() {
            missing.push(key);
        }
        given.unwrap_or_default()
    };
    let mut header = header;
    for component in &template.components {
        let field = |name: &str| component.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "HEADER" if field("format") == "TEXT" => {
                filled.header_values = values(template, field("text"), "header_", &mut value);
            }
            "HEADER" if matches!(field("format"), "IMAGE" | "VIDEO" | "DOCUMENT") => {
                let wanted = field("format").to_ascii_lowercase();
                let media = header.take().filter(|media| media.kind.name() == wanted);
                filled.header = Some(media.ok_or_else(|| {
                    AppError::invalid(format!("the template needs media of type {wanted}"))
                })?);
            }
            "BODY" => {
                filled.body_values = values(template, field("text"), "", &mut value);
                filled.preview = preview(field("text"), variables);
            }
            "BUTTONS" => {
                let buttons = component.get("buttons").and_then(Value::as_array);
                for (index, button) in (0_u32..).zip(buttons.into_iter().flatten()) {
                    let url = button.get("url").and_then(Value::as_str).unwrap_or_default();
                    if !placeholders(url).is_empty() {
                        filled.button_values.push((index, value(format!("button_{index}"))));
                    }
                }
            }
            _ => {}
        }
    }
    if !missing.is_empty() {
        return Err(Refusal::MissingTemplateVariables(missing.join(", ")).into());
    }
    if header.is_some() {
        return Err(AppError::invalid("the template has no place for media"));
    }
    Ok(filled)
}

fn values(
    template: &Template,
    text: &str,
    prefix: &str,
    value: &mut impl FnMut(String) -> String,
) -> Vec<TemplateValue> {
    let mut names = placeholders(text);
    if !template.named {
        // Meta counts what it is given: the first value is that of {{1}}, wherever it stands.
        names.sort_by_key(|name| name.parse::<u32>().unwrap_or(u32::MAX));
    }
    let filled = names.into_iter().map(|name| {
        if template.named {
            TemplateValue { value: value(name.clone()), name: Some(name) }
        } else {
            TemplateValue { value: value(format!("{prefix}{name}")), name: None }
        }
    });
    filled.collect()
}

/// The names between `{{` and `}}`, each once, in their order.
pub(super) fn placeholders(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in text.split("{{").skip(1) {
        if let Some((name, _)) = part.split_once("}}")
            && !names.iter().any(|known| known == name.trim())
        {
            names.push(name.trim().to_owned());
        }
    }
    names
}

fn preview(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut parts = text.split("{{");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("}}") {
            Some((name, rest)) => {
                shown.push_str(variables.get(name.trim()).map_or("", String::as_str));
                shown.push_str(rest);
            }
            None => shown.push_str(part),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(named: bool, components: &Value) -> Template {
        Template {
            id: "1".to_owned(),
            name: "hello".to_owned(),
            language: "pt_BR".to_owned(),
            status: "APPROVED".to_owned(),
            category: "UTILITY".to_owned(),
            named,
            components: components.as_array().unwrap().clone(),
        }
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn counted_variables_are_filled_in_where_they_stand() {
        let template = template(
            false,
            &json!([{"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
                {"type": "BODY", "text": "Oi {{1}}, {{2}} again {{1}}"},
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "ok"},
                    {"type": "URL", "url": "https://x/{{1}}"}]}]),
        );
        let given =
            variables(&[("1", "Ana"), ("2", "ten"), ("header_1", "7"), ("button_1", "abc")]);
        let filled = fill(&template, &given, None).unwrap();

        assert_eq!(filled.preview, "Oi Ana, ten again Ana");
        assert_eq!(filled.body_values.len(), 2);
        assert_eq!(filled.header_values[0].value, "7");
        assert_eq!(filled.button_values, [(1, "abc".to_owned())]);
        let error = fill(&template, &variables(&[("1", "Ana")]), None).unwrap_err();
        assert_eq!(error.code(), "MISSING_TEMPLATE_VARIABLES");
        assert!(error.to_string().ends_with("header_1, 2, button_1"), "{error}");
    }

    #[test]
    fn counted_variables_are_given_in_the_order_of_their_numbers() {
        let text = "{{2}} and {{10}}, not {{1}}";
        let template = template(false, &json!([{"type": "BODY", "text": text}]));
        let given = variables(&[("1", "one"), ("2", "two"), ("10", "ten")]);
        let filled = fill(&template, &given, None).unwrap();
        let values: Vec<_> = filled.body_values.iter().map(|it| it.value.as_str()).collect();
        assert_eq!(values, ["one", "two", "ten"]);
        assert_eq!(filled.preview, "two and ten, not one");
    }

    #[test]
    fn a_language_is_asked_for_where_there_are_several() {
        let one = template(true, &json!([{"type": "BODY", "text": "Oi {{name}}"}]));
        let other = Template { language: "en".to_owned(), ..one.clone() };
        let filled = fill(&one, &variables(&[("name", "Ana")]), None).unwrap();
        assert_eq!(filled.body_values[0].name.as_deref(), Some("name"));

        let both = [one, other];
        assert!(choose(&both, None).is_err());
        assert_eq!(choose(&both, Some("en")).unwrap().language, "en");
        assert!(choose(&both, Some("es")).is_err());
        assert!(choose(&[], None).is_err());
    }
}
