//! A WhatsApp Business Account, its numbers, and the apps that it reports to.

use secrecy::SecretString;
use serde_json::Value;

use super::{Access, Call, Graph, number::callback_json};
use crate::{
    GraphError, WabaId,
    node::{digits, text},
};

/// What is asked of an account.
const FIELDS: &str = "id,name,currency,timezone_id,message_template_namespace,account_review_status,\
business_verification_status,country,ownership_type";
/// A number of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneSummary {
    /// Its id.
    pub id: String,
    /// As people write it.
    pub display_phone_number: Option<String>,
    /// The name that Meta shows.
    pub verified_name: Option<String>,
    /// `CONNECTED` when messages can be sent.
    pub status: Option<String>,
}

impl PhoneSummary {
    /// The digits of its phone number.
    pub fn digits(&self) -> Option<String> {
        self.display_phone_number.as_deref().map(digits)
    }
}

/// An app that an account reports to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The app.
    pub app_id: String,
    /// The address that replaces the app's own.
    pub callback: Option<String>,
}

impl Graph {
    /// The numbers of an account; at most two thousand.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn phones_of(
        &self,
        access: &Access,
        waba: &WabaId,
    ) -> Result<Vec<PhoneSummary>, GraphError> {
        let path = [waba.as_str(), "phone_numbers"];
        let fields = [("fields", "id,display_phone_number,verified_name,status")];
        let phones = self.list(&path, &fields, access).await?;
        let summary = |phone: &Value| {
            Some(PhoneSummary {
                id: text(phone, "id")?,
                display_phone_number: text(phone, "display_phone_number"),
                verified_name: text(phone, "verified_name"),
                status: text(phone, "status"),
            })
        };
        Ok(phones.iter().filter_map(summary).collect())
    }

    /// Describes an account.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn waba(&self, access: &Access, waba: &WabaId) -> Result<Value, GraphError> {
        let path = [waba.as_str()];
        self.call(Call::get(&path, access).query("fields", FIELDS)).await
    }

    /// Has an account report to the token's app: at `callback`, with what Meta says to prove itself, or
    /// without one at the app's own address, which also takes an earlier `callback` back. Meta asks the
    /// address before it answers.
    ///
    /// # Errors
    ///
    /// [`GraphError`]; of class `CallbackRefused` when the address did not answer Meta.
    pub async fn subscribe(
        &self,
        access: &Access,
        waba: &WabaId,
        callback: Option<(&str, &SecretString)>,
    ) -> Result<(), GraphError> {
        let path = [waba.as_str(), "subscribed_apps"];
        let call = match callback {
            Some((url, verify)) => {
                Call::post(&path, access).json(callback_json(url, verify)?).secret(verify)
            }
            None => Call::post(&path, access),
        };
        self.call(call).await.map(drop)
    }

    /// Ends an account's reports to the token's app.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn unsubscribe(&self, access: &Access, waba: &WabaId) -> Result<(), GraphError> {
        let path = [waba.as_str(), "subscribed_apps"];
        self.call(Call::delete(&path, access)).await.map(drop)
    }

    /// The apps that an account reports to.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn subscriptions(
        &self,
        access: &Access,
        waba: &WabaId,
    ) -> Result<Vec<Subscription>, GraphError> {
        let path = [waba.as_str(), "subscribed_apps"];
        let apps = self.list(&path, &[], access).await?;
        let subscription = |app: &Value| {
            Some(Subscription {
                app_id: text(app.get("whatsapp_business_api_data")?, "id")?,
                callback: text(app, "override_callback_uri").filter(|url| !url.is_empty()),
            })
        };
        Ok(apps.iter().filter_map(subscription).collect())
    }
}
