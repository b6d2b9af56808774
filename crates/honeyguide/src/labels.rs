//! Labels: the columns that hold them, the classes of their values, and the search for values that are not labels.

use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{Expr, cast, ident, lit, when};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{first_found, without_place};
use crate::groups::{Key, Keys};
use crate::naming::parameter;
use crate::source::{Source, column_list, with_columns};

/// Returns the labels to evaluate against: `label`, or those of `sus` and `evil` that the data has.
///
/// # Errors
/// Fails when no label is named and the data has neither of the two.
pub(crate) fn labels(source: &Source, label: Option<&str>) -> Result<Vec<String>> {
    let wanted: Vec<&str> = match label {
        Some(label) => vec![label],
        None => source
            .present(source.log().labels().iter().copied())
            .collect(),
    };
    if wanted.is_empty() {
        let message = format!(
            "the data has no label (no column {})",
            source.log().labels_in_words()
        );
        return Err(Error::usage(message).hint(format!(
            "name the label with {}; the columns are {}",
            parameter("label"),
            column_list(source)
        )));
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

/// Returns a label as a key. Values other than 0 and 1 are found only while the data is read.
///
/// # Errors
/// Fails when the data lacks the column, and when the column's type cannot hold 0 and 1.
pub(crate) fn label_key(source: &Source, label: &str) -> Result<Key> {
    let column = source
        .columns()
        .iter()
        .find(|column| column.name == label)
        .ok_or_else(|| {
            Error::usage(format!(
                "{} {label}: the data has no such column",
                parameter("label")
            ))
            .hint(format!("its columns are {}", column_list(source)))
        })?;
    let value = ident(label);
    let integer = |value: Expr| cast(value, DataType::Int64);
    let expr = match &column.data_type {
        found if found.is_integer() || *found == DataType::Boolean => integer(value),
        found if found.is_floating() => {
            let otherwise = lit(NOT_A_LABEL);
            let known = when(value.clone().eq(lit(0.0)), lit(0_i64))
                .when(value.eq(lit(1.0)), lit(1_i64))
                .otherwise(otherwise);
            known.map_err(Error::engine)?
        }
        found => {
            return Err(Error::usage(format!(
                "{} {label}: the column holds {found}, not 0 and 1",
                parameter("label")
            ))
            .hint("a label is 1 for events that should be found and 0 for all others, or true and false"));
        }
    };
    Ok(Key {
        name: format!("{LABEL_KEY}{label}"),
        expr,
    })
}

/// The prefix of a label key's name, which is followed by the label's own name.
const LABEL_KEY: &str = "__label_";
/// The key's value for any number other than 0 and 1 in a label column of floats.
const NOT_A_LABEL: i64 = i64::MIN;

/// Returns the class that a label's key stands for: true for 1, false for 0.
///
/// # Errors
/// Fails when the value is neither 0 nor 1.
pub(crate) fn class_of(label: &str, key: Option<i64>) -> Result<bool> {
    match key {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        other => {
            let found = match other {
                None => "null".to_owned(),
                Some(NOT_A_LABEL) => "a number that is neither".to_owned(),
                Some(value) => value.to_string(),
            };
            Err(Error::label_fault(label, &found).hint(format!(
                "correct or remove such events, or name a column that holds 0 and 1 with {}",
                parameter("label")
            )))
        }
    }
}

/// Traces an error about a label that is neither 0 nor 1 to the first event with such a label among `keys`, in the
/// order of the files. Other errors pass unchanged.
pub(crate) async fn locate_label(
    engine: &Engine,
    source: &mut Source,
    keys: &Keys,
    error: Error,
) -> Error {
    if !error.is_label_fault() {
        return error;
    }
    if !source.is_repeatable() {
        return without_place(error);
    }
    let labelled = keys.iter().filter_map(|key| {
        let label = key.name.strip_prefix(LABEL_KEY)?;
        Some((label, key.expr.clone()))
    });
    let (labels, values): (Vec<&str>, Vec<Expr>) = labelled.unzip();
    let needed = with_columns(&BTreeSet::new(), labels.iter().copied());
    let search = first_found(
        engine,
        source,
        &needed,
        |table| table.select(values.clone()),
        |_| Ok(()),
        |(), batch| Ok(first_unlabelled(&labels, batch)),
    );
    match search.await {
        Ok(Some((place, found))) => found.at(&place),
        Ok(None) | Err(_) => error,
    }
}

/// Returns the first row in a batch of labels in which one is neither 0 nor 1, with the error about it.
fn first_unlabelled(labels: &[&str], batch: &RecordBatch) -> Option<(usize, Error)> {
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .filter_map(|column| column.as_primitive_opt::<Int64Type>())
        .collect();
    (0..batch.num_rows()).find_map(|row| {
        let mut labelled = labels.iter().zip(&columns);
        labelled.find_map(|(label, column)| {
            let key = column.is_valid(row).then(|| column.value(row));
            class_of(label, key).err().map(|error| (row, error))
        })
    })
}
