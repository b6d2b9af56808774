//! Small files that would take much memory or time if every claim in them were believed, and files of one kind in great
//! numbers. A child process reads each, with a limit on its address space and its time.

use std::io::Write as _;
use std::process::Command;

use crate::common::{Folder, engine};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{ReadOptions, Result, Source, StorageOptions};

/// The variables that tell the child process what to read and to ask.
const DATA: &str = "HONEYGUIDE_TEST_DATA";
const QUERY: &str = "HONEYGUIDE_TEST_QUERY";
/// The most address space of the child process, in KiB. Its code and its threads take about a fifth of it.
const MOST_MEMORY: u64 = 1500 << 10;
/// The longest time that it may take, in seconds, on a busy machine.
const LONGEST: u64 = 500;

/// Returns what a child process prints of the answer to a query of `data`.
///
/// # Panics
/// If it exceeds a limit or panics.
fn answer(folder: &Folder, data: &str, query: &str) -> String {
    let program = std::env::current_exe().expect("the path of this program");
    let script = format!(
        "ulimit -v {MOST_MEMORY}; exec timeout {LONGEST} '{}' --exact bombs::read_one --ignored --nocapture",
        program.display()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .env(DATA, folder.path(data))
        .env(QUERY, query)
        .output()
        .expect("bash starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{data}: {}\n{stdout}\n{stderr}",
        output.status
    );
    let line = stdout.lines().find_map(|line| line.split_once("answer: "));
    line.unwrap_or_else(|| panic!("no answer: {stdout}"))
        .1
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "other tests run it in a process with limited memory"]
async fn read_one() {
    let data = std::env::var(DATA).expect("the data");
    let query = std::env::var(QUERY).expect("the query");
    let read = async {
        let source = Source::open_with([data], &ReadOptions::default())?;
        let mut database = Database::new(&engine(2), None, StorageOptions::default())?;
        database.add("events", source)?;
        let mut text = database.text(&query, TextFormat::Csv).await?;
        Result::Ok(std::io::read_to_string(&mut text).expect("text"))
    };
    match read.await {
        Ok(text) => println!("\nanswer: {}", text.trim_end().replace('\n', ";")),
        Err(error) => println!("\nanswer: error: {error}"),
    }
}

#[test]
fn too_many_columns_are_refused_before_they_take_time() {
    let header: Vec<String> = (0..60_000).map(|column| format!("c{column}")).collect();
    let row = vec!["1"; header.len()].join(",");
    let keys: Vec<String> = (0..250_000).map(|key| format!("\"k{key}\":1")).collect();
    let folder = Folder::with(&[
        ("wide.csv", format!("{}\n{row}\n", header.join(","))),
        ("wide.ndjson", format!("{{{}}}\n", keys.join(","))),
    ]);
    for name in ["wide.csv", "wide.ndjson"] {
        let found = answer(&folder, name, "SELECT count(*) FROM events");
        assert!(
            found.contains("columns; the limit is 4096"),
            "{name}: {found}"
        );
    }
}

#[test]
fn the_most_columns_are_planned_in_time() {
    let header: Vec<String> = (0..4096).map(|column| format!("c{column}")).collect();
    let row = vec!["1"; header.len()].join(",");
    let folder = Folder::with(&[("most.csv", format!("{}\n{row}\n", header.join(",")))]);
    assert_eq!(
        answer(&folder, "most.csv", "SELECT sum(c4095) AS s FROM events"),
        "s;1"
    );
}

/// Returns records of `length` bytes, which are a few KiB when they are compressed.
fn compressed(header: &str, length: usize, record: impl Fn(u32, &str) -> String) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    encoder.write_all(header.as_bytes()).expect("memory");
    for number in 0..RECORDS {
        let letter = char::from(b'a' + (number % 26) as u8).to_string();
        let record = record(7919 * number % RECORDS, &letter.repeat(length - 100));
        encoder.write_all(record.as_bytes()).expect("memory");
    }
    encoder.finish().expect("memory")
}

/// The number of long records, which is coprime to 7,919.
const RECORDS: u32 = 300;

#[test]
fn long_records_are_sorted_or_refused_in_bounded_memory() {
    let csv = |number, text: &str| format!("{number},{text}\n");
    let json = |number, text: &str| format!("{{\"n\":{number},\"text\":\"{text}\"}}\n");
    let folder = Folder::with(&[
        ("long.csv.zst", compressed("n,text\n", 256 << 10, csv)),
        ("long.ndjson.zst", compressed("", 256 << 10, json)),
        ("longest.csv.zst", compressed("n,text\n", 4 << 20, csv)),
    ]);
    let query = "SELECT sum(place * n) AS s, max(place) AS places FROM
        (SELECT row_number() OVER (ORDER BY text, n) AS place, n, text FROM events WHERE length(text) > 9)";
    let mut order: Vec<(u32, u32)> = (0..RECORDS).map(|i| (i % 26, 7919 * i % RECORDS)).collect();
    order.sort_unstable();
    let sum: u32 = (1..).zip(order).map(|(place, (_, n))| place * n).sum();
    let expected = format!("s,places;{sum},{RECORDS}");
    for file in ["long.csv.zst", "long.ndjson.zst"] {
        assert_eq!(answer(&folder, file, query), expected, "{file}");
    }
    // A sort of records of 4 MiB needs more memory than queries have.
    let refused = answer(&folder, "longest.csv.zst", query);
    assert!(refused.contains("needs more memory"), "{refused}");
}
