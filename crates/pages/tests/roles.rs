//! Pages of tables that are not logs of kernel calls: roles of columns that the caller names.

use std::num::NonZeroUsize;
use std::path::Path;

use honeyguide::report::report;
use honeyguide::{
    Engine, Model, ReadOptions, Recipe, Source, ThresholdPolicy, TrainOptions, train,
};
use pages::Origin;
use tempfile::TempDir;

/// How rare a request is.
const ACCESS: &str = "name = 'access'\n\
    [[feature]]\nname = 'path'\nrarity = { of = 'path' }\n\
    [[feature]]\nname = 'status'\nrarity = { of = 'status', given = ['path'] }\n";

/// Writes a file into a folder of the test.
fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(path: &str) -> Source {
    Source::open(&[path.to_owned()]).expect("a readable table")
}

fn engine() -> Engine {
    Engine::new(NonZeroUsize::MIN).expect("an engine")
}

fn roles() -> ReadOptions {
    ReadOptions {
        host_column: Some("server".into()),
        time_column: Some("time".into()),
        ..ReadOptions::default()
    }
}

/// Requests to three servers on three days, one of them with a path of its own.
fn access(name_of_time: &str) -> String {
    let mut text = format!("{name_of_time},server,path,status\n");
    for day in 3..6 {
        for server in ["a", "b", "c"] {
            for hour in 0..24 {
                let path = ["/", "/news", "/login"][hour % 3];
                let status = if hour == 23 && server == "c" {
                    500
                } else {
                    200
                };
                text += &format!("2025-03-0{day}T{hour:02}:59:59Z,{server},{path},{status}\n");
            }
        }
    }
    text
}

async fn model(source: &mut Source) -> Model {
    let options = TrainOptions {
        n_estimators: 10,
        threshold: ThresholdPolicy::HeldOutHostsOrAuto {
            false_positive_rate: 0.1,
        },
        ..TrainOptions::default()
    };
    let recipe = Recipe::from_toml(ACCESS).expect("a recipe");
    let model = train(&engine(), source, &recipe, &options).await;
    model.expect("a model")
}

/// Returns the page of a report as HTML, and its definition of an alert.
async fn page(source: &mut Source, model: &Model) -> (String, Option<String>) {
    let report = report(&engine(), model, source, None).await;
    let report = report.expect("a report");
    let origin = Origin {
        command: "honeyguide report",
        model,
        model_file: Path::new("model.json"),
        source,
    };
    let page = pages::report(&report, origin).expect("a page");
    let definition = report.alerts.map(|alerts| alerts.definition);
    (page.html().to_owned(), definition)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_table_tell_hosts_and_days_apart() {
    let folder = folder();
    let path = write(&folder, "access.csv", &access("time"));
    let mut source =
        Source::open_with(std::slice::from_ref(&path), &roles()).expect("the columns are there");
    let model = model(&mut source).await;
    let (html, alerts) = page(&mut source, &model).await;
    let says = "216 events of 3 hosts, 2025-03-03 00:59:59 to 2025-03-05 23:59:59 UTC";
    assert!(html.contains(says), "{says}");
    assert!(html.contains("2025-03-04"));
    let alerts = alerts.expect("hosts and days group events");
    assert!(alerts.contains("one host on one day"), "{alerts}");
    let (html, alerts) = page(&mut open(&path), &model).await;
    assert!(html.contains("no usable column timestamp") && html.contains("no column hostName"));
    assert_eq!(alerts, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_may_be_text_or_numbers_of_any_unit() {
    let folder = folder();
    let path = write(&folder, "access.csv", &access("timestamp"));
    let mut source = open(&path);
    let model = model(&mut source).await;
    let second = 1_741_046_399_i64;
    for (name, time, day) in [
        (
            "zone",
            "2025-03-03T23:59:59-05:00".to_owned(),
            "2025-03-04 04:59:59",
        ),
        (
            "space",
            "2025-03-03 23:59:59.75".to_owned(),
            "2025-03-03 23:59:59",
        ),
        ("date", "2025-03-03".to_owned(), "2025-03-03 00:00:00"),
        ("seconds", second.to_string(), "2025-03-03 23:59:59"),
        (
            "nanoseconds",
            format!("{second}000000000"),
            "2025-03-03 23:59:59",
        ),
    ] {
        let text = format!("at,server,path,status\n{time},a,/,200\n{time},b,/,200\n");
        let path = write(&folder, &format!("{name}.csv"), &text);
        let options = ReadOptions {
            time_column: Some("at".into()),
            ..ReadOptions::default()
        };
        let mut source = Source::open_with(&[path], &options).expect("the column is there");
        let (html, _) = page(&mut source, &model).await;
        let says = format!("2 events, {day} to {day} UTC");
        assert!(html.contains(&says), "{name}: {says}");
    }
    let path = write(&folder, "no.csv", "timestamp,path,status\nlate,/,200\n");
    let (html, _) = page(&mut open(&path), &model).await;
    assert!(html.contains("no usable column timestamp"));
}
