//! A source carries its log: which columns have which types and roles, in logs of kernel calls and in other tables.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use honeyguide::evaluate::evaluate;
use honeyguide::inspect::inspect;
use honeyguide::log::Log;
use honeyguide::{
    ErrorKind, Model, ReadOptions, Source, ThresholdMethod, TrainOptions, builtin, train,
};
use tempfile::TempDir;

use crate::common::engine;
use crate::common::requests::{access, model_of_requests, roles};

/// The type of times as in ISO 8601.
const TIME: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);
/// The columns of BETH's labelled files, of its per-host files, and of its DNS files.
const LABELLED: &str = "timestamp,processId,threadId,parentProcessId,userId,mountNamespace,processName,hostName,eventId,\
    eventName,stackAddresses,argsNum,returnValue,args,sus,evil";
const PER_HOST: &str = "timestamp,processId,parentProcessId,userId,processName,hostName,eventId,eventName,argsNum,\
    returnValue,args,sus,evil";
const DNS: &str = "Timestamp,SourceIP,DestinationIP,DnsQuery,DnsAnswer,DnsAnswerTTL,DnsQueryNames,DnsQueryClass,\
    DnsQueryType,NumberOfAnswers,DnsResponseCode,DnsOpCode,SensorId,sus,evil";

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

fn opened(text: &str, name: &str) -> Source {
    let folder = folder();
    open(&write(&folder, name, text))
}

fn data_type(source: &Source, name: &str) -> DataType {
    let mut columns = source.columns().iter();
    let column = columns.find(|column| column.name == name);
    column.expect("the column").data_type.clone()
}

fn left_out(model: &Model) -> Vec<String> {
    match &model.threshold().method {
        ThresholdMethod::LeaveOneHostOut { hosts, .. } => {
            hosts.iter().map(|host| host.host.clone()).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn logs_are_told_from_other_tables_by_their_columns() {
    let kernel_calls = Log::kernel_calls().name();
    for header in [LABELLED, PER_HOST, "eventId,userId,returnValue,args,more"] {
        let source = opened(&format!("{header}\n"), "x.csv");
        assert_eq!(source.log().name(), kernel_calls, "{header}");
    }
    for header in [DNS, "DnsQuery,SensorId,SourceIP,DnsQueryType,more"] {
        let source = opened(&format!("{header}\n"), "x.csv");
        assert_eq!(source.log().name(), Log::dns().name(), "{header}");
    }
    for header in [
        "DnsQuery,SensorId,SourceIP,sus,evil",
        "SensorId,SourceIP,DnsQueryType,DnsAnswer",
        "hostName,timestamp,userId,processId,args",
        "eventName,userId,x,sus,evil",
        "time,server",
    ] {
        let source = opened(&format!("{header}\n"), "x.csv");
        assert_eq!(source.log().name(), Log::table().name(), "{header}");
    }
    let fixtures = "tests/library/fixtures";
    for name in ["model-v1.csv", "tracee/v0.5.ndjson", "tracee/v0.20.ndjson"] {
        let source = open(&format!("{fixtures}/{name}"));
        assert_eq!(source.log().name(), kernel_calls, "{name}");
    }
}

#[test]
fn the_columns_of_folders_count_as_columns_of_the_log() {
    let folder = folder();
    for (host, user) in [("a", "7"), ("9", "8")] {
        let name = format!("lake/hostName={host}/userId={user}/x.csv");
        write(&folder, &name, "eventName,returnValue\nopen,3\n");
    }
    let source = open(&folder.path().join("lake").display().to_string());
    assert_eq!(source.log().name(), Log::kernel_calls().name());
    assert_eq!(data_type(&source, "hostName"), DataType::Utf8);
    assert_eq!(data_type(&source, "userId"), DataType::Int64);
    let folder = self::folder();
    write(&folder, "lake/hostName=7/userId=u1/x.csv", "a,b\n1,2\n");
    let source = open(&folder.path().join("lake").display().to_string());
    assert_eq!(source.log().name(), Log::table().name());
    assert_eq!(data_type(&source, "hostName"), DataType::Int64);
    assert_eq!(data_type(&source, "userId"), DataType::Utf8);
}

#[test]
fn a_table_keeps_its_own_types() {
    let csv =
        "timestamp,userId,args,level\n2025-03-03T00:00:00Z,u1,7,1\n2025-03-04T00:00:00Z,u2,8,2\n";
    let json =
        "{\"timestamp\":\"2025-03-03T00:00:00Z\",\"userId\":\"u1\",\"args\":7,\"level\":1}\n";
    for (name, text) in [("x.csv", csv), ("x.ndjson", json)] {
        let source = opened(text, name);
        for (column, expected) in [
            ("timestamp", TIME),
            ("userId", DataType::Utf8),
            ("args", DataType::Int64),
            ("level", DataType::Int64),
        ] {
            assert_eq!(data_type(&source, column), expected, "{name}: {column}");
        }
    }
}

#[test]
fn a_log_of_kernel_calls_keeps_types_that_none_of_its_values_have() {
    let csv = "timestamp,userId,processId,eventId,eventName,returnValue\n\
        2025-03-03T00:00:00Z,u1,x,1,2,\n2025-03-04T00:00:00Z,u2,5,1,3,\n";
    let json = "{\"timestamp\":\"2025-03-03T00:00:00Z\",\"userId\":\"u1\",\"processId\":\"x\",\"eventId\":\"1\",\
         \"eventName\":2,\"returnValue\":null}\n{\"processId\":5}\n";
    for (name, text) in [("x.csv", csv), ("x.ndjson", json)] {
        let source = opened(text, name);
        assert_eq!(source.log().name(), Log::kernel_calls().name());
        for (column, expected) in [
            ("timestamp", TIME),
            ("userId", DataType::Utf8),
            // One good value bears the type out, and a bad one stays an error.
            ("processId", DataType::Int64),
            ("eventId", DataType::Int64),
            ("eventName", DataType::Utf8),
            ("returnValue", DataType::Int64),
        ] {
            assert_eq!(data_type(&source, column), expected, "{name}: {column}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_all_files_decide() {
    let header = "timestamp,processId,eventName,returnValue";
    let folder = folder();
    let empty = write(&folder, "empty.csv", &format!("{header}\n"));
    let times = write(
        &folder,
        "times.csv",
        &format!("{header}\n2025-03-03,1,open,0\n"),
    );
    let numbers = write(&folder, "numbers.csv", &format!("{header}\n1.5,1,open,0\n"));
    let source = Source::open(&[empty, times.clone()]).expect("readable tables");
    assert_eq!(data_type(&source, "timestamp"), DataType::Utf8);
    assert_eq!(data_type(&source, "processId"), DataType::Int64);
    let mut source = Source::open(&[numbers, times]).expect("readable tables");
    assert_eq!(data_type(&source, "timestamp"), DataType::Float64);
    let error = inspect(&engine(1), &mut source)
        .await
        .expect_err("no number");
    let says = "times.csv: line 2, column 1 (`timestamp`): expected a number";
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_among_good_ones_stays_an_error() {
    let folder = folder();
    let mut text = "timestamp,userId,eventName,returnValue\n".to_owned();
    for row in 0..20 {
        let user = if row == 3 {
            "u1".to_owned()
        } else {
            row.to_string()
        };
        text += &format!("{row},{user},open,0\n");
    }
    let mut source = open(&write(&folder, "x.csv", &text));
    let error = inspect(&engine(1), &mut source)
        .await
        .expect_err("u1 is no number");
    let says = "x.csv: line 5, column 2 (`userId`): expected a whole number";
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_any_table_are_left_out() {
    let folder = folder();
    let path = write(&folder, "access.csv", &access("time"));
    let unnamed = model_of_requests(&mut open(&path)).await;
    assert_eq!(left_out(&unnamed), [""; 0]);
    let mut source = Source::open_with(&[path], &roles()).expect("the columns are there");
    assert_eq!(
        left_out(&model_of_requests(&mut source).await),
        ["a", "b", "c"]
    );
    let found = inspect(&engine(1), &mut source).await.expect("a table");
    let hosts = found.hosts.expect("a column of hosts");
    assert_eq!((hosts.column.as_str(), hosts.distinct.count), ("server", 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_may_name_the_hosts_of_any_table() {
    let folder = folder();
    for server in ["a", "b", "c"] {
        let rows = (0..40).map(|row| format!("/{},200\n", row % 4));
        let text = rows.fold("path,status\n".to_owned(), |text, row| text + &row);
        write(&folder, &format!("lake/server={server}/x.csv"), &text);
    }
    let options = ReadOptions {
        host_column: Some("server".into()),
        ..ReadOptions::default()
    };
    let lake = folder.path().join("lake").display().to_string();
    let mut source = Source::open_with(&[lake], &options).expect("the folders name the column");
    assert_eq!(
        left_out(&model_of_requests(&mut source).await),
        ["a", "b", "c"]
    );
}

#[test]
fn a_role_needs_a_column_that_the_data_has() {
    let folder = folder();
    let path = write(&folder, "access.csv", &access("time"));
    let named = |host: Option<&str>, time: Option<&str>| ReadOptions {
        host_column: host.map(str::to_owned),
        time_column: time.map(str::to_owned),
        ..ReadOptions::default()
    };
    for (options, says) in [
        (
            named(Some("machine"), None),
            "`host_column` machine: the data has no such column",
        ),
        (
            named(None, Some("when")),
            "`time_column` when: the data has no such column",
        ),
    ] {
        let error = Source::open_with(std::slice::from_ref(&path), &options).expect_err(says);
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(error.message(), says);
        let hint = error.hint_text().expect("the columns");
        assert!(hint.contains("time, server, path, status"), "{hint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_is_a_baseline_of_kernel_calls_only() {
    let folder = folder();
    for (header, baselines) in [
        ("userId,returnValue,processId,eventName,sus", 2),
        ("userId,status,bytes,path,sus", 1),
    ] {
        let mut text = format!("{header}\n");
        for row in 0..60 {
            text += &format!("{},{},{},x,{}\n", 970 + row, row % 3, row % 4, row % 2);
        }
        let mut source = open(&write(&folder, "x.csv", &text));
        let recipe = builtin("raw").expect("a built-in recipe");
        let options = TrainOptions::default();
        let model = train(&engine(1), &mut source, &recipe, &options).await;
        let model = model.expect("a model");
        let found = evaluate(&engine(1), &model, &mut source, None).await;
        let found = found.expect("labels");
        let names = found.labels[0].baselines.iter();
        let names: Vec<&str> = names.map(|baseline| baseline.name.as_str()).collect();
        let expected = ["flag everything", "userId >= 1000"];
        assert_eq!(names, expected[..baselines], "{header}");
    }
}

#[test]
fn roles_that_are_named_identify_events_too() {
    let log = Log::kernel_calls().with_host("machine").with_time("at");
    assert_eq!((log.host(), log.time()), (Some("machine"), Some("at")));
    let names = ["args", "eventName", "machine", "hostName", "at"];
    assert_eq!(log.shown(&names, 2), ["at", "machine", "eventName"]);
    assert_eq!(Log::table().shown(&names, 2), ["args", "eventName"]);
}
