//! Incidents: every anomalous event is in one, the break-in is the first, and the same events give the same incidents for
//! any number of threads and any layout of files.

use std::collections::BTreeMap;

use crate::break_in::break_in;
use crate::common::{Folder, engine, failed, small_forest, written};
use honeyguide::evaluate::evaluate;
use honeyguide::incident::{IncidentOptions, Incidents, find_incident, incidents};
use honeyguide::report::report;
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::{Error, ErrorKind, Model, Recipe, Source, train};

/// The simulated break-in: a model of benign hosts, and the events of the host that is broken into.
struct BreakIn {
    folder: Folder,
    model: Model,
}

impl BreakIn {
    async fn new() -> Self {
        let (folder, model) = break_in().await;
        Self { folder, model }
    }

    /// Writes the events to the folder `parts`: to three files, in turn and in reverse order.
    fn divide(&self) {
        let text = self.folder.text("today.csv");
        let (header, rows) = text.split_once('\n').expect("a header");
        std::fs::create_dir(self.folder.path("parts")).expect("a folder");
        let rows: Vec<&str> = rows.lines().rev().collect();
        for (part, name) in ["a", "b", "c"].into_iter().enumerate() {
            let rows: Vec<&str> = rows.iter().skip(part).step_by(3).copied().collect();
            let name = format!("parts/{name}.csv");
            self.folder
                .write(&name, format!("{header}\n{}\n", rows.join("\n")));
        }
    }

    /// Returns the events as `score` writes them with their incidents, sorted, without their places in the files.
    async fn scored(&self, data: &str, threads: usize) -> Vec<serde_json::Value> {
        let options = ScoreOptions {
            incidents: true,
            ..ScoreOptions::default()
        };
        let mut source = self.folder.source(&[data]);
        let to = self.folder.path("scored.ndjson");
        let summary = score_to_file(&engine(threads), &self.model, &mut source, &to, options).await;
        assert!(summary.expect("scores").incidents > Some(1));
        let text = self.folder.text("scored.ndjson");
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut row: serde_json::Value = serde_json::from_str(line).expect("a row");
                let row_of = row.as_object_mut().expect("an object");
                row_of.remove("source_file");
                row_of.remove("source_row");
                row.to_string()
            })
            .collect();
        lines.sort_unstable();
        let rows = lines.iter().map(|line| serde_json::from_str(line));
        rows.collect::<Result<_, _>>().expect("rows")
    }

    async fn incidents(&self, mut source: Source, threads: usize) -> Incidents {
        let options = IncidentOptions::default();
        let found = incidents(&engine(threads), &self.model, &mut source, &options).await;
        found.expect("incidents")
    }
}

#[tokio::test]
async fn the_break_in_is_the_first_incident() {
    let test = BreakIn::new().await;
    let found = test.incidents(test.folder.source(&["today.csv"]), 2).await;
    let events: u64 = found.incidents.iter().map(|incident| incident.events).sum();
    assert_eq!(
        events, found.anomalous,
        "every anomalous event is in one incident"
    );
    assert_eq!(found.found, found.incidents.len() as u64);
    let first = &found.incidents[0];
    assert!(first.events > found.anomalous / 2, "{first:?}");
    let programs: Vec<&str> = first
        .processes
        .iter()
        .flat_map(|process| process.programs.iter().map(String::as_str))
        .collect();
    assert!(programs.contains(&"sweepd"), "{programs:?}");
    assert!(first.addresses.distinct > 50, "{:?}", first.addresses);
    assert_eq!(first.users.most[0].name, "1001");
    let (start, end) = (first.first.expect("a time"), first.last.expect("a time"));
    assert!(start < end && end - start < 86_400.0, "{start} to {end}");
    if let Some(second) = found.incidents.get(1) {
        assert!(
            second.score < first.score / 2.0,
            "{} {}",
            second.score,
            first.score
        );
    }
}

#[tokio::test]
async fn evaluate_says_how_early_an_attack_is_found() {
    let test = BreakIn::new().await;
    let source = || test.folder.source(&["today.csv"]);
    let found = test.incidents(source(), 2).await;
    let evaluation = evaluate(&engine(2), &test.model, &mut source(), None).await;
    let evaluation = evaluation.expect("an evaluation");

    // The same figures from the rows that `score` writes: the test file has one host, in the order of time.
    let out = test.folder.path("scored.csv");
    let options = ScoreOptions::default();
    score_to_file(
        &engine(2),
        &test.model,
        &mut source(),
        out.as_path(),
        options,
    )
    .await
    .expect("scores");
    let text = test.folder.text("scored.csv");
    let mut lines = text
        .lines()
        .map(|row| row.split(',').collect::<Vec<&str>>());
    let header = lines.next().expect("a header");
    let rows: Vec<Vec<&str>> = lines.collect();
    let time = |row: &[&str]| row[0].parse::<f64>().expect("a time");
    // Commas in `args` shift the columns after it, so these are found from the end.
    let from_end = |row: &[&str], column: &str| {
        let place = header.iter().rev().position(|name| *name == column);
        row[row.len() - 1 - place.expect("a column")].to_owned()
    };
    for label in ["sus", "evil"] {
        let figures = evaluation
            .labels
            .iter()
            .find(|figures| figures.label == label);
        let figures = figures.and_then(|figures| figures.incidents.as_ref());
        let figures = figures.expect("figures");
        let attack: Vec<&Vec<&str>> = rows
            .iter()
            .filter(|row| from_end(row, label) == "1")
            .collect();
        let is_found = |row: &&&Vec<&str>| from_end(row, "anomalous") == "true";
        let before = attack
            .iter()
            .position(|row| is_found(&row))
            .expect("it is found");
        let expected = &figures.attacks[0];
        let earliest = expected.found.as_ref().expect("it is found");
        assert_eq!((figures.n_attacks, figures.n_found), (1, 1));
        assert_eq!(expected.events, attack.len() as u64, "{label}");
        assert_eq!(
            expected.anomalous,
            attack.iter().filter(is_found).count() as u64
        );
        assert_eq!(earliest.events_before, before as u64, "{label}");
        let seconds = time(attack[before]) - time(attack[0]);
        assert!((earliest.seconds.expect("times") - seconds).abs() < 1e-6);
        assert!(
            found
                .incidents
                .iter()
                .any(|incident| incident.id == earliest.incident)
        );
        assert_eq!(figures.incidents, found.found);
        let rate = figures.unlabelled_rate.expect("times");
        let days = (time(&rows[rows.len() - 1]) - time(&rows[0])) / 86_400.0;
        assert!((rate.host_days - days).abs() < 1e-9);
        assert!(rate.low <= rate.per_host_day && rate.per_host_day <= rate.high);
        assert!(figures.unlabelled < figures.incidents);
    }
}

#[tokio::test]
async fn the_same_events_are_the_same_incidents() {
    let test = BreakIn::new().await;
    test.divide();
    let expected = test.incidents(test.folder.source(&["today.csv"]), 1).await;
    assert_eq!(
        test.incidents(test.folder.source(&["today.csv"]), 3).await,
        expected
    );
    assert_eq!(
        test.incidents(test.folder.source(&["parts"]), 2).await,
        expected
    );
}

#[tokio::test]
async fn scored_events_name_their_incidents() {
    let test = BreakIn::new().await;
    test.divide();
    for file in ["children_first.csv", "today.csv"] {
        let found = test.incidents(test.folder.source(&[file]), 2).await;
        let expected = found.incidents.iter();
        let expected: BTreeMap<_, _> = expected
            .map(|incident| (incident.id.clone(), incident.events))
            .collect();
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for row in &test.scored(file, 1).await {
            let incident = row["incident"].as_str();
            assert_eq!(row["anomalous"] == true, incident.is_some(), "{row}");
            if let Some(incident) = incident {
                *counted.entry(incident.to_owned()).or_default() += 1;
            }
        }
        assert_eq!(counted, expected, "{file}");
    }
    let scored = test.scored("today.csv", 1).await;
    assert_eq!(test.scored("today.csv", 3).await, scored);
    assert_eq!(test.scored("parts", 2).await, scored);
}

#[tokio::test]
async fn an_incident_is_found_by_its_id() {
    let test = BreakIn::new().await;
    let listed = test.incidents(test.folder.source(&["today.csv"]), 2).await;
    let find = async |id: &str| {
        let mut source = test.folder.source(&["today.csv"]);
        find_incident(&engine(2), &test.model, &mut source, id, &[]).await
    };
    for incident in &listed.incidents {
        let found = find(&incident.id).await.expect("the incident");
        assert_eq!(found.incidents, std::slice::from_ref(incident));
        assert_eq!(found.found, listed.found);
    }
    let error = failed(find("0000000000000000").await);
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("none of the"), "{error}");
}

#[tokio::test]
async fn incidents_of_data_that_is_read_once_are_refused_in_words() {
    let test = BreakIn::new().await;
    let line = "{\"timestamp\": 1.5, \"processId\": 7, \"processName\": \"x\"}\n".repeat(10);
    let input = std::io::Cursor::new(line.into_bytes());
    let mut source =
        Source::from_json(input, &honeyguide::ReadOptions::default()).expect("a source");
    let options = ScoreOptions {
        incidents: true,
        ..ScoreOptions::default()
    };
    let to = test.folder.path("scored.ndjson");
    let scored = score_to_file(&engine(1), &test.model, &mut source, &to, options).await;
    let error = failed(scored);
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("a pass of their own"), "{error}");
    assert!(!to.exists());
}

#[tokio::test]
async fn a_log_without_processes_is_grouped_by_columns_or_by_the_strongest_reason() {
    let folder = Folder::new();
    let line = |n: usize, client: &str, bytes: usize| {
        format!(
            "{{\"timestamp\":\"2026-10-01T12:{:02}:{:02}Z\",\"client\":\"{client}\",\"bytes\":{bytes}}}\n",
            n / 60,
            n % 60
        )
    };
    let usual: String = (0..600).map(|n| line(n, "10.0.0.1", 100 + n % 7)).collect();
    let odd = (600..640).map(|n| line(n, ["10.9.9.1", "10.9.9.2"][n % 2], 90_000 + n));
    folder.write("usual.ndjson", &usual);
    folder.write("today.ndjson", usual + &odd.collect::<String>());
    let recipe = Recipe::from_toml(
        "name = \"web\"\n[[feature]]\nname = \"bytes\"\nexpr = \"bytes\"\n[[feature]]\nname = \"client\"\nrarity = { of = \"client\" }\n",
    );
    let mut source = folder.source(&["today.ndjson"]);
    let model = train(
        &engine(1),
        &mut source,
        &recipe.expect("a recipe"),
        &small_forest(),
    )
    .await;
    let model = model.expect("a model");
    let found = async |by: &[&str]| -> Result<Incidents, Error> {
        let options = IncidentOptions {
            by: by.iter().map(|column| (*column).to_owned()).collect(),
            ..IncidentOptions::default()
        };
        let mut source = folder.source(&["today.ndjson"]);
        incidents(&engine(2), &model, &mut source, &options).await
    };
    let by_client = found(&["client"]).await.expect("incidents");
    let values = by_client
        .incidents
        .iter()
        .map(|incident| incident.by[0].value.as_deref());
    let values: std::collections::BTreeSet<_> = values.collect();
    assert!(
        values.contains(&Some("10.9.9.1")) && values.contains(&Some("10.9.9.2")),
        "{values:?}"
    );
    let by_reason = found(&[]).await.expect("incidents");
    let first = &by_reason.incidents[0];
    assert_eq!(first.by[0].column, "strongest reason");
    assert_eq!(first.n_processes, 0);
    assert_eq!(by_reason.times_are_dates, Some(true));
    let error = failed(found(&["user"]).await);
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("its columns are"), "{error}");
}

/// Checks that the numbers of incidents at the thresholds of a report are those that models with these thresholds find, in
/// sum and on each host.
async fn check_counts(model: &Model, mut source: Source) {
    let made = report(&engine(2), model, &mut source, None).await;
    let made = made.expect("a report");
    let counts = &made.incidents.counts;
    assert_eq!(counts.len(), made.steps.steps().len() + 1, "all positions");
    let own = made.steps.above_threshold();
    let total = |position: usize| counts[&position].values().sum::<u64>();
    assert_eq!(total(own), made.incidents.found.found);
    assert_eq!(total(0), 0);
    let mut positions: Vec<usize> = (0..counts.len()).step_by(counts.len() / 6).collect();
    positions.extend([own, own + 1, counts.len() - 1]);
    for position in positions {
        let mut json: serde_json::Value = serde_json::from_str(&written(model)).expect("JSON");
        json["threshold"] = serde_json::json!({
            "value": made.steps.threshold(position),
            "method": {"given": {}},
        });
        let other = Model::from_json(&json.to_string()).expect("a model");
        let options = IncidentOptions {
            limit: 100_000,
            ..IncidentOptions::default()
        };
        let found = incidents(&engine(1), &other, &mut source, &options).await;
        let found = found.expect("incidents");
        assert_eq!(total(position), found.found, "position {position}");
        for (number, host) in made.places.hosts.iter().enumerate() {
            let here = counts[&position].iter();
            let here = here.filter(|(place, _)| made.places.host_of(**place) == number);
            let expected = found.incidents.iter().filter(|one| one.host == host.name);
            assert_eq!(
                here.map(|(_, incidents)| incidents).sum::<u64>(),
                expected.count() as u64,
                "position {position}, {host:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_report_counts_the_incidents_of_other_thresholds_exactly() {
    let test = BreakIn::new().await;
    check_counts(&test.model, test.folder.source(&["today.csv"])).await;
    check_counts(&test.model, test.folder.source(&["train.csv"])).await;
    check_counts(&test.model, test.folder.source(&["children_first.csv"])).await;
}

#[tokio::test]
async fn a_report_counts_incidents_of_a_log_without_processes() {
    let folder = Folder::new();
    let row = |n: usize| {
        let host = ["a", "b"][n % 2];
        let time = 1_790_000_000 + n * 400;
        format!("{time},{host},{},{}\n", n * n % 31, n * 7 % 13)
    };
    let rows: String = (0..120).map(row).collect();
    folder.write("table.csv", format!("timestamp,hostName,x,y\n{rows}"));
    let recipe = Recipe::from_toml(
        "name = \"two\"\n[[feature]]\nname = \"x\"\nexpr = \"x\"\n[[feature]]\nname = \"y\"\nexpr = \"y\"\n",
    );
    let mut source = folder.source(&["table.csv"]);
    let recipe = recipe.expect("a recipe");
    let model = train(&engine(1), &mut source, &recipe, &small_forest()).await;
    check_counts(&model.expect("a model"), source).await;
}
