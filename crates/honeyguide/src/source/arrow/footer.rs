//! The footer of an Arrow IPC file: its schema, and where its messages are. Nothing of it is used before it is checked
//! against the size of the file.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::ipc::convert::fb_to_schema;
use datafusion::arrow::ipc::{Block, MetadataVersion, root_as_footer};

use crate::caught::caught;
use crate::source::seekable::Seekable;

/// The bytes of a file after its footer: the footer's length and a magic number.
const TRAILER_BYTES: u64 = 10;
const MAGIC: &[u8; 6] = b"ARROW1";
/// The most bytes of a footer that is read.
const MAX_FOOTER_BYTES: u64 = 64 << 20;
/// The bytes of a file before its first message.
const START_BYTES: i64 = 8;
/// The least bytes of a message: its length, with a marker.
const LEAST_METADATA_BYTES: i32 = 8;

/// A footer whose claims were checked.
pub(super) struct Footer {
    pub schema: SchemaRef,
    pub version: MetadataVersion,
    pub dictionaries: Vec<Block>,
    pub batches: Vec<Block>,
}

impl Footer {
    /// Reads the footer of a file of `bytes` bytes.
    ///
    /// # Errors
    /// Fails with a message that says what of the footer is damaged.
    pub fn read(input: &mut Seekable, bytes: u64) -> Result<Self, String> {
        let footer = footer_bytes(input, bytes)?;
        let start = bytes - TRAILER_BYTES - footer.len() as u64;
        let footer = root_as_footer(&footer).map_err(|error| format!("its footer: {error}"))?;
        let schema = footer.schema().ok_or("its footer has no schema")?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err("its numbers have another byte order than this machine's".into());
        }
        if schema.fields().is_none() {
            return Err("its schema has no list of columns".into());
        }
        let schema = caught(|| fb_to_schema(schema)).map_err(|why| format!("its schema: {why}"))?;
        check_types(&schema)?;
        let batches = footer
            .recordBatches()
            .ok_or("its footer has no list of batches")?;
        let batches: Vec<Block> = batches.iter().copied().collect();
        let dictionaries = footer.dictionaries().into_iter().flatten();
        let dictionaries: Vec<Block> = dictionaries.copied().collect();
        check_blocks(batches.iter().chain(&dictionaries), start)?;
        Ok(Self {
            schema: Arc::new(schema),
            version: footer.version(),
            dictionaries,
            batches,
        })
    }
}

fn footer_bytes(input: &mut Seekable, bytes: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let end = bytes
        .checked_sub(TRAILER_BYTES)
        .ok_or("it is too short to have a footer")?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    input.seek(SeekFrom::Start(end)).map_err(failed)?;
    input.read_exact(&mut trailer).map_err(failed)?;
    let (length, magic) = trailer.split_at(4);
    if magic != MAGIC {
        return Err("it does not end with a footer".into());
    }
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    let length = u64::from(length);
    if length > end.min(MAX_FOOTER_BYTES) {
        return Err(format!(
            "its footer claims {length} bytes; the file has {bytes}, and the limit is {MAX_FOOTER_BYTES}"
        ));
    }
    let mut footer = Vec::new();
    input.seek(SeekFrom::Start(end - length)).map_err(failed)?;
    let read = input.take(length).read_to_end(&mut footer);
    match read.map_err(failed)? as u64 == length {
        true => Ok(footer),
        false => Err("it is shorter than it was".into()),
    }
}

/// Returns the lengths of a message and of its body.
///
/// # Errors
/// Fails when they are negative or too short.
pub(super) fn lengths(block: &Block) -> Result<(usize, usize), String> {
    let (metadata, body) = (block.metaDataLength(), block.bodyLength());
    match (usize::try_from(metadata), usize::try_from(body)) {
        (Ok(metadata_bytes), Ok(body_bytes)) if metadata >= LEAST_METADATA_BYTES => {
            Ok((metadata_bytes, body_bytes))
        }
        _ => Err(format!(
            "its footer claims a message of {metadata} bytes with a body of {body} bytes"
        )),
    }
}

/// Checks that the messages lie one beside the other before the footer, which begins at `footer`.
fn check_blocks<'a>(blocks: impl Iterator<Item = &'a Block>, footer: u64) -> Result<(), String> {
    let mut places = Vec::new();
    for block in blocks {
        let (metadata, body) = lengths(block)?;
        let start = block.offset();
        let length = i64::try_from(metadata).ok().zip(i64::try_from(body).ok());
        let end = length
            .and_then(|(metadata, body)| metadata.checked_add(body))
            .and_then(|length| length.checked_add(start));
        match end {
            Some(end) if start >= START_BYTES && end.unsigned_abs() <= footer => {
                places.push((start, end));
            }
            _ => {
                return Err(format!(
                    "its footer claims a message at byte {start} of {metadata} + {body} bytes; the messages end at byte {footer}"
                ));
            }
        }
    }
    places.sort_unstable();
    if let Some(both) = places.windows(2).find(|both| both[0].1 > both[1].0) {
        return Err(format!(
            "its footer claims messages at bytes {} and {} that overlap",
            both[0].0, both[1].0
        ));
    }
    Ok(())
}

/// Checks what the decoder takes for granted of types.
fn check_types(schema: &Schema) -> Result<(), String> {
    for field in schema.fields() {
        if !is_sound(field.data_type()) {
            let (name, found) = (field.name(), field.data_type());
            return Err(format!("column `{name}` has the impossible type {found}"));
        }
    }
    Ok(())
}

fn is_sound(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeBinary(width) => *width >= 0,
        DataType::FixedSizeList(item, length) => *length >= 0 && is_sound(item.data_type()),
        DataType::Decimal32(precision, scale) => is_decimal(*precision, *scale, 9),
        DataType::Decimal64(precision, scale) => is_decimal(*precision, *scale, 18),
        DataType::Decimal128(precision, scale) => is_decimal(*precision, *scale, 38),
        DataType::Decimal256(precision, scale) => is_decimal(*precision, *scale, 76),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => is_sound(item.data_type()),
        DataType::Map(entries, _) => {
            is_sound(entries.data_type())
                && matches!(entries.data_type(), DataType::Struct(fields) if fields.len() == 2)
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_sound(field.data_type())),
        DataType::Union(fields, _) => fields.iter().all(|(_, field)| is_sound(field.data_type())),
        DataType::Dictionary(key, value) => key.is_dictionary_key_type() && is_sound(value),
        DataType::RunEndEncoded(ends, values) => {
            ends.data_type().is_run_ends_type() && is_sound(values.data_type())
        }
        _ => true,
    }
}

fn is_decimal(precision: u8, scale: i8, digits: u8) -> bool {
    (1..=digits).contains(&precision) && i16::from(scale).abs() <= i16::from(digits)
}
