//! The writer of events as CSV rows in the text formats of BETH.

use std::io::{self, Write};

use super::call::Call;

/// The header line with the 16 columns of BETH, in order.
pub(super) const HEADER: &str = "timestamp,processId,threadId,parentProcessId,userId,mountNamespace,\
processName,hostName,eventId,eventName,stackAddresses,argsNum,returnValue,args,sus,evil\n";

/// The header line with the 15 columns of BETH's DNS files, in order.
pub(super) const LOOKUP_HEADER: &str = "Timestamp,SourceIP,DestinationIP,DnsQuery,DnsAnswer,DnsAnswerTTL,\
DnsQueryNames,DnsQueryClass,DnsQueryType,NumberOfAnswers,DnsResponseCode,DnsOpCode,SensorId,sus,evil\n";

/// The size at which the buffer is written out, in bytes.
const FLUSH_AT: usize = 1 << 16;

/// The label of an event, which BETH writes in the columns `sus` and `evil`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(super) enum Label {
    /// Neither column is 1.
    #[default]
    Benign,
    /// Only `sus` is 1: the event is unusual, but not proven to be harmful.
    Suspicious,
    /// Both columns are 1.
    Evil,
}

/// The value of an argument of a call.
pub(super) enum Value<'a> {
    Number(i64),
    Text(&'a str),
    /// A user-space address, which is written as a string of hexadecimal digits.
    Pointer(u64),
    List(&'a [&'a str]),
    Peer(&'a Peer<'a>),
}

/// A socket address.
#[derive(Clone, Copy)]
pub(super) enum Peer<'a> {
    /// The path of a Unix socket.
    Unix(&'a str),
    /// The netlink address of the kernel.
    Netlink,
    /// An IPv4 address. The sensor prints the keys of its map in a varying order, which `order` selects.
    Internet {
        address: [u8; 4],
        port: u16,
        order: u32,
    },
}

/// An argument of a call: its name, its C type as the sensor prints it, and its value.
pub(super) struct Arg<'a>(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Value<'a>,
);

impl<'a> Arg<'a> {
    /// Creates an argument that is a number of the C type `kind`.
    pub(super) fn number(name: &'static str, kind: &'static str, value: i64) -> Self {
        Self(name, kind, Value::Number(value))
    }

    /// Creates an argument that is a C string.
    pub(super) fn text(name: &'static str, value: &'a str) -> Self {
        Self(name, "const char*", Value::Text(value))
    }
}

/// An event to write.
pub(super) struct Event<'a> {
    /// The time since boot, in microseconds.
    pub(super) micros: u64,
    /// The columns processId to hostName as [`identity`] writes them.
    pub(super) identity: &'a [u8],
    pub(super) call: Call,
    /// The addresses of the call stack.
    pub(super) stack: &'a [u64],
    /// The return value.
    pub(super) returns: i64,
    pub(super) args: &'a [Arg<'a>],
    pub(super) label: Label,
}

/// A buffered writer of text. The first write error stops all output, and [`Buffered::finish`] returns it.
pub(super) struct Buffered<'w> {
    out: &'w mut dyn Write,
    buffer: Vec<u8>,
    failure: Option<io::Error>,
}

impl<'w> Buffered<'w> {
    /// Creates a writer of text that begins with `header`.
    fn new(out: &'w mut dyn Write, header: &str) -> Self {
        let mut buffer = Vec::with_capacity(FLUSH_AT + 4096);
        buffer.extend_from_slice(header.as_bytes());
        Self {
            out,
            buffer,
            failure: None,
        }
    }

    /// Appends text.
    pub(super) fn push(&mut self, text: &[u8]) {
        self.buffer.extend_from_slice(text);
        self.flush_if_full();
    }

    fn flush_if_full(&mut self) {
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.failure.is_none() {
            self.failure = self.out.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }

    /// Writes the rest of the buffer and flushes the underlying writer. Returns the first write error.
    fn finish(mut self) -> io::Result<()> {
        self.flush();
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

/// The writers of rows: those of calls, and those of lookups if these are wanted.
pub(super) struct Rows<'w> {
    calls: Buffered<'w>,
    lookups: Option<Buffered<'w>>,
}

impl<'w> Rows<'w> {
    /// Creates a writer of calls that begins with the header.
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self {
            calls: Buffered::new(out, HEADER),
            lookups: None,
        }
    }

    /// Also writes lookups, to a file of their own that begins with its header.
    pub(super) fn with_lookups(mut self, out: &'w mut dyn Write) -> Self {
        self.lookups = Some(Buffered::new(out, LOOKUP_HEADER));
        self
    }

    /// Returns the writer of lookups, if these are wanted.
    pub(super) fn lookups(&mut self) -> Option<&mut Buffered<'w>> {
        self.lookups.as_mut()
    }

    /// Returns true once a write has failed.
    pub(super) fn failed(&self) -> bool {
        let has_failed = |rows: &Buffered<'_>| rows.failure.is_some();
        has_failed(&self.calls) || self.lookups.as_ref().is_some_and(has_failed)
    }

    /// Appends the row of a call.
    pub(super) fn push(&mut self, event: &Event<'_>) {
        let row = &mut self.calls.buffer;
        let (id, name, args_num) = event.call.facts();
        debug_assert_eq!(args_num, event.args.len(), "{name}");
        push_seconds(row, event.micros);
        row.push(b',');
        row.extend_from_slice(event.identity);
        push_unsigned(row, u64::from(id));
        push_all(row, &[",", name, ","]);
        push_stack(row, event.stack);
        row.push(b',');
        push_unsigned(row, args_num as u64);
        row.push(b',');
        push_signed(row, event.returns);
        row.push(b',');
        push_args(row, event.args);
        row.extend_from_slice(match event.label {
            Label::Benign => b",0,0\n",
            Label::Suspicious => b",1,0\n",
            Label::Evil => b",1,1\n",
        });
        self.calls.flush_if_full();
    }

    /// Writes the rest of all rows. Returns the first write error.
    pub(super) fn finish(self) -> io::Result<()> {
        self.calls.finish()?;
        self.lookups.map_or(Ok(()), Buffered::finish)
    }
}

/// Replaces `row` with the columns processId to hostName, with a comma after each.
///
/// `ids` are the process, the thread, the parent and the user.
pub(super) fn identity(row: &mut Vec<u8>, ids: [u32; 4], namespace: u64, name: &str, host: &str) {
    row.clear();
    for id in ids {
        push_unsigned(row, u64::from(id));
        row.push(b',');
    }
    push_unsigned(row, namespace);
    push_all(row, &[",", name, ",", host, ","]);
}

fn push_all(row: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        row.extend_from_slice(part.as_bytes());
    }
}

fn push_unsigned(row: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    row.extend_from_slice(&digits[start..]);
}

fn push_signed(row: &mut Vec<u8>, value: i64) {
    if value < 0 {
        row.push(b'-');
    }
    push_unsigned(row, value.unsigned_abs());
}

fn push_hex(row: &mut Vec<u8>, value: u64) {
    let nibbles = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..nibbles).rev() {
        row.push(b"0123456789ABCDEF"[(value >> (4 * place) & 15) as usize]);
    }
}

/// Appends a time in seconds as Python prints a float that was read from six decimals: without trailing
/// zeros, but with at least one decimal.
fn push_seconds(row: &mut Vec<u8>, micros: u64) {
    push_unsigned(row, micros / 1_000_000);
    row.push(b'.');
    let mut rest = (micros % 1_000_000) as u32;
    let mut place = 100_000;
    loop {
        row.push(b'0' + (rest / place) as u8);
        rest %= place;
        place /= 10;
        if rest == 0 {
            break;
        }
    }
}

/// Appends the addresses as a Python list. A field that contains a comma is quoted, as CSV requires.
fn push_stack(row: &mut Vec<u8>, stack: &[u64]) {
    let quote: &[u8] = if stack.len() > 1 { b"\"" } else { b"" };
    row.extend_from_slice(quote);
    row.push(b'[');
    for (place, &address) in stack.iter().enumerate() {
        if place > 0 {
            row.extend_from_slice(b", ");
        }
        push_unsigned(row, address);
    }
    row.push(b']');
    row.extend_from_slice(quote);
}

/// Appends the arguments as a Python list of dictionaries, which is quoted for CSV unless it is empty.
fn push_args(row: &mut Vec<u8>, args: &[Arg<'_>]) {
    if args.is_empty() {
        row.extend_from_slice(b"[]");
        return;
    }
    row.extend_from_slice(b"\"[");
    for (place, Arg(name, kind, value)) in args.iter().enumerate() {
        if place > 0 {
            row.extend_from_slice(b", ");
        }
        push_all(
            row,
            &["{'name': '", name, "', 'type': '", kind, "', 'value': "],
        );
        push_value(row, value);
        row.push(b'}');
    }
    row.extend_from_slice(b"]\"");
}

fn push_value(row: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Number(number) => push_signed(row, *number),
        Value::Text(text) => push_quoted(row, text),
        Value::Pointer(address) => {
            row.extend_from_slice(b"'0x");
            push_hex(row, *address);
            row.push(b'\'');
        }
        Value::List(items) => {
            row.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    row.extend_from_slice(b", ");
                }
                push_quoted(row, item);
            }
            row.push(b']');
        }
        Value::Peer(peer) => push_peer(row, peer),
    }
}

fn push_quoted(row: &mut Vec<u8>, text: &str) {
    debug_assert!(
        !text.contains(['\'', '"', '\\', '\n']),
        "{text:?} has characters that this writer does not escape"
    );
    push_all(row, &["'", text, "'"]);
}

/// Appends a socket address as a string that holds a dictionary. Its double quotes are doubled because the
/// field is quoted.
fn push_peer(row: &mut Vec<u8>, peer: &Peer<'_>) {
    row.extend_from_slice(b"\"\"{");
    match *peer {
        Peer::Netlink => row.extend_from_slice(b"'sa_family': 'AF_NETLINK'"),
        Peer::Unix(path) => push_all(row, &["'sa_family': 'AF_UNIX','sun_path': '", path, "'"]),
        Peer::Internet {
            address,
            port,
            order,
        } => {
            for part in 0..3 {
                if part > 0 {
                    row.push(b',');
                }
                push_internet(row, address, port, (part + order) % 3);
            }
        }
    }
    row.extend_from_slice(b"}\"\"");
}

/// Appends key number `part` of an internet address with its value.
fn push_internet(row: &mut Vec<u8>, address: [u8; 4], port: u16, part: u32) {
    match part {
        0 => row.extend_from_slice(b"'sa_family': 'AF_INET'"),
        1 => {
            row.extend_from_slice(b"'sin_port': '");
            push_unsigned(row, u64::from(port));
            row.push(b'\'');
        }
        _ => {
            row.extend_from_slice(b"'sin_addr': '");
            for (place, octet) in address.into_iter().enumerate() {
                if place > 0 {
                    row.push(b'.');
                }
                push_unsigned(row, u64::from(octet));
            }
            row.push(b'\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut row = Vec::new();
        write(&mut row);
        String::from_utf8(row).unwrap()
    }

    #[test]
    fn seconds_have_no_trailing_zeros() {
        let cases = [
            (1_894_147_710, "1894.14771"),
            (5_000_000, "5.0"),
            (7, "0.000007"),
            (1_500_000, "1.5"),
        ];
        for (micros, expected) in cases {
            assert_eq!(text(|row| push_seconds(row, micros)), expected);
        }
    }

    #[test]
    fn numbers_print_at_their_limits() {
        assert_eq!(text(|row| push_signed(row, i64::MIN)), i64::MIN.to_string());
        assert_eq!(
            text(|row| push_unsigned(row, u64::MAX)),
            u64::MAX.to_string()
        );
        assert_eq!(text(|row| push_hex(row, 0x7FFC_AA47_1A40)), "7FFCAA471A40");
        assert_eq!(text(|row| push_hex(row, 0)), "0");
    }

    #[test]
    fn lists_are_quoted_only_when_they_hold_commas() {
        assert_eq!(text(|row| push_stack(row, &[])), "[]");
        assert_eq!(text(|row| push_stack(row, &[12])), "[12]");
        assert_eq!(text(|row| push_stack(row, &[12, 34])), "\"[12, 34]\"");
    }

    #[test]
    fn arguments_are_a_python_literal_in_a_csv_field() {
        let peer = Peer::Internet {
            address: [10, 0, 0, 7],
            port: 22,
            order: 1,
        };
        let args = [
            Arg("sockfd", "int", Value::Number(-1)),
            Arg("addr", "void*", Value::Peer(&peer)),
        ];
        let expected = "\"[{'name': 'sockfd', 'type': 'int', 'value': -1}, {'name': 'addr', 'type': 'void*', \
            'value': \"\"{'sin_port': '22','sin_addr': '10.0.0.7','sa_family': 'AF_INET'}\"\"}]\"";
        assert_eq!(text(|row| push_args(row, &args)), expected);
    }

    #[test]
    fn a_full_disk_is_reported_at_the_end() {
        let mut room = [0_u8; 10];
        let mut out = &mut room[..];
        let rows = Rows::new(&mut out);
        assert_eq!(rows.finish().unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
