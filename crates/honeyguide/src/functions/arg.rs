//! One argument out of an event's `args` text, in one pass over its bytes.
//!
//! BETH writes a call's arguments as a Python literal, other exports as JSON; both are lists of dicts with the keys
//! `name`, `type` and `value`. One grammar reads both: it is the union of what `repr` and JSON writers put out, and it
//! lets a trailing comma pass. The whole text is checked, so that a truncated one never yields a value; what is inside
//! quotes is only searched for its end, and decoded only where it is the answer.

use std::borrow::Cow;

/// Containers inside one another that are still read, counting the outermost list and its dicts.
pub(super) const MAX_DEPTH: usize = 64;

/// The text is not a list of dicts in Python's or JSON's notation. Such texts are counted and not shown, hence no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

type Read<T> = Result<T, Malformed>;

/// The value of the first argument called `name` in `args`, or none if it is absent or null.
///
/// Text comes without its quotes and escapes, booleans as `true` and `false` in both notations, numbers and containers
/// as they are written. A blank text has no arguments. Where a dict repeats a key, the last one counts, as in both
/// languages.
///
/// # Errors
/// `args` is not a list of dicts, ends early, goes on after the list, or nests deeper than [`MAX_DEPTH`].
pub(super) fn argument<'a>(args: &'a str, name: &str) -> Read<Option<Cow<'a, str>>> {
    let mut reader = Reader { text: args, at: 0 };
    let Some(first) = reader.token() else {
        return Ok(None);
    };
    let mut found = None;
    match closing(first) {
        Some(close) if first != b'{' => reader.sequence(close, |reader| {
            let value = match reader.argument_as_in_beth() {
                Some((its_name, value)) => (its_name == name).then_some(value),
                None => reader.argument_named(name)?,
            };
            found = found.or(value);
            Ok(())
        })?,
        _ if reader.value(1)? == Value::Null => {}
        _ => return Err(Malformed),
    }
    if reader.token().is_some() {
        return Err(Malformed);
    }
    match found {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Written(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(Value::Text(text)) => text.decoded().map(Some),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Null,
    Text(Quoted<'a>),
    /// A number, a boolean, or a container as it is written.
    Written(&'a str),
}

impl Value<'_> {
    fn is_text(self, text: &str) -> Read<bool> {
        match self {
            Value::Text(quoted) => Ok(quoted.decoded()? == text),
            _ => Ok(false),
        }
    }
}

/// What stands between two quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quoted<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Quoted<'a> {
    #[inline]
    fn decoded(self) -> Read<Cow<'a, str>> {
        match self.has_escapes {
            true => unescape(self.raw).map(Cow::Owned),
            false => Ok(Cow::Borrowed(self.raw)),
        }
    }
}

/// A place in a text. It stands on a character's first byte whenever one of its methods returns.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is not white space, which stays unread; none at the end.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Read<()> {
        if self.token() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a bracket, elements with commas between them, and `close`.
    #[inline]
    fn sequence(&mut self, close: u8, mut element: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.at += 1;
        loop {
            if self.token() == Some(close) {
                self.at += 1;
                return Ok(());
            }
            element(self)?;
            match self.token() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {}
                _ => return Err(Malformed),
            }
        }
    }

    /// Reads the name and the value of an argument that is written exactly as BETH writes it, which takes half the
    /// time; stays where it is at any other.
    #[inline]
    fn argument_as_in_beth(&mut self) -> Option<(&'a str, Value<'a>)> {
        let start = self.at;
        let rest = self.text[start..].strip_prefix("{'name': '")?;
        let (name, rest) = until_quote(rest)?;
        let (_, rest) = until_quote(rest.strip_prefix("', 'type': '")?)?;
        let rest = rest.strip_prefix("', 'value': ")?;
        self.at = self.text.len() - rest.len();
        let value = self.value(2).ok();
        if value.is_none() || self.token() != Some(b'}') {
            self.at = start;
            return None;
        }
        self.at += 1;
        Some((name, value?))
    }

    /// Reads the dict of one argument; gives its value if it is the one called `name`.
    fn argument_named(&mut self, name: &str) -> Read<Option<Value<'a>>> {
        if self.token() != Some(b'{') {
            return Err(Malformed);
        }
        let mut is_named = false;
        let mut value = None;
        self.sequence(b'}', |reader| {
            let (key, entry) = reader.entry(2)?;
            let Value::Text(key) = key else {
                return Ok(());
            };
            match key.decoded()?.as_ref() {
                "name" => is_named = entry.is_text(name)?,
                "value" => value = Some(entry),
                _ => {}
            }
            Ok(())
        })?;
        Ok(value.filter(|_| is_named))
    }

    #[inline]
    fn entry(&mut self, depth: usize) -> Read<(Value<'a>, Value<'a>)> {
        let key = self.value(depth)?;
        self.expect(b':')?;
        Ok((key, self.value(depth)?))
    }

    /// Reads a value that stands inside `depth` containers.
    #[inline]
    fn value(&mut self, depth: usize) -> Read<Value<'a>> {
        match self.token().ok_or(Malformed)? {
            quote @ (b'\'' | b'"') => self.quoted(quote).map(Value::Text),
            b'[' | b'(' | b'{' => self.container(depth).map(Value::Written),
            _ => self.word(),
        }
    }

    fn container(&mut self, depth: usize) -> Read<&'a str> {
        if depth >= MAX_DEPTH {
            return Err(Malformed);
        }
        let start = self.at;
        let open = self.text.as_bytes()[start];
        let close = closing(open).ok_or(Malformed)?;
        self.sequence(close, |reader| match open {
            b'{' => reader.entry(depth + 1).map(drop),
            _ => reader.value(depth + 1).map(drop),
        })?;
        Ok(&self.text[start..self.at])
    }

    #[inline]
    fn quoted(&mut self, quote: u8) -> Read<Quoted<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        let mut has_escapes = false;
        loop {
            end = find_either(bytes, end, quote, b'\\').ok_or(Malformed)?;
            if bytes[end] == quote {
                break;
            }
            has_escapes = true;
            end += 2;
        }
        self.at = end + 1;
        let raw = &self.text[start..end];
        Ok(Quoted { raw, has_escapes })
    }

    /// Reads what has neither quotes nor brackets: a number, a boolean, or null.
    fn word(&mut self) -> Read<Value<'a>> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-'))
            .unwrap_or(rest.len());
        let word = &self.text[self.at..self.at + length];
        self.at += length;
        match word {
            "None" | "null" => Ok(Value::Null),
            "True" | "true" => Ok(Value::Written("true")),
            "False" | "false" => Ok(Value::Written("false")),
            _ if is_number(word) => Ok(Value::Written(word)),
            _ => Err(Malformed),
        }
    }
}

fn closing(open: u8) -> Option<u8> {
    match open {
        b'[' => Some(b']'),
        b'(' => Some(b')'),
        b'{' => Some(b'}'),
        _ => None,
    }
}

/// Whether a word is a number as Python or JSON writes it: decimal, hexadecimal, infinite, or not a number.
fn is_number(word: &str) -> bool {
    let number = word.strip_prefix(['-', '+']).unwrap_or(word);
    let is_all = |text: &str, accept: fn(&u8) -> bool| {
        !text.is_empty() && text.as_bytes().iter().all(accept)
    };
    if is_all(number, u8::is_ascii_digit) || matches!(number, "inf" | "nan" | "Infinity" | "NaN") {
        return true;
    }
    if let Some(digits) = number.strip_prefix("0x") {
        return is_all(digits, u8::is_ascii_hexdigit);
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    whole.len() + fraction.len() > 0
        && is_digits(whole)
        && is_digits(fraction)
        && is_all(exponent, u8::is_ascii_digit)
}

/// What precedes the first single quote, if there is no escape in it, and the rest from the quote on.
#[inline]
fn until_quote(text: &str) -> Option<(&str, &str)> {
    let end = find_either(text.as_bytes(), 0, b'\'', b'\\')?;
    let (quoted, rest) = text.split_at(end);
    rest.starts_with('\'').then_some((quoted, rest))
}

/// The first place at or after `from` where one of two bytes stands.
#[inline]
fn find_either(bytes: &[u8], from: usize, one: u8, other: u8) -> Option<usize> {
    let mut at = from;
    let mut rest = bytes.get(from..)?;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let hits = zero_bytes(word ^ splat(one)) | zero_bytes(word ^ splat(other));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
        rest = after;
    }
    let tail = rest.iter().position(|&byte| byte == one || byte == other)?;
    Some(at + tail)
}

const fn splat(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// The top bit of every byte that is zero, exact up to and including the lowest of them (Warren, Hacker's Delight,
/// second edition, section 6-1).
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(splat(0x01)) & !word & splat(0x80)
}

/// A quoted text with the escapes of Python and JSON decoded.
///
/// A code point that is half of a surrogate pair without its other half becomes U+FFFD, since no UTF-8 text can hold
/// it. An escape that neither language knows stays as it is written, as in Python; so does `\N{…}`.
fn unescape(raw: &str) -> Read<String> {
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        rest = unescape_one(&rest[at + 1..], &mut decoded)?;
    }
    decoded.push_str(rest);
    Ok(decoded)
}

/// Decodes the escape whose backslash precedes `text`, and gives what follows it.
fn unescape_one<'a>(text: &'a str, decoded: &mut String) -> Read<&'a str> {
    let mut characters = text.chars();
    let letter = characters.next().ok_or(Malformed)?;
    let after = characters.as_str();
    let character = match letter {
        '\n' => return Ok(after),
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
            return Ok(after);
        }
        _ => {
            decoded.push('\\');
            letter
        }
    };
    decoded.push(character);
    Ok(after)
}

/// The code point of a numeric escape that starts with `letter`, and what follows it.
fn code_point(letter: char, text: &str) -> Read<(u32, &str)> {
    match letter {
        'x' => hexadecimal(&text[1..], 2),
        'U' => hexadecimal(&text[1..], 8),
        'u' => {
            let (high, after) = hexadecimal(&text[1..], 4)?;
            match after.strip_prefix("\\u").map(|text| hexadecimal(text, 4)) {
                Some(Ok((low @ 0xDC00..=0xDFFF, after))) if (0xD800..0xDC00).contains(&high) => {
                    Ok((0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), after))
                }
                _ => Ok((high, after)),
            }
        }
        _ => {
            let digits = text
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte));
            let length = digits.clone().count();
            let code = digits.fold(0, |code, digit| code * 8 + u32::from(digit - b'0'));
            Ok((code, &text[length..]))
        }
    }
}

fn hexadecimal(text: &str, length: usize) -> Read<(u32, &str)> {
    let (digits, after) = text.split_at_checked(length).ok_or(Malformed)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Malformed);
    }
    let code = u32::from_str_radix(digits, 16).map_err(|_| Malformed)?;
    Ok((code, after))
}

fn character_of(code: u32) -> Read<char> {
    match code {
        0xD800..=0xDFFF => Ok(char::REPLACEMENT_CHARACTER),
        _ => char::from_u32(code).ok_or(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn read(args: &str, name: &str) -> Read<Option<String>> {
        argument(args, name).map(|value| value.map(Cow::into_owned))
    }

    fn value_of(literal: &str) -> Read<Option<String>> {
        read(&format!("[{{'value': {literal}, 'name': 'a'}}]"), "a")
    }

    #[test]
    fn reads_the_notations_of_python_and_json() {
        let texts = [
            "[{'name': 'fd', 'type': 'int', 'value': 3}, {'name': 'path', 'type': 'const char*', 'value': '/a b'}]",
            r#"[{"name": "fd", "type": "int", "value": 3}, {"name": "path", "type": "const char*", "value": "/a b"}]"#,
            r#" [ {"value":"\/a b","name":"\u0070ath"},{"value":3 , "name":"fd"} , ] "#,
            r#"({'value': "/a b", 'name': 'path'}, {1: None, 'name': 'fd', 'value': 4, 'value': 3}, {})"#,
        ];
        for text in texts {
            assert_eq!(read(text, "path"), Ok(Some("/a b".into())), "{text}");
            assert_eq!(read(text, "fd"), Ok(Some("3".into())), "{text}");
            assert_eq!(read(text, "type"), Ok(None), "{text}");
        }
    }

    #[test]
    fn the_first_argument_of_a_name_counts() {
        let text =
            "[{'name': 'a'}, {'name': 'a', 'type': 'int', 'value': 1}, {'value': 2, 'name': 'a'}]";
        assert_eq!(read(text, "a"), Ok(Some("1".into())));
    }

    #[test]
    fn writes_each_kind_of_value_as_text() {
        for number in [
            "0", "-100", "1e+16", "-2.5E-3", "0x7ffc", "inf", "-nan", "NaN", ".5", "5.",
        ] {
            assert_eq!(value_of(number), Ok(Some(number.into())));
        }
        for container in [
            "[]",
            "[1, ['x)', (2,)]]",
            "{'sa_family': 'AF_UNIX', 'n': {}}",
        ] {
            assert_eq!(value_of(container), Ok(Some(container.into())));
        }
        for (boolean, text) in [("True", "true"), ("true", "true"), ("False", "false")] {
            assert_eq!(value_of(boolean), Ok(Some(text.into())));
        }
        for null in ["None", "null"] {
            assert_eq!(value_of(null), Ok(None));
        }
    }

    #[test]
    fn decodes_the_escapes_of_both_languages() {
        let escapes = [
            (r"'\\ \' \x22 \/'", "\\ ' \" /"),
            (r"'\a\b\t\n\v\f\r'", "\x07\x08\t\n\x0b\x0c\r"),
            (r"'\x41\xe9\u00e9\U0001F600'", "Aéé😀"),
            (
                r#""\ud83d\ude00|\ud83d|\udc80|\ud83dx""#,
                "😀|\u{FFFD}|\u{FFFD}|\u{FFFD}x",
            ),
            (r"'\0\12\1234\777'", "\0\nS4\u{1FF}"),
            (r"'\q\é\N{BEE}'", r"\q\é\N{BEE}"),
            ("'two \\\nlines'", "two lines"),
        ];
        for (literal, text) in escapes {
            assert_eq!(value_of(literal), Ok(Some(text.into())), "{literal}");
        }
    }

    #[test]
    fn tells_malformed_from_absent() {
        for text in ["", " \n", "[]", "()", "None", "null", "[{}]"] {
            assert_eq!(read(text, "a"), Ok(None), "{text:?}");
        }
        for text in [
            "x",
            "1",
            "{}",
            "[1]",
            "[",
            "[]]",
            "[{]",
            "[{'a'}]",
            "[{'a': }]",
            "[{,}]",
            "[{} {}]",
            "[None]",
        ] {
            assert_eq!(read(text, "a"), Err(Malformed), "{text:?}");
        }
        for literal in [
            "'a",
            r"'\'",
            r"'\x4'",
            r"'\u00g0'",
            r"'\U00110000'",
            "1.2.3",
            "e5",
            "0x",
            "-",
            "+.",
            "nul",
            "[1)",
        ] {
            assert_eq!(value_of(literal), Err(Malformed), "{literal}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let deepest = nested(MAX_DEPTH - 2);
        assert_eq!(value_of(&deepest), Ok(Some(deepest.clone())));
        assert_eq!(value_of(&nested(MAX_DEPTH - 1)), Err(Malformed));
        assert_eq!(value_of(&"[".repeat(1_000_000)), Err(Malformed));
    }

    /// Writes a value as Python's `repr` does.
    fn python(value: &Json) -> String {
        match value {
            Json::Null => "None".into(),
            Json::Bool(true) => "True".into(),
            Json::Bool(false) => "False".into(),
            Json::Number(number) => number.to_string(),
            Json::String(text) => python_text(text),
            Json::Array(items) => format!("[{}]", joined(items.iter().map(python))),
            Json::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", python_text(key), python(value)));
                format!("{{{}}}", joined(entries))
            }
        }
    }

    fn joined(items: impl Iterator<Item = String>) -> String {
        items.collect::<Vec<_>>().join(", ")
    }

    fn python_text(text: &str) -> String {
        let quote = if text.contains('\'') && !text.contains('"') {
            '"'
        } else {
            '\''
        };
        let escaped = text.chars().map(|character| match character {
            '\\' => "\\\\".into(),
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            _ if character == quote => format!("\\{quote}"),
            ' '..='~' => character.to_string(),
            '\0'..='\u{ff}' => format!("\\x{:02x}", character as u32),
            '\u{100}'..='\u{ffff}' => format!("\\u{:04x}", character as u32),
            _ if character as u32 % 2 == 0 => format!("\\U{:08x}", character as u32),
            _ => character.to_string(),
        });
        format!("{quote}{}{quote}", escaped.collect::<String>())
    }

    /// Writes a value as JSON whose characters are all ASCII.
    fn ascii_json(value: &Json) -> String {
        let escape = |character: char| match character.is_ascii() {
            true => character.to_string(),
            false => character
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect(),
        };
        value.to_string().chars().map(escape).collect()
    }

    fn any_value() -> impl Strategy<Value = Json> {
        let text = r#"([ -~]|['"\\/\n\t\x00\x7fé€😀😁]){0,20}"#;
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (-1e300..1e300).prop_map(Json::from),
            text.prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// The texts of one list of arguments in which the keys come in every notation and in two orders.
    fn written(arguments: &[(String, Json)], write: fn(&Json) -> String) -> [String; 2] {
        let all = |argument: fn(String, String) -> String| {
            let arguments = arguments
                .iter()
                .map(|(name, value)| argument(write(&name.as_str().into()), write(value)));
            format!("[{}]", joined(arguments))
        };
        [
            all(|name, value| format!("{{'name': {name}, 'type': 'int*', 'value': {value}}}")),
            all(|name, value| format!("{{ \"value\":{value},\"type\" : null, \"name\": {name} }}")),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(arguments in prop::collection::vec(("[ab'é\\\\]{0,2}", any_value()), 1..5), pick in 0..5_usize) {
            let name = &arguments[pick % arguments.len()].0;
            let value = arguments.iter().find(|argument| argument.0 == *name).map(|argument| &argument.1);
            for write in [python, ascii_json, |value: &Json| value.to_string()] {
                let expected = match value {
                    None | Some(Json::Null) => None,
                    Some(Json::String(text)) => Some(text.clone()),
                    Some(Json::Bool(boolean)) => Some(boolean.to_string()),
                    Some(other) => Some(write(other)),
                };
                for text in written(&arguments, write) {
                    prop_assert_eq!(read(&text, name), Ok(expected.clone()), "{}", text);
                    prop_assert_eq!(read(&text, "absent"), Ok(None));
                }
            }
        }

        #[test]
        fn what_ends_early_is_malformed(arguments in prop::collection::vec(("[a-z]{1,2}", any_value()), 1..4)) {
            for text in written(&arguments, python).into_iter().chain(written(&arguments, ascii_json)) {
                for (end, _) in text.char_indices().skip(1) {
                    prop_assert_eq!(read(&text[..end], &arguments[0].0), Err(Malformed));
                }
            }
        }

        #[test]
        fn no_text_panics(text in r#"(\[\{'name': 'a', 'value': )?([\[\](){}:,'"\\ ntfxuU0-9A-Fé😀.e+-]{0,40})"#, any in ".*") {
            for text in [text, any] {
                let _ = argument(&text, "a");
                let _ = unescape(&text);
            }
        }

        #[test]
        fn finds_what_a_scan_finds(bytes in prop::collection::vec(prop_oneof![Just(b'\''), Just(b'\\'), any::<u8>()], 0..40), from in 0..45_usize) {
            let found = bytes.iter().enumerate().skip(from).find(|(_, byte)| matches!(byte, b'\'' | b'\\'));
            prop_assert_eq!(find_either(&bytes, from, b'\'', b'\\'), found.map(|(at, _)| at));
        }
    }
}
