//! Ranking metrics: ROC AUC and average precision of scores against labels.

use serde::Serialize;

/// The maximum number of events that are counted, so that pairs of events fit 128 bits.
const MAX_EVENTS: u64 = 1 << 62;

/// The reason why scores cannot be ranked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// A score is NaN, which has no rank.
    #[error("a score is NaN and cannot be ranked")]
    NaN,
    /// A score is greater than the score before it.
    #[error("scores must be given in descending order, got {score} after {previous}")]
    NotDescending {
        /// The previous score.
        previous: f64,
        /// The greater score that follows it.
        score: f64,
    },
    /// There are more than 2⁶² events, which cannot be counted exactly.
    #[error("more than 2^62 events cannot be counted exactly")]
    TooManyEvents,
}

/// Ranking metrics: how well scores rank the positives (labelled events) above the negatives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The number of labelled events.
    pub positives: u64,
    /// The number of other events.
    pub negatives: u64,
    /// The area under the ROC curve, with ties as trapezoids: the fraction of (positive, negative)
    /// pairs in which the positive scores higher, where ties count half (Hanley & McNeil 1982).
    /// `None` when one of the classes is empty.
    pub roc_auc: Option<f64>,
    /// The average precision, scikit-learn's `average_precision_score`: Σ (Rₙ − Rₙ₋₁) Pₙ over the
    /// distinct scores in descending order, where R is recall and P is precision. `None` when there
    /// are no positives.
    pub average_precision: Option<f64>,
}

/// Computes a [`Ranking`] from scores in descending order, in constant memory.
#[derive(Clone, Debug, Default)]
pub struct RocAccumulator {
    /// The latest score, with the numbers of positives and negatives that share it.
    tie: Option<(f64, u64, u64)>,
    positives: u64,
    negatives: u64,
    /// Twice the number of (positive, negative) pairs in which the positive scores higher, plus the
    /// number of tied pairs.
    half_pairs: u128,
    /// The sum over the scores of (number of positives at the score) × (precision at the score).
    precision_sum: f64,
}

impl RocAccumulator {
    /// Creates an accumulator that has counted no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `positives` and `negatives` events with a score that is not above the previous score.
    ///
    /// # Errors
    /// Returns an error when the score is NaN or above the previous score, or when there would be
    /// more than 2⁶² events. The events are then not counted.
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

    /// Adds the events of the latest score to the totals.
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

    /// Returns the metrics of all events counted.
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

/// Numbers of positives and negatives by score, in any order of scores.
#[derive(Clone, Debug, Default)]
pub struct ScoreCounts {
    counts: Vec<(f64, u64, u64)>,
}

impl ScoreCounts {
    /// Creates an accumulator that has counted no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `positives` and `negatives` events with this score. A score can be pushed many times.
    pub fn push(&mut self, score: f64, positives: u64, negatives: u64) {
        self.counts.push((score, positives, negatives));
    }

    /// Returns the metrics of all events counted.
    ///
    /// # Errors
    /// Returns an error when a score is NaN or there are more than 2⁶² events.
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
        // The same call in scikit-learn: roc_auc_score([0, 0, 1, 1], [.1, .4, .35, .8]), and
        // average_precision_score.
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

    /// Computes both metrics from their definitions, event by event.
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
