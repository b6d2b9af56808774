//! Damaged files in binary formats: whatever a byte of them says, they are read or refused, within bounds of memory.
//!
//! What cannot be caught, such as a request for more memory than there is, ends the process. So a child process reads the
//! files, with a limit on its memory.

use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray,
    NullArray, RecordBatch, StringArray, StringViewArray, StructArray, TimestampNanosecondArray,
    UInt8Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int8Type, Int32Type};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::file::properties::{WriterProperties, WriterVersion};

use crate::common::{Folder, engine};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{ErrorKind, ReadOptions, Source, StorageOptions};

/// The mutants of each file.
const MUTANTS: u64 = 150;
/// The most address space of the process that reads them, in KiB.
const MOST_MEMORY: u64 = 4 << 20;
/// The longest time of that process.
const LONGEST: Duration = Duration::from_secs(300);

/// A generator of numbers, the same for the same seed.
struct Random(u64);

impl Random {
    /// Returns a number below `below` (SplitMix64).
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }
}

/// Returns a table with a column of nearly every type.
fn table(rows: i32) -> RecordBatch {
    let texts = || (0..rows).map(|row| (row % 5 != 0).then(|| format!("text {}", row % 7)));
    let numbers = || (0..rows).map(|row| (row % 3 != 0).then_some(i64::from(row) * 1_000_003));
    let fields: Fields = vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
    ]
    .into();
    let children: Vec<ArrayRef> = vec![
        Arc::new((0..rows).map(Some).collect::<Int32Array>()),
        Arc::new(texts().collect::<StringArray>()),
    ];
    let lists = (0..rows).map(|row| (row % 4 != 0).then(|| (0..row % 3).map(Some)));
    let fixed = (0..rows).map(|row| row.to_le_bytes());
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "flag",
            Arc::new(
                (0..rows)
                    .map(|row| Some(row % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            "small",
            Arc::new((0..rows).map(|row| Some(row as u8)).collect::<UInt8Array>()),
        ),
        ("number", Arc::new(numbers().collect::<Int64Array>())),
        (
            "real",
            Arc::new(
                (0..rows)
                    .map(|row| Some(f64::from(row) / 7.0))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "decimal",
            Arc::new(
                numbers()
                    .map(|n| n.map(i128::from))
                    .collect::<Decimal128Array>(),
            ),
        ),
        (
            "time",
            Arc::new(numbers().collect::<TimestampNanosecondArray>()),
        ),
        (
            "day",
            Arc::new((0..rows).map(Some).collect::<Date32Array>()),
        ),
        ("text", Arc::new(texts().collect::<StringArray>())),
        ("long", Arc::new(texts().collect::<LargeStringArray>())),
        (
            "view",
            Arc::new(
                texts()
                    .map(|text| text.map(|text| text.repeat(3)))
                    .collect::<StringViewArray>(),
            ),
        ),
        ("bytes", Arc::new(BinaryArray::from_iter(texts()))),
        (
            "fixed",
            Arc::new(FixedSizeBinaryArray::try_from_iter(fixed).unwrap()),
        ),
        (
            "name",
            Arc::new(
                texts()
                    .collect::<Vec<_>>()
                    .iter()
                    .map(Option::as_deref)
                    .collect::<DictionaryArray<Int8Type>>(),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        ),
        ("struct", Arc::new(StructArray::new(fields, children, None))),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn arrow(compression: Option<CompressionType>) -> Vec<u8> {
    let table = table(40);
    // Parquet has no columns of nulls.
    let nulls: ArrayRef = Arc::new(NullArray::new(40));
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        columns.push((field.name().clone(), Arc::clone(column)));
    }
    columns.push(("nothing".to_owned(), nulls));
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        FileWriter::try_new_with_options(&mut bytes, &table.schema(), options).unwrap();
    writer.write(&table).unwrap();
    writer.write(&table.slice(3, 20)).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn parquet(compression: Compression, version: WriterVersion, delta: bool) -> Vec<u8> {
    let table = table(60);
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_data_page_row_count_limit(16)
        .set_write_batch_size(16)
        .set_max_row_group_row_count(Some(40));
    if delta {
        for (name, encoding) in [
            ("number", Encoding::DELTA_BINARY_PACKED),
            ("text", Encoding::DELTA_BYTE_ARRAY),
            ("long", Encoding::DELTA_LENGTH_BYTE_ARRAY),
            ("real", Encoding::BYTE_STREAM_SPLIT),
        ] {
            properties = properties
                .set_column_dictionary_enabled(name.into(), false)
                .set_column_encoding(name.into(), encoding);
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    let mut writer =
        ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties.build())).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    bytes.into_inner()
}

/// Returns sound files, by name.
fn sound_files() -> Vec<(&'static str, Vec<u8>)> {
    use {Compression as With, WriterVersion as Version};
    vec![
        ("plain.arrow", arrow(None)),
        ("lz4.arrow", arrow(Some(CompressionType::LZ4_FRAME))),
        ("zstd.arrow", arrow(Some(CompressionType::ZSTD))),
        (
            "plain.parquet",
            parquet(With::UNCOMPRESSED, Version::PARQUET_1_0, false),
        ),
        (
            "snappy.parquet",
            parquet(With::SNAPPY, Version::PARQUET_1_0, false),
        ),
        (
            "zstd.parquet",
            parquet(With::ZSTD(Default::default()), Version::PARQUET_2_0, false),
        ),
        (
            "gzip.parquet",
            parquet(With::GZIP(Default::default()), Version::PARQUET_1_0, true),
        ),
        (
            "delta.parquet",
            parquet(With::LZ4_RAW, Version::PARQUET_2_0, true),
        ),
    ]
}

/// Returns a file with one to four changes: a bit, a byte, a number of 32 or 64 bits at its limits, a piece from elsewhere,
/// or an end that is cut off.
fn mutant(sound: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..=random.below(4) {
        let at = match random.below(3) {
            // The footer says most.
            0 => bytes.len() - 1 - random.below((bytes.len() - 1).min(1200)),
            _ => random.below(bytes.len()),
        };
        let extremes = [
            0,
            1,
            u64::MAX,
            1 << 63,
            i64::MAX as u64,
            1 << 31,
            1 << 40,
            255,
        ];
        let number = extremes[random.below(extremes.len())].to_le_bytes();
        let width = [1, 4, 8][random.below(3)].min(bytes.len() - at);
        match random.below(8) {
            0..=2 => bytes[at] ^= 1 << random.below(8),
            3 => bytes[at] = random.below(256) as u8,
            4..=5 => bytes[at..at + width].copy_from_slice(&number[..width]),
            6 => {
                let from = random.below(bytes.len() - width + 1);
                bytes.copy_within(from..from + width, at);
            }
            _ if random.below(10) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}

/// Reads a whole table. Returns whether it could be read.
///
/// # Panics
/// If the reader does, or gives the blame to itself, or does not name the file.
async fn is_readable(folder: &Folder, name: &str) -> bool {
    let path = folder.path(name);
    let read = async {
        let source = Source::open_with([path.to_string_lossy()], &ReadOptions::default())?;
        let mut database = Database::new(&engine(1), None, StorageOptions::default())?;
        database.add("events", source)?;
        database
            .text("SELECT * FROM events", TextFormat::Json)
            .await
    };
    match read.await {
        Ok(_) => true,
        Err(error) => {
            let text = error.to_string();
            assert_ne!(error.kind(), ErrorKind::Internal, "{text}");
            assert!(text.contains(name), "{text}");
            assert!(!text.contains("reader of files failed"), "{text}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_files_of_all_types_are_read() {
    let folder = Folder::with(&[("empty", "")]);
    for (name, bytes) in sound_files() {
        folder.write(name, bytes);
        assert!(is_readable(&folder, name).await, "{name}");
    }
}

#[test]
fn mutants_are_read_or_refused_within_bounds() {
    let program = std::env::current_exe().expect("the path of this program");
    let script = format!(
        "ulimit -v {MOST_MEMORY}; exec timeout {} '{}' --exact damaged::read_mutants --ignored --nocapture",
        LONGEST.as_secs(),
        program.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output();
    let output = output.expect("bash starts");
    let tail = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().rev().take(12).collect::<Vec<_>>().join("\n")
    };
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        tail(&output.stdout),
        tail(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a test runs it in a process with limited memory"]
async fn read_mutants() {
    let folder = Folder::with(&[("empty", "")]);
    for (name, sound) in sound_files() {
        let mut readable = 0;
        for seed in 0..MUTANTS {
            let bytes = mutant(&sound, &mut Random(seed));
            // Shown if the process ends here.
            println!("{name}, mutant {seed}");
            folder.write(name, bytes);
            readable += u64::from(is_readable(&folder, name).await);
        }
        // Most changes hit values or are refused; a test of only one of these would show little.
        assert!((1..MUTANTS).contains(&readable), "{name}: {readable}");
    }
}
