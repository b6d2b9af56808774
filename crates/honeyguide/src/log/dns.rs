//! Lookups of names in the columns of the DNS files of the BETH data set (Highnam et al. 2021).

use datafusion::arrow::datatypes::{DataType, TimeUnit};

use super::{Definition, Lineages, ListKind, Notation};

/// The type of times as in ISO 8601, as it is found in text.
const TIME: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

/// A row is one message of DNS: a query, or a response to one. In a response the addresses are those of the server and
/// of the host that asked, in this order. The columns are the 15 of BETH's files, in their order.
pub(super) const DNS: Definition = Definition {
    name: "a log of DNS",
    columns: &[
        ("Timestamp", TIME),
        ("SourceIP", DataType::Utf8),
        ("DestinationIP", DataType::Utf8),
        ("DnsQuery", DataType::Utf8),
        ("DnsAnswer", DataType::Utf8),
        ("DnsAnswerTTL", DataType::Utf8),
        ("DnsQueryNames", DataType::Utf8),
        ("DnsQueryClass", DataType::Utf8),
        ("DnsQueryType", DataType::Utf8),
        ("NumberOfAnswers", DataType::Int64),
        ("DnsResponseCode", DataType::Int64),
        ("DnsOpCode", DataType::Int64),
        ("SensorId", DataType::Utf8),
        ("sus", DataType::Int64),
        ("evil", DataType::Int64),
    ],
    marks: &["DnsQuery"],
    min_columns: 4,
    host: Some("SensorId"),
    time: Some("Timestamp"),
    // Times are dates.
    time_origin: None,
    process: &[],
    parent: None,
    thread: None,
    user: None,
    action: None,
    program: None,
    identifying: &[
        "Timestamp",
        "SensorId",
        "SourceIP",
        "DestinationIP",
        "DnsQuery",
        "DnsQueryType",
        "NumberOfAnswers",
        "DnsResponseCode",
    ],
    labels: &["sus", "evil"],
    baseline: None,
    default_recipe: "dns",
    lists: &[
        ("DnsAnswer", ListKind::Texts),
        ("DnsAnswerTTL", ListKind::Texts),
        ("DnsQueryClass", ListKind::Texts),
        ("DnsQueryType", ListKind::Texts),
    ],
    lineages: Lineages {
        inits: &[],
        starters: &[],
        schedulers: &[],
        ends: &[],
    },
    path: None,
    // An incident of DNS is about names rather than about the server that knows them.
    address: Some("DnsQuery"),
    notation: Notation::Python,
};
