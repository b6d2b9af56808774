//! Validation of forest data from untrusted sources.

use super::data::{
    FORMAT_VERSION, ForestData, InputPrecision, LEAF, PLAIN_VERSION, PLANE, PlaneData, TreeData,
};
use super::novelty::Range;
use super::params::{IsolationForestParams, MAX_SAMPLES, Novelty};
use super::score::Packings;
use super::tree::{Node, Plane, Rule, Tree, leaf_path_length};
use super::{FitError, IsolationForest, height_limit};
use crate::matrix::ColumnKind;

/// The reason why forest data is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidForest {
    /// The format version is unknown to this release.
    #[error(
        "the forest has format version {version}; this release reads versions 1 to {FORMAT_VERSION}"
    )]
    Version {
        /// The format version found.
        version: u32,
    },
    /// The forest has another novelty than `plain` in a version that has no other, or with 32-bit inputs.
    #[error(
        "the forest has novelty `range`, which needs format version {FORMAT_VERSION} and 64-bit inputs"
    )]
    Novelty,
    /// The parameters are outside the ranges that a fit accepts.
    #[error("the forest's parameters: {0}")]
    Params(#[from] FitError),
    /// The number of trees differs from `n_estimators`.
    #[error("the forest has {trees} trees, but n_estimators is {n_estimators}")]
    TreeCount {
        /// The number of trees found.
        trees: usize,
        /// The value of the parameter `n_estimators`.
        n_estimators: usize,
    },
    /// The number of events per tree is out of range.
    #[error("max_samples must be from 1 to {MAX_SAMPLES}, got {value}")]
    MaxSamples {
        /// The number found.
        value: u64,
    },
    /// The offset is not a negated score.
    #[error("offset must be from -1 to 0, got {value}")]
    Offset {
        /// The offset found.
        value: f64,
    },
    /// A tree is invalid.
    #[error("tree {tree}: {defect}")]
    Tree {
        /// The tree, counted from 0.
        tree: usize,
        /// The defect of the tree.
        defect: TreeDefect,
    },
}

/// A defect of a tree. Nodes are counted from 0 in preorder.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TreeDefect {
    /// The sequence of splits ends before the tree is complete, or continues after that.
    #[error("{nodes} nodes do not form one complete tree")]
    Shape {
        /// The number of entries in the sequence.
        nodes: usize,
    },
    /// A node is deeper than a fit allows.
    #[error("node {node} is deeper than {limit}, which is ⌈log₂ max_samples⌉")]
    Depth {
        /// The node.
        node: usize,
        /// The maximum depth, in splits.
        limit: u32,
    },
    /// A node splits a column that does not exist.
    #[error(
        "node {node} splits column {column}; columns are counted from 0, and there are {n_features}"
    )]
    Column {
        /// The node.
        node: usize,
        /// The column, counted from 0.
        column: i64,
        /// The number of columns of the forest.
        n_features: usize,
    },
    /// An array has fewer entries than the splits require.
    #[error("{array} has no entry for node {node}")]
    ArrayTooShort {
        /// The name of the array in [`TreeData`].
        array: &'static str,
        /// The first node without an entry.
        node: usize,
    },
    /// An array has more entries than the splits require.
    #[error("{array} has {left_over} entries that belong to no node")]
    ArrayTooLong {
        /// The name of the array in [`TreeData`].
        array: &'static str,
        /// The number of surplus entries.
        left_over: usize,
    },
    /// A threshold, a weight or the offset of a hyperplane is not finite.
    #[error("node {node}: {value} is not finite")]
    NotFinite {
        /// The node.
        node: usize,
        /// The value found.
        value: f64,
    },
    /// The range of a split is not finite, or does not have the threshold between its ends.
    #[error("node {node}: the range from {low} to {high} must contain the threshold {threshold}")]
    Range {
        /// The node.
        node: usize,
        /// The lower end found.
        low: f64,
        /// The upper end found.
        high: f64,
        /// The threshold of the split.
        threshold: f64,
    },
    /// A range of the tree's sample is not finite, has its ends in the wrong order, or belongs to a categorical column;
    /// or there is not one entry per column.
    #[error("sample_ranges needs one entry per column: ascending ends, or null (column {column})")]
    SampleRange {
        /// The first column whose entry is missing or wrong, or the number of columns when there are more entries.
        column: usize,
    },
    /// A list of categories is empty, is not ascending, or has a code beyond the column's
    /// categories.
    #[error(
        "node {node}: the list of categories must be ascending, not empty, and below {cardinality}"
    )]
    Categories {
        /// The node.
        node: usize,
        /// The number of categories of the column.
        cardinality: u32,
    },
    /// A hyperplane has too few or too many columns, repeats a column, has a column that does not
    /// exist or is not numeric, or does not have one weight per column.
    #[error(
        "node {node}: a plane needs from 2 to {max} distinct numeric columns, with a weight each"
    )]
    Plane {
        /// The node.
        node: usize,
        /// The maximum number of columns.
        max: usize,
    },
    /// A leaf holds no events although the tree has no hyperplane, and only hyperplanes can leave a
    /// side empty.
    #[error("node {node}: a leaf needs at least 1 event")]
    EmptyLeaf {
        /// The node.
        node: usize,
    },
    /// The leaves hold more events than a tree draws.
    #[error("the leaves hold {events} events, more than max_samples ({max_samples})")]
    Events {
        /// The number of events of all leaves.
        events: u64,
        /// The number of events that a tree draws.
        max_samples: u64,
    },
}

impl TryFrom<ForestData> for IsolationForest {
    type Error = InvalidForest;

    /// Validates the data and builds the forest.
    fn try_from(data: ForestData) -> Result<Self, InvalidForest> {
        check_head(&data)?;
        let limits = Limits {
            params: &data.params,
            n_features: data.n_features,
            max_samples: data.max_samples,
        };
        let trees = data.trees.into_iter().enumerate().map(|(tree, data)| {
            limits
                .tree(data)
                .map_err(|defect| InvalidForest::Tree { tree, defect })
        });
        Ok(IsolationForest {
            trees: trees.collect::<Result<_, _>>()?,
            n_features: data.n_features,
            sample_size: data.max_samples,
            offset: data.offset,
            input: data.input,
            params: data.params,
            packings: Packings::default(),
        })
    }
}

/// Checks everything except the trees.
fn check_head(data: &ForestData) -> Result<(), InvalidForest> {
    let &ForestData {
        version,
        max_samples,
        offset,
        input,
        ..
    } = data;
    if !(1..=FORMAT_VERSION).contains(&version) {
        return Err(InvalidForest::Version { version });
    }
    let can_be_new = version > PLAIN_VERSION && input == InputPrecision::F64;
    if data.params.novelty != Novelty::Plain && !can_be_new {
        return Err(InvalidForest::Novelty);
    }
    data.params.check(data.n_features)?;
    let (trees, n_estimators) = (data.trees.len(), data.params.n_estimators);
    if trees != n_estimators {
        return Err(InvalidForest::TreeCount {
            trees,
            n_estimators,
        });
    }
    if !(1..=MAX_SAMPLES).contains(&max_samples) {
        return Err(InvalidForest::MaxSamples { value: max_samples });
    }
    if !(-1.0..=0.0).contains(&offset) {
        return Err(InvalidForest::Offset { value: offset });
    }
    Ok(())
}

/// The limits that every tree of the forest must observe.
struct Limits<'a> {
    params: &'a IsolationForestParams,
    n_features: usize,
    max_samples: u64,
}

impl Limits<'_> {
    /// Validates the data of one tree and builds the tree.
    fn tree(&self, data: TreeData) -> Result<Tree, TreeDefect> {
        let mut rules = RuleReader {
            limits: self,
            thresholds: data.thresholds.into_iter(),
            leaf_events: data.leaf_events.into_iter(),
            categories: data.categories.into_iter(),
            planes: data.planes.into_iter(),
            ranges: data.ranges.into_iter(),
            tree: Tree {
                sample: self.sample_ranges(&data.sample_ranges)?,
                ..Tree::default()
            },
        };
        let limit = height_limit(self.max_samples);
        let nodes = data.splits.len();
        // Splits whose right child is still to come, with the depth of that child.
        let mut open: Vec<(usize, u32)> = Vec::new();
        let (mut depth, mut complete) = (0, false);
        for (node, split) in data.splits.into_iter().enumerate() {
            if complete {
                return Err(TreeDefect::Shape { nodes });
            }
            if depth > limit {
                return Err(TreeDefect::Depth { node, limit });
            }
            rules.read(node, split, depth)?;
            if split != LEAF {
                depth += 1;
                open.push((node, depth));
            } else if let Some((parent, right_depth)) = open.pop() {
                rules.tree.nodes[parent].right = node as u32 + 1;
                depth = right_depth;
            } else {
                complete = true;
            }
        }
        if !complete {
            return Err(TreeDefect::Shape { nodes });
        }
        rules.finish()
    }

    /// Validates the ranges of a tree's sample.
    fn sample_ranges(&self, data: &[Option<[f64; 2]>]) -> Result<Vec<Range>, TreeDefect> {
        let n_expected = match self.params.novelty {
            Novelty::Plain => 0,
            Novelty::Range => self.n_features,
        };
        if data.len() != n_expected {
            let column = data.len().min(n_expected);
            return Err(TreeDefect::SampleRange { column });
        }
        let range = |(column, ends): (usize, &Option<[f64; 2]>)| match *ends {
            None => Ok(Range::ALL),
            Some([low, high])
                if low.is_finite()
                    && high.is_finite()
                    && low <= high
                    && self.params.kind(column) == ColumnKind::Numeric =>
            {
                Ok(Range { low, high })
            }
            Some(_) => Err(TreeDefect::SampleRange { column }),
        };
        data.iter().enumerate().map(range).collect()
    }
}

/// Reads the entries of a tree's arrays in the order in which the splits require them.
struct RuleReader<'a> {
    limits: &'a Limits<'a>,
    thresholds: std::vec::IntoIter<f64>,
    leaf_events: std::vec::IntoIter<u32>,
    categories: std::vec::IntoIter<Vec<u32>>,
    planes: std::vec::IntoIter<PlaneData>,
    ranges: std::vec::IntoIter<[f64; 2]>,
    tree: Tree,
}

impl RuleReader<'_> {
    /// Appends a node. Its right child and, for a split, its number of events are set later.
    fn read(&mut self, node: usize, split: i32, depth: u32) -> Result<(), TreeDefect> {
        let (rule, events) = match split {
            LEAF => {
                let events = next(&mut self.leaf_events, "leaf_events", node)?;
                (
                    Rule::Leaf {
                        path_length: leaf_path_length(depth, events),
                    },
                    events,
                )
            }
            PLANE => {
                let plane = next(&mut self.planes, "planes", node)?;
                (self.plane(node, plane)?, 0)
            }
            column => (self.column(node, column)?, 0),
        };
        if self.limits.params.novelty == Novelty::Range {
            let range = self.range(node, rule)?;
            self.tree.ranges.push(range);
        }
        self.tree.nodes.push(Node {
            rule,
            right: 0,
            events,
        });
        Ok(())
    }

    /// Reads the range of a node's column.
    fn range(&mut self, node: usize, rule: Rule) -> Result<Range, TreeDefect> {
        let Rule::Threshold { threshold, .. } = rule else {
            return Ok(Range::ALL);
        };
        let [low, high] = next(&mut self.ranges, "ranges", node)?;
        if low.is_finite() && high.is_finite() && low <= threshold && threshold < high {
            Ok(Range { low, high })
        } else {
            Err(TreeDefect::Range {
                node,
                low,
                high,
                threshold,
            })
        }
    }

    /// Reads the rule of a split on one column.
    fn column(&mut self, node: usize, column: i32) -> Result<Rule, TreeDefect> {
        let n_features = self.limits.n_features;
        let Some(feature) = u32::try_from(column)
            .ok()
            .filter(|c| (*c as usize) < n_features)
        else {
            return Err(TreeDefect::Column {
                node,
                column: column.into(),
                n_features,
            });
        };
        match self.limits.params.kind(feature as usize) {
            ColumnKind::Numeric => {
                let threshold = next(&mut self.thresholds, "thresholds", node)?;
                finite(node, threshold)?;
                Ok(Rule::Threshold { feature, threshold })
            }
            ColumnKind::Categorical { cardinality } => {
                let list = next(&mut self.categories, "categories", node)?;
                self.categories(node, feature, cardinality, list)
            }
        }
    }

    fn categories(
        &mut self,
        node: usize,
        feature: u32,
        cardinality: u32,
        list: Vec<u32>,
    ) -> Result<Rule, TreeDefect> {
        let ascending = list.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || list.last().is_none_or(|&code| code >= cardinality) {
            return Err(TreeDefect::Categories { node, cardinality });
        }
        self.tree.lists.push(list.into());
        Ok(Rule::Categories {
            feature,
            list: self.tree.lists.len() as u32 - 1,
        })
    }

    fn plane(&mut self, node: usize, plane: PlaneData) -> Result<Rule, TreeDefect> {
        let max = self.limits.params.extension_level + 1;
        let mut distinct = plane.features.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let numeric = |&feature: &u32| {
            (feature as usize) < self.limits.n_features
                && self.limits.params.kind(feature as usize) == ColumnKind::Numeric
        };
        let n = plane.features.len();
        if !(2..=max).contains(&n)
            || distinct.len() != n
            || plane.weights.len() != n
            || !distinct.iter().all(numeric)
        {
            return Err(TreeDefect::Plane { node, max });
        }
        plane
            .weights
            .iter()
            .chain([&plane.offset])
            .try_for_each(|&value| finite(node, value))?;
        self.tree.planes.push(Plane {
            features: plane.features.into(),
            weights: plane.weights.into(),
            offset: plane.offset,
        });
        Ok(Rule::Plane {
            plane: self.tree.planes.len() as u32 - 1,
        })
    }

    /// Checks that no entries are left over, and sums the events of the splits from the leaves
    /// upwards.
    fn finish(mut self) -> Result<Tree, TreeDefect> {
        let left_over = [
            ("thresholds", self.thresholds.len()),
            ("leaf_events", self.leaf_events.len()),
            ("categories", self.categories.len()),
            ("planes", self.planes.len()),
            ("ranges", self.ranges.len()),
        ];
        if let Some(&(array, left_over)) = left_over.iter().find(|entry| entry.1 > 0) {
            return Err(TreeDefect::ArrayTooLong { array, left_over });
        }
        let leaves = self.tree.nodes.iter().filter(|node| node.right == 0);
        let events: u64 = leaves.map(|leaf| u64::from(leaf.events)).sum();
        let max_samples = self.limits.max_samples;
        if events > max_samples {
            return Err(TreeDefect::Events {
                events,
                max_samples,
            });
        }
        let may_be_empty = !self.tree.planes.is_empty();
        for node in (0..self.tree.nodes.len()).rev() {
            let Node { right, events, .. } = self.tree.nodes[node];
            if right > 0 {
                let children =
                    [node + 1, right as usize].map(|child| self.tree.nodes[child].events);
                self.tree.nodes[node].events = children[0] + children[1];
            } else if events == 0 && !may_be_empty {
                return Err(TreeDefect::EmptyLeaf { node });
            }
        }
        Ok(self.tree)
    }
}

fn finite(node: usize, value: f64) -> Result<(), TreeDefect> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(TreeDefect::NotFinite { node, value })
    }
}

/// Returns the next entry of an array, which `node` requires.
fn next<T>(
    entries: &mut std::vec::IntoIter<T>,
    array: &'static str,
    node: usize,
) -> Result<T, TreeDefect> {
    entries
        .next()
        .ok_or(TreeDefect::ArrayTooShort { array, node })
}
