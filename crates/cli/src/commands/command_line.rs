//! The command line that made a page, quoted so that it can be typed again, and without secrets.

use std::borrow::Cow;
use std::path::Path;

use honeyguide::{Format, redacted};

use crate::args::Global;

/// The characters besides letters and digits that need no quotes in a shell.
const PLAIN: &str = "-_./:=,@%+~";

/// A builder of a command line. Options that do not change the result, such as the number of threads, are left out.
#[derive(Clone)]
pub struct CommandLine(String);

impl CommandLine {
    /// Returns the command line `honeyguide COMMAND`.
    pub fn new(command: &str) -> Self {
        Self(format!("honeyguide {command}"))
    }

    /// Adds the path of a file.
    pub fn path(self, path: &Path) -> Self {
        self.word(&path.to_string_lossy())
    }

    /// Adds data as the user named it.
    pub fn data(self, data: &[String]) -> Self {
        data.iter().fold(self, |line, input| line.word(input))
    }

    /// Adds a mark for further words.
    pub fn ellipsis(mut self) -> Self {
        self.0.push_str(" …");
        self
    }

    /// Adds the options with which data is read.
    pub fn reading(self, global: &Global) -> Self {
        let line = self
            .option("--format", global.format.map(Format::name))
            .options("--null", &global.null)
            .option("--host-column", global.host_column.as_deref())
            .option("--time-column", global.time_column.as_deref());
        match global.strict {
            true => line.word("--strict"),
            false => line,
        }
    }

    /// Adds an option if it has a value.
    pub fn option(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.word(name).word(value),
            None => self,
        }
    }

    /// Adds an option once for each of its values.
    pub fn options(self, name: &str, values: &[String]) -> Self {
        let add = |line: Self, value: &String| line.option(name, Some(value));
        values.iter().fold(self, add)
    }

    /// Returns the command line.
    pub fn finish(self) -> String {
        self.0
    }

    fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(&quoted(&redacted(word)));
        self
    }
}

/// Returns the word, quoted for a shell if necessary.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || PLAIN.contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let line = CommandLine::new("report")
            .path(Path::new("my model.json"))
            .data(&["logs/*.csv".into(), "it's.csv".into()])
            .option("--label", None)
            .option("--out", Some("r.html"))
            .finish();
        assert_eq!(
            line,
            r"honeyguide report 'my model.json' 'logs/*.csv' 'it'\''s.csv' --out r.html"
        );
    }

    #[test]
    fn secrets_stay_out_and_containers_do_not() {
        let line = CommandLine::new("explore")
            .path(Path::new("https://me:secret@host:8/m.json?sig=abc#x"))
            .data(&["abfss://lake@account.dfs.core.windows.net/a.csv".into()])
            .finish();
        assert_eq!(
            line,
            "honeyguide explore 'https://***@host:8/m.json?***' abfss://lake@account.dfs.core.windows.net/a.csv"
        );
    }
}
