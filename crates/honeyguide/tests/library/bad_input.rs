//! Invalid data: errors say what is wrong and where, the same for any number of threads.

use std::io::Write;

use crate::common::{Folder, HEADER, engine, event, event_with, events, events_with_line, recipe};
use honeyguide::evaluate::evaluate;
use honeyguide::{ErrorKind, Model, ReadOptions, Recipe, Result, TrainOptions, train};

/// A data file: a description of it, its content, and what training must say about it.
type Case = (&'static str, Vec<u8>, &'static [&'static str]);

/// Trains a model of files of the folder with the default options.
async fn trained(
    folder: &Folder,
    names: &[&str],
    recipe: &Recipe,
    threads: usize,
) -> Result<Model> {
    let mut source = folder.open(names, &ReadOptions::default())?;
    train(
        &engine(threads),
        &mut source,
        recipe,
        &TrainOptions::default(),
    )
    .await
}

/// Checks that training refuses every file with the same words on one thread and on two, and leaves no file behind.
async fn check_refused(name: &str, with: &str, cases: Vec<Case>) {
    let recipe = recipe(with);
    for (what, content, says) in cases {
        println!("{what}");
        let folder = Folder::with(&[(name, content)]);
        let names = [name];
        for threads in [1, 2] {
            let call = trained(&folder, &names, &recipe, threads);
            folder.refused_with_hint(call, ErrorKind::Data, says).await;
        }
    }
}

/// Returns [`events`] followed by the line `last`.
fn events_then(count: usize, last: impl AsRef<[u8]>) -> Vec<u8> {
    [events(count).as_bytes(), last.as_ref(), b"\n"].concat()
}

/// Returns bytes without any structure, which are the same in every run.
fn noise(length: u32) -> Vec<u8> {
    let byte = |index: u32| (index.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..length).map(byte).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

/// A number of events that makes the engine read a file in two pieces.
const MANY: usize = 90_000;
/// A line in the second of the two pieces.
const LATE_LINE: usize = 80_001;

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_a_table_is_refused() {
    let utf16: Vec<u8> = "\u{feff}timestamp,userId\n1,2\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check_refused(
        "bad.csv",
        "beth-paper",
        vec![
            (
                "an empty file",
                vec![],
                &["bad.csv: the file is empty", "header line"],
            ),
            (
                "only blank lines",
                b"\n\n\n".into(),
                &["bad.csv: the file is empty"],
            ),
            (
                "a header only",
                format!("{HEADER}\n").into(),
                &["bad.csv: a header but no rows"],
            ),
            (
                "a header without an end",
                HEADER.into(),
                &["bad.csv: a header but no rows"],
            ),
            (
                "no header",
                format!("{}\n{}\n", event(1), event(2)).into(),
                &["bad.csv: line 1", "header line missing?"],
            ),
            (
                "binary noise",
                noise(20_000),
                &[
                    "bad.csv: line 1",
                    "not text",
                    "does not look like a CSV file",
                ],
            ),
            ("UTF-16", utf16, &["bad.csv: line 1", "in UTF-16"]),
            (
                "a compressed file by a plain name",
                gzip(events(9).as_bytes()),
                &["bad.csv: line 1", "not text", ".gz"],
            ),
            (
                "two columns of one name",
                b"a,b,a\n1,2,3\n".into(),
                &["bad.csv: line 1", "two columns are named `a`"],
            ),
            (
                "semicolons",
                b"a;b;c\n1;2;3\n".into(),
                &["bad.csv: line 1", "`a;b;c`", "separated by commas"],
            ),
            (
                "tabs",
                b"a\tb\n1\t2\n".into(),
                &["bad.csv: line 1", "separated by commas"],
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_read_are_refused() {
    let late = |last: &str| events_with_line(MANY, LATE_LINE, last).into_bytes();
    let noisy = [events(300).into_bytes(), noise(3000)].concat();
    check_refused(
        "bad.csv",
        "beth-paper",
        vec![
            ("noise after good rows", noisy, &["bad.csv: line 302"]),
            (
                "text for a number, in the second piece",
                late(&event_with(1, 4, "root")),
                &[
                    "bad.csv: line 80001, column 5 (`userId`)",
                    "whole number",
                    "`root`",
                ],
            ),
            (
                "a NUL in a number",
                events_then(20, event_with(20, 4, "10\u{0}01")),
                &[
                    "bad.csv: line 22, column 5 (`userId`)",
                    "whole number",
                    r"`10\001`",
                ],
            ),
            (
                "a number past 2^63",
                events_then(20, event_with(20, 4, "9223372036854775808")),
                &[
                    "line 22, column 5 (`userId`)",
                    "to 9223372036854775807",
                    "`9223372036854775808`",
                ],
            ),
            (
                "a fraction for a whole number",
                events_then(20, event_with(20, 8, "3.5")),
                &["line 22, column 9 (`eventId`)", "whole number", "`3.5`"],
            ),
            (
                "a null in a needed column",
                events_then(20, event_with(20, 4, "")),
                &["bad.csv: line 22: feature `userId` is null"],
            ),
            (
                "too few fields",
                late("1,2,3"),
                &["line 80001: 3 fields", "16 columns"],
            ),
            (
                "too many fields",
                late(&(event(7) + ",9")),
                &["line 80001: 17 fields", "16 columns"],
            ),
            (
                "a quote that closes in a later line",
                late(&event_with(7, 6, "\"cron")),
                &["line 80001: ", "fields", "quote"],
            ),
            (
                "a quote that closes in a later line, in the last column",
                late(&event_with(7, 15, "\"1")),
                &["line 80001: ", "fields", "quote"],
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_never_closes_is_refused() {
    let unclosed = event_with(5, 6, "\"cron");
    let cut = unclosed
        .split("[1")
        .next()
        .unwrap_or_default()
        .trim_end_matches('"')
        .to_owned();
    check_refused(
        "bad.csv",
        "beth-paper",
        vec![
            (
                "in the last record",
                events_then(20, &cut),
                &[
                    "line 22, column 7 (`processName`)",
                    "quoted field never ends",
                ],
            ),
            (
                "a file that was cut off",
                events_then(20, "1.5,2,3"),
                &["line 22", "3"],
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_compressed_text_is_refused() {
    let text = events(20_000);
    let (gzipped, zstandard) = (gzip(text.as_bytes()), zstd(text.as_bytes()));
    let mut flipped = gzipped.clone();
    flipped[5000] ^= 0xff;
    let mut checksum = gzipped.clone();
    let crc = checksum.len() - 8;
    checksum[crc] ^= 1;
    let gz: Vec<Case> = vec![
        (
            "cut off",
            gzipped[..gzipped.len() / 2].into(),
            &[
                "bad.csv.gz",
                "ends too early, near line",
                "copy or download it again",
            ],
        ),
        (
            "a flipped byte",
            flipped,
            &["bad.csv.gz", "cannot be decompressed", "damaged"],
        ),
        (
            "a wrong checksum",
            checksum,
            &["bad.csv.gz", "cannot be decompressed", "damaged"],
        ),
        (
            "not compressed",
            text.clone().into(),
            &["bad.csv.gz", "cannot be decompressed", "its name"],
        ),
        ("empty", vec![], &["bad.csv.gz", "ends too early"]),
        (
            "a bad value inside",
            gzip(events_with_line(50, 40, &event_with(1, 4, "root")).as_bytes()),
            &["bad.csv.gz: line 40, column 5 (`userId`)", "`root`"],
        ),
    ];
    check_refused("bad.csv.gz", "beth-paper", gz).await;
    let zst: Vec<Case> = vec![
        (
            "cut off",
            zstandard[..zstandard.len() / 2].into(),
            &["bad.csv.zst", "ends too early"],
        ),
        (
            "not compressed",
            text.into(),
            &["bad.csv.zst", "cannot be decompressed", "its name"],
        ),
        ("empty", vec![], &["bad.csv.zst", "ends too early"]),
    ];
    check_refused("bad.csv.zst", "beth-paper", zst).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_a_forest_cannot_use_are_refused() {
    let table = |rows: usize, value: &str| {
        let mut text = String::from("a,b\n");
        (0..rows).for_each(|index| text += &format!("{index},{}.5\n", index % 3));
        (text + &format!("1,{value}\n")).into_bytes()
    };
    let many = 2000;
    check_refused(
        "bad.csv",
        "raw",
        vec![
            (
                "NaN",
                table(20, "NaN"),
                &["bad.csv: line 22: feature `b` is null or NaN"],
            ),
            (
                "infinity",
                table(20, "inf"),
                &["bad.csv: line 22: feature `b` is infinite", "`exclude` b"],
            ),
            (
                "minus infinity",
                table(20, "-Infinity"),
                &["bad.csv: line 22: feature `b` is infinite", "`exclude` b"],
            ),
            (
                "minus infinity, later",
                table(many, "-Infinity"),
                &["bad.csv: line 2002: feature `b` is infinite"],
            ),
            (
                "past the largest number",
                table(20, "1e999"),
                &["bad.csv: line 22: feature `b` is infinite", "`exclude` b"],
            ),
            (
                "a null",
                table(20, ""),
                &["bad.csv: line 22: feature `b` is null", "`exclude` b"],
            ),
            (
                "not available, early",
                table(20, "NA"),
                &["bad.csv: line 22, column 2 (`b`)", "a number", "`NA`"],
            ),
            (
                "not available, late",
                table(many, "NA"),
                &["bad.csv: line 2002, column 2 (`b`)", "a number", "`NA`"],
            ),
            (
                "hexadecimal",
                table(many, "0x10"),
                &["bad.csv: line 2002, column 2 (`b`)", "`0x10`"],
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_not_labels_are_refused() {
    let with_label = |value: &str| (events(50) + &event_with(50, 14, value) + "\n").into_bytes();
    let folder = Folder::with(&[("good.csv", events(200))]);
    let context = Recipe::default_for(folder.source(&["good.csv"]).log());
    let model = trained(&folder, &["good.csv"], &context, 2).await;
    let model = model.expect("a model");
    let refused = async |label, kind, says: &[&str]| {
        let call = async {
            let mut source = folder.open(&["bad.csv"], &ReadOptions::default())?;
            evaluate(&engine(2), &model, &mut source, label).await
        };
        folder.refused_with_hint(call, kind, says).await;
    };
    for (what, content, says) in [
        (
            "2",
            with_label("2"),
            ["bad.csv: line 52: label `sus` must be 0 or 1", "found 2"],
        ),
        (
            "a null",
            with_label(""),
            [
                "bad.csv: line 52: label `sus` must be 0 or 1, found null",
                "with `label`",
            ],
        ),
        (
            "text",
            with_label("yes"),
            ["line 52, column 15 (`sus`)", "`yes`"],
        ),
    ] {
        println!("{what}");
        folder.write("bad.csv", content);
        refused(None, ErrorKind::Data, &says).await;
    }
    folder.write("bad.csv", events(50));
    let says = ["`label` args", "not 0 and 1"];
    refused(Some("args"), ErrorKind::Usage, &says).await;
    let says = ["`label` no", "no such column"];
    refused(Some("no"), ErrorKind::Usage, &says).await;
    folder.write("bad.csv", format!("{HEADER}\n"));
    let says = ["bad.csv: a header but no rows"];
    refused(None, ErrorKind::Data, &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_different_columns_are_refused() {
    let folder = Folder::with(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "x,z\n1,2\n")]);
    let (raw, data) = (recipe("raw"), ErrorKind::Data);
    let [a, b] = ["a.csv", "b.csv"].map(|name| folder.path(name).display().to_string());
    let says = [
        &*format!("{a} and {b} have different columns"),
        "only the first has y",
        "only the second has z",
    ];
    let files = ["a.csv", "b.csv"];
    let call = trained(&folder, &files, &raw, 2);
    folder.refused_with_hint(call, data, &says).await;
    folder.write(
        "bad.csv",
        events_with_line(30, 20, &event_with(1, 4, "root")),
    );
    folder.write("good.csv", events(30));
    let files = ["good.csv", "bad.csv"];
    let context = Recipe::default_for(folder.source(&["good.csv"]).log());
    let call = trained(&folder, &files, &context, 2);
    let says = "bad.csv: line 20, column 5";
    folder.refused(call, data, says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_text_in_one_file_is_no_numeric_feature() {
    let folder = Folder::with(&[("a.csv", "x,y\n1,2\n"), ("c.csv", "x,y\n1,many\n")]);
    let model = trained(&folder, &["a.csv", "c.csv"], &recipe("raw"), 2).await;
    let model = model.expect("a model");
    let features = model.recipe().features.iter();
    let names: Vec<&str> = features.map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["x"]);
}

/// The engine holds a whole record in memory, so a record that never ends must be refused before it fills the memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_an_end_is_refused() {
    let filler = "text without any quote, as long as it takes\n".repeat(400_000);
    let unclosed = events_then(
        20,
        event_with(20, 6, "\"cron")
            .split("\"[")
            .next()
            .unwrap_or_default(),
    );
    let says: &[&str] = &[
        "line 22: a record that does not end within 4194304 bytes",
        "quoted field never ends",
    ];
    let text = [unclosed.as_slice(), filler.as_bytes()].concat();
    check_refused(
        "bad.csv.gz",
        "beth-paper",
        vec![("compressed", gzip(&text), says)],
    )
    .await;
    let one_line = events_then(20, filler.replace('\n', " "));
    check_refused(
        "bad.csv",
        "beth-paper",
        vec![("a quote", text, says), ("a line", one_line, says)],
    )
    .await;
    let header = filler.replace('\n', " ").into_bytes();
    check_refused(
        "bad.csv",
        "beth-paper",
        vec![("a header", header, &["bad.csv", "line"])],
    )
    .await;
}
