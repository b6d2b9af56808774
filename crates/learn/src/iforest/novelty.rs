//! Path lengths of events that lie outside of what a tree was grown on.
//!
//! A split is drawn from the range of the events in its node. An event beyond that range would have widened it if it
//! had been among them, and then some of the possible splits would have set the event apart. The form
//! [`Range`](super::Novelty::Range) accounts for these splits. It is the expected number of splits of this process:
//!
//! 1. The tree first makes a cut in each numeric column that it may split on, uniformly within the range of the column
//!    in the tree's sample and the event. The cuts are independent. If any of them separates the event from the whole
//!    sample, the path ends, and its length is 1.
//! 2. Otherwise the event goes down the tree. At a node that splits a numeric column, the threshold is drawn uniformly
//!    within the range of the column in the node and the event. If it separates the event from the node, the path ends
//!    behind this split. Otherwise the threshold is the one of the node, which is uniform within the range of the node.
//! 3. At a leaf, c(events) more splits are expected, as always.
//!
//! If an event is at a distance e from a range of width w, a cut does not separate it with probability w / (w + e). An
//! event that is inside every range on its way has the plain path length. The second step is the rule by which Mondrian
//! forests (Lakshminarayanan, Roy & Teh 2014) and robust random cut forests (Guha, Mishra, Roy & Schrijvers 2016) insert
//! an event into a tree, with the column drawn uniformly as in isolation forests. The first step covers columns that
//! the path does not split, in particular those that were constant in the sample.
//!
//! Missing values are inside of every range. Categories have no range: an unseen category follows the branch with fewer
//! events, in every form.

/// The range of a column's values among some events. The ends belong to it. Vector instructions read the fields as two
/// floats.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    /// The range that no value is outside of.
    pub(super) const ALL: Range = Range {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };

    /// Returns the probability that a cut, drawn uniformly within this range and the value, does not separate the value
    /// from the range. It is 1 for a value inside and for a missing value.
    #[inline(always)]
    pub(super) fn survival(self, value: f64) -> f64 {
        let beyond = (self.low - value).max(value - self.high);
        // A missing value makes this NaN, which is not above 0.
        if beyond.is_nan() || beyond <= 0.0 {
            return 1.0;
        }
        let width = self.high - self.low;
        let whole = width + beyond;
        if whole.is_finite() {
            width / whole
        } else {
            self.survival_far_out(value)
        }
    }

    /// Computes the survival in quarters of all lengths, because their sum is too large for a float.
    #[cold]
    fn survival_far_out(self, value: f64) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(|end| 0.25 * end);
        (high - low) / ((high - low) + (low - value).max(value - high))
    }
}

/// Returns the expected path length of an event that a split ends after `after` splits unless it survives the split.
/// `length` is the expected path length if it survives.
#[inline(always)]
pub(super) fn shortened(length: f64, after: f64, survival: f64) -> f64 {
    if survival < 1.0 {
        after + survival * (length - after)
    } else {
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_survives_in_proportion_to_the_range() {
        let range = Range {
            low: 2.0,
            high: 4.0,
        };
        let values = [
            2.0,
            3.0,
            4.0,
            f64::NAN,
            5.0,
            0.0,
            10.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let expected = [1.0, 1.0, 1.0, 1.0, 2.0 / 3.0, 0.5, 0.25, 0.0, 0.0];
        assert_eq!(values.map(|value| range.survival(value)), expected);
        let point = Range {
            low: 4.0,
            high: 4.0,
        };
        assert_eq!(
            [4.0, 4.0f64.next_up(), 1e300].map(|value| point.survival(value)),
            [1.0, 0.0, 0.0]
        );
        let widest = Range {
            low: -f64::MAX,
            high: 0.0,
        };
        assert_eq!(widest.survival(f64::MAX), 0.5);
        let narrowest = Range {
            low: 0.0,
            high: 5e-324,
        };
        assert_eq!(narrowest.survival(1e-323), 0.5);
        assert_eq!(Range::ALL.survival(f64::NEG_INFINITY), 1.0);
    }

    proptest! {
        #[test]
        fn a_cut_survives_less_often_farther_away(a: f64, b: f64, near: f64, far: f64) {
            prop_assume!([a, b].iter().all(|end| end.is_finite()) && !near.is_nan() && !far.is_nan());
            let range = Range { low: a.min(b), high: a.max(b) };
            let (near, far) = (near.min(far), near.max(far));
            let [one, other] = [near, far].map(|value| range.survival(value));
            prop_assert!((0.0..=1.0).contains(&one) && (0.0..=1.0).contains(&other));
            if near >= range.high {
                prop_assert!(other <= one * (1.0 + 1e-15));
            }
            if far <= range.low {
                prop_assert!(one <= other * (1.0 + 1e-15));
            }
        }
    }
}
