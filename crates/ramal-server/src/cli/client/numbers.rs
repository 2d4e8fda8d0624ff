//! `ramal numbers`.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    api::{Api, Ask},
    failure::Failure,
    pairing::Pairing,
    screen::{Screen, clean, table, text},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a number, show its QR code and pairing code, and wait until a phone has used one.
    Create {
        /// What to call it.
        #[arg(long)]
        name: String,
        /// Its phone number, such as `+5511999999999`.
        #[arg(long)]
        number: String,
        #[command(flatten)]
        following: Following,
    },
    /// List the numbers.
    List {
        /// Print the answer of the API.
        #[arg(long)]
        json: bool,
    },
    /// Show one number.
    Show {
        /// Its id (`wa_…`) or its phone number.
        id: String,
        /// Print the answer of the API.
        #[arg(long)]
        json: bool,
    },
    /// Show fresh codes for a number that is not connected, and wait until a phone has used one.
    Connect {
        /// Its id (`wa_…`) or its phone number.
        id: String,
        #[command(flatten)]
        following: Following,
    },
    /// Unlink and delete a number; it can be restored for a while, but with --purge.
    Delete {
        /// Its id (`wa_…`) or its phone number.
        id: String,
        /// For good, with its messages. Of a number that was deleted before, name the id.
        #[arg(long)]
        purge: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// What happens after the codes are there.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(in crate::cli) struct Following {
    /// Show the codes once, and do not wait.
    #[arg(long)]
    no_wait: bool,
    /// Print the answer of the API, and then each event of the pairing, one a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(api: &Api, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create { name, number, following } => create(api, name, number, *following).await,
        Command::List { json } => list(api, *json).await,
        Command::Show { id, json } => show(api, id, *json).await,
        Command::Connect { id, following } => connect(api, id, *following).await,
        Command::Delete { id, purge, yes } => delete(api, id, *purge, *yes).await,
    }
}

/// The id of a number that is named by its id or its phone number.
pub(super) async fn resolve(api: &Api, named: &str) -> Result<String, Failure> {
    let digits = named.strip_prefix('+').unwrap_or(named);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(named.to_owned());
    }
    let numbers = api.get(&["numbers"]).await?;
    let found = rows(&numbers).iter().find(|number| text(number, "/number") == digits);
    let id = found.map(|number| text(number, "/id").to_owned());
    id.ok_or_else(|| Failure::Refused {
        status: 404,
        code: "NUMBER_NOT_FOUND".to_owned(),
        sentence: format!("there is no number {named}: see `ramal numbers list`"),
    })
}

fn rows(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn create(api: &Api, name: &str, number: &str, following: Following) -> Result<(), Failure> {
    let body = Some(json!({"name": name, "number": number}));
    let created = api.call(Method::POST, &["numbers"], &Ask { body, ..Ask::default() }).await?;
    let id = text(&created, "/instance/id").to_owned();
    pair(api, &id, &created, following).await
}

async fn connect(api: &Api, named: &str, following: Following) -> Result<(), Failure> {
    let id = resolve(api, named).await?;
    let codes = api.get(&["numbers", &id, "connect"]).await?;
    pair(api, &id, &codes, following).await
}

/// Shows the codes in `answer`, and what becomes of them.
async fn pair(api: &Api, id: &str, answer: &Value, following: Following) -> Result<(), Failure> {
    let mut screen = Screen::new();
    let json = following.json;
    if json {
        screen.json(answer)?;
    } else {
        screen.line(&format!("Number: {}", clean(id)))?;
    }
    let mut pairing = Pairing::new(api, id, answer, json);
    pairing.show(&mut screen)?;
    if following.no_wait {
        return Ok(());
    }
    pairing.follow(&mut screen).await?;
    if json { Ok(()) } else { screen.line(&format!("{} is connected.", clean(id))) }
}

async fn list(api: &Api, json: bool) -> Result<(), Failure> {
    let numbers = api.get(&["numbers"]).await?;
    let mut screen = Screen::new();
    if json {
        return screen.json(&numbers);
    }
    let rows: Vec<Vec<String>> = rows(&numbers).iter().map(row).collect();
    screen.line(&table(&["ID", "NUMBER", "STATE", "REASON", "NAME"], &rows))
}

fn row(number: &Value) -> Vec<String> {
    vec![
        clean(text(number, "/id")),
        format!("+{}", clean(text(number, "/number"))),
        clean(text(number, "/state")),
        clean(text(number, "/stateReason")),
        clean(text(number, "/name")),
    ]
}

async fn show(api: &Api, named: &str, json: bool) -> Result<(), Failure> {
    let id = resolve(api, named).await?;
    let number = api.get(&["numbers", &id]).await?;
    let mut screen = Screen::new();
    if json {
        return screen.json(&number);
    }
    screen.line(&sheet(&number))
}

/// What a person wants to know of a number, a line each.
fn sheet(number: &Value) -> String {
    let official = text(number, "/provider") == "META";
    let phone = format!("+{}", text(number, "/number"));
    let facts = [
        ("Id", text(number, "/id")),
        ("Number", &phone),
        ("Name", text(number, "/name")),
        ("Kind", if official { "official (Meta)" } else { "QR-paired" }),
        ("State", text(number, "/state")),
        ("Reason", text(number, "/stateReason")),
        ("Connected", text(number, "/primaryLink/connectedAt")),
        ("Health", text(number, "/health/reason")),
        ("Waits for", text(number, "/actionRequired/type")),
        ("Created", text(number, "/createdAt")),
    ];
    let facts = facts.iter().filter(|(_, value)| !value.is_empty());
    facts.map(|(name, value)| format!("{name:<10}{}", clean(value))).collect::<Vec<_>>().join("\n")
}

#[expect(clippy::fn_params_excessive_bools, reason = "two flags of the command line")]
async fn delete(api: &Api, named: &str, purge: bool, yes: bool) -> Result<(), Failure> {
    let id = resolve(api, named).await?;
    if !yes {
        let what = if purge { "for good, with its messages" } else { "and unlink it" };
        confirm(&format!("Delete {} {what}?", describe(api, &id, purge).await?))?;
    }
    let mut path = vec!["numbers", id.as_str()];
    if purge {
        path.push("purge");
    }
    let removed = api.call(Method::DELETE, &path, &Ask::default()).await?;
    let until = text(&removed, "/restorableUntil");
    let told = if purge || until.is_empty() {
        format!("{id} is gone for good.")
    } else {
        format!("{id} is deleted; it can be restored until {}.", clean(until))
    };
    Screen::new().line(&told)
}

/// What is about to be deleted, so that nobody deletes another one.
async fn describe(api: &Api, id: &str, purge: bool) -> Result<String, Failure> {
    match api.get(&["numbers", id]).await {
        Ok(number) => {
            let (name, phone) = (clean(text(&number, "/name")), clean(text(&number, "/number")));
            Ok(format!("{name:?} (+{phone})"))
        }
        // Those that were deleted before are not shown.
        Err(failure) if purge && failure.is("NUMBER_NOT_FOUND") => Ok(id.to_owned()),
        Err(failure) => Err(failure),
    }
}

fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here: say --yes"));
    }
    let mut err = io::stderr().lock();
    // Without the question there is no answer either.
    let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::Failed(error.into()))?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("nothing was deleted")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_without_what_it_has_not() {
        let number = json!({
            "id": "wa_1", "number": "5511999999999", "name": "Shop\u{1b}[2J",
            "provider": "PILOT_STATUS", "state": "CLOSE", "stateReason": "LOGGED_OUT",
            "primaryLink": {"state": "CLOSE", "connectedAt": null},
            "health": {"reason": "the device was unlinked"}, "createdAt": "2026-06-01T00:00:00.000Z",
        });

        let sheet = sheet(&number);

        assert!(sheet.contains("Number    +5511999999999\n"), "{sheet}");
        assert!(sheet.contains("Reason    LOGGED_OUT\n"), "{sheet}");
        assert!(!sheet.contains("Connected") && !sheet.contains('\u{1b}'), "{sheet}");
    }
}
