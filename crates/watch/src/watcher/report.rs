//! Where a watch tells what changes.

use honeyguide::incident::Change;
use honeyguide::{Error, Model, Result};

/// Where changes are told.
pub trait Report {
    /// Shows changes to people. `times_are_dates` says whether the times of events count from 1970-01-01 UTC.
    ///
    /// # Errors
    /// Fails when they cannot be written.
    fn show(&mut self, changes: &[Change], times_are_dates: Option<bool>) -> Result<()>;

    /// Returns whether there is a file of alerts.
    fn has_file(&self) -> bool;

    /// Takes that events are from now on scored by another model, or why a model that was offered does not take the place of
    /// the one before.
    fn model(&mut self, model: std::result::Result<&Model, &Error>);

    /// Shows people a state that they should know of, and its end.
    fn warn(&mut self, text: &str);

    /// Writes alerts to the file of alerts, if there is one.
    ///
    /// # Errors
    /// Fails when they cannot be written.
    fn write(&mut self, alerts: &[&str]) -> Result<()>;
}
