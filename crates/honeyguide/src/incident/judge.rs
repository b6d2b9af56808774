//! Incidents against labels: how many incidents hold no labelled event, which attacks were found, and how early.

use std::collections::{BTreeMap, HashMap};

use learn::chance::poisson_interval;
use serde::Serialize;

use super::LONGEST_SECONDS;
use crate::wording::SECONDS_PER_DAY;

/// The greatest number of attacks that are listed.
pub const MAX_ATTACKS: usize = 1_000;
/// The confidence of the interval of a rate of incidents.
const CONFIDENCE: f64 = 0.95;
/// The greatest number of labels that are judged at once.
const MAX_LABELS: usize = 64;

/// The incidents of labelled events, against one label.
///
/// An **attack** is the labelled events of one host; a day without one separates two attacks. It is **found** where one of
/// its events is above the threshold, since that event is in an incident. The incident first crosses the threshold with
/// the first such event of the attack.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentFigures {
    /// The number of incidents.
    pub incidents: u64,
    /// The number of incidents that hold no event with the label 1.
    pub unlabelled: u64,
    /// The number of incidents without a labelled event per host and day; `None` if the data has no times, or if no time
    /// passes.
    pub unlabelled_rate: Option<IncidentRate>,
    /// The number of attacks.
    pub n_attacks: u64,
    /// The number of attacks that were found.
    pub n_found: u64,
    /// The first [`MAX_ATTACKS`] attacks, in the order of host and time.
    pub attacks: Vec<Attack>,
}

/// A number of incidents per host and day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IncidentRate {
    /// The recorded time of all hosts together, in days. That of a host is the time from its first event to its last.
    pub host_days: f64,
    /// The number of incidents per host and day.
    pub per_host_day: f64,
    /// The lower end of the exact 95 % interval of the rate (Garwood 1936).
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

/// The labelled events of one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attack {
    /// The name of the host; `None` for events without one.
    pub host: Option<String>,
    /// The time of the first labelled event, in seconds.
    pub first: Option<f64>,
    /// The time of the last labelled event, in seconds.
    pub last: Option<f64>,
    /// The number of labelled events.
    pub events: u64,
    /// The number of them above the threshold.
    pub anomalous: u64,
    /// When the attack was found; `None` if it was not.
    pub found: Option<Found>,
}

/// When an attack was found: at its first event above the threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The id of the incident that the event belongs to.
    pub incident: String,
    /// The number of the attack's events before it.
    pub events_before: u64,
    /// Their share of the attack's events, from 0 to 1.
    pub share_before: f64,
    /// The time since the attack's first event, in seconds; `None` without times.
    pub seconds: Option<f64>,
}

impl IncidentRate {
    /// The recorded time in days below which a rate says nothing: about an hour.
    const SHORTEST_DAYS: f64 = 0.04;

    /// Returns whether the recorded time is too short for a rate per host and day.
    pub fn is_of_too_short_a_time(&self) -> bool {
        self.host_days < Self::SHORTEST_DAYS
    }

    /// Returns the rate of `incidents` in so many host days; `None` if no time passed.
    pub(crate) fn new(incidents: u64, host_days: f64) -> Option<Self> {
        let [low, high] = poisson_interval(incidents, CONFIDENCE);
        (host_days > 0.0).then(|| Self {
            host_days,
            per_host_day: incidents as f64 / host_days,
            low: low / host_days,
            high: high / host_days,
        })
    }
}

/// The counts against labels over events of which those of each host are in the order of time.
#[derive(Debug)]
pub(super) struct Judge {
    n_labels: usize,
    /// Which labels the events of each open incident have.
    open: HashMap<String, u64>,
    /// The host of the last event, and what is counted of it.
    current: Option<(Option<String>, HostTally)>,
    /// The other hosts.
    others: BTreeMap<Option<String>, HostTally>,
    incidents: u64,
    /// The number of incidents that hold events with each label.
    labelled: Vec<u64>,
}

/// What is counted of a host.
#[derive(Debug)]
struct HostTally {
    /// The times of its first and last event.
    times: Option<[f64; 2]>,
    /// Its attacks, against each label.
    labels: Vec<LabelTally>,
}

/// The attacks of a host against one label.
#[derive(Debug, Default)]
struct LabelTally {
    n_attacks: u64,
    n_found: u64,
    attacks: Vec<Attack>,
    current: Option<Attack>,
}

/// An event as the judge sees it.
pub(super) struct Judged<'a> {
    pub host: Option<&'a str>,
    pub time: Option<f64>,
    /// Whether each label is 1.
    pub labels: &'a [bool],
    /// The id of the incident of an anomalous event.
    pub incident: Option<&'a str>,
}

impl Judge {
    /// Returns a judge of events with so many labels.
    pub fn new(n_labels: usize) -> Self {
        debug_assert!(n_labels <= MAX_LABELS, "labels have a bit each");
        Self {
            n_labels,
            open: HashMap::new(),
            current: None,
            others: BTreeMap::new(),
            incidents: 0,
            labelled: vec![0; n_labels],
        }
    }

    /// Takes that the next event, and what becomes of incidents until the one after it, is of `host`.
    pub fn turn_to(&mut self, host: Option<&str>) {
        if self.n_labels == 0
            || self
                .current
                .as_ref()
                .is_some_and(|(of, _)| of.as_deref() == host)
        {
            return;
        }
        self.leave();
        let host = host.map(str::to_owned);
        let tally = self.others.remove(&host).unwrap_or_else(|| HostTally {
            times: None,
            labels: (0..self.n_labels).map(|_| LabelTally::default()).collect(),
        });
        self.current = Some((host, tally));
    }

    /// Counts an event.
    pub fn see(&mut self, event: &Judged) {
        self.turn_to(event.host);
        let Some((_, host)) = &mut self.current else {
            return;
        };
        if let Some(time) = event.time {
            host.times.get_or_insert([time, time])[1] = time;
        }
        if let Some(id) = event.incident
            && !self.open.contains_key(id)
        {
            self.open.insert(id.to_owned(), 0);
        }
        for (label, tally) in host.labels.iter_mut().enumerate() {
            if event.labels[label] {
                tally.see(event);
                if let Some(open) = event.incident.and_then(|id| self.open.get_mut(id)) {
                    *open |= 1 << label;
                }
            }
        }
    }

    /// Takes that the incident `id` of the current host is a part of the incident `into`.
    pub fn merge(&mut self, id: &str, into: &str) {
        let held = self.open.remove(id).unwrap_or(0);
        if let Some(open) = self.open.get_mut(into) {
            *open |= held;
        }
        let labels = self
            .current
            .iter_mut()
            .flat_map(|(_, host)| &mut host.labels);
        for tally in labels {
            let attacks = tally.attacks.iter_mut().chain(&mut tally.current);
            for found in attacks.filter_map(|attack| attack.found.as_mut()) {
                if found.incident == id {
                    into.clone_into(&mut found.incident);
                }
            }
        }
    }

    /// Counts an incident that has ended, and returns the labels that its events have, one bit for each.
    pub fn end(&mut self, id: &str) -> u64 {
        let held = self.open.remove(id).unwrap_or(0);
        self.incidents += 1;
        for (label, labelled) in self.labelled.iter_mut().enumerate() {
            *labelled += held >> label & 1;
        }
        held
    }

    /// Puts the current host to the others.
    fn leave(&mut self) {
        self.others.extend(self.current.take());
    }

    /// Returns the figures against each label. All incidents have ended.
    pub fn finish(mut self) -> Vec<IncidentFigures> {
        self.leave();
        let days = |host: &HostTally| {
            host.times
                .map(|[first, last]| (last - first) / SECONDS_PER_DAY)
        };
        let host_days = self
            .others
            .values()
            .filter_map(days)
            .fold(0.0, |sum, days| sum + days);
        let figures = self.labelled.iter().map(|labelled| {
            let unlabelled = self.incidents - labelled;
            IncidentFigures {
                incidents: self.incidents,
                unlabelled,
                unlabelled_rate: IncidentRate::new(unlabelled, host_days),
                n_attacks: 0,
                n_found: 0,
                attacks: Vec::new(),
            }
        });
        let mut figures: Vec<_> = figures.collect();
        for host in self.others.into_values() {
            for (mut tally, figures) in host.labels.into_iter().zip(&mut figures) {
                tally.end_attack();
                figures.n_attacks += tally.n_attacks;
                figures.n_found += tally.n_found;
                let room = MAX_ATTACKS - figures.attacks.len();
                figures.attacks.extend(tally.attacks.into_iter().take(room));
            }
        }
        figures
    }
}

impl LabelTally {
    /// Counts a labelled event.
    fn see(&mut self, event: &Judged) {
        let since = |attack: &Attack| attack.last.zip(event.time).map(|(last, now)| now - last);
        if self.current.as_ref().and_then(since) > Some(LONGEST_SECONDS) {
            self.end_attack();
        }
        let attack = self.current.get_or_insert_with(|| Attack {
            host: event.host.map(str::to_owned),
            first: event.time,
            last: event.time,
            events: 0,
            anomalous: 0,
            found: None,
        });
        if let Some(id) = event.incident {
            attack.anomalous += 1;
            attack.found.get_or_insert_with(|| Found {
                incident: id.to_owned(),
                events_before: attack.events,
                share_before: 0.0,
                seconds: event.time.zip(attack.first).map(|(now, first)| now - first),
            });
        }
        attack.first = attack.first.or(event.time);
        attack.last = event.time.or(attack.last);
        attack.events += 1;
    }

    /// Ends the current attack, if there is one.
    fn end_attack(&mut self) {
        let Some(mut attack) = self.current.take() else {
            return;
        };
        self.n_attacks += 1;
        if let Some(found) = &mut attack.found {
            found.share_before = found.events_before as f64 / attack.events as f64;
            self.n_found += 1;
        }
        if self.attacks.len() < MAX_ATTACKS {
            self.attacks.push(attack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows a judge of one label events of a host: time, label, and incident.
    fn show(judge: &mut Judge, host: &str, events: &[(f64, bool, Option<&str>)]) {
        for (time, label, incident) in events {
            judge.see(&Judged {
                host: Some(host),
                time: Some(*time),
                labels: &[*label],
                incident: *incident,
            });
        }
    }

    #[test]
    fn an_attack_is_found_at_its_first_anomalous_event() {
        let mut judge = Judge::new(1);
        let events = [
            (0.0, false, Some("a")),
            (100.0, true, None),
            (110.0, true, None),
            (120.0, true, Some("b")),
            (130.0, true, None),
            (SECONDS_PER_DAY, false, Some("c")),
        ];
        show(&mut judge, "h", &events);
        let held = ["a", "b", "c"].map(|id| judge.end(id));
        assert_eq!(held, [0, 1, 0]);
        let figures = judge.finish().remove(0);
        assert_eq!((figures.incidents, figures.unlabelled), (3, 2));
        let rate = figures.unlabelled_rate.expect("times");
        assert_eq!((rate.host_days, rate.per_host_day), (1.0, 2.0));
        // The exact interval of a count of 2 (Garwood 1936)
        assert!(
            (rate.low - 0.242_209_278_543_965_6).abs() < 1e-9,
            "{rate:?}"
        );
        assert!((rate.high - 7.224_687_667_775_44).abs() < 1e-9, "{rate:?}");
        let attack = &figures.attacks[0];
        let found = attack.found.as_ref().expect("found");
        assert_eq!((attack.events, attack.anomalous), (4, 1));
        assert_eq!((found.events_before, found.share_before), (2, 0.5));
        assert_eq!((found.seconds, found.incident.as_str()), (Some(20.0), "b"));
    }

    #[test]
    fn hosts_and_days_without_labelled_events_tell_attacks_apart() {
        let mut judge = Judge::new(1);
        let late = 10.0 + LONGEST_SECONDS + 1.0;
        show(
            &mut judge,
            "h",
            &[(10.0, true, Some("a")), (late, true, None)],
        );
        judge.end("a");
        show(&mut judge, "i", &[(10.0, true, None)]);
        let figures = judge.finish().remove(0);
        assert_eq!((figures.n_attacks, figures.n_found), (3, 1));
        let hosts = figures.attacks.iter().map(|attack| attack.host.as_deref());
        assert_eq!(hosts.collect::<Vec<_>>(), [Some("h"), Some("h"), Some("i")]);
        assert_eq!(figures.unlabelled, 0);
    }
}
