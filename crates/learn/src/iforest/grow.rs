//! Growing one isolation tree (Liu, Ting & Zhou 2008, algorithm 2).

use super::novelty::Range;
use super::params::{IsolationForestParams, Novelty};
use super::sample::Sample;
use super::tree::{Node, PathLengths, Plane, Rule, Tree};
use crate::matrix::{ColumnKind, Matrix};
use crate::monitor;
use crate::rng::Rng;

/// The number of rows from which on a node is large enough to look for a cancellation. The whole subtree of a smaller
/// node takes less than a millisecond.
const ROWS_WORTH_CHECKING: usize = 4096;

/// The maximum number of columns of a matrix whose drawn rows are copied whole. Of wider ones, a tree may not look at most
/// columns.
const MAX_COPIED_COLUMNS: usize = 32;
/// The maximum number of rows of a sample that are copied. The rows of a larger one are not far apart, and a copy would take
/// much memory.
const MAX_COPIED_ROWS: usize = 1 << 16;

/// The inputs that all trees of a fit share.
pub(super) struct Fit<'a> {
    pub(super) params: &'a IsolationForestParams,
    pub(super) matrix: &'a Matrix,
    /// The maximum depth of a leaf, in splits.
    pub(super) height_limit: u32,
    pub(super) path_lengths: PathLengths,
}

impl Fit<'_> {
    /// Grows the tree of `sample` by random splits until every node holds a single event, holds
    /// only equal rows, or is at the height limit.
    pub(super) fn grow_tree(&self, sample: Sample, rng: &mut Rng) -> Tree {
        let n_features = self.matrix.n_features();
        let n_seen = self.params.features_per_tree(n_features);
        let seen = rng.distinct_below(n_features as u64, n_seen as u64);
        let n_rows = sample.rows.len();
        let mut order: Vec<u32> = (0..n_rows as u32).collect();
        let mut near = Vec::new();
        let is_narrow = n_features <= MAX_COPIED_COLUMNS && n_features <= 2 * n_seen;
        if is_narrow && n_rows <= MAX_COPIED_ROWS {
            near.reserve_exact(n_rows * n_features);
            let rows = sample.rows.iter().map(|&row| self.matrix.row(row as usize));
            rows.for_each(|row| near.extend_from_slice(row));
        }
        let events = sample.events.iter().sum();
        let mut grower = Grower {
            fit: self,
            rng,
            features: seen.into_iter().map(|feature| feature as u32).collect(),
            columns: vec![Column::default(); n_features],
            near,
            each_once: sample.events.iter().all(|events| *events == 1),
            sample,
            right: vec![0; n_rows],
            missing: Vec::new(),
            tree: Tree {
                nodes: Vec::with_capacity(2 * n_rows),
                ..Tree::default()
            },
        };
        grower.grow(&mut order, events, 0, n_seen);
        if grower.keeps_ranges() {
            grower.tree.sample = grower.sample_ranges(&order);
            grower.tree.ranges.shrink_to_fit();
        }
        grower.tree.nodes.shrink_to_fit();
        grower.tree
    }
}

/// The state of a tree while it grows.
struct Grower<'a> {
    fit: &'a Fit<'a>,
    rng: &'a mut Rng,
    sample: Sample,
    /// Whether every row of the sample stands for one event.
    each_once: bool,
    /// The values of the sample's rows, copied because the rows of the matrix are far apart in memory; empty for a large
    /// sample, and where a tree leaves out most columns.
    near: Vec<f64>,
    /// The tree's columns. In every node, those at index `n_varying` and above are constant.
    features: Vec<u32>,
    /// The sample's values of each column, arranged on first use; empty before that.
    columns: Vec<Column>,
    /// A buffer for the right side of a partition.
    right: Vec<u32>,
    /// A buffer for the rows of a partition that lack the value.
    missing: Vec<u32>,
    tree: Tree,
}

/// A column of the sample.
#[derive(Clone, Default)]
struct Column {
    values: Vec<f64>,
    /// Whether a value is missing.
    lacks: bool,
}

/// The values of a varying column within a node: their range, or the categories present.
enum Spread {
    Numbers { feature: u32, min: f64, max: f64 },
    Categories { feature: u32, present: Vec<u32> },
}

impl Grower<'_> {
    /// Appends the subtree of `rows`, which are indices into the sample and stand for `events` events. Only the first
    /// `n_varying` columns can vary among these rows.
    fn grow(&mut self, rows: &mut [u32], events: u32, depth: u32, mut n_varying: usize) {
        if rows.len() >= ROWS_WORTH_CHECKING {
            monitor::check();
        }
        let at = self.tree.nodes.len();
        self.tree.nodes.push(Node {
            rule: Rule::Leaf { path_length: 0.0 },
            right: 0,
            events,
        });
        if self.keeps_ranges() {
            self.tree.ranges.push(Range::ALL);
        }
        // A row that stands for many equal events is treated as those events would be, because the
        // random numbers drawn to find that all columns are constant are part of the stream.
        let split = match depth < self.fit.height_limit && events > 1 {
            true => self.draw_split(rows, &mut n_varying),
            false => None,
        };
        let Some(split) = split else {
            let path_length = self.fit.path_lengths.of_leaf(depth, events);
            self.tree.nodes[at].rule = Rule::Leaf { path_length };
            return;
        };
        if let Split::Threshold { range, .. } = split
            && self.keeps_ranges()
        {
            self.tree.ranges[at] = range;
        }
        let (rule, n_left) = self.apply(split, rows);
        let (left, right) = rows.split_at_mut(n_left);
        let events_left = self.events(left);
        self.grow(left, events_left, depth + 1, n_varying);
        let right_at = self.tree.nodes.len() as u32;
        self.grow(right, events - events_left, depth + 1, n_varying);
        self.tree.nodes[at] = Node {
            rule,
            right: right_at,
            events,
        };
    }

    /// Returns the number of events that the rows stand for.
    fn events(&self, rows: &[u32]) -> u32 {
        if self.each_once {
            return rows.len() as u32;
        }
        let events = &self.sample.events[..];
        rows.iter().map(|&row| events[row as usize]).sum()
    }

    /// Returns whether path lengths will depend on the ranges of nodes.
    fn keeps_ranges(&self) -> bool {
        self.fit.params.novelty == Novelty::Range
    }

    /// Returns the range of each column among all rows of the sample.
    fn sample_ranges(&mut self, rows: &[u32]) -> Vec<Range> {
        let mut ranges = vec![Range::ALL; self.fit.matrix.n_features()];
        for at in 0..self.features.len() {
            let feature = self.features[at];
            if self.fit.params.kind(feature as usize) == ColumnKind::Numeric {
                let (low, high) = ends(rows, self.column(feature));
                if low <= high {
                    ranges[feature as usize] = Range { low, high };
                }
            }
        }
        ranges
    }

    /// Draws a split on one column or, for an extended forest, on up to `extension_level + 1`
    /// numeric columns. Returns `None` when no column varies.
    fn draw_split(&mut self, rows: &[u32], n_varying: &mut usize) -> Option<Split> {
        let mut n_tried = 0;
        let (feature, min, max) = match self.draw_varying(rows, n_varying, &mut n_tried)? {
            Spread::Categories { feature, present } => {
                return Some(Split::Categories {
                    feature,
                    left: self.draw_subset(&present),
                });
            }
            Spread::Numbers { feature, min, max } => (feature, min, max),
        };
        let mut box_sides = vec![];
        while box_sides.len() < self.fit.params.extension_level {
            match self.draw_varying(rows, n_varying, &mut n_tried) {
                None => break,
                Some(Spread::Categories { .. }) => {}
                Some(Spread::Numbers { feature, min, max }) => box_sides.push((feature, min, max)),
            }
        }
        if box_sides.is_empty() {
            let threshold = between(min, max, self.rng.uniform());
            let range = Range {
                low: min,
                high: max,
            };
            return Some(Split::Threshold {
                feature,
                threshold,
                range,
            });
        }
        box_sides.insert(0, (feature, min, max));
        Some(Split::Plane(self.draw_plane(&box_sides)))
    }

    /// Draws a column that varies in the node, uniformly among the columns not drawn yet: those at
    /// indices from `n_tried` to below `n_varying`.
    fn draw_varying(
        &mut self,
        rows: &[u32],
        n_varying: &mut usize,
        n_tried: &mut usize,
    ) -> Option<Spread> {
        while n_tried < n_varying {
            let at = *n_tried + self.rng.below((*n_varying - *n_tried) as u64) as usize;
            if let Some(spread) = self.spread(self.features[at], rows) {
                self.features.swap(at, *n_tried);
                *n_tried += 1;
                return Some(spread);
            }
            *n_varying -= 1;
            self.features.swap(at, *n_varying);
        }
        None
    }

    /// Returns the spread of a column, ignoring missing values; `None` when the column is constant.
    fn spread(&mut self, feature: u32, rows: &[u32]) -> Option<Spread> {
        let kind = self.fit.params.kind(feature as usize);
        let column = self.column(feature);
        if let ColumnKind::Categorical { .. } = kind {
            let present = codes(rows.iter().map(|&row| column[row as usize]));
            return (present.len() > 1).then_some(Spread::Categories { feature, present });
        }
        let (min, max) = ends(rows, column);
        (min < max).then_some(Spread::Numbers { feature, min, max })
    }

    /// Returns the sample's values of a column.
    #[inline]
    fn column(&mut self, feature: u32) -> &[f64] {
        if self.columns[feature as usize].values.is_empty() {
            self.arrange_column(feature as usize);
        }
        &self.columns[feature as usize].values
    }

    fn arrange_column(&mut self, feature: usize) {
        let matrix = self.fit.matrix;
        let values: Vec<f64> = if self.near.is_empty() {
            let rows = self.sample.rows.iter();
            rows.map(|&row| matrix.row(row as usize)[feature]).collect()
        } else {
            let rows = self.near.chunks_exact(matrix.n_features());
            rows.map(|row| row[feature]).collect()
        };
        self.columns[feature] = Column {
            lacks: values.iter().fold(false, |any, value| any | value.is_nan()),
            values,
        };
    }

    /// Draws a subset of the categories uniformly from those that are neither empty nor complete.
    fn draw_subset(&mut self, present: &[u32]) -> Vec<u32> {
        loop {
            let mut bits = 0;
            let mut subset = Vec::new();
            for (i, &code) in present.iter().enumerate() {
                if i % 64 == 0 {
                    bits = self.rng.next_u64();
                }
                if bits >> (i % 64) & 1 == 1 {
                    subset.push(code);
                }
            }
            if !subset.is_empty() && subset.len() < present.len() {
                return subset;
            }
        }
    }

    /// Draws a hyperplane with a normally distributed normal vector through a uniformly distributed
    /// point of the node's bounding box (Hariri, Carrasco Kind & Brunner 2019, section 3). The
    /// normal vector is drawn after scaling the box to a unit cube, so that the units of the
    /// columns do not matter; the paper leaves scaling to the user.
    fn draw_plane(&mut self, box_sides: &[(u32, f64, f64)]) -> Plane {
        let (mut features, mut weights, mut offset) = (Vec::new(), Vec::new(), 0.0);
        for &(feature, min, max) in box_sides {
            // Half the width is used because the difference of two finite numbers can be infinite.
            let half = 0.5 * max - 0.5 * min;
            let weight = (self.rng.normal() / half).clamp(-1e300, 1e300);
            features.push(feature);
            weights.push(weight);
            offset += weight * between(min, max, self.rng.uniform());
        }
        let offset = if offset.is_nan() {
            0.0
        } else {
            offset.clamp(f64::MIN, f64::MAX)
        };
        Plane {
            features: features.into(),
            weights: weights.into(),
            offset,
        }
    }

    /// Moves the rows that go left to the front; returns the rule and the number of those rows.
    fn apply(&mut self, split: Split, rows: &mut [u32]) -> (Rule, usize) {
        match split {
            Split::Threshold {
                feature, threshold, ..
            } => {
                let column = std::mem::take(&mut self.columns[feature as usize]);
                let n_left = if column.lacks {
                    self.partition(rows, |row| side(column.values[row], threshold))
                        .0
                } else {
                    self.partition_complete(rows, &column.values, threshold)
                };
                self.columns[feature as usize] = column;
                (Rule::Threshold { feature, threshold }, n_left)
            }
            Split::Plane(plane) => self.apply_plane(plane, rows),
            Split::Categories { feature, left } => self.apply_categories(feature, left, rows),
        }
    }

    fn apply_plane(&mut self, plane: Plane, rows: &mut [u32]) -> (Rule, usize) {
        let (matrix, drawn) = (self.fit.matrix, std::mem::take(&mut self.sample.rows));
        let position = |row: usize| plane.project(matrix.row(drawn[row] as usize));
        let (n_left, _) = self.partition(rows, |row| side(position(row), plane.offset));
        self.sample.rows = drawn;
        let rule = Rule::Plane {
            plane: self.tree.planes.len() as u32,
        };
        self.tree.planes.push(plane);
        (rule, n_left)
    }

    fn apply_categories(
        &mut self,
        feature: u32,
        left: Vec<u32>,
        rows: &mut [u32],
    ) -> (Rule, usize) {
        let column = std::mem::take(&mut self.columns[feature as usize]);
        let side = |row: usize| match column.values[row] {
            code if code.is_nan() => Side::Missing,
            code if left.binary_search(&(code as u32)).is_ok() => Side::Left,
            _ => Side::Right,
        };
        let (n_left, left_is_larger) = self.partition(rows, side);
        let right = rows[n_left..]
            .iter()
            .map(|&row| column.values[row as usize]);
        let larger = if left_is_larger { left } else { codes(right) };
        self.columns[feature as usize] = column;
        let rule = Rule::Categories {
            feature,
            list: self.tree.lists.len() as u32,
        };
        self.tree.lists.push(larger.into());
        (rule, n_left)
    }

    /// Moves the rows whose values are at most `threshold` to the front, and returns their number. None may be missing.
    #[inline]
    fn partition_complete(&mut self, rows: &mut [u32], values: &[f64], threshold: f64) -> usize {
        let right = &mut self.right[..rows.len()];
        let (mut n_left, mut n_right) = (0, 0);
        for i in 0..rows.len() {
            let row = rows[i];
            // Writing to both sides and advancing only one of them avoids a branch.
            rows[n_left] = row;
            right[n_right] = row;
            let left = usize::from(values[row as usize] <= threshold);
            n_left += left;
            n_right += 1 - left;
        }
        rows[n_left..].copy_from_slice(&right[..n_right]);
        n_left
    }

    /// Moves the rows on the left side to the front, and rows that lack the value to the side with
    /// more events. Returns the number of rows in front and whether the left side is the larger
    /// one.
    #[inline]
    fn partition(&mut self, rows: &mut [u32], side: impl Fn(usize) -> Side) -> (usize, bool) {
        let (mut n_left, mut n_right, mut balance) = (0, 0, 0);
        self.missing.clear();
        for i in 0..rows.len() {
            let row = rows[i];
            let side = side(row as usize);
            if side == Side::Missing {
                self.missing.push(row);
                continue;
            }
            // Writing to both sides and advancing only one of them avoids a branch.
            rows[n_left] = row;
            self.right[n_right] = row;
            let events = i64::from(self.sample.events[row as usize]);
            n_left += usize::from(side == Side::Left);
            n_right += usize::from(side == Side::Right);
            balance += if side == Side::Left { events } else { -events };
        }
        // The gap between the two sides has room for exactly the rows that lack the value.
        let first_right = rows.len() - n_right;
        rows[n_left..first_right].copy_from_slice(&self.missing);
        rows[first_right..].copy_from_slice(&self.right[..n_right]);
        let left_is_larger = balance >= 0;
        (
            if left_is_larger { first_right } else { n_left },
            left_is_larger,
        )
    }
}

/// Returns the lowest and the highest of the rows' values that are not missing; the infinities when there is none.
#[inline]
fn ends(rows: &[u32], column: &[f64]) -> (f64, f64) {
    // A comparison waits for the one before it, so four pairs of ends are kept.
    const LANES: usize = 4;
    let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let mut widen = |lane: usize, row: u32| {
        let value = column[row as usize];
        // Comparisons with NaN are false, so missing values change neither end.
        min[lane] = if value < min[lane] { value } else { min[lane] };
        max[lane] = if value > max[lane] { value } else { max[lane] };
    };
    let (blocks, rest) = rows.as_chunks::<LANES>();
    for block in blocks {
        (0..LANES).for_each(|lane| widen(lane, block[lane]));
    }
    rest.iter().for_each(|&row| widen(0, row));
    (
        min.into_iter().fold(f64::INFINITY, f64::min),
        max.into_iter().fold(f64::NEG_INFINITY, f64::max),
    )
}

/// Returns the distinct codes among the values of a categorical column, ascending.
fn codes(values: impl Iterator<Item = f64>) -> Vec<u32> {
    let mut codes: Vec<u32> = values.filter(|v| !v.is_nan()).map(|v| v as u32).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Returns the side of a split for a row whose value, or position along the normal, is `position`.
#[inline]
fn side(position: f64, end: f64) -> Side {
    if position <= end {
        Side::Left
    } else if position.is_nan() {
        Side::Missing
    } else {
        Side::Right
    }
}

/// A split that has been drawn but not applied yet.
enum Split {
    Threshold {
        feature: u32,
        threshold: f64,
        /// The range of the column in the node.
        range: Range,
    },
    Categories {
        feature: u32,
        left: Vec<u32>,
    },
    Plane(Plane),
}

/// The side of a split on which a row lies.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Missing,
}

/// Returns the point at `share` (in [0, 1)) of the way from `min` to `max`. The point is at least
/// `min` and below `max`, so that `x <= point` holds for `min` and not for `max`, however close or
/// far apart they are.
fn between(min: f64, max: f64, share: f64) -> f64 {
    let width = max - min;
    let point = if width.is_finite() {
        min + share * width
    } else {
        min * (1.0 - share) + max * share
    };
    if point >= min && point < max {
        point
    } else {
        min
    }
}

#[cfg(test)]
mod tests {
    use super::between;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn between_separates_any_two_numbers(a: f64, b: f64, share in 0.0..1.0f64) {
            prop_assume!(a.is_finite() && b.is_finite() && a != b);
            let (min, max) = (a.min(b), a.max(b));
            let point = between(min, max, share);
            prop_assert!(min <= point && point < max);
            let next = max.next_down();
            if next.is_finite() {
                prop_assert_eq!(between(next, max, share), next);
            }
        }
    }
}
