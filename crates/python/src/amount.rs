//! Numbers that scikit-learn takes as a count or as a share.

use learn::iforest::{MaxFeatures, MaxSamples};
use pyo3::FromPyObject;

/// A number of something, or its share of a whole.
#[derive(Clone, Copy, FromPyObject)]
pub enum Amount {
    Count(usize),
    Share(f64),
}

impl From<Amount> for MaxSamples {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Count(count) => Self::Count(count),
            Amount::Share(share) => Self::Fraction(share),
        }
    }
}

impl From<Amount> for MaxFeatures {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Count(count) => Self::Count(count),
            Amount::Share(share) => Self::Fraction(share),
        }
    }
}
