//! The escapes in quoted text: those of Python's string literals and of JSON (RFC 8259, section 7).

/// Decodes the escapes of Python and JSON in a quoted text.
///
/// Half of a surrogate pair without its other half becomes U+FFFD, because UTF-8 cannot represent it. An escape that
/// neither language knows is kept as it is written, as in Python, and so is `\N{…}`. Returns `None` if an escape ends
/// early or exceeds the last code point.
pub(super) fn unescape(raw: &str) -> Option<String> {
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        rest = unescape_one(&rest[at + 1..], &mut decoded)?;
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// Decodes the escape whose backslash precedes `text`, and returns the text after it.
fn unescape_one<'a>(text: &'a str, decoded: &mut String) -> Option<&'a str> {
    let mut characters = text.chars();
    let letter = characters.next()?;
    let after = characters.as_str();
    let character = match letter {
        '\n' => return Some(after),
        '\\' | '\'' | '"' | '/' => letter,
        'a' => '\x07',
        'b' => '\x08',
        't' => '\t',
        'n' => '\n',
        'v' => '\x0b',
        'f' => '\x0c',
        'r' => '\r',
        'x' | 'u' | 'U' | '0'..='7' => {
            let (code, after) = code_point(letter, text)?;
            decoded.push(character_of(code)?);
            return Some(after);
        }
        _ => {
            decoded.push('\\');
            letter
        }
    };
    decoded.push(character);
    Some(after)
}

/// Returns the code point of a numeric escape, and the text after it. `text` is the escape from its first character
/// `letter` on.
fn code_point(letter: char, text: &str) -> Option<(u32, &str)> {
    match letter {
        'x' => hexadecimal(&text[1..], 2),
        'U' => hexadecimal(&text[1..], 8),
        'u' => {
            let (high, after) = hexadecimal(&text[1..], 4)?;
            match after.strip_prefix("\\u").map(|text| hexadecimal(text, 4)) {
                Some(Some((low @ 0xDC00..=0xDFFF, after))) if (0xD800..0xDC00).contains(&high) => {
                    Some((0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), after))
                }
                _ => Some((high, after)),
            }
        }
        _ => {
            let digits = text
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte));
            let length = digits.clone().count();
            let code = digits.fold(0, |code, digit| code * 8 + u32::from(digit - b'0'));
            Some((code, &text[length..]))
        }
    }
}

/// Reads `length` hexadecimal digits, and returns their value and the text after them.
fn hexadecimal(text: &str, length: usize) -> Option<(u32, &str)> {
    let (digits, after) = text.split_at_checked(length)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some((code, after))
}

/// Returns the character of a code point, which is U+FFFD for half of a surrogate pair.
fn character_of(code: u32) -> Option<char> {
    match code {
        0xD800..=0xDFFF => Some(char::REPLACEMENT_CHARACTER),
        _ => char::from_u32(code),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_escapes_of_both_languages_are_decoded() {
        let escapes = [
            (r#"\\ \' \" \x22 \/"#, "\\ ' \" \" /"),
            (r"\a\b\t\n\v\f\r", "\x07\x08\t\n\x0b\x0c\r"),
            (r"\x41\xe9\u00e9\U0001F600", "Aéé😀"),
            (
                r"\ud83d\ude00|\ud83d|\udc80|\ud83d\u0041",
                "😀|\u{FFFD}|\u{FFFD}|\u{FFFD}A",
            ),
            (r"\0\12\1234\777", "\0\nS4\u{1FF}"),
            (r"\q\é\N{BEE}", r"\q\é\N{BEE}"),
            ("two \\\nlines", "two lines"),
        ];
        for (raw, text) in escapes {
            assert_eq!(unescape(raw).as_deref(), Some(text), "{raw}");
        }
    }

    #[test]
    fn incomplete_and_invalid_escapes_are_refused() {
        for raw in [
            r"\",
            r"\x4",
            r"\u00g0",
            r"\u+123",
            r"\xé",
            r"\ud83d\u00",
            r"\U00110000",
        ] {
            assert_eq!(unescape(raw), None, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_grows(raw in r"(\\?[xuU0-9a-fné😀\\]){0,30}") {
            let decoded = unescape(&raw).unwrap_or_default();
            prop_assert!(decoded.len() <= raw.len());
        }
    }
}
