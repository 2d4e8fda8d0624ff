//! What can go wrong at Meta, sorted by what to do next.
//!
//! Sorted by `code` alone, as Meta advises: titles, subcodes and HTTP statuses change.

use std::fmt;

use serde_json::Value;

/// Longest text of Meta's that is passed on, in characters.
const TEXT_MAX: usize = 300;
/// Words longer than this are left out of Meta's texts: they are tokens and addresses.
const WORD_MAX: usize = 60;
/// Of all limits, the one on what a number sends to one recipient.
const TOO_MUCH_FOR_ONE_PERSON: i64 = 131_056;
/// Shorter secrets, which only tests have, would tear words apart.
const SECRET_MIN: usize = 4;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The token, or the app secret, is no good: it expired, was taken back, or never was one.
    Credentials,
    /// The token may not do this.
    Permission,
    /// Unknown, deleted, or not visible to this token: Meta does not tell which.
    NotFound,
    /// The request is wrong.
    Invalid,
    /// The two-step verification PIN is wrong.
    Pin,
    /// The number has not been verified at Meta yet.
    Unverified,
    /// The number was registered and deregistered too often.
    RegisterLimit,
    /// Meta asked our callback address, and did not get the answer.
    CallbackRefused,
    /// The number is not registered with the Cloud API.
    NotRegistered,
    /// The recipient has not written for 24 hours.
    WindowClosed,
    /// The template does not exist, is not approved, or is not filled in rightly.
    Template,
    /// This recipient cannot or will not get it.
    Undeliverable,
    /// The account is restricted or locked.
    Blocked,
    /// Something is missing in the account: payment, a name, an allowed recipient.
    Config,
    /// Meta has a problem, and says that trying again may help. Nothing was done.
    Transient,
    /// Too many requests. Nothing was done.
    Throttled,
    /// The request never left. Nothing was done.
    Unreachable,
    /// It left, and no answer came: it may have been done.
    TimedOut,
    /// An answer that is not understood.
    Unexpected,
}

impl ErrorClass {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Credentials => "Meta refuses the access token or the app secret",
            Self::Permission => "the access token does not have the permission",
            Self::NotFound => "Meta does not know this, or the access token may not see it",
            Self::Invalid => "Meta refuses the request",
            Self::Pin => "the two-step verification PIN is wrong",
            Self::Unverified => "the phone number has not been verified at Meta",
            Self::RegisterLimit => "the phone number was registered too often; Meta wants a pause",
            Self::CallbackRefused => "Meta could not verify the callback address",
            Self::NotRegistered => "the phone number is not registered with the Cloud API",
            Self::WindowClosed => {
                "the recipient has not written for 24 hours; only templates can be sent"
            }
            Self::Template => "Meta refuses the template, or how it is filled in",
            Self::Undeliverable => "Meta does not deliver to this recipient",
            Self::Blocked => "Meta has restricted the account",
            Self::Config => "the account at Meta is not set up for this",
            Self::Transient => "Meta has a problem and asks to try again",
            Self::Throttled => "too many requests for Meta",
            Self::Unreachable => "Meta cannot be reached",
            Self::TimedOut => "Meta did not answer",
            Self::Unexpected => "Meta's answer is not understood",
        }
    }
}

/// Why a call of the Graph failed.
///
/// Its text is fit for the customer whose call it was: it shows no address and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct GraphError {
    /// What to do about it.
    pub class: ErrorClass,
    /// Meta's code.
    pub code: Option<i64>,
    /// Meta's subcode, where the code alone says too little.
    pub subcode: Option<i64>,
    message: Option<String>,
    details: Option<String>,
    trace: Option<String>,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.sentence())?;
        match (self.code, &self.message) {
            (None, None) => Ok(()),
            (None, Some(message)) => write!(f, ": {message}"),
            (Some(code), message) => {
                write!(f, " (Meta's error {code}")?;
                for text in [message, &self.details].into_iter().flatten() {
                    write!(f, ": {text}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl GraphError {
    /// Something that is not even asked; `message` is for the customer.
    pub(crate) fn refusal(class: ErrorClass, message: &str) -> Self {
        Self { message: Some(message.to_owned()), ..Self::local(class, "") }
    }

    /// What the wire did; `details` are for the log.
    pub(crate) fn local(class: ErrorClass, details: &str) -> Self {
        let details = Some(details.to_owned()).filter(|details| !details.is_empty());
        Self { class, code: None, subcode: None, message: None, details, trace: None }
    }

    /// From the `error` object of an answer; its texts lose whatever is in `secrets`.
    pub(crate) fn from_answer(error: &Value, secrets: &[&str]) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(|text| presentable(text, secrets));
        let code = error.get("code").and_then(Value::as_i64)?;
        let subcode = error.get("error_subcode").and_then(Value::as_i64);
        let transient = error.get("is_transient").and_then(Value::as_bool).unwrap_or_default();
        let message = error.get("message").and_then(text).filter(|text| !text.is_empty());
        let details = error.get("error_data").and_then(|data| data.get("details")).and_then(text);
        let details = details
            .or_else(|| error.get("error_user_msg").and_then(text))
            .filter(|text| !text.is_empty());
        Some(Self {
            class: classify(code, subcode, transient, message.as_deref().unwrap_or_default()),
            code: Some(code),
            subcode,
            message,
            details,
            trace: error.get("fbtrace_id").and_then(text),
        })
    }

    /// What is known beyond the class: Meta's details, its message, or how the connection failed.
    pub fn details(&self) -> Option<&str> {
        self.details.as_deref().or(self.message.as_deref())
    }

    /// What Meta's support knows the call by.
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Whether all that the number sends is too much, not only what goes to one recipient.
    pub fn slows_whole_number(&self) -> bool {
        self.class == ErrorClass::Throttled && self.code != Some(TOO_MUCH_FOR_ONE_PERSON)
    }

    /// Whether nothing was done, and doing it again later may help.
    pub const fn is_safe_to_repeat(&self) -> bool {
        matches!(
            self.class,
            ErrorClass::Transient | ErrorClass::Throttled | ErrorClass::Unreachable
        )
    }
}

/// One line without secrets, addresses and control characters, and not endless.
fn presentable(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_MIN) {
        text = text.replace(secret, "…");
    }
    let words: Vec<_> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| if word.contains("://") || word.len() > WORD_MAX { "…" } else { word })
        .collect();
    words.join(" ").chars().take(TEXT_MAX).collect()
}

/// Sorts Meta's codes (meta.md 1.2).
fn classify(code: i64, subcode: Option<i64>, transient: bool, message: &str) -> ErrorClass {
    match code {
        // Here only the text tells: the app secret belongs to another app, or is missing.
        100 if message.contains("appsecret_proof") => ErrorClass::Credentials,
        // "Error validating client secret."
        1 if message.contains("client secret") => ErrorClass::Credentials,
        100 if subcode == Some(33) => ErrorClass::NotFound,
        0 | 101 | 102 | 104 | 190 => ErrorClass::Credentials,
        3 | 10 | 200..=299 | 131_005 => ErrorClass::Permission,
        33 | 803 => ErrorClass::NotFound,
        1 | 2 | 131_000 | 131_016 | 131_057 | 133_004 | 133_015 => ErrorClass::Transient,
        4 | 17 | 32 | 613 | 80_000..=80_014 | 130_429 | 131_048 | 131_056 | 131_064 => {
            ErrorClass::Throttled
        }
        133_016 => ErrorClass::RegisterLimit,
        368 | 130_497 | 131_031 => ErrorClass::Blocked,
        131_026 | 131_049 | 131_050 | 130_403 | 130_472 => ErrorClass::Undeliverable,
        131_030 | 131_037 | 131_042 | 131_045 => ErrorClass::Config,
        133_010 => ErrorClass::NotRegistered,
        131_047 => ErrorClass::WindowClosed,
        132_000..=132_999 => ErrorClass::Template,
        133_005 | 133_008 | 133_009 => ErrorClass::Pin,
        133_006 => ErrorClass::Unverified,
        2_200 => ErrorClass::CallbackRefused,
        100
        | 131_008
        | 131_009
        | 131_021
        | 131_051..=131_053
        | 131_062
        | 135_000
        | 137_000
        | 2_593_107..=2_593_109 => ErrorClass::Invalid,
        _ if transient => ErrorClass::Transient,
        _ => ErrorClass::Unexpected,
    }
}

/// Every code that [`message_error_code`] gives, for documents and tests.
pub const MESSAGE_ERROR_CODES: &[&str] = &[
    "META_TOKEN_INVALID",
    "META_PERMISSION_MISSING",
    "META_RATE_LIMITED",
    "META_ACCOUNT_RESTRICTED",
    "META_OUTSIDE_24H_WINDOW",
    "META_TEMPLATE_NOT_APPROVED",
    "META_TEMPLATE_INVALID",
    "META_MESSAGE_INVALID",
    "META_MEDIA_INVALID",
    "META_ECOSYSTEM_LIMIT",
    "META_RECIPIENT_OPTED_OUT",
    "META_RECIPIENT_NOT_ALLOWED",
    "META_PAYMENT_REQUIRED",
    "META_NOT_REGISTERED",
    "META_UNAVAILABLE",
    "WHATSAPP_NOT_EXIST",
    "PILOT_SELF_NUMBER",
    "META_ERROR",
];

/// The `errorCode` of a failed message (contract C.21), by Meta's code.
pub fn message_error_code(code: i64) -> &'static str {
    match code {
        0 | 102 | 104 | 190 => "META_TOKEN_INVALID",
        3 | 10 | 200..=299 | 131_005 => "META_PERMISSION_MISSING",
        4 | 17 | 32 | 613 | 80_000..=80_014 | 130_429 | 131_048 | 131_056 | 131_064 => {
            "META_RATE_LIMITED"
        }
        368 | 130_497 | 131_031 => "META_ACCOUNT_RESTRICTED",
        131_047 => "META_OUTSIDE_24H_WINDOW",
        132_001 | 132_007 | 132_015 | 132_016 => "META_TEMPLATE_NOT_APPROVED",
        132_000..=132_999 => "META_TEMPLATE_INVALID",
        100 | 131_008 | 131_009 | 131_051 | 131_062 => "META_MESSAGE_INVALID",
        131_052 | 131_053 => "META_MEDIA_INVALID",
        130_472 | 131_049 => "META_ECOSYSTEM_LIMIT",
        131_050 => "META_RECIPIENT_OPTED_OUT",
        130_403 | 131_030 => "META_RECIPIENT_NOT_ALLOWED",
        131_042 => "META_PAYMENT_REQUIRED",
        131_045 | 133_010 => "META_NOT_REGISTERED",
        1 | 2 | 131_000 | 131_016 | 131_057 | 133_004 => "META_UNAVAILABLE",
        131_026 => "WHATSAPP_NOT_EXIST",
        131_021 => "PILOT_SELF_NUMBER",
        _ => "META_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(code: i64) -> ErrorClass {
        let error = json!({"code": code, "message": "x", "type": "OAuthException"});
        GraphError::from_answer(&error, &[]).unwrap().class
    }

    /// Every code of meta.md 1.2.
    #[test]
    fn codes_are_sorted_by_what_to_do() {
        let table: [(ErrorClass, &[i64]); 16] = [
            (ErrorClass::Credentials, &[0, 104, 190]),
            (ErrorClass::Permission, &[3, 10, 200, 250, 299, 131_005]),
            (ErrorClass::NotFound, &[33, 803]),
            (ErrorClass::Transient, &[1, 2, 131_000, 131_016, 131_057, 133_004, 133_015]),
            (ErrorClass::Throttled, &[4, 17, 80_007, 130_429, 131_048, 131_056, 131_064]),
            (ErrorClass::RegisterLimit, &[133_016]),
            (ErrorClass::Blocked, &[368, 131_031, 130_497]),
            (
                ErrorClass::Invalid,
                &[100, 131_008, 131_009, 131_021, 131_051, 131_053, 131_062, 137_000, 2_593_107],
            ),
            (ErrorClass::Undeliverable, &[131_026, 131_049, 131_050, 130_472, 130_403]),
            (ErrorClass::Config, &[131_030, 131_037, 131_042, 131_045]),
            (ErrorClass::NotRegistered, &[133_010]),
            (ErrorClass::WindowClosed, &[131_047]),
            (
                ErrorClass::Template,
                &[132_000, 132_001, 132_005, 132_007, 132_012, 132_015, 132_016, 132_018],
            ),
            (ErrorClass::Pin, &[133_005, 133_008, 133_009]),
            (ErrorClass::Unverified, &[133_006]),
            (ErrorClass::CallbackRefused, &[2_200]),
        ];
        for (expected, codes) in table {
            for &code in codes {
                assert_eq!(class(code), expected, "{code}");
            }
        }
        for code in [-1, 5, 99, 300, 133_000, i64::MAX] {
            assert_eq!(class(code), ErrorClass::Unexpected, "{code}");
        }
    }

    #[test]
    fn some_codes_say_more_with_what_comes_along() {
        let of = |error: &Value| GraphError::from_answer(error, &[]).unwrap().class;
        let unknown = json!({"code": 100, "error_subcode": 33, "type": "GraphMethodException",
            "message": "Unsupported get request. Object with ID '123' does not exist"});
        assert_eq!(of(&unknown), ErrorClass::NotFound);
        for message in [
            "Invalid appsecret_proof provided in the API argument",
            "API calls from the server require an appsecret_proof argument",
        ] {
            assert_eq!(of(&json!({"code": 100, "message": message})), ErrorClass::Credentials);
        }
        let secret = json!({"code": 1, "message": "Error validating client secret."});
        assert_eq!(of(&secret), ErrorClass::Credentials);
        let code_used = json!({"code": 100, "error_subcode": 36_009, "message": "used"});
        assert_eq!(of(&code_used), ErrorClass::Invalid);
        assert_eq!(of(&json!({"code": 9_999, "is_transient": true})), ErrorClass::Transient);
        assert!(GraphError::from_answer(&json!({"message": "x"}), &[]).is_none());
        assert!(GraphError::from_answer(&json!("invalid_client"), &[]).is_none());
    }

    #[test]
    fn only_what_was_not_done_is_safe_to_repeat() {
        use ErrorClass::{Throttled, Transient, Unreachable};
        for class in [Transient, Throttled, Unreachable] {
            assert!(GraphError::local(class, "").is_safe_to_repeat());
        }
        for class in [ErrorClass::TimedOut, ErrorClass::Unexpected, ErrorClass::Invalid] {
            assert!(!GraphError::local(class, "").is_safe_to_repeat());
        }
    }

    #[test]
    fn texts_are_fit_to_be_shown() {
        let long = "x".repeat(100);
        let error = json!({"code": 190, "message":
            format!("Malformed access token EAAhush,\nsee https://example.com/?a=b {long} {}", "word ".repeat(100))});

        let error = GraphError::from_answer(&error, &["EAAhush", ""]).unwrap();

        let text = error.to_string();
        assert!(text.contains("Malformed access token …, see … … word"), "{text}");
        assert!(text.len() < 450 && !text.contains("hush"), "{text}");
        let refusal = GraphError::refusal(ErrorClass::Pin, "the PIN has six digits");
        assert_eq!(
            refusal.to_string(),
            "the two-step verification PIN is wrong: the PIN has six digits"
        );
    }

    #[test]
    fn failed_messages_have_codes_of_the_contract() {
        let table = [
            (131_047, "META_OUTSIDE_24H_WINDOW"),
            (132_001, "META_TEMPLATE_NOT_APPROVED"),
            (132_015, "META_TEMPLATE_NOT_APPROVED"),
            (132_012, "META_TEMPLATE_INVALID"),
            (131_026, "WHATSAPP_NOT_EXIST"),
            (131_021, "PILOT_SELF_NUMBER"),
            (130_429, "META_RATE_LIMITED"),
            (131_056, "META_RATE_LIMITED"),
            (190, "META_TOKEN_INVALID"),
            (131_049, "META_ECOSYSTEM_LIMIT"),
            (131_042, "META_PAYMENT_REQUIRED"),
            (133_010, "META_NOT_REGISTERED"),
            (131_005, "META_PERMISSION_MISSING"),
            (131_031, "META_ACCOUNT_RESTRICTED"),
            (424_242, "META_ERROR"),
        ];
        for (code, name) in table {
            assert_eq!(message_error_code(code), name, "{code}");
        }
        let all =
            (-10..3_000).chain(80_000..80_020).chain(130_000..138_000).chain(2_593_100..2_593_110);
        let given: std::collections::HashSet<_> = all.map(message_error_code).collect();
        assert_eq!(given, MESSAGE_ERROR_CODES.iter().copied().collect());
    }
}
