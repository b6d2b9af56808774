//! The waiting events of one host by their times.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// An event that waits. The order is that of time and arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    /// The time in seconds.
    pub time: f64,
    /// The number of its batch, and its row in it.
    pub batch: u64,
    pub row: u32,
}

/// The waiting events of a host. Those that come in the order of time cost no search for their places.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    in_order: VecDeque<Event>,
    others: BinaryHeap<Reverse<Event>>,
}

impl Timeline {
    /// Adds an event, which came after all others.
    pub fn push(&mut self, event: Event) {
        match self.in_order.back() {
            Some(last) if event < *last => self.others.push(Reverse(event)),
            _ => self.in_order.push_back(event),
        }
    }

    /// Removes the first event if its time is before `time`.
    pub fn pop_before(&mut self, time: f64) -> Option<Event> {
        let (one, other) = (self.in_order.front(), self.others.peek());
        let is_in_order = match (one, other) {
            (Some(one), Some(Reverse(other))) => one < other,
            (one, _) => one.is_some(),
        };
        let first = match is_in_order {
            true => *one?,
            false => other?.0,
        };
        if first.time >= time {
            return None;
        }
        match is_in_order {
            true => self.in_order.pop_front(),
            false => self.others.pop().map(|event| event.0),
        }
    }

    /// Takes all events, in no order.
    pub fn take(&mut self) -> impl Iterator<Item = Event> {
        let Self { in_order, others } = std::mem::take(self);
        let others = others.into_iter().map(|event| event.0);
        in_order.into_iter().chain(others)
    }

    /// Iterates over the events, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        let others = self.others.iter().map(|event| &event.0);
        self.in_order.iter().chain(others)
    }

    /// Returns whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.others.is_empty()
    }

    /// Replaces each event by another one. The order of the events must be the same after it.
    pub fn replace_each(&mut self, replace: impl Fn(Event) -> Event) {
        for event in &mut self.in_order {
            *event = replace(*event);
        }
        let others = std::mem::take(&mut self.others).into_iter();
        self.others = others.map(|event| Reverse(replace(event.0))).collect();
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.time.total_cmp(&other.time);
        order.then_with(|| (self.batch, self.row).cmp(&(other.batch, other.row)))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_in_the_order_of_time_and_arrival() {
        let mut timeline = Timeline::default();
        let mut expected = Vec::new();
        // Each time comes several times, and far from the order of time.
        for row in 0..500_u32 {
            let time = f64::from(row * 7919 % 101);
            let event = Event {
                time,
                batch: u64::from(row / 100),
                row,
            };
            timeline.push(event);
            expected.push(event);
        }
        assert_eq!(timeline.iter().count(), 500);
        // A stable sort keeps the order of arrival.
        expected.sort_by(|one, other| one.time.total_cmp(&other.time));
        let early = std::iter::from_fn(|| timeline.pop_before(40.0));
        let mut found: Vec<Event> = early.collect();
        assert!(found.iter().all(|event| event.time < 40.0));
        timeline.replace_each(|event| event);
        found.extend(std::iter::from_fn(|| timeline.pop_before(f64::INFINITY)));
        assert_eq!(found, expected);
        assert!(timeline.is_empty());
    }
}
