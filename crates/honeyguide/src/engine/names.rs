//! Columns that an expression names and that are not there.

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

/// Most columns that a hint lists.
const LISTED_COLUMNS: usize = 40;

/// The column that an expression names and that is not there, with what may have been meant.
pub(crate) fn missing_column(error: &DataFusionError, sql: &str) -> Option<(String, String)> {
    let DataFusionError::SchemaError(schema_error, _) = error.find_root() else {
        return None;
    };
    match schema_error.as_ref() {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => Some((
            field.name.clone(),
            likely_column(&field.name, valid_fields, sql),
        )),
        _ => None,
    }
}

/// What `sql` may have meant by a column that is not among the `valid` ones.
pub(crate) fn likely_column(name: &str, valid: &[Column], sql: &str) -> String {
    if sql.contains(&format!("\"{name}\"")) {
        return format!(
            "text is written in single quotes, '{name}'; double quotes are for names. {}",
            listed(valid)
        );
    }
    let same = |column: &&Column| column.name.eq_ignore_ascii_case(name);
    match valid.iter().find(same) {
        Some(column) => format!("names are case-sensitive: did you mean {}?", column.name),
        None => listed(valid),
    }
}

fn listed(valid: &[Column]) -> String {
    if valid.is_empty() {
        return "a column needs a table: SELECT … FROM events".into();
    }
    let mut names: Vec<&str> = Vec::new();
    for column in valid {
        if !names.contains(&column.name.as_str()) {
            names.push(&column.name);
        }
    }
    let more = names.len().saturating_sub(LISTED_COLUMNS);
    names.truncate(LISTED_COLUMNS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("the columns are {}{more}", names.join(", "))
}
