//! Checks of the pages of a Parquet file on their way to the engine: what a page claims is allocated before it is
//! decompressed, and a value of a dictionary is copied for every row that has it.

pub(super) mod thrift;

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::parquet::basic::{CompressionCodec, Type};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;

use super::wide::Wide;
use crate::caught::caught;
use thrift::{I32, STRUCT, Walk};

/// The most bytes of a page after decompression, if that is more than [`MAX_RATIO`] times its own.
const MAX_PAGE_BYTES: u64 = 256 << 20;
const MAX_RATIO: u64 = 16;
/// The size of a compressed page up to which gzip and LZ4 can do no harm: they make some 1,000 and 255 bytes of each. Brotli
/// makes any number of a few.
const SMALL_PAGE_BYTES: usize = 64 << 10;
/// The bytes that the decompressor of Brotli reads at once.
const BROTLI_BUFFER_BYTES: usize = 4096;
/// The encoding in which a value repeats the beginning of the one before.
const DELTA_BYTE_ARRAY: i64 = 7;

/// The places of the pages of a file.
#[derive(Debug)]
pub(super) struct Pages {
    /// In the order of their places.
    chunks: Vec<Chunk>,
    /// The end of the last chunk.
    end: u64,
}

/// The pages of one column in one group of rows.
#[derive(Debug)]
struct Chunk {
    place: Range<u64>,
    meta: ColumnChunkMetaData,
}

/// What the header of a page says.
#[derive(Debug, Default)]
struct Header {
    bytes: usize,
    is_dictionary: bool,
    decompressed: i64,
    compressed: i64,
    encoding: i64,
}

impl Pages {
    pub fn of(metadata: &ParquetMetaData) -> Self {
        let groups = metadata.row_groups().iter();
        let chunks = groups.flat_map(|group| group.columns()).map(|meta| {
            let (start, length) = meta.byte_range();
            Chunk {
                place: start..start + length,
                meta: meta.clone(),
            }
        });
        let mut chunks: Vec<Chunk> = chunks.collect();
        chunks.sort_by_key(|chunk| chunk.place.start);
        let end = chunks.iter().map(|chunk| chunk.place.end).max();
        Self {
            chunks,
            end: end.unwrap_or(0),
        }
    }

    /// Returns the places of all chunks.
    pub fn places(&self) -> impl Iterator<Item = Range<u64>> {
        self.chunks.iter().map(|chunk| chunk.place.clone())
    }

    /// Checks bytes that begin at `start`. Those that are not of pages are not checked here, nor those that go beyond all
    /// chunks: they are the end of the file with its footer, which may begin anywhere. Batches will have `batch_rows` rows.
    ///
    /// # Errors
    /// Fails with the damage, or with the number of rows with which batches are small enough.
    pub fn check(&self, start: u64, bytes: &Bytes, batch_rows: usize) -> Result<(), Fault> {
        let behind = self
            .chunks
            .partition_point(|chunk| chunk.place.start <= start);
        let chunk = behind.checked_sub(1).map(|index| &self.chunks[index]);
        if start.saturating_add(bytes.len() as u64) > self.end {
            return Ok(());
        }
        match chunk.filter(|chunk| start < chunk.place.end) {
            Some(chunk) => chunk.check(start, bytes, batch_rows),
            None => Ok(()),
        }
    }
}

/// The reason why pages are not passed on.
#[derive(Debug)]
pub(super) enum Fault {
    Damage(String),
    Wide(Wide),
}

impl Chunk {
    fn check(&self, start: u64, bytes: &Bytes, batch_rows: usize) -> Result<(), Fault> {
        let mut at = 0;
        while at < bytes.len() {
            let page = start + at as u64;
            let damage = |why: String| {
                let column = self.meta.column_path().string();
                Fault::Damage(format!("column {column}, page at byte {page}: {why}"))
            };
            let header = Header::read(&bytes[at..]).ok_or_else(|| damage("no header".into()))?;
            let body = at + header.bytes;
            let length = usize::try_from(header.compressed).ok();
            let end = length.and_then(|length| body.checked_add(length));
            let end = end.filter(|end| *end <= bytes.len()).ok_or_else(|| {
                let (claimed, left) = (header.compressed, bytes.len() - body);
                damage(format!("it claims {claimed} bytes, and {left} are left"))
            })?;
            header.check_size().map_err(damage)?;
            self.check_decompression(&header, &bytes[body..end])
                .map_err(damage)?;
            if let Some(longest) = self.longest_value(&header, bytes.slice(at..end)) {
                Wide::check(longest, batch_rows).map_err(Fault::Wide)?;
            }
            at = end;
        }
        Ok(())
    }

    /// Checks that a page is not decompressed to more than it says, where the engine's decompressor reads to the end.
    fn check_decompression(&self, header: &Header, page: &[u8]) -> Result<(), String> {
        let is_small = page.len() <= SMALL_PAGE_BYTES;
        let text: Box<dyn Read> = match self.meta.compression_codec() {
            CompressionCodec::GZIP if !is_small => {
                Box::new(flate2::bufread::MultiGzDecoder::new(page))
            }
            // A page in the form of Hadoop says how long its parts are. One in frames is read to the end.
            CompressionCodec::LZ4 if !is_small => {
                Box::new(lz4_flex::frame::FrameDecoder::new(page))
            }
            CompressionCodec::BROTLI => {
                Box::new(brotli::Decompressor::new(page, BROTLI_BUFFER_BYTES))
            }
            _ => return Ok(()),
        };
        let most = header.decompressed.unsigned_abs();
        let found = std::io::copy(&mut text.take(most + 1), &mut std::io::sink());
        // What cannot be decompressed is left to the engine's message.
        match found {
            Ok(found) if found > most => Err(format!(
                "it holds more than the {most} bytes that it claims"
            )),
            _ => Ok(()),
        }
    }

    /// Returns a bound of the length of a text of the page that the rows of a batch can share, if there is one.
    fn longest_value(&self, header: &Header, page: Bytes) -> Option<usize> {
        let decompressed = usize::try_from(header.decompressed).ok()?;
        if self.meta.column_type() != Type::BYTE_ARRAY || !Wide::is_worth_a_look(decompressed) {
            return None;
        }
        if !header.is_dictionary {
            return (header.encoding == DELTA_BYTE_ARRAY).then_some(decompressed);
        }
        let dictionary = caught(|| self.dictionary(page)).ok().flatten();
        Some(dictionary.as_deref().and_then(longest).unwrap_or(0))
    }

    /// Returns the decompressed page of a dictionary.
    fn dictionary(&self, page: Bytes) -> Option<Bytes> {
        let at = self.place.start;
        let mut pages =
            SerializedPageReader::new(Arc::new(Placed { at, page }), &self.meta, 0, None).ok()?;
        match pages.get_next_page().ok()?? {
            Page::DictionaryPage { buf, .. } => Some(buf),
            _ => None,
        }
    }
}

/// Returns the length of the longest text of a dictionary, which are written one after the other behind their lengths.
fn longest(mut dictionary: &[u8]) -> Option<usize> {
    let mut longest = 0;
    while let Some((length, rest)) = dictionary.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        longest = longest.max(length.min(rest.len()));
        dictionary = rest.get(length..)?;
    }
    Some(longest)
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let mut walk = Walk::new(bytes);
        walk.fields(|walk, number, kind| {
            match (number, kind) {
                (1, I32) => header.is_dictionary = walk.integer()? == 2,
                (2, I32) => header.decompressed = walk.integer()?,
                (3, I32) => header.compressed = walk.integer()?,
                (5, STRUCT) => header.read_encoding(walk, 2)?,
                (8, STRUCT) => header.read_encoding(walk, 4)?,
                _ => return Some(false),
            }
            Some(true)
        })?;
        header.bytes = bytes.len() - walk.left();
        Some(header)
    }

    /// Reads the header of a page of data, whose field `number` is the encoding.
    fn read_encoding(&mut self, walk: &mut Walk<'_>, number: i16) -> Option<()> {
        walk.fields(|walk, found, kind| {
            let is_encoding = (found, kind) == (number, I32);
            if is_encoding {
                self.encoding = walk.integer()?;
            }
            Some(is_encoding)
        })
    }

    fn check_size(&self) -> Result<(), String> {
        let most = MAX_PAGE_BYTES.max(self.compressed.unsigned_abs().saturating_mul(MAX_RATIO));
        match u64::try_from(self.decompressed) {
            Ok(bytes) if bytes <= most => Ok(()),
            _ => Err(format!(
                "it claims {} bytes after decompression; the limit is {most}",
                self.decompressed
            )),
        }
    }
}

/// A piece of a file that begins at `at`.
struct Placed {
    at: u64,
    page: Bytes,
}

impl Length for Placed {
    fn len(&self) -> u64 {
        self.at + self.page.len() as u64
    }
}

impl ChunkReader for Placed {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let start = start.saturating_sub(self.at).min(self.page.len() as u64);
        Ok(self.page.slice(start as usize..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut bytes = vec![0; length.min(self.page.len())];
        self.get_read(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use datafusion::parquet::basic::{BrotliLevel, Compression, GzipLevel};
    use datafusion::parquet::schema::parser::parse_message_type;
    use datafusion::parquet::schema::types::SchemaDescriptor;

    use super::*;

    /// Returns `text` as a page.
    fn page(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::GZIP(_) => {
                let level = flate2::Compression::default();
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(text).unwrap();
                writer.finish().unwrap()
            }
            Compression::BROTLI(_) => {
                let mut page = Vec::new();
                let mut writer = brotli::CompressorWriter::new(&mut page, 4096, 5, 22);
                writer.write_all(text).unwrap();
                drop(writer);
                page
            }
            _ => {
                let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
                writer.write_all(text).unwrap();
                writer.finish().unwrap()
            }
        }
    }

    /// Returns whether a page that holds `text` may claim to hold `claimed` bytes.
    fn is_accepted(compression: Compression, text: &[u8], claimed: usize) -> bool {
        let schema = parse_message_type("message m { required binary a; }").unwrap();
        let schema = SchemaDescriptor::new(Arc::new(schema));
        let meta = ColumnChunkMetaData::builder(schema.column(0));
        let meta = meta.set_compression(compression).build().unwrap();
        let header = Header {
            decompressed: claimed as i64,
            ..Header::default()
        };
        let chunk = Chunk { place: 0..1, meta };
        let checked = chunk.check_decompression(&header, &page(compression, text));
        checked.is_ok()
    }

    #[test]
    fn a_page_holds_no_more_than_it_claims() {
        // No codec makes much less of these bytes.
        let mut state = 1_u64;
        let mut byte = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        let text: Vec<u8> = (0..4 * SMALL_PAGE_BYTES).map(|_| byte()).collect();
        let gzip = Compression::GZIP(GzipLevel::default());
        let brotli = Compression::BROTLI(BrotliLevel::default());
        for compression in [gzip, brotli, Compression::LZ4] {
            assert!(is_accepted(compression, &text, text.len()), "{compression}");
            let less = text.len() - 1;
            assert!(!is_accepted(compression, &text, less), "{compression}");
        }
        // Brotli makes much of little.
        assert!(!is_accepted(brotli, &vec![0; 1 << 20], 1000));
    }
}
