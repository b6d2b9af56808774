//! The correlations of columns, with the reason wherever one is undefined.

use learn::describe::{CoMoments, Correlation};
use serde::Serialize;

/// The number of first columns whose correlations are computed. The limit bounds the time, which each pair of columns
/// takes for every row.
pub const MAX_CORRELATED: usize = 320;

/// The Pearson correlations of all pairs of columns, each over the rows in which both have a finite value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlations {
    /// The names of the columns.
    pub names: Vec<String>,
    /// The correlations: `names` × `names`, row-major; `None` where a correlation is undefined.
    pub r: Vec<Option<f64>>,
    /// The reasons why correlations are undefined, in the same places.
    pub undefined: Vec<Option<String>>,
}

impl Correlations {
    /// Returns the correlations of the columns `names`. A column's correlation with itself is 1 unless the column is
    /// constant or has no values.
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

    /// Returns the correlation of the columns at two positions, or `None` if it is undefined.
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
