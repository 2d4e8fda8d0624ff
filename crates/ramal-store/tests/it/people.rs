//! People, what tenants choose, and the audit log.

use ramal_domain::{
    AuditId, BrowserSecret, Email, LogoId, Role, TenantId, UserId, WrongPhonePolicy,
};
use ramal_store::{Actor, AuditEntry, AuditFilter, Invitation, Logo, Store, TenantSettings, User};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    db::Db,
    scene::{NOW, at, committed, read, tenant},
};

on_both_databases! {
    an_address_is_taken_once_on_the_whole_server,
    a_person_is_found_in_their_tenant_only,
    a_browser_is_signed_in_until_it_expires_or_is_sent_away,
    a_new_password_ends_every_sign_in,
    whoever_is_removed_is_signed_out,
    an_invitation_is_accepted_once_and_in_time,
    what_is_over_is_forgotten,
    a_tenant_that_chose_nothing_has_the_defaults,
    choices_are_stored_and_replaced,
    only_the_newest_pictures_stay,
    the_audit_log_is_paged_newest_first_and_per_tenant,
    the_audit_log_is_filtered_by_who_and_by_kind_of_thing,
}

fn hash() -> SecretString {
    SecretString::from("$argon2id$v=19$…")
}

async fn user(store: &Store, tenant: TenantId, email: &str, role: Role) -> User {
    let email: Email = email.parse().unwrap();
    let user =
        User { id: UserId::mint(), tenant, email, role, created_at: NOW, signed_in_at: None };
    assert!(committed!(store, |tx| tx.users().create(&user, &hash())));
    user
}

async fn signed_in(store: &Store, user: &User) -> BrowserSecret {
    let secret = BrowserSecret::mint();
    committed!(store, |tx| tx.users().sign_in(user.id, &secret.hash(), "Firefox", NOW, at(100)));
    secret
}

async fn an_address_is_taken_once_on_the_whole_server(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    assert!(read!(store, |tx| tx.users().is_empty()));
    let ana = user(&store, ours, "ana@acme.com", Role::Owner).await;

    let other = User { id: UserId::mint(), tenant: theirs, ..ana.clone() };
    assert!(!committed!(store, |tx| tx.users().create(&other, &hash())));

    assert!(!read!(store, |tx| tx.users().is_empty()));
    let found = read!(store, |tx| tx.users().find_by_email(&ana.email)).unwrap();
    assert_eq!((found.0, found.1.expose_secret()), (ana, hash().expose_secret()));
}

async fn a_person_is_found_in_their_tenant_only(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let ana = user(&store, ours, "ana@acme.com", Role::Owner).await;
    let bia = user(&store, ours, "bia@acme.com", Role::Viewer).await;

    assert_eq!(read!(store, |tx| tx.users().list(ours)), [ana.clone(), bia.clone()]);
    assert_eq!(committed!(store, |tx| tx.users().list_to_change(ours)).len(), 2);
    assert_eq!(read!(store, |tx| tx.users().list(theirs)), []);
    assert_eq!(read!(store, |tx| tx.users().find(ours, ana.id)), Some(ana.clone()));
    assert_eq!(read!(store, |tx| tx.users().find(theirs, ana.id)), None);
    assert!(!committed!(store, |tx| tx.users().set_role(theirs, bia.id, Role::Owner)));
    assert!(!committed!(store, |tx| tx.users().delete(theirs, bia.id)));
    assert!(committed!(store, |tx| tx.users().set_role(ours, bia.id, Role::Owner)));
    let now = read!(store, |tx| tx.users().find(ours, bia.id)).unwrap();
    assert_eq!(now.role, Role::Owner);
}

async fn a_browser_is_signed_in_until_it_expires_or_is_sent_away(Db { store, .. }: Db) {
    let ana = user(&store, tenant(&store).await, "ana@acme.com", Role::Owner).await;
    let secret = signed_in(&store, &ana).await;
    let hash = secret.hash();

    let found = read!(store, |tx| tx.users().signed_in(&hash, at(99))).unwrap();
    assert_eq!((found.user.id, found.user.signed_in_at), (ana.id, Some(NOW)));
    assert_eq!((found.seen_at, found.expires_at), (NOW, at(100)));
    assert_eq!(read!(store, |tx| tx.users().signed_in(&hash, at(100))), None);
    let foreign = BrowserSecret::mint().hash();
    assert_eq!(read!(store, |tx| tx.users().signed_in(&foreign, NOW)), None);

    committed!(store, |tx| tx.users().seen(&hash, at(50), at(150)));
    let found = read!(store, |tx| tx.users().signed_in(&hash, at(149))).unwrap();
    assert_eq!((found.seen_at, found.expires_at), (at(50), at(150)));
    committed!(store, |tx| tx.users().sign_out(&hash));
    assert_eq!(read!(store, |tx| tx.users().signed_in(&hash, at(60))), None);
}

async fn a_new_password_ends_every_sign_in(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let theirs = tenant(&store).await;
    let ana = user(&store, ours, "ana@acme.com", Role::Owner).await;
    let bia = user(&store, ours, "bia@acme.com", Role::Owner).await;
    let (one, two) = (signed_in(&store, &ana).await, signed_in(&store, &ana).await);
    let other = signed_in(&store, &bia).await;

    assert!(!committed!(store, |tx| tx.users().set_password(theirs, ana.id, &hash())));
    assert!(committed!(store, |tx| tx.users().set_password(
        ours,
        ana.id,
        &SecretString::from("new")
    )));

    for secret in [one, two] {
        assert_eq!(read!(store, |tx| tx.users().signed_in(&secret.hash(), NOW)), None);
    }
    assert!(read!(store, |tx| tx.users().signed_in(&other.hash(), NOW)).is_some());
    let found = read!(store, |tx| tx.users().find_by_email(&ana.email)).unwrap();
    assert_eq!(found.1.expose_secret(), "new");
    assert_eq!(committed!(store, |tx| tx.users().sign_out_everywhere(bia.id)), 1);
}

async fn whoever_is_removed_is_signed_out(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let ana = user(&store, ours, "ana@acme.com", Role::Owner).await;
    let secret = signed_in(&store, &ana).await;

    assert!(committed!(store, |tx| tx.users().delete(ours, ana.id)));
    assert_eq!(read!(store, |tx| tx.users().signed_in(&secret.hash(), NOW)), None);
}

async fn an_invitation_is_accepted_once_and_in_time(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let (good, late) = (BrowserSecret::mint().hash(), BrowserSecret::mint().hash());
    let invitation =
        Invitation { tenant: ours, role: Role::Viewer, expires_at: at(100), used_at: None };
    for secret in [&good, &late] {
        committed!(store, |tx| tx.users().invite(secret, &invitation, NOW));
    }

    assert_eq!(read!(store, |tx| tx.users().invitation(&good)), Some(invitation));
    assert!(committed!(store, |tx| tx.users().accept(&good, at(99))));
    assert!(!committed!(store, |tx| tx.users().accept(&good, at(99))));
    let used = read!(store, |tx| tx.users().invitation(&good)).unwrap();
    assert_eq!(used.used_at, Some(at(99)));
    assert!(!committed!(store, |tx| tx.users().accept(&late, at(100))));
    let unknown = BrowserSecret::mint().hash();
    assert_eq!(read!(store, |tx| tx.users().invitation(&unknown)), None);
    committed!(store, |tx| tx.users().void_invitations(ours, at(1)));
    assert!(!committed!(store, |tx| tx.users().accept(&late, at(2))));
}

async fn what_is_over_is_forgotten(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let ana = user(&store, ours, "ana@acme.com", Role::Owner).await;
    signed_in(&store, &ana).await;
    let invitation =
        Invitation { tenant: ours, role: Role::Owner, expires_at: at(200), used_at: None };
    committed!(store, |tx| tx.users().invite(&BrowserSecret::mint().hash(), &invitation, NOW));

    assert_eq!(committed!(store, |tx| tx.users().purge(at(99))), 0);
    assert_eq!(committed!(store, |tx| tx.users().purge(at(100))), 1);
    assert_eq!(committed!(store, |tx| tx.users().purge(at(200))), 1);
}

async fn a_tenant_that_chose_nothing_has_the_defaults(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let settings = read!(store, |tx| tx.tenant_settings().get(ours));

    assert_eq!(settings, TenantSettings::default());
    assert_eq!(settings.wrong_phone, WrongPhonePolicy::Reject);
}

async fn choices_are_stored_and_replaced(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let mut settings = TenantSettings {
        branding: r#"{"companyName":"Acme"}"#.to_owned(),
        wrong_phone: WrongPhonePolicy::Ask,
        allowed_origins: vec!["https://app.acme.com".to_owned()],
        official_url: Some("https://acme.com/official".to_owned()),
    };
    committed!(store, |tx| tx.tenant_settings().put(ours, &settings, NOW));
    assert_eq!(committed!(store, |tx| tx.tenant_settings().get_to_change(ours)), settings);

    settings.official_url = None;
    settings.allowed_origins.clear();
    committed!(store, |tx| tx.tenant_settings().put(ours, &settings, at(1)));

    assert_eq!(read!(store, |tx| tx.tenant_settings().get(ours)), settings);
    assert_eq!(read!(store, |tx| tx.tenant_settings().get(theirs)), TenantSettings::default());
}

async fn only_the_newest_pictures_stay(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let logo = Logo { mime_type: "image/png".to_owned(), content: vec![0, 255, 1] };
    let other = LogoId::mint();
    committed!(store, |tx| tx.tenant_settings().add_logo(theirs, other, &logo, 2, NOW));
    let ids = [LogoId::mint(), LogoId::mint(), LogoId::mint()];
    for id in ids {
        committed!(store, |tx| tx.tenant_settings().add_logo(ours, id, &logo, 2, NOW));
    }

    assert_eq!(read!(store, |tx| tx.tenant_settings().logo(ids[0])), None);
    for id in [ids[1], ids[2], other] {
        assert_eq!(read!(store, |tx| tx.tenant_settings().logo(id)), Some(logo.clone()));
    }

    let branding = format!(r#"{{"logoUrl":"/logos/{}"}}"#, ids[1]);
    let settings = TenantSettings { branding, ..TenantSettings::default() };
    committed!(store, |tx| tx.tenant_settings().put(ours, &settings, NOW));
    for _ in 0..3 {
        let id = LogoId::mint();
        committed!(store, |tx| tx.tenant_settings().add_logo(ours, id, &logo, 2, NOW));
    }
    assert_eq!(read!(store, |tx| tx.tenant_settings().logo(ids[1])), Some(logo), "it is in use");
    assert_eq!(read!(store, |tx| tx.tenant_settings().logo(ids[2])), None);
}

async fn the_audit_log_is_paged_newest_first_and_per_tenant(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let entry = |tenant, second| AuditEntry {
        id: AuditId::mint(),
        tenant,
        actor: Actor { kind: "user".to_owned(), id: "usr_1".to_owned(), name: "ana".to_owned() },
        action: "number.create".to_owned(),
        target: "wa_1".to_owned(),
        detail: "Sales".to_owned(),
        at: at(second),
    };
    let entries = [entry(ours, 0), entry(ours, 1), entry(ours, 2), entry(theirs, 3)];
    for entry in &entries {
        committed!(store, |tx| tx.audit().record(entry));
    }

    let first = read!(store, |tx| tx.audit().page(ours, &AuditFilter::default(), None, 2));
    assert_eq!(first, [entries[2].clone(), entries[1].clone()]);
    let second =
        read!(store, |tx| tx.audit().page(ours, &AuditFilter::default(), Some(first[1].id), 2));
    assert_eq!(second, [entries[0].clone()]);
    assert_eq!(committed!(store, |tx| tx.audit().purge(at(1))), 1);
    assert_eq!(read!(store, |tx| tx.audit().page(ours, &AuditFilter::default(), None, 9)).len(), 2);
}

async fn the_audit_log_is_filtered_by_who_and_by_kind_of_thing(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let entry = |actor: &str, action: &str| AuditEntry {
        id: AuditId::mint(),
        tenant: ours,
        actor: Actor { kind: "user".to_owned(), id: actor.to_owned(), name: String::new() },
        action: action.to_owned(),
        target: String::new(),
        detail: String::new(),
        at: NOW,
    };
    let entries = [
        entry("usr_1", "key.reveal"),
        entry("usr_2", "key.reveal"),
        entry("usr_1", "keyring.open"),
        entry("usr_1", "user.invite"),
    ];
    for entry in &entries {
        committed!(store, |tx| tx.audit().record(entry));
    }

    let (me, keys) = (Some("usr_1".to_owned()), Some("key".to_owned()));
    for (actor, thing, expected) in [
        (None, keys.clone(), vec![1, 0]),
        (me.clone(), keys, vec![0]),
        (me, None, vec![3, 2, 0]),
        (None, Some("%".to_owned()), vec![]),
    ] {
        let filter = AuditFilter { actor, thing };
        let found = read!(store, |tx| tx.audit().page(ours, &filter, None, 9));
        let expected: Vec<_> =
            expected.iter().map(|&index: &usize| entries[index].clone()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}
