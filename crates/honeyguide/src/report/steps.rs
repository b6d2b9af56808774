//! Counts of events by score, in a table of bounded size from which curves, histograms and figures at other thresholds
//! follow.
//!
//! A step is a range of neighbouring scores. Up to [`MAX_STEPS`] distinct scores are a step each; beyond that, and when
//! steps by place need more than [`MAX_CELLS`] cells, scores share a step that fall into the same slice of a width that
//! doubles until they fit. No step lies on both sides of the model's threshold. As a step keeps its highest score, the
//! counts of all steps above another are exact whatever the width.

use std::collections::BTreeMap;

/// The greatest number of steps.
pub const MAX_STEPS: usize = 2_000;
/// The greatest number of pairs of a step and a place.
pub const MAX_CELLS: usize = 60_000;
/// The width of the narrowest slice: 1,024 of them cover all possible scores.
const FIRST_WIDTH: f64 = 1.0 / 1024.0;

/// The counts of the events of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// The highest score of the events.
    pub top: f64,
    /// The number of events.
    pub events: u64,
    /// The number of events labelled 1, per label.
    pub positives: Vec<u64>,
    /// The number of events by place (see [`Places`](super::Places)).
    pub places: BTreeMap<u32, u64>,
}

/// Counts of events by score, from the highest score downwards.
#[derive(Debug, Clone)]
pub struct Steps {
    threshold: f64,
    /// The width of a slice in score; `None` while every score has its own step.
    width: Option<f64>,
    steps: Vec<Step>,
    cells: usize,
}

impl Steps {
    /// Creates an empty table for a model's threshold.
    pub(super) fn new(threshold: f64) -> Self {
        Self {
            threshold,
            width: None,
            steps: Vec::new(),
            cells: 0,
        }
    }

    /// Counts events of one score, which is not above any score before it. `classes` says per label whether they are
    /// labelled 1.
    pub(super) fn push(&mut self, score: f64, events: u64, classes: &[bool], place: u32) {
        let positives = classes.iter().map(|class| u64::from(*class) * events);
        let step = Step {
            top: score,
            events,
            positives: positives.collect(),
            places: BTreeMap::from([(place, events)]),
        };
        self.add(step);
        while self.steps.len() > MAX_STEPS || self.cells > MAX_CELLS {
            let width = self.width.map_or(FIRST_WIDTH, |width| 2.0 * width);
            // There are always at least two steps: those above the threshold, and the others.
            if width > 2.0 {
                return;
            }
            self.coarsen(width);
        }
    }

    fn add(&mut self, step: Step) {
        let joins = |last: &Step| self.slice(last.top) == self.slice(step.top);
        match self.steps.last().is_some_and(joins) {
            true => {
                let last = self.steps.len() - 1;
                self.cells += self.steps[last].absorb(step);
            }
            false => {
                self.cells += step.places.len();
                self.steps.push(step);
            }
        }
    }

    fn coarsen(&mut self, width: f64) {
        self.width = Some(width);
        self.cells = 0;
        for step in std::mem::take(&mut self.steps) {
            self.add(step);
        }
    }

    /// Returns the key that scores of the same step share.
    fn slice(&self, score: f64) -> (bool, u64) {
        let slice = match self.width {
            None => score.to_bits(),
            Some(width) => (score / width) as u64,
        };
        (score > self.threshold, slice)
    }

    /// Returns the steps, highest scores first.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the width of a step in score; `None` where every distinct score has a step.
    pub fn width(&self) -> Option<f64> {
        self.width
    }

    /// Returns the number of steps above the model's threshold.
    pub fn above_threshold(&self) -> usize {
        self.steps.partition_point(|step| step.top > self.threshold)
    }

    /// Returns the threshold with `position` steps above it: the model's own where that has as many, else the highest score
    /// that is not above it, or 0.
    pub fn threshold(&self, position: usize) -> f64 {
        match self.steps.get(position) {
            _ if position == self.above_threshold() => self.threshold,
            Some(step) => step.top,
            None => 0.0,
        }
    }

    /// Returns the position of the step of a score that was counted.
    pub(super) fn position(&self, score: f64) -> usize {
        self.steps
            .partition_point(|step| step.top >= score)
            .saturating_sub(1)
    }
}

impl Step {
    /// Adds a lower step and returns the number of places that are new.
    fn absorb(&mut self, lower: Self) -> usize {
        self.events += lower.events;
        for (ours, theirs) in self.positives.iter_mut().zip(lower.positives) {
            *ours += theirs;
        }
        let before = self.places.len();
        for (place, events) in lower.places {
            *self.places.entry(place).or_default() += events;
        }
        self.places.len() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(scores: impl Iterator<Item = f64>, threshold: f64) -> Steps {
        let mut steps = Steps::new(threshold);
        for (index, score) in scores.enumerate() {
            steps.push(score, 2, &[index % 2 == 0], (index % 3) as u32);
        }
        steps
    }

    #[test]
    fn few_scores_are_a_step_each() {
        let steps = steps([0.9, 0.9, 0.7, 0.2].into_iter(), 0.7);
        let tops: Vec<f64> = steps.steps().iter().map(|step| step.top).collect();
        assert_eq!((tops, steps.width()), (vec![0.9, 0.7, 0.2], None));
        assert_eq!((steps.steps()[0].events, steps.above_threshold()), (4, 1));
        assert_eq!(
            [0.9, 0.7, 0.2].map(|score| steps.position(score)),
            [0, 1, 2]
        );
    }

    #[test]
    fn many_scores_share_steps_and_the_threshold_still_parts_them_exactly() {
        let n = 50_000;
        let score = |index: u64| 1.0 - index as f64 / n as f64;
        let threshold = score(12_345);
        let steps = steps((0..n).map(score), threshold);
        assert!(steps.steps().len() <= MAX_STEPS && steps.width() == Some(FIRST_WIDTH));
        let above = &steps.steps()[..steps.above_threshold()];
        assert_eq!(
            above.iter().map(|step| step.events).sum::<u64>(),
            2 * 12_345
        );
        let all = steps.steps().iter();
        assert_eq!(all.map(|step| step.positives[0]).sum::<u64>(), n);
        for index in [0, 777, 12_345, n - 1] {
            let position = steps.position(score(index));
            let lower = steps.steps().get(position + 1);
            assert!(steps.steps()[position].top >= score(index));
            assert!(lower.is_none_or(|lower| lower.top < score(index)));
        }
    }

    #[test]
    fn many_places_make_steps_wider() {
        let mut steps = Steps::new(0.5);
        for index in 0..1_500 {
            for place in 0..200 {
                steps.push(1.0 - f64::from(index) / 1_500.0, 1, &[], place);
            }
        }
        assert!(steps.cells <= MAX_CELLS && steps.steps().len() <= MAX_CELLS / 200);
        let events = steps.steps().iter().map(|step| step.events).sum::<u64>();
        assert_eq!(events, 1_500 * 200);
        let places = steps.steps().iter().map(|step| step.places.len());
        assert_eq!(places.sum::<usize>(), steps.cells);
    }
}
