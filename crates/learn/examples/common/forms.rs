//! The forms of path lengths that docs/decisions/0017 compares, each written without tricks, so that their times show what
//! the forms cost. The box in every node is in no other code: it was tried and not taken.

use learn::Matrix;
use learn::iforest::{
    IsolationForest, IsolationForestParams, MaxSamples, Novelty, TreeData, average_path_length,
};

use super::common::BoxedError;

/// The number of rows that all trees grow on, so that the rows of every node are known.
const SAMPLES: usize = 256;

/// The maximum number of nodes on a path: splits up to the height limit of log₂ 256, and a leaf.
const MAX_NODES: usize = 9;

/// The number of rows that go through a tree together.
const ROWS_TOGETHER: usize = 256;

/// What a node knows of the events that it was grown on.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// Nothing.
    Plain,
    /// The range of the column that it splits. The tree has the ranges of all columns in its sample.
    Range,
    /// The ranges of all columns.
    Box,
}

/// A forest of numeric columns for all forms.
pub struct Forest {
    n_features: usize,
    trees: Vec<Tree>,
}

struct Tree {
    /// The nodes in preorder.
    nodes: Vec<Node>,
    /// For each node, the lowest and the highest value of each column.
    boxes: Vec<[f64; 2]>,
}

enum Node {
    Leaf {
        length: f64,
    },
    Split {
        feature: usize,
        threshold: f64,
        range: [f64; 2],
        right: usize,
    },
}

impl Forest {
    /// Grows trees on the first rows of the matrix.
    ///
    /// # Panics
    /// Panics if a form does not give the scores of `learn`, or if a row of the sample is outside of a box.
    pub fn grow(matrix: &Matrix, params: &IsolationForestParams) -> Result<Forest, BoxedError> {
        let n_features = matrix.n_features();
        let sample = matrix.values()[..SAMPLES * n_features].to_vec();
        let sample = Matrix::unweighted(n_features, sample)?;
        let params = params.clone().max_samples(MaxSamples::Count(SAMPLES));
        let fit = |novelty| params.clone().novelty(novelty).fit(&sample);
        let range = fit(Novelty::Range)?;
        let trees = range.to_data().trees;
        let forest = Forest {
            n_features,
            trees: trees.iter().map(|tree| Tree::of(tree, &sample)).collect(),
        };
        let rows = &matrix.values()[..4 * SAMPLES * n_features];
        forest.check(Form::Plain, &fit(Novelty::Plain)?, rows)?;
        forest.check(Form::Range, &range, rows)?;
        let [plain, boxes] =
            [Form::Plain, Form::Box].map(|form| forest.scores(sample.values(), form));
        assert!(
            plain == boxes,
            "a row of the sample is inside of every box on its way"
        );
        Ok(forest)
    }

    fn check(&self, form: Form, forest: &IsolationForest, rows: &[f64]) -> Result<(), BoxedError> {
        let pairs = self
            .scores(rows, form)
            .into_iter()
            .zip(forest.scores(rows)?);
        for (ours, expected) in pairs {
            assert!(
                (ours - expected).abs() < 1e-9,
                "{ours} instead of {expected}"
            );
        }
        Ok(())
    }

    /// Returns the score of each row.
    pub fn scores(&self, rows: &[f64], form: Form) -> Vec<f64> {
        let mut sums = vec![0.0; rows.len() / self.n_features];
        let together = rows.chunks(ROWS_TOGETHER * self.n_features);
        for (rows, sums) in together.zip(sums.chunks_mut(ROWS_TOGETHER)) {
            for tree in &self.trees {
                for (row, sum) in rows.chunks_exact(self.n_features).zip(&mut *sums) {
                    *sum += match form {
                        Form::Plain => tree.plain_length(row),
                        Form::Range => tree.range_length(row),
                        Form::Box => tree.box_length(row),
                    };
                }
            }
        }
        let normal = self.trees.len() as f64 * average_path_length(SAMPLES as u64);
        sums.into_iter().map(|sum| (-sum / normal).exp2()).collect()
    }
}

impl Tree {
    fn of(data: &TreeData, sample: &Matrix) -> Tree {
        let mut tree = Tree {
            nodes: Vec::new(),
            boxes: Vec::new(),
        };
        let rows = (0..sample.n_rows()).map(|row| sample.row(row)).collect();
        let (mut splits, mut leaves) = (0, 0);
        tree.add(data, rows, 0, &mut splits, &mut leaves);
        tree
    }

    /// Appends the subtree of the rows. `splits` and `leaves` are the numbers of those that the tree has.
    fn add(
        &mut self,
        data: &TreeData,
        rows: Vec<&[f64]>,
        depth: u32,
        splits: &mut usize,
        leaves: &mut usize,
    ) {
        let at = self.nodes.len();
        for column in 0..rows[0].len() {
            let values = rows.iter().map(|row| row[column]);
            self.boxes.push([
                values.clone().fold(f64::INFINITY, f64::min),
                values.fold(f64::NEG_INFINITY, f64::max),
            ]);
        }
        let Ok(feature) = usize::try_from(data.splits[at]) else {
            let events = u64::from(data.leaf_events[*leaves]);
            *leaves += 1;
            let length = f64::from(depth) + average_path_length(events);
            self.nodes.push(Node::Leaf { length });
            return;
        };
        let (threshold, range) = (data.thresholds[*splits], data.ranges[*splits]);
        *splits += 1;
        self.nodes.push(Node::Leaf { length: 0.0 });
        let (left, right) = rows.into_iter().partition(|row| row[feature] <= threshold);
        self.add(data, left, depth + 1, splits, leaves);
        let second = self.nodes.len();
        self.add(data, right, depth + 1, splits, leaves);
        self.nodes[at] = Node::Split {
            feature,
            threshold,
            range,
            right: second,
        };
    }

    /// Goes down the tree. Calls `at_node` with each node and the number of splits above it, and returns the length that
    /// the leaf gives and the number of splits above it.
    fn go_down(&self, row: &[f64], mut at_node: impl FnMut(usize, usize)) -> (f64, usize) {
        let (mut at, mut depth) = (0, 0);
        loop {
            at_node(at, depth);
            match self.nodes[at] {
                Node::Leaf { length } => return (length, depth),
                Node::Split {
                    feature,
                    threshold,
                    right,
                    ..
                } => {
                    at = if row[feature] <= threshold {
                        at + 1
                    } else {
                        right
                    }
                }
            }
            depth += 1;
        }
    }

    fn plain_length(&self, row: &[f64]) -> f64 {
        self.go_down(row, |_, _| {}).0
    }

    fn range_length(&self, row: &[f64]) -> f64 {
        let mut survivals = [1.0; MAX_NODES];
        let (leaf, depth) = self.go_down(row, |at, depth| {
            if let Node::Split { feature, range, .. } = self.nodes[at] {
                survivals[depth] = survival(range, row[feature]);
            }
        });
        let cuts = self.boxes.iter().zip(row);
        let first: f64 = cuts
            .map(|(range, value)| survival(*range, *value))
            .product();
        1.0 + first * (expected(leaf, &survivals[..=depth]) - 1.0)
    }

    fn box_length(&self, row: &[f64]) -> f64 {
        let mut survivals = [1.0; MAX_NODES];
        let (leaf, depth) = self.go_down(row, |at, depth| {
            survivals[depth] = box_survival(&self.boxes[at * row.len()..][..row.len()], row);
        });
        expected(leaf, &survivals[..=depth])
    }
}

/// Returns the distance of a value from a range.
fn beyond([low, high]: [f64; 2], value: f64) -> f64 {
    (low - value).max(value - high).max(0.0)
}

/// Returns the probability that a cut, drawn uniformly within a range and the value, does not separate them.
fn survival(range: [f64; 2], value: f64) -> f64 {
    let (width, beyond) = (range[1] - range[0], beyond(range, value));
    if beyond > 0.0 {
        width / (width + beyond)
    } else {
        1.0
    }
}

/// Returns the probability that a cut does not separate the row from a box. Its column is drawn uniformly from those that
/// vary among the events of the box and the row.
fn box_survival(ranges: &[[f64; 2]], row: &[f64]) -> f64 {
    let (mut separations, mut varying) = (0.0, 0.0);
    for (range, value) in ranges.iter().zip(row) {
        let beyond = beyond(*range, *value);
        let whole = range[1] - range[0] + beyond;
        if whole > 0.0 {
            separations += beyond / whole;
            varying += 1.0;
        }
    }
    if separations > 0.0 {
        1.0 - separations / varying
    } else {
        1.0
    }
}

/// Returns the expected length of a path that ends behind the split of depth d + 1 unless it survives it with the
/// probability `survivals[d]`. `leaf` is its length if it survives all.
fn expected(leaf: f64, survivals: &[f64]) -> f64 {
    let cuts = survivals.iter().enumerate().rev();
    cuts.fold(leaf, |length, (depth, &survival)| {
        let after = depth as f64 + 1.0;
        if survival < 1.0 {
            after + survival * (length - after)
        } else {
            length
        }
    })
}
