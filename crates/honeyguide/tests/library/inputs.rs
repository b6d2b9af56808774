//! A source takes files, record batches, a reader of batches and a stream of JSON. The same events give the same model and
//! the same scores, whatever they come from.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::error::Result as EngineResult;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use honeyguide::convert::{ConvertOptions, convert};
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    Distribute, Engine, Error, ErrorKind, Format, Model, ReadOptions, Recipe, Result, Source,
    StorageOptions, TrainOptions, calibrate, train,
};

use crate::common::{engine, failed, written};

const EVENTS: usize = 5000;
const RECIPE: &str = "name = 'inputs'\n\
    [[feature]]\nname = 'user'\nexpr = 'userId'\n\
    [[feature]]\nname = 'half'\nexpr = 'half'\nnulls = 'allow'\n\
    [[feature]]\nname = 'call'\nexpr = 'eventName'\nkind = 'categorical'\n";
const HOSTS: [&str; 3] = ["web-1", "web-2", "db"];
const CALLS: [&str; 3] = ["open", "close", "exec"];

/// The events from number `start` up to `end`.
fn events(start: usize, end: usize) -> RecordBatch {
    let numbers = || start..end;
    let users: Int64Array = numbers().map(|event| Some(event as i64 % 7)).collect();
    let halves: Float64Array = numbers()
        .map(|event| (event % 11 > 0).then_some((event % 5) as f64 / 2.0))
        .collect();
    let calls: StringArray = numbers()
        .map(|event| Some(CALLS[(event % 97) % CALLS.len()]))
        .collect();
    let hosts: StringArray = numbers().map(|event| Some(HOSTS[event % 3])).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("userId", Arc::new(users) as ArrayRef, true),
        ("half", Arc::new(halves) as ArrayRef, true),
        ("eventName", Arc::new(calls) as ArrayRef, true),
        ("hostName", Arc::new(hosts) as ArrayRef, true),
    ])
    .unwrap()
}

/// The same events as lines of JSON.
fn lines(start: usize, end: usize) -> String {
    let line = |event: usize| {
        let half = match event % 11 {
            0 => "null".to_owned(),
            _ => format!("{:?}", (event % 5) as f64 / 2.0),
        };
        let (user, call, host) = (event % 7, CALLS[(event % 97) % 3], HOSTS[event % 3]);
        format!(
            "{{\"userId\":{user},\"half\":{half},\"eventName\":\"{call}\",\"hostName\":\"{host}\"}}\n"
        )
    };
    (start..end).map(line).collect()
}

/// All events in batches of uneven lengths, one of them empty and one much longer than a batch of the engine.
fn batches() -> Vec<RecordBatch> {
    let bounds = [(0, 1), (1, 1), (1, 100), (100, 4900), (4900, EVENTS)];
    bounds.map(|(start, end)| events(start, end)).to_vec()
}

fn schema() -> SchemaRef {
    events(0, 1).schema()
}

fn reader(
    batches: Vec<std::result::Result<RecordBatch, ArrowError>>,
) -> RecordBatchIterator<impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>>> {
    RecordBatchIterator::new(batches.into_iter(), schema())
}

fn of_batches() -> Source {
    Source::from_batches(&schema(), batches(), &ReadOptions::default()).unwrap()
}

fn of_reader() -> Source {
    let batches = batches().into_iter().map(Ok).collect();
    Source::from_reader(reader(batches), &ReadOptions::default()).unwrap()
}

fn of_json(text: impl Into<Vec<u8>>) -> Result<Source> {
    Source::from_json(Cursor::new(text.into()), &ReadOptions::default())
}

fn json() -> Source {
    of_json(lines(0, EVENTS)).unwrap()
}

fn recipe() -> Recipe {
    Recipe::from_toml(RECIPE).unwrap()
}

fn options() -> TrainOptions {
    TrainOptions {
        n_estimators: 10,
        ..TrainOptions::default()
    }
}

async fn fit(engine: &Engine, source: &mut Source) -> Result<Model> {
    train(engine, source, &recipe(), &options()).await
}

/// Writes the events as files of several formats, and returns sources of them.
fn files(folder: &Path) -> Vec<Source> {
    let at = |name: &str| folder.join(name);
    let all = concat_batches(&schema(), &batches()).unwrap();
    std::fs::write(at("events.ndjson"), lines(0, EVENTS)).unwrap();
    let mut parquet =
        ArrowWriter::try_new(File::create(at("events.parquet")).unwrap(), schema(), None).unwrap();
    parquet.write(&all).unwrap();
    parquet.close().unwrap();
    let mut arrow = FileWriter::try_new(File::create(at("events.arrow")).unwrap(), &schema());
    let arrow = arrow.as_mut().unwrap();
    arrow.write(&all).unwrap();
    arrow.finish().unwrap();
    let names = ["events.ndjson", "events.parquet", "events.arrow"];
    let open = |name| Source::open([at(name).to_str().unwrap()]).unwrap();
    names.map(open).into()
}

fn assert_read_twice(error: &Error) {
    let text = error.to_string();
    assert!(text.contains("a stream can be read only once"), "{text}");
    let hint = error.hint_text().unwrap();
    assert!(
        hint.contains("record batches") && hint.contains("file"),
        "{hint}"
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn inputs_are_named_by_whatever_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let owned = vec![path.display().to_string()];
    for source in [
        Source::open(&owned),
        Source::open(owned.as_slice()),
        Source::open([owned[0].as_str()]),
        Source::open(owned.clone()),
    ] {
        assert_eq!(source.unwrap().files().len(), 1);
    }
    let nothing: [&str; 0] = [];
    assert_eq!(failed(Source::open(nothing)).kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn the_same_events_give_the_same_model_whatever_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut sources = files(folder.path());
    let expected = written(&fit(&engine(1), &mut sources[0]).await.unwrap());
    sources.extend([of_batches(), of_reader(), json()]);
    // Scans of these sources are still to come.
    sources.remove(0);
    for source in &mut sources {
        let model = fit(&engine(3), source).await.unwrap();
        assert_eq!(written(&model), expected, "{source:?}");
    }
    let mut again = of_batches();
    for threads in [1, 2, 8] {
        let model = fit(&engine(threads), &mut again).await.unwrap();
        assert_eq!(written(&model), expected, "{threads} threads");
    }
}

#[tokio::test]
async fn the_same_events_have_the_same_scores_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(2);
    let mut sources = files(folder.path());
    let mut model = fit(&engine, &mut sources[1]).await.unwrap();
    calibrate(&engine, &mut model, &mut sources[1], 0.05)
        .await
        .unwrap();
    for ending in ["csv", "ndjson", "parquet"] {
        let out = folder.path().join(format!("scored.{ending}"));
        let mut expected = None;
        let [of_json, of_parquet, of_arrow] = files(folder.path()).try_into().unwrap();
        for mut source in [
            of_json,
            of_parquet,
            of_arrow,
            of_batches(),
            of_reader(),
            json(),
        ] {
            let summary = score_to_file(
                &engine,
                &model,
                &mut source,
                out.as_path(),
                ScoreOptions::default(),
            );
            assert_eq!(summary.await.unwrap().events, EVENTS as u64);
            let written = Source::open([out.to_str().unwrap()]).unwrap();
            let database = Database::new(&engine, None, StorageOptions::default());
            let mut database = database.unwrap();
            database.add("scored", written).unwrap();
            // The name of the file or of the stream is all that may differ.
            let query = "SELECT * EXCLUDE (source_file) FROM scored";
            let mut found = String::new();
            let answer = database.text(query, TextFormat::Csv).await;
            answer.unwrap().read_to_string(&mut found).unwrap();
            assert_eq!(
                *expected.get_or_insert_with(|| found.clone()),
                found,
                "{source:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_anomaly_says_which_row_of_what_it_is() {
    let engine = engine(2);
    let model = fit(&engine, &mut of_batches()).await.unwrap();
    let mut found = Vec::new();
    for (mut source, name) in [
        (of_batches(), "record batches"),
        (of_reader(), "record batch reader"),
        (json(), "JSON stream"),
    ] {
        let mut anomalies = most_anomalous(&engine, &model, &mut source, Listing::top(5))
            .await
            .unwrap()
            .anomalies;
        for anomaly in &mut anomalies {
            assert_eq!(anomaly.file, Path::new(name));
            anomaly.file = "the data".into();
        }
        found.push(anomalies);
    }
    assert_eq!(found[0].len(), 5);
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    let options = ReadOptions {
        name: Some("today".into()),
        ..ReadOptions::default()
    };
    let mut named = Source::from_batches(&schema(), batches(), &options).unwrap();
    let anomalies = most_anomalous(&engine, &model, &mut named, Listing::top(1))
        .await
        .unwrap()
        .anomalies;
    assert_eq!(anomalies[0].file, Path::new("today"));
}

#[tokio::test]
async fn queries_read_batches_and_streams() {
    let query = "SELECT count(*) AS n, sum(half) AS s, max(\"userId\") AS u FROM events";
    let mut answers = Vec::new();
    for source in [of_batches(), of_reader(), json()] {
        let mut database = Database::new(&engine(3), None, StorageOptions::default()).unwrap();
        database.add("events", source).unwrap();
        let mut text = String::new();
        let mut answer = database.text(query, TextFormat::Csv).await.unwrap();
        answer.read_to_string(&mut text).unwrap();
        answers.push(text);
    }
    assert!(answers[0].contains("5000"), "{}", answers[0]);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn one_long_batch_is_sorted_within_the_memory_of_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 100_000;
    let numbers: Int64Array = (0..rows).rev().map(Some).collect();
    let texts: StringArray = (0..rows).map(|row| Some(format!("{row:>400}"))).collect();
    let long = RecordBatch::try_from_iter([
        ("number", Arc::new(numbers) as ArrayRef),
        ("text", Arc::new(texts) as ArrayRef),
    ])
    .unwrap();
    let roles = ReadOptions {
        time_column: Some("number".into()),
        ..ReadOptions::default()
    };
    let schema = long.schema();
    let reader = RecordBatchIterator::new([Ok(long.clone())], long.schema());
    for mut source in [
        Source::from_batches(&schema, [long.clone()], &roles).unwrap(),
        Source::from_reader(reader, &roles).unwrap(),
    ] {
        let out = folder.path().join("sorted.parquet");
        let options = ConvertOptions::default();
        let converted = convert(&engine(1), &mut source, out.as_path(), &options)
            .await
            .unwrap();
        assert_eq!(converted.events, rows as u64);
        assert_eq!(converted.sorted_by, ["number"]);
        assert_eq!(converted.bytes_before, 0);
    }
}

#[tokio::test]
async fn a_second_scan_of_a_stream_fails_in_words() {
    let engine = engine(2);
    for mut source in [of_reader(), json()] {
        assert!(!source.is_repeatable());
        let mut copy = source.clone();
        let mut model = fit(&engine, &mut source).await.unwrap();
        assert_read_twice(&failed(fit(&engine, &mut source).await));
        assert_read_twice(&failed(fit(&engine, &mut copy).await));
        let second = calibrate(&engine, &mut model, &mut source, 0.1).await;
        assert_read_twice(&failed(second));
    }
    let join = "SELECT count(*) FROM events AS a JOIN events AS b ON a.half = b.half";
    let mut database = Database::new(&engine, None, StorageOptions::default()).unwrap();
    database.add("events", of_reader()).unwrap();
    assert_read_twice(&failed(database.preview(join, 1).await));
}

#[tokio::test]
async fn a_later_fraction_is_not_taken_for_a_whole_number() {
    let text = lines(0, 1500) + "{\"userId\":0.5,\"eventName\":\"open\"}\n" + &lines(0, 10);
    let mut source = of_json(text.clone()).unwrap();
    let error = failed(fit(&engine(2), &mut source).await);
    let expected =
        "JSON stream: line 1501: `userId`: a value of another type than the first lines have there";
    assert_eq!(error.message(), expected);
    assert!(error.hint_text().unwrap().contains("file"));
    // A file is read again.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ndjson");
    std::fs::write(&path, text).unwrap();
    let mut source = Source::open([path.to_str().unwrap()]).unwrap();
    let model = fit(&engine(2), &mut source).await.unwrap();
    assert_eq!(model.training().events, 1511);
}

#[tokio::test]
async fn bad_lines_of_a_stream_are_counted_with_their_numbers() {
    let text = lines(0, 1200) + "\n{\"userId\":\n" + &lines(0, 800) + "[1]\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ndjson");
    std::fs::write(&path, &text).unwrap();
    let mut file = Source::open([path.to_str().unwrap()]).unwrap();
    let options = ReadOptions {
        name: Some(path.display().to_string()),
        ..ReadOptions::default()
    };
    let input = Cursor::new(text.clone());
    let mut stream = Source::from_json(input, &options).unwrap();
    for source in [&mut file, &mut stream] {
        fit(&engine(2), source).await.unwrap();
    }
    let intake = stream.counts().intake.clone().unwrap();
    assert_eq!((intake.events, intake.bad_lines), (2000, 2));
    let first = &intake.first_bad_lines;
    assert!(first[0].contains("a.ndjson: line 1202: "), "{first:?}");
    assert!(first[1].contains("a.ndjson: line 2003: "), "{first:?}");
    assert_eq!(stream.counts(), file.counts());

    let strict = ReadOptions {
        strict: true,
        ..ReadOptions::default()
    };
    let mut stream = Source::from_json(Cursor::new(text), &strict).unwrap();
    let error = failed(fit(&engine(2), &mut stream).await);
    assert!(
        error
            .to_string()
            .starts_with("JSON stream: line 1202: column"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stream_may_be_compressed_and_come_in_small_pieces() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines(0, EVENTS).as_bytes()).unwrap();
    let pieces = Drops(Cursor::new(gzip.finish().unwrap()));
    let mut stream = Source::from_json(pieces, &ReadOptions::default()).unwrap();
    let expected = fit(&engine(1), &mut json()).await.unwrap();
    let model = fit(&engine(1), &mut stream).await.unwrap();
    assert_eq!(written(&model), written(&expected));
}

/// A reader that gives few bytes at once.
struct Drops(Cursor<Vec<u8>>);

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(7);
        self.0.read(&mut buffer[..most])
    }
}

#[tokio::test]
async fn streams_that_break_say_so() {
    let broken = [Ok(events(0, 10)), Err(ArrowError::IpcError("gone".into()))];
    let options = ReadOptions::default();
    let mut source = Source::from_reader(reader(broken.into()), &options).unwrap();
    let error = failed(fit(&engine(2), &mut source).await).to_string();
    assert!(
        error.contains("record batch reader: the next record batch"),
        "{error}"
    );
    assert!(error.contains("gone"), "{error}");

    let other = events(0, 10).project(&[1, 0, 2, 3]).unwrap();
    let mut source = Source::from_reader(reader(vec![Ok(other)]), &options).unwrap();
    let error = failed(fit(&engine(2), &mut source).await).to_string();
    assert!(
        error.contains("column 1 of a batch is `half` of type Float64"),
        "{error}"
    );

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line is dead"))
        }
    }
    let input = Cursor::new(lines(0, 2000)).chain(Broken);
    let mut source = Source::from_json(input, &options).unwrap();
    let error = failed(fit(&engine(2), &mut source).await);
    assert_eq!(error.message(), "cannot read JSON stream: the line is dead");
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[tokio::test]
async fn inputs_without_events_say_so() {
    let options = ReadOptions::default();
    let mut batches = Source::from_batches(&schema(), [], &options).unwrap();
    let mut reader = Source::from_reader(reader(Vec::new()), &options).unwrap();
    for (source, expected) in [
        (&mut batches, "record batches: no rows"),
        (&mut reader, "record batch reader: no rows"),
    ] {
        let error = failed(fit(&engine(2), source).await);
        assert_eq!(error.message(), expected);
    }
    let error = failed(of_json(""));
    assert_eq!(error.message(), "JSON stream: the stream is empty");
    let error = failed(of_json("\n[1,2]\n"));
    assert!(
        error
            .to_string()
            .starts_with("JSON stream: line 2: not a JSON object"),
        "{error}"
    );
    let none = Arc::new(datafusion::arrow::datatypes::Schema::empty());
    let error = failed(Source::from_batches(&none, [], &options));
    assert_eq!(error.message(), "record batches: a schema without columns");
}

#[test]
fn a_stream_of_lines_is_json() {
    let options = |format| ReadOptions {
        format: Some(format),
        ..ReadOptions::default()
    };
    let error = failed(Source::from_json(io::empty(), &options(Format::Parquet)));
    assert!(error.to_string().contains("only lines of JSON"), "{error}");
    let event = "{\"eventName\":\"open\",\"processId\":2,\"timestamp\":1,\"args\":[]}\n";
    let tracee = options("tracee".parse().unwrap());
    let source = Source::from_json(Cursor::new(event), &tracee).unwrap();
    assert!(source.has_column("returnValue"));
}

#[test]
fn roles_are_options_of_all_sources() {
    let roles = ReadOptions {
        host_column: Some("eventName".into()),
        time_column: Some("userId".into()),
        ..ReadOptions::default()
    };
    let wrong = ReadOptions {
        host_column: Some("nobody".into()),
        ..ReadOptions::default()
    };
    let open = |options: &ReadOptions| {
        let reader = reader(batches().into_iter().map(Ok).collect());
        [
            Source::from_batches(&schema(), batches(), options),
            Source::from_reader(reader, options),
            Source::from_json(Cursor::new(lines(0, 10)), options),
        ]
    };
    for source in open(&roles) {
        let source = source.unwrap();
        assert_eq!(source.log().host(), Some("eventName"));
        assert_eq!(source.log().time(), Some("userId"));
    }
    for source in open(&wrong) {
        let error = failed(source);
        assert_eq!(
            error.message(),
            "`host_column` nobody: the data has no such column"
        );
    }
}

#[test]
fn sources_without_files_have_none() {
    for source in [of_batches(), of_reader(), json()] {
        assert_eq!(source.files().len(), 0);
        assert!(!source.is_simulated());
        source.refuse_as_output(Path::new("JSON stream")).unwrap();
    }
}

#[tokio::test]
async fn a_value_without_a_place_is_still_an_error() {
    let text = lines(0, 1500) + "{\"userId\":1,\"half\":1e400}\n{\"half\":1e308}\n";
    let recipe = "name = 'too large'\n[[feature]]\nname = 'h'\nexpr = 'half * 1e10'\n";
    let recipe = Recipe::from_toml(recipe).unwrap();
    let mut source = of_json(text).unwrap();
    let error = failed(train(&engine(2), &mut source, &recipe, &options()).await);
    assert!(error.to_string().starts_with("feature `h`"), "{error}");
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("write the events to a file")
    );
}

/// Other machines that have nothing to do.
struct Nobody;

impl Distribute for Nobody {
    fn slots(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    fn configure(&self, config: SessionConfig) -> SessionConfig {
        config
    }

    fn distribute(&self, plan: Arc<dyn ExecutionPlan>) -> EngineResult<Arc<dyn ExecutionPlan>> {
        Ok(plan)
    }
}

#[tokio::test]
async fn a_cluster_refuses_what_only_this_process_can_read() {
    let engine = Engine::distributed(Arc::new(Nobody)).unwrap();
    for mut source in [of_batches(), of_reader(), json()] {
        let error = failed(fit(&engine, &mut source).await);
        let text = error.to_string();
        assert!(
            text.contains("the machines of a cluster cannot read this"),
            "{text}"
        );
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}

/// Work on a source can be spawned on a runtime with several threads.
#[tokio::test]
async fn futures_can_be_sent_to_another_thread() {
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let (engine, recipe, options) = (engine(1), recipe(), options());
    let mut source = of_batches();
    let trained = sent(train(&engine, &mut source, &recipe, &options));
    let model = trained.await.unwrap();
    let listed = sent(most_anomalous(
        &engine,
        &model,
        &mut source,
        Listing::top(1),
    ));
    assert_eq!(listed.await.unwrap().anomalies.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scored.csv");
    let written = sent(score_to_file(
        &engine,
        &model,
        &mut source,
        out.as_path(),
        ScoreOptions::default(),
    ));
    assert_eq!(written.await.unwrap().events, EVENTS as u64);
}
