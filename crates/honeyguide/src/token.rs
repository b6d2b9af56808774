//! Tokens: secrets in files, by which one program knows another.

use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// The lowest and the highest number of characters of a token.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;
/// The way to make a token, for hints.
const MAKE_ONE: &str = "make one: (umask 077; openssl rand -hex 32 > FILE)";

/// The most bytes that are read of a file with a secret.
const FILE_BYTES: u64 = 8 << 10;

/// A secret word that a server and its clients know. It is never printed.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads a token from a file. White space around it does not count.
    ///
    /// # Errors
    /// The file cannot be read, other users can read it, or it does not hold one word of 16 to 256 characters from
    /// `!` to `~`.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::new(&secret_in(path)?).ok_or_else(|| {
            Error::usage(format!(
                "{}: this is no token, which is one word of {} to {} visible ASCII characters",
                path.display(),
                LENGTHS.start(),
                LENGTHS.end()
            ))
            .hint(MAKE_ONE)
        })
    }

    /// Makes a token of a text, or returns `None` if the text cannot be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_word = text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_word && LENGTHS.contains(&text.len())).then(|| Self(text.into()))
    }

    /// Returns whether `text` is this token, in a time that does not depend on the place of the first difference.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// Returns the token itself, for a request.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Reads the secret in a file, without the white space around it.
///
/// # Errors
/// The file cannot be read, other users can read it, or it has more than 8 KiB.
pub fn secret_in(path: &Path) -> Result<String> {
    let failed = |error| Error::io("read the token in", path, error);
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(Error::usage(format!(
            "{}: every user of this machine can read this token",
            path.display()
        ))
        .hint("take that away: chmod o= FILE"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        let shown = path.display();
        return Err(Error::usage(format!(
            "{shown}: a file with a token has at most {FILE_BYTES} bytes"
        )));
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_token_is_one_word_in_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &[u8], mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::from_file(&path)
        };
        let token = read(b" 0123456789abcdef\n", 0o600).unwrap();
        assert!(token.is("0123456789abcdef"));
        for other in [
            "",
            "0123456789abcdeg",
            "0123456789abcdef0",
            "0123456789abcde",
        ] {
            assert!(!token.is(other), "{other}");
        }
        assert!(!format!("{token:?}").contains("0123456789abcdef"));
        let long = [b'a'; 257];
        for bad in [
            &b""[..],
            b"short",
            b"two words 0123456789",
            &long,
            b"\xff0123456789abcdef",
        ] {
            let error = read(bad, 0o600).unwrap_err().to_string();
            assert!(error.contains("token"), "{error}");
            assert!(!error.contains("0123"), "{error}");
        }
        assert!(read(b"0123456789abcdef", 0o604).is_err());
        assert!(Token::from_file(&folder.path().join("none")).is_err());
    }
}
