//! Which texts are URLs that data is read from.

/// Whether this is the URL of an object store; then its scheme is one of those that [`open`] knows.
pub(crate) fn is_object_url(text: &str) -> bool {
    let schemes = [
        "s3", "s3a", "gs", "gcs", "az", "adl", "azure", "abfs", "abfss",
    ];
    text.split_once("://")
        .is_some_and(|(scheme, _)| schemes.contains(&scheme))
}

/// Whether a web server has the file.
pub(crate) fn is_web_url(input: &str) -> bool {
    input.starts_with("http://") || input.starts_with("https://")
}

/// Whether `text` is a URL of those that data is read from.
pub fn is_url(text: &str) -> bool {
    is_object_url(text) || is_web_url(text)
}
