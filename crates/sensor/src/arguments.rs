//! The arguments of an event, as a Python list of dictionaries, which is BETH's notation.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A list of arguments that is being written.
pub(crate) struct ArgumentList<'t> {
    text: &'t mut String,
}

impl<'t> ArgumentList<'t> {
    /// Begins the list in `text`, whose content is replaced.
    pub fn begin(text: &'t mut String) -> Self {
        text.clear();
        text.push('[');
        Self { text }
    }

    /// Begins an argument, whose value is to follow.
    fn begin_argument(&mut self, name: &str, kind: &str) {
        if self.text.len() > 1 {
            self.text.push_str(", ");
        }
        for part in ["{'name': '", name, "', 'type': '", kind, "', 'value': "] {
            self.text.push_str(part);
        }
    }

    /// Appends a number.
    pub fn number(&mut self, name: &str, kind: &str, value: impl std::fmt::Display) {
        self.begin_argument(name, kind);
        let _ = write!(self.text, "{value}}}");
    }

    /// Appends an address in memory.
    pub fn pointer(&mut self, name: &str, kind: &str, value: u64) {
        self.begin_argument(name, kind);
        let _ = write!(self.text, "'0x{value:X}'}}");
    }

    /// Appends a text. One that could not be read is `None` of Python.
    pub fn text(&mut self, name: &str, kind: &str, value: Option<&[u8]>) {
        self.begin_argument(name, kind);
        match value {
            Some(value) => push_quoted(self.text, value),
            None => self.text.push_str("None"),
        }
        self.text.push('}');
    }

    /// Appends a list of texts.
    pub fn list<'v>(&mut self, name: &str, kind: &str, values: impl Iterator<Item = &'v [u8]>) {
        self.begin_argument(name, kind);
        self.text.push('[');
        for (place, value) in values.enumerate() {
            if place > 0 {
                self.text.push_str(", ");
            }
            push_quoted(self.text, value);
        }
        self.text.push_str("]}");
    }

    /// Appends a socket address, as a text that holds a dictionary.
    pub fn address(&mut self, name: &str, kind: &str, value: Option<&[u8]>) {
        match value.and_then(dictionary) {
            Some(dictionary) => self.text(name, kind, Some(dictionary.as_bytes())),
            None => self.text(name, kind, None),
        }
    }

    /// Ends the list.
    pub fn end(self) {
        self.text.push(']');
    }
}

/// Appends a text as a literal of Python. A byte that is not UTF-8 is the escape that Python has for it in file names,
/// half of a surrogate pair, so that no two names are written the same.
fn push_quoted(out: &mut String, bytes: &[u8]) {
    let quote = match bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        true => '"',
        false => '\'',
    };
    out.push(quote);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                character if character == quote => {
                    out.push('\\');
                    out.push(character);
                }
                character if (character as u32) < 0x20 || character as u32 == 0x7F => {
                    let _ = write!(out, "\\x{:02x}", character as u32);
                }
                character => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\udc{byte:02x}");
        }
    }
    out.push(quote);
}

/// Returns a socket address in the words of BETH, or `None` if it is too short to be one.
fn dictionary(address: &[u8]) -> Option<String> {
    let family = u16::from_ne_bytes(*address.first_chunk()?);
    let rest = &address[2..];
    Some(match family {
        0 => "{'sa_family': 'AF_UNSPEC'}".to_owned(),
        1 => {
            let mut text = "{'sa_family': 'AF_UNIX','sun_path': ".to_owned();
            push_quoted(&mut text, socket_path(rest));
            text + "}"
        }
        2 => {
            let port = u16::from_be_bytes(*rest.first_chunk()?);
            let address: [u8; 4] = *rest.get(2..)?.first_chunk()?;
            let address = Ipv4Addr::from(address);
            format!("{{'sa_family': 'AF_INET','sin_port': '{port}','sin_addr': '{address}'}}")
        }
        10 => {
            let port = u16::from_be_bytes(*rest.first_chunk()?);
            let address: [u8; 16] = *rest.get(6..)?.first_chunk()?;
            let address = Ipv6Addr::from(address);
            format!("{{'sa_family': 'AF_INET6','sin6_port': '{port}','sin6_addr': '{address}'}}")
        }
        family => {
            let family = crate::flags::domain(family.into());
            format!("{{'sa_family': '{family}'}}")
        }
    })
}

/// Returns the path of a Unix socket. A name in the abstract namespace begins with a NUL and may hold others.
fn socket_path(path: &[u8]) -> &[u8] {
    match path {
        [0, ..] => path,
        _ => path.split(|byte| *byte == 0).next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> String {
        let mut text = String::new();
        push_quoted(&mut text, bytes);
        text
    }

    #[test]
    fn texts_are_literals_of_python() {
        // What `repr(os.fsdecode(…))` prints.
        assert_eq!(quoted(b"/etc/passwd"), "'/etc/passwd'");
        assert_eq!(quoted(b"it's"), "\"it's\"");
        assert_eq!(quoted(b"it's \"it\""), "'it\\'s \"it\"'");
        assert_eq!(
            quoted(b"a\xff\xfeb\\\n\x01"),
            "'a\\udcff\\udcfeb\\\\\\n\\x01'"
        );
        assert_eq!(quoted("ä€".as_bytes()), "'ä€'");
    }

    #[test]
    fn addresses_are_named_as_in_beth() {
        let v4 = [2, 0, 0, 22, 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        let expected = "{'sa_family': 'AF_INET','sin_port': '22','sin_addr': '10.0.0.7'}";
        assert_eq!(dictionary(&v4).unwrap(), expected);
        let mut v6 = [0; 28];
        v6[0] = 10;
        v6[3] = 80;
        v6[23] = 1;
        let expected = "{'sa_family': 'AF_INET6','sin6_port': '80','sin6_addr': '::1'}";
        assert_eq!(dictionary(&v6).unwrap(), expected);
        let unix = b"\x01\x00/run/x.sock\0\0";
        let expected = "{'sa_family': 'AF_UNIX','sun_path': '/run/x.sock'}";
        assert_eq!(dictionary(unix).unwrap(), expected);
        assert_eq!(dictionary(&[2, 0, 0]), None);
        assert_eq!(dictionary(&[2]), None);
    }

    #[test]
    fn a_list_holds_all_kinds() {
        let mut text = "old".to_owned();
        let mut list = ArgumentList::begin(&mut text);
        list.number("fd", "int", -1);
        list.text("pathname", "const char*", Some(b"/x"));
        list.pointer("p", "void*", 0xAB);
        list.list("argv", "const char*const*", [&b"ls"[..], b"-l"].into_iter());
        list.end();
        assert_eq!(
            text,
            "[{'name': 'fd', 'type': 'int', 'value': -1}, \
             {'name': 'pathname', 'type': 'const char*', 'value': '/x'}, \
             {'name': 'p', 'type': 'void*', 'value': '0xAB'}, \
             {'name': 'argv', 'type': 'const char*const*', 'value': ['ls', '-l']}]"
        );
    }
}
