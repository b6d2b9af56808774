//! One isolation tree and the path lengths of rows in it.

use super::novelty::{Range, shortened};
use super::params::MAX_SAMPLES;
use crate::real;

/// Euler's constant γ.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// Returns c(n), the average path length of an unsuccessful search in a binary search tree of `n`
/// keys, in splits. It normalises path lengths (Liu, Ting & Zhou 2008, equation 1, with H(n − 1) ≈
/// ln(n − 1) + γ). As in scikit-learn, c(2) = 1 and c(1) = c(0) = 0.
pub fn average_path_length(n: u64) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = n as f64;
            2.0 * (real::ln(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// Returns the path length of a leaf at `depth` that holds `events` training events: depth +
/// c(events), in splits.
pub(super) fn leaf_path_length(depth: u32, events: u32) -> f64 {
    f64::from(depth) + summable(average_path_length(u64::from(events)))
}

/// A table for [`leaf_path_length`], because a fit creates many leaves.
pub(super) struct PathLengths(Vec<f64>);

impl PathLengths {
    /// Creates the table for leaves of up to `sample_size` events. It covers common leaf sizes
    /// only; path lengths of larger leaves are computed.
    pub(super) fn new(sample_size: u64) -> PathLengths {
        let most_events = sample_size.min(1 << 12) as u32;
        PathLengths(
            (0..=most_events)
                .map(|events| leaf_path_length(0, events))
                .collect(),
        )
    }

    pub(super) fn of_leaf(&self, depth: u32, events: u32) -> f64 {
        match self.0.get(events as usize) {
            // Multiples of 2⁻³⁶ are added exactly.
            Some(rest) => f64::from(depth) + rest,
            None => leaf_path_length(depth, events),
        }
    }
}

/// Rounds a path length to the nearest multiple of 2⁻³⁶, with an error of at most 7 · 10⁻¹².
///
/// Sums of such multiples are exact up to 2¹⁷. The path lengths of a forest therefore add up to the
/// same bits in every order, and a row that no tree isolates scores exactly 0.5.
pub(super) fn summable(length: f64) -> f64 {
    const UNITS: f64 = 68_719_476_736.0;
    (length * UNITS + 0.5).floor() / UNITS
}

/// The rule by which a node sends a row to one of its children.
///
/// "The larger branch" is the child that received more of the training events, or the left child if
/// both received the same number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// The node is a leaf.
    Leaf { path_length: f64 },
    /// A row goes left when `value <= threshold`; a missing value follows the larger branch.
    Threshold { feature: u32, threshold: f64 },
    /// Listed categories and missing values follow the larger branch, all other values the smaller
    /// one.
    Categories { feature: u32, list: u32 },
    /// A row goes left when it is not above the hyperplane; a row that lacks a value follows the
    /// larger branch.
    Plane { plane: u32 },
}

/// A node. Its left child is the next node of the tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) rule: Rule,
    /// The index of the right child; 0 for a leaf.
    pub(super) right: u32,
    /// The number of training events that reached the node.
    pub(super) events: u32,
}

/// A hyperplane. Rows with Σ `weights[i]` × row[`features[i]`] ≤ `offset` are left of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    pub(super) features: Box<[u32]>,
    pub(super) weights: Box<[f64]>,
    pub(super) offset: f64,
}

impl Plane {
    /// Returns the row's position along the normal; NaN when a value is missing or infinities
    /// cancel.
    pub(super) fn project(&self, row: &[f64]) -> f64 {
        let terms = self.features.iter().zip(&self.weights);
        terms.fold(0.0, |sum, (&feature, &weight)| {
            sum + weight * row[feature as usize]
        })
    }
}

/// A tree in preorder. Every child comes after its parent, so every walk terminates.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Lists of ascending category codes, referred to by [`Rule::Categories`].
    pub(super) lists: Vec<Box<[u32]>>,
    pub(super) planes: Vec<Plane>,
    /// For each node, the range of the column that it splits among its training events. It is empty in a plain forest,
    /// and [`Range::ALL`] for leaves and categories.
    pub(super) ranges: Vec<Range>,
    /// For each column, its range in the tree's sample; empty in a plain forest. It is [`Range::ALL`] for categories,
    /// for columns that the tree may not split on, and for columns without values.
    pub(super) sample: Vec<Range>,
}

/// The maximum number of splits on a path, ⌈log₂ [`MAX_SAMPLES`]⌉.
pub(super) const MAX_DEPTH: usize = MAX_SAMPLES.ilog2() as usize;

impl Tree {
    /// Returns the row's path length in splits. In a plain forest it is the depth of the row's leaf plus c(number of
    /// training events in the leaf); else it is as in [`super::novelty`].
    pub(super) fn path_length(&self, row: &[f64]) -> f64 {
        if self.is_plain() {
            self.plain_path_length(row)
        } else {
            self.expected_path_length(row)
        }
    }

    /// Returns whether path lengths do not depend on how far outside a row lies.
    pub(super) fn is_plain(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns whether the path of a row begins with cuts of the whole sample. A single event needs no cut to be set
    /// apart.
    pub(super) fn has_first_cuts(&self) -> bool {
        !self.sample.is_empty() && self.nodes[0].events > 1
    }

    fn plain_path_length(&self, row: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            let node = &self.nodes[at];
            let left = match node.rule {
                Rule::Leaf { path_length } => return path_length,
                rule => self.goes_left(at, rule, row),
            };
            at = if left { at + 1 } else { node.right as usize };
        }
    }

    fn expected_path_length(&self, row: &[f64]) -> f64 {
        // The splits that the row may not survive: the number of splits down to there, and the probability.
        let mut cuts = [(0.0, 1.0); MAX_DEPTH];
        let (mut at, mut depth) = (0, 0);
        let leaf = loop {
            let node = &self.nodes[at];
            let left = match node.rule {
                Rule::Leaf { path_length } => break path_length,
                rule => self.goes_left(at, rule, row),
            };
            let survival = match node.rule {
                Rule::Threshold { feature, .. } => self.ranges[at].survival(row[feature as usize]),
                _ => 1.0,
            };
            cuts[depth] = (depth as f64 + 1.0, survival);
            depth += 1;
            at = if left { at + 1 } else { node.right as usize };
        };
        let cuts = cuts[..depth].iter().rev();
        let length = cuts.fold(leaf, |length, &(after, survival)| {
            shortened(length, after, survival)
        });
        summable(shortened(length, 1.0, self.survival_of_first_cuts(row)))
    }

    /// Returns the probability that the row survives the cuts of the whole sample.
    pub(super) fn survival_of_first_cuts(&self, row: &[f64]) -> f64 {
        if !self.has_first_cuts() {
            return 1.0;
        }
        let survivals = self
            .sample
            .iter()
            .zip(row)
            .map(|(range, value)| range.survival(*value));
        survivals.fold(1.0, |product, survival| product * survival)
    }

    /// Returns the number of splits on the path to the deepest leaf.
    pub(super) fn depth(&self) -> u32 {
        let mut depths = vec![0; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            if node.right > 0 {
                depths[at + 1] = depths[at] + 1;
                depths[node.right as usize] = depths[at] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// Returns whether `rule`, the rule of the inner node `at`, sends a row left.
    #[inline]
    pub(super) fn goes_left(&self, at: usize, rule: Rule, row: &[f64]) -> bool {
        match rule {
            Rule::Leaf { .. } => false,
            Rule::Threshold { feature, threshold } => {
                let value = row[feature as usize];
                value <= threshold || (value.is_nan() && self.left_is_larger(at))
            }
            Rule::Categories { feature, list } => {
                let value = row[feature as usize];
                let larger = value.is_nan() || self.lists_category(list, value);
                larger == self.left_is_larger(at)
            }
            Rule::Plane { plane } => {
                let plane = &self.planes[plane as usize];
                let position = plane.project(row);
                position <= plane.offset || (position.is_nan() && self.left_is_larger(at))
            }
        }
    }

    pub(super) fn left_is_larger(&self, at: usize) -> bool {
        let right = self.nodes[at].right as usize;
        self.nodes[at + 1].events >= self.nodes[right].events
    }

    fn lists_category(&self, list: u32, value: f64) -> bool {
        let list = &self.lists[list as usize];
        list.binary_search_by(|&code| f64::from(code).total_cmp(&(value + 0.0)))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_24_bytes() {
        assert_eq!(size_of::<Node>(), 24);
    }

    #[test]
    fn average_path_length_has_its_closed_form() {
        assert_eq!([0, 1, 2].map(average_path_length), [0.0, 0.0, 1.0]);
        // 2 (ln 255 + γ) − 2 · 255/256, correct to 15 digits.
        assert!((average_path_length(256) - 10.244_770_920_119_917).abs() < 1e-14);
        assert!((average_path_length(5) - 2.327_020_052_042_847).abs() < 1e-14);
        let growing = (2..2000).all(|n| average_path_length(n + 1) > average_path_length(n));
        assert!(growing);
    }
}
