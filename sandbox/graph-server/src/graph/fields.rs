//! `fields=a,b,c`, and lists with pages.

use serde_json::{Map, Value, json};

use super::{GraphError, Request};

/// The part of a node that was asked for; the id always.
pub(crate) fn select(
    request: &Request,
    mut node: Map<String, Value>,
    defaults: &[&str],
    kind: &str,
    known: &[&str],
) -> Result<Value, GraphError> {
    let asked = request.param("fields").filter(|fields| !fields.is_empty());
    let names: Vec<String> = match asked {
        None => defaults.iter().map(|name| (*name).to_owned()).collect(),
        Some(fields) => names(&fields),
    };
    let mut chosen = Map::new();
    for name in names.iter().map(String::as_str).chain(["id"]) {
        if let Some(value) = node.remove(name) {
            chosen.insert(name.to_owned(), value);
        } else if !known.contains(&name) && !chosen.contains_key(name) {
            return Err(GraphError::parameter(format!(
                "Tried accessing nonexisting field ({name}) on node type ({kind})"
            )));
        }
    }
    Ok(Value::Object(chosen))
}

/// The names at the top level: `a,b{c,d}` asks for `a` and `b`.
fn names(fields: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut names = vec![String::new()];
    for character in fields.chars() {
        match character {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 && !character.is_whitespace() => {
                if let Some(name) = names.last_mut() {
                    name.push(character);
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// One page of a list, with cursors.
pub(crate) fn page(request: &Request, items: Vec<Value>) -> Result<Value, GraphError> {
    let limit = match request.param("limit") {
        None => 25,
        Some(text) => {
            text.parse().ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
                GraphError::parameter("Param limit must be an integer from 1 to 100")
            })?
        }
    };
    let id = |item: &Value| item.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let at = |cursor: &str| items.iter().position(|item| id(item) == cursor);
    let start = match (request.param("after"), request.param("before")) {
        (Some(after), _) => at(&after).map_or(items.len(), |index| index + 1),
        (None, Some(before)) => at(&before).map_or(0, |index| index.saturating_sub(limit)),
        (None, None) => 0,
    };
    let total = items.len();
    let shown: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
    let (Some(first), Some(last)) = (shown.first().map(id), shown.last().map(id)) else {
        return Ok(json!({ "data": [] }));
    };
    let mut paging = json!({ "cursors": { "before": first, "after": last } });
    if start + shown.len() < total
        && let Some(paging) = paging.as_object_mut()
    {
        // Clients follow the cursor: an address would have to repeat what was asked.
        paging
            .insert("next".into(), json!(format!("https://graph.facebook.com/next?after={last}")));
    }
    Ok(json!({ "data": shown, "paging": paging }))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn nested_fields_count_as_their_parent() {
        assert_eq!(names("id, a{b,c{d}},e.limit(5)"), ["id", "a", "e.limit"]);
    }
}
