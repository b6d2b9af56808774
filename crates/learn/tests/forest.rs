//! Tests fitted forests against closed forms and invariants.

use learn::iforest::{
    Contamination, FitError, IsolationForest, IsolationForestParams, MaxFeatures, MaxSamples,
    ScoreError, average_path_length,
};
use learn::{ColumnKind, Matrix};

fn column(values: &[f64]) -> Matrix {
    Matrix::unweighted(1, values.to_vec()).unwrap()
}

fn fit(params: &IsolationForestParams, matrix: &Matrix) -> IsolationForest {
    params.fit(matrix).unwrap()
}

fn bits(values: Vec<f64>) -> Vec<u64> {
    values.into_iter().map(f64::to_bits).collect()
}

#[test]
fn two_values_are_split_once() {
    let forest = fit(&IsolationForestParams::new(), &column(&[1.0, 3.0]));
    // Every tree has one split and two leaves of one event at depth 1. c(2) = 1, so the score is
    // 2⁻¹.
    assert_eq!(
        forest.mean_path_lengths(&[-9.0, 1.0, 3.0, 9.0]).unwrap(),
        [1.0; 4]
    );
    assert_eq!(forest.scores(&[1.0, 3.0]).unwrap(), [0.5; 2]);
    for tree in forest.to_data().trees {
        assert_eq!(
            (tree.splits, tree.leaf_events),
            (vec![0, -1, -1], vec![1, 1])
        );
        assert!((1.0..3.0).contains(&tree.thresholds[0]));
    }
}

#[test]
fn thresholds_are_uniform_between_the_values() {
    let params = IsolationForestParams::new().n_estimators(4000);
    let forest = fit(&params, &column(&[10.0, 14.0]));
    let thresholds: Vec<f64> = forest
        .to_data()
        .trees
        .into_iter()
        .flat_map(|tree| tree.thresholds)
        .collect();
    let mean = thresholds.iter().sum::<f64>() / 4000.0;
    let low = thresholds.iter().filter(|t| **t < 11.0).count();
    // The bounds are five standard errors of a mean (4/√12/√4000) and of a count of 1000 (√750).
    assert!(
        (mean - 12.0).abs() < 0.092 && low.abs_diff(1000) < 137,
        "{mean} {low}"
    );
}

#[test]
fn three_values_have_the_expected_path_length() {
    // For the values 0, 1 and 3, the first split is below 1 with probability 1/3. Value 0 is then
    // alone at depth 1. Otherwise the pair (0, 1) is at depth 1 and each of its values at depth 2.
    // Hence E[h(0)] = 1/3 + 2 · 2/3 = 5/3.
    let params = IsolationForestParams::new().n_estimators(20_000);
    let forest = fit(&params, &column(&[0.0, 1.0, 3.0]));
    let lengths = forest.mean_path_lengths(&[0.0, 1.0, 3.0]).unwrap();
    for (found, expected) in lengths.into_iter().zip([5.0 / 3.0, 2.0, 4.0 / 3.0]) {
        // The bound is five standard errors of a Bernoulli mean.
        assert!((found - expected).abs() < 0.0167, "{found} for {expected}");
    }
}

#[test]
fn nothing_to_split_is_neither_normal_nor_anomalous() {
    let one_row = column(&[7.0]);
    let repeated = Matrix::new(1, vec![7.0], vec![1000.0]).unwrap();
    let constant = Matrix::unweighted(2, vec![3.0; 20]).unwrap();
    let missing = Matrix::unweighted(1, vec![f64::NAN; 9]).unwrap();
    for matrix in [one_row, repeated, constant, missing] {
        let forest = fit(&IsolationForestParams::new(), &matrix);
        assert!(
            forest
                .to_data()
                .trees
                .iter()
                .all(|tree| tree.splits == [-1])
        );
        assert_eq!(forest.scores(matrix.values()).unwrap()[0], 0.5);
    }
}

#[test]
fn a_constant_column_is_never_split() {
    let values = (0..64).flat_map(|i| [5.0, f64::from(i)]).collect();
    let forest = fit(
        &IsolationForestParams::new(),
        &Matrix::unweighted(2, values).unwrap(),
    );
    let mut splits = forest
        .to_data()
        .trees
        .into_iter()
        .flat_map(|tree| tree.splits);
    assert!(splits.all(|split| split != 0));
}

#[test]
fn adjacent_and_huge_values_are_separated() {
    for (low, high) in [(1.0, 1f64.next_up()), (f64::MIN, f64::MAX), (0.0, 5e-324)] {
        let forest = fit(&IsolationForestParams::new(), &column(&[low, high]));
        for tree in forest.to_data().trees {
            assert!(low <= tree.thresholds[0] && tree.thresholds[0] < high);
        }
    }
}

#[test]
fn path_lengths_end_at_the_height_limit() {
    let values: Vec<f64> = (0..1000).map(|i| f64::from(i) * f64::from(i)).collect();
    let forest = fit(&IsolationForestParams::new(), &column(&values));
    assert_eq!(forest.max_samples(), 256);
    let limit = 8.0 + average_path_length(256);
    for length in forest.mean_path_lengths(&values).unwrap() {
        assert!((1.0..limit).contains(&length));
    }
    for (score, length) in forest
        .scores(&values)
        .unwrap()
        .into_iter()
        .zip(forest.mean_path_lengths(&values).unwrap())
    {
        let expected = (-length / average_path_length(256)).exp2();
        assert!((score - expected).abs() < 1e-11 && score > 0.0 && score <= 1.0);
    }
}

#[test]
fn the_edge_is_more_anomalous_than_the_middle_and_all_beyond_is_edge() {
    let values: Vec<f64> = (0..512).map(|i| f64::from(i % 64)).collect();
    let forest = fit(&IsolationForestParams::new().seed(3), &column(&values));
    let scores = forest
        .scores(&[32.0, 63.0, 64.0, 1e9, f64::INFINITY])
        .unwrap();
    assert!(scores[0] < scores[1], "{scores:?}");
    assert!(
        scores[1..].iter().all(|score| *score == scores[1]),
        "{scores:?}"
    );
}

#[test]
fn a_weight_is_the_row_that_often() {
    let rows = [
        [1.0, 5.0],
        [2.0, f64::NAN],
        [9.0, 4.0],
        [9.0, 5.0],
        [3.0, 8.0],
    ];
    let weights = [40.0, 300.0, 1.0, 0.0, 25.0];
    let weighted = Matrix::new(2, rows.concat(), weights.to_vec()).unwrap();
    let repeat = |i: usize| rows[i].repeat(weights[i] as usize);
    let repeated = Matrix::unweighted(2, (0..5).flat_map(repeat).collect()).unwrap();
    for bootstrap in [false, true] {
        for extension_level in [0, 1] {
            let params = IsolationForestParams::new()
                .bootstrap(bootstrap)
                .extension_level(extension_level)
                .contamination(Contamination::Fraction(0.05));
            assert!(
                fit(&params, &weighted) == fit(&params, &repeated),
                "{params:?}"
            );
        }
    }
}

#[test]
fn threads_leave_no_trace() {
    let values: Vec<f64> = (0..6000).map(|i| f64::from(i * 7919 % 6007)).collect();
    let matrix = Matrix::unweighted(3, values).unwrap();
    let params = IsolationForestParams::new().contamination(Contamination::Fraction(0.1));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let forest = fit(&params, &matrix);
            let scores = bits(forest.scores(matrix.values()).unwrap());
            (forest, scores)
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn growing_gives_the_forest_of_one_fit() {
    let values: Vec<f64> = (0..900).map(|i| f64::from(i * i % 1009)).collect();
    let matrix = Matrix::unweighted(3, values).unwrap();
    let params = IsolationForestParams::new()
        .contamination(Contamination::Fraction(0.02))
        .seed(8);
    let mut grown = fit(&params.clone().n_estimators(3), &matrix);
    grown.grow(&matrix, 5).unwrap();
    assert!(grown == fit(&params.n_estimators(8), &matrix));

    let before = grown.clone();
    let small = Matrix::unweighted(3, vec![0.0; 30]).unwrap();
    let error = FitError::GrowSampleSize {
        expected: 256,
        actual: 10,
    };
    assert_eq!(grown.grow(&small, 1), Err(error));
    let error = FitError::GrowFeatures {
        expected: 3,
        actual: 1,
    };
    assert_eq!(grown.grow(&column(&[1.0]), 1), Err(error));
    assert!(grown == before);
}

#[test]
fn contamination_sets_the_share_of_anomalies() {
    let values: Vec<f64> = (0..1000).map(|i| f64::from(i * i)).collect();
    let matrix = column(&values);
    let params = IsolationForestParams::new().contamination(Contamination::Fraction(0.1));
    let forest = fit(&params, &matrix);
    let predicted = forest.predict(&values).unwrap();
    let anomalous = predicted.iter().filter(|p| **p == -1).count();
    assert!(anomalous.abs_diff(100) <= 2, "{anomalous}");
    for (sample, (decision, label)) in forest.score_samples(&values).unwrap().into_iter().zip(
        forest
            .decision_function(&values)
            .unwrap()
            .into_iter()
            .zip(predicted),
    ) {
        assert_eq!(decision, sample - forest.offset());
        assert_eq!(label == -1, -sample > -forest.offset());
    }
    assert_eq!(fit(&IsolationForestParams::new(), &matrix).offset(), -0.5);
}

#[test]
fn every_tree_sees_its_share_of_the_columns() {
    let values: Vec<f64> = (0..4000).map(|i| f64::from(i * 31 % 997)).collect();
    let matrix = Matrix::unweighted(8, values).unwrap();
    let seen = |max_features| {
        let forest = fit(
            &IsolationForestParams::new().max_features(max_features),
            &matrix,
        );
        let columns = forest.to_data().trees.into_iter().map(|tree| {
            let mut columns = tree.splits;
            columns.sort_unstable();
            columns.dedup();
            columns.len() - 1
        });
        columns.max()
    };
    assert_eq!(seen(MaxFeatures::Count(2)), Some(2));
    assert_eq!(seen(MaxFeatures::Fraction(0.5)), Some(4));
    assert_eq!(seen(MaxFeatures::Fraction(0.01)), Some(1));
    assert_eq!(seen(MaxFeatures::Count(8)), Some(8));
}

#[test]
fn categories_are_grouped_and_unseen_ones_follow_the_smaller_branch() {
    let kinds = vec![ColumnKind::Categorical { cardinality: 4 }];
    // Category 3 never occurs. Of the two other categories, one is a hundred times as frequent.
    let matrix = Matrix::new(1, vec![0.0, 2.0], vec![200.0, 2.0]).unwrap();
    let params = IsolationForestParams::new().column_kinds(kinds);
    let forest = fit(&params, &matrix);
    let length = |value: f64| forest.mean_path_lengths(&[value]).unwrap()[0];
    assert!(length(2.0) < length(0.0));
    for unseen in [3.0, 1.0, 4.0, -1.0, 0.5, 1e18] {
        assert_eq!(length(unseen), length(2.0), "{unseen}");
    }
    assert_eq!(length(f64::NAN), length(0.0));
    assert_eq!(
        forest.count_unseen(&[0.0, 1.0, 3.0, 4.0, -1.0, 0.5, f64::NAN]),
        Ok(vec![3])
    );
    assert_eq!(
        params.fit(&column(&[0.0, 4.0])).unwrap_err().to_string(),
        "row 1, column 0: 4 is not a category; codes are whole numbers from 0 to 4 − 1 (a missing \
         value is NaN)"
    );
}

#[test]
fn category_codes_have_no_order() {
    // Swapping two codes of equal frequency leaves the distribution of scores unchanged: the code
    // between the others is isolated no later than they are.
    let kinds = vec![ColumnKind::Categorical { cardinality: 3 }];
    let matrix = Matrix::new(1, vec![0.0, 1.0, 2.0], vec![80.0; 3]).unwrap();
    let params = IsolationForestParams::new()
        .n_estimators(3000)
        .column_kinds(kinds);
    let lengths = fit(&params, &matrix)
        .mean_path_lengths(&[0.0, 1.0, 2.0])
        .unwrap();
    assert!((lengths[0] - lengths[1]).abs() < 0.1 && (lengths[1] - lengths[2]).abs() < 0.1);
}

#[test]
fn a_missing_value_follows_the_larger_branch() {
    let values = [vec![1.0; 99], vec![50.0, f64::NAN]].concat();
    let forest = fit(&IsolationForestParams::new(), &column(&values));
    let lengths = forest.mean_path_lengths(&[1.0, 50.0, f64::NAN]).unwrap();
    assert_eq!(lengths[2], lengths[0]);
    assert!(lengths[1] < lengths[0]);
}

#[test]
fn an_extended_forest_has_no_axes() {
    // The rows form a diagonal line. The off-diagonal corners are outliers, although every
    // coordinate is within its range.
    let values: Vec<f64> = (0..2000)
        .flat_map(|i| [f64::from(i % 500), f64::from(i % 500)])
        .collect();
    let matrix = Matrix::unweighted(2, values).unwrap();
    let score = |level, row: &[f64]| {
        let params = IsolationForestParams::new().extension_level(level);
        fit(&params, &matrix).score_one(row).unwrap()
    };
    assert!(score(1, &[125.0, 375.0]) > score(0, &[125.0, 375.0]));
    assert!(score(1, &[250.0, 250.0]) < 0.5);
}

#[test]
fn rejected_parameters_name_the_allowed_range() {
    let matrix = Matrix::unweighted(2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let new = IsolationForestParams::new;
    let cases = [
        (
            new().n_estimators(0),
            "n_estimators must be from 1 to 100000, got 0",
        ),
        (new().max_samples(MaxSamples::Count(0)), "at least 1, got 0"),
        (
            new().max_samples(MaxSamples::Fraction(1.5)),
            "above 0 and at most 1, got 1.5",
        ),
        (
            new().max_samples(MaxSamples::Fraction(f64::NAN)),
            "above 0 and at most 1, got NaN",
        ),
        (
            new().max_features(MaxFeatures::Count(3)),
            "from 1 to 2 (the number of features), got 3",
        ),
        (
            new().max_features(MaxFeatures::Fraction(0.0)),
            "above 0 and at most 1, got 0",
        ),
        (
            new().contamination(Contamination::Fraction(0.6)),
            "above 0 and at most 0.5, got 0.6",
        ),
        (
            new().extension_level(2),
            "from 0 to 1 (the number of features − 1), got 2",
        ),
        (
            new().column_kinds(vec![ColumnKind::Numeric]),
            "1 column kinds for 2 features",
        ),
    ];
    for (params, expected) in cases {
        let message = params.fit(&matrix).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let weightless = Matrix::new(1, vec![1.0], vec![0.0]).unwrap();
    let message = new().fit(&weightless).unwrap_err().to_string();
    assert!(message.contains("at least 1 is needed"), "{message}");
    let empty = Matrix::unweighted(1, vec![]).unwrap();
    assert_eq!(new().fit(&empty), Err(FitError::NoEvents { rows: 0 }));
}

#[test]
fn rows_to_score_must_be_whole() {
    let forest = fit(
        &IsolationForestParams::new(),
        &Matrix::unweighted(2, vec![0.0; 8]).unwrap(),
    );
    let ragged = ScoreError::RaggedRows {
        values: 3,
        n_features: 2,
    };
    assert_eq!(forest.scores(&[0.0; 3]), Err(ragged.clone()));
    assert_eq!(forest.score_one(&[0.0; 3]), Err(ragged));
    let length = ScoreError::OutputLength {
        rows: 2,
        outputs: 1,
    };
    assert_eq!(forest.scores_into(&[0.0; 4], &mut [0.0]), Err(length));
    assert_eq!(forest.scores(&[]), Ok(vec![]));
}
