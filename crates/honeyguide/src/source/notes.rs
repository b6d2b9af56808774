//! What the reading of a source has to say: values that were read otherwise than they are written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::arrow::datatypes::DataType;

use super::column::Column;
use super::found::FoundColumn;
use super::seen::Seen;
use super::text::INFERENCE_RECORDS;
use crate::naming::parameter;

/// The most columns that one note names.
const SHOWN_COLUMNS: usize = 10;

/// The columns of text whose first values are written in an unusual way.
#[derive(Debug, Default)]
pub(super) struct Oddities(Vec<(String, PathBuf, Seen)>);

impl Oddities {
    /// Adds what the first values of a column of the file at `path` say.
    pub fn add(&mut self, path: &Path, name: &str, seen: &Seen) {
        let is_odd = seen.is_padded
            || seen.leading_zero().is_some()
            || seen.are_too_long()
            || seen.lose_digits_as(&DataType::Float64)
            || !seen.suspects().is_empty();
        if is_odd {
            self.0
                .push((name.to_owned(), path.to_owned(), seen.clone()));
        }
    }

    /// Adds what the first values of the columns of the file at `path` say.
    pub fn add_all(&mut self, path: &Path, columns: &[FoundColumn]) {
        for column in columns {
            if let Some(seen) = &column.seen {
                self.add(path, &column.name, seen);
            }
        }
    }

    /// Returns whether some numbers of `columns` have spaces around them.
    pub fn has_padded_values(&self, columns: &[Column]) -> bool {
        self.of(columns)
            .any(|(column, _, seen)| seen.is_padded && column.data_type != DataType::Utf8)
    }

    /// Returns one note for each thing that is to be said of `columns`.
    pub fn notes(&self, columns: &[Column]) -> Vec<String> {
        let notes = [
            self.missing_values(columns),
            self.leading_zeros(columns),
            self.lost_digits(columns),
            self.long_numbers(columns),
        ];
        notes.into_iter().flatten().collect()
    }

    /// Returns the odd columns among `columns`, each once for a file that has it.
    fn of<'a>(
        &'a self,
        columns: &'a [Column],
    ) -> impl Iterator<Item = (&'a Column, &'a PathBuf, &'a Seen)> {
        columns.iter().flat_map(|column| {
            let own = self.0.iter().filter(|(name, ..)| *name == column.name);
            own.map(move |(_, path, seen)| (column, path, seen))
        })
    }

    fn missing_values(&self, columns: &[Column]) -> Option<String> {
        let text = self
            .of(columns)
            .filter(|(column, _, seen)| {
                column.data_type == DataType::Utf8 && !seen.suspects().is_empty()
            })
            .collect::<Vec<_>>();
        let (_, path, _) = text.first()?;
        let mut suspects: Vec<&str> = text.iter().flat_map(|(.., seen)| seen.suspects()).collect();
        suspects.sort_unstable();
        suspects.dedup();
        let quoted = suspects.iter().map(|text| format!("`{text}`"));
        let quoted = quoted.collect::<Vec<_>>().join(" and ");
        let options = suspects
            .iter()
            .map(|text| format!("{} {}", parameter("null"), in_shell(text)));
        let options = options.collect::<Vec<_>>().join(" ");
        Some(format!(
            "{} read as text because of {quoted}, first in {}; if that stands for a missing value, read the data with \
             {options}",
            listed(text.iter().map(|(column, ..)| column.name.as_str())),
            path.display()
        ))
    }

    fn leading_zeros(&self, columns: &[Column]) -> Option<String> {
        let found = self.leading_zeros_of(columns).collect::<Vec<_>>();
        zeros_are_lost(&found)
    }

    /// Returns the names of the columns of numbers that lose leading zeros.
    pub fn columns_with_leading_zeros(&self, columns: &[Column]) -> BTreeSet<String> {
        let found = self.leading_zeros_of(columns);
        found.map(|(column, ..)| column.to_owned()).collect()
    }

    /// Returns the columns of numbers with leading zeros, each with a file and its first such number.
    fn leading_zeros_of<'a>(
        &'a self,
        columns: &'a [Column],
    ) -> impl Iterator<Item = (&'a str, &'a Path, &'a str)> {
        let numbers = self
            .of(columns)
            .filter(|(column, ..)| column.data_type.is_numeric());
        numbers.filter_map(|(column, path, seen)| {
            Some((column.name.as_str(), path.as_path(), seen.leading_zero()?))
        })
    }

    fn lost_digits(&self, columns: &[Column]) -> Option<String> {
        let found = self
            .of(columns)
            .filter(|(column, _, seen)| seen.lose_digits_as(&column.data_type))
            .collect::<Vec<_>>();
        found.first()?;
        Some(lost_digits(&listed(
            found.iter().map(|(column, ..)| column.name.as_str()),
        )))
    }

    fn long_numbers(&self, columns: &[Column]) -> Option<String> {
        let found = self
            .of(columns)
            .filter(|(column, _, seen)| column.data_type == DataType::Utf8 && seen.are_too_long())
            .collect::<Vec<_>>();
        found.first()?;
        Some(format!(
            "{} read as text, because whole numbers of more than 38 digits are among the values",
            listed(found.iter().map(|(column, ..)| column.name.as_str())),
        ))
    }
}

/// Returns the note that columns of numbers lose leading zeros, of which each has a file and its first such number.
pub(super) fn zeros_are_lost(found: &[(&str, &Path, &str)]) -> Option<String> {
    let (_, path, first) = found.first()?;
    Some(format!(
        "{} read as numbers, so that leading zeros are lost, first those of `{first}` in {}",
        listed(found.iter().map(|(column, ..)| *column)),
        path.display()
    ))
}

/// Returns the note that the columns `listed` lose digits.
pub(super) fn lost_digits(listed: &str) -> String {
    format!(
        "{listed} read as floating-point numbers, which keep about 16 digits; some values have more, so that figures of \
         them are not exact"
    )
}

/// Returns the note that a cluster reads numbers of CSV in tables of no known log.
pub(super) fn not_searched() -> String {
    format!(
        "the machines of a cluster do not search CSV: if numbers after the first {INFERENCE_RECORDS} records have leading \
         zeros, or more than 16 digits, these are lost; conversion to Parquet on one machine keeps the digits and names the \
         columns with zeros"
    )
}

/// Returns the note that columns are doubles which some files store as integers of 64 bits or as decimals.
pub(super) fn rounded(columns: &[String]) -> Option<String> {
    columns.first()?;
    Some(format!(
        "{} read as floating-point numbers, which keep about 16 digits, because some files store whole numbers or decimals \
         and others floating-point numbers",
        listed(columns.iter().map(String::as_str))
    ))
}

/// Returns the names as the subject of a sentence: ``column `a` is`` or ``columns `a`, `b` are``.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let quoted = all.iter().take(SHOWN_COLUMNS);
    let quoted = quoted.map(|name| format!("`{name}`")).collect::<Vec<_>>();
    match all.len() {
        1 => format!("column {} is", quoted[0]),
        n if n <= SHOWN_COLUMNS => format!("columns {} are", quoted.join(", ")),
        n => format!(
            "columns {} and {} more are",
            quoted.join(", "),
            n - SHOWN_COLUMNS
        ),
    }
}

/// Returns `text` as it is typed in a shell.
pub(super) fn in_shell(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
