//! Checks of the messages of an Arrow IPC file against their bodies, before they are decoded: the decoder allocates what
//! a message claims.

use datafusion::arrow::ipc::{
    CompressionType, MessageHeader, RecordBatch as Batch, root_as_message,
};

use super::lz4;

/// The marker before the length of a message in files since version 0.15 of the format.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The most bytes to which the body of a message may be decompressed, if that is more than [`MAX_RATIO`] times its own.
const MAX_BODY_BYTES: u64 = 256 << 20;
const MAX_RATIO: u64 = 16;
/// The most rows, values or lists of a batch for each bit of its body, and beyond: some types need no bits.
const ROWS_BEYOND_BITS: u64 = 1 << 20;
/// The bytes of a compressed buffer that say how long it will be.
const PREFIX_BYTES: usize = 8;
/// The length of a buffer that is not compressed although its message is.
const NOT_COMPRESSED: i64 = -1;

/// Checks a message whose body is `body`.
///
/// # Errors
/// Fails when the message is damaged, or claims what its body cannot hold.
pub(super) fn check_message(message: &[u8], body: &[u8]) -> Result<(), String> {
    let start = if message.starts_with(&CONTINUATION) {
        8
    } else {
        4
    };
    let message = message.get(start..).ok_or("a message without content")?;
    let message = root_as_message(message).map_err(|error| error.to_string())?;
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message
            .header_as_dictionary_batch()
            .and_then(|dictionary| dictionary.data()),
        MessageHeader::NONE => return Ok(()),
        _ => return Err("neither a batch nor a dictionary".into()),
    };
    check_batch(&batch.ok_or("a message without content")?, body)
}

fn check_batch(batch: &Batch<'_>, body: &[u8]) -> Result<(), String> {
    let decoded = decoded_bytes(batch, body)?;
    let most = decoded.saturating_mul(8).saturating_add(ROWS_BEYOND_BITS);
    let is_possible = |rows: i64| u64::try_from(rows).is_ok_and(|rows| rows <= most);
    if !is_possible(batch.length()) {
        return Err(format!(
            "{} rows in {decoded} bytes; the limit is {most}",
            batch.length()
        ));
    }
    for node in batch.nodes().into_iter().flatten() {
        let (values, nulls) = (node.length(), node.null_count());
        if !is_possible(values) || !(0..=values).contains(&nulls) {
            return Err(format!(
                "{values} values with {nulls} nulls in {decoded} bytes; the limit is {most} values"
            ));
        }
    }
    let buffers = batch.buffers().map_or(0, |buffers| buffers.len() as i64);
    let mut counted = 0_i64;
    for count in batch.variadicBufferCounts().into_iter().flatten() {
        counted = counted.saturating_add(count);
        if count < 0 || counted > buffers {
            return Err(format!("{count} of {buffers} buffers for one column"));
        }
    }
    Ok(())
}

/// Returns the bytes of a body after decompression.
///
/// # Errors
/// Fails when buffers are not within the body, share parts of it, or are to be decompressed to too much.
fn decoded_bytes(batch: &Batch<'_>, body: &[u8]) -> Result<u64, String> {
    let codec = batch.compression().map(|compression| compression.codec());
    let (mut stored, mut decoded) = (0_u64, 0_u64);
    for buffer in batch.buffers().into_iter().flatten() {
        let (start, length) = (buffer.offset(), buffer.length());
        let bytes = usize::try_from(start)
            .ok()
            .zip(usize::try_from(length).ok())
            .and_then(|(start, length)| body.get(start..start.checked_add(length)?));
        let bytes = bytes.ok_or_else(|| {
            format!(
                "a buffer of {length} bytes at byte {start}; the body has {}",
                body.len()
            )
        })?;
        stored += bytes.len() as u64;
        decoded = decoded.saturating_add(match codec {
            Some(codec) if !bytes.is_empty() => decompressed_bytes(codec, bytes)?,
            _ => bytes.len() as u64,
        });
    }
    let bytes = body.len() as u64;
    if stored > bytes {
        return Err(format!(
            "buffers of {stored} bytes in all; the body has {bytes}"
        ));
    }
    let most = MAX_BODY_BYTES.max(bytes.saturating_mul(MAX_RATIO));
    if decoded > most {
        return Err(format!(
            "{bytes} bytes that are {decoded} after decompression; the limit is {most}"
        ));
    }
    Ok(decoded)
}

/// Returns the bytes to which a buffer is decompressed, as it says itself.
fn decompressed_bytes(codec: CompressionType, buffer: &[u8]) -> Result<u64, String> {
    let (prefix, frame) = buffer
        .split_first_chunk::<PREFIX_BYTES>()
        .ok_or("a compressed buffer without its length")?;
    let length = i64::from_le_bytes(*prefix);
    if length == NOT_COMPRESSED {
        return Ok(frame.len() as u64);
    }
    let length = u64::try_from(length).map_err(|_| format!("a buffer of {length} bytes"))?;
    if codec == CompressionType::LZ4_FRAME && length > 0 {
        lz4::check(frame, length)?;
    }
    Ok(length)
}
