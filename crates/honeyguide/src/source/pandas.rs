//! What pandas writes into the schemas of Parquet and Arrow files about its tables.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::Schema;
use serde_json::Value;

/// The key of the description of a table in a schema's metadata.
const DESCRIPTION: &str = "pandas";

/// Returns the columns of a schema that hold the index of a pandas table: the labels of its rows. They are those that the
/// description of the table names, and those with the names that pandas gives to indexes without one.
pub(super) fn index_columns(schema: &Schema) -> BTreeSet<String> {
    let described = schema.metadata().get(DESCRIPTION);
    let described: Option<Value> = described.and_then(|text| serde_json::from_str(text).ok());
    let described = described
        .as_ref()
        .and_then(|table| table["index_columns"].as_array());
    // A range of numbers, which has no column, is described by an object instead of a name.
    let described: BTreeSet<&str> = described
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names = schema.fields().iter().map(|field| field.name());
    let indexes = names.filter(|name| described.contains(name.as_str()) || is_unnamed_index(name));
    indexes.cloned().collect()
}

fn is_unnamed_index(name: &str) -> bool {
    let level = name.strip_prefix("__index_level_");
    let level = level.and_then(|rest| rest.strip_suffix("__"));
    level.is_some_and(|level| level.parse::<u32>().is_ok())
}
