//! The same events give the same model, to the byte, for any number of threads, any order of rows and any layout of
//! files. Scores and evaluations also agree with each other about the same events.

use std::fs::File;
use std::io::Write;

use crate::common::{Folder, HEADER, engine, event, recipe, written};
use flate2::Compression;
use flate2::write::GzEncoder;
use honeyguide::evaluate::evaluate;
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::{Contamination, Model, ThresholdPolicy, TrainOptions, train};

/// A number of events with more distinct rows than are kept for eleven features or fewer, so that a sample is drawn.
const MANY: usize = 270_000;

/// Returns a permutation of 0..count without a random generator. Its step has no factor in common with `count`.
fn shuffled(count: usize) -> impl Iterator<Item = usize> {
    let step = (count / 3..count)
        .find(|step| greatest_common_divisor(*step, count) == 1)
        .expect("a coprime below count");
    (0..count).map(move |index| index * step % count)
}

fn greatest_common_divisor(left: usize, right: usize) -> usize {
    if right == 0 {
        left
    } else {
        greatest_common_divisor(right, left % right)
    }
}

/// Returns the header and the events of these numbers.
fn table(rows: impl Iterator<Item = usize>) -> String {
    rows.fold(format!("{HEADER}\n"), |text, index| {
        text + &event(index) + "\n"
    })
}

/// Returns options of training for a forest of this many trees.
fn forest_of(n_estimators: usize) -> TrainOptions {
    TrainOptions {
        n_estimators,
        ..TrainOptions::default()
    }
}

/// Trains a model of files of a folder.
async fn model(
    folder: &Folder,
    data: &[&str],
    name: &str,
    threads: usize,
    options: &TrainOptions,
) -> Model {
    let mut source = folder.source(data);
    let model = train(&engine(threads), &mut source, &recipe(name), options).await;
    model.unwrap_or_else(|error| panic!("{data:?} on {threads} threads: {error}"))
}

/// Writes a table with the scores of the events in `data`.
async fn score(folder: &Folder, model: &Model, data: &str, out: &str, threads: usize) {
    let (mut source, out) = (folder.source(&[data]), folder.path(out));
    let options = ScoreOptions::default();
    let scored = score_to_file(&engine(threads), model, &mut source, &out, options).await;
    scored.unwrap_or_else(|error| panic!("{data}: {error}"));
}

/// Creates a folder with the same `count` events as one CSV file, as a shuffled CSV file, as three compressed files, and
/// as ten Parquet files.
async fn layouts(count: usize) -> Folder {
    let folder = Folder::new();
    folder.write("plain.csv", table(0..count));
    folder.write("shuffled.csv", table(shuffled(count)));
    std::fs::create_dir(folder.path("parts")).expect("a new folder");
    for part in 0..3 {
        let text = table((0..count).filter(|index| index % 3 == part));
        let file = File::create(folder.path(&format!("parts/{part}.csv.gz")));
        let mut encoder = GzEncoder::new(file.expect("a new file"), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("space");
        encoder.finish().expect("space");
    }
    // Scoring writes the Parquet files. The models leave out its numeric columns by `exclude`.
    let any = model(&folder, &["plain.csv"], "beth-paper", 2, &forest_of(2)).await;
    std::fs::create_dir(folder.path("lake")).expect("a new folder");
    for part in 0..10 {
        folder.write(
            "part.csv",
            table((0..count).filter(|index| index % 10 == 9 - part)),
        );
        score(
            &folder,
            &any,
            "part.csv",
            &format!("lake/{part}.parquet"),
            2,
        )
        .await;
    }
    std::fs::remove_file(folder.path("part.csv")).expect("the part");
    folder
}

/// Checks that all layouts of `count` events give the same model on any number of threads. No sample of the distinct
/// rows may be drawn.
async fn check_layouts(count: usize, name: &str) {
    let folder = layouts(count).await;
    let whole = forest_of(20);
    let of_lake = TrainOptions {
        exclude: match name {
            "raw" => ["score", "anomalous", "source_row"]
                .map(String::from)
                .into(),
            _ => Vec::new(),
        },
        ..whole.clone()
    };
    let expected = written(&model(&folder, &["plain.csv"], name, 1, &whole).await);
    for (data, options) in [
        (&["plain.csv"][..], &whole),
        (&["shuffled.csv"], &whole),
        (&["parts"], &whole),
        (
            &["parts/2.csv.gz", "parts/0.csv.gz", "parts/1.csv.gz"],
            &whole,
        ),
        (&["lake/*.parquet"], &of_lake),
    ] {
        for threads in [1, 2, 4] {
            let same = model(&folder, data, name, threads, options).await;
            assert_eq!(same.training().sampled_rows, None);
            assert!(
                written(&same) == expected,
                "{name}: {data:?} on {threads} threads gives another model"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_recipe_gives_one_model() {
    check_layouts(4000, "beth-paper").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rarities_give_one_model() {
    check_layouts(4000, "context").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn continuous_features_give_one_model() {
    check_layouts(4000, "beth-timestamp").await;
    check_layouts(4000, "raw").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_distinct_rows_give_one_model() {
    let folder = Folder::with(&[
        ("plain.csv", table(0..MANY)),
        ("shuffled.csv", table(shuffled(MANY))),
    ]);
    let options = TrainOptions {
        threshold: ThresholdPolicy::Contamination(Contamination::Auto),
        ..forest_of(3)
    };
    for name in ["beth-timestamp", "raw"] {
        let mut expected = None;
        for (data, threads) in [("plain.csv", 1), ("plain.csv", 2), ("shuffled.csv", 2)] {
            let model = model(&folder, &[data], name, threads, &options).await;
            assert!(model.training().sampled_rows.is_some());
            let text = written(&model);
            assert!(
                *expected.get_or_insert_with(|| text.clone()) == text,
                "{name}: {data} on {threads} threads gives another model"
            );
        }
    }
}

/// Zero has two signs, but they are one value.
#[tokio::test(flavor = "multi_thread")]
async fn minus_zero_is_zero() {
    let table = |zeros: [&str; 4]| {
        let rows = (0..400).map(|index| format!("{},{}.5\n", zeros[index % 4], index % 3));
        format!("a,b\n{}", rows.collect::<String>())
    };
    let folder = Folder::with(&[
        ("plus.csv", table(["0.0"; 4])),
        ("mixed.csv", table(["0.0", "-0.0", "-0.0", "0.0"])),
    ]);
    let plus = model(&folder, &["plus.csv"], "raw", 2, &forest_of(5)).await;
    let mixed = model(&folder, &["mixed.csv"], "raw", 2, &forest_of(5)).await;
    assert_eq!(written(&plus), written(&mixed));
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_and_evaluations_give_the_same_counts() {
    let folder = layouts(3000).await;
    let options = TrainOptions {
        threshold: ThresholdPolicy::Contamination(Contamination::Fraction(0.03)),
        ..TrainOptions::default()
    };
    let model = model(&folder, &["plain.csv"], "beth-paper", 2, &options).await;
    let mut plain = folder.source(&["plain.csv"]);
    let evaluated = evaluate(&engine(2), &model, &mut plain, None).await;
    let evaluated = evaluated.expect("labels");
    for data in ["plain.csv", "parts", "lake/*.parquet"] {
        let mut source = folder.source(&[data]);
        let scored = most_anomalous(&engine(2), &model, &mut source, Listing::top(1)).await;
        let summary = scored.expect("scores").summary;
        assert_eq!(summary.events, evaluated.events, "{data}");
        assert_eq!(summary.anomalous, evaluated.anomalous, "{data}");
    }
    let flagged = evaluated.anomalous;
    assert!(flagged > 0 && flagged < 3000, "{flagged}");
    score(&folder, &model, "plain.csv", "scored-1.csv", 1).await;
    score(&folder, &model, "plain.csv", "scored-2.csv", 2).await;
    assert!(folder.read("scored-1.csv") == folder.read("scored-2.csv"));
    let scored = String::from_utf8(folder.read("scored-1.csv")).expect("text");
    let anomalous = scored.lines().filter(|line| line.contains(",true,"));
    assert_eq!(anomalous.count() as u64, flagged);
    // The output holds the events unchanged and in their order.
    let plain = String::from_utf8(folder.read("plain.csv")).expect("text");
    let fields = |line: &str| line.replace('"', "");
    for (event, scored) in plain.lines().zip(scored.lines()) {
        assert!(fields(scored).starts_with(&fields(event)), "{scored}");
    }
}

/// The figures of an evaluation do not depend on the layout of the data either.
#[tokio::test(flavor = "multi_thread")]
async fn evaluations_do_not_depend_on_the_layout() {
    let folder = layouts(2000).await;
    let options = TrainOptions::default();
    let model = model(&folder, &["plain.csv"], "beth-timestamp", 2, &options).await;
    let mut expected = None;
    for (data, threads) in [
        ("plain.csv", 1),
        ("plain.csv", 2),
        ("shuffled.csv", 2),
        ("parts", 2),
        ("lake", 2),
    ] {
        let mut source = folder.source(&[data]);
        let evaluated = evaluate(&engine(threads), &model, &mut source, None).await;
        let text = serde_json::to_string(&evaluated.expect("labels")).expect("figures");
        assert_eq!(
            *expected.get_or_insert_with(|| text.clone()),
            text,
            "{data} on {threads} threads"
        );
    }
}
