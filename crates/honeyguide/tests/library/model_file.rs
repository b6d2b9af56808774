//! Model files: files that this release wrote stay readable, and files that are no models are refused.

use std::path::Path;

use crate::common::{Folder, HEADER, engine, event, events, written};
use honeyguide::drift::drift;
use honeyguide::evaluate::evaluate;
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::{
    Contamination, ErrorKind, MaxSamples, Model, Novelty, Recipe, Source, ThresholdMethod,
    ThresholdPolicy, TrainOptions, train,
};
use serde_json::{Value, json};

const RECIPE: &str = "name = 'every kind'\n\
    [[feature]]\nname = 'user'\nexpr = 'userId'\n\
    [[feature]]\nname = 'time'\nexpr = 'timestamp'\ntransform = 'standard'\n\
    [[feature]]\nname = 'call'\nexpr = 'eventId'\nkind = 'categorical'\n\
    [[feature]]\nname = 'rare'\nrarity = { of = 'returnValue', given = ['processId'] }\n";

/// Trains a model that has every kind of feature.
async fn model() -> Model {
    model_with(Novelty::Plain).await
}

async fn model_with(novelty: Novelty) -> Model {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let recipe = Recipe::from_toml(RECIPE).expect("a recipe");
    let options = TrainOptions {
        n_estimators: 4,
        max_samples: Some(MaxSamples::Count(32)),
        novelty: Some(novelty),
        threshold: ThresholdPolicy::Contamination(Contamination::Fraction(0.1)),
        ..TrainOptions::default()
    };
    let mut source = folder.source(&["good.csv"]);
    let model = train(&engine(2), &mut source, &recipe, &options).await;
    model.expect("a model")
}

/// Loads `content` as a model file, which must be refused with the file's name, a message that contains `says`, and a
/// hint.
fn refused(what: &str, content: &[u8], says: &str) {
    let folder = Folder::with(&[("changed.json", content)]);
    let error = Model::load(&folder.path("changed.json")).expect_err(what);
    assert_ne!(error.kind(), ErrorKind::Usage, "{what}: {error}");
    for part in ["changed.json", says] {
        assert!(error.to_string().contains(part), "{what}: {error}");
    }
    assert!(error.hint_text().is_some(), "{what}: {error}");
}

#[test]
fn files_that_are_not_models_are_refused() {
    let nested = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for (what, content, says) in [
        ("empty", Vec::new(), "not a honeyguide model"),
        ("a table", events(3).into_bytes(), "not a honeyguide model"),
        ("noise", vec![0xff; 1000], "not text"),
        ("a number", b"12".to_vec(), "not a honeyguide model"),
        ("null", b"null".to_vec(), "not a honeyguide model"),
        ("another object", b"{}".to_vec(), "missing field `format`"),
        (
            "another format",
            br#"{"format":"x","version":1,"honeyguide":"0"}"#.to_vec(),
            "format is `x`",
        ),
        (
            "deep nesting",
            nested.into_bytes(),
            "not a honeyguide model",
        ),
    ] {
        refused(what, &content, says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_is_refused_in_a_clear_sentence() {
    let mut model: Value = serde_json::from_str(&written(&model().await)).expect("JSON");
    model["version"] = json!(5);
    model["honeyguide"] = json!("9.1.0");
    model["something new"] = json!({"of": "that version"});
    let says = "written by honeyguide 9.1.0 in version 5 of the format; this release reads up to version 4";
    refused("a newer version", model.to_string().as_bytes(), says);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_numbers_and_repeated_fields_are_refused() {
    let text = written(&model().await);
    let threshold = |value: &str| {
        let (before, rest) = text
            .split_once("\"threshold\":{\"value\":")
            .expect("a threshold");
        let (_, after) = rest.split_once(',').expect("a method");
        format!("{before}\"threshold\":{{\"value\":{value},{after}")
    };
    for (what, content) in [
        ("1e999", threshold("1e999")),
        ("NaN", threshold("NaN")),
        ("-Infinity", threshold("-Infinity")),
        (
            "two versions",
            text.replacen("\"version\":4", "\"version\":4,\"version\":2", 1),
        ),
        (
            "an unknown field",
            text.replacen("\"version\":4", "\"version\":4,\"extra\":1", 1),
        ),
        ("text after the end", text.clone() + "{}"),
    ] {
        refused(what, content.as_bytes(), "not a honeyguide model");
    }
}

/// Returns the path of a fixture: a model of this release, events for it, or their scores.
fn fixture(name: &str) -> String {
    format!(
        "{}/tests/library/fixtures/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// Returns the table of events for the model of this release.
fn fixture_events() -> String {
    (0..40).fold(format!("{HEADER}\n"), |text, index| {
        text + &event(index * 12) + "\n"
    })
}

/// Returns the model and the events of the first release.
fn first_release() -> (Model, Source) {
    let model = Model::load(Path::new(&fixture("model-v1.json"))).expect("the model");
    let source = Source::open([fixture("model-v1.csv")]).expect("the events");
    (model, source)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_of_the_first_release_is_still_read() {
    let folder = Folder::new();
    let (model, mut source) = first_release();
    let scored = folder.path("scored.csv");
    let options = ScoreOptions::default();
    let summary = score_to_file(&engine(2), &model, &mut source, &scored, options).await;
    assert_eq!(summary.expect("scores").events, 40);
    let expected = std::fs::read(fixture("model-v1-scored.csv")).expect("the fixture");
    let expected = String::from_utf8(expected).expect("text");
    // The stored table ends with the verdict; three more columns follow it today.
    let scored = folder.text("scored.csv");
    let scored = scored
        .lines()
        .filter_map(|line| line.rsplitn(4, ',').last());
    assert!(
        scored.eq(expected.lines()),
        "the scores of a stored model changed"
    );
    let evaluated = evaluate(&engine(2), &model, &mut source, None).await;
    assert_eq!(evaluated.expect("labels").events, 40);
    let compared = drift(&engine(2), &model, &mut source).await;
    assert_eq!(compared.expect("drift").events, 40);
}

/// `import` of the command line made `model-v2.json` of a forest with `--threshold 0.6`; the table beside the forest has
/// the scores of scikit-learn.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_model_of_version_2_is_still_read() {
    let model = Model::load(Path::new(&fixture("model-v2.json"))).expect("the model");
    assert_eq!(model.threshold().method, ThresholdMethod::Given {});
    let imported = model.training().imported.as_ref().expect("an origin");
    assert_eq!(imported.to_string(), "scikit-learn 1.9.1");
    let events = include_str!("../../../cli/tests/fixtures/import/events.csv");
    let folder = Folder::with(&[("events.csv", events)]);
    let mut source = folder.source(&["events.csv"]);
    let found = most_anomalous(&engine(2), &model, &mut source, Listing::top(1)).await;
    let first = found.expect("scores").anomalies.remove(0);
    let expected = first.event.get("expected_bootstrap").expect("a score");
    let expected: f64 = expected.parse().expect("a number");
    assert!((first.score - expected).abs() < 1e-12);
}

/// `train --trees 2 --samples 32 --incidents-per-host-day 100000` made `model-v3.json` of simulated events.
#[test]
fn a_model_of_version_3_is_still_read() {
    let model = Model::load(Path::new(&fixture("model-v3.json"))).expect("the model");
    let ThresholdMethod::IncidentsPerHostDay { hosts, .. } = &model.threshold().method else {
        panic!("{:?}", model.threshold().method);
    };
    let events: u64 = hosts.iter().map(|host| host.events).sum();
    assert_eq!(events, model.training().events);
    let text = written(&model);
    let unsound = text.replacen("\"days\":", "\"days\":-", 1);
    refused(
        "a negative time",
        unsound.as_bytes(),
        "is not within 0 and 1",
    );
}

/// A model of version 3 holds the texts that doubles had then: `80.0`.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_version_3_keeps_its_texts_of_numbers() {
    let lines = |written: fn(usize) -> String| (0..60).map(written).collect::<String>();
    let folder = Folder::with(&[
        (
            "whole.csv",
            format!("port\n{}", lines(|row| format!("{}\n", 80 + row % 9 / 4))),
        ),
        (
            "point.csv",
            format!("port\n{}", lines(|row| format!("{}.0\n", 80 + row % 9 / 4))),
        ),
    ]);
    let recipe = "name = 'x'\n[[feature]]\nname = 'a'\nrarity = { of = 'port' }\n";
    let recipe = Recipe::from_toml(recipe).expect("a recipe");
    let mut source = folder.source(&["point.csv"]);
    let model = train(&engine(2), &mut source, &recipe, &TrainOptions::default()).await;
    let text = written(&model.expect("a model"));
    let texts = "[\"80\",\"81\",\"82\"]";
    assert!(text.contains(texts), "{text}");
    let older = text.replacen("\"version\":4", "\"version\":3", 1).replacen(
        texts,
        "[\"80.0\",\"81.0\",\"82.0\"]",
        1,
    );
    let [newer, older] = [text, older].map(|text| Model::from_json(&text).expect("a model"));
    let mut found = Vec::new();
    for (model, file) in [
        (&newer, "whole.csv"),
        (&newer, "point.csv"),
        (&older, "point.csv"),
        (&older, "whole.csv"),
    ] {
        let mut source = folder.source(&[file]);
        let first = most_anomalous(&engine(2), model, &mut source, Listing::top(3)).await;
        let rows = first.expect("scores").anomalies;
        found.push(rows.iter().map(|row| row.score).collect::<Vec<_>>());
    }
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    assert_ne!(found[0], found[3]);
    let again = written(&older);
    assert!(
        again.contains("\"version\":3") && again.contains("80.0"),
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_says_which_novelty_the_forest_has() {
    let text = written(&model_with(Novelty::Range).await);
    assert!(text.contains("\"novelty\":\"range\""));
    let read = Model::from_json(&text).expect("the model");
    assert_eq!(read.forest().novelty(), Novelty::Range);
    assert_eq!(first_release().0.forest().novelty(), Novelty::Plain);
    let older = text.replacen("\"version\":4", "\"version\":1", 1);
    let says = "novelty `range`, which version 1 of the format does not have";
    refused("a form that the version lacks", older.as_bytes(), says);
}

/// Writes the fixtures. Run it only before the first release, or to add fixtures under the name of a new version:
/// `cargo test -p honeyguide --test library -- --ignored write_the_fixtures`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the fixtures"]
async fn write_the_fixtures() {
    let made = model().await.save(Path::new(&fixture("model-v1.json")));
    made.expect("the fixtures' folder");
    std::fs::write(fixture("model-v1.csv"), fixture_events()).expect("the fixtures' folder");
    let (model, mut source) = first_release();
    let scored = fixture("model-v1-scored.csv");
    let (scored, options) = (Path::new(&scored), ScoreOptions::default());
    let summary = score_to_file(&engine(2), &model, &mut source, scored, options).await;
    summary.expect("the fixtures' folder");
}
