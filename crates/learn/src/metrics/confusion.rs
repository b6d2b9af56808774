//! Verdicts against labels.

use serde::Serialize;

/// Events by label and verdict. A positive is an event that is labelled, or judged, anomalous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Labelled and judged anomalous.
    pub tp: u64,
    /// Judged anomalous, but not labelled.
    pub fp: u64,
    /// Neither labelled nor judged anomalous.
    pub tn: u64,
    /// Labelled, but not judged anomalous.
    #[serde(rename = "fn")]
    pub fn_: u64,
}

impl Confusion {
    /// Counts events that share a verdict: `positives` of them are labelled, `negatives` are not.
    /// Counts stop at `u64::MAX`.
    pub fn push(&mut self, anomalous: bool, positives: u64, negatives: u64) {
        let (labelled, others) = if anomalous {
            (&mut self.tp, &mut self.fp)
        } else {
            (&mut self.fn_, &mut self.tn)
        };
        *labelled = labelled.saturating_add(positives);
        *others = others.saturating_add(negatives);
    }

    /// TP / (TP + FP): how many of the alarms are right.
    pub fn precision(&self) -> Option<f64> {
        share(self.tp, self.fp)
    }

    /// TP / (TP + FN): how many of the labelled events are found.
    pub fn recall(&self) -> Option<f64> {
        share(self.tp, self.fn_)
    }

    /// FP / (FP + TN): how many of the other events raise an alarm.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.fp, self.tn)
    }

    /// 2 TP / (2 TP + FP + FN): the harmonic mean of precision and recall. `None` without any
    /// positive, labelled or judged.
    pub fn f1(&self) -> Option<f64> {
        let misses = self.fp as f64 + self.fn_ as f64;
        let hits = 2.0 * self.tp as f64;
        (hits + misses > 0.0).then(|| hits / (hits + misses))
    }

    /// Share of events that are judged as they are labelled.
    pub fn accuracy(&self) -> Option<f64> {
        let (right, wrong) = (
            self.tp as f64 + self.tn as f64,
            self.fp as f64 + self.fn_ as f64,
        );
        (right + wrong > 0.0).then(|| right / (right + wrong))
    }

    /// (recall + true-negative rate) / 2, which is the ROC AUC of the verdicts themselves.
    pub fn hard_roc_auc(&self) -> Option<f64> {
        Some((self.recall()? + share(self.tn, self.fp)?) / 2.0)
    }
}

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
