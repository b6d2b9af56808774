//! The folds of cross-validation: which events are held out together.

use learn::Matrix;
use learn::rng::Rng;
use learn::sampling::StableHash;

use crate::features::{Distilled, GroupRows};

/// The number of folds of random events.
const RANDOM_FOLDS: usize = 5;
/// The lowest number of events of which blocks of time or random events are held out: two for each fold.
pub(crate) const MIN_EVENTS: f64 = 2.0 * RANDOM_FOLDS as f64;
/// The greatest number of events of one row that are drawn one by one. More are divided evenly among the folds, which the
/// law of large numbers would do anyway.
const MAX_DRAWN: f64 = 64.0;

/// Events that are held out together.
pub(super) struct Fold {
    /// The name of the group, or the first of several with the number of the others. Folds of random events have none.
    pub name: String,
    /// The number of events held out of each distinct row.
    pub events: Vec<f64>,
}

/// Returns a fold for each group of the distilled events, or for several groups together if there are more than `most`,
/// in the order of their names.
pub(super) fn of_groups(distilled: &Distilled, most: usize) -> Vec<Fold> {
    let groups = &distilled.groups;
    let n_folds = groups.len().min(most);
    let folds = (0..n_folds).map(|fold| {
        let groups: Vec<&GroupRows> = groups.iter().skip(fold).step_by(n_folds).collect();
        let mut events = vec![0.0; distilled.inputs.n_rows()];
        for (row, number) in groups.iter().flat_map(|group| &group.rows) {
            events[*row] += number;
        }
        Fold {
            name: fold_name(&groups),
            events,
        }
    });
    folds.collect()
}

/// Returns the name of a fold: that of its group, or the first of several with the number of the others.
fn fold_name(groups: &[&GroupRows]) -> String {
    match groups {
        [group] => group.name.clone(),
        [group, more @ ..] => format!("{} and {} more", group.name, more.len()),
        [] => String::new(),
    }
}

/// Divides the events of the rows at random into folds. The fold of an event depends on the seed, on its row, and on how
/// many events the row has, but not on the order of the events. Folds without events are left out.
pub(super) fn random_folds(rows: &Matrix, seed: u64) -> Vec<Fold> {
    let mut folds = vec![vec![0.0; rows.n_rows()]; RANDOM_FOLDS];
    for row in 0..rows.n_rows() {
        let hash = rows
            .row(row)
            .iter()
            .fold(StableHash::new(seed), |hash, value| {
                hash.word(value.to_bits())
            });
        let mut rng = Rng::new(seed, hash.finish());
        let events = rows.weights()[row];
        let even = match events > MAX_DRAWN {
            true => (events / RANDOM_FOLDS as f64).floor(),
            false => 0.0,
        };
        folds.iter_mut().for_each(|fold| fold[row] = even);
        let mut left = events - even * RANDOM_FOLDS as f64;
        while left > 0.0 {
            folds[rng.below(RANDOM_FOLDS as u64) as usize][row] += left.min(1.0);
            left -= 1.0;
        }
    }
    let folds = folds.into_iter().map(|events| Fold {
        name: String::new(),
        events,
    });
    folds
        .filter(|fold| fold.events.iter().any(|events| *events > 0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_folds_divide_every_row_and_depend_on_the_seed() {
        let n_rows = 2_000;
        let values: Vec<f64> = (0..n_rows).map(f64::from).collect();
        let weights: Vec<f64> = (0..n_rows).map(|row| f64::from(1 + row % 200)).collect();
        let rows = Matrix::new(1, values, weights.clone()).expect("a matrix");
        let folds = random_folds(&rows, 7);
        assert_eq!(folds.len(), RANDOM_FOLDS);
        for (row, weight) in weights.iter().enumerate() {
            let held_out: f64 = folds.iter().map(|fold| fold.events[row]).sum();
            assert_eq!(held_out, *weight, "row {row}");
        }
        // The events of a fold are a fifth of all. Those of rows with up to 64 events, a fifth of all rows, are drawn one
        // by one: the standard deviation of their number is below 0.16 · √(rows · 65) ≈ 60, and five of them are 300.
        let total: f64 = weights.iter().sum();
        for fold in &folds {
            let held_out: f64 = fold.events.iter().sum();
            assert!(
                (held_out - total / 5.0).abs() < 300.0,
                "{held_out} of {total}"
            );
        }
        let again = random_folds(&rows, 7);
        let other = random_folds(&rows, 8);
        assert!(
            folds
                .iter()
                .zip(&again)
                .all(|(one, two)| one.events == two.events)
        );
        assert!(
            folds
                .iter()
                .zip(&other)
                .any(|(one, two)| one.events != two.events)
        );
    }
}
