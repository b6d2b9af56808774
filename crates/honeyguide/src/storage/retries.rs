//! How often and for how long a request is repeated that may succeed later. Options set it, whose names polars has too.

use std::time::Duration;

use datafusion::object_store::{BackoffConfig, RetryConfig};

use crate::error::{Error, Result};

/// The maximum number of times that a request is repeated, unless an option sets another.
const MAX_RETRIES: usize = 6;
/// The time after which a request to an object store is not repeated, unless an option sets another.
const RETRY_TIME: Duration = Duration::from_secs(45);

/// The options, in the order of [`Retries`].
const OPTIONS: [&str; 5] = [
    "max_retries",
    "retry_timeout_ms",
    "retry_init_backoff_ms",
    "retry_max_backoff_ms",
    "retry_base_multiplier",
];
/// An option of polars for a cache of files. Files are not cached here, so that it makes no difference.
const CACHE_OPTION: &str = "file_cache_ttl";

/// The greatest number of repetitions that an option may ask for.
const MOST_RETRIES: f64 = 100.0;
/// The longest time that an option may ask for, in milliseconds.
const LONGEST_MS: f64 = 3_600_000.0;
/// The greatest factor between waits that an option may ask for.
const GREATEST_FACTOR: f64 = 100.0;
/// The wait before the first repetition, the longest wait, and the factor between waits, unless options set others.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const FACTOR: f64 = 2.0;
/// The shortest wait and the least factor of the client of a store. It draws each wait between two ends, which must differ.
const LEAST_STORE_WAIT: Duration = Duration::from_millis(1);
const LEAST_STORE_FACTOR: f64 = 1.000_001;

/// When a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Retries {
    /// The maximum number of repetitions.
    pub most: usize,
    /// The time after the first request after which none is repeated.
    pub time: Option<Duration>,
    /// The wait before the first repetition.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// How many times as long as the last wait the next one is.
    pub factor: f64,
}

/// Returns whether an option is one of those that [`Retries::of`] reads.
pub(super) fn is_option(name: &str) -> bool {
    OPTIONS.contains(&name) || name == CACHE_OPTION
}

impl Retries {
    /// Reads the options, whose texts `value` returns.
    ///
    /// # Errors
    /// Fails when a value is not a number within its limits.
    pub fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let number = |name: &str, least: f64, greatest: f64| match value(name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<f64>() {
                Ok(number) if (least..=greatest).contains(&number) => Ok(Some(number)),
                _ => Err(Error::usage(format!(
                    "storage option `{name}`: it must be a number from {least} to {greatest}"
                ))),
            },
        };
        let [most, time, first, longest, factor] = OPTIONS;
        let span = |name: &str| {
            let number = number(name, 0.0, LONGEST_MS)?;
            Ok::<_, Error>(number.map(|number| Duration::from_secs_f64(number / 1000.0)))
        };
        let repetitions = number(most, 0.0, MOST_RETRIES)?;
        if repetitions.is_some_and(|number| number.fract() != 0.0) {
            return Err(Error::usage(format!(
                "storage option `{most}`: it must be a whole number"
            )));
        }
        let longest_wait = span(longest)?.unwrap_or(LONGEST_WAIT);
        Ok(Self {
            most: repetitions.map_or(MAX_RETRIES, |number| number as usize),
            time: span(time)?,
            first_wait: span(first)?.unwrap_or(FIRST_WAIT).min(longest_wait),
            longest_wait,
            factor: number(factor, 1.0, GREATEST_FACTOR)?.unwrap_or(FACTOR),
        })
    }

    /// Returns the same for the client of an object store.
    pub fn of_store(&self) -> RetryConfig {
        let first_wait = self.first_wait.max(LEAST_STORE_WAIT);
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: first_wait,
                max_backoff: self.longest_wait.max(first_wait),
                base: self.factor.max(LEAST_STORE_FACTOR),
            },
            max_retries: self.most,
            retry_timeout: self.time.unwrap_or(RETRY_TIME),
        }
    }

    /// Returns the wait that follows a wait.
    pub fn after(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.factor).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[(&str, &'static str)]) -> Result<Retries> {
        Retries::of(|name| {
            let found = options.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn options_set_what_polars_sets_with_them() {
        let usual = of(&[]).expect("defaults");
        assert_eq!((usual.most, usual.time), (MAX_RETRIES, None));
        let set = of(&[
            ("max_retries", "2"),
            ("retry_timeout_ms", "10000"),
            ("retry_init_backoff_ms", "50"),
            ("retry_max_backoff_ms", "120"),
            ("retry_base_multiplier", "1.5"),
        ])
        .expect("valid options");
        let waits = [
            set.first_wait,
            set.after(set.first_wait),
            set.after(Duration::from_millis(100)),
        ];
        assert_eq!(waits.map(|wait| wait.as_millis()), [50, 75, 120]);
        let store = set.of_store();
        assert_eq!(
            (store.max_retries, store.retry_timeout),
            (2, Duration::from_secs(10))
        );
        assert_eq!(store.backoff.base.to_bits(), 1.5_f64.to_bits());
    }

    #[test]
    fn waits_have_a_span_to_be_drawn_from_and_do_not_exceed_the_longest() {
        let options = [
            ("retry_init_backoff_ms", "0"),
            ("retry_max_backoff_ms", "0"),
            ("retry_base_multiplier", "1"),
        ];
        let none = of(&options).expect("valid options");
        assert_eq!(none.after(none.first_wait), Duration::ZERO);
        let backoff = none.of_store().backoff;
        assert!(backoff.init_backoff.mul_f64(backoff.base) > backoff.init_backoff);
        assert!(backoff.max_backoff >= backoff.init_backoff);
        let long = of(&[("retry_init_backoff_ms", "10000")]).expect("a valid option");
        assert_eq!(long.first_wait, LONGEST_WAIT);
    }

    #[test]
    fn values_beyond_the_limits_are_refused_and_not_shown() {
        for (name, value) in [
            ("max_retries", "many"),
            ("max_retries", "-1"),
            ("max_retries", "1e9"),
            ("max_retries", "2.75"),
            ("retry_timeout_ms", "NaN"),
            ("retry_init_backoff_ms", "inf"),
            ("retry_max_backoff_ms", "1e300"),
            ("retry_base_multiplier", "0.5"),
        ] {
            let error = of(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name) && !error.contains(value), "{error}");
        }
    }
}
