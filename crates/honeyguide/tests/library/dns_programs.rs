//! Messages of DNS as Suricata and Zeek write them become the columns of a log of DNS.

use honeyguide::log::Log;
use honeyguide::sql::TextFormat;
use honeyguide::{Format, ReadOptions, ScanCounts, Source};

use crate::common::{Folder, answer, engine, failed};

const EVE_2: &str = include_str!("fixtures/dns/eve-v2.ndjson");
const EVE_3: &str = include_str!("fixtures/dns/eve-v3.ndjson");
const ZEEK: &str = include_str!("fixtures/dns/zeek.ndjson");

/// The messages of the fixtures of Suricata.
const MESSAGES: &str = "\
2026-03-02T08:30:00.250,10.20.2.1,10.20.0.2,www.example.com,,,www.example.com,,['A'],0,0,0,10.20.2.1
2026-03-02T08:30:00.281500,10.20.0.2,10.20.2.1,www.example.com,\"[\"\"it's.example.com\"\", '192.0.2.7']\",\"['300', '60']\",www.example.com,,['A'],2,0,0,10.20.2.1
2026-03-02T08:30:02,10.20.2.1,10.20.0.2,missing.example.org,,,missing.example.org,,['MX'],0,0,0,10.20.2.1
2026-03-02T08:30:02.004,10.20.0.2,10.20.2.1,missing.example.org,,,missing.example.org,,['MX'],0,3,0,10.20.2.1
2026-03-02T08:30:04,10.20.2.9,203.0.113.53,mzxw6ytboi3dkn.t.example.net,,,mzxw6ytboi3dkn.t.example.net,,['TXT'],0,0,0,10.20.2.9
";
/// The lines of the fixture of Zeek.
const LINES: &str = "\
2026-03-02T08:30:00.250,10.20.0.2,10.20.2.1,www.example.com,\"[\"\"it's.example.com\"\", '192.0.2.7']\",\"['300', '60']\",www.example.com,['IN'],['A'],2,0,0,10.20.2.1
2026-03-02T08:30:02,10.20.0.2,10.20.2.1,missing.example.org,,,missing.example.org,['IN'],['MX'],0,3,0,10.20.2.1
2026-03-02T08:30:04,10.20.2.9,203.0.113.53,mzxw6ytboi3dkn.t.example.net,,,mzxw6ytboi3dkn.t.example.net,['IN'],['TXT'],0,0,0,10.20.2.9
";

fn options(format: Option<&str>) -> ReadOptions {
    ReadOptions {
        format: format.map(|name| name.parse::<Format>().expect("a format")),
        ..ReadOptions::default()
    }
}

/// Returns the answer to a query, without its header.
async fn rows(source: Source, query: &str) -> String {
    let text = answer(&engine(2), source, query, TextFormat::Csv).await;
    let (_, rows) = text.split_once('\n').expect("a header");
    rows.to_owned()
}

/// Returns the columns that BETH has, in its order.
fn own_columns() -> String {
    let columns = Log::dns().columns();
    let names = columns
        .iter()
        .filter(|(name, _)| !Log::dns().is_label(name));
    names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Returns the counts of a scan that reads all columns of a file.
async fn counts(folder: &Folder, name: &str) -> ScanCounts {
    let mut source = folder.source(&[name]);
    let counted = honeyguide::inspect::inspect(&engine(2), &mut source).await;
    counted.expect("readable lines");
    source.counts().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_every_form_have_the_columns_of_beth() {
    let folder = Folder::with(&[("2.ndjson", EVE_2), ("3.ndjson", EVE_3), ("z.ndjson", ZEEK)]);
    for (name, format, expected) in [
        ("2.ndjson", "eve", MESSAGES),
        ("3.ndjson", "eve", MESSAGES),
        ("z.ndjson", "zeek", LINES),
    ] {
        for format in [None, Some(format)] {
            let source = folder.open(&[name], &options(format)).expect(name);
            assert_eq!(source.log().name(), Log::dns().name());
            let query = format!("SELECT {} FROM events ORDER BY Timestamp", own_columns());
            assert_eq!(rows(source, &query).await, expected, "{name} {format:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_column_of_beth_is_kept() {
    let folder = Folder::with(&[("2.ndjson", EVE_2), ("3.ndjson", EVE_3), ("z.ndjson", ZEEK)]);
    for (name, columns, expected) in [
        (
            "2.ndjson",
            r#"flow_id, in_iface, dest_port, "dns.id", "dns.type", "dns.ra""#,
            "586497171462735,eth0,53,4711,answer,true\n",
        ),
        (
            "3.ndjson",
            r#"host, proto, "dns.flags", "dns.version""#,
            "sensor-1,UDP,8180,3\n",
        ),
        (
            "z.ndjson",
            r#"uid, "id.orig_p", rtt, qtype, "RD""#,
            "CHFRflzsgM15k9et4,41022,0.0315,1,true\n",
        ),
    ] {
        let query = format!("SELECT {columns} FROM events WHERE NumberOfAnswers = 2");
        assert_eq!(
            rows(folder.source(&[name]), &query).await,
            expected,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_events_and_bad_lines_are_counted() {
    let bad = EVE_2.replace("\"event_type\":\"tls\",", "\"event_type\":");
    let late = ZEEK
        .lines()
        .cycle()
        .take(1200)
        .collect::<Vec<_>>()
        .join("\n");
    let late = format!(
        "{late}\n{}\n",
        ZEEK.lines()
            .next()
            .expect("a line")
            .replace("\"rtt\"", "\"late\"")
    );
    let folder = Folder::with(&[
        ("2.ndjson", EVE_2),
        ("bad.ndjson", &bad),
        ("late.ndjson", &late),
    ]);
    let found = counts(&folder, "2.ndjson").await.intake.expect("lines");
    assert_eq!(
        (found.events, found.other_lines, found.bad_lines),
        (5, 2, 0)
    );
    assert!(
        found.first_other_lines[0].contains("an event of type `flow`"),
        "{found:?}"
    );
    let found = counts(&folder, "bad.ndjson").await.intake.expect("lines");
    assert_eq!(
        (found.events, found.other_lines, found.bad_lines),
        (5, 1, 1)
    );
    let found = counts(&folder, "late.ndjson").await.intake.expect("lines");
    assert_eq!(
        (found.events, found.late_keys),
        (1201, vec!["late".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_lines_are_refused_where_a_format_is_named() {
    let flows: Vec<&str> = EVE_2
        .lines()
        .filter(|line| !line.contains("\"dns\":{"))
        .collect();
    let folder = Folder::with(&[
        ("flows.ndjson", flows.join("\n")),
        ("z.ndjson", ZEEK.to_owned()),
    ]);
    for (name, format, says) in [
        ("flows.ndjson", "eve", "line 1: an event of type `flow`"),
        ("z.ndjson", "eve", "there is no `event_type`"),
        ("flows.ndjson", "zeek", "there is no `ts`"),
    ] {
        let error = failed(folder.open(&[name], &options(Some(format)))).to_string();
        assert!(error.contains(says), "{name} {format}: {error}");
    }
    // Without a format, events of other types are a table, and so are lookups as plain JSON.
    for (name, format) in [("flows.ndjson", None), ("z.ndjson", Some("ndjson"))] {
        let source = folder.open(&[name], &options(format)).expect(name);
        assert_eq!(source.log().name(), Log::table().name());
    }
}
