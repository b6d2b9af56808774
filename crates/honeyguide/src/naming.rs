//! Parameters and commands in messages, which a library and a command line call by different names.
//!
//! A message marks a name; whoever shows the message decides how it is written. The library writes a parameter as
//! `` `exclude` ``, the command line as `--exclude`.

use std::borrow::Cow;

/// The marks around a parameter's name. They are private-use characters, which text for people does not have.
const PARAMETER: [char; 2] = ['\u{e000}', '\u{e001}'];
/// The marks around a command's name.
const COMMAND: [char; 2] = ['\u{e002}', '\u{e003}'];

/// A name in a message that a library and a command line write differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A parameter of a function, such as `false_positive_rate`.
    Parameter(&'a str),
    /// A piece of work, such as `train`: a command of the command line and a function of the library.
    Command(&'a str),
}

/// Returns a parameter's name as it stands in a message.
pub(crate) fn parameter(name: &str) -> String {
    let [start, end] = PARAMETER;
    format!("{start}{name}{end}")
}

/// Returns a command's name as it stands in a message.
pub(crate) fn command(name: &str) -> String {
    let [start, end] = COMMAND;
    format!("{start}{name}{end}")
}

/// Returns `text` with every marked name as `write` writes it.
pub(crate) fn resolved<'t>(text: &'t str, write: impl Fn(Named) -> String) -> Cow<'t, str> {
    if !text.contains([PARAMETER[0], COMMAND[0]]) {
        return Cow::Borrowed(text);
    }
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find([PARAMETER[0], COMMAND[0]]) {
        let (before, marked) = rest.split_at(start);
        resolved.push_str(before);
        let mark = marked.chars().next().unwrap_or_default();
        let marked = &marked[mark.len_utf8()..];
        let end = if mark == PARAMETER[0] {
            PARAMETER[1]
        } else {
            COMMAND[1]
        };
        let Some((name, after)) = marked.split_once(end) else {
            // An opening mark alone comes from data.
            resolved.push(mark);
            rest = marked;
            continue;
        };
        let named = match mark == PARAMETER[0] {
            true => Named::Parameter(name),
            false => Named::Command(name),
        };
        resolved.push_str(&write(named));
        rest = after;
    }
    resolved.push_str(rest);
    Cow::Owned(resolved)
}

/// Returns a name as the library's own messages write it.
pub(crate) fn quoted(named: Named) -> String {
    let (Named::Parameter(name) | Named::Command(name)) = named;
    format!("`{name}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_resolved_and_other_text_stays() {
        let text = format!(
            "{} x: no such column; see {}",
            parameter("exclude"),
            command("inspect")
        );
        assert_eq!(
            resolved(&text, quoted),
            "`exclude` x: no such column; see `inspect`"
        );
        let as_flags = |named: Named| match named {
            Named::Parameter(name) => format!("--{name}"),
            Named::Command(name) => format!("honeyguide {name}"),
        };
        assert_eq!(
            resolved(&text, as_flags),
            "--exclude x: no such column; see honeyguide inspect"
        );
    }

    #[test]
    fn a_mark_without_an_end_stays() {
        for text in ["", "\u{e000}", "a\u{e002}b", "\u{e001}c", "plain"] {
            assert_eq!(resolved(text, quoted), text);
        }
    }
}
