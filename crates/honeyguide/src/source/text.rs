//! Text files: decompression, the header, and the types of columns that are not BETH's.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use datafusion::arrow::csv::reader::Format as Inference;
use datafusion::arrow::datatypes::DataType;

use super::Column;
use super::expand::{Compression, DataFile};
use crate::error::{Error, Result};
use crate::event;

/// Records that are looked at to learn the types of columns.
pub(super) const INFERENCE_RECORDS: usize = 1000;
/// What a header line may hold; a longer one is not a table's.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The decompressed bytes of a text file.
pub(super) fn open(path: &Path, compression: Compression) -> Result<Box<dyn Read>> {
    let open = |error| Error::io("read", path, error);
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(open)?);
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(file).map_err(open)?),
    })
}

/// The columns of a text file: names from its header, types from BETH's schema or from its first records.
pub(super) fn columns(path: &Path, compression: Compression) -> Result<Vec<Column>> {
    let names = header(path, compression)?;
    let types = if names.iter().all(|name| event::column_type(name).is_some()) {
        vec![DataType::Utf8; names.len()]
    } else {
        infer_types(path, compression, names.len())?
    };
    let typed = names.into_iter().zip(types);
    Ok(typed
        .map(|(name, inferred)| match event::column_type(&name) {
            Some(data_type) => Column {
                name,
                data_type,
                inferred: false,
            },
            None => Column {
                name,
                data_type: inferred,
                inferred: true,
            },
        })
        .collect())
}

/// How many rows a plain text file has, from its size and the mean size of its first records.
pub(super) fn estimate_rows(file: &DataFile, compression: Compression) -> Option<u64> {
    if compression != Compression::None {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(open(&file.path, compression).ok()?);
    reader.byte_headers().ok()?;
    let header_bytes = reader.position().byte();
    let records = reader
        .byte_records()
        .take(INFERENCE_RECORDS)
        .take_while(std::result::Result::is_ok)
        .count() as u64;
    let record_bytes = reader.position().byte() - header_bytes;
    Some(if record_bytes == 0 {
        0
    } else {
        (file.bytes - header_bytes) * records / record_bytes
    })
}

/// The names in the header line.
pub(super) fn header(path: &Path, compression: Compression) -> Result<Vec<String>> {
    let place = path.display();
    let input = open(path, compression)?.take(MAX_HEADER_BYTES);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let found = reader
        .read_byte_record(&mut record)
        .map_err(|error| read_error(path, 1, error))?;
    if !found {
        return Err(Error::data(format!("{place}: the file is empty"))
            .hint("a CSV file begins with a header line that names its columns"));
    }
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    for (index, field) in record.iter().enumerate() {
        let field = if index == 0 {
            field.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(field)
        } else {
            field
        };
        let name = std::str::from_utf8(field).ok().filter(|name| !name.contains('\0')).ok_or_else(|| {
            Error::data(format!("{place}: line 1, column {}: the header is not text", index + 1))
                .hint("this does not look like a CSV file; if it is compressed, its name must end in .gz or .zst")
        })?;
        if names.iter().any(|earlier| earlier == name) {
            return Err(
                Error::data(format!("{place}: line 1: two columns are named `{name}`"))
                    .hint("rename one of them"),
            );
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn infer_types(path: &Path, compression: Compression, columns: usize) -> Result<Vec<DataType>> {
    let inference = Inference::default()
        .with_header(true)
        .with_truncated_rows(true);
    let inferred = inference.infer_schema(open(path, compression)?, Some(INFERENCE_RECORDS));
    // A record that cannot be read is found again, and explained, when the rows are read.
    let Ok((schema, _)) = inferred else {
        return Ok(vec![DataType::Utf8; columns]);
    };
    Ok(schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            kept @ (DataType::Int64 | DataType::Float64 | DataType::Boolean) => kept.clone(),
            _ => DataType::Utf8,
        })
        .collect())
}

/// A failure of reading bytes, such as a compressed stream that ends too early.
pub(super) fn read_error(path: &Path, line: u64, error: csv::Error) -> Error {
    let place = path.display();
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::data(format!(
                "{place}: the compressed stream ends too early, near line {line} of its text"
            ))
            .hint("the file was cut off: copy or download it again")
        }
        csv::ErrorKind::Io(error) if error.raw_os_error().is_none() => Error::data(format!(
            "{place}: cannot be decompressed, near line {line} of its text: {error}"
        ))
        .hint("the file is damaged, or its name does not tell its compression"),
        csv::ErrorKind::Io(error) => Error::io("read", path, error),
        other => Error::data(format!("{place}: line {line}: {other:?}")),
    }
}
