//! Drift and maps: data compared with a model, and the distinct feature rows of data on a plane.

use crate::common::{
    Folder, HEADER, engine, event_with, events, failed, recipe, small_forest, small_model,
};
use honeyguide::drift::{Closeness, drift};
use honeyguide::embed::{Embedding, Epochs, MAX_EPOCHS, UmapParams, embed};
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::{ErrorKind, Model, Recipe, Result, Source, TrainOptions, train};

/// Returns a table of `count` events, half of which are of a process with a hostile name.
fn shifted(count: usize) -> String {
    let rows = (0..count).map(|row| {
        let name = if row % 2 == 0 { "\u{1b}[2Jtsm" } else { "cron" };
        event_with(row, 6, name)
    });
    format!("{HEADER}\n{}\n", rows.collect::<Vec<_>>().join("\n"))
}

/// Trains a model with the default options.
async fn trained(source: &mut Source, recipe: &Recipe) -> Model {
    let model = train(&engine(2), source, recipe, &TrainOptions::default()).await;
    model.expect("a model")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_training_data_is_close_and_other_data_far() {
    let folder = Folder::with(&[("train.csv", events(3000)), ("other.csv", shifted(3000))]);
    let engine = engine(2);
    let mut source = folder.source(&["train.csv"]);
    for name in ["context", "beth-paper", "beth-timestamp", "raw"] {
        let model = trained(&mut source, &recipe(name)).await;
        let same = drift(&engine, &model, &mut source).await.expect("drift");
        assert_eq!(same.closeness, Closeness::Close, "{name}");
        assert_eq!(same.scores.psi, 0.0, "{name}");
        assert!(
            same.scores.kolmogorov_smirnov < 1e-12,
            "{name}: {:?}",
            same.scores
        );
        for feature in &same.features {
            assert_eq!(feature.psi, 0.0, "{name}: {feature:?}");
            assert_eq!(feature.unseen.events, 0, "{name}: {feature:?}");
        }
        assert_eq!(same.features.len(), model.recipe().features.len(), "{name}");
    }
    let model = trained(&mut source, &recipe("context")).await;
    let other = drift(&engine, &model, &mut folder.source(&["other.csv"])).await;
    let other = other.expect("drift");
    assert_eq!(other.closeness, Closeness::Far);
    let process = &other.features[0];
    assert_eq!(
        (process.name.as_str(), process.unseen.events),
        ("process", 1500)
    );
    assert_eq!(process.unseen.values[0].value, "\u{1b}[2Jtsm");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_equals_figures_computed_by_hand() {
    let recipe = "name = 'r'\n[[feature]]\nname = 'v'\nexpr = 'v'\n[[feature]]\nname = 'k'\nexpr = 'k'\nkind = 'categorical'\n";
    let recipe = Recipe::from_toml(recipe).expect("a recipe");
    let table = |rows: &[(&str, usize)]| {
        let lines = rows.iter().flat_map(|(row, times)| vec![*row; *times]);
        format!("v,k\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    let folder = Folder::with(&[
        ("a.csv", table(&[("0,x", 5000), ("1,y", 5000)])),
        (
            "b.csv",
            table(&[("0,x", 6000), ("1,y", 3000), ("7,new", 1000)]),
        ),
    ]);
    let model = trained(&mut folder.source(&["a.csv"]), &recipe).await;
    let found = drift(&engine(2), &model, &mut folder.source(&["b.csv"])).await;
    let found = found.expect("drift");
    // The four cells are the two values, other values and missing values. Half an event is added to each.
    let share = |count: f64| (count + 0.5) / (10_000.0 + 2.0);
    let pairs = [
        (5000.0, 6000.0),
        (5000.0, 3000.0),
        (0.0, 1000.0),
        (0.0, 0.0),
    ];
    let terms =
        pairs.map(|(before, now)| (share(now) - share(before)) * (share(now) / share(before)).ln());
    let expected: f64 = terms.iter().sum();
    for feature in &found.features {
        let psi = feature.psi;
        assert!(
            (psi - expected).abs() < 1e-12,
            "{psi} instead of {expected}"
        );
        assert_eq!(feature.unseen.events, 1000);
    }
    assert_eq!(found.features[0].unseen.values[0].value, "7");
    assert_eq!(found.features[1].unseen.values[0].value, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_on_few_events_says_how_few() {
    let folder = Folder::with(&[("good.csv", events(3000))]);
    let model = small_model(&mut folder.source(&["good.csv"]), "beth-paper").await;
    for (count, says) in [
        (1, "This rests on 1 event and 3,000 training events,"),
        (3000, "The data is"),
    ] {
        folder.write("few.csv", events(count));
        let found = drift(&engine(2), &model, &mut folder.source(&["few.csv"])).await;
        let verdict = found.expect("drift").verdict;
        assert!(verdict.starts_with(says), "{verdict}");
    }
}

/// Numbers from 0 to 1 that are drawn independently, by the generator SplitMix64.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a table of rows with four columns: numbers, many codes, few codes with a frequent one, and zeros among
    /// numbers.
    fn table(&mut self, rows: usize) -> String {
        let mut text = "number,many,few,zeros\n".to_owned();
        for _ in 0..rows {
            let number = self.next() + self.next() + self.next();
            let many = (800.0 * self.next()).floor();
            let few = (6.0 * self.next().powi(3)).floor();
            let zeros = (self.next() - 0.97).max(0.0);
            text += &format!("{number},{many},{few},{zeros}\n");
        }
        text
    }
}

const FOUR: &str = "name = 'four'\n\
    [[feature]]\nname = 'number'\nexpr = 'number'\n\
    [[feature]]\nname = 'many'\nexpr = 'many'\nkind = 'categorical'\n\
    [[feature]]\nname = 'code'\nexpr = 'many'\n\
    [[feature]]\nname = 'few'\nexpr = 'few'\n\
    [[feature]]\nname = 'rare'\nrarity = { of = 'many', given = ['few'] }\n\
    [[feature]]\nname = 'zeros'\nexpr = 'zeros'\n";

#[tokio::test(flavor = "multi_thread")]
async fn data_of_the_same_distribution_is_close_whatever_the_sizes() {
    let recipe = Recipe::from_toml(FOUR).expect("a recipe");
    let engine = engine(2);
    let mut draw = Uniform(1);
    for (training, now) in [(50, 1000), (50, 50), (300, 300), (300, 3000), (2000, 300)] {
        for run in 0..3 {
            let folder = Folder::with(&[
                ("train.csv", draw.table(training)),
                ("now.csv", draw.table(now)),
            ]);
            let model = trained(&mut folder.source(&["train.csv"]), &recipe).await;
            let found = drift(&engine, &model, &mut folder.source(&["now.csv"])).await;
            let found = found.expect("drift");
            assert_eq!(
                found.closeness,
                Closeness::Close,
                "{training} and {now}, run {run}: {found:#?}"
            );
            assert!((found.significance - 0.01 / 7.0).abs() < 1e-15);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frequent_value_that_vanishes_is_far() {
    let recipe = "name = 'r'\n[[feature]]\nname = 'v'\nexpr = 'v'\n";
    let recipe = Recipe::from_toml(recipe).expect("a recipe");
    let table = |zeros: usize, others: usize| {
        let others = (0..others).map(|row| (100 + row % 300).to_string());
        let all = std::iter::repeat_n("0".to_owned(), zeros).chain(others);
        format!("v\n{}\n", all.collect::<Vec<_>>().join("\n"))
    };
    let folder = Folder::with(&[("train.csv", table(9700, 300)), ("now.csv", table(0, 2000))]);
    let model = trained(&mut folder.source(&["train.csv"]), &recipe).await;
    let found = drift(&engine(2), &model, &mut folder.source(&["now.csv"])).await;
    let found = found.expect("drift");
    assert_eq!(found.closeness, Closeness::Far);
    let feature = &found.features[0];
    let zero = feature
        .cells
        .iter()
        .find(|cell| cell.cell == "0")
        .expect("the value");
    assert_eq!((zero.training, zero.now), (0.97, 0.0));
    // All 300 other values are one range. With half an event in each of the four cells: numpy gives this index for
    // counts [9700, 300, 0, 0] and [0, 2000, 0, 0].
    assert!(
        (feature.psi - 11.410_330_031_644_536).abs() < 1e-9,
        "{}",
        feature.psi
    );
    assert_eq!((feature.coarsest, feature.unseen.events), (None, 0));
    let same = drift(&engine(2), &model, &mut folder.source(&["train.csv"])).await;
    assert_eq!(same.expect("drift").closeness, Closeness::Close);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_needs_the_columns_of_the_recipe() {
    let folder = Folder::with(&[
        ("good.csv", events(300)),
        ("other.csv", "a\n1\n".to_owned()),
        ("empty.csv", format!("{HEADER}\n")),
    ]);
    let model = small_model(&mut folder.source(&["good.csv"]), "beth-paper").await;
    let engine = engine(2);
    let mut other = folder.source(&["other.csv"]);
    let call = drift(&engine, &model, &mut other);
    let says = "needs columns";
    folder.refused(call, ErrorKind::Usage, says).await;
    let mut empty = folder.source(&["empty.csv"]);
    let says = "empty.csv: a header but no rows";
    let call = drift(&engine, &model, &mut empty);
    folder.refused(call, ErrorKind::Data, says).await;
    let call = most_anomalous(&engine, &model, &mut empty, Listing::top(10));
    folder.refused(call, ErrorKind::Data, says).await;
    let out = folder.path("scored.csv");
    let options = ScoreOptions::default();
    let call = score_to_file(&engine, &model, &mut empty, out.as_path(), options);
    folder.refused(call, ErrorKind::Data, says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_does_not_depend_on_threads() {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let mut source = folder.source(&["good.csv"]);
    let model = small_model(&mut source, "beth-paper").await;
    let mut found = Vec::new();
    for threads in [1, 2] {
        let drift = drift(&engine(threads), &model, &mut source).await;
        let drift = drift.expect("drift");
        found.push(serde_json::to_string(&drift).expect("JSON"));
    }
    assert_eq!(found[0], found[1]);
}

/// Places the events of `data` with the recipe `beth-paper` on a map that is fitted on them, or on `fit_on`.
async fn map(
    folder: &Folder,
    data: &str,
    fit_on: Option<&str>,
    seed: u64,
    threads: usize,
) -> Embedding {
    let mut source = folder.source(&[data]);
    let mut fit_on = fit_on.map(|name| folder.source(&[name]));
    let (recipe, params) = (recipe("beth-paper"), UmapParams::new());
    let engine = engine(threads);
    let embedding = embed(
        &engine,
        &mut source,
        fit_on.as_mut(),
        &recipe,
        &params,
        seed,
    );
    embedding.await.expect("a map")
}

/// Writes a map and returns its column names and its rows.
fn table(folder: &Folder, map: &Embedding, out: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    map.write(folder.path(out).as_path()).expect("a file");
    let text = folder.text(out);
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    let names: Vec<String> = header.split(',').map(str::to_owned).collect();
    let number = |field: &str| field.parse().expect("a number");
    // The last column is the key, which is no number.
    let rows = lines.map(|line| line.split(',').take(names.len() - 1).map(number).collect());
    (names.clone(), rows.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn distinct_rows_are_placed_with_their_counts() {
    let folder = Folder::with(&[("e.csv", events(970))]);
    let first = map(&folder, "e.csv", None, 0, 2).await;
    let (names, rows) = table(&folder, &first, "c.csv");
    assert_eq!(
        names[7..],
        ["count", "sus", "evil", "umap_1", "umap_2", "feature_key"]
    );
    let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>();
    assert_eq!([sum(7), sum(8), sum(9)], [970.0, 10.0, 10.0]);
    let mut keys: Vec<String> = rows.iter().map(|row| format!("{:?}", &row[..7])).collect();
    keys.dedup();
    assert_eq!(keys.len(), rows.len());
    assert!(rows.iter().flatten().all(|value| value.is_finite()));
    let bytes = folder.read("c.csv");
    table(&folder, &map(&folder, "e.csv", None, 0, 1).await, "d.csv");
    assert_eq!(folder.read("d.csv"), bytes);
    table(&folder, &map(&folder, "e.csv", None, 1, 2).await, "d.csv");
    assert_ne!(folder.read("d.csv"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_map_was_fitted_on_keep_their_coordinates() {
    let folder = Folder::with(&[("e.csv", events(970)), ("some.csv", events(40))]);
    let all = map(&folder, "e.csv", None, 0, 2).await;
    let some = map(&folder, "some.csv", Some("e.csv"), 0, 2).await;
    let (_, all) = table(&folder, &all, "c.csv");
    let (_, some) = table(&folder, &some, "d.csv");
    assert!(some.len() < all.len());
    for row in &some {
        let known = all.iter().find(|known| known[..7] == row[..7]);
        assert_eq!(known.expect("a row of the map")[10..], row[10..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_of_a_model_has_the_features_of_the_model() {
    let recipe = "name = 'r'\n[[feature]]\nname = 'x'\nexpr = 'userId'\ntransform = 'standard'\n\
                  [[feature]]\nname = 'k'\nrarity = { of = 'eventId' }\n";
    let recipe = Recipe::from_toml(recipe).expect("a recipe");
    let folder = Folder::with(&[("e.csv", events(970)), ("some.csv", events(60))]);
    let engine = engine(2);
    let mut training = folder.source(&["e.csv"]);
    let model = train(&engine, &mut training, &recipe, &small_forest()).await;
    let model = model.expect("a model");
    let mut some = folder.source(&["some.csv"]);
    let map = embed(&engine, &mut some, None, &model, &UmapParams::new(), 0).await;
    let (map, mut training) = (map.expect("a map"), folder.source(&["e.csv"]));
    let all = embed(&engine, &mut training, None, &model, &UmapParams::new(), 0).await;
    let (all, mut some) = (all.expect("a map"), folder.source(&["some.csv"]));
    let refitted = embed(&engine, &mut some, None, &recipe, &UmapParams::new(), 0).await;
    // What the model makes of an event does not depend on the data around it, unlike what the recipe learns.
    let rows = |map: &Embedding| -> Vec<Vec<u64>> {
        let rows = map.values.chunks(2);
        rows.map(|row| row.iter().map(|value| value.to_bits()).collect())
            .collect()
    };
    let (of_some, of_all) = (rows(&map), rows(&all));
    assert!(of_some.iter().all(|row| of_all.contains(row)));
    assert!(
        rows(&refitted.expect("a map"))
            .iter()
            .any(|row| !of_all.contains(row))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_that_cannot_be_made_are_refused() {
    let recipe = "name = 'r'\n[[feature]]\nname = 'k'\nexpr = 'k'\nkind = 'categorical'\n";
    let holes = "name = 'h'\n[[feature]]\nname = 'v'\nexpr = 'v'\nnulls = 'allow'\n";
    let [categorical, holes] =
        [recipe, holes].map(|text| Recipe::from_toml(text).expect("a recipe"));
    let folder = Folder::with(&[
        ("t.csv", "k,v\nx,1\ny,\n".to_owned()),
        ("one.csv", "v\n1\n".to_owned()),
        ("e.csv", events(60)),
    ]);
    let params = UmapParams::new();
    let engine = engine(2);
    let place = async |data: &str, recipe: &Recipe, params: &UmapParams| -> Result<Embedding> {
        embed(
            &engine,
            &mut folder.source(&[data]),
            None,
            recipe,
            params,
            0,
        )
        .await
    };
    for (recipe, kind, says) in [
        (&categorical, ErrorKind::Usage, "a category has no distance"),
        (&holes, ErrorKind::Data, "feature `v` is missing"),
    ] {
        let call = place("t.csv", recipe, &params);
        folder.refused(call, kind, says).await;
    }
    let beth = crate::common::recipe("beth-paper");
    for (params, says) in [
        (params.clone().n_neighbors(1), "from 2"),
        (
            params.clone().n_epochs(Epochs::Count(MAX_EPOCHS + 1)),
            "1048576",
        ),
    ] {
        let call = place("e.csv", &beth, &params);
        folder.refused(call, ErrorKind::Usage, says).await;
    }
    let map = place("e.csv", &beth, &params).await.expect("a map");
    let says = ".csv or .parquet";
    let error = failed(map.write(folder.path("c.txt").as_path()));
    assert!(error.message().contains(says), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(folder.names(), ["e.csv", "one.csv", "t.csv"]);
    let raw = crate::common::recipe("raw");
    let map = place("one.csv", &raw, &params).await.expect("a map");
    map.write(folder.path("c.parquet").as_path())
        .expect("a file");
    let placed = folder.source(&["c.parquet"]);
    let names = placed.columns().iter().map(|column| column.name.as_str());
    let expected = ["v", "count", "umap_1", "umap_2", "feature_key"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}
