//! `/{waba}/message_templates`.

use serde_json::{Value, json};

use super::{GraphError, Reply, Request, fields};
use crate::state::{State, Template};

pub(crate) fn list(state: &State, request: &Request) -> Result<Reply, GraphError> {
    let id = request.segment(0);
    let waba = state.wabas.get(id).ok_or_else(|| GraphError::unknown_object("get", id))?;
    let (name, language, status) =
        (request.param("name"), request.param("language"), request.param("status"));
    let fits = |wanted: &Option<String>, value: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let shown = waba
        .templates
        .iter()
        // By a part of the name, as Meta does.
        .filter(|it| name.as_deref().is_none_or(|part| it.name.contains(part)))
        .filter(|it| fits(&language, &it.language) && fits(&status, &it.status))
        .map(node)
        .collect::<Vec<Value>>();
    let summary = json!({
        "total_count": shown.len(),
        "message_template_count": waba.templates.len(),
        "message_template_limit": 250,
        "are_translations_complete": true,
    });
    let mut page = fields::page(request, shown)?;
    if let (Some(_), Some(page)) = (request.param("summary"), page.as_object_mut()) {
        page.insert("summary".into(), summary);
    }
    Ok(Reply::Json(page))
}

fn node(template: &Template) -> Value {
    json!({
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "parameter_format": template.parameter_format,
        "components": template.components,
    })
}
