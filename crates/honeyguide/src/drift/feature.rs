//! The drift of one feature.

use learn::describe::TextCounts;
use serde::Serialize;

use super::reference::{Cell, stability_index};
use super::{Closeness, PSI_FAR, PSI_SOME};
use crate::inspect::ValueCount;
use crate::model::{Distribution, FeatureProfile};

/// The number of most frequent unseen values that are listed.
const LISTED: usize = 10;
/// The greatest number of distinct unseen values that have a count of their own.
const MAX_UNSEEN: usize = 1 << 16;

/// The drift of one feature: its distribution in the training data and in the data compared with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureDrift {
    /// The feature's name.
    pub name: String,
    /// The population stability index. Its cells are the values, categories or quantile bins of the training profile,
    /// one cell for missing values and one for other values.
    pub psi: f64,
    /// The verdict on the index.
    pub closeness: Closeness,
    /// The shares of the events in every cell.
    pub cells: Vec<CellShift>,
    /// The values that no training event has.
    pub unseen: Unseen,
}

/// The shares of the events in one cell, in the training data and in the data compared with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellShift {
    /// The value, category or range of the cell.
    pub cell: String,
    /// The share of the training events, from 0 to 1.
    pub training: f64,
    /// The share of the compared events, from 0 to 1.
    pub now: f64,
}

/// The values of a feature that no training event has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unseen {
    /// The number of events with such a value. A number in bins is unseen outside the range of the training events, and
    /// a rarity where its combination of values is unseen.
    pub events: u64,
    /// The most frequent of these values, with their counts.
    pub values: Vec<ValueCount>,
}

/// The counts of one feature over the events so far.
pub(super) struct FeatureTally<'a> {
    profile: &'a FeatureProfile,
    /// The number of events in each cell of the profile, then of other values and of missing values.
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

    /// Counts `events` with the value `value`. `is_unseen` says whether training lacked the value, if the cell alone
    /// does not show it. `text` returns the value as text.
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

    /// Returns the drift of the feature. `categories` holds the texts of a categorical feature's codes.
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
        // Cells without events in either data set are left out.
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

/// Returns the names of the distribution's cells, then those of other and missing values.
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
