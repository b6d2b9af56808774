//! Messages of DNS as Suricata and Zeek write them become the columns of a log of DNS.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use honeyguide::incident::{LiveEvents, LiveOptions};
use honeyguide::log::Log;
use honeyguide::sql::TextFormat;
use honeyguide::{Format, ReadOptions, ScanCounts, Source, TrainOptions, Unread, train};

use crate::common::{Folder, answer, engine, failed};

const EVE_1: &str = include_str!("fixtures/dns/eve-v1.ndjson");
const EVE_2: &str = include_str!("fixtures/dns/eve-v2.ndjson");
const EVE_3: &str = include_str!("fixtures/dns/eve-v3.ndjson");
const ZEEK: &str = include_str!("fixtures/dns/zeek.ndjson");
const ZEEK_TSV: &str = include_str!("fixtures/dns/zeek.log");

/// The messages of the fixtures of Suricata.
const MESSAGES: &str = "\
2026-03-02T08:30:00.250,10.20.2.1,10.20.0.2,www.example.com,,,www.example.com,,['A'],0,0,0,10.20.2.1
2026-03-02T08:30:00.281500,10.20.0.2,10.20.2.1,www.example.com,\"[\"\"it's.example.com\"\", '192.0.2.7']\",\"['300', '60']\",www.example.com,,['A'],2,0,0,10.20.2.1
2026-03-02T08:30:02,10.20.2.1,10.20.0.2,missing.example.org,,,missing.example.org,,['MX'],0,0,0,10.20.2.1
2026-03-02T08:30:02.004,10.20.0.2,10.20.2.1,missing.example.org,,,missing.example.org,,['MX'],0,3,0,10.20.2.1
2026-03-02T08:30:04,10.20.2.9,203.0.113.53,mzxw6ytboi3dkn.t.example.net,,,mzxw6ytboi3dkn.t.example.net,,['TXT'],0,0,0,10.20.2.9
";
/// The messages of the fixture of the form 1, in which each answer is an event of its own.
const SINGLE_ANSWERS: &str = "\
2026-03-02T08:30:00.250,10.20.2.1,10.20.0.2,www.example.com,,,www.example.com,,['A'],0,0,0,10.20.2.1
2026-03-02T08:30:00.281500,10.20.0.2,10.20.2.1,it's.example.com,['192.0.2.7'],['60'],it's.example.com,,['A'],1,0,0,10.20.2.1
2026-03-02T08:30:00.281500,10.20.0.2,10.20.2.1,www.example.com,\"[\"\"it's.example.com\"\"]\",['300'],www.example.com,,['CNAME'],1,0,0,10.20.2.1
2026-03-02T08:30:02.004,10.20.0.2,10.20.2.1,missing.example.org,,,missing.example.org,,,0,3,0,10.20.2.1
2026-03-02T08:30:04,10.20.2.9,203.0.113.53,mzxw6ytboi3dkn.t.example.net,,,mzxw6ytboi3dkn.t.example.net,,['TXT'],0,0,0,10.20.2.9
";
/// The lines of the fixtures of Zeek.
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
    let folder = Folder::with(&[
        ("1.ndjson", EVE_1),
        ("2.ndjson", EVE_2),
        ("3.ndjson", EVE_3),
        ("z.ndjson", ZEEK),
        ("dns.log", ZEEK_TSV),
    ]);
    for (name, format, expected) in [
        ("1.ndjson", "eve", SINGLE_ANSWERS),
        ("2.ndjson", "eve", MESSAGES),
        ("3.ndjson", "eve", MESSAGES),
        ("z.ndjson", "zeek", LINES),
        ("dns.log", "zeek", LINES),
    ] {
        for format in [None, Some(format)] {
            let source = folder.open(&[name], &options(format)).expect(name);
            assert_eq!(source.log().name(), Log::dns().name());
            let query = format!(
                "SELECT {} FROM events ORDER BY Timestamp, DnsQuery",
                own_columns()
            );
            assert_eq!(rows(source, &query).await, expected, "{name} {format:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_column_of_beth_is_kept() {
    let folder = Folder::with(&[
        ("2.ndjson", EVE_2),
        ("3.ndjson", EVE_3),
        ("z.ndjson", ZEEK),
        ("dns.log", ZEEK_TSV),
    ]);
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
        (
            "dns.log",
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

/// Returns the fixture of Zeek's own format with its fields in the opposite order.
fn reversed() -> String {
    let lines = ZEEK_TSV.lines().map(|line| {
        let mut parts: Vec<&str> = line.split('\t').collect();
        match parts[0] {
            "#fields" | "#types" => parts[1..].reverse(),
            header if header.starts_with('#') => {}
            _ => parts.reverse(),
        }
        parts.join("\t") + "\n"
    });
    lines.collect()
}

/// Returns the fixture of Zeek's own format without some of its fields.
fn without(names: &[&str]) -> String {
    let fields = ZEEK_TSV.lines().find(|line| line.starts_with("#fields"));
    let fields: Vec<&str> = fields.expect("fields").split('\t').skip(1).collect();
    let lines = ZEEK_TSV.lines().map(|line| {
        let offset = match line.starts_with('#') {
            true if !line.starts_with("#fields") && !line.starts_with("#types") => {
                return line.to_owned() + "\n";
            }
            is_header => usize::from(is_header),
        };
        let parts = line.split('\t').enumerate();
        let kept = parts.filter(|(at, _)| *at < offset || !names.contains(&fields[at - offset]));
        kept.map(|(_, part)| part).collect::<Vec<_>>().join("\t") + "\n"
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_zeek_are_read_whatever_their_headers_and_compression() {
    let joined = ZEEK_TSV.to_owned() + &reversed();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(reversed().as_bytes()).expect("memory");
    let folder = Folder::with(&[
        ("dns.log", ZEEK_TSV.as_bytes()),
        ("reversed.log", reversed().as_bytes()),
        ("joined.log", joined.as_bytes()),
        ("windows.log", ZEEK_TSV.replace('\n', "\r\n").as_bytes()),
        (
            "mark.log",
            [b"\xEF\xBB\xBF", ZEEK_TSV.as_bytes()].concat().as_slice(),
        ),
        (
            "dns.10:00:00-11:00:00.log.gz",
            &gzip.finish().expect("memory"),
        ),
        (
            "dns.log.zst",
            &zstd::encode_all(ZEEK_TSV.as_bytes(), 1).expect("memory"),
        ),
        ("named.json", ZEEK_TSV.as_bytes()),
    ]);
    let twice: String = LINES
        .lines()
        .flat_map(|line| [line, "\n", line, "\n"])
        .collect();
    for (names, expected) in [
        (&["reversed.log"][..], LINES),
        (&["joined.log"], &twice),
        (&["windows.log"], LINES),
        (&["mark.log"], LINES),
        (&["dns.10:00:00-11:00:00.log.gz"], LINES),
        (&["dns.log.zst"], LINES),
        (&["named.json"], LINES),
        (&["dns.log", "reversed.log"], &twice),
        (&["reversed.log", "dns.log"], &twice),
    ] {
        let query = format!("SELECT {} FROM events ORDER BY Timestamp", own_columns());
        assert_eq!(
            rows(folder.source(names), &query).await,
            expected,
            "{names:?}"
        );
    }
    // A pattern finds names that tell no format, and the types of further fields are those of the header.
    let source = folder.source(&["dns*.log*"]);
    let query = r#"SELECT count(*), sum(qtype), bool_and("RD"), sum(rtt), arrow_typeof(min(rtt)) FROM events"#;
    assert_eq!(rows(source, query).await, "9,96,true,0.1065,Float64\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_messages_may_lack_what_others_have() {
    let folder = Folder::with(&[
        ("a.ndjson", ZEEK.to_owned()),
        ("b.log", without(&["rtt", "qclass", "answers"])),
        ("c.ndjson", EVE_3.to_owned()),
        ("d.ndjson", EVE_2.to_owned()),
    ]);
    let query = r#"SELECT count(*), count(rtt), count(uid), count("dns.version"), count(in_iface) FROM events"#;
    for names in [
        ["a.ndjson", "b.log", "c.ndjson", "d.ndjson"],
        ["d.ndjson", "c.ndjson", "b.log", "a.ndjson"],
    ] {
        let source = folder.source(&names);
        assert_eq!(rows(source, query).await, "16,2,6,10,5\n", "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_zeek_that_cannot_be_read_are_counted() {
    let lines: Vec<&str> = ZEEK_TSV.lines().collect();
    let of_conn = "#separator \\x09\n#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\n#types\ttime\taddr\taddr\n\
        1.0\t10.0.0.1\t10.0.0.2\n";
    let odd = [
        &lines[..9],
        &["too\tfew", "", &lines[9].replace("4712", "many"), "\t\t"],
        &lines[9..],
    ]
    .concat()
    .join("\n");
    let folder = Folder::with(&[("odd.log", odd + "\n" + of_conn)]);
    let found = counts(&folder, "odd.log").await.intake.expect("lines");
    assert_eq!(
        (found.events, found.bad_lines, found.other_lines),
        (3, 2, 1)
    );
    assert!(
        found.first_bad_lines[0].contains(
            "line 10: the number of values is 2, and that of the fields in the header is 24"
        ),
        "{found:?}"
    );
    assert!(
        found.first_bad_lines[1].contains("line 12: `trans_id`: expected a whole number"),
        "{found:?}"
    );
    assert!(
        found.first_other_lines[0].contains("there is no `query`"),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_messages_has_columns_all_the_same() {
    let header: Vec<&str> = ZEEK_TSV
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let folder = Folder::with(&[
        ("dns.log", header.join("\n")),
        ("full.log", ZEEK_TSV.to_owned()),
    ]);
    assert_eq!(
        rows(folder.source(&["dns.log"]), "SELECT count(*) FROM events").await,
        "0\n"
    );
    let both = folder.source(&["dns.log", "full.log"]);
    assert_eq!(
        rows(both, "SELECT count(*), max(rtt) FROM events").await,
        "3,0.0315\n"
    );
}

#[test]
fn other_logs_of_zeek_are_refused_by_their_name() {
    let conn = ZEEK_TSV
        .replace("#path\tdns", "#path\tconn")
        .replace("\tquery", "\tservice");
    let conn = conn
        .replace("qtype_name", "state")
        .replace("rcode_name", "x")
        .replace("trans_id", "y");
    let headless = ZEEK_TSV.lines().filter(|line| !line.starts_with('#'));
    let folder = Folder::with(&[
        ("conn.log", conn),
        ("no-fields.log", "#separator \\x09\n1.0\tx\n".to_owned()),
        (
            "no-types.log",
            "#separator \\x09\n#fields\tts\n1.0\tx\n".to_owned(),
        ),
        ("headless.log", headless.collect::<Vec<_>>().join("\n")),
        (
            "other.log",
            "Nov 27 10:00:00 host sshd[1]: hello\n".to_owned(),
        ),
    ]);
    for (name, format, says) in [
        (
            "conn.log",
            None,
            "this is Zeek's conn, not its dns.log: there is no field `query`",
        ),
        ("conn.log", Some("zeek"), "this is Zeek's conn"),
        ("no-fields.log", None, "line 1: there is no line `#fields`"),
        (
            "no-types.log",
            None,
            "line 2: the header has another number of fields than of types: 1 in `#fields`",
        ),
        ("headless.log", None, "what format is this?"),
        ("headless.log", Some("zeek"), "line 1: not a JSON object"),
        ("other.log", None, "what format is this?"),
        ("conn.log", Some("ndjson"), "line 1: not a JSON object"),
    ] {
        let error = failed(folder.open(&[name], &options(format))).to_string();
        assert!(error.contains(says), "{name} {format:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_header_holds_for_the_lines_that_arrive_after_it() {
    let folder = Folder::with(&[("dns.log", ZEEK_TSV)]);
    let engine = engine(2);
    let recipe = honeyguide::builtin("dns").expect("a recipe");
    let mut source = folder.source(&["dns.log"]);
    let trained = train(&engine, &mut source, &recipe, &TrainOptions::default()).await;
    let model = trained.expect("a model");
    let first: String = ZEEK_TSV.split_inclusive('\n').take(9).collect();
    let named = (Path::new("dns.log"), first.as_bytes());
    let (read, options) = (ReadOptions::default(), LiveOptions::default());
    let mut events = LiveEvents::open(&engine, &model, named, &read, &options).expect("events");
    let push = |events: &mut LiveEvents, lines: &str| {
        let pushed = lines.lines().map(|line| events.push(line.as_bytes()));
        let pushed: Vec<_> = pushed
            .filter(|pushed| *pushed != Err(Unread::NoEvent("a header".into())))
            .collect();
        assert_eq!(pushed, [Ok(()), Ok(()), Ok(())]);
    };
    let values: String = ZEEK_TSV
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect();
    push(&mut events, &values);
    push(&mut events, &reversed());
    assert_eq!(events.score().expect("scores").expect("events").len(), 6);
    // Another model goes on with the header that came last.
    let mut events = events.with_model(&engine, &model).expect("events");
    let reversed = reversed();
    let values: String = reversed
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect();
    push(&mut events, &values);
    assert_eq!(events.score().expect("scores").expect("events").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_of_zeek_are_bad_lines_or_missing_but_never_other_values() {
    let line = ZEEK.lines().next().expect("a line");
    for (json, tsv, expected) in [
        // Milliseconds, as of JSON::TS_MILLIS.
        (
            "1772440200250",
            "1772440200250",
            Some("2026-03-02T08:30:00.250,0\n"),
        ),
        ("-1.5", "-1.5", Some("1969-12-31T23:59:58.500,0\n")),
        (
            "\"2026-03-02T08:30:00Z\"",
            "2026-03-02T08:30:00Z",
            Some("2026-03-02T08:30:00,0\n"),
        ),
        ("1e30", "1e30", None),
        ("-1e12", "-1e12", None),
        ("\"nan\"", "nan", None),
        ("\"yesterday\"", "yesterday", None),
        ("{}", "later", None),
    ] {
        let folder = Folder::with(&[
            ("a.ndjson", ZEEK.replace("1772440200.25", json)),
            ("a.log", ZEEK_TSV.replace("1772440200.250000", tsv)),
        ]);
        for name in ["a.ndjson", "a.log"] {
            let found = counts(&folder, name).await.intake.expect("lines");
            assert_eq!(
                (found.events, found.bad_lines),
                (2 + u64::from(expected.is_some()), expected.is_none().into()),
                "{name} {json}"
            );
            if let Some(expected) = expected {
                let query = r#"SELECT "Timestamp", "DnsResponseCode" FROM events WHERE "DnsQuery" LIKE 'www%'"#;
                assert_eq!(
                    rows(folder.source(&[name]), query).await,
                    expected,
                    "{name} {json}"
                );
            }
        }
    }
    for (code, name, expected) in [
        ("3", "NOERROR", "3,10.20.0.2\n"),
        ("null", "REFUSED", "5,10.20.0.2\n"),
        ("null", "rcode-77", ",10.20.0.2\n"),
        ("\"many\"", "rcode-77", ",10.20.0.2\n"),
    ] {
        let line = line
            .replace("\"rcode\":0", &format!("\"rcode\":{code}"))
            .replace("NOERROR", name);
        let folder = Folder::with(&[("a.ndjson", line)]);
        let query = r#"SELECT "DnsResponseCode", "SourceIP" FROM events"#;
        assert_eq!(
            rows(folder.source(&["a.ndjson"]), query).await,
            expected,
            "{code} {name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_line_cannot_overwrite_what_the_message_says_but_labels_count() {
    let spoofed = |text: &str, at: &str| {
        text.replace(
            at,
            &format!("\"DnsQuery\":\"spoof.example\",\"evil\":1,{at}"),
        )
    };
    let folder = Folder::with(&[
        ("eve.ndjson", spoofed(EVE_3, "\"event_type\"")),
        ("zeek.ndjson", spoofed(ZEEK, "\"uid\"")),
        (
            "dns.log",
            ZEEK_TSV
                .replace("\tuid\t", "\tDnsQuery\t")
                .replace("\trejected\n", "\tevil\n")
                .replace("\tF\n", "\t1\n")
                .replace("\tbool\n", "\tcount\n"),
        ),
    ]);
    for name in ["eve.ndjson", "zeek.ndjson", "dns.log"] {
        let query = r#"SELECT count(*) FILTER (WHERE "DnsQuery" = 'spoof.example' OR "DnsQuery" LIKE 'C%'), min(evil), arrow_typeof(min(evil)) FROM events"#;
        assert_eq!(
            rows(folder.source(&[name]), query).await,
            "0,1,Int64\n",
            "{name}"
        );
    }
}
