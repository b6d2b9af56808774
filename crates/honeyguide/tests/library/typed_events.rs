//! The same kernel calls in whatever types a writer chose for them: the same model, byte for byte, and the same scores, or
//! one clear refusal. What is expected comes from the events as plain CSV.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::sql::TextFormat;
use honeyguide::{ErrorKind, Model, ReadOptions, Recipe, Scorer, Source, train};

use crate::common::{Folder, answer, engine, failed, recipe, small_forest, written};

const EVENTS: usize = 400;
const RECIPES: [&str; 3] = ["context", "beth-paper", "raw"];
/// The columns, with how many values each has and what these are made of.
const WHOLE: [(&str, i64, i64); 9] = [
    ("processId", 7, 0),
    ("parentProcessId", 5, 0),
    ("userId", 3, 33),
    ("mountNamespace", 2, 4_026_531_839),
    ("eventId", 11, 0),
    ("argsNum", 4, 0),
    ("returnValue", 3, -1),
    ("sus", 2, 0),
    ("evil", 2, 0),
];
const TEXTS: [(&str, [&str; 3]); 4] = [
    ("processName", ["cron", "sshd", "é's"]),
    ("hostName", ["web-1", "web-2", "db"]),
    ("eventName", ["openat", "close", "execve"]),
    (
        "args",
        [
            "[]",
            "[{'name': 'pathname', 'value': '/etc/x'}]",
            "[{'name': 'fd', 'value': 3}]",
        ],
    ),
];

fn whole(index: usize, (_, period, first): (&str, i64, i64)) -> i64 {
    let rare = usize::from(index.is_multiple_of(97)) * 3;
    ((index + rare) as i64 % period) + first
}

fn text(index: usize, values: [&'static str; 3]) -> &'static str {
    values[(index / 7 + index) % 3]
}

fn time(index: usize) -> f64 {
    index as f64 + 0.25
}

/// How the values of a table are written as text.
#[derive(Clone, Copy)]
enum Written {
    Plain,
    /// As pandas writes a column of numbers that has a missing value: 33.0.
    AsFloats,
    Padded,
}

impl Written {
    fn number(self, value: i64) -> String {
        match self {
            Self::Plain => value.to_string(),
            Self::AsFloats => format!("{value}.0"),
            Self::Padded => format!(" {value} "),
        }
    }
}

fn csv(written: Written) -> String {
    let names = WHOLE.map(|(name, ..)| name).into_iter();
    let names: Vec<_> = names.chain(TEXTS.map(|(name, _)| name)).collect();
    let mut table = format!("timestamp,{}\n", names.join(","));
    for index in 0..EVENTS {
        let numbers = WHOLE.map(|column| written.number(whole(index, column)));
        let texts = TEXTS.map(|(_, values)| format!("\"{}\"", text(index, values)));
        table += &format!(
            "{},{},{}\n",
            time(index),
            numbers.join(","),
            texts.join(",")
        );
    }
    table
}

fn json(written: Written) -> String {
    let mut lines = String::new();
    for index in 0..EVENTS {
        let numbers = WHOLE.map(|column| {
            let value = written.number(whole(index, column));
            match written {
                Written::Padded => format!("\"{}\":\"{value}\"", column.0),
                _ => format!("\"{}\":{value}", column.0),
            }
        });
        let texts = TEXTS.map(|(name, values)| format!("\"{name}\":\"{}\"", text(index, values)));
        let (time, numbers, texts) = (time(index), numbers.join(","), texts.join(","));
        lines += &format!("{{\"timestamp\":{time},{numbers},{texts}}}\n");
    }
    lines
}

fn dictionary(values: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int16), Box::new(values))
}

/// Returns the types that can hold the whole numbers of a column exactly.
fn whole_types(column: (&str, i64, i64)) -> Vec<DataType> {
    let mut types = vec![
        DataType::Int64,
        DataType::Float64,
        DataType::Decimal128(12, 0),
        DataType::Decimal128(24, 3),
        DataType::Decimal256(40, 1),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        dictionary(DataType::Utf8),
        dictionary(DataType::Int64),
    ];
    let (_, period, first) = column;
    let last = first + period - 1;
    if first >= 0 {
        types.push(DataType::UInt64);
        if u32::try_from(last).is_ok() {
            types.push(DataType::UInt32);
        }
    }
    if i8::try_from(last).is_ok() {
        types.extend([
            DataType::Int8,
            DataType::Int32,
            DataType::Float32,
            DataType::Float16,
        ]);
    }
    if first == 0 && period == 2 {
        types.push(DataType::Boolean);
    }
    types
}

fn text_types() -> Vec<DataType> {
    vec![
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        dictionary(DataType::Utf8),
        dictionary(DataType::LargeUtf8),
        DataType::Binary,
        DataType::LargeBinary,
    ]
}

fn time_types() -> Vec<DataType> {
    vec![
        DataType::Float64,
        DataType::Float32,
        DataType::Decimal128(20, 6),
        DataType::Utf8,
        dictionary(DataType::Float64),
    ]
}

/// Returns the events in types that `choice` selects for each column.
fn typed(choice: usize) -> RecordBatch {
    let of = |types: Vec<DataType>, column: usize| types[(choice + column) % types.len()].clone();
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    let times: Float64Array = (0..EVENTS).map(|index| Some(time(index))).collect();
    columns.push((
        "timestamp",
        cast(&times, &of(time_types(), 0)).expect("a cast"),
    ));
    for (at, column) in WHOLE.into_iter().enumerate() {
        let data_type = of(whole_types(column), at);
        let values = (0..EVENTS).map(|index| whole(index, column));
        let array: ArrayRef = match data_type {
            DataType::Boolean => Arc::new(
                values
                    .map(|value| Some(value == 1))
                    .collect::<BooleanArray>(),
            ),
            DataType::Utf8 | DataType::LargeUtf8 => {
                let padded = values.map(|value| Some(format!(" {value}  ")));
                Arc::new(padded.collect::<StringArray>())
            }
            _ => Arc::new(values.map(Some).collect::<Int64Array>()),
        };
        columns.push((column.0, cast(&array, &data_type).expect("a cast")));
    }
    for (at, (name, values)) in TEXTS.into_iter().enumerate() {
        let texts: StringArray = (0..EVENTS).map(|index| Some(text(index, values))).collect();
        columns.push((name, cast(&texts, &of(text_types(), at)).expect("a cast")));
    }
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).expect("a temporary file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("space");
    writer.close().expect("space");
}

fn write_arrow(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).expect("a temporary file");
    let mut writer = FileWriter::try_new(file, &batch.schema()).expect("a writer");
    writer.write(batch).expect("space");
    writer.finish().expect("space");
}

async fn fit(source: &mut Source, recipe_name: &str) -> Model {
    let recipe = recipe(recipe_name);
    let model = train(&engine(2), source, &recipe, &small_forest()).await;
    model.unwrap_or_else(|error| panic!("{recipe_name}: {error}"))
}

/// Returns the scores of all events, as they are written to a file.
async fn scores(folder: &Folder, source: &mut Source, model: &Model) -> Vec<String> {
    let out = folder.path("scored.csv");
    score_to_file(&engine(2), model, source, &out, ScoreOptions::default())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let scored = folder.source(&["scored.csv"]);
    let scores = answer(
        &engine(1),
        scored,
        "SELECT score FROM events",
        TextFormat::Csv,
    )
    .await;
    scores.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_events_change_neither_model_nor_scores() {
    let folder = Folder::with(&[("plain.csv", csv(Written::Plain))]);
    let mut plain = folder.source(&["plain.csv"]);
    let mut expected = Vec::new();
    for name in RECIPES {
        let model = fit(&mut plain, name).await;
        let scored = scores(&folder, &mut plain, &model).await;
        assert_eq!(scored.len(), EVENTS + 1);
        expected.push((name, written(&model), scored, model));
    }
    for (name, written) in [("floats", Written::AsFloats), ("padded", Written::Padded)] {
        folder.write(&format!("{name}.csv"), csv(written));
        folder.write(&format!("{name}.ndjson"), json(written));
    }
    folder.write("plain.ndjson", json(Written::Plain));
    let mut texts = vec!["plain.ndjson".to_owned()];
    for name in ["floats", "padded"] {
        texts.extend([format!("{name}.csv"), format!("{name}.ndjson")]);
    }
    let mut sources: Vec<(String, Source)> = Vec::new();
    for name in texts {
        let source = folder.source(&[&name]);
        sources.push((name, source));
    }
    for choice in 0..13 {
        let batch = typed(choice);
        let types: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type().to_string())
            .collect();
        let types = types.join(", ");
        write_parquet(&folder.path("typed.parquet"), &batch);
        write_arrow(&folder.path("typed.arrow"), &batch);
        for file in ["typed.parquet", "typed.arrow"] {
            let named = format!("{choice}-{file}");
            std::fs::rename(folder.path(file), folder.path(&named)).expect("a file");
            sources.push((format!("{file} of {types}"), folder.source(&[&named])));
        }
        let options = ReadOptions::default();
        let source = Source::from_batches(&batch.schema(), [batch.clone()], &options);
        sources.push((format!("batches of {types}"), source.expect("a source")));
    }
    // Each source is tried with one of the recipes, in turn.
    for ((what, source), (name, model, scored, trained)) in
        sources.iter_mut().zip(expected.iter().cycle())
    {
        let fitted = written(&fit(source, name).await);
        assert!(fitted == *model, "{name}: {what}");
        let found = scores(&folder, source, trained).await;
        assert!(found == *scored, "{name}: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scorer_of_batches_converts_as_a_source_does() {
    let folder = Folder::with(&[("plain.csv", csv(Written::Plain))]);
    let model = fit(&mut folder.source(&["plain.csv"]), "context").await;
    let of = |batch: &RecordBatch| {
        let scorer = Scorer::new(&model, &batch.schema()).expect("a scorer");
        scorer.score(batch).expect("scores").values().to_vec()
    };
    let expected = of(&typed(0));
    for choice in 1..14 {
        assert_eq!(of(&typed(choice)), expected, "{choice}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_type_cannot_hold_is_refused_with_its_place() {
    let folder = Folder::with(&[("plain.csv", csv(Written::Plain))]);
    let batch = typed(0);
    let with = |array: ArrayRef| {
        let names = batch.schema();
        let columns = names.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, column)| match field.name().as_str() {
            "userId" => ("userId".to_owned(), Arc::clone(&array)),
            name => (name.to_owned(), Arc::clone(column)),
        });
        RecordBatch::try_from_iter(columns).expect("equal lengths")
    };
    let floats = (0..EVENTS).map(|index| if index == 300 { 33.5 } else { 33.0 });
    let floats: ArrayRef = Arc::new(floats.map(Some).collect::<Float64Array>());
    let texts = (0..EVENTS).map(|index| Some(if index == 7 { "root" } else { "0" }));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let times = cast(&Int64Array::from(vec![0; EVENTS]), &DataType::Date64).expect("a cast");
    for (name, array, says) in [
        (
            "floats",
            floats,
            ["row 301", "`userId` of type Float64", "`33.5`"],
        ),
        ("texts", texts, ["row 8", "`userId` of type Utf8", "`root`"]),
        ("dates", times, ["userId", "Date64", "whole numbers"]),
    ] {
        let batch = with(array);
        for extension in ["parquet", "arrow"] {
            let file = format!("{name}.{extension}");
            match extension {
                "parquet" => write_parquet(&folder.path(&file), &batch),
                _ => write_arrow(&folder.path(&file), &batch),
            }
            let error = match folder.open(&[&file], &ReadOptions::default()) {
                Err(error) => error,
                Ok(mut source) => {
                    let recipe = recipe("context");
                    failed(train(&engine(2), &mut source, &recipe, &small_forest()).await)
                }
            };
            assert_eq!(error.kind(), ErrorKind::Data);
            for part in says.into_iter().chain([file.as_str()]) {
                assert!(error.message().contains(part), "no `{part}` in {error}");
            }
            let hint = error.hint_text().expect("a hint").into_owned();
            assert!(hint.contains("write the column as Int64"), "{hint}");
        }
    }
}

/// Connections with their ports in any type: the rarity and the category of a port are those of its number.
#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_a_number_does_not_change_its_rarity_or_category() {
    let ports = (0..300).map(|row| [80_i64, 443, 80, 22][row % 4] + i64::from(row == 250));
    let ports: Vec<i64> = ports.collect();
    let lines = |written: &dyn Fn(i64) -> String| {
        ports.iter().map(|port| written(*port)).collect::<String>()
    };
    let numbers: ArrayRef = Arc::new(Int64Array::from(ports.clone()));
    let decimals = DataType::Decimal128(20, 4);
    let types = [
        DataType::Int64,
        DataType::UInt16,
        DataType::Float32,
        DataType::Float64,
        decimals,
    ];
    let folder = Folder::with(&[
        (
            "whole.csv",
            format!("port\n{}", lines(&|port| format!("{port}\n"))),
        ),
        (
            "point.csv",
            format!("port\n{}", lines(&|port| format!("{port}.0\n"))),
        ),
        (
            "point.ndjson",
            lines(&|port| format!("{{\"port\":{port}.0}}\n")),
        ),
    ]);
    let mut files = vec!["point.csv".to_owned(), "point.ndjson".to_owned()];
    for (index, data_type) in types.iter().enumerate() {
        let column = cast(&numbers, data_type).expect("the numbers fit");
        let batch = RecordBatch::try_from_iter([("port", column)]).expect("a column");
        write_parquet(&folder.path(&format!("{index}.parquet")), &batch);
        files.push(format!("{index}.parquet"));
    }
    let recipe = Recipe::from_toml(
        "name = 'ports'\n\
        [[feature]]\nname = 'rare'\nrarity = { of = 'port' }\n\
        [[feature]]\nname = 'given'\nrarity = { of = 'port > 100', given = ['port'] }\n\
        [[feature]]\nname = 'which'\nexpr = 'port'\nkind = 'categorical'\n",
    )
    .expect("a recipe");
    let mut plain = folder.source(&["whole.csv"]);
    let model = train(&engine(2), &mut plain, &recipe, &small_forest())
        .await
        .expect("a model");
    let expected = scores(&folder, &mut plain, &model).await;
    for file in files {
        let mut source = folder.source(&[&file]);
        let fitted = train(&engine(2), &mut source, &recipe, &small_forest()).await;
        let fitted = written(&fitted.expect("a model"));
        assert_eq!(fitted, written(&model), "{file}");
        let found = scores(&folder, &mut source, &model).await;
        assert_eq!(found, expected, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn features_of_numbers_that_doubles_cannot_tell_apart_are_named() {
    let line = |row: u64| format!("{},{},{row}\n", (1 << 53) + row, (1 << 52) + row);
    let rows: String = (0..300).map(line).collect();
    let folder = Folder::with(&[("t.csv", format!("id,kept,n\n{rows}"))]);
    let model = fit(&mut folder.source(&["t.csv"]), "raw").await;
    assert_eq!(model.rounded_features(), ["id"]);
}
