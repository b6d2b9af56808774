//! A real recording with labels, which `cargo xtask stage` made, is read, trained on and scored, with the same figures
//! everywhere.

mod common;

use common::Folder;
use serde_json::Value;

/// Returns the path of a recording.
fn recording(name: &str) -> String {
    format!("{}/tests/fixtures/stage/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the lines of the answer to a query, without its header.
fn lines(folder: &Folder, query: &str, rest: &[&str]) -> Vec<String> {
    let run = folder.done(&[&["sql", query, "--quiet"], rest].concat());
    run.stdout.lines().skip(1).map(str::to_owned).collect()
}

/// Returns the AUROC of scores by its definition: the share of pairs of a labelled and another event in which the labelled
/// one has the higher score, where a tie is half a pair.
fn auroc(events: &[(f64, bool)]) -> f64 {
    let mut sorted = events.to_vec();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut below, mut pairs, mut positives) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|left, right| left.0 == right.0) {
        let labelled = tied.iter().filter(|(_, label)| *label).count() as f64;
        let others = tied.len() as f64 - labelled;
        pairs += labelled * (below + others / 2.0);
        below += others;
        positives += labelled;
    }
    pairs / (positives * below)
}

#[test]
fn the_recording_has_the_events_that_other_programs_find_in_it() {
    let folder = Folder::new();
    // Counted with pyarrow.
    let query = r#"SELECT "hostName", count(*), sum(sus), sum(evil), count(DISTINCT "processId") FROM events GROUP BY 1
        ORDER BY 1"#;
    let of = |name| lines(&folder, query, &[&recording(name)]);
    assert_eq!(
        of("training.parquet"),
        [
            "build-1,37575,0,0,296",
            "office-1,39565,0,0,303",
            "web-1,28714,0,0,221"
        ]
    );
    assert_eq!(of("break-in.parquet"), ["web-3,26919,6980,3858,203"]);
}

#[test]
fn what_an_intruder_starts_is_labelled_and_nothing_else() {
    let folder = Folder::new();
    let query = |condition: &str| {
        let of_intruders = r#"SELECT "processId" FROM events WHERE sus = 1"#;
        let query =
            format!(r#"SELECT DISTINCT "processName" FROM events WHERE {condition} ORDER BY 1"#)
                .replace("INTRUDERS", of_intruders);
        lines(&folder, &query, &[&recording("break-in.parquet")])
    };
    let none: [&str; 0] = [];
    let started_by = r#""parentProcessId" IN (INTRUDERS)"#;
    assert_eq!(query(&format!("sus = 0 AND {started_by}")), none);
    assert_eq!(query("evil = 1 AND sus = 0"), none);
    // Only the server of ssh, whose first process for this login a mark names, has a parent that is no intruder.
    assert_eq!(query(&format!("sus = 1 AND NOT {started_by}")), ["sshd"]);
}

#[test]
fn the_login_is_found_with_the_same_figures_for_any_number_of_threads() {
    let folder = Folder::new();
    let [training, break_in] = ["training.parquet", "break-in.parquet"].map(recording);
    for (threads, model) in [("1", "model.json"), ("3", "other.json")] {
        let train = ["train", &training, "--threads", threads, "--quiet"];
        folder.done(&[&train[..], &["--out", model]].concat());
    }
    assert_eq!(folder.read("model.json"), folder.read("other.json"));
    let run = folder.done(&["evaluate", "model.json", &break_in, "--json", "--quiet"]);
    let evaluation: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let sus = &evaluation["labels"][0];
    assert_eq!(sus["incidents"]["n_found"], 1, "{sus}");
    let scored = lines(
        &folder,
        "SELECT score, sus FROM events",
        &[&break_in, "--model", "model.json"],
    );
    let scored: Vec<(f64, bool)> = scored
        .iter()
        .map(|line| line.split_once(',').expect("two columns"))
        .map(|(score, sus)| (score.parse().expect("a number"), sus == "1"))
        .collect();
    assert_eq!(scored.len(), 26_919);
    let found = sus["roc_auc"].as_f64().expect("two classes");
    assert!((found - auroc(&scored)).abs() < 1e-12, "{found}");
    // What the model gave when the recording was made.
    assert_eq!(format!("{found:.6}"), "0.930399");
}
