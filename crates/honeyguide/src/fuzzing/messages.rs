//! The targets `eve`, `zeek` and `zeek-tsv`: messages of DNS as Suricata and Zeek write them, compared with what serde_json
//! and plain cuts at tabs find in the lines, and with the same lines as they arrive one by one.

use std::io::Cursor;
use std::path::Path;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};

use super::common::accepted;
use crate::log::{Dialect, Log};
use crate::source::{Compression, Format, ReadOptions, RecordFormat, Source};

/// Reads the input as events of Suricata.
pub fn run_eve(input: &[u8]) {
    run_json(input, Dialect::Eve);
}

/// Reads the input as Zeek's JSON.
pub fn run_zeek(input: &[u8]) {
    if !without_mark(input)
        .trim_ascii_start()
        .starts_with(b"#separator ")
    {
        run_json(input, Dialect::Zeek);
    }
}

/// Reads the input as Zeek's own format.
pub fn run_zeek_tsv(input: &[u8]) {
    if !without_mark(input).starts_with(b"#separator ") {
        return;
    }
    let is_value = |line: &&[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
    let lines: Vec<&[u8]> = lines(input).filter(is_value).collect();
    let Some((rows, counts)) = read(input, Dialect::Zeek) else {
        return;
    };
    assert_eq!(counts.iter().sum::<u64>(), lines.len() as u64, "lines");
    compare_arriving(input, Dialect::Zeek, &rows);
    if counts[1..] == [0, 0]
        && let Some(names) = plain_names(input)
    {
        for (row, line) in lines.into_iter().enumerate() {
            compare_plain_line(&rows, row, line, &names);
        }
    }
}

fn run_json(input: &[u8], dialect: Dialect) {
    let lines: Vec<&[u8]> = lines(input)
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    let Some((rows, counts)) = read(input, dialect) else {
        return;
    };
    assert_eq!(counts.iter().sum::<u64>(), lines.len() as u64, "lines");
    compare_arriving(input, dialect, &rows);
    let objects = lines.iter().map(|line| serde_json::from_slice(line));
    let Ok(objects) = objects.collect::<Result<Vec<Map<String, Value>>, _>>() else {
        return;
    };
    let [events, bad_lines, _] = counts;
    let messages: Vec<_> = objects
        .iter()
        .filter(|object| is_message(object, dialect))
        .collect();
    assert_eq!(messages.len() as u64, events + bad_lines, "messages");
    if bad_lines == 0 {
        for (row, object) in messages.into_iter().enumerate() {
            compare_object(&rows, row, object, dialect);
        }
    }
}

/// Returns the rows of the input, and the numbers of events, of bad lines and of lines of other kinds.
fn read(input: &[u8], dialect: Dialect) -> Option<(RecordBatch, [u64; 3])> {
    if Compression::sniff(input) != Compression::None {
        return None;
    }
    let opened = Source::from_json(Cursor::new(input.to_vec()), &options(dialect));
    let mut source = accepted(opened)?;
    let rows = accepted(source.read_stream(4096))?;
    let counts = source.counts().intake.clone().unwrap_or_default();
    assert_eq!(counts.events, rows.num_rows() as u64, "events");
    Some((rows, [counts.events, counts.bad_lines, counts.other_lines]))
}

fn options(dialect: Dialect) -> ReadOptions {
    ReadOptions {
        format: Some(Format::Dialect(dialect, Compression::None)),
        ..ReadOptions::default()
    }
}

/// Compares rows with those of the same lines one by one.
fn compare_arriving(input: &[u8], dialect: Dialect, rows: &RecordBatch) {
    let learnt = RecordFormat::learn(Path::new("lines"), input, &options(dialect), None);
    let (format, _) = accepted(learnt).expect("a format of lines that were read");
    let log = Log::dns();
    let wanted = log.sensed_columns().map(|(name, _)| (*name).to_owned());
    let mut decoder = format.decoder(&wanted.collect());
    for line in without_mark(input).split(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            let _ = decoder.push(line);
        }
    }
    let arrived = decoder.flush().expect("a batch of equal columns");
    assert_eq!(
        arrived.as_ref().map_or(0, RecordBatch::num_rows),
        rows.num_rows(),
        "rows"
    );
    for (name, _) in log.sensed_columns() {
        if let Some(arrived) = &arrived {
            assert_eq!(
                arrived.column_by_name(name),
                rows.column_by_name(name),
                "{name}"
            );
        }
    }
}

fn is_message(object: &Map<String, Value>, dialect: Dialect) -> bool {
    let has = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
    match dialect {
        Dialect::Eve => {
            object.get("event_type") == Some(&"dns".into())
                && object.get("dns").is_some_and(Value::is_object)
        }
        _ => {
            ["ts", "id.orig_h", "id.resp_h"].iter().all(|key| has(key))
                && ["query", "qtype_name", "rcode_name", "trans_id"]
                    .iter()
                    .any(|key| has(key))
        }
    }
}

/// Compares a row with the message that it is.
fn compare_object(rows: &RecordBatch, row: usize, object: &Map<String, Value>, dialect: Dialect) {
    let message = match dialect {
        Dialect::Eve => object["dns"].as_object().expect("a message"),
        _ => object,
    };
    let name = match (dialect, message.get("queries")) {
        (Dialect::Eve, Some(Value::Array(queries))) => {
            queries.first().map(|query| &query["rrname"])
        }
        (Dialect::Eve, _) => message.get("rrname"),
        _ => message.get("query"),
    };
    if let Some(Value::String(name)) = name {
        assert_eq!(text(rows, "DnsQuery", row), Some(name.as_str()));
    }
    if let Some(Value::Array(answers)) = message.get("answers") {
        let is_answer = |answer: &&Value| dialect != Dialect::Eve || answer.is_object();
        let answers = answers.iter().filter(is_answer).count();
        assert_eq!(n_answers(rows, row), answers as i64, "answers");
    }
    if let (Dialect::Zeek, Some(Value::String(host))) = (dialect, object.get("id.orig_h")) {
        assert_eq!(text(rows, "SensorId", row), Some(host.as_str()));
    }
}

/// Returns the names of the fields of a text whose only header says nothing unusual.
fn plain_names(input: &[u8]) -> Option<Vec<&[u8]>> {
    let headers: Vec<&[u8]> = lines(input).filter(|line| line.starts_with(b"#")).collect();
    let [b"#separator \\x09", fields, types] = headers.as_slice() else {
        return None;
    };
    let fields = fields.strip_prefix(b"#fields\t")?;
    let types = types.strip_prefix(b"#types\t")?;
    let are_texts = types
        .split(|byte| *byte == b'\t')
        .all(|name| name == b"string");
    are_texts.then(|| fields.split(|byte| *byte == b'\t').collect())
}

/// Compares a row with the texts of its line, of which those with escapes and other bytes than characters are left out.
fn compare_plain_line(rows: &RecordBatch, row: usize, line: &[u8], names: &[&[u8]]) {
    let values: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    assert_eq!(values.len(), names.len(), "values");
    for (name, column) in [(&b"query"[..], "DnsQuery"), (b"id.orig_h", "SensorId")] {
        let place = names.iter().position(|known| *known == name);
        let Some(Ok(value)) = place.map(|place| std::str::from_utf8(values[place])) else {
            continue;
        };
        let expected = match value {
            "-" => None,
            "(empty)" => Some(""),
            value if value.contains('\\') => continue,
            value => Some(value),
        };
        assert_eq!(text(rows, column, row), expected, "{column}");
    }
}

fn text<'r>(rows: &'r RecordBatch, column: &str, row: usize) -> Option<&'r str> {
    let texts = rows.column_by_name(column).expect("a column of the log");
    let texts = texts.as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row))
}

fn n_answers(rows: &RecordBatch, row: usize) -> i64 {
    let numbers = rows
        .column_by_name("NumberOfAnswers")
        .expect("a column of the log");
    numbers.as_primitive::<Int64Type>().value(row)
}

fn without_mark(input: &[u8]) -> &[u8] {
    input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input)
}

/// Returns the lines without their ends.
fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = without_mark(input).split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}
