//! The house rules that only the whole workspace can show: who may depend on whom, what the product
//! may never be built with, and how large a file may grow.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and helpers are not seen as tests"
)]

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

/// Who may depend on whom (ARCHITECTURE.md); what is missing is forbidden. Dev-dependencies apart.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("ramal-domain", &[]),
    ("ramal-egress", &[]),
    ("ramal-meta", &["ramal-domain"]),
    ("ramal-store", &["ramal-domain"]),
    ("ramal-session", &["ramal-domain", "ramal-store"]),
    ("ramal-whatsapp", &["ramal-domain", "ramal-egress", "ramal-session", "ramal-store"]),
    ("ramal-webhooks", &["ramal-domain", "ramal-egress", "ramal-store"]),
    (
        "ramal-app",
        &["ramal-domain", "ramal-meta", "ramal-session", "ramal-store", "ramal-webhooks"],
    ),
    ("ramal-web", &["ramal-app", "ramal-domain", "ramal-session", "ramal-store"]),
    (
        "ramal-server",
        &[
            "ramal-app",
            "ramal-domain",
            "ramal-meta",
            "ramal-session",
            "ramal-store",
            "ramal-web",
            "ramal-webhooks",
            "ramal-whatsapp",
        ],
    ),
];

/// Crates that only these of ours may name.
const ONLY: [(&str, &[&str]); 5] = [
    ("sqlx", &["ramal-store"]),
    ("whatsapp-rust", &["ramal-whatsapp"]),
    ("wacore", &["ramal-whatsapp"]),
    ("reqwest", &["ramal-egress", "ramal-meta", "ramal-server", "ramal-webhooks"]),
    ("figment", &["ramal-server"]),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The ordinary dependencies of each of our crates.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let names = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
                .collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn dependencies_point_down_only() {
    let dependencies = dependencies();
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();

    for (name, dependencies) in &dependencies {
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no row"));
        for ours in dependencies.iter().filter(|dependency| dependency.starts_with("ramal-")) {
            assert!(allowed.contains(&ours.as_str()), "{name} must not depend on {ours}");
        }
    }
    for (name, _) in ALLOWED {
        assert!(dependencies.contains_key(name), "{name} is in the list but not in the workspace");
    }
}

#[test]
fn heavy_crates_are_named_by_their_owners_only() {
    for (name, dependencies) in dependencies() {
        for (heavy, owners) in ONLY {
            let names_it = dependencies.iter().any(|dependency| dependency == heavy);
            let may = owners.contains(&name.as_str());
            assert!(!names_it || may, "{name} must not name {heavy}; {owners:?} may");
        }
    }
}

#[test]
fn the_product_is_built_without_any_danger_feature() {
    let tree = cargo(&["tree", "--workspace", "-e", "features", "--locked", "--prefix", "none"]);

    assert!(tree.contains("whatsapp-rust"), "the tree should list the library");
    let dangerous: Vec<_> = tree.lines().filter(|line| line.contains("danger")).collect();
    assert!(dangerous.is_empty(), "{dangerous:?}");
}

#[test]
fn files_stay_readable() {
    const LINES_MAX: usize = 900;
    let mut folders = vec![root().join("crates"), root().join("sandbox"), root().join("e2e")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("node_modules") && !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= LINES_MAX, "{}: {lines} lines", path.display());
            }
        }
    }
}

#[test]
fn both_schemas_have_the_same_migrations() {
    let names = |dialect: &str| {
        let folder = root().join("crates/ramal-store/migrations").join(dialect);
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };

    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn every_error_code_has_its_page() {
    let page = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let mut codes = ramal_app::Refusal::codes();
    codes.extend(ramal_domain::CloseReason::ALL.map(ramal_domain::CloseReason::code));
    codes.extend(["BUSY", "INTERNAL", "NOT_FOUND", "METHOD_NOT_ALLOWED", "BODY_TOO_LARGE"]);

    for code in codes {
        assert!(
            page.contains(&format!("### `{code}`")),
            "docs/errors.md has no heading for {code}"
        );
    }
}
