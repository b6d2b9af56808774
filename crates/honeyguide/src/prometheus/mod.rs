//! Metrics in the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

#[cfg(test)]
mod samples;

use std::fmt::{Display, Write as _};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text to which metrics are added. Names are constants of the caller; values of labels from elsewhere go through
/// [`label`].
#[derive(Debug, Default)]
pub struct Text(String);

/// Counts of values by the least of some bounds that they do not exceed.
#[derive(Debug, Clone)]
pub struct Histogram<const N: usize> {
    bounds: [f64; N],
    counts: [u64; N],
    count: u64,
    sum: f64,
}

impl<const N: usize> Histogram<N> {
    /// Returns a histogram of no values. The bounds ascend.
    #[must_use]
    pub const fn new(bounds: [f64; N]) -> Self {
        Self {
            bounds,
            counts: [0; N],
            count: 0,
            sum: 0.0,
        }
    }

    /// Adds `times` equal values.
    pub fn add(&mut self, value: f64, times: u64) {
        if let Some(at) = self.bounds.iter().position(|bound| value <= *bound) {
            self.counts[at] += times;
        }
        self.count += times;
        self.sum += value * times as f64;
    }

    /// Returns the number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Returns a label as samples have it, such as `{receiver="a \"b\""}`.
#[must_use]
pub fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{{{name}=\"{value}\"}}")
}

impl Text {
    /// Adds a total that never decreases while the process runs. Each sample is a pair of its labels, such as
    /// `{state="failed"}` or an empty text, and its value.
    pub fn counter<T: Display>(&mut self, name: &str, help: &str, samples: &[(&str, T)]) {
        self.metric(name, help, "counter", samples);
    }

    /// Adds a value that can increase and decrease.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.metric(name, help, "gauge", &[("", value)]);
    }

    /// Adds values that can increase and decrease, with their labels as in [`counter`](Self::counter).
    pub fn gauges<T: Display>(&mut self, name: &str, help: &str, samples: &[(&str, T)]) {
        self.metric(name, help, "gauge", samples);
    }

    /// Adds a histogram.
    pub fn histogram<const N: usize>(&mut self, name: &str, help: &str, histogram: &Histogram<N>) {
        self.metric::<u64>(name, help, "histogram", &[]);
        let mut below = 0;
        for (bound, count) in histogram.bounds.iter().zip(histogram.counts) {
            below += count;
            // Writing to a `String` cannot fail.
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        let Histogram { count, sum, .. } = histogram;
        let _ = writeln!(self.0, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(self.0, "{name}_sum {sum}\n{name}_count {count}");
    }

    fn metric<T: Display>(&mut self, name: &str, help: &str, kind: &str, samples: &[(&str, T)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::samples::samples;
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut text = Text::default();
        text.counter(
            "honeyguide_jobs_total",
            "Jobs.",
            &[(r#"{state="failed"}"#, 2), (r#"{state="completed"}"#, 5)],
        );
        text.gauge("honeyguide_slots", "Slots.", 7_u64);
        let samples = samples(&text.finish());
        assert_eq!(samples[r#"honeyguide_jobs_total{state="failed"}"#], 2.0);
        assert_eq!(samples[r#"honeyguide_jobs_total{state="completed"}"#], 5.0);
        assert_eq!(samples["honeyguide_slots"], 7.0);
        assert_eq!(samples.len(), 3);
    }

    #[test]
    fn a_histogram_counts_what_is_at_most_each_bound() {
        let mut histogram = Histogram::new([0.1, 1.0]);
        histogram.add(0.1, 2);
        histogram.add(0.5, 1);
        histogram.add(7.0, 1);
        let mut text = Text::default();
        text.histogram("honeyguide_latency_seconds", "Latency.", &histogram);
        let samples = samples(&text.finish());
        let bucket =
            |bound| samples[&format!("honeyguide_latency_seconds_bucket{{le=\"{bound}\"}}")];
        assert_eq!(["0.1", "1", "+Inf"].map(bucket), [2.0, 3.0, 4.0]);
        assert_eq!(samples["honeyguide_latency_seconds_count"], 4.0);
        assert!((samples["honeyguide_latency_seconds_sum"] - 7.7).abs() < 1e-9);
    }

    #[test]
    fn values_of_labels_are_escaped() {
        assert_eq!(
            label("receiver", "a\"b\\c\nd"),
            r#"{receiver="a\"b\\c\nd"}"#
        );
    }
}
