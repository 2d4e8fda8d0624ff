//! Standard output: for a person at a terminal, or for what reads a pipe.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use serde_json::Value;

use super::failure::Failure;
use crate::config;

/// White on black, whatever the terminal's own colours: a QR code is not read the other way round by
/// every phone.
const WHITE_ON_BLACK: &str = "\x1b[97;40m";
const PLAIN: &str = "\x1b[0m";

/// Where answers are printed.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    colours: bool,
    /// Lines of what can be drawn over.
    drawn: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        Self { terminal, colours: terminal && !config::no_colour(), drawn: 0 }
    }

    /// Prints a line that stays.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.drawn = 0;
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        // Whoever reads a pipe is told at once.
        out.flush()?;
        Ok(())
    }

    /// Prints a value as one line of JSON.
    pub(super) fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// Prints a picture and what is said of it; at a terminal, over the one before.
    pub(super) fn draw(&mut self, picture: &str, caption: &str) -> Result<(), Failure> {
        let mut text = String::new();
        if self.terminal && self.drawn > 0 {
            // To where the one before began, and away with it.
            let _infallible = write!(text, "\x1b[{}A\x1b[J", self.drawn);
        }
        for line in picture.lines() {
            let _infallible = if self.colours {
                writeln!(text, "{WHITE_ON_BLACK}{line}{PLAIN}")
            } else {
                writeln!(text, "{line}")
            };
        }
        text.push_str(caption);
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
        self.drawn = picture.lines().count() + caption.lines().count();
        Ok(())
    }
}

/// Tells the person something that is no answer.
pub(super) fn remark(text: &str) {
    // When even that fails there is nobody to tell.
    let _unwritable = writeln!(io::stderr(), "ramal: {text}");
}

/// A text from outside as it can be printed: in one line, and without what terminals obey.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect()
}

/// What turns the direction of writing, or separates lines without being a control character.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Rows below a heading, in columns.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = std::iter::once(&head).chain(rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        })
        .collect();
    let print = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(print).collect::<Vec<_>>().join("\n")
}

/// A text in an answer; empty when there is none.
pub(super) fn text<'a>(answer: &'a Value, path: &str) -> &'a str {
    answer.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_cannot_command_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\nc\u{9b}d\u{202e}e Olá 👋"), "a [2Jb c d e Olá 👋");
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [vec!["wa_1".to_owned(), "Loja é".to_owned()], vec!["wa_22".into(), "x".into()]];

        assert_eq!(table(&["ID", "NAME"], &rows), "ID     NAME\nwa_1   Loja é\nwa_22  x");
        assert_eq!(table(&["ID", "NAME"], &[]), "ID  NAME");
    }
}
