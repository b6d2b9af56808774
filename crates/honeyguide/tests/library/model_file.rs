//! Model files: files that this release wrote stay readable, and files that are no models are refused.

use std::path::Path;

use crate::common::{Folder, engine, events, written};
use honeyguide::evaluate::evaluate;
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::{
    Contamination, ErrorKind, MaxSamples, Model, Novelty, Recipe, Source, ThresholdPolicy,
    TrainOptions, train,
};
use serde_json::{Value, json};

const RECIPE: &str = "name = 'every kind'\n\
    [[feature]]\nname = 'user'\nexpr = 'userId'\n\
    [[feature]]\nname = 'time'\nexpr = 'timestamp'\ntransform = 'standard'\n\
    [[feature]]\nname = 'call'\nexpr = 'eventId'\nkind = 'categorical'\n\
    [[feature]]\nname = 'rare'\nrarity = { of = 'returnValue', given = ['processId'] }\n";

/// Trains a model that has every kind of feature.
async fn model() -> Model {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let recipe = Recipe::from_toml(RECIPE).expect("a recipe");
    let options = TrainOptions {
        n_estimators: 4,
        max_samples: Some(MaxSamples::Count(32)),
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
    model["version"] = json!(3);
    model["honeyguide"] = json!("9.1.0");
    model["something new"] = json!({"of": "that version"});
    let says = "written by honeyguide 9.1.0 in version 3 of the format; this release reads up to version 2";
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
            text.replacen("\"version\":2", "\"version\":2,\"version\":2", 1),
        ),
        (
            "an unknown field",
            text.replacen("\"version\":2", "\"version\":2,\"extra\":1", 1),
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

/// Returns the stored model of a version of the format, and the stored events.
fn stored(version: u32) -> (Model, Source) {
    let model = Model::load(Path::new(&fixture(&format!("model-v{version}.json"))));
    let source = Source::open([fixture("model-v1.csv")]).expect("the events");
    (model.expect("the model"), source)
}

/// Scores the stored events. Returns the lines of the table without what follows the verdict, which later releases added.
async fn scored(model: &Model, source: &mut Source) -> Vec<String> {
    let folder = Folder::new();
    let path = folder.path("scored.csv");
    let summary = score_to_file(&engine(2), model, source, &path, ScoreOptions::default()).await;
    assert_eq!(summary.expect("scores").events, 40);
    let text = folder.text("scored.csv");
    let lines = text.lines();
    lines
        .filter_map(|line| line.rsplitn(4, ',').last().map(str::to_owned))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_every_version_are_still_read_and_keep_their_scores() {
    for (version, novelty) in [(1, Novelty::Plain), (2, Novelty::Range)] {
        let (model, mut source) = stored(version);
        assert_eq!(model.forest().novelty(), novelty);
        let expected = std::fs::read_to_string(fixture(&format!("model-v{version}-scored.csv")));
        let found = scored(&model, &mut source).await;
        assert!(
            found.iter().eq(expected.expect("the fixture").lines()),
            "the scores of the stored model of version {version} changed"
        );
        let evaluated = evaluate(&engine(2), &model, &mut source, None).await;
        assert_eq!(evaluated.expect("labels").events, 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_the_first_that_can_hold_the_forest() {
    for (version, novelty) in [(1, "\"novelty\":\"plain\""), (2, "\"novelty\":\"range\"")] {
        let text = written(&stored(version).0);
        assert!(text.contains(&format!("\"version\":{version},\"honeyguide\"")));
        assert_eq!(text.contains(novelty), version == 2);
    }
    let older = written(&stored(2).0).replacen("\"version\":2", "\"version\":1", 1);
    let says = "novelty `range`, which version 1 of the format does not have";
    refused("a form that the version lacks", older.as_bytes(), says);
}

/// Writes the fixtures of the newest version. Run it only to add fixtures under the name of a new version:
/// `cargo test -p honeyguide --test library -- --ignored write_the_fixtures`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the fixtures"]
async fn write_the_fixtures() {
    let made = model().await.save(Path::new(&fixture("model-v2.json")));
    made.expect("the fixtures' folder");
    let (model, mut source) = stored(2);
    let lines = scored(&model, &mut source).await;
    let text = lines.join("\n") + "\n";
    std::fs::write(fixture("model-v2-scored.csv"), text).expect("the fixtures' folder");
}
