//! Sending, and what can be sent.

use serde_json::{Value, json};

use super::{Access, Call, Graph};
use crate::{ErrorClass, GraphError, PhoneId, WabaId, node::text};

/// What is asked of a template.
const TEMPLATE_FIELDS: &str = "id,name,language,status,category,parameter_format,components";

/// Meta has accepted a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentReceipt {
    /// What WhatsApp knows it by.
    pub wamid: String,
    /// The recipient's digits as WhatsApp knows them, which may differ from what was asked for; `None`
    /// for a recipient without a known phone number.
    pub wa_id: Option<String>,
}

/// A template, as Meta keeps it.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its language, such as `pt_BR`.
    pub language: String,
    /// `APPROVED` when it can be sent.
    pub status: String,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`.
    pub category: String,
    /// Whether its variables have names; they are counted otherwise.
    pub named: bool,
    /// Header, body, footer, buttons.
    pub components: Vec<Value>,
}

impl Graph {
    /// The templates of an account that are called `name`: one for each language.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn templates(
        &self,
        access: &Access,
        waba: &WabaId,
        name: &str,
    ) -> Result<Vec<Template>, GraphError> {
        let path = [waba.as_str(), "message_templates"];
        let query = [("fields", TEMPLATE_FIELDS), ("name", name)];
        let templates = self.list(&path, &query, access).await?;
        // Meta looks for the name in longer ones too.
        Ok(templates.iter().filter_map(template).filter(|template| template.name == name).collect())
    }

    /// The templates of an account that can be sent; at most two thousand.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn approved_templates(
        &self,
        access: &Access,
        waba: &WabaId,
    ) -> Result<Vec<Template>, GraphError> {
        let path = [waba.as_str(), "message_templates"];
        let query = [("fields", TEMPLATE_FIELDS), ("status", "APPROVED")];
        let templates = self.list(&path, &query, access).await?;
        let approved = |template: &Template| template.status == "APPROVED";
        Ok(templates.iter().filter_map(template).filter(approved).collect())
    }

    /// Sends what [`compose::message`](crate::compose::message) built. Never tried twice.
    ///
    /// # Errors
    ///
    /// [`GraphError`]; of class `TimedOut` when the message may have been accepted.
    pub async fn send(
        &self,
        access: &Access,
        phone: &PhoneId,
        message: &Value,
    ) -> Result<SentReceipt, GraphError> {
        let path = [phone.as_str(), "messages"];
        let answer = self.call(Call::post(&path, access).json(message.clone())).await?;
        let Some(id) = answer.pointer("/messages/0").and_then(|message| text(message, "id")) else {
            return Err(GraphError::local(
                ErrorClass::TimedOut,
                "an answer without the message's id",
            ));
        };
        let contact = answer.pointer("/contacts/0");
        Ok(SentReceipt { wamid: id, wa_id: contact.and_then(|contact| text(contact, "wa_id")) })
    }

    /// Tells the sender of an inbound message that it was read, and if `typing`, that an answer is being
    /// written.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn mark_read(
        &self,
        access: &Access,
        phone: &PhoneId,
        wamid: &str,
        typing: bool,
    ) -> Result<(), GraphError> {
        let mut body =
            json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid});
        if typing && let Some(body) = body.as_object_mut() {
            body.insert("typing_indicator".to_owned(), json!({"type": "text"}));
        }
        let path = [phone.as_str(), "messages"];
        self.call(Call::post(&path, access).json(body)).await.map(drop)
    }
}

fn template(node: &Value) -> Option<Template> {
    let components = node.get("components").and_then(Value::as_array);
    Some(Template {
        id: text(node, "id")?,
        name: text(node, "name")?,
        language: text(node, "language")?,
        status: text(node, "status").unwrap_or_default(),
        category: text(node, "category").unwrap_or_default(),
        named: text(node, "parameter_format")
            .is_some_and(|format| format.eq_ignore_ascii_case("named")),
        components: components.cloned().unwrap_or_default(),
    })
}
