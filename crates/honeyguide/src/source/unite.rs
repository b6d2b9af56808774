//! The columns of several files as one schema.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;

use super::column::{Column, check_count, names_of};
use super::common_type::common_type;
use super::found::Evidence;
use super::probe::{FoundFile, SourceFile};
use super::typed::as_logged;
use crate::error::{Error, Result};
use crate::log::Log;

/// Files with the same columns, and their common schema.
pub(super) struct United {
    pub files: Vec<SourceFile>,
    /// The columns in the order of the first file, with types that hold the values of all files.
    pub columns: Vec<Column>,
    /// The columns that hold the index of a pandas table in some file.
    pub indexes: BTreeSet<String>,
    /// The log that the columns of the first file are those of.
    pub log: Log,
    /// The columns of doubles that some file stores as numbers of which a double may lose digits.
    pub rounded: Vec<String>,
}

/// Unites the columns of `found`, which may come in another order in every file. Messages of DNS may lack any columns but those
/// of their log.
///
/// # Errors
/// Fails when there is no file, when files have different columns, and when no type holds the values of a column in all
/// files.
pub(super) fn unite(mut found: Vec<FoundFile>) -> Result<United> {
    complete(&mut found)?;
    let first = found
        .first()
        .ok_or_else(|| Error::usage("no data was named"))?;
    let log = Log::recognise(&first.names());
    let evidence = Evidence::of(found.iter().flat_map(|file| &file.columns));
    let indexes = found.iter().flat_map(|file| file.indexes.iter().cloned());
    let indexes = indexes.collect();
    let typed = found.into_iter().map(|file| file.typed(&log, &evidence));
    let mut files: Vec<SourceFile> = typed.collect();
    for other in &files[1..] {
        same_names(&files[0], other)?;
    }
    let names = files[0].columns.iter().map(|column| column.name.as_str());
    let columns: Vec<Column> = names
        .map(|name| united(name, &files, &log))
        .collect::<Result<_>>()?;
    let rounded = columns.iter().filter(|column| {
        column.data_type == DataType::Float64
            && log.column_type(&column.name).is_none()
            && files.iter().any(|file| is_rounded(file, &column.name))
    });
    let rounded = rounded.map(|column| column.name.clone()).collect();
    files.iter_mut().for_each(|file| file.read_as(&columns));
    Ok(United {
        rounded,
        files,
        columns,
        indexes,
        log,
    })
}

/// Gives each file of DNS messages the columns that others of these files have. Programs leave out what a message does not
/// have, so the first lines of a file need not show all keys.
///
/// # Errors
/// Fails when there are too many columns.
fn complete(found: &mut [FoundFile]) -> Result<()> {
    let mut names: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    for file in found.iter().filter(|file| file.is_of_messages()) {
        let inside = file.inside().iter();
        let new = inside.filter(|column| known.insert(column.name.clone()));
        names.extend(new.map(|column| column.name.clone()));
    }
    let files = found.iter_mut().filter(|file| file.is_of_messages());
    for file in files {
        file.add_valueless(&names);
        check_count(&file.file.path, file.columns.len())?;
    }
    Ok(())
}

/// Returns whether a file stores a column as integers of 64 bits or as decimals, of which a double may lose digits.
fn is_rounded(file: &SourceFile, name: &str) -> bool {
    let own = file.columns.iter().find(|column| column.name == name);
    own.is_some_and(|column| {
        !column.inferred
            && (matches!(column.data_type, DataType::Int64 | DataType::UInt64)
                || column.data_type.is_decimal())
    })
}

/// Returns the column `name` with a type that holds its values in all files.
fn united(name: &str, files: &[SourceFile], log: &Log) -> Result<Column> {
    let mut all: Option<(Column, &SourceFile)> = None;
    for file in files {
        let own = file.columns.iter().find(|column| column.name == name);
        let Some(own) = own else {
            continue;
        };
        let own = as_logged(own, log).map_err(|error| error.at(&file.place()))?;
        all = Some(match all {
            None => (own, file),
            Some((known, first)) => match both(&known, &own) {
                // The file that gave the column its type is the one to compare others with.
                Some(column) if column.data_type == known.data_type => (column, first),
                Some(column) => (column, file),
                None => return Err(disunited((&known, first), (&own, file))),
            },
        });
    }
    let (column, _) = all.ok_or_else(|| Error::internal(format!("no column `{name}`")))?;
    Ok(column)
}

/// Returns a column that holds the values of both; `None` where no type does.
fn both(left: &Column, right: &Column) -> Option<Column> {
    let common = common_type(&left.data_type, &right.data_type);
    // What was inferred from text can still be read as the text that it is.
    let is_text = |column: &Column| column.data_type.is_string();
    let as_text =
        (left.inferred && (right.inferred || is_text(right))) || (right.inferred && is_text(left));
    Some(Column {
        data_type: common.or_else(|| as_text.then_some(DataType::Utf8))?,
        inferred: left.inferred && right.inferred,
        name: left.name.clone(),
    })
}

fn disunited(
    (left, first): (&Column, &SourceFile),
    (right, other): (&Column, &SourceFile),
) -> Error {
    Error::data(format!(
        "column `{}` is {} in {} but {} in {}, and no type holds the values of both",
        left.name,
        left.data_type,
        first.file.path.display(),
        right.data_type,
        other.file.path.display()
    ))
    .hint("name the files in separate calls, or write the column of one of them again with the type of the other")
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
