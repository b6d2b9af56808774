//! The correlations of columns, with the reason wherever one is undefined.

use learn::describe::{CoMoments, Correlation};
use serde::Serialize;

/// The number of first columns whose correlations are computed. The limit bounds the time, which each pair of columns
/// takes for every row.
pub const MAX_CORRELATED: usize = 320;

/// The quantile of the standard normal distribution at 0.995.
const NORMAL_QUANTILE: f64 = 2.575_829_303_548_901;

/// The Pearson correlations of all pairs of columns, each over the rows in which both have a finite value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlations {
    /// The names of the columns.
    pub names: Vec<String>,
    /// The correlations: `names` × `names`, row-major; `None` where a correlation is undefined.
    pub r: Vec<Option<f64>>,
    /// The reasons why correlations are undefined, in the same places.
    pub undefined: Vec<Option<String>>,
    /// The numbers of rows in which both columns have a finite value, in the same places. If the rows of the data stand for
    /// others, as in a sample, these are sums of their weights.
    pub rows: Vec<f64>,
}

impl Correlations {
    /// Returns the correlations of the columns `names`. A column's correlation with itself is 1 unless the column is
    /// constant or has no values. `present` are the numbers of rows in which each column has a value.
    pub(super) fn new(
        names: Vec<String>,
        moments: &CoMoments,
        is_constant: &[bool],
        present: &[f64],
    ) -> Self {
        let n = names.len();
        let (mut r, mut undefined) = (Vec::with_capacity(n * n), Vec::with_capacity(n * n));
        let mut rows = Vec::with_capacity(n * n);
        for i in 0..n {
            for j in 0..n {
                let found = match i == j {
                    true if is_constant[i] => Err(format!("{} is constant or empty", names[i])),
                    true => Ok(1.0),
                    false => of_pair(moments.correlation(i, j), &names[i], &names[j]),
                };
                rows.push(match i == j {
                    true => present[i],
                    false => moments.rows(i, j),
                });
                r.push(found.as_ref().ok().copied());
                undefined.push(found.err());
            }
        }
        Self {
            names,
            r,
            undefined,
            rows,
        }
    }

    /// Returns the number of rows in which the columns at two positions both have a value.
    pub fn rows(&self, i: usize, j: usize) -> f64 {
        self.rows[i * self.names.len() + j]
    }

    /// Returns the bound above which the absolute correlation of two columns lies with a confidence of 99.5 %, by Fisher's
    /// transformation (Fisher 1921); 0 where it is undefined or has fewer than four rows.
    pub fn at_least(&self, i: usize, j: usize) -> f64 {
        let rows = self.rows(i, j);
        match self.get(i, j) {
            Some(r) if rows > 3.0 => {
                // A correlation of 1 has no transformation.
                let z = r.abs().min(1.0 - 1e-12).atanh() - NORMAL_QUANTILE / (rows - 3.0).sqrt();
                z.tanh().max(0.0)
            }
            _ => 0.0,
        }
    }

    /// Returns whether the columns at two positions have a value in the same rows, for the most part: in at least half of
    /// those in which one of them has.
    pub fn is_shared(&self, i: usize, j: usize) -> bool {
        let most = self.rows(i, i).max(self.rows(j, j));
        2.0 * self.rows(i, j) >= most
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
            "fewer than three rows have a value of both {first} and {second}"
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
