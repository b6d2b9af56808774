//! What a report says in sentences.

use super::clock::duration;
use super::judgement::Findings;
use super::places::Places;
use crate::evaluate::LabelEvaluation;
use crate::labels::label_names;
use crate::log::Log;
use crate::wording::{count, of_them, percent, percent_of, printable};

/// A host in words.
pub(super) fn host_name(places: &Places, index: usize) -> String {
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

/// That the data lacks a usable time column, in words.
pub(super) fn no_time(log: &Log) -> String {
    let named = log.time().map(printable);
    named.map_or_else(
        || "no column of times".into(),
        |name| format!("no usable column {name}"),
    )
}

/// That the data lacks one of the columns that name programs and their calls, in words.
pub(super) fn no_programs(log: &Log) -> String {
    match log.program().zip(log.action()) {
        Some((program, action)) => format!("no columns {program} and {action}"),
        None => "no columns of programs and calls".into(),
    }
}

/// How many events of how many hosts, and when they happened.
pub(super) fn what_and_when(places: &Places) -> String {
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

/// A rate per day: whole above a hundred, with decimals below.
pub(super) fn per_day(number: u64, days: u64) -> String {
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

impl Findings<'_> {
    /// That the data lacks a usable time column, in words.
    pub fn no_time(&self) -> String {
        no_time(self.source.log())
    }

    /// That the data lacks the column that tells hosts apart, in words.
    pub fn no_hosts(&self) -> String {
        let named = self.source.log().host().map(printable);
        named.map_or_else(
            || "no column of hosts".into(),
            |name| format!("no column {name}"),
        )
    }

    /// The verdict: what was scored, what was flagged, and what that is worth.
    pub fn lead(&self, alerts: u64) -> Vec<String> {
        let mut lead = vec![self.what_was_scored(), self.what_was_flagged(alerts)];
        lead.extend(self.evaluation.labels.iter().map(against_label));
        if self.evaluation.labels.is_empty() {
            lead.push(format!(
                "The data has no label (no column {}; --label names another), so nobody knows which of these flags are \
                 right: precision, recall and false-positive rate are absent from this page.",
                label_names(self.source.log())
            ));
        }
        lead
    }

    fn what_was_scored(&self) -> String {
        format!(
            "{}, were scored by what recipe {} learnt from {} training events.",
            what_and_when(&self.places),
            printable(&self.evaluation.recipe),
            count(self.model.training().events)
        )
    }

    fn what_was_flagged(&self, alerts: u64) -> String {
        let (flagged, events) = (self.evaluation.anomalous, self.evaluation.events);
        let threshold = self.evaluation.threshold.value;
        if flagged == 0 {
            return format!("None has a score above the threshold of {threshold:.4}.");
        }
        let alerts = match self.alert_rule {
            Some(_) => format!(": {}", of_them(alerts, "alert", "alerts")),
            None => String::new(),
        };
        format!(
            "{} of them ({}) {} above the threshold of {threshold:.4}{alerts}.",
            count(flagged),
            percent_of(flagged, events),
            if flagged == 1 { "lies" } else { "lie" },
        )
    }
}

fn against_label(label: &LabelEvaluation) -> String {
    let name = printable(&label.label);
    let (positives, negatives) = (label.positives, label.negatives);
    let verdicts = &label.verdicts;
    let Some((recall, rate)) = verdicts.recall.zip(verdicts.false_positive_rate) else {
        let class = u8::from(negatives == 0);
        let flagged = match class {
            0 => verdicts.false_positive_rate,
            _ => verdicts.recall,
        };
        return format!(
            "Every event has {name} = {class}, and {} of them are flagged. With one class there is nothing to tell apart: no \
             AUROC, and no curve.",
            flagged.map_or_else(|| "none".into(), percent)
        );
    };
    let found = format!(
        "Against {name}: {} of the {} with {name} = 1 are flagged, and {} of the {} others",
        percent(recall),
        of_them(positives, "event", "events"),
        percent(rate),
        count(negatives)
    );
    match label.false_positive_rates {
        Some(rates) if rates.far_apart && rates.realised > rates.nominal => format!(
            "{found}, where the threshold was set for {}: these events differ from those that it was set on.",
            percent(rates.nominal)
        ),
        Some(rates) => format!(
            "{found} (the threshold was set for {}).",
            percent(rates.nominal)
        ),
        None => format!("{found}."),
    }
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
