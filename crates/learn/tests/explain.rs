//! Compares explanations with the definition of Shapley values, by brute force over all subsets.

use learn::iforest::{ExplainError, ForestData, IsolationForest, IsolationForestParams, TreeData};
use learn::{ColumnKind, Matrix};
use proptest::prelude::*;

/// The expected path length of a row of which only the columns in the bit set `known` are known. It
/// is computed from the exchange form, so that it shares no code with the implementation.
struct Expectation<'a> {
    tree: &'a TreeData,
    kinds: &'a [ColumnKind],
    row: &'a [f64],
    known: u32,
}

impl Expectation<'_> {
    /// Returns the expected path length, the number of events and the number of nodes of the
    /// subtree at `node`. `arrays` counts the thresholds, category lists and leaves before it.
    fn of(&self, node: usize, depth: f64, arrays: &mut [usize; 3]) -> (f64, f64, usize) {
        let split = self.tree.splits[node];
        if split < 0 {
            let events = f64::from(self.tree.leaf_events[arrays[2]]);
            arrays[2] += 1;
            let length = depth + learn::iforest::average_path_length(events as u64);
            return (length, events, 1);
        }
        let column = split as usize;
        let categorical = matches!(self.kinds[column], ColumnKind::Categorical { .. });
        let entry = arrays[usize::from(categorical)];
        arrays[usize::from(categorical)] += 1;
        let left = self.of(node + 1, depth + 1.0, arrays);
        let right = self.of(node + 1 + left.2, depth + 1.0, arrays);
        let events = left.1 + right.1;
        let value = self.row[column];
        let to_larger = if categorical {
            value.is_nan()
                || self.tree.categories[entry]
                    .iter()
                    .any(|&c| f64::from(c) == value)
        } else {
            value.is_nan()
        };
        let goes_left = if categorical || value.is_nan() {
            to_larger == (left.1 >= right.1)
        } else {
            value <= self.tree.thresholds[entry]
        };
        let expected = if self.known >> column & 1 == 0 {
            (left.0 * left.1 + right.0 * right.1) / events
        } else if goes_left {
            left.0
        } else {
            right.0
        };
        (expected, events, 1 + left.2 + right.2)
    }
}

/// Computes the base and the Shapley values of the mean normalised path length from the definition.
fn by_definition(data: &ForestData, kinds: &[ColumnKind], row: &[f64]) -> (f64, Vec<f64>) {
    let n = row.len();
    let value = |known: u32| {
        let lengths = data.trees.iter().map(|tree| {
            Expectation {
                tree,
                kinds,
                row,
                known,
            }
            .of(0, 0.0, &mut [0; 3])
            .0
        });
        let normal = learn::iforest::average_path_length(data.max_samples);
        lengths.sum::<f64>() / data.trees.len() as f64 / normal
    };
    let values: Vec<f64> = (0..1u32 << n).map(value).collect();
    let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
    let shapley = |column: usize| {
        let without = (0..1u32 << n).filter(|set| set >> column & 1 == 0);
        let terms = without.map(|set| {
            let size = set.count_ones();
            let weight = factorial(size) * factorial(n as u32 - size - 1) / factorial(n as u32);
            weight * (values[(set | 1 << column) as usize] - values[set as usize])
        });
        terms.sum()
    };
    (values[0], (0..n).map(shapley).collect())
}

const KINDS: [ColumnKind; 5] = [
    ColumnKind::Numeric,
    ColumnKind::Categorical { cardinality: 5 },
    ColumnKind::Numeric,
    ColumnKind::Numeric,
    ColumnKind::Categorical { cardinality: 3 },
];

fn value(kind: ColumnKind, raw: u8) -> f64 {
    match kind {
        _ if raw >= 240 => f64::NAN,
        ColumnKind::Numeric => f64::from(raw % 13),
        ColumnKind::Categorical { cardinality } => f64::from(u32::from(raw) % cardinality),
    }
}

proptest! {
    #[test]
    fn contributions_are_shapley_values(
        raw in prop::collection::vec(any::<[u8; 5]>(), 2..60), probe: [u8; 5], seed: u64,
    ) {
        let row_of = |raw: &[u8; 5]| -> Vec<f64> {
            raw.iter().zip(KINDS).map(|(&raw, kind)| value(kind, raw)).collect()
        };
        let matrix = Matrix::unweighted(5, raw.iter().flat_map(row_of).collect()).unwrap();
        let params =
            IsolationForestParams::new().n_estimators(5).seed(seed).column_kinds(KINDS.to_vec());
        let forest = params.fit(&matrix).unwrap();
        let mut row = row_of(&probe);
        if seed.is_multiple_of(3) {
            row[1] = 77.0;
        }
        let found = forest.explain(&row).unwrap();
        let (base, contributions) = by_definition(&forest.to_data(), &KINDS, &row);
        prop_assert!((found.base - base).abs() < 1e-10);
        for (a, b) in found.contributions.iter().zip(&contributions) {
            prop_assert!((a - b).abs() < 1e-10, "{:?} {:?}", found, contributions);
        }
        let score = forest.score_one(&row).unwrap();
        prop_assert!((found.normalised_path_length() + score.log2()).abs() < 1e-9);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn contributions_add_up_in_deep_forests(
        values in prop::collection::vec(-1e6..1e6f64, 20 * 600), seed: u64,
    ) {
        let matrix = Matrix::unweighted(20, values).unwrap();
        let params = IsolationForestParams::new()
            .n_estimators(7)
            .max_samples(learn::iforest::MaxSamples::Fraction(1.0))
            .seed(seed);
        let forest = params.fit(&matrix).unwrap();
        let rows = &matrix.values()[..20 * 13];
        let contributions = forest.explain_rows(rows).unwrap();
        let scores = forest.scores(rows).unwrap();
        let base = forest.base().unwrap();
        for (row, score) in contributions.chunks(20).zip(scores) {
            prop_assert!((base + row.iter().sum::<f64>() + score.log2()).abs() < 1e-9);
        }
    }
}

#[test]
fn rows_are_explained_alike_alone_and_together() {
    let values: Vec<f64> = (0..1100 * 3).map(|i| f64::from(i * 37 % 1009)).collect();
    let matrix = Matrix::unweighted(3, values).unwrap();
    let forest = IsolationForestParams::new()
        .n_estimators(20)
        .fit(&matrix)
        .unwrap();
    let together = forest.explain_rows(matrix.values()).unwrap();
    for row in [0, 7, 8, 511, 512, 1099] {
        let alone = forest.explain(matrix.row(row)).unwrap();
        assert_eq!(alone.contributions, together[row * 3..(row + 1) * 3]);
    }
}

#[test]
fn the_reason_is_the_column_that_differs() {
    let values: Vec<f64> = (0..300)
        .flat_map(|i| [f64::from(i % 7), f64::from(i % 11)])
        .collect();
    let matrix = Matrix::unweighted(2, values).unwrap();
    let forest = IsolationForestParams::new().fit(&matrix).unwrap();
    let explanation = forest.explain(&[3.0, 500.0]).unwrap();
    assert!(explanation.contributions[1] < -0.1, "{explanation:?}");
    assert!(explanation.contributions[0].abs() < 0.1, "{explanation:?}");
}

#[test]
fn an_extended_forest_says_that_it_cannot_explain() {
    let matrix = Matrix::unweighted(2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let forest: IsolationForest = IsolationForestParams::new()
        .extension_level(1)
        .fit(&matrix)
        .unwrap();
    let error = forest.explain(&[1.0, 2.0]).unwrap_err();
    assert_eq!(error, ExplainError::Extended { level: 1 });
    assert!(matches!(forest.explain(&[1.0]), Err(ExplainError::Rows(_))));
}
