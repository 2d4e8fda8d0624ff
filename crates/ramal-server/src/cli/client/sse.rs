//! Server-sent events, read from whatever pieces they arrive in.

use std::mem;

/// Longest line: above what the server posts as one event.
const LINE_MAX: usize = 8 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Where to go on after it, if the server says.
    pub(super) id: Option<String>,
    /// Its name.
    pub(super) name: String,
    /// Its data.
    pub(super) data: String,
}

/// What has arrived and was not read yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
    /// The event whose end has not arrived.
    begun: Option<Message>,
}

impl Parser {
    /// Takes in a piece.
    ///
    /// # Errors
    ///
    /// A line that does not end.
    pub(super) fn push(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        self.bytes.extend_from_slice(piece);
        let unended = self.bytes.iter().rev().take_while(|byte| **byte != b'\n').count();
        anyhow::ensure!(unended <= LINE_MAX, "the server sends a line without an end");
        Ok(())
    }

    /// The next event that is there whole.
    pub(super) fn pop(&mut self) -> Option<Message> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                // Keep-alives end with an empty line too.
                if let Some(message) = self.begun.take() {
                    return Some(message);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.begun().id = Some(value.to_owned()),
                "event" => value.clone_into(&mut self.begun().name),
                "data" => {
                    let data = &mut self.begun().data;
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value);
                }
                _ => {}
            }
        }
        None
    }

    fn begun(&mut self) -> &mut Message {
        self.begun.get_or_insert_default()
    }

    fn line(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let rest = self.bytes.split_off(end + 1);
        let line = mem::replace(&mut self.bytes, rest);
        let text = String::from_utf8_lossy(&line);
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: Option<&str>, name: &str, data: &str) -> Message {
        Message { id: id.map(str::to_owned), name: name.to_owned(), data: data.to_owned() }
    }

    const STREAM: &str = ": hello\n\nid: evt_1\nevent: message.received\ndata: {\"a\": 1}\n\n\
        event:code\r\ndata: one\r\ndata: two\r\nretry: 5\r\n\r\nevent: cut\ndata: off";

    #[test]
    fn events_are_read_in_whatever_pieces_they_arrive() {
        let expected = [
            message(Some("evt_1"), "message.received", "{\"a\": 1}"),
            message(None, "code", "one\ntwo"),
        ];
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let mut read = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                parser.push(piece).unwrap();
                read.extend(std::iter::from_fn(|| parser.pop()));
            }
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_an_error() {
        let mut parser = Parser::default();
        parser.push(b"data: ok\n\n").unwrap();
        assert!(parser.push(&vec![b'x'; LINE_MAX + 1]).is_err());
    }
}
