//! Correlations of columns, with the reason where there is none.

use learn::describe::{CoMoments, Correlation};
use serde::Serialize;

/// Most columns that are correlated, the first ones: every pair takes time for each row.
pub const MAX_CORRELATED: usize = 320;

/// Pearson's correlations of every pair of columns, over the rows in which both have a finite value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlations {
    /// The columns.
    pub names: Vec<String>,
    /// `names` × `names`, row after row; `None` where it is not defined.
    pub r: Vec<Option<f64>>,
    /// Why it is not defined, in the same places.
    pub undefined: Vec<Option<String>>,
}

impl Correlations {
    /// Of the columns called `names`. A column's correlation with itself is 1 unless it is constant or missing.
    pub(super) fn new(names: Vec<String>, moments: &CoMoments, is_constant: &[bool]) -> Self {
        let n = names.len();
        let (mut r, mut undefined) = (Vec::with_capacity(n * n), Vec::with_capacity(n * n));
        for i in 0..n {
            for j in 0..n {
                let found = match i == j {
                    true if is_constant[i] => Err(format!("{} is constant or empty", names[i])),
                    true => Ok(1.0),
                    false => of_pair(moments.correlation(i, j), &names[i], &names[j]),
                };
                r.push(found.as_ref().ok().copied());
                undefined.push(found.err());
            }
        }
        Self {
            names,
            r,
            undefined,
        }
    }

    /// The correlation of two columns by their positions.
    pub fn get(&self, i: usize, j: usize) -> Option<f64> {
        self.r[i * self.names.len() + j]
    }
}

fn of_pair(correlation: Correlation, first: &str, second: &str) -> Result<f64, String> {
    let constant = |name: &str| format!("{name} is constant where both have a value");
    match correlation {
        Correlation::Defined(r) => Ok(r),
        Correlation::TooFewRows => Err(format!(
            "fewer than two rows have a value of both {first} and {second}"
        )),
        Correlation::Constant {
            first: true,
            second: true,
        } => Err(format!(
            "{first} and {second} are constant where both have a value"
        )),
        Correlation::Constant { first: true, .. } => Err(constant(first)),
        Correlation::Constant { .. } => Err(constant(second)),
    }
}
