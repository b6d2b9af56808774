//! The digest of a day as the formats of other products read it: how many incidents were beyond the budget.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use honeyguide::wording::{count, of_them, printable};
use serde::Deserialize;

use super::severity::Severity;

/// The number of incidents that a summary names.
const SUMMARY_NAMES: usize = 3;

/// The alert of a day.
#[derive(Debug, Deserialize)]
pub(crate) struct Day {
    pub id: String,
    pub revision: u64,
    pub time: DateTime<Utc>,
    pub model: Option<String>,
    #[serde(default)]
    pub simulated: bool,
    pub digest: Digest,
}

/// The incidents of a day.
#[derive(Debug, Deserialize)]
pub(crate) struct Digest {
    pub day: NaiveDate,
    pub incidents_per_day: u64,
    pub told: u64,
    pub beyond: u64,
    pub highest: Vec<Beyond>,
}

/// An incident beyond the budget.
#[derive(Debug, Deserialize)]
pub(crate) struct Beyond {
    pub id: String,
    pub host: Option<String>,
    pub score: f64,
}

impl Day {
    /// The name of the kind of these alerts.
    pub const KIND: &'static str = "digest";

    /// Returns what is the same for all alerts of the day.
    pub fn uid(&self) -> String {
        format!("digest-{}", self.digest.day)
    }

    /// Returns when the day begins and ends.
    pub fn span(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let begins = self.digest.day.and_time(chrono::NaiveTime::MIN).and_utc();
        (begins, begins + Duration::days(1))
    }

    /// Returns the highest score of the incidents beyond the budget; 0 if none is known any more.
    pub fn score(&self) -> f64 {
        self.digest.highest.first().map_or(0.0, |one| one.score)
    }

    /// Returns the severity of the gravest incident beyond the budget.
    pub fn severity(&self) -> Severity {
        Severity::of(self.score())
    }

    /// Returns the hosts of the incidents that are named, each once.
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = Vec::new();
        for host in self
            .digest
            .highest
            .iter()
            .filter_map(|one| one.host.as_deref())
        {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    pub fn title(&self) -> String {
        let mark = if self.simulated { "simulated: " } else { "" };
        format!("{mark}digest of {}", self.digest.day)
    }

    /// Returns the digest in one sentence. Characters that act on a terminal are escaped.
    pub fn summary(&self) -> String {
        let digest = &self.digest;
        let beyond = of_them(digest.beyond, "incident", "incidents");
        let budget = count(digest.incidents_per_day);
        let named: Vec<String> = self.named(SUMMARY_NAMES).collect();
        let named = match named.is_empty() {
            true => String::new(),
            false => format!(": {}", named.join("; ")),
        };
        format!(
            "{}: {beyond} beyond the budget of {budget} a day, stored and not told of{named}",
            self.title()
        )
    }

    /// Returns the first incidents in words.
    pub fn named(&self, limit: usize) -> impl Iterator<Item = String> {
        let highest = self.digest.highest.iter().take(limit);
        highest.map(|one| {
            let host = one
                .host
                .as_deref()
                .map_or_else(String::new, |host| format!(" on {}", printable(host)));
            format!("{}{host}, score {:.2}", one.id, one.score)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The alert of a day, with an incident on `host`.
    pub(crate) fn digest_with(host: &str) -> Value {
        json!({
            "format": "honeyguide-alert", "version": 1, "id": "digest-2026-10-01:1", "kind": "digest", "revision": 1,
            "time": "2026-10-02T00:00:01.000Z", "model": "5f".repeat(32), "digest": {
                "day": "2026-10-01", "incidents_per_day": 25, "told": 25, "beyond": 1017, "highest": [
                    { "id": "9f2c4b1a7d3e5f60", "host": host, "score": 41.724, "events": 212 },
                    { "id": "53b5c6f80cbbf2f4", "host": null, "score": 3.0, "events": 2 },
                ],
            },
        })
    }

    pub(crate) fn day(alert: &Value) -> Day {
        serde_json::from_value(alert.clone()).expect("an alert of a day")
    }

    #[test]
    fn a_summary_says_how_many_and_which() {
        let summary = day(&digest_with("web\u{1b}-1")).summary();
        assert_eq!(
            summary,
            "digest of 2026-10-01: 1,017 incidents beyond the budget of 25 a day, stored and not told of: \
             9f2c4b1a7d3e5f60 on web\\u{1b}-1, score 41.72; 53b5c6f80cbbf2f4, score 3.00"
        );
    }
}
