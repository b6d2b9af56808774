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

    /// Returns the alerts of changes, which are pairs of an id and JSON, if somebody receives alerts.
    ///
    /// # Errors
    /// Fails when a change cannot be written as JSON, which is a defect.
    fn alerts(
        &mut self,
        changes: &[Change],
        times_are_dates: Option<bool>,
    ) -> Result<Vec<(String, String)>>;

    /// Takes that events are from now on scored by another model, or why a model that was offered does not take the place of
    /// the one before.
    fn model(&mut self, model: std::result::Result<&Model, &Error>);

    /// Writes alerts to a file, if there is one.
    ///
    /// # Errors
    /// Fails when they cannot be written.
    fn write(&mut self, alerts: &[&str]) -> Result<()>;
}
