//! The verdict on a distance between data and the training data.

use std::fmt;

use serde::Serialize;

/// The closeness of data to the training data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closeness {
    /// The model applies.
    Close,
    /// The model may not apply.
    SomeWay,
    /// The model does not apply.
    Far,
}

impl Closeness {
    /// Returns the closeness of data at `distance`: [`Far`](Self::Far) from `far` on, [`SomeWay`](Self::SomeWay) from
    /// `some` on.
    pub fn of(distance: f64, some: f64, far: f64) -> Self {
        match distance {
            distance if distance >= far => Self::Far,
            distance if distance >= some => Self::SomeWay,
            _ => Self::Close,
        }
    }
}

impl fmt::Display for Closeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "close to the training data",
            Self::SomeWay => "some way from the training data",
            Self::Far => {
                "far from the training data, so that a threshold or result does not carry over from one to the other"
            }
        })
    }
}
