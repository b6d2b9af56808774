//! Local files as the engine reads them: bytes, but never text in which a record has no end.
//!
//! The engine collects a record whole before it looks at it, so that one quote which never closes would make it hold the
//! rest of the file. Here text passes by in chunks on its way to the engine. A chunk costs next to nothing while it holds
//! a line end and, once quotes were seen, a quote; only a long stretch without them is read as records a second time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::stream::{self, BoxStream, StreamExt};

use super::expand::{self, Compression, Format};
use super::text::{self, MAX_RECORD_BYTES, Records};

/// Bytes that are read at once: few enough that an allocator takes them from memory that it has.
const CHUNK_BYTES: usize = 1 << 16;

/// The file system, with text watched on its way. Compressed text is decompressed, so that it can be watched too.
#[derive(Debug, Default)]
pub(crate) struct WatchedFiles(LocalFileSystem);

impl std::fmt::Display for WatchedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for WatchedFiles {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.0.get_opts(location, options).await?;
        match found.payload {
            GetResultPayload::File(file, path) => {
                let payload = match expand::format_of(&path) {
                    Some(Format::Csv(compression)) => {
                        let text = WatchedText::open(file, path, compression, &found.range)?;
                        GetResultPayload::Stream(stream::iter(text).boxed())
                    }
                    _ => GetResultPayload::File(file, path),
                };
                Ok(GetResult { payload, ..found })
            }
            payload @ GetResultPayload::Stream(_) => Ok(GetResult { payload, ..found }),
        }
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

/// Text in chunks; ends with an error at a record that is too long.
struct WatchedText {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    compression: Compression,
    /// Of the text, up to the end of the last chunk.
    position: u64,
    watch: Watch,
    /// The same text read as records, as far as that was necessary.
    records: Option<Records>,
    failed: bool,
}

impl WatchedText {
    fn open(
        mut file: File,
        path: PathBuf,
        compression: Compression,
        range: &std::ops::Range<u64>,
    ) -> Result<Self> {
        let input: Box<dyn Read + Send> = if compression == Compression::None {
            file.seek(SeekFrom::Start(range.start)).map_err(refusal)?;
            Box::new(file.take(range.end - range.start))
        } else {
            text::open(&path, compression).map_err(refusal)?
        };
        Ok(Self {
            input,
            path,
            compression,
            position: range.start,
            watch: Watch::default(),
            records: None,
            failed: false,
        })
    }

    fn read_chunk(&mut self) -> Result<Bytes> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = self
            .input
            .by_ref()
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)
            .map_err(refusal)?;
        self.position += read as u64;
        if self.watch.is_suspicious_after(&chunk) {
            self.read_records()?;
            self.watch = Watch::default();
        }
        Ok(chunk.into())
    }

    /// Reads the text as records up to the current position.
    fn read_records(&mut self) -> Result<()> {
        let records = match self.records.take() {
            Some(records) => records,
            None => Records::open(&self.path, self.compression).map_err(refusal)?,
        };
        let records = self.records.insert(records);
        let mut record = csv::ByteRecord::new();
        while records.position().byte() < self.position {
            if !records.read(&mut record).map_err(refusal)? {
                break;
            }
        }
        Ok(())
    }
}

impl Iterator for WatchedText {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let chunk = self.read_chunk();
        self.failed = chunk.is_err();
        match chunk {
            Ok(bytes) if bytes.is_empty() => None,
            other => Some(other),
        }
    }
}

fn refusal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: "local files",
        source: error.into(),
    }
}

/// Whether the text so far may be in the middle of a record that is too long.
#[derive(Debug, Default)]
struct Watch {
    since_line_end: u64,
    since_quote: u64,
    has_quotes: bool,
}

impl Watch {
    fn is_suspicious_after(&mut self, chunk: &[u8]) -> bool {
        let length = chunk.len() as u64;
        self.since_line_end = if chunk.contains(&b'\n') {
            0
        } else {
            self.since_line_end + length
        };
        // Pairs of quotes open and close a value, or stand for a quote within one; an odd number of them changes sides.
        let changes_sides = chunk.contains(&b'"')
            && chunk
                .chunk_by(|left, right| (*left == b'"') == (*right == b'"'))
                .any(|run| run[0] == b'"' && run.len() % 2 == 1);
        self.has_quotes |= changes_sides;
        self.since_quote = if changes_sides {
            0
        } else {
            self.since_quote + length
        };
        self.since_line_end > MAX_RECORD_BYTES
            || (self.has_quotes && self.since_quote > MAX_RECORD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many chunks of 64 KiB pass before the text is read as records.
    fn chunks_until_suspicious(first: &str, line: &str) -> Option<usize> {
        let chunk = line.repeat(CHUNK_BYTES / line.len());
        let mut watch = Watch::default();
        assert!(!watch.is_suspicious_after(first.as_bytes()));
        (0..200).find(|_| watch.is_suspicious_after(chunk.as_bytes()))
    }

    #[test]
    fn only_long_stretches_without_ends_or_quotes_are_suspicious() {
        let limit = MAX_RECORD_BYTES as usize / CHUNK_BYTES;
        for (first, line, expected) in [
            ("a,b\n", "1,2\n", None),
            ("a,b\n", "\"x\",2\n", None),
            ("a,\"b\"\n", "\"x\",2\n", None),
            ("a,\"b\"\n", "1,2\n", Some(limit)),
            ("a,\"b\n", "1,\"\"\n", Some(limit)),
            ("a,b", "1 2 ", Some(limit - 1)),
        ] {
            let found = chunks_until_suspicious(first, line);
            assert_eq!(found, expected, "{first:?} then {line:?}");
        }
    }
}
