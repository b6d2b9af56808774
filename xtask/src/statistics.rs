//! Statistics for the reports.

/// The mean and the sample standard deviation of repeated measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub mean: f64,
    /// The standard deviation, with n − 1 in the denominator.
    pub sd: f64,
    /// The number of measurements.
    pub n: f64,
}

impl Summary {
    /// Summarises at least two values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (squares / (n - 1.0)).sqrt();
        Self { mean, sd, n }
    }

    /// Returns the standard error of the difference between this mean and another, independent one.
    pub fn standard_error_of_difference(&self, other: &Self) -> f64 {
        (self.sd.powi(2) / self.n + other.sd.powi(2) / other.n).sqrt()
    }
}

/// Returns the median of `values`, or NaN if there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_three_values() {
        let summary = Summary::of(&[1.0, 2.0, 3.0]);
        assert_eq!((summary.mean, summary.sd), (2.0, 1.0));
        let other = Summary::of(&[4.0, 4.0, 4.0, 4.0]);
        let expected = (1.0f64 / 3.0).sqrt();
        assert!((summary.standard_error_of_difference(&other) - expected).abs() < 1e-15);
    }

    #[test]
    fn the_median_does_not_depend_on_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
