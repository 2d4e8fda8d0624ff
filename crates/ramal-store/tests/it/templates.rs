//! Templates of tenants' own.

use ramal_domain::{
    Button, MediaKind, TemplateCategory, TemplateContent, TemplateId, TemplateMedia, TenantId,
};
use ramal_store::{Store, Template, TemplateVersion};

use crate::{
    db::Db,
    scene::{NOW, at, committed, read, tenant},
};

on_both_databases! {
    a_template_is_found_by_id_and_by_name_in_its_tenant_only,
    a_name_is_taken_once_per_tenant_until_it_is_deleted,
    a_change_of_what_it_says_is_another_version,
    another_template_keeps_its_name,
    another_tenant_changes_and_deletes_nothing,
    everything_that_a_template_says_is_kept,
    old_versions_are_forgotten_and_never_the_newest,
    a_deleted_template_is_forgotten_in_time,
}

fn version(number: i64, text: &str) -> TemplateVersion {
    let content = TemplateContent { text: text.to_owned(), ..TemplateContent::default() };
    TemplateVersion { number, content, author: "ana@acme.com".to_owned(), created_at: at(number) }
}

fn template(tenant: TenantId, name: &str) -> Template {
    Template {
        id: TemplateId::mint(),
        tenant,
        name: name.to_owned(),
        category: TemplateCategory::Utility,
        created_at: NOW,
        updated_at: NOW,
        latest: version(1, "Oi {{name}}"),
    }
}

async fn stored(store: &Store, tenant: TenantId, name: &str) -> Template {
    let template = template(tenant, name);
    assert!(committed!(store, |tx| tx.templates().create(&template)));
    template
}

async fn a_template_is_found_by_id_and_by_name_in_its_tenant_only(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    // In the order of bytes, whatever the database's language is.
    let second = stored(&store, ours, "a_b").await;
    let first = stored(&store, ours, "a-b").await;

    assert_eq!(read!(store, |tx| tx.templates().find(ours, first.id)), Some(first.clone()));
    assert_eq!(read!(store, |tx| tx.templates().find_by_name(ours, "a_b")), Some(second.clone()));
    let held = committed!(store, |tx| tx.templates().find_to_change(ours, first.id));
    assert_eq!(held, Some(first.clone()));
    assert_eq!(read!(store, |tx| tx.templates().list(ours)), [first.clone(), second]);

    assert_eq!(read!(store, |tx| tx.templates().find(theirs, first.id)), None);
    assert_eq!(read!(store, |tx| tx.templates().find_by_name(theirs, "a-b")), None);
    assert_eq!(committed!(store, |tx| tx.templates().find_to_change(theirs, first.id)), None);
    assert_eq!(read!(store, |tx| tx.templates().list(theirs)), []);
    assert_eq!(read!(store, |tx| tx.templates().versions(theirs, first.id)), []);
}

async fn a_name_is_taken_once_per_tenant_until_it_is_deleted(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let first = stored(&store, ours, "welcome").await;

    let second = template(ours, "welcome");
    assert!(!committed!(store, |tx| tx.templates().create(&second)));
    stored(&store, theirs, "welcome").await;

    assert!(committed!(store, |tx| tx.templates().delete(ours, first.id, at(9))));
    assert!(!committed!(store, |tx| tx.templates().delete(ours, first.id, at(9))));
    assert_eq!(read!(store, |tx| tx.templates().find(ours, first.id)), None);
    assert_eq!(read!(store, |tx| tx.templates().find_by_name(ours, "welcome")), None);
    assert_eq!(read!(store, |tx| tx.templates().versions(ours, first.id)), []);
    assert!(committed!(store, |tx| tx.templates().create(&second)));
    assert_eq!(read!(store, |tx| tx.templates().list(ours)), [second]);
}

async fn a_change_of_what_it_says_is_another_version(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let before = stored(&store, ours, "welcome").await;

    let renamed = Template { name: "hello".to_owned(), updated_at: at(1), ..before.clone() };
    assert!(committed!(store, |tx| tx.templates().change(&renamed)));
    let changed = Template {
        category: TemplateCategory::Marketing,
        updated_at: at(2),
        latest: version(2, "Olá {{name}}"),
        ..renamed
    };
    assert!(committed!(store, |tx| tx.templates().change(&changed)));

    assert_eq!(read!(store, |tx| tx.templates().find(ours, before.id)), Some(changed.clone()));
    let versions = read!(store, |tx| tx.templates().versions(ours, before.id));
    assert_eq!(versions, [changed.latest, before.latest]);
}

async fn another_template_keeps_its_name(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let first = stored(&store, ours, "first").await;
    let second = stored(&store, ours, "second").await;

    let taken = Template { name: "first".to_owned(), ..second.clone() };
    let mut tx = store.begin().await.unwrap();
    assert!(!tx.templates().change(&taken).await.unwrap());
    drop(tx);

    assert_eq!(read!(store, |tx| tx.templates().list(ours)), [first, second]);
}

async fn another_tenant_changes_and_deletes_nothing(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let before = stored(&store, ours, "welcome").await;

    let stolen = Template { tenant: theirs, latest: version(2, "stolen"), ..before.clone() };
    committed!(store, |tx| tx.templates().change(&stolen));
    assert!(!committed!(store, |tx| tx.templates().delete(theirs, before.id, at(1))));
    assert_eq!(committed!(store, |tx| tx.templates().forget_versions(theirs, before.id, 9)), 0);

    assert_eq!(read!(store, |tx| tx.templates().find(ours, before.id)), Some(before.clone()));
    let versions = read!(store, |tx| tx.templates().versions(ours, before.id));
    assert_eq!(versions, [before.latest]);
}

async fn everything_that_a_template_says_is_kept(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let content = TemplateContent {
        language: Some("pt_BR".to_owned()),
        text: "Linha 1\nLinha 2 \u{1f44b} {{1}}".to_owned(),
        footer: Some("Acme".to_owned()),
        media: Some(TemplateMedia {
            kind: MediaKind::Document,
            url: "https://acme.example/{{1}}.pdf".to_owned(),
            file_name: Some("{{1}}.pdf".to_owned()),
        }),
        buttons: vec![
            Button::Reply { id: "Sim".to_owned(), label: "Sim".to_owned() },
            Button::Url { label: "Abrir".to_owned(), url: "https://acme.example".to_owned() },
        ],
    };
    let latest = TemplateVersion { content, ..version(1, "") };
    let whole = Template { latest, ..template(ours, "whole") };

    assert!(committed!(store, |tx| tx.templates().create(&whole)));

    assert_eq!(read!(store, |tx| tx.templates().find(ours, whole.id)), Some(whole));
}

async fn old_versions_are_forgotten_and_never_the_newest(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let mut now = stored(&store, ours, "welcome").await;
    for number in 2..=4 {
        now.latest = version(number, "again");
        assert!(committed!(store, |tx| tx.templates().change(&now)));
    }

    assert_eq!(committed!(store, |tx| tx.templates().forget_versions(ours, now.id, 2)), 2);
    let numbers = |versions: Vec<TemplateVersion>| -> Vec<i64> {
        versions.iter().map(|version| version.number).collect()
    };
    assert_eq!(numbers(read!(store, |tx| tx.templates().versions(ours, now.id))), [4, 3]);
    assert_eq!(committed!(store, |tx| tx.templates().forget_versions(ours, now.id, 99)), 1);
    assert_eq!(numbers(read!(store, |tx| tx.templates().versions(ours, now.id))), [4]);
}

async fn a_deleted_template_is_forgotten_in_time(Db { store, .. }: Db) {
    let ours = tenant(&store).await;
    let gone = stored(&store, ours, "gone").await;
    let kept = stored(&store, ours, "kept").await;
    assert!(committed!(store, |tx| tx.templates().delete(ours, gone.id, at(10))));

    assert_eq!(committed!(store, |tx| tx.templates().purge(at(10))), 0);
    assert_eq!(committed!(store, |tx| tx.templates().purge(at(11))), 1);

    assert_eq!(read!(store, |tx| tx.templates().list(ours)), [kept]);
}
