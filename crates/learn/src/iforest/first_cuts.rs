//! The first cuts of many trees, for many rows.

use super::novelty::Range;
use super::tree::Tree;

/// The ranges of the samples of all trees, arranged to find the few that a value is outside of.
#[derive(Debug)]
pub(super) struct FirstCuts {
    n_trees: usize,
    columns: Vec<Column>,
}

/// The ranges of one column.
#[derive(Debug, Default)]
struct Column {
    /// The ranges with their trees, by descending low end.
    by_low: Vec<(Range, usize)>,
    /// The ranges with their trees, by ascending high end.
    by_high: Vec<(Range, usize)>,
}

impl FirstCuts {
    /// Arranges the ranges of the trees' samples; returns `None` for a plain forest.
    pub(super) fn of(trees: &[Tree], n_features: usize) -> Option<FirstCuts> {
        let plain = trees.iter().all(Tree::is_plain);
        (!plain).then(|| FirstCuts::new(trees, n_features))
    }

    fn new(trees: &[Tree], n_features: usize) -> FirstCuts {
        let column = |feature: usize| {
            let cut = trees
                .iter()
                .enumerate()
                .filter(|(_, tree)| tree.has_first_cuts());
            let ranges = cut.map(|(tree, content)| (content.sample[feature], tree));
            let mut by_low: Vec<_> = ranges.filter(|(range, _)| *range != Range::ALL).collect();
            let mut by_high = by_low.clone();
            by_low.sort_by(|(one, _), (other, _)| other.low.total_cmp(&one.low));
            by_high.sort_by(|(one, _), (other, _)| one.high.total_cmp(&other.high));
            Column { by_low, by_high }
        };
        FirstCuts {
            n_trees: trees.len(),
            columns: (0..n_features).map(column).collect(),
        }
    }

    /// Writes to `out` for each tree and row the probability that the row survives the first cuts of the tree. The
    /// probabilities of a tree are `stride` places apart from those of the next.
    pub(super) fn survivals(&self, rows: &[f64], stride: usize, out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.n_trees * stride, 1.0);
        for (row, values) in rows.chunks_exact(self.columns.len()).enumerate() {
            // The factors of a tree are multiplied in the order of the columns, which fixes the rounding.
            for (column, &value) in self.columns.iter().zip(values) {
                let below = column
                    .by_low
                    .iter()
                    .take_while(|(range, _)| value < range.low);
                let above = column
                    .by_high
                    .iter()
                    .take_while(|(range, _)| value > range.high);
                for (range, tree) in below.chain(above) {
                    out[tree * stride + row] *= range.survival(value);
                }
            }
        }
    }
}
