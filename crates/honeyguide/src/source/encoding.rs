//! The encoding of texts: UTF-8, with a byte order mark or without. UTF-16 is recognised to be refused by its name.

use std::fmt::Display;

use crate::error::Error;

/// The mark with which some programs begin a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Returns `text` without its byte order mark.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Returns the error of a text called `place` whose line `line` begins with `start`, if that is in UTF-16: it has the byte
/// order mark of UTF-16, or its first characters are of ASCII, each with a byte of zero.
pub(super) fn utf_16_error(place: &dyn Display, line: u64, start: &[u8]) -> Option<Error> {
    let (pairs, _) = start[..start.len().min(16)].as_chunks::<2>();
    let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let are_all = |is_one: &dyn Fn(&[u8; 2]) -> bool| !pairs.is_empty() && pairs.iter().all(is_one);
    let is_utf_16 = matches!(start, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..])
        || are_all(&|pair| pair[1] == 0 && is_text(pair[0]))
        || are_all(&|pair| pair[0] == 0 && is_text(pair[1]));
    is_utf_16.then(|| {
        let error = Error::data(format!(
            "{place}: line {line}: the text is in UTF-16, and only UTF-8 is read"
        ));
        error.hint("iconv -f utf-16 -t utf-8 FILE converts it")
    })
}
