//! Configuration: one struct per component, composed here; three layers, contradictions collected.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use figment::{
    Figment,
    providers::{Env, Format as _, Toml},
    value::{Dict, Value},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::proxies::Proxies;

/// The first layer, and the manual.
const DEFAULTS: &str = include_str!("config.default.toml");
/// The operator's file when none is named.
const OPERATORS_FILE: &str = "ramal.toml";
/// What environment variables start with.
const ENV_PREFIX: &str = "RAMAL__";
/// Keys whose values are never shown.
const SECRET_KEYS: [&str; 4] =
    ["database.url", "secrets.master_key", "meta.app_secret", "meta.verify_token"];

/// Everything that an operator can set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the database and the master key live when nothing else is said.
    pub data_dir: PathBuf,
    /// `[server]`
    pub server: ServerOptions,
    /// `[auth]`
    pub auth: ramal_web::AuthOptions,
    /// `[limits]`
    pub limits: ramal_app::LimitOptions,
    /// `[database]`
    pub database: ramal_store::Options,
    /// `[secrets]`
    pub secrets: SecretOptions,
    /// `[log]`
    pub log: LogOptions,
    /// `[whatsapp]`
    pub whatsapp: ramal_whatsapp::Options,
    /// `[sessions]`
    pub sessions: ramal_session::Options,
    /// `[numbers]`
    pub numbers: ramal_app::Options,
    /// `[webhooks]`
    pub webhooks: ramal_webhooks::Options,
    /// `[meta]`
    pub meta: ramal_app::MetaOptions,
}

/// `[server]`: the HTTP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What links for people begin with; empty: the address that the server listens on.
    pub public_url: String,
    /// Proxies that are believed about whom they have heard: addresses and networks.
    pub trusted_proxies: Vec<String>,
    /// How long a request's head may take to arrive, and a connection be idle.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long requests in flight may take to finish when the server stops.
    #[serde(with = "humantime_serde")]
    pub stop_timeout: Duration,
}

/// `[secrets]`: the master key, in one of two places.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretOptions {
    /// The key itself, in base64; empty to use the file.
    pub master_key: SecretString,
    /// The file that holds it; empty for `master.key` in the data directory.
    pub master_key_file: PathBuf,
}

/// `[log]`: what is logged, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// For people or for machines.
    pub format: LogFormat,
    /// tracing's `EnvFilter` syntax.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Config {
    /// Reads the three layers. `file` must exist when it is named.
    ///
    /// # Errors
    ///
    /// A value of the wrong type, an unknown key, or contradictions; all of them are named.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut config: Self = layers(file)?.extract().context("the configuration is wrong")?;
        config.fill_in();
        let problems = config.problems();
        if !problems.is_empty() {
            anyhow::bail!("the configuration contradicts itself:\n  {}", problems.join("\n  "));
        }
        Ok(config)
    }

    /// The compiled-in defaults with another data directory: what the sandbox starts from.
    ///
    /// # Errors
    ///
    /// None that a test of the default file would not have found.
    pub fn defaults(data_dir: PathBuf) -> anyhow::Result<Self> {
        let mut config: Self = Figment::from(Toml::string(DEFAULTS)).extract()?;
        config.data_dir = data_dir;
        config.fill_in();
        Ok(config)
    }

    /// The file of the embedded database, where that is used.
    pub(crate) fn database_file(&self) -> Option<PathBuf> {
        let rest = self.database.url.expose_secret().strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest).split('?').next()?;
        (!path.is_empty() && !path.starts_with(':')).then(|| PathBuf::from(path))
    }

    fn fill_in(&mut self) {
        if self.database.url.expose_secret().is_empty() {
            let path = self.data_dir.join("ramal.db");
            self.database.url = SecretString::from(format!("sqlite://{}", path.display()));
        }
        if self.secrets.master_key_file.as_os_str().is_empty() {
            self.secrets.master_key_file = self.data_dir.join("master.key");
        }
        if self.whatsapp.scratch_dir.as_os_str().is_empty() {
            self.whatsapp.scratch_dir = self.data_dir.join("tmp");
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let url = self.database.url.expose_secret();
        if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
            problems.push("database.url must start with sqlite: or postgres:".to_owned());
        }
        if self.database.max_connections == 0 {
            problems.push("database.max_connections must be at least 1".to_owned());
        }
        let whatsapp = &self.whatsapp.url;
        if !whatsapp.starts_with("wss://") && !whatsapp.starts_with("ws://") {
            problems.push("whatsapp.url must start with wss:// or ws://".to_owned());
        }
        if let Err(problem) = Proxies::parse(&self.server.trusted_proxies) {
            problems.push(format!("server.trusted_proxies: {problem}"));
        }
        self.sessions.check(&mut problems);
        self.limits.check(&mut problems);
        self.numbers.check(&mut problems);
        self.webhooks.check(&mut problems);
        self.meta.check(&mut problems);
        problems
    }
}

/// Whether the person wants no colours, by the convention that many programs know (`NO_COLOR`).
pub(crate) fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn layers(file: Option<&Path>) -> anyhow::Result<Figment> {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    match file {
        Some(file) => {
            anyhow::ensure!(file.is_file(), "{}: there is no such file", file.display());
            figment = figment.merge(Toml::file_exact(file));
        }
        None if Path::new(OPERATORS_FILE).is_file() => {
            figment = figment.merge(Toml::file_exact(OPERATORS_FILE));
        }
        None => {}
    }
    Ok(figment.merge(Env::prefixed(ENV_PREFIX).split("__")))
}

/// The effective values, one `key = value  # origin` a line, secrets masked.
///
/// # Errors
///
/// As [`Config::load`].
pub fn show(file: Option<&Path>) -> anyhow::Result<String> {
    Config::load(file)?;
    let figment = layers(file)?;
    let values: Dict = figment.extract().context("the configuration is wrong")?;
    let mut lines = Vec::new();
    flatten("", &values, &mut |key, value| {
        let origin = figment.find_metadata(key).map_or_else(
            || "default".to_owned(),
            |metadata| match &metadata.source {
                Some(figment::Source::File(file)) => file.display().to_string(),
                _ if metadata.name.contains("environment") => "environment".to_owned(),
                _ => "default".to_owned(),
            },
        );
        let shown = if SECRET_KEYS.contains(&key) && value != "\"\"" { "\"***\"" } else { value };
        lines.push(format!("{key} = {shown}  # {origin}"));
    });
    Ok(lines.join("\n"))
}

fn flatten(prefix: &str, values: &Dict, line: &mut impl FnMut(&str, &str)) {
    for (key, value) in values {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        if let Value::Dict(_, inner) = value {
            flatten(&path, inner, line);
        } else {
            line(&path, &printed(value));
        }
    }
}

fn printed(value: &Value) -> String {
    match value {
        Value::Array(_, items) => {
            format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(", "))
        }
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string()))
            .unwrap_or_default(),
        Value::Bool(_, truth) => truth.to_string(),
        Value::String(_, text) => format!("{text:?}"),
        Value::Char(_, character) => format!("{:?}", character.to_string()),
        Value::Dict(..) | Value::Empty(..) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_complete_and_equals_the_defaults_in_the_code() {
        let config: Config = Figment::from(Toml::string(DEFAULTS)).extract().unwrap();

        let code = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            ramal_web::AuthOptions::default(),
            ramal_app::LimitOptions::default(),
            ramal_whatsapp::Options::default(),
            ramal_session::Options::default(),
            ramal_app::Options::default(),
            ramal_webhooks::Options::default()
        );
        let file = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            config.auth,
            config.limits,
            config.whatsapp,
            config.sessions,
            config.numbers,
            config.webhooks
        );
        assert_eq!(file, code);
    }

    #[test]
    fn an_unknown_key_and_a_contradiction_are_named() {
        let read = |text: &str| -> anyhow::Result<Config> {
            Ok(Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(text)).extract()?)
        };

        let unknown = read("[server]\nlisten_on = 1").unwrap_err();
        assert!(unknown.to_string().contains("listen_on"));
        let mut config = read("[webhooks]\nlease = '1s'\n[whatsapp]\nurl = 'http://x'").unwrap();
        config.fill_in();
        let problems = config.problems().join("\n");
        assert!(problems.contains("webhooks.lease") && problems.contains("whatsapp.url"));
    }
}
