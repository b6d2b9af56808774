//! How well scores put labelled events before the others.

use serde::Serialize;

/// The most events that are counted: pairs of events must fit 128 bits.
const MAX_EVENTS: u64 = 1 << 62;

/// Why scores cannot be ranked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// A score that is not a number has no rank.
    #[error("a score is NaN and cannot be ranked")]
    NaN,
    /// Scores must not increase.
    #[error("scores must be given in descending order, got {score} after {previous}")]
    NotDescending {
        /// The score before.
        previous: f64,
        /// The greater score after it.
        score: f64,
    },
    /// More events than can be counted exactly.
    #[error("more than 2^62 events cannot be counted exactly")]
    TooManyEvents,
}

/// How well scores put the positives, the labelled events, before the negatives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Number of labelled events.
    pub positives: u64,
    /// Number of other events.
    pub negatives: u64,
    /// The share of (positive, negative) pairs in which the positive scores higher, equal scores
    /// counting half (Hanley & McNeil 1982): the area under the ROC curve with ties as trapezoids.
    /// `None` when one of the classes is empty.
    pub roc_auc: Option<f64>,
    /// Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores in descending order, R being recall and P
    /// precision: scikit-learn's `average_precision_score`. `None` without positives.
    pub average_precision: Option<f64>,
}

/// Computes a [`Ranking`] from scores in descending order, in constant memory.
#[derive(Clone, Debug, Default)]
pub struct RocAccumulator {
    /// The score that is being collected, and the events that share it.
    tie: Option<(f64, u64, u64)>,
    positives: u64,
    negatives: u64,
    /// Twice the number of pairs with the positive ahead, ties counting once.
    half_pairs: u128,
    /// Σ (positives at a score) × (precision at that score).
    precision_sum: f64,
}

impl RocAccumulator {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `positives` and `negatives` events of a score no greater than the one before.
    ///
    /// # Errors
    /// When the score is NaN or greater than the one before, or events exceed 2^62.
    pub fn push_descending(
        &mut self,
        score: f64,
        positives: u64,
        negatives: u64,
    ) -> Result<(), MetricError> {
        if score.is_nan() {
            return Err(MetricError::NaN);
        }
        let (previous, mut tied_positives, mut tied_negatives) = self.tie.unwrap_or((score, 0, 0));
        if score > previous {
            return Err(MetricError::NotDescending { previous, score });
        }
        if score < previous {
            self.close_tie();
            (tied_positives, tied_negatives) = (0, 0);
        }
        let counted = [
            self.positives,
            self.negatives,
            tied_positives,
            tied_negatives,
        ];
        let counts = counted.into_iter().chain([positives, negatives]);
        if counts.map(u128::from).sum::<u128>() > u128::from(MAX_EVENTS) {
            return Err(MetricError::TooManyEvents);
        }
        self.tie = Some((
            score,
            tied_positives + positives,
            tied_negatives + negatives,
        ));
        Ok(())
    }

    fn close_tie(&mut self) {
        let Some((_, positives, negatives)) = self.tie.take() else {
            return;
        };
        let ahead = 2 * u128::from(self.positives) + u128::from(positives);
        self.half_pairs += u128::from(negatives) * ahead;
        self.positives += positives;
        self.negatives += negatives;
        if positives > 0 {
            let judged = (self.positives + self.negatives) as f64;
            self.precision_sum += positives as f64 * (self.positives as f64 / judged);
        }
    }

    /// The ranking of all events counted.
    pub fn finish(mut self) -> Ranking {
        self.close_tie();
        let (positives, negatives) = (self.positives, self.negatives);
        let pairs = 2 * u128::from(positives) * u128::from(negatives);
        Ranking {
            positives,
            negatives,
            roc_auc: (pairs > 0).then(|| self.half_pairs as f64 / pairs as f64),
            average_precision: (positives > 0).then(|| self.precision_sum / positives as f64),
        }
    }
}

/// Scores with the numbers of positives and negatives that have them, in any order.
#[derive(Clone, Debug, Default)]
pub struct ScoreCounts {
    counts: Vec<(f64, u64, u64)>,
}

impl ScoreCounts {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `positives` and `negatives` events of `score`. A score can come many times.
    pub fn push(&mut self, score: f64, positives: u64, negatives: u64) {
        self.counts.push((score, positives, negatives));
    }

    /// The ranking of all events counted.
    ///
    /// # Errors
    /// When a score is NaN or events exceed 2^62.
    pub fn finish(mut self) -> Result<Ranking, MetricError> {
        self.counts.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut roc = RocAccumulator::new();
        for (score, positives, negatives) in self.counts {
            roc.push_descending(score, positives, negatives)?;
        }
        Ok(roc.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranking(counts: &[(f64, u64, u64)]) -> Ranking {
        let mut all = ScoreCounts::new();
        counts
            .iter()
            .for_each(|&(score, positives, negatives)| all.push(score, positives, negatives));
        all.finish().unwrap()
    }

    #[test]
    fn scikit_learn_on_a_small_case() {
        // roc_auc_score([0, 0, 1, 1], [.1, .4, .35, .8]) and average_precision_score of the same.
        let found = ranking(&[(0.1, 0, 1), (0.4, 0, 1), (0.35, 1, 0), (0.8, 1, 0)]);
        assert_eq!(found.roc_auc, Some(0.75));
        assert!((found.average_precision.unwrap() - 0.833_333_333_333_333_3).abs() < 1e-15);
    }

    #[test]
    fn flagging_everything_is_a_coin_toss() {
        let found = ranking(&[(1.0, 30, 70)]);
        assert_eq!(
            (found.roc_auc, found.average_precision),
            (Some(0.5), Some(0.3))
        );
    }

    #[test]
    fn one_class_has_no_auc() {
        let found = ranking(&[(1.0, 3, 0), (0.5, 1, 0)]);
        assert_eq!((found.roc_auc, found.average_precision), (None, Some(1.0)));
        let found = ranking(&[(1.0, 0, 3)]);
        assert_eq!((found.roc_auc, found.average_precision), (None, None));
        assert_eq!(ranking(&[]).roc_auc, None);
    }

    #[test]
    fn refuses_what_has_no_rank() {
        let mut roc = RocAccumulator::new();
        assert_eq!(roc.push_descending(f64::NAN, 1, 0), Err(MetricError::NaN));
        roc.push_descending(1.0, 1, 0).unwrap();
        let order = Err(MetricError::NotDescending {
            previous: 1.0,
            score: 2.0,
        });
        assert_eq!(roc.push_descending(2.0, 1, 0), order);
        assert_eq!(
            roc.push_descending(0.0, u64::MAX, 0),
            Err(MetricError::TooManyEvents)
        );
        let mut counts = ScoreCounts::new();
        counts.push(f64::NAN, 1, 1);
        assert_eq!(counts.finish(), Err(MetricError::NaN));
    }

    /// The definitions, event by event.
    fn by_definition(events: &[(i8, bool)]) -> (Option<f64>, Option<f64>) {
        let positives: Vec<i8> = events.iter().filter(|e| e.1).map(|e| e.0).collect();
        let negatives: Vec<i8> = events.iter().filter(|e| !e.1).map(|e| e.0).collect();
        let wins = positives.iter().flat_map(|p| {
            negatives.iter().map(move |n| {
                if p > n {
                    1.0
                } else if p == n {
                    0.5
                } else {
                    0.0
                }
            })
        });
        let pairs = (positives.len() * negatives.len()) as f64;
        let auc = (pairs > 0.0).then(|| wins.sum::<f64>() / pairs);
        let precision = positives.iter().map(|p| {
            let hits = positives.iter().filter(|other| *other >= p).count() as f64;
            hits / events.iter().filter(|event| event.0 >= *p).count() as f64
        });
        let ap = precision.sum::<f64>() / positives.len() as f64;
        (auc, (!positives.is_empty()).then_some(ap))
    }

    proptest! {
        #[test]
        fn counts_equal_the_definition(events in prop::collection::vec((-4i8..4, any::<bool>()), 0..40)) {
            let counts: Vec<_> = events
                .iter()
                .map(|&(score, label)| (f64::from(score), label.into(), (!label).into()))
                .collect();
            let (auc, ap) = by_definition(&events);
            let found = ranking(&counts);
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            prop_assert!(close(found.roc_auc, auc), "{:?} {:?}", found, auc);
            prop_assert!(close(found.average_precision, ap), "{:?} {:?}", found, ap);
        }
    }
}
