//! DNS messages of Suricata and of Zeek in the columns of a log of DNS.
//!
//! Suricata writes events of type `dns` to its EVE log, a query and its response apart, since version 8 in the form 3. Zeek
//! writes a line for a query together with its response. Here such a line is the response, or the query if nobody
//! answered. Neither says on which host a name was asked for by name, so the host is the address that asks.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::Log;
use super::dialect::Dialect;

/// The object of a line.
pub(crate) type Object = Map<String, Value>;

/// The codes of responses (RFC 6895, section 2.3), as both programs call them.
const RESPONSE_CODES: [(&str, i64); 20] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("DSOTYPENI", 11),
    ("BADVERS", 16),
    ("BADSIG", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADCOOKIE", 23),
];
/// Zeek's names of classes with those of DNS.
const CLASSES: [(&str, &str); 4] = [
    ("C_INTERNET", "IN"),
    ("C_CHAOS", "CH"),
    ("C_HESOD", "HS"),
    ("C_ANY", "ANY"),
];

/// The keys of an EVE event that become columns of the log; those of its object `dns` follow.
const EVE_KEYS: [&str; 5] = ["timestamp", "event_type", "src_ip", "dest_ip", "dns"];
const EVE_DNS_KEYS: [&str; 9] = [
    "rrname", "rrtype", "rcode", "opcode", "queries", "answers", "grouped", "rdata", "ttl",
];
/// The keys of a line of Zeek's that become columns of the log.
const ZEEK_KEYS: [&str; 11] = [
    "ts",
    "id.orig_h",
    "id.resp_h",
    "query",
    "qclass_name",
    "qtype_name",
    "rcode",
    "rcode_name",
    "opcode",
    "answers",
    "TTLs",
];

/// A DNS message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Message {
    /// The time as in ISO 8601.
    pub time: Option<String>,
    pub source: Option<String>,
    pub destination: Option<String>,
    /// The address that asks.
    pub host: Option<String>,
    /// The names that are asked for. There is mostly one.
    pub names: Vec<String>,
    pub classes: Vec<String>,
    pub types: Vec<String>,
    pub answers: Vec<String>,
    pub ttls: Vec<String>,
    pub response_code: Option<i64>,
    pub op_code: Option<i64>,
}

impl Message {
    /// Returns the message in the object of a line.
    ///
    /// # Errors
    /// Fails with the reason why the line is none.
    pub fn of(dialect: Dialect, object: &Object) -> Result<Self, String> {
        match dialect {
            Dialect::Eve => Self::of_eve(object),
            Dialect::Zeek => Self::of_zeek(object),
            Dialect::Tracee => Err("Tracee has no DNS messages".into()),
        }
    }

    fn of_eve(object: &Object) -> Result<Self, String> {
        let kind = object.get("event_type").and_then(Value::as_str);
        let dns = object.get("dns").and_then(Value::as_object);
        let (Some("dns"), Some(dns)) = (kind, dns) else {
            return Err(match kind {
                Some("dns") => "a DNS event of Suricata without an object `dns`".into(),
                Some(kind) => format!("an event of type `{kind:.40}`"),
                None => "not an event of Suricata: there is no `event_type`".into(),
            });
        };
        let is_response = matches!(text(dns, "type").as_deref(), Some("answer" | "response"));
        let [source, destination] = ["src_ip", "dest_ip"].map(|key| text(object, key));
        let (source, destination) = match is_response && !is_from_server(object, dns) {
            true => (destination, source),
            false => (source, destination),
        };
        let queries = dns.get("queries").and_then(Value::as_array);
        let queries: Vec<&Object> = match queries {
            Some(queries) => queries.iter().filter_map(Value::as_object).collect(),
            None => vec![dns],
        };
        let of_queries = |key| {
            queries
                .iter()
                .filter_map(|query| text(query, key))
                .collect()
        };
        let (answers, ttls) = eve_answers(dns);
        Ok(Self {
            time: text(object, "timestamp"),
            host: match is_response {
                true => destination.clone(),
                false => source.clone(),
            },
            source,
            destination,
            names: of_queries("rrname"),
            types: of_queries("rrtype"),
            // Suricata does not say the class.
            classes: Vec::new(),
            answers,
            ttls,
            response_code: response_code(dns.get("rcode")).or((!is_response).then_some(0)),
            op_code: dns.get("opcode").and_then(number).or(Some(0)),
        })
    }

    fn of_zeek(object: &Object) -> Result<Self, String> {
        let is_there = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
        check_zeek(is_there)
            .map_err(|lacks| format!("not a line of Zeek's dns.log: there is no `{lacks}`"))?;
        let answers = texts(object.get("answers"));
        let code = response_code(object.get("rcode"));
        let code = code.or_else(|| response_code(object.get("rcode_name")));
        let is_response = is_there("rcode") || is_there("rcode_name") || !answers.is_empty();
        let [client, server] = ["id.orig_h", "id.resp_h"].map(|key| text(object, key));
        let (source, destination) = match is_response {
            true => (server, client.clone()),
            false => (client.clone(), server),
        };
        let class = text(object, "qclass_name").map(|class| {
            let known = CLASSES.iter().find(|(name, _)| *name == class);
            known.map_or(class, |(_, name)| (*name).to_owned())
        });
        Ok(Self {
            time: zeek_time(object.get("ts")),
            host: client,
            source,
            destination,
            names: text(object, "query").into_iter().collect(),
            classes: class.into_iter().collect(),
            types: text(object, "qtype_name").into_iter().collect(),
            answers,
            ttls: texts(object.get("TTLs")),
            // A query without a response has no code, as in BETH; a code that nobody knows is not success.
            response_code: match is_there("rcode") || is_there("rcode_name") {
                true => code,
                false => Some(0),
            },
            op_code: object.get("opcode").and_then(number).or(Some(0)),
        })
    }
}

/// Checks that there are the keys of a line of Zeek's `dns.log`.
///
/// # Errors
/// Fails with a key that is not there.
pub(crate) fn check_zeek(is_there: impl Fn(&str) -> bool) -> Result<(), &'static str> {
    let mut required = ["ts", "id.orig_h", "id.resp_h"].into_iter();
    if let Some(lacks) = required.find(|key| !is_there(key)) {
        return Err(lacks);
    }
    let one_of = ["query", "qtype_name", "rcode_name", "trans_id"];
    match one_of.into_iter().any(is_there) {
        true => Ok(()),
        false => Err("query"),
    }
}

/// Returns whether the values of a key are a column of their own. Those that have the name of a column of the log are none,
/// unless that is a label.
pub(crate) fn is_further(dialect: Dialect, key: &str) -> bool {
    let keys: &[&str] = match dialect {
        Dialect::Eve => &EVE_KEYS,
        _ => &ZEEK_KEYS,
    };
    let log = Log::dns();
    !keys.contains(&key) && (log.column_type(key).is_none() || log.is_label(key))
}

/// Returns the values of a line that become no column of the log, with the names of their own columns.
pub(crate) fn further(dialect: Dialect, object: &Object) -> impl Iterator<Item = (String, &Value)> {
    let inner = match dialect {
        Dialect::Eve => object.get("dns").and_then(Value::as_object),
        _ => None,
    };
    let own = object
        .iter()
        .filter(move |(key, _)| is_further(dialect, key));
    let own = own.map(|(key, value)| (key.clone(), value));
    let inner = inner.into_iter().flatten();
    let inner = inner.filter(|(key, _)| !EVE_DNS_KEYS.contains(&key.as_str()));
    own.chain(inner.map(|(key, value)| (format!("dns.{key}"), value)))
}

/// Returns the dialect that the first lines of a text are in: most are of the program, and some are DNS messages.
pub(crate) fn recognise(objects: &[Object]) -> Option<Dialect> {
    let is_of = |dialect: Dialect, object: &Object| match dialect {
        Dialect::Eve => object.get("event_type").is_some_and(Value::is_string),
        _ => Message::of(dialect, object).is_ok(),
    };
    [Dialect::Eve, Dialect::Zeek].into_iter().find(|dialect| {
        let of_program = objects.iter().filter(|object| is_of(*dialect, object));
        let mut messages = objects.iter();
        2 * of_program.count() >= objects.len()
            && messages.any(|object| Message::of(*dialect, object).is_ok())
    })
}

/// Returns whether a response of Suricata's comes from the address that it calls the source. Before the form 3, the source
/// was the address that asks, unless the ports say otherwise.
fn is_from_server(object: &Object, dns: &Object) -> bool {
    const PORT: i64 = 53;
    let is_port = |key| object.get(key).and_then(number) == Some(PORT);
    let version = dns.get("version").and_then(number).unwrap_or(1);
    version >= 3 || (is_port("src_port") && !is_port("dest_port"))
}

/// Returns the answers in an object `dns` and their times to live: as a list, grouped by types, or, in the form 1, a single
/// one.
fn eve_answers(dns: &Object) -> (Vec<String>, Vec<String>) {
    if let Some(answers) = dns.get("answers").and_then(Value::as_array) {
        let each = answers.iter().filter_map(Value::as_object);
        let data = each.clone().map(|answer| {
            // Data that is no text, as that of MX, is in a key of its own.
            text(answer, "rdata").unwrap_or_else(|| Value::Object(answer.clone()).to_string())
        });
        let ttls = each.filter_map(|answer| text(answer, "ttl"));
        return (data.collect(), ttls.collect());
    }
    if let Some(grouped) = dns.get("grouped").and_then(Value::as_object) {
        let data = grouped.values().flat_map(|values| texts(Some(values)));
        return (data.collect(), Vec::new());
    }
    let one = |key| text(dns, key).into_iter().collect();
    (one("rdata"), one("ttl"))
}

/// Returns the time of a line of Zeek's: text, or seconds or milliseconds since 1970. As seconds, the latter would be after
/// the year 5000. What is no time stays as it is, and the column refuses it.
fn zeek_time(time: Option<&Value>) -> Option<String> {
    const FIRST_MILLISECONDS: f64 = 1e11;
    let time = time?;
    let number = match time {
        Value::String(text) => text.parse().ok(),
        time => time.as_f64(),
    };
    let moment = number.and_then(|number| match number < FIRST_MILLISECONDS {
        true => moment(number),
        false => moment(number / 1e3),
    });
    moment.or_else(|| Some(scalar(time).unwrap_or_else(|| time.to_string())))
}

/// Returns a number of seconds since 1970 as a time in ISO 8601. Zeek's times have microseconds.
fn moment(seconds: f64) -> Option<String> {
    let micros = (seconds * 1e6).round();
    let is_whole = micros.abs() < 9e15;
    let time = is_whole.then(|| DateTime::from_timestamp_micros(micros as i64))??;
    Some(time.to_rfc3339())
}

/// Returns a code of a response: a number, its text or its name; `None` for any other.
fn response_code(code: Option<&Value>) -> Option<i64> {
    let code = code?;
    number(code).or_else(|| {
        let name = code.as_str()?.to_ascii_uppercase();
        let known = RESPONSE_CODES.iter().find(|(known, _)| *known == name);
        known.map(|(_, code)| *code)
    })
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Returns a value as text; `None` where there is none, and for lists and objects.
fn text(object: &Object, key: &str) -> Option<String> {
    scalar(object.get(key)?)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (None, Some(real)) => real.to_string(),
            _ => number.to_string(),
        }),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Returns the items of a list as texts; those that are lists or objects as JSON.
fn texts(list: Option<&Value>) -> Vec<String> {
    let Some(Value::Array(items)) = list else {
        return Vec::new();
    };
    let each = items.iter();
    each.map(|item| scalar(item).unwrap_or_else(|| item.to_string()))
        .collect()
}
