//! Generalisation of paths: their first components, and their shape without numbers and identifiers that vary.

use std::borrow::Cow;

/// Returns the first `count` components of a path. Repeated slashes become one, and only the root ends with a slash.
pub(crate) fn prefix(path: &str, count: usize) -> Cow<'_, str> {
    let mut end = 0;
    for _ in 0..count {
        let Some(slashes) = path[end..].find(|character| character != '/') else {
            break;
        };
        let start = end + slashes;
        end = path[start..]
            .find('/')
            .map_or(path.len(), |length| start + length);
    }
    let root = usize::from(path.starts_with('/'));
    let kept = &path[..end.max(root)];
    if !kept.contains("//") {
        return Cow::Borrowed(kept);
    }
    let mut folded = String::with_capacity(kept.len());
    for component in kept.split('/').filter(|component| !component.is_empty()) {
        if root == 1 || !folded.is_empty() {
            folded.push('/');
        }
        folded.push_str(component);
    }
    Cow::Owned(folded)
}

/// The positions of the hyphens of a UUID (RFC 9562, section 4).
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// The length of a UUID in characters.
const UUID_LENGTH: usize = 36;
/// The minimum length of a word of hexadecimal digits, with a letter and a digit, that is an identifier.
const HEX_LENGTH: usize = 8;
/// The minimum length of a word of mixed kinds of characters that may be an identifier.
const MIXED_LENGTH: usize = 10;

/// Returns the path with identifiers as `H` and numbers as `N`. A word is an unbroken run of ASCII letters and digits.
///
/// An identifier is
/// - a UUID;
/// - a word of at least 8 hexadecimal digits, at least one of them a letter and one not, or of any length after `0x`;
/// - a word of at least 10 characters that has small letters, capitals and digits, and in which at least one character
///   in three is of another kind than the one before it. A small letter after a capital does not count. So names like
///   `NetworkManager2` are kept, and random names are replaced.
///
/// In any other word each run of digits is a number. Everything else is kept, so a path without digits is its own
/// shape.
pub(crate) fn shape(path: &str) -> Cow<'_, str> {
    if !path.bytes().any(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(path);
    }
    let mut shape = String::with_capacity(path.len());
    let mut rest = path;
    while !rest.is_empty() {
        let (between, words) =
            rest.split_at(length_while(rest, |byte| !byte.is_ascii_alphanumeric()));
        shape.push_str(between);
        let length = length_while(words, |byte| byte.is_ascii_alphanumeric());
        let (word, after) = words.split_at(length);
        rest = match after_uuid(words) {
            Some(after_uuid) => {
                shape.push('H');
                after_uuid
            }
            None => {
                push_word_shape(word, &mut shape);
                after
            }
        };
    }
    Cow::Owned(shape)
}

/// Returns the number of bytes at the start of a text for which `holds` is true. The first byte for which it is false
/// must be the first byte of a character.
fn length_while(text: &str, holds: fn(u8) -> bool) -> usize {
    text.bytes()
        .position(|byte| !holds(byte))
        .unwrap_or(text.len())
}

/// Returns the text after the UUID at its start, or `None` if it does not start with a UUID.
fn after_uuid(text: &str) -> Option<&str> {
    let (uuid, after) = text.split_at_checked(UUID_LENGTH)?;
    let is_uuid = uuid
        .bytes()
        .enumerate()
        .all(|(at, byte)| match UUID_HYPHENS.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        });
    let goes_on = after.starts_with(|character: char| character.is_ascii_alphanumeric());
    (is_uuid && !goes_on).then_some(after)
}

/// Appends the shape of a word.
fn push_word_shape(word: &str, shape: &mut String) {
    if is_hexadecimal(word) || is_mixed(word) {
        shape.push('H');
        return;
    }
    let mut was_digit = false;
    for character in word.chars() {
        let is_digit = character.is_ascii_digit();
        match is_digit {
            true if was_digit => {}
            true => shape.push('N'),
            false => shape.push(character),
        }
        was_digit = is_digit;
    }
}

/// Returns whether a word is an identifier of hexadecimal digits.
fn is_hexadecimal(word: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.strip_prefix("0x") {
        Some(digits) => !digits.is_empty() && is_hex(digits),
        None => {
            word.len() >= HEX_LENGTH
                && is_hex(word)
                && has(word, u8::is_ascii_digit)
                && has(word, u8::is_ascii_alphabetic)
        }
    }
}

/// Returns whether a word mixes small letters, capitals and digits as random names do.
fn is_mixed(word: &str) -> bool {
    let kind = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let changes = word.as_bytes().windows(2).filter(|pair| {
        let is_capitalised = pair[0].is_ascii_uppercase() && pair[1].is_ascii_lowercase();
        kind(pair[0]) != kind(pair[1]) && !is_capitalised
    });
    word.len() >= MIXED_LENGTH
        && has(word, u8::is_ascii_digit)
        && has(word, u8::is_ascii_uppercase)
        && has(word, u8::is_ascii_lowercase)
        && changes.count() * 3 >= word.len()
}

/// Returns whether a word has a byte of some kind.
fn has(word: &str, kind: fn(&u8) -> bool) -> bool {
    word.as_bytes().iter().any(kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_has_the_first_components() {
        let cases = [
            ("/usr/lib/x", 2, "/usr/lib"),
            ("/usr/lib", 2, "/usr/lib"),
            ("/usr", 2, "/usr"),
            ("/usr/", 2, "/usr"),
            ("/", 2, "/"),
            ("///", 1, "/"),
            ("", 1, ""),
            ("a/b/c", 2, "a/b"),
            ("a//b///c", 2, "a/b"),
            ("//a//b//", 9, "/a/b"),
            ("./été/x", 2, "./été"),
            ("/a/b", usize::MAX, "/a/b"),
        ];
        for (path, count, expected) in cases {
            assert_eq!(prefix(path, count), expected, "{path} {count}");
        }
    }

    #[test]
    fn numbers_and_identifiers_are_generalised() {
        let cases = [
            ("/etc/passwd", "/etc/passwd"),
            ("/proc/384/cgroup", "/proc/N/cgroup"),
            ("/run/user/1000/x-3f2a9c41d0", "/run/user/N/x-H"),
            (
                "/usr/lib/x86_64-linux-gnu/libc-2.27.so",
                "/usr/lib/xN_N-linux-gnu/libc-N.N.so",
            ),
            (
                "/dev/disk/by-uuid/6f1de4a2-07cb-4c9e-8d55-0b1a2c3d4e5f",
                "/dev/disk/by-uuid/H",
            ),
            (
                "/x/6f1de4a2-07cb-4c9e-8d55-0b1a2c3d4e5f.service",
                "/x/H.service",
            ),
            (
                "/x/6f1de4a2-07cb-4c9e-8d55-0b1a2c3d4e5f0",
                "/x/H-Ncb-NcNe-NdN-H",
            ),
            ("/maps/0x7f-0xg", "/maps/H-Nxg"),
            ("/deadbeef/facade", "/deadbeef/facade"),
            ("/e1000e/deb822", "/eNe/debN"),
            ("/tmp/tmp.x7QpL2kVz9", "/tmp/tmp.H"),
            (
                "/NetworkManager2/libQt5WebEngineCore.so.5",
                "/NetworkManagerN/libQtNWebEngineCore.so.N",
            ),
            ("socket:[48213]", "socket:[N]"),
            ("/été/7é8/٣", "/été/NéN/٣"),
            ("", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(shape(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_prefix_joins_the_first_components(path in "[/a.é]{0,12}", count in 1..6_usize) {
            let components = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(String::from).collect::<Vec<_>>();
            let mut expected = components(&path);
            expected.truncate(count);
            let root = if path.starts_with('/') { "/" } else { "" };
            prop_assert_eq!(prefix(&path, count), format!("{root}{}", expected.join("/")));
        }

        #[test]
        fn a_shape_has_no_digits_and_is_its_own_shape(path in "([/._-]|[0-9a-fA-F]{1,40}|[a-zA-Z0-9é]{1,20}){0,6}") {
            let shaped = shape(&path).into_owned();
            prop_assert!(!shaped.bytes().any(|byte| byte.is_ascii_digit()), "{} {}", path, shaped);
            prop_assert_eq!(shape(&shaped), shaped.as_str());
        }

        #[test]
        fn numbers_of_one_place_have_one_shape(one in 0..u32::MAX, other in 0..u32::MAX) {
            let shape_of = |number: u32| shape(&format!("/proc/{number}/task/{number}/fd")).into_owned();
            prop_assert_eq!(shape_of(one), shape_of(other));
        }

        #[test]
        fn identifiers_have_one_shape(id in "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}") {
            let path = format!("/x/{id}/y");
            prop_assert_eq!(shape(&path), "/x/H/y");
        }
    }
}
