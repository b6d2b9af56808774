//! The events of incidents that are kept one by one: of each incident the first, the highest and the newest.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Event;

/// The number of the first events of an incident that are kept.
pub const FIRST_EVENTS: usize = 10;
/// The number of the events of an incident with the highest scores that are kept.
pub const HIGHEST_EVENTS: usize = 10;
/// The number of the newest events of an incident that are kept.
pub const NEWEST_EVENTS: usize = 10;
/// The greatest number of events of an incident that are kept.
pub const MAX_KEPT_EVENTS: usize = FIRST_EVENTS + HIGHEST_EVENTS + NEWEST_EVENTS;

/// An anomalous event of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentEvent {
    /// The number of the event among the anomalous events of its host, in the order in which they were folded, from 1.
    pub number: u64,
    /// Its time in seconds; `None` for events without times.
    pub time: Option<f64>,
    /// Its anomaly score.
    pub score: f64,
    /// The event, with its identifying columns.
    pub event: Event,
}

/// The events that came lately, by the ids of their incidents and their numbers.
#[derive(Debug, Default)]
pub(super) struct Recent(BTreeMap<String, BTreeMap<u64, IncidentEvent>>);

impl Recent {
    /// Adds an event of an incident.
    pub fn add(&mut self, incident: &str, event: IncidentEvent) {
        if !self.0.contains_key(incident) {
            self.0.insert(incident.to_owned(), BTreeMap::new());
        }
        if let Some(events) = self.0.get_mut(incident) {
            events.insert(event.number, event);
            // Looking for those that are not kept is worth it only now and then.
            if events.len() > 2 * MAX_KEPT_EVENTS {
                keep(events);
            }
        }
    }

    /// Moves the events of an incident to the one that goes on with them.
    pub fn merge(&mut self, from: &str, into: &str) {
        if let Some(events) = self.0.remove(from) {
            self.0.entry(into.to_owned()).or_default().extend(events);
        }
    }

    /// Takes the events since the last call. No incident has more than [`MAX_KEPT_EVENTS`].
    pub fn take(&mut self) -> BTreeMap<String, Vec<IncidentEvent>> {
        let mut recent = std::mem::take(&mut self.0);
        recent.values_mut().for_each(keep);
        recent
            .into_iter()
            .map(|(incident, events)| (incident, events.into_values().collect()))
            .collect()
    }
}

/// Leaves the first, the highest and the newest events. Those that are left of several parts of a stream, taken together, leave
/// what the whole stream leaves.
fn keep(events: &mut BTreeMap<u64, IncidentEvent>) {
    if events.len() <= FIRST_EVENTS {
        return;
    }
    let mut highest: Vec<(f64, u64)> = events
        .values()
        .map(|event| (event.score, event.number))
        .collect();
    highest.sort_unstable_by(|left, right| {
        let higher = right.0.total_cmp(&left.0);
        higher.then_with(|| left.1.cmp(&right.1))
    });
    let numbers = || events.keys().copied();
    let kept: BTreeSet<u64> = numbers()
        .take(FIRST_EVENTS)
        .chain(numbers().rev().take(NEWEST_EVENTS))
        .chain(
            highest
                .iter()
                .map(|(_, number)| *number)
                .take(HIGHEST_EVENTS),
        )
        .collect();
    events.retain(|number, _| kept.contains(number));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn event(number: u64, score: f64) -> IncidentEvent {
        IncidentEvent {
            number,
            time: None,
            score,
            event: Event::new(Vec::new(), Arc::default()),
        }
    }

    fn numbers(events: &[IncidentEvent]) -> Vec<u64> {
        events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn the_first_the_highest_and_the_newest_events_are_left() {
        let mut recent = Recent::default();
        // The scores fall from number 101 on, and before it.
        for number in 1..=1000 {
            let score = 1.0 / (1.0 + (number as f64 - 101.0).abs());
            recent.add("a", event(number, score));
        }
        let taken = recent.take();
        let expected: Vec<u64> = (1..=10).chain(96..=105).chain(991..=1000).collect();
        assert_eq!(numbers(&taken["a"]), expected);
        assert!(recent.take().is_empty());
    }

    #[test]
    fn parts_leave_what_the_whole_leaves_also_of_incidents_that_are_merged() {
        let score = |number: u64| (number * 7919 % 1009) as f64;
        let mut whole = Recent::default();
        (1..=900).for_each(|number| whole.add("into", event(number, score(number))));
        let whole = whole.take();
        for size in [1, 7, 100, 450] {
            let mut parts = Recent::default();
            let mut kept = BTreeMap::new();
            for number in 1..=900 {
                let incident = if number % 3 == 0 && number < 700 {
                    "from"
                } else {
                    "into"
                };
                parts.add(incident, event(number, score(number)));
                if number % size == 0 && number < 690 {
                    // What a store keeps of the part.
                    for (incident, events) in parts.take() {
                        let all: &mut BTreeMap<u64, IncidentEvent> =
                            kept.entry(incident).or_default();
                        all.extend(events.into_iter().map(|event| (event.number, event)));
                        keep(all);
                    }
                }
            }
            parts.merge("from", "into");
            let mut all: BTreeMap<u64, IncidentEvent> = kept.into_values().flatten().collect();
            let rest = parts.take().remove("into").unwrap_or_default();
            all.extend(rest.into_iter().map(|event| (event.number, event)));
            keep(&mut all);
            let all: Vec<IncidentEvent> = all.into_values().collect();
            assert_eq!(numbers(&all), numbers(&whole["into"]), "{size}");
        }
    }
}
