//! The tables of a store as record batches, for queries.

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use honeyguide::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use honeyguide::{Error, Result};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Transaction};

use crate::database::failed;
use crate::store::open_to_read;

/// A table of a store.
#[derive(Debug, Clone)]
pub struct StoreTable {
    /// The name by which queries know it.
    pub name: &'static str,
    /// Its rows.
    pub rows: RecordBatch,
}

/// What a column holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    /// A time in UTC, written as in RFC 3339.
    Time,
}

/// A table: its name in queries and in the store, the columns by which it is sorted, and its columns.
type Layout = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, Kind)],
);

const LAYOUTS: [Layout; 7] = [
    (
        "incidents",
        "incident",
        "id",
        &[
            ("id", Kind::Text),
            ("previous", Kind::Text),
            ("host", Kind::Text),
            ("state", Kind::Text),
            ("revision", Kind::Integer),
            ("score", Kind::Number),
            ("first", Kind::Number),
            ("last", Kind::Number),
            ("events", Kind::Integer),
            ("times_are_dates", Kind::Boolean),
            ("model", Kind::Text),
            ("simulated", Kind::Boolean),
            ("opened", Kind::Time),
            ("changed", Kind::Time),
            ("told", Kind::Boolean),
            ("verdict", Kind::Text),
            ("incident", Kind::Text),
        ],
    ),
    (
        "gaps",
        "gap",
        "number",
        &[
            ("input", Kind::Text),
            ("start", Kind::Time),
            ("end", Kind::Time),
            ("cause", Kind::Text),
            ("lost", Kind::Text),
        ],
    ),
    (
        "incident_gaps",
        "incident_gap",
        "incident, number",
        &[
            ("incident", Kind::Text),
            ("input", Kind::Text),
            ("start", Kind::Time),
            ("end", Kind::Time),
            ("cause", Kind::Text),
        ],
    ),
    (
        "incident_events",
        "event",
        "incident, number",
        &[
            ("incident", Kind::Text),
            ("number", Kind::Integer),
            ("time", Kind::Number),
            ("score", Kind::Number),
            ("event", Kind::Text),
        ],
    ),
    (
        "days",
        "day",
        "day",
        &[
            ("day", Kind::Text),
            ("told", Kind::Integer),
            ("beyond", Kind::Integer),
        ],
    ),
    (
        "ledger",
        "ledger",
        "name",
        &[("name", Kind::Text), ("records", Kind::Integer)],
    ),
    (
        "bad_records",
        "bad_record",
        "number",
        &[
            ("input", Kind::Text),
            ("record", Kind::Integer),
            ("reason", Kind::Text),
            ("text", Kind::Text),
        ],
    ),
];

/// Reads the tables of the store at `path`, which a watch may be writing, as they are at one moment.
///
/// # Errors
/// Fails when the file is no store or cannot be read.
pub fn store_tables(path: &Path) -> Result<Vec<StoreTable>> {
    let mut connection = open_to_read(path)?;
    let transaction = connection
        .transaction()
        .map_err(|error| failed(path, &error))?;
    LAYOUTS
        .iter()
        .map(|layout| {
            let (name, .., columns) = layout;
            let read = |(column, kind): &(&'static str, Kind)| -> rusqlite::Result<_> {
                Ok((
                    *column,
                    read_column(&transaction, layout, column, *kind)?,
                    true,
                ))
            };
            let columns: rusqlite::Result<Vec<_>> = columns.iter().map(read).collect();
            let columns = columns.map_err(|error| failed(path, &error))?;
            let rows = RecordBatch::try_from_iter_with_nullable(columns)
                .map_err(|error| Error::internal(format!("the table {name}: {error}")))?;
            Ok(StoreTable { name, rows })
        })
        .collect()
}

fn read_column(
    transaction: &Transaction,
    (_, table, order, _): &Layout,
    column: &str,
    kind: Kind,
) -> rusqlite::Result<ArrayRef> {
    let sql = format!("SELECT \"{column}\" FROM {table} ORDER BY {order}");
    Ok(match kind {
        Kind::Text => Arc::new(StringArray::from(values::<String>(transaction, &sql)?)),
        Kind::Integer => Arc::new(Int64Array::from(values::<i64>(transaction, &sql)?)),
        Kind::Number => Arc::new(Float64Array::from(values::<f64>(transaction, &sql)?)),
        Kind::Boolean => Arc::new(BooleanArray::from(values::<bool>(transaction, &sql)?)),
        Kind::Time => {
            let texts = values::<String>(transaction, &sql)?;
            let time = |text: String| {
                DateTime::parse_from_rfc3339(&text)
                    .ok()?
                    .timestamp_nanos_opt()
            };
            let times: Vec<Option<i64>> =
                texts.into_iter().map(|text| text.and_then(time)).collect();
            Arc::new(TimestampNanosecondArray::from(times))
        }
    })
}

fn values<T: FromSql>(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Option<T>>> {
    let mut query = connection.prepare(sql)?;
    let values = query.query_map([], |row| row.get(0))?;
    values.collect()
}
