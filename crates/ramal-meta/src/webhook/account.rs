//! News of accounts and numbers: they come to the app's own callback only.

use serde_json::Value;

use super::{AccountNews, Change, News, Restriction, parse::Scope};
use crate::node::{items, phone, text, time, words};

/// The one thing that a change of this kind reports.
pub(super) fn change(mut scope: Scope<'_>) -> Change {
    let value = scope.value;
    let news = match scope.field.as_str() {
        "account_update" => {
            let info = value.get("waba_info").unwrap_or(&Value::Null);
            // Of partners the entry's id may be their business.
            scope.waba = words(info, "waba_id").or(scope.waba);
            scope.display_phone = scope.display_phone.or_else(|| phone(value, "phone_number"));
            text(value, "event").map(|event| News::Account(account(event, value)))
        }
        "phone_number_quality_update" => text(value, "event").map(|event| News::Quality {
            event,
            limit: text(value, "max_daily_conversations_per_business")
                .or_else(|| text(value, "current_limit")),
            old_limit: text(value, "old_limit"),
        }),
        "phone_number_name_update" => text(value, "decision").map(|decision| News::Name {
            decision,
            name: words(value, "requested_verified_name"),
            reason: words(value, "rejection_reason").filter(|reason| reason != "NONE"),
        }),
        "account_alerts" => {
            // Meta's page has them in `alert_info`; older copies have not.
            let info = value.get("alert_info").unwrap_or(value);
            text(info, "alert_type").map(|kind| News::Alert {
                severity: text(info, "alert_severity").unwrap_or_default(),
                kind,
                description: words(info, "alert_description"),
            })
        }
        "account_review_update" => {
            text(value, "decision").map(|decision| News::Review { decision })
        }
        _ => None,
    };
    match news {
        Some(news) => scope.nameless(value, None, news),
        None => scope.other(value),
    }
}

fn account(event: String, value: &Value) -> AccountNews {
    match event.as_str() {
        "PARTNER_REMOVED"
        | "PARTNER_APP_UNINSTALLED"
        | "ACCOUNT_OFFBOARDED"
        | "ACCOUNT_DELETED" => {
            let info = value.get("disconnection_info");
            let reason = info.and_then(|info| words(info, "reason")).unwrap_or(event);
            AccountNews::Removed { reason }
        }
        "PARTNER_ADDED" | "PARTNER_APP_INSTALLED" => AccountNews::Added,
        "ACCOUNT_RECONNECTED" => AccountNews::Reconnected,
        "ACCOUNT_RESTRICTION" => AccountNews::Restricted {
            restrictions: items(value, "restriction_info")
                .filter_map(|info| {
                    Some(Restriction {
                        kind: text(info, "restriction_type")?,
                        until: time(info, "expiration"),
                    })
                })
                .collect(),
        },
        "ACCOUNT_VIOLATION" => {
            let info = value.get("violation_info");
            let kind = info.and_then(|info| text(info, "violation_type")).unwrap_or_default();
            AccountNews::Violation { kind }
        }
        "DISABLED_UPDATE" => {
            let info = value.get("ban_info").unwrap_or(&Value::Null);
            match text(info, "waba_ban_state") {
                Some(state) if state == "REINSTATE" => AccountNews::Reinstated,
                Some(state) => AccountNews::Banned { state, date: words(info, "waba_ban_date") },
                None => AccountNews::Other { event },
            }
        }
        _ => AccountNews::Other { event },
    }
}

#[cfg(test)]
mod tests {
    use ramal_domain::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::webhook::parse;

    fn change_of(field: &str, value: &Value) -> Change {
        let body = json!({"object": "whatsapp_business_account", "entry": [
            {"id": "102290129340398", "time": 1_739_321_024, "changes": [{"field": field, "value": value}]}
        ]});
        let mut changes = parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(changes.len(), 1);
        changes.remove(0)
    }

    fn account_news(value: &Value) -> AccountNews {
        let change = change_of("account_update", value);
        let News::Account(news) = change.news else { panic!("{change:?}") };
        news
    }

    #[test]
    fn every_end_of_an_account_is_an_end() {
        let removed = |reason: &str| AccountNews::Removed { reason: reason.to_owned() };
        for event in ["PARTNER_APP_UNINSTALLED", "ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED"] {
            assert_eq!(account_news(&json!({"event": event})), removed(event));
        }
        let value = json!({"event": "PARTNER_REMOVED", "phone_number": "15550783881",
            "waba_info": {"waba_id": "203", "owner_business_id": "9"},
            "disconnection_info": {"reason": "PRIMARY_INACTIVITY", "initiated_by": "SYSTEM"}});
        let change = change_of("account_update", &value);
        assert_eq!(change.news, News::Account(removed("PRIMARY_INACTIVITY")));
        assert_eq!(change.waba.as_deref(), Some("203"));
        assert_eq!(change.display_phone.as_deref(), Some("15550783881"));
        assert_eq!(change.at, Timestamp::from_secs(1_739_321_024));
    }

    #[test]
    fn what_happens_to_accounts_is_sorted() {
        let kind = "RESTRICTED_BIZ_INITIATED_MESSAGING".to_owned();
        let until = Some(Timestamp::from_secs(1_750_000_000));
        let cases = [
            (json!({"event": "PARTNER_ADDED"}), AccountNews::Added),
            (json!({"event": "PARTNER_APP_INSTALLED"}), AccountNews::Added),
            (json!({"event": "ACCOUNT_RECONNECTED"}), AccountNews::Reconnected),
            (
                json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": [
                    {"restriction_type": kind, "expiration": 1_750_000_000}, "?", {}]}),
                AccountNews::Restricted { restrictions: vec![Restriction { kind, until }] },
            ),
            (
                json!({"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SCAM"}}),
                AccountNews::Violation { kind: "SCAM".to_owned() },
            ),
            (
                json!({"event": "DISABLED_UPDATE", "ban_info": {
                    "waba_ban_state": "DISABLE", "waba_ban_date": "April 17, 2025"}}),
                AccountNews::Banned {
                    state: "DISABLE".to_owned(),
                    date: Some("April 17, 2025".to_owned()),
                },
            ),
            (
                json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}),
                AccountNews::Reinstated,
            ),
            (
                json!({"event": "MM_LITE_TERMS_SIGNED"}),
                AccountNews::Other { event: "MM_LITE_TERMS_SIGNED".to_owned() },
            ),
        ];
        for (value, news) in cases {
            assert_eq!(account_news(&value), news, "{value}");
        }
    }

    #[test]
    fn quality_names_alerts_and_reviews_are_read() {
        let quality = change_of(
            "phone_number_quality_update",
            &json!({"display_phone_number": "+1 555-078-3881", "event": "ONBOARDING",
                "old_limit": "TIER_250", "current_limit": "TIER_2K",
                "max_daily_conversations_per_business": "TIER_2K"}),
        );
        assert_eq!(quality.display_phone.as_deref(), Some("15550783881"));
        assert_eq!(
            quality.news,
            News::Quality {
                event: "ONBOARDING".to_owned(),
                limit: Some("TIER_2K".to_owned()),
                old_limit: Some("TIER_250".to_owned())
            }
        );
        let name = change_of(
            "phone_number_name_update",
            &json!({"display_phone_number": "15550783881", "decision": "APPROVED",
                "requested_verified_name": "Lucky Shrub", "rejection_reason": null}),
        );
        let (decision, asked) = ("APPROVED".to_owned(), Some("Lucky Shrub".to_owned()));
        assert_eq!(name.news, News::Name { decision, name: asked, reason: None });
        let alert = change_of(
            "account_alerts",
            &json!({"entity_type": "BUSINESS", "entity_id": "5", "alert_info": {
                "alert_severity": "INFORMATIONAL", "alert_status": "NONE",
                "alert_type": "OBA_APPROVED", "alert_description": "Well done"}}),
        );
        assert_eq!(
            alert.news,
            News::Alert {
                severity: "INFORMATIONAL".to_owned(),
                kind: "OBA_APPROVED".to_owned(),
                description: Some("Well done".to_owned())
            }
        );
        let review = change_of("account_review_update", &json!({"decision": "APPROVED"}));
        assert_eq!(review.news, News::Review { decision: "APPROVED".to_owned() });
        for (field, value) in [
            ("business_capability_update", json!({"max_phone_numbers_per_waba": 25})),
            ("account_update", json!({"event": 5.5, "x": []})),
            ("account_update", json!("what")),
            ("no_such_field", json!(null)),
        ] {
            let news = change_of(field, &value).news;
            let known = matches!(&news, News::Other { field: name } if name == field)
                || matches!(&news, News::Account(AccountNews::Other { .. }));
            assert!(known, "{field}: {news:?}");
        }
    }
}
