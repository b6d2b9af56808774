//! The exchange form of a forest: plain data that can be serialised to a file.
//!
//! A tree is written in preorder: the split of a node, then its left subtree, then its right
//! subtree. The sequence alone determines the shape, so there are no child indices that could be
//! invalid.

use serde::{Deserialize, Serialize};

use super::IsolationForest;
use super::novelty::Range;
use super::params::{IsolationForestParams, Novelty};
use super::tree::{Rule, Tree};

/// The newest format version of [`ForestData`], which this release reads along with all before it. Forests with
/// [`Novelty::Range`] need version 2; plain ones are written in version 1.
pub const FORMAT_VERSION: u32 = 2;

/// The newest format version that has plain forests only.
pub(super) const PLAIN_VERSION: u32 = 1;

/// The entry of [`TreeData::splits`] that stands for a leaf.
pub(super) const LEAF: i32 = -1;
/// The entry of [`TreeData::splits`] that stands for a hyperplane.
pub(super) const PLANE: i32 = -2;

/// The precision to which inputs are rounded before they are compared with thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputPrecision {
    /// Inputs are compared as they are.
    F64,
    /// Inputs are first rounded to the nearest 32-bit float, as in scikit-learn.
    F32,
}

impl InputPrecision {
    /// Rounds a value to this precision.
    #[inline]
    pub(super) fn round(self, value: f64) -> f64 {
        match self {
            InputPrecision::F64 => value,
            InputPrecision::F32 => f64::from(value as f32),
        }
    }
}

/// A forest as plain data. [`IsolationForest::to_data`] and `IsolationForest::try_from(data)`
/// convert in both directions; the latter validates everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestData {
    /// The format version, at most [`FORMAT_VERSION`] in valid data.
    pub version: u32,
    /// The parameters that the forest was fitted with; `n_estimators` is the number of trees.
    pub params: IsolationForestParams,
    /// The number of columns.
    pub n_features: usize,
    /// The number of events that each tree drew, which normalises path lengths.
    pub max_samples: u64,
    /// The negated threshold: rows with a score strictly above `-offset` are anomalous.
    pub offset: f64,
    /// The precision to which inputs are rounded.
    pub input: InputPrecision,
    /// The trees, in the order in which they were grown.
    pub trees: Vec<TreeData>,
}

/// A tree as parallel arrays, each in preorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeData {
    /// One entry per node: the column that is split (counted from 0), −1 for a leaf, −2 for a
    /// hyperplane.
    pub splits: Vec<i32>,
    /// One threshold per split of a numeric column; rows with values up to it go left.
    pub thresholds: Vec<f64>,
    /// The number of training events in each leaf.
    pub leaf_events: Vec<u32>,
    /// For each split of a categorical column, the ascending category codes that follow the branch
    /// with more training events (the left branch when both have the same number).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Vec<u32>>,
    /// One hyperplane per split on a hyperplane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planes: Vec<PlaneData>,
    /// With [`Novelty::Range`], one entry per split of a numeric column: the lowest and the highest value of the column
    /// among the training events of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<[f64; 2]>,
    /// With [`Novelty::Range`], one entry per column: its lowest and highest value in the tree's sample. It is `None`
    /// for a categorical column, one that the tree may not split on, and one without values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_ranges: Vec<Option<[f64; 2]>>,
}

/// A hyperplane; rows with Σ `weights[i]` × row\[`features[i]`\] ≤ `offset` go left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneData {
    /// The columns, distinct and counted from 0.
    pub features: Vec<u32>,
    /// One weight per column.
    pub weights: Vec<f64>,
    /// The upper bound of the weighted sum for rows that go left.
    pub offset: f64,
}

impl IsolationForest {
    /// Returns the forest as plain data.
    pub fn to_data(&self) -> ForestData {
        ForestData {
            version: match self.params.novelty {
                Novelty::Plain => PLAIN_VERSION,
                Novelty::Range => FORMAT_VERSION,
            },
            params: self.params.clone(),
            n_features: self.n_features,
            max_samples: self.sample_size,
            offset: self.offset,
            input: self.input,
            trees: self.trees.iter().map(tree_to_data).collect(),
        }
    }
}

fn tree_to_data(tree: &Tree) -> TreeData {
    let ends = |range: &Range| [range.low, range.high];
    let bounded = |range: &Range| (*range != Range::ALL).then(|| ends(range));
    let mut data = TreeData {
        sample_ranges: tree.sample.iter().map(bounded).collect(),
        ..TreeData::default()
    };
    for (at, node) in tree.nodes.iter().enumerate() {
        let split = match node.rule {
            Rule::Leaf { .. } => {
                data.leaf_events.push(node.events);
                LEAF
            }
            Rule::Threshold { feature, threshold } => {
                data.thresholds.push(threshold);
                data.ranges.extend(tree.ranges.get(at).map(ends));
                feature as i32
            }
            Rule::Categories { feature, list } => {
                data.categories.push(tree.lists[list as usize].to_vec());
                feature as i32
            }
            Rule::Plane { plane } => {
                let plane = &tree.planes[plane as usize];
                data.planes.push(PlaneData {
                    features: plane.features.to_vec(),
                    weights: plane.weights.to_vec(),
                    offset: plane.offset,
                });
                PLANE
            }
        };
        data.splits.push(split);
    }
    data
}
