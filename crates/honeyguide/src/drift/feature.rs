//! How one feature shifted.

use learn::describe::TextCounts;
use serde::Serialize;

use super::reference::{Cell, stability_index};
use super::{Closeness, PSI_FAR, PSI_SOME};
use crate::inspect::ValueCount;
use crate::model::{Distribution, FeatureProfile};

/// Unseen values that are listed, the most frequent ones.
const LISTED: usize = 10;
/// Most different unseen values that are counted one by one.
const MAX_UNSEEN: usize = 1 << 16;

/// One feature, then and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureDrift {
    /// The feature.
    pub name: String,
    /// The population stability index over the values, categories or quantile bins of the training profile, one cell
    /// for missing and one for other values.
    pub psi: f64,
    /// What the index says.
    pub closeness: Closeness,
    /// The shares of every cell.
    pub cells: Vec<CellShift>,
    /// What training did not have.
    pub unseen: Unseen,
}

/// The share of the events in one cell, then and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellShift {
    /// What the cell is.
    pub cell: String,
    /// The share of the training events.
    pub training: f64,
    /// The share of the events now.
    pub now: f64,
}

/// Values that no training event had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unseen {
    /// The events with such a value. For numbers in bins: outside the range of the training events. For a rarity: a
    /// combination that was never seen.
    pub events: u64,
    /// The most frequent such values.
    pub values: Vec<ValueCount>,
}

/// What accumulates of one feature.
pub(super) struct FeatureTally<'a> {
    profile: &'a FeatureProfile,
    /// Of the profile's cells, then other and missing values.
    counts: Vec<f64>,
    unseen_events: u64,
    unseen: TextCounts,
}

impl<'a> FeatureTally<'a> {
    pub fn new(profile: &'a FeatureProfile) -> Self {
        Self {
            profile,
            counts: vec![0.0; profile.distribution.n_cells() + 2],
            unseen_events: 0,
            unseen: TextCounts::default(),
        }
    }

    /// Counts events; `is_unseen` where the cell cannot tell.
    pub fn push(
        &mut self,
        value: f64,
        events: u64,
        is_unseen: Option<bool>,
        text: impl FnOnce() -> String,
    ) {
        let other = self.counts.len() - 2;
        let (cell, outside) = match self.profile.distribution.cell(value) {
            _ if value.is_nan() => (other + 1, self.profile.missing == 0.0),
            Cell::Known(cell) => (cell, false),
            Cell::Beyond(cell) => (cell, true),
            Cell::Unseen => (other, true),
        };
        self.counts[cell] += events as f64;
        if is_unseen.unwrap_or(outside) {
            self.unseen_events += events;
            self.unseen.add(&text(), events);
            if self.unseen.held() > MAX_UNSEEN {
                self.unseen.cut(MAX_UNSEEN / 2);
            }
        }
    }

    /// `categories` are the texts of the codes of a categorical feature.
    pub fn finish(&mut self, categories: Option<&[String]>) -> FeatureDrift {
        let mut training = self.profile.distribution.cell_counts();
        training.extend([0.0, self.profile.missing]);
        let names = cell_names(&self.profile.distribution, categories);
        let share = |counts: &[f64], cell: usize| {
            let total: f64 = counts.iter().sum();
            if total > 0.0 {
                counts[cell] / total
            } else {
                0.0
            }
        };
        let cells = names
            .into_iter()
            .enumerate()
            .map(|(index, cell)| CellShift {
                cell,
                training: share(&training, index),
                now: share(&self.counts, index),
            });
        // Cells that are empty in both say nothing.
        let cells = cells
            .filter(|cell| cell.training > 0.0 || cell.now > 0.0)
            .collect();
        let psi = stability_index(&training, &self.counts);
        let values = self
            .unseen
            .top(LISTED)
            .into_iter()
            .map(|(value, count)| ValueCount {
                value: value.to_owned(),
                count,
            });
        FeatureDrift {
            name: self.profile.name.clone(),
            psi,
            closeness: Closeness::of(psi, PSI_SOME, PSI_FAR),
            cells,
            unseen: Unseen {
                events: self.unseen_events,
                values: values.collect(),
            },
        }
    }
}

fn cell_names(distribution: &Distribution, categories: Option<&[String]>) -> Vec<String> {
    let mut names: Vec<String> = match (distribution, categories) {
        (Distribution::Values(values), _) => {
            values.iter().map(|value| value.0.to_string()).collect()
        }
        (Distribution::Categories(_), Some(categories)) => categories.to_vec(),
        (Distribution::Categories(counts), None) => {
            (0..counts.len()).map(|code| code.to_string()).collect()
        }
        (Distribution::Bins { edges, .. }, _) => edges
            .windows(2)
            .map(|bin| format!("{} to {}", bin[0], bin[1]))
            .collect(),
    };
    names.extend(["other values".into(), "missing".into()]);
    names
}
