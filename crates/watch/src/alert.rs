//! Alerts: what is told of an incident when it opens, changes or ends, and of the incidents beyond the budget of a day.

use chrono::{DateTime, Utc};
use honeyguide::incident::{Change, ChangeKind, Incident};
use honeyguide::{Error, Result};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::database::text;
use crate::gap::Gap;

/// The name of the format of an alert.
pub const ALERT_FORMAT: &str = "honeyguide-alert";
/// The version of the format of an alert.
pub const ALERT_VERSION: u32 = 1;

/// What all alerts of a moment share.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// The SHA-256 of the model file; `None` if the model was not read from a file.
    pub model: Option<String>,
    /// Whether times count from 1970-01-01 UTC; `None` if the events have no times.
    pub times_are_dates: Option<bool>,
    pub is_simulated: bool,
}

/// An alert as it waits for its receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alert {
    /// What it is about, and its revision, by which a receiver can drop what it has received before.
    pub id: String,
    /// One line of JSON.
    pub json: String,
}

/// The fields of every alert.
#[derive(Serialize)]
struct Head<'a> {
    format: &'static str,
    version: u32,
    /// Present and true if the data is simulated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    id: &'a str,
    kind: &'a str,
    revision: u64,
    /// When the alert was made, in UTC.
    time: String,
    model: Option<&'a str>,
}

/// An alert that tells of an incident, which is given as a value or as JSON.
#[derive(Serialize)]
struct OfIncident<'a, I> {
    #[serde(flatten)]
    head: Head<'a>,
    times_are_dates: Option<bool>,
    incident: I,
    /// The times in which events of the incident may have been lost.
    #[serde(skip_serializing_if = "<[Gap]>::is_empty")]
    gaps: &'a [Gap],
    /// The id of the incident that goes on with the events, if this one turned out to be a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<&'a str>,
}

/// An alert that tells of a day.
#[derive(Serialize)]
struct OfDay<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    digest: &'a Digest,
}

/// The incidents of a day that alerts did not tell of, because there were more than the budget.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Digest {
    /// The day in UTC, such as `2026-10-01`.
    pub day: String,
    /// The greatest number of incidents of a day that alerts tell of.
    pub incidents_per_day: u64,
    /// The number of incidents that alerts told of.
    pub told: u64,
    /// The number of incidents beyond them.
    pub beyond: u64,
    /// Those of them with the highest scores, highest first.
    pub highest: Vec<Beyond>,
}

/// An incident beyond the budget.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Beyond {
    pub id: String,
    pub host: Option<String>,
    pub score: f64,
    pub events: u64,
}

/// An incident that is open, as it is stored.
#[derive(Debug)]
pub(crate) struct OpenStored {
    pub id: String,
    pub revision: u64,
    pub times_are_dates: Option<bool>,
    pub model: Option<String>,
    pub is_simulated: bool,
    pub incident: Box<RawValue>,
}

impl About {
    /// Returns the alert of a change at `time`. Events may have been lost in the times of `gaps`.
    ///
    /// # Errors
    /// Fails when the incident cannot be written as JSON, which is a defect.
    pub fn alert(&self, change: &Change, gaps: &[Gap], time: DateTime<Utc>) -> Result<Alert> {
        let incident: &Incident = &change.incident;
        let id = format!("{}:{}", incident.id, change.revision);
        let json = line(&OfIncident {
            head: self.head(&id, change.kind.name(), change.revision, time),
            times_are_dates: self.times_are_dates,
            incident,
            gaps,
            merged_into: change.merged_into.as_deref(),
        })?;
        Ok(Alert { id, json })
    }

    /// Returns the alert of a day, which is the alert number `revision` of this day.
    ///
    /// # Errors
    /// Fails when it cannot be written as JSON, which is a defect.
    pub fn digest(&self, digest: &Digest, revision: u64, time: DateTime<Utc>) -> Result<Alert> {
        let id = format!("digest-{}:{revision}", digest.day);
        let json = line(&OfDay {
            head: self.head(&id, "digest", revision, time),
            digest,
        })?;
        Ok(Alert { id, json })
    }

    fn head<'a>(
        &'a self,
        id: &'a str,
        kind: &'a str,
        revision: u64,
        time: DateTime<Utc>,
    ) -> Head<'a> {
        Head {
            format: ALERT_FORMAT,
            version: ALERT_VERSION,
            simulated: self.is_simulated,
            id,
            kind,
            revision,
            time: text(time),
            model: self.model.as_deref(),
        }
    }
}

impl OpenStored {
    /// Returns the last alert of the incident again, with what is known at `time`.
    ///
    /// # Errors
    /// Fails when it cannot be written as JSON, which is a defect.
    pub fn alert(&self, time: DateTime<Utc>) -> Result<Alert> {
        let about = About {
            model: self.model.clone(),
            times_are_dates: self.times_are_dates,
            is_simulated: self.is_simulated,
        };
        let kind = match self.revision {
            1 => ChangeKind::Opened,
            _ => ChangeKind::Updated,
        };
        let id = format!("{}:{}", self.id, self.revision);
        let json = line(&OfIncident {
            head: about.head(&id, kind.name(), self.revision, time),
            times_are_dates: self.times_are_dates,
            incident: &self.incident,
            gaps: &[],
            merged_into: None,
        })?;
        Ok(Alert { id, json })
    }
}

fn line(alert: &impl Serialize) -> Result<String> {
    serde_json::to_string(alert).map_err(|error| Error::internal(format!("an alert: {error}")))
}
