//! Compares path lengths and explanations of events that lie outside with the process that defines them, enumerated from
//! the exchange form, so that the tests share no code with the implementation.

use learn::iforest::{
    ForestData, IsolationForest, IsolationForestParams, MaxFeatures, MaxSamples, Novelty, TreeData,
    average_path_length,
};
use learn::{ColumnKind, Matrix};
use proptest::prelude::*;

const KINDS: [ColumnKind; 4] = [
    ColumnKind::Numeric,
    ColumnKind::Numeric,
    ColumnKind::Categorical { cardinality: 4 },
    ColumnKind::Numeric,
];

/// The process of one tree for a row of which only the columns in the bit set `known` are known.
struct Process<'a> {
    tree: &'a TreeData,
    row: &'a [f64],
    known: u32,
}

impl Process<'_> {
    /// Returns the probability that a cut within [low, high] and the value of the column separates the row.
    fn separates(&self, column: usize, ends: Option<[f64; 2]>) -> f64 {
        let value = self.row[column];
        match ends {
            Some([low, high]) if self.known >> column & 1 == 1 && !value.is_nan() => {
                let (widest_low, widest_high) = (low.min(value), high.max(value));
                if widest_low == widest_high {
                    0.0
                } else {
                    1.0 - (high - low) / (widest_high - widest_low)
                }
            }
            _ => 0.0,
        }
    }

    /// Returns the expected path length, by the outcomes of the first cuts.
    fn expected(&self) -> f64 {
        let below = self.below(0, 0.0, &mut [0; 3]);
        if below.1 < 2.0 {
            return below.0;
        }
        let n = self.tree.sample_ranges.len();
        let outcomes = 0..1u32 << n;
        outcomes
            .map(|separated| {
                let chances = (0..n).map(|column| {
                    let chance = self.separates(column, self.tree.sample_ranges[column]);
                    if separated >> column & 1 == 1 {
                        chance
                    } else {
                        1.0 - chance
                    }
                });
                chances.product::<f64>() * if separated == 0 { below.0 } else { 1.0 }
            })
            .sum()
    }

    /// Returns the expected path length of a row that reaches `node`, the node's number of events and of nodes.
    /// `arrays` counts the numeric splits, category lists and leaves before it.
    fn below(&self, node: usize, depth: f64, arrays: &mut [usize; 3]) -> (f64, f64, usize) {
        let split = self.tree.splits[node];
        if split < 0 {
            let events = self.tree.leaf_events[arrays[2]];
            arrays[2] += 1;
            return (depth + average_path_length(events.into()), events.into(), 1);
        }
        let column = split as usize;
        let categorical = matches!(KINDS[column], ColumnKind::Categorical { .. });
        let entry = arrays[usize::from(categorical)];
        arrays[usize::from(categorical)] += 1;
        let left = self.below(node + 1, depth + 1.0, arrays);
        let right = self.below(node + 1 + left.2, depth + 1.0, arrays);
        let (events, value) = (left.1 + right.1, self.row[column]);
        let to_larger = value.is_nan()
            || categorical
                && self.tree.categories[entry]
                    .iter()
                    .any(|&c| f64::from(c) == value);
        let goes_left = if categorical || value.is_nan() {
            to_larger == (left.1 >= right.1)
        } else {
            value <= self.tree.thresholds[entry]
        };
        let survived = if self.known >> column & 1 == 0 {
            (left.0 * left.1 + right.0 * right.1) / events
        } else if goes_left {
            left.0
        } else {
            right.0
        };
        let ends = (!categorical).then(|| self.tree.ranges[entry]);
        let separates = self.separates(column, ends);
        let expected = separates * (depth + 1.0) + (1.0 - separates) * survived;
        (expected, events, 1 + left.2 + right.2)
    }
}

/// Returns the mean of the expected path lengths over the trees.
fn by_process(data: &ForestData, row: &[f64], known: u32) -> f64 {
    let lengths = data
        .trees
        .iter()
        .map(|tree| Process { tree, row, known }.expected());
    lengths.sum::<f64>() / data.trees.len() as f64
}

/// Computes the Shapley values of the path length from their definition.
fn shapley_values(data: &ForestData, row: &[f64]) -> Vec<f64> {
    let n = row.len() as u32;
    let values: Vec<f64> = (0..1 << n)
        .map(|known| by_process(data, row, known))
        .collect();
    let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
    let shapley = |column: u32| {
        let without = (0..1u32 << n).filter(|set| set >> column & 1 == 0);
        let terms = without.map(|set| {
            let size = set.count_ones();
            let weight = factorial(size) * factorial(n - size - 1) / factorial(n);
            weight * (values[(set | 1 << column) as usize] - values[set as usize])
        });
        terms.sum()
    };
    (0..n).map(shapley).collect()
}

/// Returns a value from a byte: in a probe also far outside, and rarely missing.
fn value(column: usize, raw: u8, probe: bool) -> f64 {
    match KINDS[column] {
        _ if raw >= 245 => f64::NAN,
        ColumnKind::Categorical { cardinality } => f64::from(u32::from(raw) % cardinality),
        ColumnKind::Numeric if probe => f64::from(raw % 61) - 25.0,
        ColumnKind::Numeric => f64::from(raw % 11),
    }
}

fn row(raw: &[u8; 4], probe: bool) -> Vec<f64> {
    raw.iter()
        .enumerate()
        .map(|(column, &raw)| value(column, raw, probe))
        .collect()
}

fn range_params() -> IsolationForestParams {
    IsolationForestParams::new().novelty(Novelty::Range)
}

proptest! {
    #[test]
    fn path_lengths_and_contributions_are_those_of_the_process(
        raw in prop::collection::vec(any::<[u8; 4]>(), 1..40),
        probes in prop::collection::vec(any::<[u8; 4]>(), 1..20),
        constant: bool, half: bool, seed: u64,
    ) {
        let mut values: Vec<f64> = raw.iter().flat_map(|raw| row(raw, false)).collect();
        if constant {
            values.iter_mut().skip(3).step_by(4).for_each(|value| *value = 5.0);
        }
        let matrix = Matrix::unweighted(4, values).unwrap();
        let share = if half { 0.5 } else { 1.0 };
        let params = range_params().n_estimators(5).seed(seed).column_kinds(KINDS.to_vec());
        let params = params.max_features(MaxFeatures::Fraction(share));
        let forest = params.fit(&matrix).unwrap();
        let data = forest.to_data();
        let rows: Vec<f64> = probes.iter().flat_map(|raw| row(raw, true)).collect();
        let lengths = forest.mean_path_lengths(&rows).unwrap();
        let contributions = forest.explain_rows(&rows).unwrap();
        let normal = average_path_length(data.max_samples).max(f64::MIN_POSITIVE);
        for ((row, length), found) in rows.chunks(4).zip(lengths).zip(contributions.chunks(4)) {
            let expected = by_process(&data, row, 0b1111);
            prop_assert!((length - expected).abs() < 1e-10, "{length}, not {expected}");
            if data.max_samples == 1 {
                continue;
            }
            for (found, expected) in found.iter().zip(shapley_values(&data, row)) {
                prop_assert!((found - expected / normal).abs() < 1e-10, "{found}, not {expected}");
            }
            let explained = forest.explain(row).unwrap();
            prop_assert_eq!(&explained.contributions, found);
            let score = forest.score_one(row).unwrap();
            prop_assert!((explained.normalised_path_length() + score.log2()).abs() < 1e-9);
        }
    }

    #[test]
    fn the_farther_outside_the_higher_the_score(
        raw in prop::collection::vec(any::<[u8; 4]>(), 2..200), probe: [u8; 4], seed: u64,
        column in 0..3usize, upwards: bool,
    ) {
        let column = [0, 1, 3][column];
        let matrix = Matrix::unweighted(4, raw.iter().flat_map(|raw| row(raw, false)).collect());
        let params = range_params().n_estimators(20).seed(seed).column_kinds(KINDS.to_vec());
        let forest = params.fit(&matrix.unwrap()).unwrap();
        // All values of training are from 0 to 10.
        let steps = (0..200).map(|i| 1.5f64.powi(i) - 1.0).chain([f64::MAX, f64::INFINITY]);
        let rows: Vec<f64> = steps.flat_map(|step| {
            let mut row = row(&probe, true);
            row[column] = if upwards { 10.0 + step } else { -step };
            row
        }).collect();
        let scores = forest.scores(&rows).unwrap();
        prop_assert!(scores.is_sorted(), "{scores:?}");
    }

    #[test]
    fn inside_of_every_range_the_path_is_plain(
        raw in prop::collection::vec(any::<[u8; 4]>(), 1..120), seed: u64,
    ) {
        let values: Vec<f64> = raw.iter().flat_map(|raw| row(raw, false)).collect();
        let matrix = Matrix::unweighted(4, values.clone()).unwrap();
        // Each tree is grown on all events, which are therefore inside of every range on their way.
        let plain = IsolationForestParams::new().n_estimators(9).seed(seed);
        let plain = plain.column_kinds(KINDS.to_vec());
        let range = plain.clone().novelty(Novelty::Range);
        let scores = |params: IsolationForestParams| {
            params.fit(&matrix).unwrap().scores(&values).unwrap()
        };
        prop_assert_eq!(scores(plain), scores(range));
    }

    #[test]
    fn weights_stand_for_repeated_rows(
        rows in prop::collection::vec((any::<[u8; 4]>(), 1..5usize), 1..40), probe: [u8; 4], seed: u64,
    ) {
        let distinct: Vec<f64> = rows.iter().flat_map(|(raw, _)| row(raw, false)).collect();
        let weights = rows.iter().map(|(_, n)| *n as f64).collect();
        let repeated = rows.iter().flat_map(|(raw, n)| row(raw, false).repeat(*n)).collect();
        let params = range_params().n_estimators(5).seed(seed).column_kinds(KINDS.to_vec());
        let params = params.max_samples(MaxSamples::Count(16));
        let one = params.fit(&Matrix::new(4, distinct, weights).unwrap()).unwrap();
        let other = params.fit(&Matrix::unweighted(4, repeated).unwrap()).unwrap();
        prop_assert!(one == other);
        let probe = row(&probe, true);
        prop_assert_eq!(one.score_one(&probe), other.score_one(&probe));
    }

    #[test]
    fn files_keep_the_forest(raw in prop::collection::vec(any::<[u8; 4]>(), 1..60), seed: u64) {
        let matrix = Matrix::unweighted(4, raw.iter().flat_map(|raw| row(raw, false)).collect());
        let params = range_params().n_estimators(3).seed(seed).column_kinds(KINDS.to_vec());
        let forest = params.fit(&matrix.unwrap()).unwrap();
        let text = serde_json::to_string(&forest.to_data()).unwrap();
        let data: ForestData = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(data.version, 2);
        prop_assert!(IsolationForest::try_from(data).unwrap() == forest);
    }
}

#[test]
fn a_value_in_a_constant_column_is_new() {
    let values: Vec<f64> = (0..1000)
        .flat_map(|i| [f64::from(i % 37), 4026532231.0])
        .collect();
    let forest = range_params()
        .fit(&Matrix::unweighted(2, values).unwrap())
        .unwrap();
    let scores = forest
        .scores(&[18.0, 4026532231.0, 18.0, 4026532232.0, 18.0, f64::NAN])
        .unwrap();
    // The first cut of every tree separates the second row: its path has the length 1.
    let highest = (-1.0 / average_path_length(256)).exp2();
    assert!((scores[1] - highest).abs() < 1e-9, "{scores:?}");
    assert!(scores[0] < 0.6 && scores[2] == scores[0], "{scores:?}");
    let explained = forest.explain(&[18.0, 4026532232.0]).unwrap();
    assert!(explained.contributions[1] < -0.7, "{explained:?}");
}

#[test]
fn invalid_ranges_are_refused() {
    let values = (0..60).map(f64::from).collect();
    let params = range_params().n_estimators(2);
    let forest = params.fit(&Matrix::unweighted(1, values).unwrap()).unwrap();
    let message = |change: fn(&mut ForestData)| {
        let mut data = forest.to_data();
        change(&mut data);
        IsolationForest::try_from(data).unwrap_err().to_string()
    };
    let cases: [(fn(&mut ForestData), &str); 9] = [
        (
            |data| data.version = 1,
            "novelty `range`, which needs format version 2",
        ),
        (|data| data.version = 3, "format version 3"),
        (
            |data| data.input = learn::iforest::InputPrecision::F32,
            "64-bit inputs",
        ),
        (
            |data| data.trees[1].ranges[0][0] = f64::NAN,
            "tree 1: node 0: the range from NaN",
        ),
        (
            |data| data.trees[1].ranges[0][1] = -1.0,
            "must contain the threshold",
        ),
        (
            |data| data.trees[0].ranges.truncate(1),
            "ranges has no entry for node",
        ),
        (
            |data| data.trees[0].ranges.push([0.0, 1.0]),
            "ranges has 1 entries that belong",
        ),
        (
            |data| data.trees[0].sample_ranges.clear(),
            "sample_ranges needs one entry per column",
        ),
        (
            |data| data.trees[0].sample_ranges[0] = Some([1.0, 0.0]),
            "ascending ends",
        ),
    ];
    for (change, expected) in cases {
        let found = message(change);
        assert!(found.contains(expected), "{found}");
    }
    let planes = range_params().extension_level(1);
    let matrix = Matrix::unweighted(2, (0..60).map(f64::from).collect()).unwrap();
    let found = planes.fit(&matrix).unwrap_err().to_string();
    assert!(found.contains("extension_level 0, got 1"), "{found}");
}
