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
        Ok(Self {
            most: number(most, 0.0, MOST_RETRIES)?.map_or(MAX_RETRIES, |number| number as usize),
            time: span(time)?,
            first_wait: span(first)?.unwrap_or(Duration::from_millis(100)),
            longest_wait: span(longest)?.unwrap_or(Duration::from_secs(5)),
            factor: number(factor, 1.0, GREATEST_FACTOR)?.unwrap_or(2.0),
        })
    }

    /// Returns the same for the client of an object store.
    pub fn of_store(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: self.first_wait,
                max_backoff: self.longest_wait.max(self.first_wait),
                base: self.factor,
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
    fn values_beyond_the_limits_are_refused_and_not_shown() {
        for (name, value) in [
            ("max_retries", "many"),
            ("max_retries", "-1"),
            ("max_retries", "1e9"),
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
