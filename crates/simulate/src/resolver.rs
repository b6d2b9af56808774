//! The resolver of a host: its cache, and rows of its messages in the format of BETH's DNS files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::random::Random;
use super::text::{Buffered, Label};

/// The server that all hosts ask.
const SERVER: &str = "10.20.0.2";
/// The day on which recordings begin at midnight, 2026-03-02, counted from 1970-01-01.
const FIRST_DAY: u64 = 20_514;
/// How long an answer is kept, in seconds.
const TTL: u32 = 60;
/// The most answers that are kept.
const MAX_KEPT: usize = 256;
const SECOND: u64 = 1_000_000;

/// The type of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    A,
    Aaaa,
    Mx,
    Ptr,
    Srv,
    Txt,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}

/// The response to a query.
#[derive(Clone, Copy)]
pub(super) enum Reply<'a> {
    /// So many addresses.
    Addresses(u32),
    /// One answer that is a name or another text.
    Text(&'a str),
    /// The name exists, without an answer of this type.
    Empty,
    /// The name does not exist.
    NoSuchName,
}

/// The numbers of messages that a host has sent or received, by label.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LookupCounts {
    pub(super) messages: u64,
    pub(super) sus: u64,
    pub(super) evil: u64,
}

/// The resolver of a host.
pub(super) struct Resolver {
    /// The random numbers of lookups. Calls have others, so that they do not depend on lookups.
    pub(super) random: Random,
    address: String,
    sensor: String,
    /// When the recording begins, in microseconds since boot.
    begins: u64,
    /// The second of the last row. Rows are in the order of time.
    last_second: u64,
    /// The answers that are kept, with the times until which they are, in microseconds since boot.
    kept: BTreeMap<(String, Kind), u64>,
    counts: LookupCounts,
    row: String,
}

impl Resolver {
    pub(super) fn new(address: [u8; 4], random: Random, begins: u64) -> Self {
        let [a, b, c, d] = address;
        Self {
            random,
            address: format!("{a}.{b}.{c}.{d}"),
            sensor: format!("ip-{a}-{b}-{c}-{d}"),
            begins,
            last_second: 0,
            kept: BTreeMap::new(),
            counts: LookupCounts::default(),
            row: String::new(),
        }
    }

    pub(super) fn counts(&self) -> LookupCounts {
        self.counts
    }

    /// Asks for a name at a time for a process with a label, unless the answer is kept, and writes the query and its response.
    pub(super) fn ask(
        &mut self,
        out: &mut Buffered<'_>,
        (now, label): (u64, Label),
        (name, kind): (&str, Kind),
        reply: Reply<'_>,
    ) {
        if self.knows(name, kind, now) {
            return;
        }
        let (answers, code) = match reply {
            Reply::Addresses(count) => {
                let start = self.random.below(4);
                let of = |place| address_of(name, start + place);
                ((0..count).map(of).collect(), 0)
            }
            Reply::Text(text) => (vec![text.to_owned()], 0),
            Reply::Empty => (Vec::new(), 0),
            Reply::NoSuchName => (Vec::new(), 3),
        };
        let wait = u64::from(self.random.between(500, 40_000));
        self.push(out, (now, label), (name, kind), None);
        let response = Some((answers.as_slice(), code));
        self.push(out, (now + wait, label), (name, kind), response);
    }

    /// Returns whether an answer is kept. If not, it is from now on.
    fn knows(&mut self, name: &str, kind: Kind, now: u64) -> bool {
        let key = (name.to_owned(), kind);
        if self.kept.get(&key).is_some_and(|until| now < *until) {
            return true;
        }
        if self.kept.len() >= MAX_KEPT {
            self.kept.retain(|_, until| now < *until);
        }
        if self.kept.len() < MAX_KEPT {
            self.kept.insert(key, now + u64::from(TTL) * SECOND);
        }
        false
    }

    /// Writes a query, or a response with `answers`, the name's code being `code`.
    fn push(
        &mut self,
        out: &mut Buffered<'_>,
        (micros, label): (u64, Label),
        (name, kind): (&str, Kind),
        response: Option<(&[String], u8)>,
    ) {
        let second = micros.saturating_sub(self.begins) / SECOND;
        self.last_second = self.last_second.max(second);
        self.row.clear();
        push_time(&mut self.row, self.last_second);
        let own = self.address.as_str();
        let (from, to) = match response {
            Some(_) => (SERVER, own),
            None => (own, SERVER),
        };
        let (answers, code) = response.unwrap_or((&[], 0));
        let mut list = String::new();
        let mut ages = String::new();
        if !answers.is_empty() {
            list = format!("['{}']", answers.join("', '"));
            let age = format!("'{}'", 1 + self.random.below(TTL));
            ages = format!("[{}]", vec![age; answers.len()].join(", "));
        }
        let quote = if answers.len() > 1 { "\"" } else { "" };
        let labels = match label {
            Label::Benign => "0,0",
            Label::Suspicious => "1,0",
            Label::Evil => "1,1",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.row,
            ",{from},{to},{name},{quote}{list}{quote},{quote}{ages}{quote},{name},['IN'],['{}'],{},{code},0,{},{labels}",
            kind.name(),
            answers.len(),
            self.sensor,
        );
        out.push(self.row.as_bytes());
        self.counts.messages += 1;
        self.counts.sus += u64::from(label != Label::Benign);
        self.counts.evil += u64::from(label == Label::Evil);
    }
}

/// Returns one of the addresses of a name, which depends on nothing else.
fn address_of(name: &str, place: u32) -> String {
    // FNV-1a, 32 bits.
    let mut hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash = hash.wrapping_add(place);
    let [a, b, c, d] = hash.to_be_bytes();
    // Addresses that documentation uses, and those of shared networks, are nobody's.
    format!("100.{}.{}.{}", 64 + a % 64, b ^ c, d)
}

/// Writes a time of a recording, `second` seconds after its begin.
fn push_time(row: &mut String, second: u64) {
    let (day, rest) = (FIRST_DAY + second / 86_400, second % 86_400);
    let (year, month, day) = date(day);
    let _ = write!(
        row,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    );
}

/// Returns the year, the month and the day of a day that counts from 1970-01-01.
fn date(mut day: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_begin_on_a_monday() {
        for (second, text) in [
            (0, "2026-03-02T00:00:00Z"),
            (86_399, "2026-03-02T23:59:59Z"),
            (30 * 86_400 + 61, "2026-04-01T00:01:01Z"),
            (305 * 86_400, "2027-01-01T00:00:00Z"),
            (728 * 86_400, "2028-02-28T00:00:00Z"),
            (729 * 86_400, "2028-02-29T00:00:00Z"),
            (730 * 86_400, "2028-03-01T00:00:00Z"),
        ] {
            let mut row = String::new();
            push_time(&mut row, second);
            assert_eq!(row, text);
        }
    }
}
