//! Receivers of alerts, and what waits for them.

use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::alert::Alert;

/// A receiver of alerts.
pub(crate) trait Receiver: Send {
    /// Returns the name under which the store keeps the place of the receiver. It holds no secret.
    fn name(&self) -> &str;

    /// Sends alerts, at least one and at most [`at_once`](Self::at_once), and waits until the receiver has them.
    ///
    /// # Errors
    /// Fails when it is not known that the receiver has all of them.
    fn send(&mut self, alerts: &[Alert], runtime: &Runtime) -> Result<(), Failure>;

    /// Returns the greatest number of alerts that are sent together.
    fn at_once(&self) -> u64;

    /// Returns the time after which the receiver must hear again of incidents that are open; `None` if it remembers them.
    fn forgets_after(&self) -> Option<Duration> {
        None
    }
}

/// Why a receiver does not have an alert.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The reason, without secrets.
    pub why: String,
    /// The time after which the receiver asks to be tried again.
    pub after: Option<Duration>,
    /// Whether the receiver refuses this alert, and may take others.
    pub is_refusal: bool,
}

impl Failure {
    /// Returns a failure that may be over soon.
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            after: None,
            is_refusal: false,
        }
    }
}

/// What waits for a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The name of the receiver.
    pub receiver: String,
    /// The number of alerts that wait.
    pub alerts: u64,
    /// When the oldest of them was made, in UTC.
    pub oldest: Option<String>,
    /// The number of alerts that it has taken.
    pub sent: u64,
    /// The number of alerts that it will never get: there was no room for them, or it refused them.
    pub lost: u64,
    /// Since when it has taken nothing, in UTC, if the last attempt failed.
    pub failing_since: Option<String>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

/// Returns what waits for each receiver.
///
/// # Errors
/// Fails when the store cannot be read.
pub(crate) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let mut query = connection.prepare(
        "SELECT name, count(number), min(time), sent, lost, failing_since, failure
         FROM receiver LEFT JOIN alert ON number > delivered GROUP BY name ORDER BY name",
    )?;
    let receivers = query.query_map([], |row| {
        Ok(Waiting {
            receiver: row.get(0)?,
            alerts: row.get(1)?,
            oldest: row.get(2)?,
            sent: row.get(3)?,
            lost: row.get(4)?,
            failing_since: row.get(5)?,
            failure: row.get(6)?,
        })
    })?;
    receivers.collect()
}
