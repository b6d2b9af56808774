//! What a distinct feature row adds to the score of an incident.

use crate::model::Threshold;

/// Returns the evidence of an anomalous score: by how much the normalised path length, −log2 of the score (Liu et al.
/// 2008), is shorter than that of the threshold. It lies in [0, −log2 of the threshold).
pub(super) fn evidence(score: f64, threshold: &Threshold) -> f64 {
    // A threshold of 0 flags everything: no path is longer than that of the smallest positive number.
    (score.log2() - threshold.value.max(f64::MIN_POSITIVE).log2()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ThresholdMethod;

    #[test]
    fn evidence_is_a_difference_of_path_lengths() {
        let threshold = |value| Threshold {
            value,
            method: ThresholdMethod::Auto {},
        };
        assert_eq!(evidence(0.5, &threshold(0.25)), 1.0);
        assert_eq!(evidence(0.25, &threshold(0.25)), 0.0);
        assert!(evidence(0.5, &threshold(0.0)).is_finite());
    }
}
