//! The incidents of a report, and their numbers at other thresholds.

use std::collections::BTreeMap;

use super::places::Places;
use super::steps::Steps;
use crate::engine::Engine;
use crate::error::Result;
use crate::incident::{Incidents, IncidentsByPlace, count_incidents};
use crate::model::Model;
use crate::source::Source;

/// The greatest number of incidents in a report: those with the highest scores.
pub const MAX_INCIDENTS: usize = 500;
/// The number of events that may be folded for every position of the slider, summed over the positions. Beyond it,
/// incidents are counted at [`MAX_POSITIONS`] positions at most.
const MAX_FOLDED: u64 = 4_000_000;
/// The greatest number of positions at which incidents are counted if there are many events.
pub const MAX_POSITIONS: usize = 64;

/// The incidents of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportIncidents {
    /// The incidents at the model's threshold; at most [`MAX_INCIDENTS`] are listed.
    pub found: Incidents,
    /// Whether each listed incident holds an event with each label of the evaluation.
    pub held: Vec<Vec<bool>>,
    /// The numbers of incidents at other thresholds, by position: the number of steps above the threshold.
    pub counts: BTreeMap<usize, ByPlace>,
}

/// Numbers of incidents by the place of their first event (see [`Places`]).
pub type ByPlace = IncidentsByPlace;

/// Counts the incidents at the positions that are chosen among all, in one scan.
pub(super) async fn count_at_positions(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    steps: &Steps,
    places: &Places,
) -> Result<BTreeMap<usize, ByPlace>> {
    let positions = positions(steps, MAX_FOLDED);
    let thresholds = positions.iter().map(|position| steps.threshold(*position));
    let thresholds: Vec<f64> = thresholds.collect();
    let counts = count_incidents(engine, model, source, &thresholds, places.key()).await?;
    Ok(positions.into_iter().zip(counts).collect())
}

/// Returns the positions at which incidents are counted, ascending: all of them if their events above the threshold are
/// at most `max_folded` in sum. Otherwise the events above the threshold grow by a constant factor from one position to the
/// next, and the model's own position is among them.
fn positions(steps: &Steps, max_folded: u64) -> Vec<usize> {
    let mut flagged = vec![0_u64];
    for step in steps.steps() {
        flagged.push(flagged[flagged.len() - 1] + step.events);
    }
    let total = flagged.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
    if total <= max_folded {
        return (0..flagged.len()).collect();
    }
    let own = steps.above_threshold();
    let mut growth = 1.05;
    loop {
        let chosen = spaced(&flagged, growth, own);
        if chosen.len() <= MAX_POSITIONS {
            return chosen;
        }
        growth *= 1.05;
    }
}

/// Returns the position 0, the position `own`, the last one, and those between which the numbers grow at least by the
/// factor `growth`.
fn spaced(flagged: &[u64], growth: f64, own: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    let mut least = 0.0;
    for (position, flagged_here) in flagged.iter().enumerate() {
        let is_end = position == 0 || position + 1 == flagged.len();
        let grows = *flagged_here as f64 >= least;
        if grows {
            least = (*flagged_here as f64 * growth).max(1.0);
        }
        if grows || is_end || position == own {
            chosen.push(position);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(n: u32) -> Steps {
        let mut steps = Steps::new(0.5);
        for step in 0..n {
            steps.push(1.0 - f64::from(step) / f64::from(n), 3, &[], 0);
        }
        steps
    }

    #[test]
    fn incidents_are_counted_everywhere_if_there_are_few_events() {
        let steps = steps(100);
        let all: Vec<usize> = (0..=100).collect();
        assert_eq!(positions(&steps, 3 * 5_050), all);
        assert_ne!(positions(&steps, 3 * 5_050 - 1), all);
    }

    #[test]
    fn positions_are_few_if_there_are_many_events_and_the_threshold_is_among_them() {
        for n in [50, 500, 1_999] {
            let steps = steps(n);
            let chosen = positions(&steps, 0);
            assert!(chosen.len() <= MAX_POSITIONS, "{}", chosen.len());
            assert!(chosen.is_sorted_by(|left, right| left < right));
            assert_eq!((chosen[0], chosen[chosen.len() - 1]), (0, n as usize));
            assert!(chosen.contains(&steps.above_threshold()));
            let thresholds: Vec<f64> = chosen.iter().map(|at| steps.threshold(*at)).collect();
            assert!(thresholds.is_sorted_by(|left, right| left > right));
        }
    }
}
