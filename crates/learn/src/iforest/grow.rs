//! Growing one isolation tree (Liu, Ting & Zhou 2008, algorithm 2).

use super::params::IsolationForestParams;
use super::sample::Drawn;
use super::tree::{Node, Plane, Rule, Tree, leaf_path_length};
use crate::matrix::{ColumnKind, Matrix};
use crate::rng::Rng;

/// Grows the tree of `sample` on random splits until every node holds one event, rows that no split
/// separates, or `height_limit` is reached.
pub(super) fn grow_tree(
    params: &IsolationForestParams,
    matrix: &Matrix,
    sample: Vec<Drawn>,
    height_limit: u32,
    rng: &mut Rng,
) -> Tree {
    let n_features = matrix.n_features();
    let seen = rng.distinct_below(
        n_features as u64,
        params.features_per_tree(n_features) as u64,
    );
    let mut grower = Grower {
        params,
        matrix,
        height_limit,
        rng,
        features: seen.into_iter().map(|feature| feature as u32).collect(),
        tree: Tree::default(),
        aside: Vec::with_capacity(sample.len()),
    };
    grower.tree.nodes.reserve(2 * sample.len());
    let (mut sample, n_features) = (sample, grower.features.len());
    grower.grow(&mut sample, 0, n_features);
    grower.tree.nodes.shrink_to_fit();
    grower.tree
}

struct Grower<'a> {
    params: &'a IsolationForestParams,
    matrix: &'a Matrix,
    height_limit: u32,
    rng: &'a mut Rng,
    /// The tree's columns. Those from a node's `n_varying` on are constant in the node.
    features: Vec<u32>,
    tree: Tree,
    /// Room for the right side of a partition.
    aside: Vec<Drawn>,
}

/// The values of a column within a node.
enum Spread {
    Numbers { feature: u32, min: f64, max: f64 },
    Categories { feature: u32, present: Vec<u32> },
}

impl Grower<'_> {
    /// Appends the subtree of `sample`, whose columns vary at most among the first `n_varying`.
    fn grow(&mut self, sample: &mut [Drawn], depth: u32, mut n_varying: usize) {
        let at = self.tree.nodes.len();
        let events = sample.iter().map(|drawn| drawn.events).sum();
        let leaf = Node {
            rule: Rule::Leaf {
                path_length: leaf_path_length(depth, events),
            },
            right: 0,
            events,
        };
        self.tree.nodes.push(leaf);
        // A row that stands for many events is treated as those events would be, because the draws
        // that find all columns constant are part of the stream.
        if depth == self.height_limit || events <= 1 {
            return;
        }
        let spreads = self.choose_columns(sample, &mut n_varying);
        let Some(split) = self.draw_split(spreads) else {
            return;
        };
        let (rule, n_left) = self.apply(split, sample);
        let (left, right) = sample.split_at_mut(n_left);
        self.grow(left, depth + 1, n_varying);
        let right_at = self.tree.nodes.len() as u32;
        self.grow(right, depth + 1, n_varying);
        self.tree.nodes[at] = Node {
            rule,
            right: right_at,
            events,
        };
    }

    /// Draws columns that vary in the node, uniformly and without replacement: one, or for an
    /// extended forest up to `extension_level + 1` numeric ones. None when no column varies.
    fn choose_columns(&mut self, sample: &[Drawn], n_varying: &mut usize) -> Vec<Spread> {
        let mut chosen = Vec::with_capacity(1 + self.params.extension_level.min(*n_varying));
        let mut n_tried = 0;
        while n_tried < *n_varying && chosen.len() <= self.params.extension_level {
            let at = n_tried + self.rng.below((*n_varying - n_tried) as u64) as usize;
            match self.spread(self.features[at], sample) {
                None => {
                    *n_varying -= 1;
                    self.features.swap(at, *n_varying);
                }
                Some(spread) => {
                    self.features.swap(at, n_tried);
                    n_tried += 1;
                    let category = matches!(spread, Spread::Categories { .. });
                    if chosen.is_empty() || !category {
                        chosen.push(spread);
                    }
                    if chosen.len() == 1 && category {
                        break;
                    }
                }
            }
        }
        chosen
    }

    /// The spread of a column, missing values aside; `None` when it is constant.
    fn spread(&self, feature: u32, sample: &[Drawn]) -> Option<Spread> {
        let values = sample.iter().map(|drawn| self.value(drawn.row, feature));
        if let ColumnKind::Categorical { .. } = self.params.kind(feature as usize) {
            let mut present: Vec<u32> = values.filter(|v| !v.is_nan()).map(|v| v as u32).collect();
            present.sort_unstable();
            present.dedup();
            return (present.len() > 1).then_some(Spread::Categories { feature, present });
        }
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            // Comparisons with NaN are false, so missing values change neither end.
            min = if value < min { value } else { min };
            max = if value > max { value } else { max };
        }
        (min < max).then_some(Spread::Numbers { feature, min, max })
    }

    fn value(&self, row: u32, feature: u32) -> f64 {
        self.matrix.values()[row as usize * self.matrix.n_features() + feature as usize]
    }

    fn draw_split(&mut self, mut spreads: Vec<Spread>) -> Option<Split> {
        if spreads.len() > 1 {
            return Some(Split::Plane(self.draw_plane(&spreads)));
        }
        Some(match spreads.pop()? {
            Spread::Numbers { feature, min, max } => {
                let threshold = between(min, max, self.rng.uniform());
                Split::Threshold { feature, threshold }
            }
            Spread::Categories { feature, present } => Split::Categories {
                feature,
                left: self.draw_subset(&present),
            },
        })
    }

    /// A uniformly drawn subset of the categories, neither empty nor all of them.
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

    /// A plane with a normally distributed slope through a uniform point of the node's bounding box
    /// (Hariri, Carrasco Kind & Brunner 2019, section 3). Slopes are drawn in the box scaled to a
    /// unit cube, so that the units of the columns do not matter; the paper leaves scaling to the
    /// user.
    fn draw_plane(&mut self, spreads: &[Spread]) -> Plane {
        let (mut features, mut weights, mut offset) = (Vec::new(), Vec::new(), 0.0);
        for spread in spreads {
            if let Spread::Numbers { feature, min, max } = *spread {
                // Halves, because the difference of two finite numbers can be infinite.
                let half = 0.5 * max - 0.5 * min;
                let weight = (self.rng.normal() / half).clamp(-1e300, 1e300);
                features.push(feature);
                weights.push(weight);
                offset += weight * between(min, max, self.rng.uniform());
            }
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

    /// Moves the rows that go left to the front; returns the rule and their number.
    fn apply(&mut self, split: Split, sample: &mut [Drawn]) -> (Rule, usize) {
        let sides: Vec<Side> = sample
            .iter()
            .map(|drawn| self.side(&split, drawn.row))
            .collect();
        let events = |side| {
            let on_side = sample.iter().zip(&sides).filter(|(_, s)| **s == side);
            on_side
                .map(|(drawn, _)| u64::from(drawn.events))
                .sum::<u64>()
        };
        let left_is_larger = events(Side::Left) >= events(Side::Right);
        self.aside.clear();
        let mut n_left = 0;
        for (i, side) in sides.into_iter().enumerate() {
            let drawn = sample[i];
            if side == Side::Left || (side == Side::Missing && left_is_larger) {
                sample[n_left] = drawn;
                n_left += 1;
            } else {
                self.aside.push(drawn);
            }
        }
        sample[n_left..].copy_from_slice(&self.aside);
        (
            self.record(split, left_is_larger, &sample[n_left..]),
            n_left,
        )
    }

    fn side(&self, split: &Split, row: u32) -> Side {
        let (position, end) = match split {
            Split::Threshold { feature, threshold } => (self.value(row, *feature), *threshold),
            Split::Plane(plane) => (plane.project(self.matrix.row(row as usize)), plane.offset),
            Split::Categories { feature, left } => match self.value(row, *feature) {
                code if code.is_nan() => (f64::NAN, 0.0),
                code if left.binary_search(&(code as u32)).is_ok() => (0.0, 0.0),
                _ => (1.0, 0.0),
            },
        };
        match position {
            position if position.is_nan() => Side::Missing,
            position if position <= end => Side::Left,
            _ => Side::Right,
        }
    }

    /// Stores the split in the tree as the rule of a node.
    fn record(&mut self, split: Split, left_is_larger: bool, right: &[Drawn]) -> Rule {
        match split {
            Split::Threshold { feature, threshold } => Rule::Threshold { feature, threshold },
            Split::Plane(plane) => {
                self.tree.planes.push(plane);
                Rule::Plane {
                    plane: self.tree.planes.len() as u32 - 1,
                }
            }
            Split::Categories { feature, left } => {
                let larger = if left_is_larger {
                    left
                } else {
                    let values = right.iter().map(|drawn| self.value(drawn.row, feature));
                    let mut codes: Vec<u32> =
                        values.filter(|v| !v.is_nan()).map(|v| v as u32).collect();
                    codes.sort_unstable();
                    codes.dedup();
                    codes
                };
                self.tree.lists.push(larger.into());
                Rule::Categories {
                    feature,
                    list: self.tree.lists.len() as u32 - 1,
                }
            }
        }
    }
}

enum Split {
    Threshold { feature: u32, threshold: f64 },
    Categories { feature: u32, left: Vec<u32> },
    Plane(Plane),
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Missing,
}

/// The point at `share` (in [0, 1)) of the way from `min` to `max`: at least `min`, below `max`, so
/// that `x <= point` holds for `min` and not for `max`, however close or far apart they are.
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
