//! The command that made a page, as a person would type it again, without secrets.

use std::borrow::Cow;
use std::path::Path;

/// Characters that a shell takes as they are.
const PLAIN: &str = "-_./:=,@%+~";

/// A command line in the making. Options that change no result, such as the number of threads, are left out.
pub struct CommandLine(String);

impl CommandLine {
    /// `honeyguide COMMAND`.
    pub fn new(command: &str) -> Self {
        Self(format!("honeyguide {command}"))
    }

    /// Adds the path of a file.
    pub fn path(self, path: &Path) -> Self {
        self.word(&path.to_string_lossy())
    }

    /// Adds data as it was named.
    pub fn data(self, data: &[String]) -> Self {
        data.iter().fold(self, |line, input| line.word(input))
    }

    /// Adds an option where it has a value.
    pub fn option(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.word(name).word(value),
            None => self,
        }
    }

    /// The whole line.
    pub fn finish(self) -> String {
        self.0
    }

    fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(&quoted(&without_secrets(word)));
        self
    }
}

/// A URL without its user, password, query and fragment, which may hold keys and signatures; anything else as it is.
fn without_secrets(word: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = word.split_once("://") else {
        return Cow::Borrowed(word);
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    Cow::Owned(format!("{scheme}://{host}{path}"))
}

/// As a shell reads it back.
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
    fn secrets_stay_out() {
        for (url, shown) in [
            ("s3://bucket/a/b.csv", "s3://bucket/a/b.csv"),
            (
                "https://me:secret@host:8/a.csv?sig=abc#x",
                "https://host:8/a.csv",
            ),
            ("https://a@b@host", "https://host"),
            ("https://host?token=1", "https://host"),
            ("a.csv", "a.csv"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
