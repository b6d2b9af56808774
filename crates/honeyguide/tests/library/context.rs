//! Tests of the recipe `context` and of thresholds set on held-out hosts, against results computed independently.

use std::fmt::Write;
use std::path::Path;

use honeyguide::score::{Listing, most_anomalous};
use honeyguide::{
    Contamination, HostRate, Model, Recipe, Source, ThresholdMethod, ThresholdPolicy, TrainOptions,
    builtin, calibrate, train,
};

use crate::common::engine;

use crate::common::written;

const HEADER: &str = "timestamp,processId,threadId,parentProcessId,userId,mountNamespace,processName,hostName,eventId,\
    eventName,stackAddresses,argsNum,returnValue,args,sus,evil\n";
const RATE: f64 = 0.02;

/// Returns an event of `host` that depends on `number`.
fn event(host: &str, number: usize) -> String {
    let (process, event, result) = match number % 40 {
        0 => ("cron", "clone", 1),
        1 => ("cron", "kill", -1),
        2..=20 => ("ps", "openat", 3),
        21..=30 => ("ps", "close", 0),
        _ => ("sshd", "openat", -2),
    };
    let (user, parent) = (1000 * u32::from(number.is_multiple_of(97)), 1 + number % 5);
    format!(
        "{number},9,9,{parent},{user},4026531840,{process},{host},1,{event},[],1,{result},[],0,0\n"
    )
}

/// Returns the events of hosts that are alike, except that each of them runs one program of its own.
fn events(hosts: &[usize]) -> Vec<String> {
    let of_host = |host: &usize| {
        let (name, size) = (format!("host-{host}"), 400 + 80 * host);
        let own = format!("1,9,9,1,0,4026531840,own-{host},{name},1,openat,[],1,3,[],0,0\n");
        let common = (0..size).map(move |number| event(&name, number * (host + 3)));
        common.chain(vec![own; 2 + host]).collect::<Vec<_>>()
    };
    hosts.iter().flat_map(of_host).collect()
}

fn write(path: &Path, rows: &[String]) -> Source {
    let text = rows.iter().fold(HEADER.to_owned(), |text, row| text + row);
    std::fs::write(path, text).unwrap();
    Source::open(&[path.display().to_string()]).unwrap()
}

fn options(held_out_rate: Option<f64>) -> TrainOptions {
    let by_hosts = |false_positive_rate| ThresholdPolicy::HeldOut {
        false_positive_rate,
    };
    let by_scores = ThresholdPolicy::Contamination(Contamination::Auto);
    TrainOptions {
        threshold: held_out_rate.map_or(by_scores, by_hosts),
        ..Default::default()
    }
}

fn context() -> Recipe {
    builtin("context").unwrap()
}

fn left_out(model: &Model) -> (f64, Vec<HostRate>) {
    match &model.threshold().method {
        ThresholdMethod::LeaveOneHostOut {
            realised_rate,
            hosts,
            ..
        } => (*realised_rate, hosts.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rates_of_held_out_hosts_equal_those_of_models_trained_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let all = [0, 1, 2, 3];
    let mut source = write(&folder.path().join("all.csv"), &events(&all));
    let engine = engine(2);
    let model = train(&engine, &mut source, &context(), &options(Some(RATE)))
        .await
        .unwrap();
    let (realised, hosts) = left_out(&model);
    let threshold = model.threshold().value;
    let mut rates = Vec::new();
    for host in all {
        let others: Vec<usize> = all.into_iter().filter(|other| *other != host).collect();
        let mut others = write(&folder.path().join("others.csv"), &events(&others));
        let mut own = write(&folder.path().join("own.csv"), &events(&[host]));
        let without = train(&engine, &mut others, &context(), &options(None))
            .await
            .unwrap();
        let found = most_anomalous(&engine, &without, &mut own, Listing::top(10_000))
            .await
            .unwrap();
        let above = found.anomalies.iter().filter(|row| row.score > threshold);
        let flagged: u64 = above.map(|row| row.events_alike).sum();
        assert_eq!(hosts[host].host, format!("host-{host}"));
        assert_eq!(hosts[host].events, found.summary.events);
        assert_eq!(
            hosts[host].realised_rate,
            flagged as f64 / found.summary.events as f64
        );
        rates.push(hosts[host].realised_rate);
    }
    assert_eq!(realised, rates.iter().sum::<f64>() / 4.0);
    assert!(realised > 0.0 && realised <= RATE, "{realised}");
}

#[tokio::test]
async fn order_files_and_threads_do_not_change_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let rows = events(&[0, 1, 2]);
    let mut source = write(&folder.path().join("all.csv"), &rows);
    let model = train(&engine(1), &mut source, &context(), &options(Some(RATE)))
        .await
        .unwrap();
    let (first, second): (Vec<_>, Vec<_>) = rows
        .iter()
        .rev()
        .cloned()
        .enumerate()
        .partition(|(number, _)| number % 3 == 0);
    let parts = folder.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    for (name, part) in [("1.csv", first), ("2.csv", second)] {
        let part: Vec<String> = part.into_iter().map(|(_, row)| row).collect();
        write(&parts.join(name), &part);
    }
    let mut source = Source::open(&[parts.display().to_string()]).unwrap();
    let again = train(&engine(4), &mut source, &context(), &options(Some(RATE)))
        .await
        .unwrap();
    assert_eq!(written(&model), written(&again));
    let read = Model::from_json(&written(&model)).unwrap();
    assert_eq!(written(&read), written(&model));
}

#[tokio::test]
async fn where_two_hosts_are_too_few_blocks_of_time_are_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = write(&folder.path().join("two.csv"), &events(&[0, 1]));
    let model = train(&engine(2), &mut source, &context(), &options(Some(RATE)))
        .await
        .unwrap();
    let method = &model.threshold().method;
    let ThresholdMethod::LeaveOneBlockOut { blocks, .. } = method else {
        panic!("{method:?}");
    };
    let held_out: u64 = blocks.iter().map(|block| block.events).sum();
    assert_eq!((blocks.len(), held_out), (5, model.training().events));
}

#[tokio::test]
async fn unseen_values_are_anomalous_and_named_as_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(2);
    let known = events(&[0, 1, 2]);
    let mut source = write(&folder.path().join("known.csv"), &known);
    let mut model = train(&engine, &mut source, &context(), &options(None))
        .await
        .unwrap();
    calibrate(&engine, &mut model, &mut source, 0.0)
        .await
        .unwrap();
    let mut today = known.clone();
    today.push("1,9,9,7,1234,4026531841,newcomer,h,1,connect,[],1,-115,[],0,0\n".into());
    today.push(",,,,,,,,1,,[],1,,,0,0\n".into());
    let mut today = write(&folder.path().join("today.csv"), &today);
    let listing = Listing {
        rows: 2,
        only_anomalous: true,
    };
    let found = most_anomalous(&engine, &model, &mut today, listing)
        .await
        .unwrap();
    assert_eq!(found.summary.anomalous, 2);
    let found = found.anomalies;
    let mut rows: Vec<u64> = found.iter().map(|anomaly| anomaly.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [known.len() as u64 + 1, known.len() as u64 + 2]);
    for anomaly in &found {
        let said = anomaly
            .reasons
            .iter()
            .fold(String::new(), |mut said, reason| {
                writeln!(said, "{}", reason.text).unwrap();
                said
            });
        assert!(said.contains("never seen in training"), "{said}");
    }
}

#[test]
fn the_recipe_names_no_label_and_no_known_attack() {
    let text = context().to_toml().unwrap();
    assert_eq!(Recipe::from_toml(&text).unwrap(), context());
    for answer in [
        "sus",
        "evil",
        "tsm",
        "1001",
        "tmp",
        "dota",
        "hostName",
        "timestamp",
        "eventId",
    ] {
        let expressions = context()
            .features
            .into_iter()
            .filter_map(|feature| feature.rarity);
        for rarity in expressions {
            let sql = rarity.given.join(" ") + &rarity.of;
            assert!(!sql.contains(answer), "`{answer}` in {sql}");
        }
    }
}
