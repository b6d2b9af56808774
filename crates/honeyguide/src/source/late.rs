//! Values beyond the first records of text: they are read where the first records do not tell the type of a column.

use std::path::PathBuf;

use datafusion::arrow::datatypes::DataType;

use super::column::Column;
use super::format::Format;
use super::json;
use super::probe::SourceFile;
use super::seen::{Missing, Seen};
use super::text::{self, INFERENCE_RECORDS};
use super::unite::United;
use crate::error::Result;

/// Gives a type to the columns of text that have no value in the first records of any file. The files are read on in their
/// order up to one that has values of such a column, of which as many count as there are first records. A column without
/// any value stays of no type.
///
/// Returns the files and columns with values that were found, and the values.
///
/// # Errors
/// Fails when a file cannot be read.
pub(super) fn resolve(
    united: &mut United,
    missing: &Missing,
) -> Result<Vec<(PathBuf, String, Seen)>> {
    let mut found = Vec::new();
    for index in 0..united.files.len() {
        let names = valueless(&united.files[index], &united.columns);
        if names.is_empty() {
            continue;
        }
        let seen = first_values(&united.files[index], &names, missing)?;
        for (name, seen) in names.into_iter().zip(seen) {
            if seen.is_empty() {
                continue;
            }
            let files = united.files.iter_mut().map(|file| &mut file.columns);
            for column in files.chain([&mut united.columns]).flatten() {
                if column.name == name && column.data_type == DataType::Null {
                    column.data_type = seen.data_type();
                }
            }
            found.push((united.files[index].file.path.clone(), name, seen));
        }
    }
    Ok(found)
}

/// Returns the columns inside a file of text that have had no value in any file.
fn valueless(file: &SourceFile, columns: &[Column]) -> Vec<String> {
    let inside = file.columns.iter().take(file.n_inside);
    let unknown = inside.filter(|own| {
        file.file.format.is_text()
            && columns
                .iter()
                .any(|column| column.name == own.name && column.data_type == DataType::Null)
    });
    unknown.map(|column| column.name.clone()).collect()
}

/// Returns the first [`INFERENCE_RECORDS`] values of each of the columns `names`, or all if there are fewer.
fn first_values(file: &SourceFile, names: &[String], missing: &Missing) -> Result<Vec<Seen>> {
    values(file, names, missing, INFERENCE_RECORDS)
}

/// Returns all values of each of the columns `names` in a file of text.
///
/// # Errors
/// Fails when the file cannot be read.
pub(super) fn all_values(
    file: &SourceFile,
    names: &[String],
    missing: &Missing,
) -> Result<Vec<Seen>> {
    values(file, names, missing, usize::MAX)
}

/// Returns the first `most` values of each of the columns `names`.
fn values(
    file: &SourceFile,
    names: &[String],
    missing: &Missing,
    most: usize,
) -> Result<Vec<Seen>> {
    if !matches!(file.file.format, Format::Csv(_)) {
        let mut seen = vec![Seen::default(); names.len()];
        json::for_each_value(&file.file, names, |key, value| {
            let index = names.iter().position(|name| name == key);
            let seen = &mut seen[index.unwrap_or_default()];
            json::add(seen, Some(value), missing);
            seen.len() < most
        })?;
        return Ok(seen);
    }
    let position = |name: &String| file.columns.iter().position(|own| own.name == *name);
    let indices: Vec<usize> = names.iter().filter_map(position).collect();
    let mut seen = vec![Seen::of_csv(); names.len()];
    text::for_each_record(&file.file, &indices, |fields| {
        for (seen, field) in seen.iter_mut().zip(fields) {
            if seen.len() < most {
                seen.add_field(field, missing);
            }
        }
        seen.iter().any(|seen| seen.len() < most)
    })?;
    Ok(seen)
}
