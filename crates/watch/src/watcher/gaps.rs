//! The gaps of this run: times in which events may have been lost.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use honeyguide::incident::{Change, ChangeKind, QUIET_SECONDS};

use crate::database::text;
use crate::gap::{Gap, JOINED_SECONDS, MAX_NAMED_GAPS};

/// The greatest number of gaps that are remembered: the newest.
const MAX_GAPS: usize = 100;

/// The newest gaps of a run, and the number of all.
#[derive(Default)]
pub(super) struct Gaps {
    newest: VecDeque<Known>,
    /// The number of gaps of each input.
    found: BTreeMap<String, u64>,
    /// When each open incident was first told of.
    told: HashMap<String, DateTime<Utc>>,
}

struct Known {
    input: String,
    cause: String,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Known {
    fn gap(&self) -> Gap {
        Gap {
            input: self.input.clone(),
            start: text(self.start),
            end: text(self.end),
            cause: self.cause.clone(),
        }
    }
}

impl Gaps {
    /// Adds a gap, or lets one that has just ended go on. Returns whether it is a new one.
    pub fn add(
        &mut self,
        input: &str,
        cause: &str,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> bool {
        let joined = TimeDelta::seconds(JOINED_SECONDS);
        let mut known = self.newest.iter_mut().rev();
        let known = known.find(|known| known.input == input && known.cause == cause);
        if let Some(known) = known
            && known.start <= start
            && start - known.end <= joined
        {
            known.end = known.end.max(end);
            return false;
        }
        if self.newest.len() == MAX_GAPS {
            self.newest.pop_front();
        }
        self.newest.push_back(Known {
            input: input.to_owned(),
            cause: cause.to_owned(),
            start,
            end,
        });
        *self.found.entry(input.to_owned()).or_default() += 1;
        true
    }

    /// Returns the newest gaps, the oldest first.
    pub fn newest(&self) -> Vec<Gap> {
        self.newest.iter().map(Known::gap).collect()
    }

    /// Returns the number of gaps of each input that has one.
    pub fn found(&self) -> &BTreeMap<String, u64> {
        &self.found
    }

    /// Returns the newest gaps that the incident of each change overlaps, the oldest first. Where times are no dates, an incident
    /// lasts from the first change to `now`.
    pub fn of_changes(
        &mut self,
        changes: &[Change],
        times_are_dates: Option<bool>,
        now: DateTime<Utc>,
    ) -> Vec<Vec<Gap>> {
        let gaps = changes.iter().map(|change| {
            let incident = &change.incident;
            let told = *self.told.entry(incident.id.clone()).or_insert(now);
            if change.kind == ChangeKind::Closed {
                self.told.remove(&incident.id);
            }
            let dates = incident.first.zip(incident.last);
            let dates = dates.filter(|_| times_are_dates == Some(true));
            let dates =
                dates.and_then(|(first, last)| Some((date(first)?, date(last + QUIET_SECONDS)?)));
            let (first, last) = dates.unwrap_or((told, now));
            let overlapping = self.newest.iter().rev();
            let overlapping = overlapping.filter(|gap| gap.end >= first && gap.start <= last);
            let mut gaps: Vec<Gap> = overlapping
                .take(MAX_NAMED_GAPS as usize)
                .map(Known::gap)
                .collect();
            gaps.reverse();
            gaps
        });
        gaps.collect()
    }
}

fn date(seconds: f64) -> Option<DateTime<Utc>> {
    let nanoseconds = seconds * 1e9;
    let is_date = nanoseconds.abs() < i64::MAX as f64;
    is_date.then(|| DateTime::from_timestamp_nanos(nanoseconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples::{change, incident};

    fn time(time: &str) -> DateTime<Utc> {
        let time = format!("2026-10-01T{time}Z");
        time.parse().expect("a time")
    }

    /// Adds a gap of the input `-`.
    fn add(gaps: &mut Gaps, start: &str, end: &str) -> bool {
        gaps.add("-", "c", (time(start), time(end)))
    }

    #[test]
    fn gaps_that_follow_one_another_are_one_and_the_newest_are_remembered() {
        let mut gaps = Gaps::default();
        assert!(add(&mut gaps, "12:00:00", "12:00:01"));
        assert!(!add(&mut gaps, "12:00:03", "12:00:04"));
        assert!(add(&mut gaps, "12:00:07", "12:00:08"));
        assert!(gaps.add("other", "c", (time("12:00:08"), time("12:00:08"))));
        let newest = gaps.newest();
        assert_eq!(newest.len(), 3);
        assert_eq!(newest[0].end, "2026-10-01T12:00:04.000Z");
        assert_eq!(gaps.found()["-"], 2);
        for minute in 0..60 {
            for second in ["00", "20"] {
                let at = format!("13:{minute:02}:{second}");
                assert!(add(&mut gaps, &at, &at));
            }
        }
        assert_eq!((gaps.newest().len(), gaps.found()["-"]), (MAX_GAPS, 122));
    }

    #[test]
    fn an_incident_has_the_gaps_from_its_first_event_until_it_must_have_ended() {
        // The second of 2026-10-01T12:00:00Z.
        let noon = 1_790_856_000.0;
        let changes = [change(
            ChangeKind::Opened,
            incident("i", 1.0, (noon, noon + 300.0)),
        )];
        let has = |start, end, times_are_dates, now| {
            let mut gaps = Gaps::default();
            add(&mut gaps, start, end);
            let found = gaps.of_changes(&changes, Some(times_are_dates), time(now));
            found[0].len() == 1
        };
        let now = "20:00:00";
        assert!(!has("11:00:00", "11:59:59", true, now));
        assert!(has("11:00:00", "12:00:00", true, now));
        assert!(has("12:20:00", "13:00:00", true, now));
        assert!(!has("12:20:01", "13:00:00", true, now));
        // Where times are no dates, the times of the changes count.
        assert!(!has("12:00:00", "12:01:00", false, now));
        assert!(has("19:59:59", "20:00:00", false, now));
        let mut gaps = Gaps::default();
        gaps.of_changes(&changes, None, time("19:00:00"));
        add(&mut gaps, "19:30:00", "19:31:00");
        let closed = [change(ChangeKind::Closed, changes[0].incident.clone())];
        assert_eq!(gaps.of_changes(&closed, None, time(now))[0].len(), 1);
        assert!(gaps.told.is_empty());
    }
}
