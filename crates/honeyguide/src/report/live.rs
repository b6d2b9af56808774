//! What the page's script works on when the threshold moves, and the same figures at the model's threshold.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judgement::Findings;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Live {
    threshold: f64,
    /// How many steps lie above the model's threshold.
    start: usize,
    /// The highest score of each step, highest first.
    tops: Vec<f64>,
    events: Vec<u64>,
    labels: Vec<LiveLabel>,
    has_alerts: bool,
    /// Places per host.
    slots: usize,
    hosts: Vec<LiveHost>,
    cells: Cells,
}

#[derive(Serialize)]
struct LiveLabel {
    positives: Vec<u64>,
}

#[derive(Serialize)]
struct LiveHost {
    days: u64,
}

/// Events and alerts by step and place, ascending by step.
#[derive(Serialize, Default)]
struct Cells {
    step: Vec<usize>,
    place: Vec<u32>,
    events: Vec<u64>,
    alerts: Vec<u64>,
}

/// What one host has above the model's threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HostCounts {
    pub events: u64,
    pub alerts: u64,
}

impl Live {
    pub fn new(findings: &Findings) -> Self {
        let steps = findings.steps.steps();
        let positives = |label: usize| steps.iter().map(move |step| step.positives[label]);
        let labels = (0..findings.labels.len()).map(|label| LiveLabel {
            positives: positives(label).collect(),
        });
        let hosts = findings.places.hosts.iter();
        Self {
            threshold: findings.evaluation.threshold.value,
            start: findings.steps.above_threshold(),
            tops: steps.iter().map(|step| step.top).collect(),
            events: steps.iter().map(|step| step.events).collect(),
            labels: labels.collect(),
            has_alerts: findings.alert_rule.is_some(),
            slots: findings.places.slots(),
            hosts: hosts.map(|host| LiveHost { days: host.days }).collect(),
            cells: Cells::new(findings),
        }
    }

    /// Per host, what lies above the model's threshold.
    pub fn by_host(&self) -> Vec<HostCounts> {
        let mut hosts = vec![HostCounts::default(); self.hosts.len()];
        let cells = &self.cells;
        let above = cells.step.partition_point(|step| *step < self.start);
        for cell in 0..above {
            if let Some(host) = hosts.get_mut(cells.place[cell] as usize / self.slots) {
                host.events += cells.events[cell];
                host.alerts += cells.alerts[cell];
            }
        }
        hosts
    }
}

impl Cells {
    fn new(findings: &Findings) -> Self {
        let mut all: BTreeMap<(usize, u32), (u64, u64)> = BTreeMap::new();
        for (number, step) in findings.steps.steps().iter().enumerate() {
            for (place, events) in &step.places {
                all.entry((number, *place)).or_default().0 += events;
            }
        }
        for (cell, alerts) in &findings.alerts {
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
