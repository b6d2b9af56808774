//! The URLs from which data can be read.

use crate::secret::OBJECT_SCHEMES;

/// Returns whether `text` is the URL of an object store, which [`open`](super::object::open) can open.
pub(crate) fn is_object_url(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, _)| OBJECT_SCHEMES.contains(&scheme))
}

/// Returns whether `input` is the URL of a file on a web server.
pub(crate) fn is_web_url(input: &str) -> bool {
    input.starts_with("http://") || input.starts_with("https://")
}

/// Returns whether `text` is a URL from which data can be read: that of an object store or of a web server.
pub fn is_url(text: &str) -> bool {
    is_object_url(text) || is_web_url(text)
}
