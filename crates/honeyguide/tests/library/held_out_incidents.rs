//! Thresholds by the incidents of held-out hosts, against models that were trained without these hosts.

use std::fs::File;

use honeyguide::incident::{IncidentOptions, incidents};
use honeyguide::{
    Contamination, ErrorKind, HostIncidents, MaxSamples, Model, Recipe, Result, Source,
    ThresholdMethod, ThresholdPolicy, TrainOptions, train,
};
use simulate::{Simulation, Split};

use crate::break_in::children_first;
use crate::common::{Folder, engine, with_threshold, written};

/// The events per tree. The recipe's own number depends on the number of events, of which a model without a host has fewer.
const MAX_SAMPLES: usize = 256;
/// The incidents per host and day that are asked for. The hosts of the simulation record a minute each.
const RATE: f64 = 3_000.0;

/// Writes the training hosts of a simulation to a file each, and returns their names.
fn hosts(folder: &Folder) -> Vec<String> {
    let simulation = Simulation::new(20_000, 5).expect("a simulation");
    let mut file = File::create(folder.path("all.csv")).expect("a file");
    simulation
        .write_split(Split::Training, &mut file)
        .expect("space");
    let text = children_first(&folder.text("all.csv"));
    folder.write("all.csv", text.clone());
    let (header, rows) = text.split_once('\n').expect("a header");
    let mut files: Vec<(String, String)> = Vec::new();
    for row in rows.lines() {
        let host = row.split(',').nth(7).expect("a host").to_owned();
        if files.last().is_none_or(|(last, _)| *last != host) {
            files.push((host, format!("{header}\n")));
        }
        let (_, text) = files.last_mut().expect("a host");
        *text += &format!("{row}\n");
    }
    for (host, text) in &files {
        folder.write(&format!("{host}.csv"), text.clone());
    }
    files.into_iter().map(|(host, _)| host).collect()
}

async fn trained(source: &mut Source, threshold: ThresholdPolicy, threads: usize) -> Result<Model> {
    let recipe = Recipe::default_for(source.log());
    let options = TrainOptions {
        n_estimators: 20,
        max_samples: Some(MaxSamples::Count(MAX_SAMPLES)),
        threshold,
        ..TrainOptions::default()
    };
    train(&engine(threads), source, &recipe, &options).await
}

fn held_out(model: &Model) -> (f64, Vec<HostIncidents>) {
    match &model.threshold().method {
        ThresholdMethod::IncidentsPerHostDay {
            realised_rate,
            hosts,
            ..
        } => (*realised_rate, hosts.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn incidents_of_held_out_hosts_equal_those_of_models_trained_without_them() {
    let folder = Folder::new();
    let names = hosts(&folder);
    let policy = ThresholdPolicy::Incidents { per_host_day: RATE };
    let model = trained(&mut folder.source(&["all.csv"]), policy, 2).await;
    let model = model.expect("a model");
    let (realised, outcomes) = held_out(&model);
    let mut sorted = names.clone();
    sorted.sort();
    let named: Vec<&str> = outcomes.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(named, sorted);
    let (mut days, mut all) = (0.0, 0);
    for outcome in &outcomes {
        let others = names.iter().filter(|name| **name != outcome.host);
        let others: Vec<String> = others.map(|name| format!("{name}.csv")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let by_scores = ThresholdPolicy::Contamination(Contamination::Auto);
        let without = trained(&mut folder.source(&others), by_scores, 2).await;
        let without = with_threshold(&without.expect("a model"), model.threshold().value);
        let mut own = folder.source(&[&format!("{}.csv", outcome.host)]);
        let options = IncidentOptions::default();
        let found = incidents(&engine(2), &without, &mut own, &options).await;
        let found = found.expect("incidents");
        assert_eq!(found.events, outcome.events, "{}", outcome.host);
        assert_eq!(found.anomalous, outcome.flagged, "{}", outcome.host);
        assert_eq!(found.found, outcome.incidents, "{}", outcome.host);
        days += outcome.days;
        all += outcome.incidents;
    }
    assert!(all > 1, "some hosts have incidents: {all}");
    assert!((realised - all as f64 / days).abs() < 1e-9 * realised);
    assert!(realised <= RATE);
    assert!(model.threshold().method.unresolved().is_none());
}

#[tokio::test]
async fn threads_and_files_do_not_change_the_model() {
    let folder = Folder::new();
    let names = hosts(&folder);
    let files: Vec<String> = names
        .iter()
        .rev()
        .map(|name| format!("{name}.csv"))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let policy = ThresholdPolicy::Incidents { per_host_day: RATE };
    let one = trained(&mut folder.source(&["all.csv"]), policy, 1).await;
    let many = trained(&mut folder.source(&files), policy, 3).await;
    assert_eq!(
        written(&one.expect("a model")),
        written(&many.expect("a model"))
    );
}

#[tokio::test]
async fn a_short_recording_is_told_with_the_bound_that_it_can_promise() {
    let folder = Folder::new();
    hosts(&folder);
    let policy = ThresholdPolicy::Incidents { per_host_day: 0.25 };
    let model = trained(&mut folder.source(&["all.csv"]), policy, 2).await;
    let model = model.expect("a model");
    let (realised, outcomes) = held_out(&model);
    assert_eq!(realised, 0.0, "no incident is allowed in so short a time");
    let days: f64 = outcomes.iter().map(|host| host.days).sum();
    let says = model.threshold().method.unresolved().expect("a sentence");
    // The rule of three: with none in a time, the upper bound at 95 % is −ln 0.05 by the time.
    let bound = -0.05_f64.ln() / days;
    for part in [
        format!("up to {bound:.2} per host and day"),
        "At least 12.0 host days".into(),
    ] {
        assert!(says.contains(&part), "{part} in {says}");
    }
}

/// Writes the events of all hosts with times that are so many times as far apart, which gives hosts that record longer.
fn stretched(folder: &Folder, times: f64) {
    let text = folder.text("all.csv");
    let (header, rows) = text.split_once('\n').expect("a header");
    assert!(header.starts_with("timestamp,"));
    let rows = rows.lines().map(|row| {
        let (time, rest) = row.split_once(',').expect("columns");
        let time = time.parse::<f64>().expect("a time") * times;
        format!("{time},{rest}\n")
    });
    let rows: String = rows.collect();
    folder.write("stretched.csv", format!("{header}\n{rows}"));
}

#[tokio::test]
async fn the_default_counts_incidents_where_the_recording_allows_one() {
    let folder = Folder::new();
    hosts(&folder);
    let default = ThresholdPolicy::default();
    let asked = ThresholdPolicy::Incidents { per_host_day: 0.25 };
    let long = trained(&mut folder.source(&["all.csv"]), asked, 2).await;
    let (_, outcomes) = held_out(&long.expect("a model"));
    let days: f64 = outcomes.iter().map(|host| host.days).sum();
    for (host_days, is_enough) in [(3.99, false), (4.01, true)] {
        stretched(&folder, host_days / days);
        let mut source = folder.source(&["stretched.csv"]);
        let model = trained(&mut source, default, 2).await.expect("a model");
        let other = match is_enough {
            true => asked,
            false => ThresholdPolicy::HeldOutOrAuto {
                false_positive_rate: 0.001,
            },
        };
        let expected = trained(&mut source, other, 2).await.expect("a model");
        assert_eq!(written(&model), written(&expected), "{host_days}");
        let by_incidents = matches!(
            model.threshold().method,
            ThresholdMethod::IncidentsPerHostDay { .. }
        );
        assert_eq!(by_incidents, is_enough, "{host_days}");
    }
}

#[tokio::test]
async fn data_whose_incidents_cannot_be_counted_is_refused() {
    let folder = Folder::new();
    let names = hosts(&folder);
    let policy = ThresholdPolicy::Incidents { per_host_day: 0.25 };
    let two = [format!("{}.csv", names[0]), format!("{}.csv", names[1])];
    let mut source = folder.source(&[&two[0], &two[1]]);
    let two_hosts = trained(&mut source, policy, 2);
    let says = "the data has 2 hosts";
    folder.refused(two_hosts, ErrorKind::Usage, says).await;
    folder.write("other.csv", "timestamp,hostName,x\n1,a,1\n2,b,2\n");
    let mut source = folder.source(&["other.csv"]);
    let no_processes = trained(&mut source, policy, 2);
    let says = "no incidents can be counted";
    folder.refused(no_processes, ErrorKind::Usage, says).await;
    let policy = ThresholdPolicy::Incidents { per_host_day: -1.0 };
    let mut source = folder.source(&["all.csv"]);
    let below_zero = trained(&mut source, policy, 2);
    let says = "it must be from 0";
    folder.refused(below_zero, ErrorKind::Usage, says).await;
}
