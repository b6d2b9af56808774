//! Logs of DNS: types and roles of their columns, the recipe `dns` against figures computed by hand, and the same model in
//! every format.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use honeyguide::convert::{ConvertOptions, convert};
use honeyguide::incident::{IncidentOptions, incidents};
use honeyguide::log::Log;
use honeyguide::sql::TextFormat;
use honeyguide::{
    Contamination, Model, Recipe, Source, ThresholdMethod, ThresholdPolicy, TrainOptions, train,
};

use crate::common::{
    Folder, LOOKUP_HEADER, Lookup, answer, engine, lookups, recipe, small_model, written,
};

/// The type of times as in ISO 8601.
const TIME: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

fn data_type(source: &Source, name: &str) -> DataType {
    let mut columns = source.columns().iter();
    let column = columns.find(|column| column.name == name);
    column.expect("the column").data_type.clone()
}

#[test]
fn columns_have_their_types_and_roles() {
    let folder = Folder::with(&[("x.csv", lookups(20))]);
    let source = folder.source(&["x.csv"]);
    let log = source.log();
    assert_eq!(log.name(), Log::dns().name());
    assert_eq!(
        (log.host(), log.time()),
        (Some("SensorId"), Some("Timestamp"))
    );
    assert_eq!(log.default_recipe(), "dns");
    for (name, expected) in [
        ("Timestamp", TIME),
        ("DnsAnswer", DataType::Utf8),
        ("NumberOfAnswers", DataType::Int64),
        ("evil", DataType::Int64),
    ] {
        assert_eq!(data_type(&source, name), expected, "{name}");
    }
}

#[test]
fn times_may_be_numbers_and_names_are_text() {
    let row = "1767312000.5,10.20.2.1,10.20.0.2,127,,,127,['IN'],['A'],0,3.0,0,7,0,0";
    let folder = Folder::with(&[("x.csv", format!("{LOOKUP_HEADER}\n{row}\n"))]);
    let source = folder.source(&["x.csv"]);
    for (name, expected) in [
        ("Timestamp", DataType::Float64),
        ("DnsQuery", DataType::Utf8),
        ("SensorId", DataType::Utf8),
        ("DnsResponseCode", DataType::Int64),
    ] {
        assert_eq!(data_type(&source, name), expected, "{name}");
    }
}

/// Returns queries of the host 1 and of the host 2 with their responses, as rows of a table.
fn few() -> String {
    let query = Lookup {
        second: 0,
        host: 1,
        name: "www.example.com",
        kind: "A",
        answer: None,
        code: 0,
        evil: false,
    };
    let response = Lookup {
        answer: Some("192.0.2.7"),
        ..query
    };
    let unknown = Lookup {
        name: "mail.example.co.uk",
        kind: "MX",
        code: 3,
        ..query
    };
    let reverse = Lookup {
        name: "7.2.0.192.in-addr.arpa",
        kind: "PTR",
        host: 2,
        ..query
    };
    let rows = [query, response, unknown, reverse].map(|row| row.line());
    format!("{LOOKUP_HEADER}\n{}\n", rows.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_those_computed_by_hand() {
    let folder = Folder::with(&[("x.csv", few())]);
    let model = small_model(&mut folder.source(&["x.csv"]), "dns").await;
    folder.write("m.json", written(&model));
    let path = folder.path("m.json").display().to_string();
    // −ln((n + 1) / (of + D + 1)): D is the number of distinct values, in all events.
    let rarity = |n: f64, of: f64, distinct: f64| -((n + 1.0) / (of + distinct + 1.0)).ln();
    let entropy = |counts: &[f64]| {
        let total: f64 = counts.iter().sum();
        counts
            .iter()
            .map(|count| -count / total * (count / total).log2())
            .sum::<f64>()
    };
    // The domains are example.com (2), example.co.uk (1) and a reverse lookup (1); two rows come from the server.
    let expected: [(&str, [f64; 4]); 10] = [
        (
            "domain",
            [
                rarity(2.0, 4.0, 3.0),
                rarity(2.0, 4.0, 3.0),
                rarity(1.0, 4.0, 3.0),
                rarity(1.0, 4.0, 3.0),
            ],
        ),
        (
            "domain_for_host",
            [
                rarity(2.0, 3.0, 3.0),
                rarity(2.0, 3.0, 3.0),
                rarity(1.0, 3.0, 3.0),
                rarity(1.0, 1.0, 3.0),
            ],
        ),
        (
            "domain_for_type",
            [
                rarity(2.0, 2.0, 3.0),
                rarity(2.0, 2.0, 3.0),
                rarity(1.0, 1.0, 3.0),
                rarity(1.0, 1.0, 3.0),
            ],
        ),
        (
            "type_for_domain",
            [
                rarity(2.0, 2.0, 3.0),
                rarity(2.0, 2.0, 3.0),
                rarity(1.0, 1.0, 3.0),
                rarity(1.0, 1.0, 3.0),
            ],
        ),
        (
            "type",
            [
                rarity(2.0, 4.0, 3.0),
                rarity(2.0, 4.0, 3.0),
                rarity(1.0, 4.0, 3.0),
                rarity(1.0, 4.0, 3.0),
            ],
        ),
        (
            "response_code_for_domain",
            [
                rarity(2.0, 2.0, 2.0),
                rarity(2.0, 2.0, 2.0),
                rarity(1.0, 1.0, 2.0),
                rarity(1.0, 1.0, 2.0),
            ],
        ),
        (
            "answers_for_domain",
            [
                rarity(1.0, 2.0, 2.0),
                rarity(1.0, 2.0, 2.0),
                rarity(1.0, 1.0, 2.0),
                rarity(1.0, 1.0, 2.0),
            ],
        ),
        // The other side is the server in all rows, whoever sends them.
        ("other_side", [rarity(4.0, 4.0, 1.0); 4]),
        (
            "entropy",
            [
                // wwwexample, mailexample, 7201920 before in-addr.arpa.
                entropy(&[3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
                entropy(&[3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
                entropy(&[2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]),
                entropy(&[2.0, 1.0, 1.0, 1.0, 1.0]),
            ],
        ),
        ("length", [15.0, 15.0, 18.0, 22.0]),
    ];
    for (feature, values) in expected {
        let query = format!("SELECT anomaly_features('{path}')['{feature}'] AS x FROM events");
        let found = answer(
            &engine(1),
            folder.source(&["x.csv"]),
            &query,
            TextFormat::Csv,
        )
        .await;
        let found: Vec<f64> = found
            .lines()
            .skip(1)
            .map(|line| line.parse().expect("a number"))
            .collect();
        assert_eq!(found.len(), 4);
        for (found, expected) in found.iter().zip(values) {
            assert!(
                (found - expected).abs() < 1e-9,
                "{feature}: {found}, not {expected}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_lookups_give_the_same_model_in_every_format() {
    let text = lookups(300);
    let folder = Folder::with(&[("x.csv", text)]);
    let expected = written(&small_model(&mut folder.source(&["x.csv"]), "dns").await);
    let json = answer(
        &engine(2),
        folder.source(&["x.csv"]),
        "SELECT * FROM events",
        TextFormat::Json,
    )
    .await;
    let lines: Vec<&str> = json.lines().filter(|line| line.starts_with('{')).collect();
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.trim_end_matches(','))
        .collect();
    folder.write("x.ndjson", lines.join("\n"));
    for (name, parse_lists) in [("text.parquet", false), ("lists.parquet", true)] {
        let options = ConvertOptions {
            parse_lists,
            ..ConvertOptions::default()
        };
        let path = folder.path(name);
        let mut source = folder.source(&["x.csv"]);
        convert(&engine(2), &mut source, path.as_path(), &options)
            .await
            .expect("a file");
    }
    let lists = folder.source(&["lists.parquet"]);
    assert!(data_type(&lists, "DnsQueryType").is_nested());
    for name in ["x.ndjson", "text.parquet", "lists.parquet"] {
        let model = small_model(&mut folder.source(&[name]), "dns").await;
        assert_eq!(written(&model), expected, "{name}");
    }
}

/// Trains a model with the recipe `dns` as the command line does.
async fn trained(source: &mut Source) -> Model {
    let options = TrainOptions {
        threshold: ThresholdPolicy::HeldOut {
            false_positive_rate: 0.01,
        },
        ..TrainOptions::default()
    };
    let dns: Recipe = recipe("dns");
    train(&engine(2), source, &dns, &options)
        .await
        .expect("a model")
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_held_out_and_an_incident_names_what_was_asked() {
    let benign: Vec<String> = lookups(600)
        .lines()
        .filter(|line| line.ends_with(",0"))
        .map(String::from)
        .collect();
    let benign = format!("{LOOKUP_HEADER}\n{}\n", benign.join("\n"));
    let folder = Folder::with(&[("train.csv", benign), ("test.csv", lookups(600))]);
    let model = trained(&mut folder.source(&["train.csv"])).await;
    let ThresholdMethod::LeaveOneHostOut { hosts, .. } = &model.threshold().method else {
        panic!("{:?}", model.threshold().method);
    };
    assert_eq!(hosts.len(), 3);
    let mut source = folder.source(&["test.csv"]);
    let found = incidents(&engine(2), &model, &mut source, &IncidentOptions::default())
        .await
        .expect("incidents");
    assert_eq!(found.incidents.len(), 1, "{:?}", found.incidents);
    let incident = &found.incidents[0];
    assert_eq!(incident.host.as_deref(), Some("ip-10-20-2-2"));
    assert_eq!(incident.events, 8);
    assert_eq!(incident.addresses.distinct, 4);
    assert!(incident.addresses.most[0].name.ends_with(".t.example.net"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labels_change_no_score() {
    let text = lookups(300);
    let other = text.replace(",1,1\n", ",0,0\n");
    assert_ne!(text, other);
    let folder = Folder::with(&[("x.csv", text), ("y.csv", other)]);
    let mut forests = Vec::new();
    for name in ["x.csv", "y.csv"] {
        let mut source = folder.source(&[name]);
        let options = TrainOptions {
            threshold: ThresholdPolicy::Contamination(Contamination::Auto),
            ..TrainOptions::default()
        };
        let model = train(&engine(2), &mut source, &recipe("dns"), &options).await;
        folder.write("m.json", written(&model.expect("a model")));
        let path = folder.path("m.json").display().to_string();
        let query = format!("SELECT anomaly_score('{path}') AS score FROM events");
        forests.push(answer(&engine(2), source, &query, TextFormat::Csv).await);
    }
    assert_eq!(forests[0], forests[1]);
}
