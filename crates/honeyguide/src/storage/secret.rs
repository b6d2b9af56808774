//! What must not be seen: values that are only shown as stars, and texts in which they are struck out.

use std::fmt;

/// Shown in place of what is secret.
const STARS: &str = "***";
/// A value that is shorter is more likely to be a word of the message than the secret.
const MIN_STRUCK_OUT: usize = 6;

/// A value that shows itself as stars.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for whoever has to have it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without this value.
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

/// `text` in which no URL has a user, a password, a query or a fragment: there signatures and tokens stand.
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let end = url.find(is_outside_url).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let is_web = before.ends_with("http://") || before.ends_with("https://");
        push_url(url, is_web, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn is_outside_url(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '`' | '<' | '>' | ')')
}

/// Adds what follows a URL's scheme.
fn push_url(url: &str, is_web: bool, out: &mut String) {
    let authority_end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, rest) = url.split_at(authority_end);
    // In abfss://container@account a container stands before the @; it is no secret, but a user with a password is.
    match authority.rsplit_once('@') {
        Some((user, host)) if is_web || user.contains(':') => {
            out.push_str(STARS);
            out.push('@');
            out.push_str(host);
        }
        _ => out.push_str(authority),
    }
    match rest.find(['?', '#']) {
        // A question mark within a bucket's path is a wildcard; a query has an equals sign.
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
    fn secrets_show_themselves_as_stars() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(
            secret.strike_out("key hunter2hunter2 was refused"),
            "key *** was refused"
        );
        assert_eq!(secret.reveal(), "hunter2hunter2");
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
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
            ("no url at all?x=1", "no url at all?x=1"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }
}
