//! Damaged and hostile model files: reading them never crashes the program, and never needs much memory or time. The
//! tests run the program because the limits hold for a whole process.

mod common;

use std::process::Command;

use common::{Folder, Run, events};
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
        folder.write("changed.json", with_value(&model, pointer, value.clone()));
        let run = score(&folder);
        let what = format!("{pointer} = {value}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.status, 1, "{what}");
        assert!(run.stderr.contains("changed.json"), "{what}");
        assert!(run.stderr.contains("help:"), "{what}");
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
