//! Thresholds by cross-validation without hosts: they mean the rate that was asked for, they do not depend on the layout
//! of the data, and what was held out is said. The rates of blocks are compared with those of models that are trained
//! on files without the block.

use honeyguide::score::{Listing, most_anomalous};
use honeyguide::{
    Contamination, ErrorKind, Model, Source, ThresholdMethod, ThresholdPolicy, TrainOptions,
    calibrate, train,
};

use crate::common::{Folder, engine, recipe, written};

const RATE: f64 = 0.01;

/// Draws numbers from a linear congruential generator (Knuth's MMIX), which does not depend on the product's.
struct Draws(u64);

impl Draws {
    /// Returns a number in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Returns a sum of twelve uniform numbers, which is about normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Returns rows of three numbers, two of which depend on each other.
fn rows(seed: u64, count: usize) -> Vec<String> {
    let mut draws = Draws(seed);
    let row = |_| {
        let (a, b, c) = (draws.normal(), draws.normal(), draws.uniform());
        format!("{a:.4},{:.4},{}\n", a + b, (c * 20.0).floor())
    };
    (0..count).map(row).collect()
}

fn table(header: &str, rows: &[String]) -> String {
    format!("{header}\n{}", rows.concat())
}

fn options(threshold: ThresholdPolicy) -> TrainOptions {
    TrainOptions {
        n_estimators: 50,
        threshold,
        ..TrainOptions::default()
    }
}

fn held_out() -> TrainOptions {
    options(ThresholdPolicy::HeldOut {
        false_positive_rate: RATE,
    })
}

async fn trained(threads: usize, source: &mut Source, options: &TrainOptions) -> Model {
    let model = train(&engine(threads), source, &recipe("raw"), options).await;
    model.expect("a model")
}

/// Returns the share of the events of `source` that score above `threshold`.
async fn share_above(model: &Model, source: &mut Source, threshold: f64) -> f64 {
    let found = most_anomalous(&engine(2), model, source, Listing::top(100_000)).await;
    let found = found.expect("scores");
    let above = found.anomalies.iter().filter(|row| row.score > threshold);
    let above: u64 = above.map(|row| row.events_alike).sum();
    above as f64 / found.summary.events as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_of_random_folds_flags_the_asked_share_of_new_events() {
    let (training, fresh) = (rows(1, 20_000), rows(2, 20_000));
    let folder = Folder::with(&[
        ("t.csv", table("a,b,c", &training)),
        ("fresh.csv", table("a,b,c", &fresh)),
    ]);
    let model = trained(2, &mut folder.source(&["t.csv"]), &held_out()).await;
    let threshold = model.threshold();
    let ThresholdMethod::KFold {
        realised_rate,
        folds,
        events,
        ..
    } = threshold.method
    else {
        panic!("{threshold:?}");
    };
    assert_eq!((folds, events), (5, Some(20_000)));
    assert!(
        realised_rate > RATE - 0.001 && realised_rate <= RATE,
        "{realised_rate}"
    );
    // The count of each sample has a standard deviation of √(20,000 · 0.01 · 0.99) ≈ 14, their difference one of 20
    // events, or 0.001.
    let flagged = share_above(&model, &mut folder.source(&["fresh.csv"]), threshold.value).await;
    assert!((flagged - RATE).abs() < 0.004, "{flagged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_flags_at_most_the_asked_share_of_training_events_with_the_same_values() {
    // A fold's forest gives the rarest of fifty values a slightly lower score than the forest of all events, so the lowest
    // threshold of the folds alone flags every fiftieth event.
    let values = |period: usize| (0..4_000).map(move |row| (row * 37 + 4) % period);
    let plain: Vec<String> = values(50).map(|value| format!("{value}\n")).collect();
    let timed = values(44).enumerate();
    let timed: Vec<String> = timed
        .map(|(row, value)| format!("{row},{value}\n"))
        .collect();
    let folder = Folder::with(&[
        ("plain.csv", table("v", &plain)),
        ("timed.csv", table("timestamp,v", &timed)),
    ]);
    for file in ["plain.csv", "timed.csv"] {
        let exclude = match file {
            "timed.csv" => vec!["timestamp".to_owned()],
            _ => Vec::new(),
        };
        let options = TrainOptions {
            exclude,
            ..TrainOptions::default()
        };
        let mut source = folder.source(&[file]);
        let model = trained(2, &mut source, &options).await;
        let threshold = model.threshold();
        let flagged = share_above(&model, &mut source, threshold.value).await;
        assert!(flagged <= 0.001, "{file}: {flagged} above {threshold}");
        let nominal = threshold.method.nominal_rate();
        assert_eq!(nominal, Some(0.001), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_folds_do_not_depend_on_threads_order_and_files() {
    let all = rows(3, 3_000);
    let all: Vec<String> = all
        .iter()
        .chain(&all[..500])
        .chain(&all[..40])
        .cloned()
        .collect();
    let backwards: Vec<String> = all.iter().rev().cloned().collect();
    let folder = Folder::with(&[
        ("t.csv", table("a,b,c", &all)),
        ("1.csv", table("a,b,c", &backwards[..1_000])),
        ("2.csv", table("a,b,c", &backwards[1_000..])),
    ]);
    let one = trained(1, &mut folder.source(&["t.csv"]), &held_out()).await;
    let other = trained(4, &mut folder.source(&["1.csv", "2.csv"]), &held_out()).await;
    assert_eq!(written(&one), written(&other));
    let read = Model::from_json(&written(&one)).expect("a model");
    assert_eq!(written(&read), written(&one));
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_of_held_out_blocks_equal_those_of_models_trained_without_them() {
    let numbers = rows(4, 1_000);
    let timed: Vec<String> = (0..)
        .zip(&numbers)
        .map(|(time, row)| format!("{time},{row}"))
        .collect();
    let header = "timestamp,a,b,c";
    let mut shuffled = timed.clone();
    shuffled.sort_by_key(|row| row.len() * 7 % 5);
    let folder = Folder::with(&[("t.csv", table(header, &shuffled))]);
    let model = trained(2, &mut folder.source(&["t.csv"]), &held_out()).await;
    let threshold = model.threshold();
    let ThresholdMethod::LeaveOneBlockOut {
        blocks,
        realised_rate,
        ..
    } = &threshold.method
    else {
        panic!("{threshold:?}");
    };
    assert_eq!(blocks.len(), 5);
    assert_eq!(
        (blocks[1].from.as_str(), blocks[1].to.as_str()),
        ("3.3 min", "6.7 min")
    );
    let by_scores = options(ThresholdPolicy::Contamination(Contamination::Auto));
    let mut rates = Vec::new();
    for (block, rate) in blocks.iter().enumerate() {
        let range = 200 * block..200 * (block + 1);
        let (own, mut others) = (timed[range.clone()].to_vec(), timed.clone());
        others.drain(range);
        folder.write("own.csv", table(header, &own));
        folder.write("others.csv", table(header, &others));
        let without = trained(1, &mut folder.source(&["others.csv"]), &by_scores).await;
        let mut own = folder.source(&["own.csv"]);
        let flagged = share_above(&without, &mut own, threshold.value).await;
        assert_eq!(
            (rate.events, rate.realised_rate),
            (200, flagged),
            "block {block}"
        );
        rates.push(flagged);
    }
    assert_eq!(*realised_rate, rates.iter().sum::<f64>() / 5.0);
    assert!(*realised_rate <= RATE);
    // Other files and threads give the same blocks.
    folder.write("1.csv", table(header, &timed[..300]));
    folder.write("2.csv", table(header, &timed[300..]));
    let again = trained(4, &mut folder.source(&["1.csv", "2.csv"]), &held_out()).await;
    assert_eq!(written(&again), written(&model));
    let read = Model::from_json(&written(&model)).expect("a model");
    assert_eq!(written(&read), written(&model));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_events_are_not_held_out() {
    let folder = Folder::with(&[("t.csv", table("a,b,c", &rows(5, 9)))]);
    let default = trained(2, &mut folder.source(&["t.csv"]), &TrainOptions::default()).await;
    assert_eq!(default.threshold().method, ThresholdMethod::Auto {});
    let engine = engine(2);
    let (mut source, raw, options) = (folder.source(&["t.csv"]), recipe("raw"), held_out());
    let call = train(&engine, &mut source, &raw, &options);
    folder
        .refused(call, ErrorKind::Usage, "the data has 9 events")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_the_events_of_a_tree_may_be_larger_than_the_folds() {
    let folder = Folder::with(&[("t.csv", table("a,b,c", &rows(6, 100)))]);
    let options = TrainOptions {
        max_samples: Some(honeyguide::MaxSamples::Count(100)),
        ..held_out()
    };
    let model = trained(2, &mut folder.source(&["t.csv"]), &options).await;
    assert!(matches!(
        model.threshold().method,
        ThresholdMethod::KFold { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn calibration_on_the_training_events_is_noticed_in_any_file() {
    let training = rows(7, 400);
    let backwards: Vec<String> = training.iter().rev().cloned().collect();
    let folder = Folder::with(&[
        ("t.csv", table("a,b,c", &training)),
        ("1.csv", table("a,b,c", &backwards[..100])),
        ("2.csv", table("a,b,c", &backwards[100..])),
        ("other.csv", table("a,b,c", &rows(8, 400))),
    ]);
    let by_scores = options(ThresholdPolicy::Contamination(Contamination::Auto));
    let model = trained(2, &mut folder.source(&["t.csv"]), &by_scores).await;
    let cases: [(&[&str], bool); 4] = [
        (&["t.csv"], true),
        (&["1.csv", "2.csv"], true),
        (&["1.csv"], false),
        (&["other.csv"], false),
    ];
    for (files, expected) in cases {
        let mut model = model.clone();
        let found = calibrate(&engine(2), &mut model, &mut folder.source(files), RATE).await;
        assert_eq!(
            found.expect("a threshold").on_training_events,
            expected,
            "{files:?}"
        );
    }
}
