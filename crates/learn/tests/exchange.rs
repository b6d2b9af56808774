//! Tests of forests as data: round trips, forests from scikit-learn, stored files and invalid
//! files.

use std::path::PathBuf;

use learn::iforest::{
    FitError, ForestData, InvalidForest, IsolationForest, IsolationForestParams, MaxSamples,
    TreeDefect,
};
use learn::{ColumnKind, Matrix};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// Returns the rows that `fixtures/make_sklearn_forest.py` generates.
fn scikit_learn_rows(forest: &ForestData) -> Vec<f64> {
    let (n_rows, n_features) = (10_000, 6);
    let mut state = 1u64;
    let mut value = |i: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let u = (state >> 11) as f64 / 9_007_199_254_740_992.0 * 2.0 - 1.0;
        if i.is_multiple_of(3) {
            (u * 8.0).floor()
        } else {
            u * u * u * 100.0
        }
    };
    let mut rows: Vec<f64> = (0..n_rows * n_features).map(&mut value).collect();
    let splits = forest.trees.iter().flat_map(|tree| {
        tree.splits
            .iter()
            .filter(|split| **split >= 0)
            .zip(&tree.thresholds)
    });
    for ((&column, &threshold), row) in splits.take(2000).zip(rows.chunks_mut(n_features).rev()) {
        row[column as usize] = threshold;
    }
    rows
}

#[test]
fn a_scikit_learn_forest_scores_as_in_scikit_learn() {
    let data: ForestData = serde_json::from_slice(&read("sklearn_forest.json")).unwrap();
    let rows = scikit_learn_rows(&data);
    let forest = IsolationForest::try_from(data.clone()).unwrap();
    let bytes = read("sklearn_scores.f64");
    let expected = bytes
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f64::from_le_bytes(bytes));
    let found = forest.score_samples(&rows).unwrap();
    assert_eq!(expected.len(), found.len());
    for (row, (expected, found)) in expected.zip(found).enumerate() {
        assert!(
            (expected - found).abs() < 1e-9,
            "row {row}: {found}, not {expected}"
        );
    }
    // The expected number is the number of rows that scikit-learn's `predict` flags.
    let flagged = forest
        .predict(&rows)
        .unwrap()
        .iter()
        .filter(|p| **p == -1)
        .count();
    assert_eq!(flagged, 389);

    let unrounded = ForestData {
        input: learn::iforest::InputPrecision::F64,
        ..data
    };
    let unrounded = IsolationForest::try_from(unrounded).unwrap();
    assert!(unrounded.score_samples(&rows) != forest.score_samples(&rows));
    let matrix = Matrix::unweighted(6, rows).unwrap();
    assert_eq!(forest.clone().grow(&matrix, 1), Err(FitError::GrowImported));
}

/// Returns forests with every kind of split.
fn forests() -> Vec<IsolationForest> {
    let value = |i: u32, column: u32| match (i * 7 + column * 13) % 17 {
        0 => f64::NAN,
        _ if column == 1 => f64::from(i % 5),
        rest => f64::from(rest * i) / 7.0,
    };
    let values = (0..300)
        .flat_map(|i| (0..4).map(move |column| value(i, column)))
        .collect();
    let matrix = Matrix::unweighted(4, values).unwrap();
    let mut kinds = vec![ColumnKind::Numeric; 4];
    kinds[1] = ColumnKind::Categorical { cardinality: 6 };
    let params = IsolationForestParams::new()
        .n_estimators(4)
        .max_samples(MaxSamples::Count(64))
        .column_kinds(kinds)
        .seed(11);
    let extended = params.clone().extension_level(2);
    vec![params.fit(&matrix).unwrap(), extended.fit(&matrix).unwrap()]
}

fn probes() -> Vec<f64> {
    let value = |i: u32| {
        if i.is_multiple_of(23) {
            f64::NAN
        } else {
            f64::from(i * i % 131) / 3.0
        }
    };
    let rows = (0..200).flat_map(|i| [value(i), f64::from(i % 8), value(i + 1), value(3 * i)]);
    rows.collect()
}

#[test]
fn data_makes_the_same_forest_again() {
    for forest in forests() {
        let text = serde_json::to_string(&forest.to_data()).unwrap();
        let data: ForestData = serde_json::from_str(&text).unwrap();
        assert!(IsolationForest::try_from(data).unwrap() == forest);
    }
}

/// The files must never change: files of every release stay readable, and a seed always gives the
/// same forest.
#[test]
fn stored_forests_are_read_and_grown_again() {
    let stored: Vec<ForestData> = serde_json::from_slice(&read("forests_v1.json")).unwrap();
    let scores = read("forests_v1_scores.f64");
    let mut expected = scores
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f64::from_le_bytes(bytes));
    assert_eq!(stored.len(), 2);
    for (stored, grown) in stored.into_iter().zip(forests()) {
        let forest = IsolationForest::try_from(stored).unwrap();
        assert!(forest == grown);
        for score in forest.scores(&probes()).unwrap() {
            assert_eq!(Some(score.to_bits()), expected.next().map(f64::to_bits));
        }
    }
    assert_eq!(expected.next(), None);
}

#[test]
#[ignore = "writes the files of the test above, for a new format version"]
fn store_forests() {
    let data: Vec<ForestData> = forests().iter().map(IsolationForest::to_data).collect();
    std::fs::write(
        fixture("forests_v1.json"),
        serde_json::to_vec(&data).unwrap(),
    )
    .unwrap();
    let scores = forests()
        .into_iter()
        .flat_map(|forest| forest.scores(&probes()).unwrap());
    let bytes: Vec<u8> = scores.flat_map(f64::to_le_bytes).collect();
    std::fs::write(fixture("forests_v1_scores.f64"), bytes).unwrap();
}

fn refused(change: impl FnOnce(&mut ForestData)) -> InvalidForest {
    let mut data = forests()[1].to_data();
    change(&mut data);
    IsolationForest::try_from(data).unwrap_err()
}

fn defect(change: impl FnOnce(&mut learn::iforest::TreeData)) -> TreeDefect {
    match refused(|data| change(&mut data.trees[2])) {
        InvalidForest::Tree { tree: 2, defect } => defect,
        other => panic!("{other}"),
    }
}

#[test]
fn broken_data_is_refused_with_the_reason() {
    assert_eq!(
        refused(|data| data.version = 3),
        InvalidForest::Version { version: 3 }
    );
    assert!(matches!(
        refused(|data| data.n_features = 0),
        InvalidForest::Params(_)
    ));
    assert!(matches!(
        refused(|data| data.n_features = usize::MAX),
        InvalidForest::Params(_)
    ));
    let count = InvalidForest::TreeCount {
        trees: 3,
        n_estimators: 4,
    };
    assert_eq!(
        refused(|data| {
            data.trees.pop();
        }),
        count
    );
    assert_eq!(
        refused(|data| data.max_samples = 0),
        InvalidForest::MaxSamples { value: 0 }
    );
    assert_eq!(
        refused(|data| data.offset = -1.5),
        InvalidForest::Offset { value: -1.5 }
    );
    assert!(matches!(
        refused(|data| data.offset = f64::NAN),
        InvalidForest::Offset { .. }
    ));
}

#[test]
fn broken_trees_are_refused_with_the_reason() {
    use TreeDefect::*;
    assert!(matches!(
        defect(|tree| tree.splits.clear()),
        Shape { nodes: 0 }
    ));
    assert!(matches!(
        defect(|tree| {
            tree.splits.pop();
        }),
        Shape { .. }
    ));
    assert!(matches!(defect(|tree| tree.splits.push(-1)), Shape { .. }));
    assert!(matches!(
        defect(|tree| tree.splits[0] = 4),
        Column {
            column: 4,
            n_features: 4,
            ..
        }
    ));
    assert!(matches!(
        defect(|tree| tree.splits[0] = -3),
        Column { column: -3, .. }
    ));
    assert!(matches!(
        defect(|tree| {
            tree.leaf_events.pop();
        }),
        ArrayTooShort { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.thresholds.push(1.0)),
        ArrayTooLong { left_over: 1, .. }
    ));
    assert!(matches!(
        defect(|tree| tree.planes[0].offset = f64::INFINITY),
        NotFinite { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.planes[0].weights[0] = f64::NAN),
        NotFinite { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.planes[0].features[0] = 9),
        Plane { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.planes[0].features[0] = 1),
        Plane { .. }
    ));
    assert!(matches!(
        defect(|tree| {
            tree.planes[0].features.pop();
        }),
        Plane { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.categories[0] = vec![]),
        Categories { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.categories[0] = vec![2, 1]),
        Categories { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.categories[0] = vec![6]),
        Categories { .. }
    ));
    assert!(matches!(
        defect(|tree| tree.leaf_events[0] = u32::MAX),
        Events { .. }
    ));
    let deep = defect(|tree| {
        tree.splits = [vec![0; 1000], vec![-1; 1001]].concat();
        tree.thresholds = vec![0.0; 1000];
    });
    assert!(matches!(deep, Depth { node: 7, limit: 6 }), "{deep}");
    let mut data = forests()[0].to_data();
    data.trees[0].leaf_events[3] = 0;
    let error = IsolationForest::try_from(data).unwrap_err().to_string();
    assert!(
        error.starts_with("tree 0: node ") && error.ends_with("needs at least 1 event"),
        "{error}"
    );
}

#[test]
fn unknown_fields_are_refused() {
    let text = serde_json::to_string(&forests()[0].to_data()).unwrap();
    for (part, with_more) in [
        ("{\"version\":", "{\"more\":1,\"version\":"),
        ("\"splits\":", "\"more\":1,\"splits\":"),
        ("\"n_estimators\":", "\"more\":1,\"n_estimators\":"),
    ] {
        let changed = text.replacen(part, with_more, 1);
        assert_ne!(changed, text);
        assert!(
            serde_json::from_str::<ForestData>(&changed).is_err(),
            "{part}"
        );
    }
}

proptest! {
    /// Arbitrarily changed data is either refused or makes a forest that scores.
    #[test]
    fn changed_data_is_refused_or_scores(
        which in 0..2usize,
        changes in prop::collection::vec((0..9usize, any::<u32>(), any::<i16>()), 1..4),
    ) {
        let mut data = forests()[which].to_data();
        for (field, at, value) in changes {
            let at = at as usize;
            let trees = data.trees.len();
            let tree = &mut data.trees[at % trees];
            fn place<T>(list: &mut [T], at: usize) -> Option<&mut T> {
                let n = list.len();
                if n == 0 { None } else { list.get_mut(at % n) }
            }
            match field {
                0 => place(&mut tree.splits, at).map_or((), |split| *split = i32::from(value % 6)),
                1 => place(&mut tree.thresholds, at).map_or((), |t| *t = f64::from(value).exp()),
                2 => place(&mut tree.leaf_events, at).map_or((), |n| *n = value.unsigned_abs().into()),
                3 => place(&mut tree.categories, at).map_or((), |list| list.push(value as u32)),
                4 => place(&mut tree.planes, at).map_or((), |p| p.weights[0] = f64::from(value).exp()),
                5 => tree.splits.reverse(),
                6 => data.max_samples = value as u64,
                7 => tree.splits.truncate(at % 40),
                _ => data.n_features = at % 6,
            }
        }
        if let Ok(forest) = IsolationForest::try_from(data) {
            let n = forest.n_features();
            for score in forest.scores(&probes()[..n * 150]).unwrap() {
                prop_assert!(score > 0.0 && score <= 1.0);
            }
            if let Ok(contributions) = forest.explain_rows(&probes()[..n * 20]) {
                prop_assert!(contributions.iter().all(|value| value.is_finite()));
            }
        }
    }
}
