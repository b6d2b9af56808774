//! Axes of time: dates in UTC where times count from 1970, else a unit that suits the time that passes.

use honeyguide::log::Log;
use honeyguide::wording::moment;
use plotly::layout::{Axis, AxisType};
use serde::Serialize;

use crate::axes::{axis, numbers};
use crate::chart::rounded;

/// A position on an axis of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Moment {
    Date(String),
    Number(f64),
}

/// An axis of time.
pub(crate) struct TimeAxis {
    is_date: bool,
    /// The length of a unit in seconds.
    unit: f64,
    pub axis: Axis,
}

impl TimeAxis {
    /// Returns the axis from `first` to `last`, in seconds, of the times of `log`.
    pub fn new(first: f64, last: f64, is_date: bool, log: &Log) -> Self {
        if is_date {
            return Self {
                is_date,
                unit: 1.0,
                axis: axis("time, UTC").type_(AxisType::Date),
            };
        }
        let (unit, name) = unit(last - first);
        let title = match log.time_origin() {
            Some(origin) => format!("{name} since {origin}"),
            None => format!("{name}, as the data counts them"),
        };
        Self {
            is_date,
            unit,
            axis: numbers(&title, first / unit, last / unit),
        }
    }

    /// Returns the position of a time in seconds.
    pub fn at(&self, seconds: f64) -> Moment {
        match self.is_date {
            true => Moment::Date(moment(seconds, true)),
            false => Moment::Number(rounded(seconds / self.unit)),
        }
    }
}

/// Returns the unit that suits a time of `span` seconds: its seconds and its name.
fn unit(span: f64) -> (f64, &'static str) {
    match span {
        span if span < 120.0 => (1.0, "seconds"),
        span if span < 7_200.0 => (60.0, "minutes"),
        span if span < 172_800.0 => (3_600.0, "hours"),
        _ => (86_400.0, "days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_no_dates_have_the_unit_that_suits_their_span() {
        let log = Log::kernel_calls();
        let hours = TimeAxis::new(100.0, 10_000.0, false, &log);
        assert_eq!(hours.at(5_400.0), Moment::Number(1.5));
        let dates = TimeAxis::new(1.7e9, 1.7e9, true, &log);
        assert_eq!(
            dates.at(1_700_000_000.0),
            Moment::Date("2023-11-14 22:13:20".into())
        );
    }
}
