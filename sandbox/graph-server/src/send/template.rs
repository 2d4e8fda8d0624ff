//! Whether a template message fits its template.

use serde_json::{Map, Value};

use crate::{
    graph::GraphError,
    state::{Template, variables_in},
};

/// Finds the template and compares its variables with the parameters.
pub(crate) fn check(
    templates: &[Template],
    message: &Map<String, Value>,
) -> Result<Template, GraphError> {
    let given = message.get("template");
    let text = |pointer| given.and_then(|given| given.pointer(pointer)).and_then(Value::as_str);
    let (name, language) =
        (text("/name").unwrap_or_default(), text("/language/code").unwrap_or_default());
    let found = templates.iter().find(|it| it.name == name && it.language == language);
    let Some(template) = found else {
        let details = format!("template name ({name}) does not exist in {language}");
        return Err(GraphError::cloud(132_001, details));
    };
    match template.status.as_str() {
        "PAUSED" => return Err(GraphError::cloud(132_015, "The template is paused.")),
        "DISABLED" => return Err(GraphError::cloud(132_016, "The template is disabled.")),
        "APPROVED" => {}
        other => {
            let details = format!("template name ({name}) is {other}");
            return Err(GraphError::cloud(132_001, details));
        }
    }
    let components = given.and_then(|given| given.get("components")).and_then(Value::as_array);
    let components: Vec<&Value> = components.into_iter().flatten().collect();
    check_text(template, "BODY", &components)?;
    check_header(template, &components)?;
    check_buttons(template, &components)?;
    Ok(template.clone())
}

/// The parameters of the components of one type.
fn parameters<'a>(components: &[&'a Value], kind: &str) -> Vec<&'a Value> {
    let of_kind = components.iter().copied().filter(|component| {
        let found = component.get("type").and_then(Value::as_str).unwrap_or_default();
        found.eq_ignore_ascii_case(kind)
    });
    of_kind.filter_map(|it| it.get("parameters").and_then(Value::as_array)).flatten().collect()
}

fn check_text(template: &Template, kind: &str, components: &[&Value]) -> Result<(), GraphError> {
    let (given, wanted) = (parameters(components, kind), template.variables(kind));
    count(kind, given.len(), wanted.len())?;
    for parameter in given {
        let name = parameter.get("parameter_name").and_then(Value::as_str);
        let named = template.parameter_format == "NAMED";
        let fits = match name {
            None => !named,
            Some(name) => named && wanted.iter().any(|wanted| wanted == name),
        };
        if !fits {
            let details = format!("{}: Parameter name is missing or unknown", kind.to_lowercase());
            return Err(GraphError::cloud(132_012, details));
        }
        let text = parameter.get("text").and_then(Value::as_str);
        let is_text = parameter.get("type").and_then(Value::as_str) == Some("text");
        if is_text && text.is_none_or(str::is_empty) {
            let details = format!("{}: text of a parameter is empty", kind.to_lowercase());
            return Err(GraphError::cloud(131_008, details));
        }
    }
    Ok(())
}

fn check_header(template: &Template, components: &[&Value]) -> Result<(), GraphError> {
    match template.header_format() {
        None | Some("TEXT") => check_text(template, "HEADER", components),
        Some(format) => {
            let given = parameters(components, "HEADER");
            count("HEADER", given.len(), 1)?;
            let kind = given.first().and_then(|it| it.get("type")).and_then(Value::as_str);
            if kind.is_some_and(|kind| kind.eq_ignore_ascii_case(format)) {
                return Ok(());
            }
            let details = format!("header: Format mismatch, expected {format}");
            Err(GraphError::cloud(132_012, details))
        }
    }
}

/// Buttons whose address has a variable need it; quick replies may have a payload.
fn check_buttons(template: &Template, components: &[&Value]) -> Result<(), GraphError> {
    let buttons = template.buttons();
    let index_of = |component: &Value| {
        component.get("index").and_then(|index| match index {
            Value::String(text) => text.parse::<usize>().ok(),
            Value::Number(number) => number.as_u64().and_then(|it| usize::try_from(it).ok()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
    };
    for component in components.iter().filter(|it| it.get("sub_type").is_some()) {
        if index_of(component).is_none_or(|index| index >= buttons.len()) {
            let details = "buttons: The template has no button with this index";
            return Err(GraphError::cloud(132_018, details));
        }
    }
    for (index, button) in buttons.iter().enumerate() {
        let url = button.get("url").and_then(Value::as_str).unwrap_or_default();
        let given = components.iter().any(|component| {
            component.get("sub_type").is_some() && index_of(component) == Some(index)
        });
        if !variables_in(url).is_empty() && !given {
            let details =
                format!("buttons: Button at index {index} of type Url requires a parameter");
            return Err(GraphError::cloud(131_008, details));
        }
    }
    Ok(())
}

fn count(kind: &str, given: usize, wanted: usize) -> Result<(), GraphError> {
    if given == wanted {
        return Ok(());
    }
    let kind = kind.to_lowercase();
    let details = format!(
        "{kind}: number of localizable_params ({given}) does not match the expected number of \
         params ({wanted})"
    );
    Err(GraphError::cloud(132_000, details))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check;
    use crate::state::Template;

    fn code(name: &str, components: &Value) -> Option<i64> {
        let templates = Template::samples(["1", "2", "3"].map(str::to_owned));
        let template =
            json!({ "name": name, "language": { "code": "en_US" }, "components": components });
        let message = json!({ "type": "template", "template": template });
        check(&templates, message.as_object().unwrap()).err().map(|error| error.code)
    }

    #[test]
    fn parameters_must_fit_the_template() {
        let body = |parameters: Value| json!({ "type": "body", "parameters": parameters });
        let track = json!({ "type": "button", "sub_type": "url", "index": "1",
            "parameters": [{ "type": "text", "text": "A-1" }] });
        let text = |text: &str| json!({ "type": "text", "text": text });
        let named =
            |name: &str| json!({ "type": "text", "parameter_name": name, "text": "something" });

        assert_eq!(code("hello_world", &json!([])), None);
        assert_eq!(code("no_such", &json!([])), Some(132_001));
        assert_eq!(code("hello_world", &json!([body(json!([text("x")]))])), Some(132_000));
        let both = body(json!([text("Ana"), text("A-1")]));
        assert_eq!(code("order_update", &json!([both, track])), None);
        assert_eq!(code("order_update", &json!([both])), Some(131_008));
        assert_eq!(
            code("order_update", &json!([body(json!([text("Ana")])), track])),
            Some(132_000)
        );
        let good = body(json!([named("customer_name"), named("day")]));
        assert_eq!(code("appointment_reminder", &json!([good])), None);
        let positional = body(json!([text("Ana"), text("Monday")]));
        assert_eq!(code("appointment_reminder", &json!([positional])), Some(132_012));
    }
}
