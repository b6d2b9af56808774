//! Fits, scores and explains forests for arbitrary valid matrices, including extreme values.

use learn::iforest::{Contamination, FitError, IsolationForestParams, MaxFeatures, MaxSamples};
use learn::scaling::StandardScaler;
use learn::{ColumnKind, Matrix};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-3i8..4).prop_map(f64::from),
        2 => prop::sample::select(vec![
            0.0, -0.0, 5e-324, -5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::NAN, -f64::NAN,
            1.0, 1f64.next_up(), 1e16, 1e16 + 2.0,
        ]),
        1 => any::<f64>().prop_filter("finite", |v| !v.is_infinite()),
    ]
}

fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1.0),
        Just(3.0),
        Just(1e12),
        Just(0.25),
        Just(5e-324)
    ]
}

#[derive(Debug, Clone)]
struct Case {
    n_features: usize,
    values: Vec<f64>,
    weights: Vec<f64>,
    params: IsolationForestParams,
}

fn case() -> impl Strategy<Value = Case> {
    (1..6usize, 0..40usize).prop_flat_map(|(n_features, n_rows)| {
        let values = prop::collection::vec(value(), n_features * n_rows);
        let weights = prop_oneof![
            Just(vec![1.0; n_rows]),
            prop::collection::vec(weight(), n_rows),
            prop::collection::vec((0..5u8).prop_map(f64::from), n_rows),
        ];
        let choices = (
            any::<u64>(),
            0..n_features,
            any::<bool>(),
            any::<bool>(),
            1..=n_features,
        );
        (values, weights, choices).prop_map(move |(values, weights, choices)| {
            let (seed, extension_level, bootstrap, share, max_features) = choices;
            let params = IsolationForestParams::new()
                .n_estimators(8)
                .seed(seed)
                .extension_level(extension_level)
                .bootstrap(bootstrap)
                .max_features(MaxFeatures::Count(max_features))
                .max_samples(if share {
                    MaxSamples::Fraction(0.7)
                } else {
                    MaxSamples::Count(16)
                })
                .contamination(if share {
                    Contamination::Fraction(0.1)
                } else {
                    Contamination::Auto
                });
            Case {
                n_features,
                values,
                weights,
                params,
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn any_matrix_is_fitted_or_refused(case in case(), probes in prop::collection::vec(value(), 5 * 70)) {
        let total: f64 = case.weights.iter().sum();
        let mut matrix = Matrix::new(case.n_features, case.values, case.weights).unwrap();
        let rows = matrix.n_rows();
        let forest = match case.params.fit(&matrix) {
            Ok(forest) => forest,
            Err(FitError::SampleSize { value, max }) => {
                prop_assert!(value > max && total > max as f64);
                return Ok(());
            }
            Err(error) => {
                prop_assert!(error == FitError::NoEvents { rows } && total == 0.0, "{}", error);
                return Ok(());
            }
        };
        let probes = &probes[..case.n_features * 70];
        let scores = forest.scores(probes).unwrap();
        prop_assert!(scores.iter().all(|score| *score > 0.0 && *score <= 1.0));
        prop_assert!((-1.0..=0.0).contains(&forest.offset()));
        for (row, score) in probes.chunks(case.n_features).zip(&scores) {
            prop_assert_eq!(forest.score_one(row).unwrap().to_bits(), score.to_bits());
        }
        if let Ok(contributions) = forest.explain_rows(probes) {
            let base = forest.base().unwrap();
            for (row, score) in contributions.chunks(case.n_features).zip(&scores) {
                prop_assert!((base + row.iter().sum::<f64>() + score.log2()).abs() < 1e-9);
            }
        }

        matrix.sort_rows();
        let again = matrix.values().to_vec();
        matrix.sort_rows();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(matrix.values()), bits(&again));
        if let Ok(scaler) = StandardScaler::fit(&matrix) {
            scaler.apply(&mut matrix).unwrap();
            prop_assert!(matrix.values().iter().all(|value| !value.is_infinite()));
        }
    }

    #[test]
    fn any_order_gives_the_same_forest(
        values in prop::collection::vec(value(), 3 * 30), seed: u64,
        order in Just((0..30).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let shuffled: Vec<f64> = order.iter().flat_map(|&i| values[3 * i..][..3].to_vec()).collect();
        let fit = |values: Vec<f64>| {
            let mut matrix = Matrix::unweighted(3, values).unwrap();
            matrix.sort_rows();
            IsolationForestParams::new().n_estimators(5).seed(seed).fit(&matrix).unwrap()
        };
        prop_assert!(fit(values) == fit(shuffled));
    }

    #[test]
    fn categories_and_missing_values_are_fitted(
        codes in prop::collection::vec(0..8u8, 2 * 50), seed: u64, probes in prop::collection::vec(value(), 60),
    ) {
        let value = |code: &u8| if *code == 7 { f64::NAN } else { f64::from(*code) };
        let matrix = Matrix::unweighted(2, codes.iter().map(value).collect()).unwrap();
        let kinds = vec![ColumnKind::Categorical { cardinality: 7 }, ColumnKind::Numeric];
        let params = IsolationForestParams::new().n_estimators(5).seed(seed).column_kinds(kinds);
        let forest = params.fit(&matrix).unwrap();
        for row in probes.chunks(2) {
            let score = forest.score_one(row).unwrap();
            prop_assert!(score > 0.0 && score <= 1.0);
            let known = row[0].is_nan() || (0..7).any(|code| f64::from(code) == row[0]);
            prop_assert_eq!(forest.count_unseen(row).unwrap(), [u64::from(!known), 0]);
        }
    }
}

#[test]
fn ten_thousand_columns() {
    let (n, rows) = (10_000, 40);
    let values = (0..n * rows).map(|i| f64::from(u32::try_from(i * 7919 % 10_007).unwrap()));
    let mut matrix = Matrix::unweighted(n, values.collect()).unwrap();
    let params = IsolationForestParams::new().n_estimators(20);
    let forest = params.fit(&matrix).unwrap();
    let scores = forest.scores(matrix.values()).unwrap();
    assert!(
        scores.iter().all(|score| (0.3..0.7).contains(score)),
        "{scores:?}"
    );
    let contributions = forest.explain_rows(matrix.row(0)).unwrap();
    assert!(
        (forest.base().unwrap() + contributions.iter().sum::<f64>() + scores[0].log2()).abs()
            < 1e-9
    );
    matrix.sort_rows();
    assert_eq!(matrix.n_rows(), rows);
}

#[test]
fn a_billion_events_in_few_rows() {
    let matrix = Matrix::new(1, vec![0.0, 1.0, 50.0], vec![6e8, 4e8, 1.0]).unwrap();
    let forest = IsolationForestParams::new().fit(&matrix).unwrap();
    let scores = forest.scores(&[0.0, 1.0, 50.0]).unwrap();
    assert!(
        scores.iter().all(|score| (0.0..=0.6).contains(score)),
        "{scores:?}"
    );
    assert_eq!(forest.max_samples(), 256);
}
