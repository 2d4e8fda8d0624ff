//! The schema, step by step. The files are in `migrations/`, one of each name for each database.

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::Dialect;

/// Reads the files of one database into the binary.
macro_rules! files {
    ($directory:literal) => {
        files!(
            $directory,
            "0001_first_light",
            "0002_pairing_attempts",
            "0003_webhook_health",
            "0004_health",
            "0005_places_and_contacts",
            "0006_projects",
            "0007_pairing_links",
            "0008_webhook_trust",
            "0009_people",
            "0010_overview",
            "0011_official_numbers",
            "0012_templates",
            "0013_messages",
            "0014_queues",
            "0015_forgetting"
        )
    };
    ($directory:literal, $($name:literal),+) => {
        &[$(($name, include_str!(concat!("../migrations/", $directory, "/", $name, ".sql")))),+]
    };
}

const SQLITE: &[(&str, &str)] = files!("sqlite");
const POSTGRES: &[(&str, &str)] = files!("postgres");

/// What brings a database up to date. `sqlx::migrate!` would do the same at the price of building sqlx and
/// SQLite twice: it is a macro that contains both.
pub(crate) fn migrator(dialect: Dialect) -> Migrator {
    let files = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    Migrator::with_migrations(files.iter().map(|(name, sql)| migration(name, sql)).collect())
}

/// As `sqlx::migrate!` reads a file: what it has written into databases is compared with this.
fn migration(name: &'static str, sql: &'static str) -> Migration {
    let (version, description) = name.split_once('_').unwrap_or((name, ""));
    // A test reads all names.
    let version = version.parse().unwrap_or_default();
    let description = description.replace('_', " ").into();
    Migration::new(version, description, MigrationType::Simple, sql.into_sql_str(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_in_its_place() {
        for (directory, files) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let path = format!("{}/migrations/{directory}", env!("CARGO_MANIFEST_DIR"));
            let mut found: Vec<String> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            found.sort();
            let read: Vec<String> = files.iter().map(|(name, _)| format!("{name}.sql")).collect();
            assert_eq!(read, found);
        }
    }

    #[test]
    fn versions_are_counted() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let migrator = migrator(dialect);
            let versions: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
            let counted: Vec<i64> = (1..).take(versions.len()).collect();
            assert_eq!(versions, counted);
            assert_eq!(migrator.iter().next().unwrap().description, "first light");
        }
    }
}
