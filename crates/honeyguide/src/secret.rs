//! Secrets: values that are shown as stars, and their removal from texts.

use std::fmt;

/// The schemes of object stores.
pub(crate) const OBJECT_SCHEMES: [&str; 9] = [
    "s3", "s3a", "gs", "gcs", "az", "adl", "azure", "abfs", "abfss",
];

/// The text shown in place of a secret.
const STARS: &str = "***";
/// The minimum length in bytes of a secret that is replaced in a text. A shorter one is more likely to be an ordinary
/// word.
const MIN_STRUCK_OUT: usize = 6;

/// A value whose `Debug` and `Display` forms are stars.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns `text` with stars in place of this value.
    pub fn strike_out(&self, text: &str) -> String {
        if self.0.len() < MIN_STRUCK_OUT {
            return text.to_owned();
        }
        text.replace(&self.0, STARS)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

/// Returns `text` with stars in place of the user and password, the query and the fragment of every URL, which may hold
/// signatures and tokens.
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let end = end_of_url(url);
        let (url, after) = url.split_at(url[..end].trim_end_matches(AFTER_URL).len());
        push_url(url, is_web(before), &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Returns whether the URL whose scheme `before` ends with is of a server that takes a user and a password, as far as its
/// scheme tells, in any spelling. The name before the `@` is part of the place in Azure's store alone.
fn is_web(before: &str) -> bool {
    let scheme = before.strip_suffix("://").unwrap_or(before);
    let is_around = |letter: char| !letter.is_ascii_alphanumeric() && !"+-.".contains(letter);
    let scheme = scheme.rsplit(is_around).next().unwrap_or(scheme);
    let is_store = |store: &&str| scheme.eq_ignore_ascii_case(store);
    !scheme.is_empty() && !OBJECT_SCHEMES.iter().any(is_store)
}

/// Characters that a sentence can put after a URL. They may also be within one: a path may be `/table(1).csv`.
const AFTER_URL: [char; 8] = [')', ']', '}', '\'', ',', '.', ';', ':'];

/// Characters that a sentence can put before a URL.
const BEFORE_URL: [char; 4] = ['(', '[', '{', '='];

/// Returns where the URL at the start of a text ends. A quotation mark ends it only if nothing but punctuation follows up
/// to a space, another URL or the end, so that what follows a mark within a URL is not taken for text.
fn end_of_url(text: &str) -> usize {
    let is_mark = |character| matches!(character, '"' | '`' | '<' | '>');
    let is_between = |character: char| {
        is_mark(character) || AFTER_URL.contains(&character) || BEFORE_URL.contains(&character)
    };
    let is_last = |at: usize| {
        let after = text[at..].trim_start_matches(is_between);
        after.is_empty() || after.starts_with(char::is_whitespace) || has_scheme(after)
    };
    let end = text
        .char_indices()
        .find(|(at, character)| character.is_whitespace() || is_mark(*character) && is_last(*at));
    end.map_or(text.len(), |(at, _)| at)
}

/// Returns whether a text begins with the scheme of a URL.
fn has_scheme(text: &str) -> bool {
    let is_of_scheme =
        |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    let rest = text.trim_start_matches(is_of_scheme);
    rest.len() < text.len() && rest.starts_with("://")
}

/// Appends the part of a URL after its scheme, without secrets.
fn push_url(url: &str, is_web: bool, out: &mut String) {
    let authority_end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, rest) = url.split_at(authority_end);
    // In abfss://container@account the text before the @ is a container, which is not secret. A user with a password
    // is.
    match authority.rsplit_once('@') {
        Some((user, host)) if is_web || user.contains(':') => {
            out.push_str(STARS);
            out.push('@');
            out.push_str(host);
        }
        _ => out.push_str(authority),
    }
    match rest.find(['?', '#']) {
        // In the path of a bucket a question mark is a wildcard, unless an equals sign follows it, as in a query.
        Some(query) if is_web || rest[query..].contains('=') => {
            out.push_str(&rest[..=query]);
            out.push_str(STARS);
        }
        _ => out.push_str(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_shown_as_stars() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(
            secret.strike_out("key hunter2hunter2 was refused"),
            "key *** was refused"
        );
        assert_eq!(secret.reveal(), "hunter2hunter2");
    }

    #[test]
    fn redacted_urls_hold_no_secrets() {
        for (text, expected) in [
            (
                "GET https://me:pw@host/a.csv?sig=abc%2F&se=1 failed",
                "GET https://***@host/a.csv?*** failed",
            ),
            (
                "(https://host?token=x) and \"s3://b/k\"",
                "(https://host?***) and \"s3://b/k\"",
            ),
            (
                "abfss://c@account.dfs.core.windows.net/x",
                "abfss://c@account.dfs.core.windows.net/x",
            ),
            ("s3://bucket/day?.csv", "s3://bucket/day?.csv"),
            ("https://h/a#token=x", "https://h/a#***"),
            ("https://token@host/a?token", "https://***@host/a?***"),
            ("https://a@b@host", "https://***@host"),
            ("https://h/a%20(1).csv?sig=x", "https://h/a%20(1).csv?***"),
            ("`https://h`i/a?sig=x` or not", "`https://h`i/a?***` or not"),
            ("https://me:p'w)d@h/it's?t=x", "https://***@h/it's?***"),
            (
                "read ('https://h/a(1)?x=y'), then s3://b/[1].",
                "read ('https://h/a(1)?***'), then s3://b/[1].",
            ),
            ("HTTP://me:pw@host/a?sig=x", "HTTP://***@host/a?***"),
            (
                "ftp://me:pw@host/a and Ftp://token@h",
                "ftp://***@host/a and Ftp://***@h",
            ),
            ("svn+ssh://token@h/a", "svn+ssh://***@h/a"),
            (
                "ABFSS://c@account.dfs.core.windows.net/x",
                "ABFSS://c@account.dfs.core.windows.net/x",
            ),
            ("https://h/a\".,b?sig=x c", "https://h/a\".,b?*** c"),
            ("https://me:p\",w@h/a\";x#t=s", "https://***@h/a\";x#***"),
            (
                "[\"https://h/a\",\"https://me:pw@h/b?t=x\"], then",
                "[\"https://h/a\",\"https://***@h/b?***\"], then",
            ),
            (
                "<https://h/a?t=x>; \"s3://b/k\".",
                "<https://h/a?***>; \"s3://b/k\".",
            ),
            ("no url at all?x=1", "no url at all?x=1"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }
}
