//! Hosts, times and rates in words.

use honeyguide::log::Log;
use honeyguide::report::Places;
use honeyguide::wording::{count, duration, of_them, printable};

/// Returns the name of the host at position `index`.
pub(crate) fn host_name(places: &Places, index: usize) -> String {
    let is_last = index + 1 == places.hosts.len();
    match (&places.hosts[index].name, places.n_hosts) {
        (_, None) => "all events".into(),
        (_, Some(n_hosts)) if is_last && places.has_others() => {
            format!("{} more hosts", count(n_hosts - index as u64))
        }
        (Some(name), _) => printable(name).into_owned(),
        (None, _) => {
            let column = places.host_column.as_deref().unwrap_or("host");
            format!("without a {column}")
        }
    }
}

/// Says that the data lacks a usable time column.
pub(crate) fn no_time(log: &Log) -> String {
    let named = log.time().map(printable);
    named.map_or_else(
        || "no column of times".into(),
        |name| format!("no usable column {name}"),
    )
}

/// Says that the data lacks the column that tells hosts apart.
pub(crate) fn no_hosts(log: &Log) -> String {
    let named = log.host().map(printable);
    named.map_or_else(
        || "no column of hosts".into(),
        |name| format!("no column {name}"),
    )
}

/// Says that the data lacks one of the columns that name programs and their calls.
pub(crate) fn no_programs(log: &Log) -> String {
    match log.program().zip(log.action()) {
        Some((program, action)) => format!("no columns {program} and {action}"),
        None => "no columns of programs and calls".into(),
    }
}

/// Writes how many events of how many hosts there are, and when they happened.
pub(crate) fn what_and_when(places: &Places) -> String {
    let hosts = match places.n_hosts {
        Some(hosts) => format!(" of {}", of_them(hosts, "host", "hosts")),
        None => String::new(),
    };
    let when = match &places.clock {
        Some(clock) if clock.is_date => {
            format!(
                ", {} to {} UTC",
                clock.moment(clock.first),
                clock.moment(clock.last)
            )
        }
        Some(clock) => format!(", over {}", duration(clock.last - clock.first)),
        None => String::new(),
    };
    format!("{}{hosts}{when}", of_them(places.events, "event", "events"))
}

/// Writes a rate per day: whole from a hundred on, with decimals below.
pub(crate) fn per_day(number: u64, days: u64) -> String {
    if days == 0 {
        return "–".into();
    }
    match number as f64 / days as f64 {
        rate if rate >= 100.0 => count(rate.round() as u64),
        rate if rate >= 10.0 => trimmed(rate, 1),
        rate => trimmed(rate, 2),
    }
}

fn trimmed(rate: f64, digits: usize) -> String {
    let text = format!("{rate:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_per_day_have_the_digits_that_matter() {
        let rates = [
            (0, 3),
            (1, 3),
            (30, 2),
            (31, 2),
            (10, 3),
            (12_345_678, 10),
            (5, 0),
        ];
        let shown = rates.map(|(number, days)| per_day(number, days));
        assert_eq!(shown, ["0", "0.33", "15", "15.5", "3.33", "1,234,568", "–"]);
    }
}
