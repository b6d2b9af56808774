//! Files whose columns differ in type are one table where no value is lost, and are refused with the names of both else.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray,
    NullArray, StringArray, StringViewArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use honeyguide::sql::TextFormat;
use honeyguide::{ErrorKind, ReadOptions, train};

use crate::common::{Folder, answer, engine, failed, recipe, small_forest};

fn write(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).expect("a temporary file");
    if path
        .extension()
        .is_some_and(|extension| extension == "arrow")
    {
        let mut writer = FileWriter::try_new(file, &batch.schema()).expect("a writer");
        writer.write(batch).expect("space");
        writer.finish().expect("space");
    } else {
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(batch).expect("space");
        writer.close().expect("space");
    }
}

fn column(array: impl Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(array) as ArrayRef)]).expect("a batch")
}

/// Returns the answer to a query over files, whatever their order is.
async fn of_both(folder: &Folder, files: [&str; 2], query: &str) -> String {
    let [one, other] = files;
    let first = answer(
        &engine(2),
        folder.source(&[one, other]),
        query,
        TextFormat::Csv,
    )
    .await;
    let second = answer(
        &engine(2),
        folder.source(&[other, one]),
        query,
        TextFormat::Csv,
    )
    .await;
    assert_eq!(first, second, "{files:?}");
    first.lines().nth(1).expect("a row").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_differ_harmlessly_are_united() {
    let dictionary: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
    let micro = |times: [i64; 2]| TimestampMicrosecondArray::from(times.to_vec());
    let nano = |times: [i64; 2]| TimestampNanosecondArray::from(times.to_vec());
    let text = |texts: [&str; 2]| StringArray::from(texts.to_vec());
    let cases: Vec<(RecordBatch, RecordBatch, &str, &str)> = vec![
        (
            column(NullArray::new(2)),
            column(text(["b", "c"])),
            "max(x)",
            "c",
        ),
        (
            column(NullArray::new(2)),
            column(Int64Array::from(vec![9, 10])),
            "max(x)",
            "10",
        ),
        (
            column(dictionary),
            column(text(["b", "c"])),
            "count(DISTINCT x)",
            "3",
        ),
        (
            column(LargeStringArray::from(vec!["a", "b"])),
            column(StringViewArray::from(vec!["b", "c"])),
            "max(x)",
            "c",
        ),
        (
            column(micro([1, 2])),
            column(nano([1, 2500])),
            "max(x)",
            "1970-01-01T00:00:00.000002500",
        ),
        (
            column(Int64Array::from(vec![-1, i64::MIN])),
            column(UInt64Array::from(vec![1, u64::MAX])),
            "sum(x)",
            "9223372036854775807",
        ),
        (
            column(Int64Array::from(vec![-1, i64::MAX])),
            column(UInt64Array::from(vec![1, u64::MAX])),
            "max(x)",
            "18446744073709551615",
        ),
        (
            column(Int32Array::from(vec![1, 2])),
            column(Int64Array::from(vec![3, 4])),
            "sum(x)",
            "10",
        ),
    ];
    for (index, (one, other, figure, expected)) in cases.into_iter().enumerate() {
        let folder = Folder::new();
        for extension in ["parquet", "arrow"] {
            let files = ["one", "other"].map(|name| format!("{name}.{extension}"));
            write(&folder.path(&files[0]), &one);
            write(&folder.path(&files[1]), &other);
            let query = format!("SELECT {figure} FROM events");
            let found = of_both(&folder, [&files[0], &files[1]], &query).await;
            assert_eq!(found, expected, "case {index}, {extension}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_a_value_yields_to_the_others() {
    let folder = Folder::new();
    for (name, rows) in [
        ("9", "x\n1\n"),
        ("10", "x\n2\n3\n"),
        ("__HIVE_DEFAULT_PARTITION__", "x\n4\n"),
    ] {
        std::fs::create_dir(folder.path(&format!("day={name}"))).expect("a folder");
        folder.write(&format!("day={name}/p.csv"), rows);
    }
    let source = || folder.source(&[""]);
    let day = source()
        .columns()
        .iter()
        .find(|column| column.name == "day")
        .cloned();
    assert_eq!(day.expect("the column").data_type, DataType::Int64);
    let query =
        "SELECT max(day), count(day), count(*), sum(CASE WHEN day IS NULL THEN x END) FROM events";
    let found = answer(&engine(2), source(), query, TextFormat::Csv).await;
    assert_eq!(found.lines().nth(1), Some("10,3,4,4"));
}

#[test]
fn whole_numbers_that_become_doubles_are_said() {
    let folder = Folder::new();
    let whole = Int64Array::from(vec![(1 << 53) + 1, 2]);
    let short = Int32Array::from(vec![1, 2]);
    let doubles = Float64Array::from(vec![1.5, 2.5]);
    write(&folder.path("whole.parquet"), &column(whole));
    write(&folder.path("short.parquet"), &column(short));
    write(&folder.path("doubles.parquet"), &column(doubles));
    let notes = |files: &[&str]| -> Vec<String> {
        let source = folder.source(files);
        source.notes(|_| String::new()).collect()
    };
    assert!(notes(&["short.parquet", "doubles.parquet"]).is_empty());
    assert!(notes(&["whole.parquet", "short.parquet"]).is_empty());
    let said = notes(&["whole.parquet", "doubles.parquet"]);
    let [note] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(
        note.contains("column `x` is read as floating-point numbers"),
        "{note}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_numbers_are_numbers_of_any_size() {
    // As texts, 8 is greater than 18446744073709551615, and 9 than 10.25.
    for (values, kind, expected) in [
        (
            ["18446744073709551615", "8"],
            "Decimal128",
            "18446744073709551615",
        ),
        (["10.25", "9"], "Float64", "10.25"),
        (["-9", "-10"], "Int64", "-9"),
        (
            ["123456789012345678.05", "9"],
            "Decimal128",
            "123456789012345678.05",
        ),
        (["1e5", "9"], "Utf8", "9"),
        (["nan", "9"], "Utf8", "nan"),
    ] {
        let folder = Folder::new();
        for value in values {
            std::fs::create_dir(folder.path(&format!("id={value}"))).expect("a folder");
            folder.write(&format!("id={value}/p.csv"), "x\n1\n");
        }
        let query = "SELECT max(id), arrow_typeof(max(id)) FROM events";
        let found = answer(&engine(2), folder.source(&[""]), query, TextFormat::Csv).await;
        let found = found.lines().nth(1).unwrap_or_default().to_owned();
        let (greatest, found_kind) = found.split_once(',').expect("two columns");
        assert_eq!(greatest, expected, "{values:?}: {found}");
        assert!(found_kind.contains(kind), "{values:?}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_read_as_text_beside_stored_text() {
    let folder = Folder::with(&[("numbers.csv", "x\n007\n8\n")]);
    write(
        &folder.path("texts.parquet"),
        &column(StringArray::from(vec!["a", "b"])),
    );
    let query = "SELECT min(x) FROM events";
    assert_eq!(
        of_both(&folder, ["numbers.csv", "texts.parquet"], query).await,
        "007"
    );
}

#[test]
fn types_that_cannot_be_united_are_refused_with_file_and_column() {
    let folder = Folder::new();
    write(
        &folder.path("a.parquet"),
        &column(StringArray::from(vec!["a"])),
    );
    write(
        &folder.path("b.parquet"),
        &column(Int64Array::from(vec![1])),
    );
    let error = failed(folder.open(&["a.parquet", "b.parquet"], &ReadOptions::default()));
    assert_eq!(error.kind(), ErrorKind::Data);
    for part in [
        "column `x`",
        "Utf8 in",
        "a.parquet",
        "Int64 in",
        "b.parquet",
    ] {
        assert!(error.message().contains(part), "no `{part}` in {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_names_are_refused_and_cases_are_told_apart() {
    let folder = Folder::new();
    let batch = |names: [&str; 3]| {
        let fields = names.map(|name| Field::new(name, DataType::Int64, true));
        let arrays = [1, 2, 3].map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef);
        let schema = Arc::new(Schema::new(fields.to_vec()));
        RecordBatch::try_new(schema, arrays.to_vec()).expect("a batch")
    };
    for extension in ["parquet", "arrow"] {
        let name = format!("t.{extension}");
        write(&folder.path(&name), &batch(["a", "b", "a"]));
        let error = failed(folder.open(&[&name], &ReadOptions::default()));
        let message = error.message();
        assert!(
            message.ends_with(&format!("{name}: columns 1 and 3 are named `a`")),
            "{error}"
        );
        write(&folder.path(&name), &batch(["a", "A", "b"]));
        let sum = "SELECT a + 10 * \"A\" + 100 * b FROM events";
        let found = answer(&engine(2), folder.source(&[&name]), sum, TextFormat::Csv).await;
        assert_eq!(found.lines().nth(1), Some("321"));
    }
}

/// The metadata is what pandas 2 writes for a frame whose index is called `key`, shortened to what is read of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_a_pandas_table_is_no_feature() {
    let numbers = |factor: i64| {
        Arc::new(
            (0..300)
                .map(|row| Some(row * factor % 7))
                .collect::<Int64Array>(),
        ) as ArrayRef
    };
    for (index, metadata) in [
        ("__index_level_0__", None),
        (
            "key",
            Some(r#"{"index_columns": ["key"], "columns": [], "pandas_version": "2.2.0"}"#),
        ),
        (
            "",
            Some(
                r#"{"index_columns": [{"kind": "range", "name": null, "start": 0, "stop": 300, "step": 1}]}"#,
            ),
        ),
    ] {
        let mut columns = vec![("size", numbers(3)), ("port", numbers(5))];
        if !index.is_empty() {
            columns.push((
                index,
                Arc::new((0..300).map(Some).collect::<Int64Array>()) as ArrayRef,
            ));
        }
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let described = metadata.map(|text| ("pandas".to_owned(), text.to_owned()));
        let schema = Schema::clone(&batch.schema()).with_metadata(HashMap::from_iter(described));
        let batch = batch
            .with_schema(Arc::new(schema))
            .expect("the same columns");
        for name in ["t.parquet", "t.arrow"] {
            let folder = Folder::new();
            write(&folder.path(name), &batch);
            let mut source = folder.source(&[name]);
            let raw = recipe("raw");
            let remarks = raw.remarks(&source);
            let expected = format!("`{index}` is the index of a pandas table, so it is no feature");
            assert_eq!(
                remarks,
                if index.is_empty() {
                    vec![]
                } else {
                    vec![expected]
                }
            );
            let model = train(&engine(2), &mut source, &raw, &small_forest())
                .await
                .expect("a model");
            let features = model
                .recipe()
                .features
                .iter()
                .map(|feature| feature.name.as_str());
            assert_eq!(features.collect::<Vec<_>>(), ["size", "port"]);
        }
    }
}

#[test]
fn a_bracket_in_a_name_is_read_before_it_is_taken_for_a_pattern() {
    let folder = Folder::with(&[("logs[1].csv", "here\n1\n"), ("logs1.csv", "there\n1\n")]);
    assert!(folder.source(&["logs[1].csv"]).has_column("here"));
    assert!(folder.source(&["logs[[]1].csv"]).has_column("here"));
    let error = failed(folder.open(&["logs[2].csv"], &ReadOptions::default()));
    assert!(error.message().contains("no file has this name"), "{error}");
    assert!(error.hint_text().unwrap().contains("[[]"), "{error}");
}
