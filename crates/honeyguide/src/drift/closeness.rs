//! How far data is from the training data, in words.

use std::fmt;

use serde::Serialize;

/// How far data is from what was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closeness {
    /// What was learnt holds.
    Close,
    /// What was learnt may not hold.
    SomeWay,
    /// What was learnt does not carry over.
    Far,
}

impl Closeness {
    /// By a distance that is some way from `some` on, and far from `far` on.
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
