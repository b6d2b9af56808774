//! The exchange form of a forest: plain data that a file can hold.
//!
//! A tree is written in preorder: the rule of a node, then its left subtree, then its right one. The
//! shape follows from the sequence alone, so there are no child indices that could point astray.

use serde::{Deserialize, Serialize};

use super::IsolationForest;
use super::params::IsolationForestParams;
use super::tree::{Rule, Tree};

/// The version that [`ForestData`] describes.
pub const FORMAT_VERSION: u32 = 1;

/// A split entry that is a leaf.
pub(super) const LEAF: i32 = -1;
/// A split entry that is a plane.
pub(super) const PLANE: i32 = -2;

/// The precision to which inputs are rounded before a threshold is compared with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputPrecision {
    /// Inputs are taken as they are.
    F64,
    /// Inputs are rounded to the nearest 32-bit float, as scikit-learn does.
    F32,
}

impl InputPrecision {
    /// The value that thresholds are compared with.
    #[inline]
    pub(super) fn round(self, value: f64) -> f64 {
        match self {
            InputPrecision::F64 => value,
            InputPrecision::F32 => f64::from(value as f32),
        }
    }
}

/// A forest as plain data. Convert with [`IsolationForest::to_data`] and
/// `IsolationForest::try_from(data)`, which checks everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestData {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The parameters of the fit; `n_estimators` is the number of trees.
    pub params: IsolationForestParams,
    /// Number of columns.
    pub n_features: usize,
    /// Events that each tree drew, which normalises path lengths.
    pub max_samples: u64,
    /// Rows with a score strictly above `-offset` are anomalous.
    pub offset: f64,
    /// Precision of the inputs.
    pub input: InputPrecision,
    /// The trees.
    pub trees: Vec<TreeData>,
}

/// A tree as parallel arrays, each in preorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeData {
    /// One entry per node: the column that is split, −1 for a leaf, −2 for a plane.
    pub splits: Vec<i32>,
    /// One threshold per split of a numeric column: values up to it go left.
    pub thresholds: Vec<f64>,
    /// Training events in each leaf.
    pub leaf_events: Vec<u32>,
    /// For each split of a categorical column the codes, ascending, that follow the branch with more
    /// training events (left, if both have the same).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Vec<u32>>,
    /// One plane per plane split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planes: Vec<PlaneData>,
}

/// A plane: rows with Σ `weights[i]` × row\[`features[i]`\] ≤ `offset` go left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneData {
    /// Distinct columns.
    pub features: Vec<u32>,
    /// One weight per column.
    pub weights: Vec<f64>,
    /// The bound.
    pub offset: f64,
}

impl IsolationForest {
    /// The forest as plain data.
    pub fn to_data(&self) -> ForestData {
        ForestData {
            version: FORMAT_VERSION,
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
    let mut data = TreeData::default();
    for node in &tree.nodes {
        let split = match node.rule {
            Rule::Leaf { .. } => {
                data.leaf_events.push(node.events);
                LEAF
            }
            Rule::Threshold { feature, threshold } => {
                data.thresholds.push(threshold);
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
