//! A phone number at Meta.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Access, Call, Graph};
use crate::{
    ErrorClass, GraphError, PhoneId,
    node::{digits, is_true, text},
};

/// What is asked of a number.
const FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,code_verification_status,\
name_status,status,platform_type,throughput,account_mode,is_on_biz_app,is_official_business_account,\
is_pin_enabled,whatsapp_business_manager_messaging_limit,last_onboarded_time,webhook_configuration";
/// What is asked of a business profile.
const PROFILE_FIELDS: &str =
    "about,address,description,email,profile_picture_url,websites,vertical";
/// How long a two-step verification PIN is.
const PIN_LEN: usize = 6;
/// Longest callback address that Meta takes.
const CALLBACK_LEN_MAX: usize = 200;

/// A phone number, as Meta describes it. Enumerations are kept as text: Meta adds to them.
#[derive(Clone, Debug)]
pub struct Phone {
    /// The whole node.
    pub raw: Value,
    /// As people write it: `+1 631-555-5555`.
    pub display_phone_number: Option<String>,
    /// The name that Meta shows.
    pub verified_name: Option<String>,
    /// `CONNECTED` when messages can be sent.
    pub status: Option<String>,
    /// `GREEN`, `YELLOW`, `RED`, `NA`.
    pub quality_rating: Option<String>,
    /// `VERIFIED`, `NOT_VERIFIED`, `EXPIRED`.
    pub code_verification_status: Option<String>,
    /// The state of the name's review: `APPROVED`, `PENDING_REVIEW`, `DECLINED` …
    pub name_status: Option<String>,
    /// `CLOUD_API` once it is registered.
    pub platform_type: Option<String>,
    /// Whether the WhatsApp Business app has it too: coexistence.
    pub is_on_biz_app: bool,
    /// `LIVE` or `SANDBOX`.
    pub account_mode: Option<String>,
    /// How many people may be written to in a day: `TIER_…`.
    pub messaging_limit: Option<String>,
    /// The callback address that is set for this number alone.
    pub callback_number: Option<String>,
}

impl Phone {
    /// The digits of its phone number.
    pub fn digits(&self) -> Option<String> {
        self.display_phone_number.as_deref().map(digits).filter(|digits| !digits.is_empty())
    }
}

/// What a number that the WhatsApp Business app has as well can share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppData {
    /// Its contacts.
    State,
    /// Its messages.
    History,
}

impl Graph {
    /// Describes a number.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn phone(&self, access: &Access, phone: &PhoneId) -> Result<Phone, GraphError> {
        let path = [phone.as_str()];
        let raw = self.call(Call::get(&path, access).query("fields", FIELDS)).await?;
        let limit = text(&raw, "whatsapp_business_manager_messaging_limit");
        Ok(Phone {
            display_phone_number: text(&raw, "display_phone_number"),
            verified_name: text(&raw, "verified_name"),
            status: text(&raw, "status"),
            quality_rating: text(&raw, "quality_rating"),
            code_verification_status: text(&raw, "code_verification_status"),
            name_status: text(&raw, "name_status"),
            platform_type: text(&raw, "platform_type"),
            is_on_biz_app: is_true(&raw, "is_on_biz_app"),
            account_mode: text(&raw, "account_mode"),
            messaging_limit: limit.or_else(|| text(&raw, "messaging_limit_tier")),
            callback_number: raw
                .get("webhook_configuration")
                .and_then(|configuration| text(configuration, "phone_number")),
            raw,
        })
    }

    /// A number's business profile, flat.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn profile(&self, access: &Access, phone: &PhoneId) -> Result<Value, GraphError> {
        let path = [phone.as_str(), "whatsapp_business_profile"];
        let mut answer =
            self.call(Call::get(&path, access).query("fields", PROFILE_FIELDS)).await?;
        let profile = answer.pointer_mut("/data/0").map(Value::take).unwrap_or_default();
        // Meta's pages show it flat, its OpenAPI description nested.
        Ok(match profile.get("business_profile") {
            Some(nested) => nested.clone(),
            None => profile,
        })
    }

    /// Registers a number with the Cloud API. The PIN is the one that the number has, or becomes it.
    ///
    /// # Errors
    ///
    /// [`GraphError`]; of class `Pin` without a call when `pin` is not six digits.
    pub async fn register(
        &self,
        access: &Access,
        phone: &PhoneId,
        pin: &SecretString,
    ) -> Result<(), GraphError> {
        let digits = pin.expose_secret();
        if digits.len() != PIN_LEN || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(GraphError::refusal(ErrorClass::Pin, "the PIN has six digits"));
        }
        let body = json!({"messaging_product": "whatsapp", "pin": digits});
        let path = [phone.as_str(), "register"];
        self.call(Call::post(&path, access).json(body).secret(pin)).await.map(drop)
    }

    /// Takes a number off the Cloud API.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn deregister(&self, access: &Access, phone: &PhoneId) -> Result<(), GraphError> {
        let path = [phone.as_str(), "deregister"];
        self.call(Call::post(&path, access)).await.map(drop)
    }

    /// Sets where Meta reports what happens to this number alone, and what it says to prove itself;
    /// `None` takes the address back. Meta asks the address before it answers.
    ///
    /// # Errors
    ///
    /// [`GraphError`]; of class `CallbackRefused` when the address did not answer Meta.
    pub async fn set_callback(
        &self,
        access: &Access,
        phone: &PhoneId,
        callback: Option<(&str, &SecretString)>,
    ) -> Result<(), GraphError> {
        let (configuration, verify) = match callback {
            Some((url, verify)) => (callback_json(url, verify)?, Some(verify)),
            None => (json!({"override_callback_uri": ""}), None),
        };
        let path = [phone.as_str()];
        let call = Call::post(&path, access).json(json!({"webhook_configuration": configuration}));
        let call = verify.into_iter().fold(call, Call::secret);
        self.call(call).await.map(drop)
    }

    /// Asks the WhatsApp Business app to share what it has, once, within a day of onboarding. It comes
    /// by webhook.
    ///
    /// # Errors
    ///
    /// [`GraphError`].
    pub async fn sync_app_data(
        &self,
        access: &Access,
        phone: &PhoneId,
        what: AppData,
    ) -> Result<(), GraphError> {
        let kind = match what {
            AppData::State => "smb_app_state_sync",
            AppData::History => "history",
        };
        let body = json!({"messaging_product": "whatsapp", "sync_type": kind});
        let path = [phone.as_str(), "smb_app_data"];
        self.call(Call::post(&path, access).json(body)).await.map(drop)
    }
}

/// An override of the callback address.
pub(super) fn callback_json(url: &str, verify: &SecretString) -> Result<Value, GraphError> {
    if url.len() > CALLBACK_LEN_MAX {
        let details = "the callback address is longer than the 200 characters that Meta takes";
        return Err(GraphError::refusal(ErrorClass::Invalid, details));
    }
    Ok(json!({"override_callback_uri": url, "verify_token": verify.expose_secret()}))
}
