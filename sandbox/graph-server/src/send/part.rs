//! One JSON object of a message, and what it must hold.

use serde_json::{Map, Value};

use crate::graph::GraphError;

/// An object with the name that errors give it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) object: &'a Map<String, Value>,
}

pub(super) fn missing(details: impl Into<String>) -> GraphError {
    GraphError::cloud(131_008, details)
}

pub(super) fn invalid(details: impl Into<String>) -> GraphError {
    GraphError::cloud(131_009, details)
}

impl<'a> Part<'a> {
    /// Refuses keys that do not belong there.
    pub(super) fn keys(self, known: &[&str]) -> Result<(), GraphError> {
        match self.object.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let sentence = format!("Unexpected key \"{key}\" on param \"{}\".", self.name);
                Err(GraphError::parameter(sentence))
            }
        }
    }

    /// A text that may be left out.
    pub(super) fn text_if_any(
        self,
        key: &str,
        longest: usize,
    ) -> Result<Option<&'a str>, GraphError> {
        let name = self.name;
        match self.object.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() > longest => {
                Err(GraphError::parameter(format!(
                    "Param {name}['{key}'] must be at most {longest} characters long."
                )))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(GraphError::parameter(format!("Param {name}['{key}'] must be a string.")))
            }
        }
    }

    /// A text that must be there and say something.
    pub(super) fn text(self, key: &str, longest: usize) -> Result<&'a str, GraphError> {
        let name = self.name;
        self.text_if_any(key, longest)?.filter(|text| !text.is_empty()).ok_or_else(|| {
            GraphError::parameter(format!("The parameter {name}['{key}'] is required."))
        })
    }

    /// An object that must be there.
    pub(super) fn part(self, key: &'a str) -> Result<Part<'a>, GraphError> {
        match self.object.get(key) {
            Some(Value::Object(object)) => Ok(Part { name: key, object }),
            Some(_) => Err(GraphError::parameter(format!("Param {key} must be a JSON object."))),
            None => Err(missing(format!("Parameter '{key}' is mandatory."))),
        }
    }

    /// A list of objects of a certain length.
    pub(super) fn parts(
        self,
        key: &'a str,
        length: std::ops::RangeInclusive<usize>,
    ) -> Result<Vec<Part<'a>>, GraphError> {
        let Some(list) = self.object.get(key) else {
            return Err(missing(format!("Parameter '{key}' is mandatory.")));
        };
        let list =
            list.as_array().filter(|list| length.contains(&list.len())).ok_or_else(|| {
                let (least, most) = (length.start(), length.end());
                invalid(format!("Param {key} must be a list of {least} to {most} items."))
            })?;
        list.iter()
            .map(|item| {
                item.as_object().map(|object| Part { name: key, object }).ok_or_else(|| {
                    GraphError::parameter(format!("Param {key} must hold JSON objects."))
                })
            })
            .collect()
    }
}
