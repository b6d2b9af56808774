//! The figures that the page's script works on when the threshold moves.

use std::collections::BTreeMap;

use serde::Serialize;

use honeyguide::report::Report;

/// The figures at every threshold.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Live {
    threshold: f64,
    /// The number of steps above the model's threshold.
    start: usize,
    /// The highest score of each step, highest first.
    tops: Vec<f64>,
    events: Vec<u64>,
    labels: Vec<LiveLabel>,
    has_alerts: bool,
    /// The number of places of a host.
    slots: usize,
    hosts: Vec<LiveHost>,
    cells: Cells,
    incidents: Vec<LiveIncidents>,
}

/// The numbers of incidents at a position of the slider, by place, in columns.
#[derive(Serialize)]
struct LiveIncidents {
    /// The number of steps above the threshold.
    position: usize,
    place: Vec<u32>,
    count: Vec<u64>,
}

#[derive(Serialize)]
struct LiveLabel {
    positives: Vec<u64>,
}

#[derive(Serialize)]
struct LiveHost {
    days: u64,
}

/// The numbers of events and alerts by step and place, in columns. Steps ascend.
#[derive(Serialize, Default)]
struct Cells {
    step: Vec<usize>,
    place: Vec<u32>,
    events: Vec<u64>,
    alerts: Vec<u64>,
}

impl Live {
    /// Collects the figures of a report.
    pub fn new(report: &Report) -> Self {
        let steps = report.steps.steps();
        let positives = |label: usize| steps.iter().map(move |step| step.positives[label]);
        let labels = (0..report.evaluation.labels.len()).map(|label| LiveLabel {
            positives: positives(label).collect(),
        });
        let hosts = report.places.hosts.iter();
        let incidents = report.incidents.counts.iter();
        let incidents = incidents.map(|(position, counts)| LiveIncidents {
            position: *position,
            place: counts.keys().copied().collect(),
            count: counts.values().copied().collect(),
        });
        Self {
            threshold: report.evaluation.threshold.value,
            start: report.steps.above_threshold(),
            tops: steps.iter().map(|step| step.top).collect(),
            events: steps.iter().map(|step| step.events).collect(),
            labels: labels.collect(),
            has_alerts: report.alerts.is_some(),
            slots: report.places.slots(),
            hosts: hosts.map(|host| LiveHost { days: host.days }).collect(),
            cells: Cells::new(report),
            incidents: incidents.collect(),
        }
    }
}

impl Cells {
    fn new(report: &Report) -> Self {
        let mut all: BTreeMap<(usize, u32), (u64, u64)> = BTreeMap::new();
        for (number, step) in report.steps.steps().iter().enumerate() {
            for (place, events) in &step.places {
                all.entry((number, *place)).or_default().0 += events;
            }
        }
        let alerts = report.alerts.iter().flat_map(|alerts| &alerts.cells);
        for (cell, alerts) in alerts {
            all.entry(*cell).or_default().1 += alerts;
        }
        let mut cells = Self::default();
        for ((step, place), (events, alerts)) in all {
            cells.step.push(step);
            cells.place.push(place);
            cells.events.push(events);
            cells.alerts.push(alerts);
        }
        cells
    }
}
