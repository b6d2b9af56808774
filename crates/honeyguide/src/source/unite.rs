//! The columns of several files as one schema.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;

use super::column::{Column, names_of};
use super::found::Evidence;
use super::probe::{FoundFile, SourceFile};
use crate::error::{Error, Result};
use crate::log::Log;

/// Files with the same columns, and their common schema.
pub(super) struct United {
    pub files: Vec<SourceFile>,
    /// The columns in the order of the first file, with types that hold the values of all files.
    pub columns: Vec<Column>,
    /// The log that the columns of the first file are those of.
    pub log: Log,
}

/// Unites the columns of `found`, which may come in another order in every file.
///
/// # Errors
/// Fails when there is no file, when files have different columns, and when no type holds the values of a column in all
/// files.
pub(super) fn unite(found: Vec<FoundFile>) -> Result<United> {
    let first = found
        .first()
        .ok_or_else(|| Error::usage("no data was named"))?;
    let log = Log::recognise(&first.names());
    let evidence = Evidence::of(found.iter().flat_map(|file| &file.columns));
    let typed = found.into_iter().map(|file| file.typed(&log, &evidence));
    let files: Vec<SourceFile> = typed.collect();
    let first = &files[0];
    let mut columns = first.columns.clone();
    for other in &files[1..] {
        same_names(first, other)?;
        for column in &mut columns {
            unify(column, first, other)?;
        }
    }
    Ok(United {
        files,
        columns,
        log,
    })
}

/// Gives `column` a type that holds the values of `other`'s column of the same name too.
fn unify(column: &mut Column, first: &SourceFile, other: &SourceFile) -> Result<()> {
    let mut theirs = other.columns.iter();
    let Some(theirs) = theirs.find(|theirs| theirs.name == column.name) else {
        return Ok(());
    };
    let both_inferred = column.inferred && theirs.inferred;
    column.data_type = match common_type(&column.data_type, &theirs.data_type) {
        Some(data_type) => data_type,
        None if both_inferred => DataType::Utf8,
        None => {
            return Err(Error::data(format!(
                "column `{}` is {} in {} but {} in {}",
                column.name,
                column.data_type,
                first.file.path.display(),
                theirs.data_type,
                other.file.path.display()
            ))
            .hint("name the files in separate calls, or convert one of them"));
        }
    };
    column.inferred = both_inferred;
    Ok(())
}

fn same_names(first: &SourceFile, other: &SourceFile) -> Result<()> {
    let (ours, theirs) = (names_of(&first.columns), names_of(&other.columns));
    if ours == theirs {
        return Ok(());
    }
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| -> String {
        let missing: Vec<_> = left.difference(right).cloned().collect();
        if missing.is_empty() {
            "nothing".into()
        } else {
            missing.join(", ")
        }
    };
    Err(Error::data(format!(
        "{} and {} have different columns: only the first has {}; only the second has {}",
        first.file.path.display(),
        other.file.path.display(),
        only(&ours, &theirs),
        only(&theirs, &ours),
    ))
    .hint("files that are read together need the same columns (in any order): name them in separate calls"))
}

/// Returns the narrower of the types that can hold both.
fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let is_text = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    match (left, right) {
        _ if left == right => Some(left.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        _ if is_text(left) && is_text(right) => Some(DataType::Utf8),
        _ if left.is_integer() && right.is_integer() => Some(DataType::Int64),
        _ if left.is_numeric() && right.is_numeric() => Some(DataType::Float64),
        _ => None,
    }
}
