//! Hints for expressions that name a column that does not exist.

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

/// The maximum number of columns that a hint lists.
const LISTED_COLUMNS: usize = 40;

/// Returns the missing column that an expression names, with a hint to what may have been meant. Returns `None` if
/// `error` has another cause.
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

/// Returns a hint to what `sql` may have meant by the column `name`, which is not among the `valid` ones.
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

/// Returns a hint that lists the `valid` columns.
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
