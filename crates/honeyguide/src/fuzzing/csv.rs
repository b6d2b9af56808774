//! The target `csv`: tables of CSV, compared with the crate csv.

use std::borrow::Cow;
use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int64Type, UInt64Type,
};
use datafusion::arrow::record_batch::RecordBatch;

use super::common::{accepted, rows, with_file};
use crate::source::{Compression, Format, ReadOptions, Source};

/// Reads the whole input as a file.
pub fn run(input: &[u8]) {
    // Compressed files have other bytes than their text.
    if Compression::sniff(input) != Compression::None {
        return;
    }
    let options = ReadOptions {
        format: Some(Format::Csv(Compression::None)),
        ..ReadOptions::default()
    };
    let opened = with_file("table.csv", input, |path| {
        Source::open_with([path.to_string_lossy()], &options)
    });
    let Some(mut source) = accepted(opened) else {
        return;
    };
    let expected = records(input, source.columns().len());
    let mut text = source.as_text_except(&BTreeSet::new());
    match (accepted(rows(&mut text)), &expected) {
        (Some(found), Some(expected)) => compare_texts(&found, expected),
        (None, None) => {}
        (Some(_), None) => panic!("a record that is no row was read"),
        (None, Some(_)) => panic!("rows were refused"),
    }
    if let (Some(found), Some(expected)) = (accepted(rows(&mut source)), &expected) {
        compare_values(&found, expected);
    }
}

/// Returns the records after the header, or `None` if one of them has another number of fields. Bytes that are not UTF-8
/// are replaced.
fn records(input: &[u8], columns: usize) -> Option<Vec<Vec<String>>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let records = reader.byte_records().map(|record| {
        let record = record.ok()?;
        let fields = record.iter().map(String::from_utf8_lossy);
        let fields = fields.map(Cow::into_owned).collect();
        (record.len() == columns).then_some(fields)
    });
    records.collect()
}

/// Compares rows that were read as text with their records. An empty field is a null.
fn compare_texts(found: &RecordBatch, expected: &[Vec<String>]) {
    assert_eq!(found.num_rows(), expected.len(), "rows");
    for (index, column) in found.columns().iter().enumerate() {
        let texts = cast(column, &DataType::Utf8).expect("text");
        let texts = texts.as_string::<i32>();
        for (row, record) in expected.iter().enumerate() {
            let text = if texts.is_null(row) {
                ""
            } else {
                texts.value(row)
            };
            assert_eq!(text, record[index], "row {row}, column {index}");
        }
    }
}

/// Compares rows that were read with the types of their columns with their records: a number that is in the text is the
/// one in the row.
fn compare_values(found: &RecordBatch, expected: &[Vec<String>]) {
    assert_eq!(found.num_rows(), expected.len(), "rows");
    for (index, column) in found.columns().iter().enumerate() {
        for (row, record) in expected.iter().enumerate() {
            let text = record[index].trim();
            let is_same = match column.data_type() {
                DataType::Int64 => text.parse().ok() == value::<Int64Type>(column, row),
                DataType::UInt64 => text.parse().ok() == value::<UInt64Type>(column, row),
                DataType::Float64 => {
                    let bits = |number: f64| number.to_bits();
                    text.parse().ok().map(bits) == value::<Float64Type>(column, row).map(bits)
                }
                _ => true,
            };
            let shown = || {
                format!(
                    "{:?} in row {row}, column {index} of {found:?}",
                    record[index]
                )
            };
            assert!(is_same, "{}", shown());
        }
    }
}

/// Returns a value of a column of this type; `None` if it is null.
fn value<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> Option<T::Native> {
    let values = column.as_primitive::<T>();
    values.is_valid(row).then(|| values.value(row))
}
