//! The lowest threshold that flags at most a nominal share of events, from scores in ascending order and in memory that
//! holds the share alone.

use std::collections::VecDeque;

/// The upper tail of scores that come in ascending order: all that can still hold the threshold.
pub(crate) struct Tail {
    rate: f64,
    groups: VecDeque<(f64, u64)>,
    in_tail: u64,
    events: u64,
}

impl Tail {
    /// Of no events yet; `rate` is the share that may be flagged.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            groups: VecDeque::new(),
            in_tail: 0,
            events: 0,
        }
    }

    /// How many of the events seen so far may lie above the threshold; it never falls.
    fn allowed(&self) -> u64 {
        (self.rate * self.events as f64).floor() as u64
    }

    /// Adds events whose score is not below the last one's.
    pub fn push(&mut self, score: f64, events: u64) {
        self.groups.push_back((score, events));
        self.in_tail += events;
        self.events += events;
        // The threshold is the highest score whose own events no longer fit above it, so one group more than fits stays.
        while let Some(&(_, lowest)) = self.groups.front()
            && self.in_tail - lowest > self.allowed()
        {
            self.in_tail -= lowest;
            self.groups.pop_front();
        }
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The lowest threshold that flags at most the nominal share, and the share that it flags; `None` without events.
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
    fn the_tail_holds_the_lowest_threshold_for_the_rate() {
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
