//! Projects.

use ramal_domain::ProjectId;
use ramal_store::Project;

use crate::{
    db::Db,
    scene::{NOW, committed, tenant},
};

on_both_databases! {
    a_slug_is_taken_once_per_tenant,
}

async fn a_slug_is_taken_once_per_tenant(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let project = |tenant| Project {
        id: ProjectId::mint(),
        tenant,
        name: "Sales".to_owned(),
        slug: "sales".to_owned(),
        description: String::new(),
        created_at: NOW,
    };
    let first = project(ours);

    assert!(committed!(store, |tx| tx.projects().create(&first)));
    assert!(!committed!(store, |tx| tx.projects().create(&project(ours))));
    assert!(committed!(store, |tx| tx.projects().create(&project(theirs))));
    assert_eq!(committed!(store, |tx| tx.projects().list(ours)), [first]);
}
