//! Metrics that compare scores and predictions with labels.
//!
//! All metrics are computed exactly from counts, with ties, and never from a sample. The time for
//! weighted scores depends on the number of distinct scores. A metric that is undefined is `None`,
//! never 0.

mod confusion;
mod ranking;

pub use confusion::Confusion;
pub use ranking::{MetricError, Ranking, RocAccumulator, ScoreCounts};

/// Returns the lowest score `t` such that at most the fraction `rate` of the total weight has a
/// score strictly above `t`. With unit weights this is the (k + 1)-th largest score for k = ⌊rate ×
/// n⌋.
///
/// Returns `None` when the total weight is 0, the slices differ in length, a score is NaN, or
/// `rate` is outside [0, 1).
pub fn lowest_threshold_for_rate(scores: &[f64], weights: &[f64], rate: f64) -> Option<f64> {
    let total: f64 = weights.iter().sum();
    let usable = scores.len() == weights.len()
        && !scores.iter().any(|score| score.is_nan())
        && (0.0..1.0).contains(&rate)
        && total > 0.0;
    if !usable {
        return None;
    }
    let weighted = scores
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0.0);
    let mut pairs: Vec<(f64, f64)> = weighted.map(|(&score, &weight)| (score, weight)).collect();
    pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    let mut above = 0.0;
    let exceeding = pairs.iter().find(|pair| {
        above += pair.1;
        above > rate * total
    });
    exceeding.or(pairs.last()).map(|pair| pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thresholds_of_known_scores() {
        let threshold = |rate| lowest_threshold_for_rate(&[0.1, 0.9, 0.5, 0.7], &[1.0; 4], rate);
        assert_eq!(threshold(0.0), Some(0.9));
        assert_eq!(threshold(0.25), Some(0.7));
        assert_eq!(threshold(0.49), Some(0.7));
        assert_eq!(threshold(0.99), Some(0.1));
        assert_eq!(threshold(1.0), None);
        assert_eq!(lowest_threshold_for_rate(&[], &[], 0.1), None);
        assert_eq!(lowest_threshold_for_rate(&[f64::NAN], &[1.0], 0.1), None);
    }

    proptest! {
        #[test]
        fn the_threshold_keeps_the_rate_and_no_lower_score_does(
            pairs in prop::collection::vec((0..9u8, 0..5u8), 1..30), rate in 0.0..0.999f64,
        ) {
            let scores: Vec<f64> = pairs.iter().map(|p| f64::from(p.0)).collect();
            let weights: Vec<f64> = pairs.iter().map(|p| f64::from(p.1)).collect();
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 0.0);
            let above = |t: f64| -> f64 {
                scores.iter().zip(&weights).filter(|p| *p.0 > t).map(|p| p.1).sum()
            };
            let found = lowest_threshold_for_rate(&scores, &weights, rate).unwrap();
            prop_assert!(above(found) <= rate * total);
            prop_assert!(above(found - 0.5) > rate * total);
        }
    }
}
