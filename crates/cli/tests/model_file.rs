//! Model files: files that this release wrote stay readable, and it is safe to read a file with any other content.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Folder, Run, event, events};
use serde_json::{Value, json};

/// Creates a folder with events and a model of them that has every kind of feature.
fn folder() -> Folder {
    let recipe = "name = 'every kind'\n\
        [[feature]]\nname = 'user'\nexpr = 'userId'\n\
        [[feature]]\nname = 'time'\nexpr = 'timestamp'\ntransform = 'standard'\n\
        [[feature]]\nname = 'call'\nexpr = 'eventId'\nkind = 'categorical'\n\
        [[feature]]\nname = 'rare'\nrarity = { of = 'returnValue', given = ['processId'] }\n";
    let folder = Folder::with(&[
        ("good.csv", events(300)),
        ("recipe.toml", recipe.to_owned()),
    ]);
    folder.done(&[
        "train",
        "good.csv",
        "--recipe",
        "recipe.toml",
        "--trees",
        "4",
        "--samples",
        "32",
        "--contamination",
        "0.1",
        "--out",
        "model.json",
    ]);
    folder
}

/// Runs `score` with two GiB of address space and for at most ten seconds. The limit makes an allocation fail whose size
/// comes from the file.
fn score(folder: &Folder) -> Run {
    let program = assert_cmd::cargo::cargo_bin!("honeyguide")
        .display()
        .to_string();
    let script = format!(
        "ulimit -v 2097152; exec timeout 10 '{program}' score changed.json good.csv --threads 1"
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path("."))
        .output();
    Run::from_output(output.expect("bash"))
}

/// Returns the model as JSON with one value replaced.
fn with_value(model: &Value, pointer: &str, value: Value) -> Vec<u8> {
    let mut changed = model.clone();
    *changed
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in the model")) = value;
    changed.to_string().into_bytes()
}

/// Writes `content` as a model file, which `score` must refuse with a message that contains `says`.
fn refused(folder: &Folder, what: &str, content: &[u8], says: &str) {
    folder.write("changed.json", content);
    let run = score(folder);
    assert_eq!(run.status, 1, "{what}: {}{}", run.stdout, run.stderr);
    for part in ["changed.json", says, "help:"] {
        assert!(
            run.stderr.contains(part),
            "{what}: no `{part}` in {}",
            run.stderr
        );
    }
}

#[test]
fn files_that_are_not_models_are_refused() {
    let folder = folder();
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
        refused(&folder, what, &content, says);
    }
}

#[test]
fn a_newer_version_is_refused_in_a_clear_sentence() {
    let folder = folder();
    let mut model: Value = serde_json::from_slice(&folder.read("model.json")).expect("JSON");
    model["version"] = json!(2);
    model["honeyguide"] = json!("9.1.0");
    model["something new"] = json!({"of": "that version"});
    let says = "written by honeyguide 9.1.0 in version 2 of the format; this release reads up to version 1";
    refused(
        &folder,
        "a newer version",
        model.to_string().as_bytes(),
        says,
    );
}

#[test]
fn values_that_could_do_harm_are_refused() {
    let folder = folder();
    let model: Value = serde_json::from_slice(&folder.read("model.json")).expect("JSON");
    for (pointer, value) in [
        ("/version", json!(-1)),
        ("/version", json!("1")),
        ("/recipe", json!(null)),
        ("/recipe/feature", json!([])),
        ("/recipe/feature/0/expr", json!(null)),
        ("/recipe/feature/0/name", json!("time")),
        ("/encodings", json!([])),
        (
            "/encodings/0",
            json!({"standard": {"mean": 0.0, "scale": 0.0}}),
        ),
        ("/encodings/1/standard/scale", json!(-1.0)),
        ("/encodings/2/categories", json!(["1", "1"])),
        ("/encodings/2/categories", json!([])),
        ("/threshold/value", json!(1.5)),
        ("/threshold/value", json!(null)),
        ("/threshold/value", json!("0.5")),
        ("/training/fingerprint", json!("short")),
        ("/training/profile", json!([])),
        ("/training/events", json!(-1)),
        ("/forest/version", json!(99)),
        ("/forest/n_features", json!(0)),
        ("/forest/n_features", json!(1_000_000_000)),
        ("/forest/max_samples", json!(0)),
        ("/forest/max_samples", json!(u64::MAX)),
        ("/forest/offset", json!(null)),
        ("/forest/params/n_estimators", json!(1_000_000_000)),
        ("/forest/params/n_estimators", json!(0)),
        ("/forest/params/extension_level", json!(1_000_000)),
        ("/forest/params/column_kinds", json!(["numeric"])),
        ("/forest/trees", json!([])),
        ("/forest/trees", json!({})),
        ("/forest/trees/0", json!({})),
        ("/forest/trees/0/splits", json!([])),
        ("/forest/trees/0/splits", json!(vec![4_000_000_000_u64; 3])),
        ("/forest/trees/0/thresholds", json!([])),
        ("/forest/trees/0/leaf_events", json!([])),
        ("/forest/trees/0/leaf_events/0", json!(-1)),
    ] {
        refused(
            &folder,
            &format!("{pointer} = {value}"),
            &with_value(&model, pointer, value.clone()),
            "",
        );
    }
}

#[test]
fn invalid_numbers_and_repeated_fields_are_refused() {
    let folder = folder();
    let text = String::from_utf8(folder.read("model.json")).expect("text");
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
            text.replacen("\"version\":1", "\"version\":1,\"version\":1", 1),
        ),
        (
            "an unknown field",
            text.replacen("\"version\":1", "\"version\":1,\"extra\":1", 1),
        ),
        ("text after the end", text.clone() + "{}"),
    ] {
        refused(&folder, what, content.as_bytes(), "not a honeyguide model");
    }
}

/// A random generator for tests only (Marsaglia 2003, "Xorshift RNGs", J. Stat. Softw. 8(14), the triple 13, 7, 17).
struct Xorshift(u64);

impl Xorshift {
    /// Returns a random number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A good file with one random change is refused or works. It never crashes the program.
#[test]
fn damaged_files_never_crash_the_program() {
    let folder = folder();
    let good = folder.read("model.json");
    let mut random = Xorshift(0x5eed);
    for round in 0..240 {
        let mut bytes = good.clone();
        let at = random.below(bytes.len());
        match round % 4 {
            0 => bytes.truncate(at),
            1 => bytes[at] = b"0123456789-.eE[]{},:\"ntf\\"[random.below(25)],
            2 => bytes[at] ^= 1 << random.below(8),
            _ => {
                // Replaces one number with an absurd one.
                let digits: Vec<usize> = (0..bytes.len())
                    .filter(|&at| bytes[at].is_ascii_digit())
                    .collect();
                let at = digits[random.below(digits.len())];
                let absurd: [&[u8]; 6] = [
                    b"1e308",
                    b"-1",
                    b"4294967296",
                    b"18446744073709551615",
                    b"0",
                    b"1e-400",
                ];
                let end = (at..bytes.len())
                    .find(|&end| !bytes[end].is_ascii_digit())
                    .unwrap_or(bytes.len());
                bytes.splice(at..end, absurd[random.below(6)].iter().copied());
            }
        }
        folder.write("changed.json", &bytes);
        let run = score(&folder);
        assert!(
            matches!(run.status, 0..=2),
            "round {round}: status {}: {}",
            run.status,
            run.stderr
        );
    }
}

/// Returns the path of a fixture: a model of this release, events for it, or their scores.
fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the table of events for the model of this release.
fn fixture_events() -> String {
    (0..40).fold(format!("{}\n", common::HEADER), |text, index| {
        text + &event(index * 12) + "\n"
    })
}

#[test]
fn the_model_of_the_first_release_is_still_read() {
    let folder = Folder::new();
    let scored = folder.path("scored.csv").display().to_string();
    folder.done(&[
        "score",
        &fixture("model-v1.json"),
        &fixture("model-v1.csv"),
        "--out",
        &scored,
    ]);
    let expected = std::fs::read(fixture("model-v1-scored.csv")).expect("the fixture");
    assert!(
        folder.read("scored.csv") == expected,
        "the scores of a stored model changed"
    );
    let evaluated = folder.done(&[
        "evaluate",
        &fixture("model-v1.json"),
        &fixture("model-v1.csv"),
        "--json",
    ]);
    assert!(
        evaluated.stdout.contains("\"events\": 40"),
        "{}",
        evaluated.stdout
    );
}

/// Writes the fixtures. Run it only before the first release, or to add fixtures under the name of a new version:
/// `cargo test -p honeyguide-cli --test model_file -- --ignored write_the_fixtures`.
#[test]
#[ignore = "writes the fixtures"]
fn write_the_fixtures() {
    let made = folder();
    let model = fixture("model-v1.json");
    std::fs::copy(made.path("model.json"), Path::new(&model)).expect("the fixtures' folder");
    std::fs::write(fixture("model-v1.csv"), fixture_events()).expect("the fixtures' folder");
    made.done(&[
        "score",
        &model,
        &fixture("model-v1.csv"),
        "--out",
        &fixture("model-v1-scored.csv"),
    ]);
}
