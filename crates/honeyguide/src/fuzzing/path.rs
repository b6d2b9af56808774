//! The target `path`: `path_prefix` and `path_shape`, compared with their definitions.

use crate::functions::path;

/// Reads the number of components from the first byte and the path from the others.
pub fn run(input: &[u8]) {
    let [count, path @ ..] = input else { return };
    let Ok(path) = std::str::from_utf8(path) else {
        return;
    };
    let count = 1 + usize::from(*count % 8);
    let prefix = path::prefix(path, count);
    assert_eq!(prefix, defined_prefix(path, count));
    assert_eq!(path::prefix(&prefix, count), prefix, "a prefix is its own");

    let shape = path::shape(path);
    assert!(!shape.bytes().any(|byte| byte.is_ascii_digit()), "{shape}");
    assert!(shape.len() <= path.len());
    let between = |text: &str| -> Vec<char> {
        let others = text
            .chars()
            .filter(|letter| !letter.is_ascii_alphanumeric());
        others.collect()
    };
    // Only the hyphens of UUIDs are lost.
    let kept = between(&shape);
    let mut given = between(path).into_iter();
    assert!(kept.iter().all(|one| given.any(|other| other == *one)));
    assert_eq!(path::shape(&shape), shape, "a shape is its own");
}

fn defined_prefix(path: &str, count: usize) -> String {
    let components = path.split('/').filter(|component| !component.is_empty());
    let components: Vec<&str> = components.take(count).collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", components.join("/"))
}
