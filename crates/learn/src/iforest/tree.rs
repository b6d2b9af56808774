//! One isolation tree.

use crate::real;

/// Euler's constant γ.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// c(n): the mean path length of an unsuccessful search in a binary search tree of `n` keys, which
/// normalises path lengths (Liu, Ting & Zhou 2008, equation 1, with H(n − 1) ≈ ln(n − 1) + γ). As in
/// scikit-learn c(2) is 1, and c(1) and c(0) are 0.
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

/// The path length of a leaf at `depth` that holds `events` training events: depth + c(events).
pub(super) fn leaf_path_length(depth: u32, events: u32) -> f64 {
    f64::from(depth) + summable(average_path_length(u64::from(events)))
}

/// [`leaf_path_length`] from a table, for the many leaves of a fit.
pub(super) struct PathLengths(Vec<f64>);

impl PathLengths {
    /// For leaves of up to `sample_size` events; the table stops at what is common.
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

/// The nearest multiple of 2⁻³⁶ (an error of at most 7 · 10⁻¹²).
///
/// Sums of such numbers are exact up to 2¹⁷, so the path lengths of a forest add up to the same bits
/// in every order, and a row that no tree isolates has a score of exactly 0.5.
pub(super) fn summable(length: f64) -> f64 {
    const UNITS: f64 = 68_719_476_736.0;
    (length * UNITS + 0.5).floor() / UNITS
}

/// Where a node sends a row.
///
/// "The larger branch" is the child that got more of the training events, the left one of equals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// Nowhere: the row has arrived.
    Leaf { path_length: f64 },
    /// Left when `value <= threshold`; a missing value follows the larger branch.
    Threshold { feature: u32, threshold: f64 },
    /// The larger branch for the categories of the list and for missing values, else the smaller.
    Categories { feature: u32, list: u32 },
    /// Left when the row is not above the plane; the larger branch when a value is missing.
    Plane { plane: u32 },
}

/// A node; its left child is the node after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) rule: Rule,
    /// Index of the right child; 0 for a leaf.
    pub(super) right: u32,
    /// Training events that reached the node.
    pub(super) events: u32,
}

/// A hyperplane: left of it is Σ `weights[i]` × row[`features[i]`] ≤ `offset`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    pub(super) features: Box<[u32]>,
    pub(super) weights: Box<[f64]>,
    pub(super) offset: f64,
}

impl Plane {
    /// The row's position along the normal; NaN when a value is missing or infinities cancel.
    pub(super) fn project(&self, row: &[f64]) -> f64 {
        let terms = self.features.iter().zip(&self.weights);
        terms.fold(0.0, |sum, (&feature, &weight)| {
            sum + weight * row[feature as usize]
        })
    }
}

/// A tree in preorder: every child comes after its parent, so every walk ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Sorted category codes.
    pub(super) lists: Vec<Box<[u32]>>,
    pub(super) planes: Vec<Plane>,
}

impl Tree {
    /// Depth of the row's leaf plus c(number of training events in it).
    pub(super) fn path_length(&self, row: &[f64]) -> f64 {
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

    /// Splits on the way to the deepest leaf.
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

    /// Which way `rule` of node `at`, not a leaf, sends a row.
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
        // 2 (ln 255 + γ) − 2 · 255/256, to the last of 15 digits.
        assert!((average_path_length(256) - 10.244_770_920_119_917).abs() < 1e-14);
        assert!((average_path_length(5) - 2.327_020_052_042_847).abs() < 1e-14);
        let growing = (2..2000).all(|n| average_path_length(n + 1) > average_path_length(n));
        assert!(growing);
    }
}
