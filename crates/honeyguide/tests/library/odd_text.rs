//! Values that CSV and JSON write in unusual ways: they are read with their value, or it is said what became of them.
//!
//! The expected answers were worked out with Python's `csv`, `json`, `decimal` and `datetime`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;
use honeyguide::sql::TextFormat;
use honeyguide::{ReadOptions, Source, StorageOptions, sql::Database};

use crate::common::server::{Answer, Server};
use crate::common::{Folder, answer, engine, failed, recipe, small_forest};
use honeyguide::inspect::inspect;
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::{Named, train};

/// Returns the second line of the answer to a query over a file: its only row.
async fn row(folder: &Folder, name: &str, options: &ReadOptions, query: &str) -> String {
    let source = folder.open(&[name], options);
    let source = source.unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = answer(&engine(2), source, query, TextFormat::Csv).await;
    text.lines().nth(1).unwrap_or_default().to_owned()
}

/// Returns the only row that answers a query over a file that is read without options.
async fn plain_row(folder: &Folder, name: &str, query: &str) -> String {
    row(folder, name, &ReadOptions::default(), query).await
}

/// Returns the notes on opening a file.
fn notes(folder: &Folder, name: &str) -> Vec<String> {
    let write = |named: Named| match named {
        Named::Parameter(name) | Named::Command(name) => format!("--{name}"),
    };
    folder.source(&[name]).notes(write).collect()
}

/// Returns options with texts that stand for a missing value.
fn missing(texts: &[&str]) -> ReadOptions {
    ReadOptions {
        null: texts.iter().map(|text| (*text).to_owned()).collect(),
        ..ReadOptions::default()
    }
}

/// Returns how a server answers that has replaced its file at request `K`.
fn replaced_at<const K: usize>(request: usize) -> Answer {
    if request == K {
        Answer::Replaced
    } else {
        Answer::Good
    }
}

/// Returns how a server answers that forbids request `K`.
fn forbidden_at<const K: usize>(request: usize) -> Answer {
    if request == K {
        Answer::Status(403)
    } else {
        Answer::Good
    }
}

/// Returns the answer to a query over a table, or the error of reading it.
async fn asked(url: &str, query: &str) -> honeyguide::Result<String> {
    let source = Source::open([url])?;
    let mut database = Database::new(&engine(1), None, StorageOptions::default())?;
    database.add("events", source)?;
    let mut text = String::new();
    let mut rows = database.text(query, TextFormat::Csv).await?;
    std::io::Read::read_to_string(&mut rows, &mut text).expect("text");
    Ok(text)
}

/// Returns the numbers 9 and 10 as Parquet and as an Arrow IPC file.
fn typed_files() -> [Vec<u8>; 2] {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![9, 10]));
    let batch = RecordBatch::try_from_iter([("a", numbers)]).expect("equal lengths");
    let mut parquet = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut parquet, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    let mut arrow = Vec::new();
    let mut writer = FileWriter::try_new(&mut arrow, &batch.schema()).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.finish().expect("memory");
    drop(writer);
    [parquet, arrow]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_never_changes_an_answer() {
    let faults: [fn(usize) -> Answer; 18] = [
        replaced_at::<1>,
        replaced_at::<2>,
        replaced_at::<3>,
        replaced_at::<4>,
        replaced_at::<5>,
        replaced_at::<6>,
        replaced_at::<8>,
        replaced_at::<9>,
        replaced_at::<10>,
        forbidden_at::<1>,
        forbidden_at::<2>,
        forbidden_at::<3>,
        forbidden_at::<4>,
        forbidden_at::<5>,
        forbidden_at::<6>,
        forbidden_at::<8>,
        forbidden_at::<9>,
        forbidden_at::<10>,
    ];
    let csv = "a\n9\n10\n".to_owned();
    let json = "{\"a\":9}\n{\"a\":10}\n".to_owned();
    let long = (0..2000).fold("a\n".to_owned(), |text, _| text + "\n") + "9\n10\n";
    let [parquet, arrow] = typed_files();
    let contents = [
        ("x.csv", csv.into_bytes()),
        ("x.ndjson", json.into_bytes()),
        ("long.csv", long.into_bytes()),
        ("x.parquet", parquet),
        ("x.arrow", arrow),
    ];
    for (name, content) in contents {
        let mut failures = 0;
        for fault in faults {
            let server = Server::start(content.clone(), fault);
            let url = format!("{}/{name}", server.url);
            match asked(&url, "SELECT max(a) FROM events").await {
                Ok(text) => assert_eq!(text, "max(events.a)\n10\n", "{name}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("replaced") || text.contains("403"), "{text}");
                    for wrong in ["readable", "damaged", "metadata", "Store"] {
                        assert!(!text.contains(wrong), "{text}");
                    }
                    failures += 1;
                }
            }
        }
        assert!(failures >= 2, "{name}: {failures} failures");
    }
}

/// Lines with halves of surrogate pairs, with bytes that are not UTF-8, and with both in keys and lists.
const ODD_TEXTS: [&[u8]; 8] = [
    br#"{"k":1,"path":"/tmp/ok","more":[]}"#,
    br#"{"k":2,"path":"/tmp/x\udc80y","more":["\ud800"]}"#,
    b"{\"k\":4,\"path\":\"/tmp/caf\xe9\",\"more\":[]}",
    br#"{"k":8,"path":"\ud83d\ude00","more":["\udfff\ud83d"]}"#,
    b"{\"k\":16,\"path\":\"ok\",\"more\":[\"\xff\xfe\"]}",
    b"{\"k\":32,\"path\":\"\xed\xb2\x80\",\"more\":[]}",
    b"{\"k\":64,\"path\":\"late\",\"more\":[],\"k\\ud800\xff\":\"\"}",
    br#"{"k":128,"path":"\\udc80","more":[]}"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_hides_an_event() {
    let folder = Folder::with(&[("odd.ndjson", ODD_TEXTS.join(&b'\n'))]);
    for (query, expected) in [
        ("SELECT count(*) FROM events", "8"),
        ("SELECT count(path) FROM events", "8"),
        ("SELECT sum(k) FROM events", "255"),
        (
            "SELECT count(more), sum(k), count(path) FROM events",
            "8,255,8",
        ),
        ("SELECT path FROM events WHERE k = 2", "/tmp/x\u{fffd}y"),
        ("SELECT path FROM events WHERE k = 4", "/tmp/caf\u{fffd}"),
        ("SELECT path FROM events WHERE k = 8", "\u{1f600}"),
        ("SELECT path FROM events WHERE k = 128", "\\udc80"),
    ] {
        assert_eq!(
            plain_row(&folder, "odd.ndjson", query).await,
            expected,
            "{query}"
        );
    }
    let mut source = folder.source(&["odd.ndjson"]);
    let model = train(&engine(2), &mut source, &recipe("raw"), &small_forest()).await;
    assert_eq!(model.expect("a model").training().events, 8);
    let found = inspect(&engine(2), &mut source).await;
    assert_eq!(found.expect("a table").rows, 8);
    let replaced = source.counts().replaced.as_ref().expect("replaced texts");
    assert_eq!(replaced.values, 7);
    assert!(
        replaced.first.ends_with("odd.ndjson: line 2"),
        "{}",
        replaced.first
    );
    let intake = source.counts().intake.as_ref().expect("lines of JSON");
    assert_eq!((intake.events, intake.bad_lines), (8, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_in_latin_1_is_read_and_its_texts_are_counted() {
    let mut text = b"k,gr\xf6\xdfe,path\n".to_vec();
    for row in 0..2000 {
        let path: &[u8] = if row % 500 == 7 {
            b"\"/caf\xe9,\""
        } else {
            b"/ok"
        };
        text.extend([format!("{row},1,").as_bytes(), path, b"\n"].concat());
    }
    let folder = Folder::with(&[("latin.csv", text)]);
    for (query, expected) in [
        ("SELECT count(*), sum(k) FROM events", "2000,1999000"),
        (
            "SELECT count(*) FROM events WHERE path = '/caf\u{fffd},'",
            "4",
        ),
        ("SELECT sum(\"gr\u{fffd}\u{fffd}e\") FROM events", "2000"),
    ] {
        assert_eq!(
            plain_row(&folder, "latin.csv", query).await,
            expected,
            "{query}"
        );
    }
    let mut source = folder.source(&["latin.csv"]);
    let model = train(&engine(2), &mut source, &recipe("raw"), &small_forest()).await;
    let model = model.expect("a model");
    assert_eq!(model.training().events, 2000);
    let replaced = source.counts().replaced.clone().expect("replaced texts");
    assert_eq!(replaced.values, 4);
    assert!(
        replaced.first.ends_with("latin.csv: line 9"),
        "{}",
        replaced.first
    );
    let to = folder.path("scored.csv");
    let options = ScoreOptions::default();
    let scored = score_to_file(&engine(2), &model, &mut source, to.as_path(), options).await;
    assert_eq!(scored.expect("scores").events, 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_without_early_values_takes_the_type_of_its_late_ones() {
    let rows = |empty: &str, row: &dyn Fn(usize, &str) -> String| {
        (0..1500).fold(String::new(), |text, index| {
            let value = if index < 1400 {
                empty.to_owned()
            } else {
                (index - 1395).to_string()
            };
            text + &row(index, &value) + "\n"
        })
    };
    let csv = "k,exit,none\n".to_owned() + &rows("", &|k, value| format!("{k},{value},"));
    let json = rows("null", &|k, value| {
        format!("{{\"k\":{k},\"exit\":{value},\"none\":null}}")
    });
    let texts = csv.replace(",5,\n", ",five,\n").replace(",6,\n", ",six,\n");
    let texts = (7..105).fold(texts, |text, n| {
        text.replace(&format!(",{n},\n"), ",more,\n")
    });
    let folder = Folder::with(&[
        ("late.csv", csv),
        ("late.ndjson", json),
        ("text.csv", texts),
    ]);
    for name in ["late.csv", "late.ndjson"] {
        let query =
            "SELECT max(exit), arrow_typeof(max(exit)), count(exit), count(none) FROM events";
        assert_eq!(
            plain_row(&folder, name, query).await,
            "104,Int64,100,0",
            "{name}"
        );
        let mut source = folder.source(&[name]);
        let call = train(&engine(2), &mut source, &recipe("raw"), &small_forest()).await;
        let text = failed(call).to_string();
        assert!(text.contains("feature `exit` is null"), "{text}");
    }
    let query = "SELECT max(exit) FROM events";
    assert_eq!(plain_row(&folder, "text.csv", query).await, "six");
    folder.write("empty.csv", "k,exit,none\n1,,\n");
    folder.write("early.csv", "none,exit,k\n,200,2\n");
    for names in [
        ["empty.csv", "early.csv"],
        ["early.csv", "late.csv"],
        ["empty.csv", "late.csv"],
    ] {
        let query = "SELECT max(exit), arrow_typeof(max(exit)) FROM events";
        let found = answer(&engine(2), folder.source(&names), query, TextFormat::Csv).await;
        let expected = if names.contains(&"early.csv") {
            "200,Int64"
        } else {
            "104,Int64"
        };
        assert_eq!(found.lines().nth(1), Some(expected), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_keep_all_digits() {
    let ids = |first: u128| (first..first + 10).collect::<Vec<u128>>();
    let unsigned = ids(1 << 63);
    let long = ids(10_u128.pow(25));
    for (ids, name, expected) in [
        (
            &unsigned,
            "UInt64",
            "10,9223372036854775808,9223372036854775817",
        ),
        (
            &long,
            "Decimal128(38, 0)",
            "10,10000000000000000000000000,10000000000000000000000009",
        ),
    ] {
        for early in [0, 3000] {
            let mut all: Vec<u128> = (0..early).map(|row| row % 7).collect();
            all.extend(ids);
            let csv = all
                .iter()
                .fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"));
            let json = all.iter().fold(String::new(), |text, id| {
                text + &format!("{{\"id\":{id}}}\n")
            });
            let folder = Folder::with(&[("x.csv", csv), ("x.ndjson", json)]);
            for file in ["x.csv", "x.ndjson"] {
                let query = "SELECT count(DISTINCT id), min(id), max(id) FROM events WHERE id > 6";
                assert_eq!(
                    plain_row(&folder, file, query).await,
                    expected,
                    "{file} {name} {early}"
                );
                if early == 0 {
                    let query = "SELECT arrow_typeof(id) FROM events LIMIT 1";
                    let found = plain_row(&folder, file, query).await;
                    assert_eq!(found.trim_matches('"'), name, "{file}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn great_whole_numbers_beside_fractions_keep_all_digits_or_it_is_said() {
    let numbers = ["9007199254740993", "0.5", "9007199254740992"];
    let csv = format!("n\n{}\n", numbers.join("\n"));
    let json = numbers
        .map(|number| format!("{{\"n\":{number}}}\n"))
        .concat();
    let late = |row: &dyn Fn(&str) -> String| {
        (0..1500).fold(String::new(), |text, _| text + &row("9007199254740993")) + &row("0.5")
    };
    let files = [
        ("x.csv", csv.clone()),
        ("x.ndjson", json),
        (
            "late.csv",
            "n\n".to_owned() + &late(&|number| format!("{number}\n")),
        ),
        (
            "late.ndjson",
            late(&|number| format!("{{\"n\":{number}}}\n")),
        ),
        (
            "early.csv",
            (0..1500).fold("n\n".to_owned(), |text, _| text + "0.5\n") + "9007199254740993\n",
        ),
        ("great.csv", "n\n0.5\n".to_owned() + &"1.5e300\n".repeat(3)),
        ("float.csv", csv + "1e3\n"),
    ];
    let folder = Folder::with(&files);
    assert_eq!(
        plain_row(&folder, "great.csv", "SELECT max(n) FROM events").await,
        "1.5e300"
    );
    for file in ["x.csv", "x.ndjson", "late.csv", "late.ndjson", "early.csv"] {
        let query = "SELECT min(n), max(n) FROM events";
        let found = plain_row(&folder, file, query).await;
        assert_eq!(found, "0.5,9007199254740993.0", "{file}");
        assert!(notes(&folder, file).is_empty());
    }
    let [note] = &notes(&folder, "float.csv")[..] else {
        panic!("not one note");
    };
    assert!(
        note.contains("column `n` is read as floating-point numbers"),
        "{note}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_length_are_read() {
    let tiny = format!("0.{}1", "0".repeat(70_000));
    let folder = Folder::with(&[
        ("x.csv", format!("n\n0.5\n{tiny}\n")),
        ("x.ndjson", format!("{{\"n\":0.5}}\n{{\"n\":{tiny}}}\n")),
    ]);
    for file in ["x.csv", "x.ndjson"] {
        let query = "SELECT min(n), max(n) FROM events";
        assert_eq!(plain_row(&folder, file, query).await, "0.0,0.5", "{file}");
        let said = notes(&folder, file);
        assert_eq!(said.len(), 1, "{file}: {said:?}");
        assert!(said[0].contains("column `n` is read as floating-point numbers"));
    }
}

/// Python's decimals, sorted, are the oracle: two of the fractions are one double.
#[tokio::test(flavor = "multi_thread")]
async fn long_fractions_keep_all_digits_wherever_they_are() {
    let long = ["0.12345678901234567891", "0.12345678901234567892"];
    let csv = |first: &[&str], last: &[&str]| {
        let rows = first.iter().copied().chain([".5"; 1500]);
        let rows = rows.chain(last.iter().copied());
        rows.fold("m,n,s\n".to_owned(), |text, number| {
            text + &format!("0.25,{number},x\n")
        })
    };
    let json = |first: &[&str], last: &[&str]| {
        let rows = first.iter().copied().chain(["0.5"; 1500]);
        let rows = rows.chain(last.iter().copied());
        rows.fold(String::new(), |text, number| {
            text + &format!("{{\"m\":0.25,\"n\":{number},\"s\":\"x\"}}\n")
        })
    };
    let exponent = csv(&[], &long) + "0.25,1e3,x\n";
    let beside = csv(&[], &[]) + "0.25,0.5,0.12345678901234567891\n";
    let folder = Folder::with(&[
        ("early.csv", csv(&long, &[])),
        ("late.csv", csv(&[], &long)),
        ("early.ndjson", json(&long, &[])),
        ("late.ndjson", json(&[], &long)),
        ("exponent.csv", exponent),
        ("beside.csv", beside),
    ]);
    let query = "SELECT count(DISTINCT n), min(n), max(n), max(m) FROM events";
    for file in ["early.csv", "late.csv", "early.ndjson", "late.ndjson"] {
        assert_eq!(
            plain_row(&folder, file, query).await,
            "3,0.12345678901234567891,0.50000000000000000000,0.25",
            "{file}"
        );
        assert!(notes(&folder, file).is_empty(), "{file}");
        let query = "SELECT n FROM events WHERE n < 0.12345678901234567892";
        assert_eq!(
            plain_row(&folder, file, query).await,
            "0.12345678901234567891",
            "{file}"
        );
    }
    // Nothing is lost of a text, and numbers with exponents are doubles.
    assert_eq!(
        plain_row(&folder, "beside.csv", query).await,
        "1,0.5,0.5,0.25"
    );
    let found = plain_row(&folder, "exponent.csv", query).await;
    assert_eq!(found, "3,0.12345678901234568,1000.0,0.25");
    let mut source = folder.source(&["exponent.csv"]);
    inspect(&engine(2), &mut source).await.expect("a table");
    let said = &source.counts().notes;
    let [note] = &said[..] else {
        panic!("not one note: {said:?}");
    };
    assert!(
        note.contains("column `n` is read as floating-point numbers"),
        "{note}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let folder = Folder::with(&[
        ("one.ndjson", "\u{feff}{\"id\":1,\"v\":10}\n"),
        ("list.json", "\u{feff}[{\"id\":1}]\n"),
    ]);
    assert_eq!(
        plain_row(&folder, "one.ndjson", "SELECT id, v FROM events").await,
        "1,10"
    );
    let error = failed(folder.open(&["list.json"], &ReadOptions::default()));
    assert!(error.to_string().contains("this is a list"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_json_lacks_are_read_as_those_of_csv() {
    let json = "{\"a\":NaN,\"b\":\"x\"}\n{\"a\":Infinity,\"b\":\"NaN\"}\n{\"a\":-Infinity,\"b\":\"y\"}\n{\"a\":1,\"b\":null}\n";
    let csv = "a,b\nNaN,x\ninf,NaN\n-inf,y\n1,\n";
    let folder = Folder::with(&[("x.ndjson", json), ("x.csv", csv)]);
    for file in ["x.ndjson", "x.csv"] {
        let query = "SELECT count(*), count(a), min(a), sum(CASE WHEN a = 1 THEN 1 ELSE 0 END), \
                     sum(CASE WHEN isnan(a) THEN 1 ELSE 0 END), count(b) FROM events";
        assert_eq!(
            plain_row(&folder, file, query).await,
            "4,4,-inf,1,1,3",
            "{file}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spaces_around_numbers_do_not_count() {
    let early = "a,b\n 1 ,x \n2, y\n\t10,\n  ,z\n".to_owned();
    let late = (0..3000).fold("a,b\n".to_owned(), |text, _| text + "1,x\n") + " 10 , y\n";
    let folder = Folder::with(&[("early.csv", early), ("late.csv", late)]);
    let query = "SELECT max(a), count(a), min(b) FROM events";
    assert_eq!(plain_row(&folder, "early.csv", query).await, "10,3, y");
    assert_eq!(plain_row(&folder, "late.csv", query).await, "10,3001, y");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_for_missing_values_are_nulls_where_they_are_named() {
    let csv = "a,b,t\n1,x,2026-10-01T12:00:00Z\nNA,NA,-\n10,-,2026-10-01T12:00:01Z\nNA,y,-\n";
    let json = "{\"a\":1,\"b\":\"x\"}\n{\"a\":\"NA\",\"b\":\"NA\"}\n{\"a\":10,\"b\":\"-\"}\n{\"a\":\"NA\",\"b\":\"y\"}\n";
    let folder = Folder::with(&[("x.csv", csv), ("x.ndjson", json)]);
    for file in ["x.csv", "x.ndjson"] {
        let [note, ..] = &notes(&folder, file)[..] else {
            panic!("{file}: no note");
        };
        for part in ["`a`", "`NA`", "--null NA"] {
            assert!(note.contains(part), "{note}");
        }
        let query = "SELECT count(*), count(a), max(a), count(b) FROM events";
        assert_eq!(plain_row(&folder, file, query).await, "4,4,NA,4", "{file}");
        let found = row(&folder, file, &missing(&["NA"]), query).await;
        assert_eq!(found, "4,2,10,3", "{file}");
        let found = row(&folder, file, &missing(&["NA", "-"]), query).await;
        assert_eq!(found, "4,2,10,2", "{file}");
    }
    let query = "SELECT count(t), max(t) FROM events";
    let found = row(&folder, "x.csv", &missing(&["-"]), query).await;
    assert_eq!(found, "2,2026-10-01T12:00:01");
    let late = (0..2000).fold("a\n".to_owned(), |text, row| text + &format!("{row}\n")) + "N/A\n";
    folder.write("late.csv", late);
    let error = failed(
        asked(
            &folder.path("late.csv").display().to_string(),
            "SELECT max(a) FROM events",
        )
        .await,
    );
    let hint = error.hint_text().expect("a hint").into_owned();
    assert!(hint.contains("`null` N/A"), "{hint}");
    let query = "SELECT max(a), count(*) FROM events";
    assert_eq!(
        row(&folder, "late.csv", &missing(&["N/A"]), query).await,
        "1999,2001"
    );
}

#[test]
fn every_text_that_makes_numbers_text_is_named() {
    let folder = Folder::with(&[("x.csv", "a,b,c\nNA,1,x\n2,-,y\n3,4,z\n")]);
    let [note] = &notes(&folder, "x.csv")[..] else {
        panic!("not one note");
    };
    for part in ["`a`, `b` are", "`-` and `NA`", "--null '-' --null NA"] {
        assert!(note.contains(part), "{note}");
    }
}

#[test]
fn lost_leading_zeros_are_said() {
    let folder = Folder::with(&[
        ("x.csv", "id,n\n007,1\n012,0\n"),
        ("x.ndjson", "{\"id\":\"007\"}\n"),
    ]);
    let [note] = &notes(&folder, "x.csv")[..] else {
        panic!("not one note");
    };
    for part in ["column `id` is read as numbers", "`007`", "x.csv"] {
        assert!(note.contains(part), "{note}");
    }
    assert!(notes(&folder, "x.ndjson").is_empty());
}

#[test]
fn text_in_utf_16_is_refused_by_its_name() {
    let little =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let big = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    let files = [
        ("marked.csv", little("\u{feff}a,b\n1,2\n")),
        ("big.csv", big("\u{feff}a,b\n1,2\n")),
        ("plain.csv", little("a,b\n1,2\n")),
        ("marked.ndjson", little("\u{feff}{\"a\":1}\n{\"a\":2}\n")),
        ("plain.ndjson", big("{\"a\":1}\n{\"a\":2}\n")),
    ];
    let folder = Folder::with(&files);
    for (file, _) in files {
        let error = folder
            .open(&[file], &ReadOptions::default())
            .expect_err(file);
        for part in [file, "the text is in UTF-16"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leading_zeros_that_appear_late_are_said() {
    let head = |first: &str| format!("id,n,t\n{first}") + &"1,2,x\n".repeat(1500);
    let folder = Folder::with(&[
        ("plain.csv", head("") + "0012,0,007\n13,0.5,01\n"),
        ("padded.csv", head(" 1,2,x\n") + " 0012 ,0,007\n"),
        ("quoted.csv", head("") + "3,4,\"a\nb\"\n\"0012\",5,\"0\"\n"),
        ("none.csv", head("") + "12,0,007\n13,0.5,08:15\n"),
        ("early.csv", head("007,2,x\n") + "0012,0,x\n"),
    ]);
    for (file, expected) in [
        ("plain.csv", "`0012`"),
        ("padded.csv", "`0012`"),
        ("quoted.csv", "`0012`"),
        ("none.csv", ""),
        ("early.csv", ""),
    ] {
        let mut source = folder.source(&[file]);
        inspect(&engine(2), &mut source).await.expect("a table");
        let found = &source.counts().notes;
        if expected.is_empty() {
            assert!(found.is_empty(), "{file}: {found:?}");
            continue;
        }
        let [note] = &found[..] else {
            panic!("{file}: {found:?}");
        };
        for part in ["column `id` is read as numbers", expected, file] {
            assert!(note.contains(part), "{file}: {note}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_iso_8601_are_times_in_csv_and_json() {
    let times = [
        "2026-10-01T12:00:00Z",
        "2026-10-01T14:00:00.000000001+02:00",
        "2026-10-01 12:00:02",
    ];
    let csv = times
        .iter()
        .fold("timestamp\n".to_owned(), |text, time| text + time + "\n");
    let json = times
        .map(|time| format!("{{\"timestamp\":\"{time}\"}}\n"))
        .concat();
    let late = (0..1500).fold("timestamp\n".to_owned(), |text, _| text + times[0] + "\n");
    let files = [
        ("x.csv", csv),
        ("x.ndjson", json),
        ("late.csv", late + "yesterday\n"),
    ];
    let folder = Folder::with(&files);
    for file in ["x.csv", "x.ndjson"] {
        let query = "SELECT min(timestamp), max(timestamp), count(DISTINCT timestamp), \
                     sum(CASE WHEN timestamp > '2026-10-01T12:00:00Z' THEN 1 ELSE 0 END) FROM events";
        let expected = "2026-10-01T12:00:00,2026-10-01T12:00:02,3,2";
        assert_eq!(plain_row(&folder, file, query).await, expected, "{file}");
    }
    let query = "SELECT max(timestamp), count(*) FROM events";
    assert_eq!(
        plain_row(&folder, "late.csv", query).await,
        "yesterday,1501"
    );
}
