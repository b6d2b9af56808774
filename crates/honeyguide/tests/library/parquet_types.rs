//! Tests of the types of Parquet columns: the same values give the same model in any type.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use honeyguide::{Engine, Error, Model, Recipe, Source, TrainOptions, train};

use crate::common::written;

const RECIPE: &str = "name = 'typed'\n\
    [[feature]]\nname = 'user'\nexpr = 'userId'\n\
    [[feature]]\nname = 'half'\nexpr = 'half'\n\
    [[feature]]\nname = 'call'\nexpr = 'call'\nkind = 'categorical'\n";

/// Returns a table whose three columns have the given types.
fn table(user: &DataType, half: &DataType, call: &DataType) -> RecordBatch {
    let users: Int64Array = (0..200).map(|index| Some(index % 7)).collect();
    let halves: Float64Array = (0..200)
        .map(|index| Some(f64::from(index % 5) / 2.0))
        .collect();
    let calls: StringArray = (0..200)
        .map(|index| Some(["open", "close", "exec"][index % 3]))
        .collect();
    let columns: [(&str, ArrayRef, &DataType); 3] = [
        ("userId", Arc::new(users), user),
        ("half", Arc::new(halves), half),
        ("call", Arc::new(calls), call),
    ];
    let typed =
        columns.map(|(name, array, data_type)| (name, cast(&array, data_type).expect("a cast")));
    RecordBatch::try_from_iter(typed).expect("equal lengths")
}

fn write(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).expect("a temporary file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("space");
    writer.close().expect("space");
}

fn fit(paths: &[&Path], recipe: &str) -> Result<Model, Error> {
    let engine = Engine::new(NonZeroUsize::MIN)?;
    let inputs: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut source = Source::open(&inputs)?;
    let recipe = Recipe::from_toml(recipe)?;
    let options = TrainOptions {
        n_estimators: 5,
        ..TrainOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(train(&engine, &mut source, &recipe, &options))
}

#[test]
fn the_types_of_columns_do_not_change_the_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = folder.path().join("plain.parquet");
    write(
        &plain,
        &table(&DataType::Int64, &DataType::Float64, &DataType::Utf8),
    );
    let expected = written(&fit(&[&plain], RECIPE).expect("a model"));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for (user, half, call) in [
        (DataType::Int32, DataType::Float32, DataType::LargeUtf8),
        (DataType::UInt64, DataType::Float16, DataType::Utf8View),
        (
            DataType::Int8,
            DataType::Decimal128(10, 3),
            dictionary.clone(),
        ),
        (DataType::Float64, DataType::Float64, dictionary),
    ] {
        let path = folder.path().join("typed.parquet");
        write(&path, &table(&user, &half, &call));
        let model =
            fit(&[&path], RECIPE).unwrap_or_else(|error| panic!("{user}, {half}, {call}: {error}"));
        assert!(written(&model) == expected, "{user}, {half}, {call}");
    }
}

#[test]
fn files_of_different_types_are_one_table() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (narrow, wide) = (
        folder.path().join("a.parquet"),
        folder.path().join("b.parquet"),
    );
    write(
        &narrow,
        &table(&DataType::Int32, &DataType::Float32, &DataType::Utf8View),
    );
    write(
        &wide,
        &table(&DataType::Int64, &DataType::Float64, &DataType::LargeUtf8),
    );
    let model = fit(&[&narrow, &wide], RECIPE).expect("a model");
    assert_eq!(model.training().events, 400);
    assert_eq!(model.training().distinct_rows, 105);
}

#[test]
fn a_list_is_not_a_number() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("list.parquet");
    let plain = table(&DataType::Int64, &DataType::Float64, &DataType::Utf8);
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let lists = cast(plain.column(0), &list).expect("a cast");
    assert_eq!(
        lists
            .as_list::<i32>()
            .value(1)
            .as_primitive::<Int64Type>()
            .value(0),
        1
    );
    write(
        &path,
        &RecordBatch::try_from_iter([("userId", lists), ("half", Arc::clone(plain.column(1)))])
            .expect("equal lengths"),
    );
    let error = fit(
        &[&path],
        "name = 'x'\n[[feature]]\nname = 'user'\nexpr = 'userId'\n",
    )
    .expect_err("no number");
    assert!(error.to_string().contains("feature `user`"), "{error}");
    let model = fit(
        &[&path],
        "name = 'raw'\nnumeric_columns = { except = [] }\n",
    )
    .expect("a model");
    assert_eq!(model.recipe().features.len(), 1, "the list is left out");
}
