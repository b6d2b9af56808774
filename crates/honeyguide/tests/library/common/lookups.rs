//! Tables of made-up lookups with the columns of BETH's DNS files. The command line's tests use them too.

use std::fmt::Write as _;

/// The header line with the columns of BETH's DNS files.
pub const LOOKUP_HEADER: &str = "Timestamp,SourceIP,DestinationIP,DnsQuery,DnsAnswer,DnsAnswerTTL,DnsQueryNames,\
    DnsQueryClass,DnsQueryType,NumberOfAnswers,DnsResponseCode,DnsOpCode,SensorId,sus,evil";

/// The address of the server.
const SERVER: &str = "10.20.0.2";

/// A query or a response, with the values of its columns.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The number of seconds since the start.
    pub second: usize,
    /// The last number of the address of the host that asks.
    pub host: usize,
    pub name: &'a str,
    pub kind: &'a str,
    /// The address in the response, or `None` in a query.
    pub answer: Option<&'a str>,
    pub code: i64,
    pub evil: bool,
}

impl Lookup<'_> {
    /// Returns the line of the row.
    pub fn line(&self) -> String {
        let Self {
            second, host, name, ..
        } = self;
        let own = format!("10.20.2.{host}");
        let (from, to) = match self.answer.is_some() || self.code != 0 {
            true => (SERVER, own.as_str()),
            false => (own.as_str(), SERVER),
        };
        let (answers, ttl) = match self.answer {
            Some(answer) => (format!("['{answer}']"), "['60']"),
            None => (String::new(), ""),
        };
        let (hour, minute, rest) = (second / 3600, second / 60 % 60, second % 60);
        format!(
            "2026-03-02T{hour:02}:{minute:02}:{rest:02}Z,{from},{to},{name},{answers},{ttl},{name},['IN'],['{}'],{},{},0,\
             ip-10-20-2-{host},{evil},{evil}",
            self.kind,
            usize::from(self.answer.is_some()),
            self.code,
            evil = u8::from(self.evil),
        )
    }
}

/// Returns a table with the header and `count` lookups of three hosts, each a query and its response. Names repeat with
/// short periods. The last lookups of the second host, of which there are four, are those of a tunnel, with the labels 1.
pub fn lookups(count: usize) -> String {
    const NAMES: [&str; 4] = [
        "archive.example.com",
        "time.example.org",
        "agent.example.com",
        "mail.example.co.uk",
    ];
    let mut text = format!("{LOOKUP_HEADER}\n");
    for index in 0..count {
        let is_tunnel = index + 12 >= count && index % 3 == 1;
        let tunnel = format!("mzxw6ytboi3dkn{index}q5tgk43u.t.example.net");
        let (name, kind, answer) = match is_tunnel {
            true => (tunnel.as_str(), "TXT", "bm8="),
            false => (NAMES[index % 4], "A", "192.0.2.7"),
        };
        let query = Lookup {
            second: 5 * index,
            host: 1 + index % 3,
            name,
            kind,
            answer: None,
            code: 0,
            evil: is_tunnel,
        };
        let response = Lookup {
            answer: Some(answer),
            ..query
        };
        let _ = writeln!(text, "{}\n{}", query.line(), response.line());
    }
    text
}
