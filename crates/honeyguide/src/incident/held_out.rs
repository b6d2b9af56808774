//! The incidents of hosts that are held out, as a function of the threshold.
//!
//! One pass over the events in the order of host and time keeps those whose scores are above a floor, each with its
//! process and the ancestors of it. Which events are anomalous changes nothing about these, so the incidents at any
//! threshold above the floor are those of [`HostFold`] over the events that are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;

use super::fold::{About, HostFold, Outcome, Placed};
use super::open::{Anomalous, Subject};
use super::processes::{Lineage, ProcessId, Processes, Sighting};
use super::query::{HOST, in_order, numbered, of_all};
use super::scan::EventColumns;
use crate::cells::value;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::engine::columns::select as select_columns;
use crate::error::Result;
use crate::log::Lineages;
use crate::recipe::Recipe;
use crate::recipe::plan::FeaturePlan;
use crate::scan::Scan;
use crate::source::{Source, with_columns};
use crate::wording::SECONDS_PER_DAY;

/// The number of rows per batch of the sort. All rows hold the inputs, so they are wide.
const SORTED_ROWS: usize = 64;
/// The number of thresholds with the highest scores that are all tried. Further ones are farther apart, each by this share
/// of its rank.
const ALL_TRIED: usize = 1_024;
/// The number of lineages that are remembered so that they are kept once.
const MAX_LINEAGES: usize = 1 << 16;
/// The share by which a number of incidents can be off by rounding.
const ROUNDING: f64 = 1e-9;

/// Scores events by models that never saw their hosts.
pub(crate) trait HeldOutScores {
    /// Returns the scores of rows of inputs of `host`.
    ///
    /// # Errors
    /// Fails when an input is infinite or has a null that the recipe refuses.
    fn scores(&self, host: &str, inputs: &[ArrayRef]) -> Result<Vec<f64>>;

    /// Returns the lowest score that can become the threshold.
    fn floor(&self) -> f64;
}

/// The events of hosts above a floor of scores.
#[derive(Debug)]
pub(crate) struct HeldOutEvents {
    lineages: &'static Lineages,
    floor: f64,
    hosts: Vec<HostEvents>,
}

/// The events of a host.
#[derive(Debug)]
struct HostEvents {
    host: String,
    /// The number of all events.
    events: u64,
    /// The times of the first and the last event.
    times: Option<[f64; 2]>,
    /// The events above the floor, in the order of time.
    kept: Vec<KeptEvent>,
    /// The processes whose parents were found after events of their children that are kept.
    parents: Vec<FoundParent>,
}

/// A process whose parent becomes known, which only its children had shown.
#[derive(Debug)]
struct FoundParent {
    /// The number of events that were kept before.
    after: usize,
    time: Option<f64>,
    lineage: Lineage,
}

/// An event above the floor.
#[derive(Debug)]
struct KeptEvent {
    score: f64,
    time: Option<f64>,
    process: ProcessId,
    lineage: Arc<Lineage>,
}

/// A threshold with what it gives on each host.
#[derive(Debug, PartialEq)]
pub(crate) struct ChosenThreshold {
    pub value: f64,
    /// The incidents per host and day on all hosts together.
    pub rate: f64,
    pub hosts: Vec<HostOutcome>,
}

/// What a threshold gives on a host.
#[derive(Debug, PartialEq)]
pub(crate) struct HostOutcome {
    pub host: String,
    pub events: u64,
    pub flagged: u64,
    pub days: f64,
    pub incidents: u64,
}

/// Returns the events of all hosts of `source` above the floor of `scores`.
///
/// # Errors
/// Fails when the data cannot be read or scored.
pub(crate) async fn held_out_events(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    clock: &Clock,
    scores: &impl HeldOutScores,
) -> Result<HeldOutEvents> {
    let process = source.log().process().first().copied();
    let of_all = of_all(source, Some(clock), source.role_column(process));
    let n_of_all = of_all.len();
    let refs = of_all.iter().flat_map(Expr::column_refs);
    let refs: Vec<_> = refs.map(|column| column.name.as_str()).collect();
    let needed = with_columns(&plan.needed, refs);
    let inputs = plan.inputs.iter().cloned().map(Expr::unalias);
    let columns: Vec<Expr> = of_all.iter().cloned().chain(inputs).collect();
    let lineages = source.log().lineages();
    // Events that agree in what every event has are of one process and one moment: their order changes no incident.
    let select = |table: DataFrame| -> EngineResult<DataFrame> {
        in_order(
            select_columns(table, numbered(columns.clone()))?,
            n_of_all,
            SORTED_ROWS,
        )
    };
    let start = || {
        Ok(Collector {
            scores,
            n_of_all,
            lineages,
            floor: scores.floor(),
            processes: Processes::new(lineages),
            lineage_of: HashMap::new(),
            roots: HashSet::new(),
            hosts: Vec::new(),
        })
    };
    let scan = Scan::new(engine, "counting incidents")
        .columns(&needed)
        .features(recipe, plan);
    let found = scan.fold(source, start, select, Collector::push).await?;
    Ok(HeldOutEvents {
        lineages,
        floor: found.floor,
        hosts: found.hosts,
    })
}

/// The state of the pass.
struct Collector<'a, S> {
    scores: &'a S,
    n_of_all: usize,
    lineages: &'static Lineages,
    floor: f64,
    /// The processes of the current host, which is the last of `hosts`.
    processes: Processes,
    lineage_of: HashMap<ProcessId, Arc<Lineage>>,
    /// The roots of the sessions of its kept events.
    roots: HashSet<ProcessId>,
    hosts: Vec<HostEvents>,
}

impl<S: HeldOutScores> Collector<'_, S> {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = EventColumns::new(batch, batch.num_columns());
        let hosts = batch.column(HOST);
        let mut start = 0;
        while start < batch.num_rows() {
            let host = value(hosts, start).unwrap_or_default();
            let same = (start..batch.num_rows())
                .take_while(|row| value(hosts, *row).unwrap_or_default() == host);
            let rows = same.count();
            let inputs = batch.columns()[self.n_of_all..].iter();
            let inputs: Vec<ArrayRef> = inputs.map(|input| input.slice(start, rows)).collect();
            let scores = self.scores.scores(host, &inputs)?;
            if self.hosts.last().is_none_or(|last| last.host != host) {
                self.begin_host(host);
            }
            for (row, score) in (start..).zip(scores) {
                self.see(&columns, row, score);
            }
            start += rows;
        }
        Ok(())
    }

    fn begin_host(&mut self, host: &str) {
        self.processes = Processes::new(self.lineages);
        self.lineage_of.clear();
        self.hosts.push(HostEvents {
            host: host.to_owned(),
            events: 0,
            times: None,
            kept: Vec::new(),
            parents: Vec::new(),
        });
        self.roots.clear();
    }

    fn see(&mut self, columns: &EventColumns, row: usize, score: f64) {
        let (About::Process(seen), Some(host)) = (columns.process(row), self.hosts.last_mut())
        else {
            return;
        };
        let Sighting {
            id: process,
            finds_parent,
        } = self.processes.see(&seen);
        let time = columns.time(row);
        if finds_parent && self.roots.contains(&process) {
            let lineage = self.processes.lineage(process);
            self.roots.insert(lineage.root);
            host.parents.push(FoundParent {
                after: host.kept.len(),
                time,
                lineage,
            });
        }
        host.events += 1;
        if let Some(time) = time {
            host.times.get_or_insert([time, time])[1] = time;
        }
        if score <= self.floor {
            return;
        }
        let lineage = self.processes.lineage(process);
        self.roots.insert(lineage.root);
        if self.lineage_of.len() >= MAX_LINEAGES {
            self.lineage_of.clear();
        }
        let known = self.lineage_of.entry(process).or_default();
        if **known != lineage {
            *known = Arc::new(lineage);
        }
        host.kept.push(KeptEvent {
            score,
            time,
            process,
            lineage: Arc::clone(known),
        });
    }
}

impl HostEvents {
    fn days(&self) -> f64 {
        self.times
            .map_or(0.0, |[first, last]| (last - first) / SECONDS_PER_DAY)
    }

    /// Returns the number of incidents of the events above `threshold`.
    fn incidents(&self, threshold: f64, lineages: &'static Lineages) -> u64 {
        let mut fold = HostFold::new(None, lineages);
        let mut merged = 0;
        let mut told = |outcome| merged += u64::from(matches!(outcome, Outcome::Merged { .. }));
        let mut parents = self.parents.iter().peekable();
        for (number, kept) in self.kept.iter().enumerate() {
            if kept.score <= threshold {
                continue;
            }
            while let Some(found) = parents.next_if(|found| found.after <= number) {
                fold.find_parent(found.time, &found.lineage, &mut told);
            }
            let anomalous = Anomalous::counted(kept.score);
            let placed = Placed {
                subject: Subject::Process(kept.process),
                family: Some(&kept.lineage),
                process: None,
                program: None,
            };
            fold.add(kept.time, placed, &anomalous, &mut told);
        }
        for found in parents {
            fold.find_parent(found.time, &found.lineage, &mut told);
        }
        fold.opened() - merged
    }
}

impl HeldOutEvents {
    /// Returns the recorded time of all hosts together, in days.
    pub fn host_days(&self) -> f64 {
        self.hosts.iter().map(HostEvents::days).sum()
    }

    /// Returns the lowest threshold of which neither it nor any higher one gives more than `rate` incidents per host and
    /// day. Thresholds are scores of events; of those below the 1,024 highest, some are left out.
    pub fn lowest(&self, rate: f64) -> ChosenThreshold {
        let allowed = rate * self.host_days() * (1.0 + ROUNDING);
        let levels = self.levels();
        let mut incidents = vec![0_u64; self.hosts.len()];
        let mut chosen = levels.first().map_or(self.floor, |level| level.score);
        for (above, level) in levels.iter().zip(&levels[1.min(levels.len())..]) {
            for host in &above.hosts {
                incidents[*host] = self.hosts[*host].incidents(level.score, self.lineages);
            }
            if incidents.iter().sum::<u64>() as f64 > allowed {
                break;
            }
            chosen = level.score;
        }
        self.at(chosen)
    }

    /// Returns the scores that can become the threshold, in descending order, each with the hosts of the events from it to
    /// the next. The last is the floor.
    fn levels(&self) -> Vec<Level> {
        let mut scores: BTreeMap<std::cmp::Reverse<u64>, Vec<usize>> = BTreeMap::new();
        for (number, host) in self.hosts.iter().enumerate() {
            for kept in &host.kept {
                // Scores are positive, so their bits have the order of the numbers.
                let hosts = scores.entry(std::cmp::Reverse(kept.score.to_bits()));
                let hosts = hosts.or_default();
                if hosts.last() != Some(&number) {
                    hosts.push(number);
                }
            }
        }
        let mut levels: Vec<Level> = Vec::new();
        let mut next = 0;
        for (rank, (score, hosts)) in scores.into_iter().enumerate() {
            if rank >= next {
                levels.push(Level {
                    score: f64::from_bits(score.0),
                    hosts: Vec::new(),
                });
                next = rank + 1 + rank / ALL_TRIED;
            }
            if let Some(level) = levels.last_mut() {
                level.hosts.extend(hosts);
                level.hosts.sort_unstable();
                level.hosts.dedup();
            }
        }
        levels.push(Level {
            score: self.floor,
            hosts: Vec::new(),
        });
        levels
    }

    /// Returns what a threshold gives.
    fn at(&self, value: f64) -> ChosenThreshold {
        let hosts = self.hosts.iter().map(|host| HostOutcome {
            host: host.host.clone(),
            events: host.events,
            flagged: host.kept.iter().filter(|kept| kept.score > value).count() as u64,
            days: host.days(),
            incidents: host.incidents(value, self.lineages),
        });
        let hosts: Vec<HostOutcome> = hosts.collect();
        let incidents: u64 = hosts.iter().map(|host| host.incidents).sum();
        let days = self.host_days();
        ChosenThreshold {
            value,
            rate: if days > 0.0 {
                incidents as f64 / days
            } else {
                0.0
            },
            hosts,
        }
    }
}

/// A score that can become the threshold.
struct Level {
    score: f64,
    /// The hosts with an event whose score is this one, or lies between it and the next level.
    hosts: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Log;

    /// Events of processes that have no parent, each as time, process and score.
    fn host(name: &str, end: f64, events: &[(f64, ProcessId, f64)]) -> HostEvents {
        let kept = events.iter().map(|(time, process, score)| KeptEvent {
            score: *score,
            time: Some(*time),
            process: *process,
            lineage: Arc::new(Lineage {
                path: vec![*process],
                root: *process,
                job: None,
            }),
        });
        HostEvents {
            host: name.into(),
            events: 100,
            times: Some([0.0, end]),
            kept: kept.collect(),
            parents: Vec::new(),
        }
    }

    /// Two hosts of a day each, with random events.
    fn random(seed: u64) -> HeldOutEvents {
        let mut rng = learn::rng::Rng::new(seed, 1);
        let mut draw = |n| rng.below(n) as f64;
        let mut events = || {
            let mut events: Vec<_> = (0..40)
                .map(|_| (draw(86_400), draw(4) as ProcessId, 0.5 + draw(60) / 200.0))
                .collect();
            events.sort_by(|left, right| left.0.total_cmp(&right.0));
            events
        };
        let (first, second) = (events(), events());
        HeldOutEvents {
            lineages: Log::kernel_calls().lineages(),
            floor: 0.5,
            hosts: vec![
                host("a", SECONDS_PER_DAY, &first),
                host("b", SECONDS_PER_DAY, &second),
            ],
        }
    }

    /// Returns the number of incidents by their definition: gaps of more than a quarter of an hour divide the events of a
    /// process.
    fn incidents(host: &HostEvents, threshold: f64) -> u64 {
        let mut last: HashMap<ProcessId, f64> = HashMap::new();
        let mut found = 0;
        for event in host.kept.iter().filter(|event| event.score > threshold) {
            let time = event.time.unwrap();
            let before = last.insert(event.process, time);
            found +=
                u64::from(before.is_none_or(|before| time - before > super::super::QUIET_SECONDS));
        }
        found
    }

    #[test]
    fn the_threshold_is_the_lowest_before_the_first_that_gives_too_many_incidents() {
        for seed in 0..20 {
            let held_out = random(seed);
            let mut scores: Vec<f64> = held_out
                .hosts
                .iter()
                .flat_map(|host| host.kept.iter().map(|event| event.score))
                .collect();
            scores.push(held_out.floor);
            scores.sort_by(|left, right| right.total_cmp(left));
            for rate in [0.0, 0.5, 1.0, 2.0, 7.5, 1e6] {
                let total = |threshold: f64| -> u64 {
                    let hosts = held_out.hosts.iter();
                    hosts.map(|host| incidents(host, threshold)).sum()
                };
                let kept = scores
                    .iter()
                    .take_while(|score| total(**score) as f64 <= rate * 2.0);
                let expected = *kept.last().expect("the highest score flags nothing");
                let chosen = held_out.lowest(rate);
                assert_eq!(chosen.value, expected, "seed {seed}, rate {rate}");
                let found = chosen.hosts.iter().map(|host| host.incidents).sum::<u64>();
                assert_eq!(found, total(expected));
                assert_eq!(chosen.rate, found as f64 / 2.0);
            }
        }
    }
}
