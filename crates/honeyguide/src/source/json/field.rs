//! What is read of an object.

use crate::log::Notation;

/// The path of a column's values in the object of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// The key in the object.
    pub key: String,
    /// The key within the object that is the key's value, where the column's value is a member of that.
    pub member: Option<&'static str>,
    pub notation: Notation,
}
