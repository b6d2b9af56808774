//! Writes metrics in the text format of Prometheus.

use std::fmt::{Display, Write as _};

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text to which metrics are added. Names and labels are constants of this crate, so they need no escaping.
#[derive(Default)]
pub(crate) struct Text(String);

impl Text {
    /// Adds a total that never decreases while the process runs.
    pub(crate) fn counter<T: Display>(&mut self, name: &str, help: &str, samples: &[(&str, T)]) {
        self.metric(name, help, "counter", samples);
    }

    /// Adds a value that can increase and decrease.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.metric(name, help, "gauge", &[("", value)]);
    }

    /// Adds a metric. Each sample is a pair of its labels, such as `{state="failed"}` or an empty text, and its value.
    fn metric<T: Display>(&mut self, name: &str, help: &str, kind: &str, samples: &[(&str, T)]) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    /// Returns the text.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads the values of a text by their names with labels. Panics if the text does not have the format.
    pub(crate) fn samples(text: &str) -> std::collections::BTreeMap<String, f64> {
        let mut samples = std::collections::BTreeMap::new();
        let mut described = None;
        let mut typed = None;
        assert!(text.ends_with('\n'), "the last line is not ended: {text}");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                described = rest.split_once(' ').map(|(name, _)| name);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert_eq!(described, Some(name), "{line}");
                typed = Some(name);
            } else {
                let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
                let name = sample.split('{').next();
                assert_eq!(typed, name, "{line}");
                let value = value.parse().expect("a number");
                assert!(samples.insert(sample.to_owned(), value).is_none(), "{line}");
            }
        }
        samples
    }

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
}
