//! Alerts: what is told of an incident when it opens, changes or ends.

use chrono::{DateTime, Utc};
use honeyguide::incident::{Change, ChangeKind, Incident};
use serde::Serialize;

use crate::database;

/// The name of the format of an alert.
pub const ALERT_FORMAT: &str = "honeyguide-alert";
/// The version of the format of an alert.
pub const ALERT_VERSION: u32 = 1;

/// One line of alerts.
#[derive(Debug, Serialize)]
pub struct Alert<'a> {
    format: &'static str,
    version: u32,
    /// Present and true if the data is simulated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    /// The incident's id and the number of the change, by which a receiver can drop what it has received before.
    id: String,
    kind: ChangeKind,
    revision: u64,
    /// When the alert was made, in UTC.
    time: String,
    /// The SHA-256 of the model file; `None` if the model was not read from a file.
    model: Option<&'a str>,
    /// Whether the times of the incident count from 1970-01-01 UTC; `None` if its events have no times.
    times_are_dates: Option<bool>,
    incident: &'a Incident,
    /// The id of the incident that goes on with the events, if this one turned out to be a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<&'a str>,
}

impl<'a> Alert<'a> {
    /// Returns the id: that of the incident and the revision.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the alert of a change at `time`.
    #[must_use]
    pub fn new(
        change: &'a Change,
        time: DateTime<Utc>,
        model: Option<&'a str>,
        times_are_dates: Option<bool>,
        simulated: bool,
    ) -> Self {
        let Change {
            kind,
            revision,
            incident,
            merged_into,
        } = change;
        Self {
            format: ALERT_FORMAT,
            version: ALERT_VERSION,
            id: format!("{}:{revision}", incident.id),
            time: database::text(time),
            kind: *kind,
            revision: *revision,
            simulated,
            model,
            times_are_dates,
            incident,
            merged_into: merged_into.as_deref(),
        }
    }
}
