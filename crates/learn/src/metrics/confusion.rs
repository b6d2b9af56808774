//! Confusion matrices and the metrics that follow from them.

use serde::Serialize;

/// A confusion matrix: numbers of events by label and prediction. Labelled events are the actual
/// positives; events predicted to be anomalous are the predicted positives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The number of true positives: labelled and predicted anomalous.
    pub tp: u64,
    /// The number of false positives: not labelled, but predicted anomalous.
    pub fp: u64,
    /// The number of true negatives: neither labelled nor predicted anomalous.
    pub tn: u64,
    /// The number of false negatives: labelled, but not predicted anomalous.
    #[serde(rename = "fn")]
    pub fn_: u64,
}

impl Confusion {
    /// Counts events that share a prediction: `positives` of them are labelled and `negatives` are
    /// not. Counts saturate at `u64::MAX`.
    pub fn push(&mut self, anomalous: bool, positives: u64, negatives: u64) {
        let (labelled, others) = if anomalous {
            (&mut self.tp, &mut self.fp)
        } else {
            (&mut self.fn_, &mut self.tn)
        };
        *labelled = labelled.saturating_add(positives);
        *others = others.saturating_add(negatives);
    }

    /// Returns the precision, TP / (TP + FP); `None` without predicted positives.
    pub fn precision(&self) -> Option<f64> {
        share(self.tp, self.fp)
    }

    /// Returns the recall, TP / (TP + FN); `None` without actual positives.
    pub fn recall(&self) -> Option<f64> {
        share(self.tp, self.fn_)
    }

    /// Returns the false-positive rate, FP / (FP + TN); `None` without actual negatives.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.fp, self.tn)
    }

    /// Returns the F1 score, 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall;
    /// `None` without actual or predicted positives.
    pub fn f1(&self) -> Option<f64> {
        let misses = self.fp as f64 + self.fn_ as f64;
        let hits = 2.0 * self.tp as f64;
        (hits + misses > 0.0).then(|| hits / (hits + misses))
    }

    /// Returns the accuracy, (TP + TN) / (TP + FP + TN + FN); `None` without events.
    pub fn accuracy(&self) -> Option<f64> {
        let (right, wrong) = (
            self.tp as f64 + self.tn as f64,
            self.fp as f64 + self.fn_ as f64,
        );
        (right + wrong > 0.0).then(|| right / (right + wrong))
    }

    /// Returns the balanced accuracy, (recall + true-negative rate) / 2. It is the ROC AUC of the
    /// predictions when they are used as scores of 0 and 1. `None` when one of the classes is
    /// empty.
    pub fn hard_roc_auc(&self) -> Option<f64> {
        Some((self.recall()? + share(self.tn, self.fp)?) / 2.0)
    }
}

/// Returns `part` / (`part` + `rest`); `None` when both are 0.
fn share(part: u64, rest: u64) -> Option<f64> {
    let whole = u128::from(part) + u128::from(rest);
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RocAccumulator;

    #[test]
    fn rates_of_known_counts() {
        let mut confusion = Confusion::default();
        confusion.push(true, 6, 2);
        confusion.push(false, 3, 1);
        confusion.push(false, 0, 5);
        assert_eq!(
            confusion,
            Confusion {
                tp: 6,
                fp: 2,
                tn: 6,
                fn_: 3
            }
        );
        assert_eq!(confusion.precision(), Some(0.75));
        assert_eq!(confusion.recall(), Some(6.0 / 9.0));
        assert_eq!(confusion.false_positive_rate(), Some(0.25));
        assert_eq!(confusion.f1(), Some(12.0 / 17.0));
        assert_eq!(confusion.accuracy(), Some(12.0 / 17.0));
    }

    #[test]
    fn the_auc_of_verdicts_is_that_of_scores_0_and_1() {
        let confusion = Confusion {
            tp: 6,
            fp: 2,
            tn: 6,
            fn_: 3,
        };
        let mut roc = RocAccumulator::new();
        roc.push_descending(1.0, confusion.tp, confusion.fp)
            .unwrap();
        roc.push_descending(0.0, confusion.fn_, confusion.tn)
            .unwrap();
        let difference = confusion.hard_roc_auc().unwrap() - roc.finish().roc_auc.unwrap();
        assert!(difference.abs() < 1e-15);
    }

    #[test]
    fn undefined_is_none() {
        let none = Confusion::default();
        assert_eq!(
            (none.precision(), none.recall(), none.f1()),
            (None, None, None)
        );
        assert_eq!((none.accuracy(), none.false_positive_rate()), (None, None));
        let one_class = Confusion { tp: 3, ..none };
        assert_eq!(one_class.hard_roc_auc(), None);
    }
}
