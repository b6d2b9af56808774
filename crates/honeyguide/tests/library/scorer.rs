//! Tests of the scorer of Arrow batches: its scores are those of the table that `score` writes, whatever the batches.

use std::sync::Arc;

use honeyguide::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use honeyguide::arrow::datatypes::{DataType, Field, Schema};
use honeyguide::event::Event;
use honeyguide::score::{
    Listing, ScoreOptions, Selection, explain_event, most_anomalous, score_to_file,
};
use honeyguide::{ErrorKind, Model, ReadOptions, Recipe, Scorer, Source, TrainOptions, train};

use crate::common::engine;

const RECIPE: &str = r#"
name = "scorer"

[[feature]]
name = "user"
expr = "userId"

[[feature]]
name = "half_or_null"
expr = "half"
nulls = "allow"

[[feature]]
name = "path"
rarity = { of = "arg(args, 'pathname')", given = ["eventName"] }
"#;
const EVENTS: usize = 700;

fn recipe() -> Recipe {
    Recipe::from_toml(RECIPE).expect("the recipe is valid")
}

/// Returns events, of which every 11th has a null and every 97th is rare.
fn events() -> RecordBatch {
    let numbers = || 0..EVENTS;
    let users: Int64Array = numbers().map(|event| Some(event as i64 % 7)).collect();
    let halves: Float64Array = numbers()
        .map(|event| (event % 11 > 0).then_some((event % 5) as f64 / 2.0))
        .collect();
    let calls: StringArray = numbers()
        .map(|event| Some(["openat", "close"][event % 2]))
        .collect();
    let args: StringArray = numbers()
        .map(|event| {
            let path = match event % 97 {
                0 => format!("/root/{event}"),
                _ => format!("/etc/{}", event % 3),
            };
            Some(format!(
                "[{{'name': 'pathname', 'type': 'const char*', 'value': '{path}'}}]"
            ))
        })
        .collect();
    RecordBatch::try_from_iter_with_nullable([
        ("userId", Arc::new(users) as ArrayRef, true),
        ("half", Arc::new(halves) as ArrayRef, true),
        ("eventName", Arc::new(calls) as ArrayRef, true),
        ("args", Arc::new(args) as ArrayRef, true),
    ])
    .expect("the columns have one length")
}

fn source(events: &RecordBatch) -> Source {
    let batches = [events.clone()];
    Source::from_batches(&events.schema(), batches, &ReadOptions::default()).expect("a source")
}

async fn model() -> Model {
    let options = TrainOptions {
        n_estimators: 20,
        ..TrainOptions::default()
    };
    let mut source = source(&events());
    let trained = train(&engine(2), &mut source, &recipe(), &options).await;
    trained.expect("a model")
}

/// Returns `rows` events of random and odd values, of which few or all repeat others.
fn odd_events(rows: usize, kinds: u64, seed: u64) -> RecordBatch {
    let mut state = seed;
    let mut draw = |below: u64| {
        // The generator of Steele, Lea & Flood 2014 (SplitMix64).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below
    };
    let odd = [
        None,
        Some(f64::NAN),
        Some(0.0),
        Some(-0.0),
        Some(5e-324),
        Some(-1e300),
    ];
    let halves = (0..rows).map(|_| match draw(kinds) {
        kind if kind < 6 => odd[kind as usize],
        kind => Some(kind as f64 / 2.0),
    });
    let halves: Float64Array = halves.collect();
    let users: Int64Array = (0..rows).map(|_| Some(draw(kinds) as i64 - 3)).collect();
    let names = [
        None,
        Some("openat"),
        Some("close"),
        Some(""),
        Some("größe"),
        Some("new"),
    ];
    let calls: StringArray = (0..rows).map(|_| names[draw(6) as usize]).collect();
    let args = (0..rows).map(|_| match draw(9) {
        0 => None,
        1 => Some("[{'name': 'pathname', 'value'".to_owned()),
        2 => Some("[]".to_owned()),
        _ => {
            let path = draw(kinds);
            Some(format!(
                "[{{'name': 'pathname', 'type': 't', 'value': '/etc/{path}'}}]"
            ))
        }
    });
    let args: StringArray = args.collect();
    RecordBatch::try_from_iter_with_nullable([
        ("userId", Arc::new(users) as ArrayRef, true),
        ("half", Arc::new(halves) as ArrayRef, true),
        ("eventName", Arc::new(calls) as ArrayRef, true),
        ("args", Arc::new(args) as ArrayRef, true),
    ])
    .expect("the columns have one length")
}

/// Returns the bits of the score, the features and the contributions of each row.
fn bits_of(scorer: &Scorer, batch: &RecordBatch) -> Vec<Vec<u64>> {
    let scores = scorer.score(batch).expect("scores");
    let contributions = scorer.contributions(&scores).expect("contributions");
    let contributions = contributions.values.chunks(contributions.n_features);
    let rows = contributions.enumerate().map(|(row, contributions)| {
        let numbers = [scores.values()[row]].into_iter();
        let numbers = numbers.chain(scores.features(row).iter().copied());
        numbers
            .chain(contributions.iter().copied())
            .map(f64::to_bits)
            .collect()
    });
    rows.collect()
}

/// A model that was just read has scored nothing yet, so that its forest scores whatever it is given.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_scored_before_have_the_bits_that_the_forest_gives() {
    let model = model().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.json");
    model.save(&file).expect("a model file");
    for (seed, kinds) in [(1, 8), (2, 60), (3, 1 << 40)] {
        let events = odd_events(1500, kinds, seed);
        let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
        let expected: Vec<Vec<u64>> = (0..events.num_rows())
            .step_by(50)
            .flat_map(|row| {
                let fresh = Model::load(&file).expect("the model");
                let scorer = Scorer::new(&fresh, &events.schema()).expect("a scorer");
                bits_of(&scorer, &events.slice(row, 1))
            })
            .collect();
        for rows in [1500, 1, 7, 1500, 300] {
            let batches = (0..events.num_rows()).step_by(rows);
            let batches = batches.map(|row| events.slice(row, rows.min(1500 - row)));
            let found: Vec<_> = batches.flat_map(|batch| bits_of(&scorer, &batch)).collect();
            let found: Vec<_> = found.into_iter().step_by(50).collect();
            assert_eq!(found, expected, "{kinds} kinds in batches of {rows}");
        }
    }
}

/// Returns the column of a CSV table that `score` wrote.
fn written(text: &str, name: &str) -> Vec<String> {
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    // The columns that are added come last, so commas within values do not shift them.
    let from_the_end = header.rsplit(',').position(|column| column == name);
    let at = from_the_end.expect("the column");
    let value = |line: &str| line.rsplit(',').nth(at).expect("a value").to_owned();
    lines.map(value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_those_of_the_table_whatever_the_batches() {
    let (model, events) = (model().await, events());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scored.csv");
    let options = ScoreOptions::default();
    score_to_file(&engine(2), &model, &mut source(&events), &path, options)
        .await
        .expect("a table");
    let text = std::fs::read_to_string(&path).expect("a table");
    let expected: Vec<u64> = written(&text, "score")
        .iter()
        .map(|score| score.parse::<f64>().expect("a number").to_bits())
        .collect();
    let verdicts = written(&text, "anomalous");
    assert_eq!(expected.len(), EVENTS);

    let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
    for rows in [1, 64, EVENTS] {
        let mut found = Vec::new();
        for start in (0..EVENTS).step_by(rows) {
            let batch = events.slice(start, rows.min(EVENTS - start));
            let scores = scorer.score(&batch).expect("scores");
            assert_eq!(scores.len(), batch.num_rows());
            assert_eq!(scores.to_array().values().as_ref(), scores.values());
            for (row, anomalous) in scores.verdicts().iter().enumerate() {
                assert_eq!(anomalous, Some(scores.is_anomalous(row)));
                assert_eq!(verdicts[start + row], scores.is_anomalous(row).to_string());
            }
            found.extend(scores.values().iter().map(|score| score.to_bits()));
        }
        assert_eq!(found, expected, "batches of {rows} rows");
    }
    assert!(
        scorer
            .score(&events.slice(0, 0))
            .expect("no scores")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_found_by_name() {
    let (model, events) = (model().await, events());
    let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
    let expected = scorer.score(&events).expect("scores");
    let reversed: Vec<usize> = (0..events.num_columns()).rev().collect();
    let reversed = events.project(&reversed).expect("columns");
    let schema = reversed.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    let columns = names.zip(reversed.columns().iter().cloned());
    let columns = columns.chain([("another".to_owned(), Arc::clone(events.column(0)))]);
    let more = RecordBatch::try_from_iter(columns).expect("a batch");
    for batch in [&reversed, &more] {
        assert_eq!(
            scorer.score(batch).expect("scores").values(),
            expected.values()
        );
        let own = Scorer::new(&model, &batch.schema()).expect("a scorer");
        assert_eq!(
            own.score(batch).expect("scores").values(),
            expected.values()
        );
    }
    let without = events.project(&[0, 1, 2]).expect("columns");
    let error = Scorer::new(&model, &without.schema()).expect_err("args is missing");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("args"), "{error}");
    let error = scorer.score(&without).expect_err("args is missing");
    assert!(error.to_string().contains("args"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contributions_add_up_to_the_path_length() {
    let (model, events) = (model().await, events());
    let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
    let scores = scorer.score(&events).expect("scores");
    let contributions = scorer.contributions(&scores).expect("contributions");
    let features = recipe().features.len();
    assert_eq!(contributions.values.len(), EVENTS * features);
    assert_eq!(contributions.n_features, features);
    for (row, values) in contributions.values.chunks(features).enumerate() {
        let path_length = contributions.base + values.iter().sum::<f64>();
        let score = scores.values()[row];
        assert!((path_length + score.log2()).abs() < 1e-12, "row {row}");
    }
    let selection = Selection::Row(98);
    let explained = explain_event(&engine(2), &model, &mut source(&events), &selection).await;
    let explained = explained.expect("an explanation");
    assert_eq!(explained.base.to_bits(), contributions.base.to_bits());
    let none = scorer.score(&events.slice(0, 0)).expect("no scores");
    let none = scorer.contributions(&none).expect("no contributions");
    assert_eq!((none.base, none.values.len()), (contributions.base, 0));
    for reason in &explained.anomaly.reasons {
        let names = recipe().features;
        let at = names
            .iter()
            .position(|feature| feature.name == reason.feature);
        let value = contributions.values[97 * features + at.expect("the feature")];
        assert_eq!(value.to_bits(), reason.contribution.to_bits());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_are_those_of_the_most_anomalous_events() {
    let (model, events) = (model().await, events());
    let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
    let scores = scorer.score(&events).expect("scores");
    let listed = most_anomalous(&engine(2), &model, &mut source(&events), Listing::top(3)).await;
    let listed = listed.expect("events").anomalies;
    assert_eq!(listed.len(), 3);
    for anomaly in listed {
        let row = usize::try_from(anomaly.row).expect("a row") - 1;
        assert_eq!(scores.values()[row].to_bits(), anomaly.score.to_bits());
        assert!(!anomaly.reasons.is_empty());
        let count = anomaly.reasons.len();
        let reasons = scorer.reasons(&events, &scores, [row], count);
        assert_eq!(reasons.expect("reasons"), [anomaly.reasons]);
        let event = Event::from_row(&events, row).expect("an event");
        assert_eq!(event, anomaly.event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_no_feature_can_take_are_refused_by_name() {
    let (model, events) = (model().await, events());
    let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
    let with = |position: usize, column: ArrayRef| {
        let mut columns = events.slice(0, 2).columns().to_vec();
        columns[position] = column;
        RecordBatch::try_new(events.schema(), columns).expect("a batch")
    };
    let null = with(0, Arc::new(Int64Array::from(vec![Some(1), None])));
    let error = scorer.score(&null).expect_err("a null is refused");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("user"), "{error}");
    let infinite = with(1, Arc::new(Float64Array::from(vec![1.0, f64::INFINITY])));
    let error = scorer.score(&infinite).expect_err("an infinity is refused");
    assert!(error.message().contains("half_or_null"), "{error}");
    let text = Schema::new(vec![
        Field::new("userId", DataType::Utf8, true),
        Field::new("half", DataType::Float64, true),
        Field::new("eventName", DataType::Utf8, true),
        Field::new("args", DataType::Utf8, true),
    ]);
    let error = Scorer::new(&model, &text).expect_err("text is no number");
    assert!(error.message().contains("user"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_args_are_counted_once() {
    let (model, events) = (model().await, events());
    let scorer = Scorer::new(&model, &events.schema()).expect("a scorer");
    scorer.score(&events).expect("scores");
    assert_eq!(scorer.take_malformed_args(), 0);
    let args: StringArray = (0..EVENTS)
        .map(|event| (event % 100 > 0).then_some("[]").or(Some("[{'name': ")))
        .collect();
    let mut columns = events.columns().to_vec();
    columns[3] = Arc::new(args);
    let batch = RecordBatch::try_new(events.schema(), columns).expect("a batch");
    scorer.score(&batch).expect("scores");
    assert_eq!(scorer.take_malformed_args(), 7);
    assert_eq!(scorer.take_malformed_args(), 0);
}
