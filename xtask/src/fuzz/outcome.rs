//! What a run of libFuzzer says at its end.

use std::fmt;
use std::path::PathBuf;

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    pub passed: bool,
    /// The number of inputs that were tried.
    inputs: u64,
    /// The number of edges of the code that an input reached.
    edges: u64,
    /// The number of features of the code's behaviour, which libFuzzer tells apart by edges, counts and comparisons.
    features: u64,
    /// The file with all messages.
    log: PathBuf,
    /// The last messages, if the run failed.
    last: Vec<String>,
}

impl Outcome {
    /// Reads the messages of a run, which are in the file `log`.
    pub fn read(messages: &str, passed: bool, log: PathBuf) -> Self {
        let mut outcome = Self {
            passed,
            inputs: 0,
            edges: 0,
            features: 0,
            log,
            last: Vec::new(),
        };
        for line in messages.lines() {
            if let Some(inputs) = line.strip_prefix("stat::number_of_executed_units:") {
                outcome.inputs = inputs.trim().parse().unwrap_or(0);
            }
            if let Some(edges) = number_after(line, " cov: ") {
                outcome.edges = edges;
            }
            if let Some(features) = number_after(line, " ft: ") {
                outcome.features = features;
            }
        }
        if !passed {
            let is_told =
                |line: &&str| !line.starts_with(['#', '\t']) && !line.starts_with("stat::");
            let told = messages.lines().filter(is_told);
            let told: Vec<_> = told.map(str::to_owned).collect();
            outcome.last = told[told.len().saturating_sub(SHOWN)..].to_vec();
        }
        outcome
    }
}

/// The number of messages of a failed run that are shown.
const SHOWN: usize = 30;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inputs,
            edges,
            features,
            log,
            ..
        } = self;
        write!(f, "{inputs} inputs, {edges} edges, {features} features")?;
        if self.passed {
            return Ok(());
        }
        write!(
            f,
            "; FAILED\n{}\nAll messages are in {}",
            self.last.join("\n"),
            log.display()
        )
    }
}

fn number_after(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = "INFO: Seed: 1\n#2\tINITED cov: 7 ft: 9 corp: 1/1b exec/s: 0 rss: 27Mb\n\
        #300\tDONE   cov: 17 ft: 21 corp: 7/33b lim: 2952 exec/s: 300 rss: 27Mb\n\
        stat::number_of_executed_units: 300\nstat::peak_rss_mb: 27\n";

    #[test]
    fn the_last_counts_are_shown() {
        let outcome = Outcome::read(MESSAGES, true, PathBuf::new());
        assert_eq!(outcome.to_string(), "300 inputs, 17 edges, 21 features");
    }

    #[test]
    fn a_failure_shows_the_last_messages() {
        let messages = format!(
            "{MESSAGES}thread panicked at src/a.rs:1:\nTest unit written to faults/crash-1\n"
        );
        let outcome = Outcome::read(&messages, false, "arg.log".into()).to_string();
        assert!(
            outcome.contains("FAILED\nINFO: Seed: 1\nthread panicked"),
            "{outcome}"
        );
        assert!(
            outcome.ends_with("faults/crash-1\nAll messages are in arg.log"),
            "{outcome}"
        );
    }
}
