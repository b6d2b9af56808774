//! A writer that escapes what acts on a terminal or cannot be seen, for JSON and for tables that go to a terminal.

use std::io::{self, Write};

use honeyguide::wording::is_harmful;

/// The form in which a character is written that is not written as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `\u009b`, or two of these, as in JSON. Line breaks and other ASCII characters are written as they are: JSON has
    /// escaped those of its texts.
    Json,
    /// `\u{9b}`. Only line breaks and tabs are written as they are.
    Terminal,
}

/// A writer to `out` of UTF-8 in pieces of any length.
pub struct Escaping<W> {
    out: W,
    form: Form,
    /// The beginning of a character whose end was not written yet.
    rest: Vec<u8>,
}

impl<W: Write> Escaping<W> {
    pub fn new(out: W, form: Form) -> Self {
        Self {
            out,
            form,
            rest: Vec::new(),
        }
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        let mut plain = text;
        while let Some(at) = plain.find(|character| self.is_escaped(character)) {
            let (before, from) = plain.split_at(at);
            self.out.write_all(before.as_bytes())?;
            let character = from.chars().next().unwrap_or_default();
            match self.form {
                Form::Terminal => write!(self.out, "{}", character.escape_default())?,
                Form::Json => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}")?;
                    }
                }
            }
            plain = &from[character.len_utf8()..];
        }
        self.out.write_all(plain.as_bytes())
    }

    fn is_escaped(&self, character: char) -> bool {
        match self.form {
            Form::Json => character >= '\u{7f}' && is_harmful(character),
            Form::Terminal => !matches!(character, '\n' | '\t') && is_harmful(character),
        }
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut pieces = all.utf8_chunks().peekable();
        while let Some(piece) = pieces.next() {
            self.write_text(piece.valid())?;
            let is_last = pieces.peek().is_none();
            let invalid = piece.invalid();
            if is_last
                && invalid.len() < 4
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
            {
                self.rest = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.write_text("\u{fffd}")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, form: Form, step: usize) -> String {
        let mut out = Vec::new();
        let mut writer = Escaping::new(&mut out, form);
        for piece in text.as_bytes().chunks(step) {
            writer.write_all(piece).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_acts_or_hides_is_escaped_in_pieces_of_any_length() {
        let text = "größe\u{9b}1\u{202e}\u{e0041}\u{200b}é\n\t\u{1b}[31m";
        for step in 1..9 {
            assert_eq!(
                written(text, Form::Terminal, step),
                "größe\\u{9b}1\\u{202e}\\u{e0041}\\u{200b}é\n\t\\u{1b}[31m"
            );
            assert_eq!(
                written(text, Form::Json, step),
                "größe\\u009b1\\u202e\\udb40\\udc41\\u200bé\n\t\u{1b}[31m"
            );
        }
    }
}
