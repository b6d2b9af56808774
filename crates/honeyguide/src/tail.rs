//! The lowest threshold that flags at most a nominal share of events, computed from scores in ascending order. Memory
//! holds only about that share of the scores.

use std::collections::VecDeque;

use learn::chance::count_of_share;

/// The upper tail of scores that are added in ascending order: the scores that can still become the threshold.
pub(crate) struct Tail {
    /// The share of events that may be flagged.
    rate: f64,
    /// The scores of the tail in ascending order, each with a number of events.
    groups: VecDeque<(f64, u64)>,
    /// The number of events in the tail.
    in_tail: u64,
    /// The number of events added.
    events: u64,
}

impl Tail {
    /// Creates a tail without events; `rate` is the share of events that may be flagged.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            groups: VecDeque::new(),
            in_tail: 0,
            events: 0,
        }
    }

    /// Returns how many of the events added so far may lie above the threshold. The number never decreases.
    fn allowed(&self) -> u64 {
        count_of_share(self.rate, self.events)
    }

    /// Adds a number of events with one score, which must not be below the last one added.
    pub fn push(&mut self, score: f64, events: u64) {
        self.groups.push_back((score, events));
        self.in_tail += events;
        self.events += events;
        // The threshold is the score of the lowest group kept, whose events are not flagged. So the lowest group is
        // dropped only while the groups above it hold more events than may be flagged.
        while let Some(&(_, lowest)) = self.groups.front()
            && self.in_tail - lowest > self.allowed()
        {
            self.in_tail -= lowest;
            self.groups.pop_front();
        }
    }

    /// Returns the number of events added.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the lowest threshold that flags at most the nominal share, and the share that it flags. Returns `None`
    /// if there are no events.
    pub fn threshold(&self) -> Option<(f64, f64)> {
        let &(value, lowest) = self.groups.front()?;
        let flagged = self.in_tail - lowest;
        Some((value, flagged as f64 / self.events as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_rate_loses_no_event() {
        // 0.0003 of 10,000 events are 3, and 0.07 of 100 are 7.
        for (rate, events, flagged) in [(0.0003, 10_000, 3.0), (0.07, 100, 7.0), (0.29, 100, 29.0)]
        {
            let mut tail = Tail::new(rate);
            (0..events).for_each(|score| tail.push(f64::from(score), 1));
            let expected = Some((
                f64::from(events) - flagged - 1.0,
                flagged / f64::from(events),
            ));
            assert_eq!(tail.threshold(), expected, "{rate} of {events}");
        }
    }

    #[test]
    fn the_threshold_is_the_lowest_that_keeps_to_the_rate() {
        let groups = [(0.1, 50), (0.2, 40), (0.3, 7), (0.4, 2), (0.5, 1)];
        for (rate, value, flagged) in [
            (0.0, 0.5, 0),
            (0.01, 0.4, 1),
            (0.029, 0.4, 1),
            (0.03, 0.3, 3),
            (0.5, 0.1, 50),
            (0.99, 0.1, 50),
        ] {
            let mut tail = Tail::new(rate);
            groups
                .iter()
                .for_each(|&(score, events)| tail.push(score, events));
            let expected = Some((value, f64::from(flagged) / 100.0));
            assert_eq!(tail.threshold(), expected, "at rate {rate}");
        }
        assert_eq!(Tail::new(0.1).threshold(), None);
    }
}
