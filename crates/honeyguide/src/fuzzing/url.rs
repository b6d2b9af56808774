//! The target `url`: the URLs of data, and the removal of secrets from texts that contain them.

use super::common::accepted;
use crate::storage::object;
use crate::storage::{StorageOptions, is_object_url, is_url, is_web_url, redacted};

/// The secret that is put into URLs.
const SECRET: &str = "hunter2hunter2";

/// Takes the text as a URL.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let shown = redacted(text);
    assert_eq!(redacted(&shown), shown, "nothing is left to remove");
    assert_eq!(is_url(text), is_object_url(text) || is_web_url(text));
    let parsed = url::Url::parse(text);
    if let Ok(mut url) = parsed
        && is_web_url(text)
        && url.set_password(Some(SECRET)).is_ok()
    {
        url.set_query(Some(SECRET));
        url.set_fragment(Some(SECRET));
        let shown = redacted(url.as_str());
        assert!(!shown.contains(SECRET), "{shown}");
    }
    if is_object_url(text) {
        accepted(object::open(text, &StorageOptions::default()));
    }
}
