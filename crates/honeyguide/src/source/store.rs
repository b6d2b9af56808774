//! The files of a source as an object store from which the engine reads bytes. A record of text that is too long is an error.
//!
//! The engine holds a whole record in memory before it parses it, so that a quote which is never closed would make it hold
//! the rest of the file. Here text is checked in chunks on its way to the engine. The check is cheap for a chunk that holds
//! a line end and, once there were quotes, a quote. Only a long stretch without them is parsed as records, and so read twice.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, coalesce_ranges,
};
use futures::stream::{self, BoxStream, StreamExt};
use memchr::{memchr, memchr2_iter};
use sha2::{Digest, Sha256};

use super::file::{DataFile, Stored};
use super::format::{Compression, Format};
use super::lossy::{LossSearch, LossyNumbers};
use super::pages::Fault;
use super::rows::Files;
use super::seekable::Failure;
use super::text::{MAX_RECORD_BYTES, Records};
use super::wide::{Gathered, Wide};
use crate::engine::BATCH_ROWS;
use crate::error::cause_of;
use crate::storage::remote::RemoteFile;
use crate::wording::hex;

/// Bytes that are read at once: few enough that the allocator does not ask the system for memory each time.
const CHUNK_BYTES: usize = 1 << 16;

/// The files of one source. Records of CSV are checked for their length, for which compressed text is decompressed
/// here.
#[derive(Debug)]
pub(super) struct SourceStore {
    files: Files,
    local: LocalFileSystem,
    url: String,
    /// The most rows of a batch. It becomes smaller when texts are found to be long.
    batch_rows: AtomicUsize,
    lossy: Arc<LossyNumbers>,
    /// The last error of this library, of which the engine may pass on the text alone.
    failure: Failure,
}

impl SourceStore {
    /// Returns a store of `files`. It adds what it meets in them to `lossy`.
    ///
    /// # Errors
    /// Fails when a file is gone, and when a path is not UTF-8.
    pub fn new<'a>(
        files: impl Iterator<Item = &'a DataFile>,
        lossy: Arc<LossyNumbers>,
    ) -> crate::error::Result<Self> {
        let located = files.map(|file| Ok((file.store_path()?, file.clone())));
        let files: HashMap<_, _> = located.collect::<crate::error::Result<_>>()?;
        Ok(Self {
            url: url(&files),
            files: Arc::new(files),
            local: LocalFileSystem::new(),
            batch_rows: AtomicUsize::new(BATCH_ROWS),
            lossy,
            failure: Failure::default(),
        })
    }

    /// Returns the URL under which the engine knows the store. Stores of the same files have the same URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the most rows of a batch.
    pub fn batch_rows(&self) -> usize {
        self.batch_rows.load(Ordering::Relaxed)
    }

    /// Makes batches smaller from the next scan on.
    pub fn shrink_batches(&self, rows: usize) {
        self.batch_rows.fetch_min(rows.max(1), Ordering::Relaxed);
    }

    /// Returns the files by their paths in this store.
    pub fn files(&self) -> Files {
        Arc::clone(&self.files)
    }

    /// Returns why files could not be read since the last call, if that is why.
    pub fn failure(&self) -> Option<crate::error::Error> {
        self.failure.take()
    }

    fn noted<T>(&self, found: Result<T>) -> Result<T> {
        if let Err(error) = &found
            && let Some(own) = cause_of::<crate::error::Error>(error)
        {
            self.failure.keep(own.again());
        }
        found
    }

    fn file(&self, location: &Path) -> Result<&DataFile> {
        self.files.get(location).ok_or_else(|| Error::NotFound {
            path: location.to_string(),
            source: "not a file of this source".into(),
        })
    }
}

fn url(files: &HashMap<Path, DataFile>) -> String {
    let mut locations: Vec<_> = files
        .iter()
        .map(|(location, file)| format!("{location} {:?} {}", file.format, file.bytes))
        .collect();
    locations.sort_unstable();
    let hash = Sha256::digest(locations.join("\n"));
    format!("source://{}/", hex(&hash[..8]))
}

impl std::fmt::Display for SourceStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

#[async_trait::async_trait]
impl ObjectStore for SourceStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = self.file(location)?;
        let found = get(
            file,
            &self.local,
            options,
            Gathered::new(self.batch_rows()),
            &self.lossy,
        )
        .await;
        self.noted(found)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let file = self.file(location)?;
        let found = get_ranges(file, &self.local, ranges, self.batch_rows()).await;
        self.noted(found)
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(read_only())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

/// Returns the bytes of a file for the engine: CSV decompressed and checked, anything else as it is stored. What is met
/// in CSV that numbers lose is added to `lossy`.
pub(super) async fn get(
    file: &DataFile,
    local: &LocalFileSystem,
    options: GetOptions,
    gathered: Gathered,
    lossy: &Arc<LossyNumbers>,
) -> Result<GetResult> {
    let found = match file.stored() {
        Stored::Here(_) => {
            let location = file.store_path().map_err(refusal)?;
            local.get_opts(&location, options).await?
        }
        Stored::There(remote) => from_afar(file, remote.clone(), &options)?,
    };
    if !matches!(file.format, Format::Csv(_)) {
        return Ok(found);
    }
    let lossy = Arc::clone(lossy);
    let text = WatchedText::open(file.clone(), &found.range, gathered, lossy)?;
    let payload = GetResultPayload::Stream(stream::iter(text).boxed());
    Ok(GetResult { payload, ..found })
}

/// Returns pieces of a file as it is stored.
pub(super) async fn get_ranges(
    file: &DataFile,
    local: &LocalFileSystem,
    ranges: &[std::ops::Range<u64>],
    batch_rows: usize,
) -> Result<Vec<Bytes>> {
    let pieces = stored_ranges(file, local, ranges).await?;
    if let Some(pages) = &file.pages {
        for (range, bytes) in ranges.iter().zip(&pieces) {
            let checked = pages.check(range.start, bytes, batch_rows);
            checked.map_err(|fault| match fault {
                Fault::Wide(wide) => refusal(wide),
                Fault::Damage(why) => refusal(why),
            })?;
        }
    }
    Ok(pieces)
}

async fn stored_ranges(
    file: &DataFile,
    local: &LocalFileSystem,
    ranges: &[std::ops::Range<u64>],
) -> Result<Vec<Bytes>> {
    match file.stored() {
        Stored::Here(_) => {
            let location = file.store_path().map_err(refusal)?;
            local.get_ranges(&location, ranges).await
        }
        Stored::There(remote) => {
            let get = |range| {
                let remote = remote.clone();
                async move { remote.get(range).await.map_err(refusal) }
            };
            coalesce_ranges(ranges, get, OBJECT_STORE_COALESCE_DEFAULT).await
        }
    }
}

/// Returns a remote file, or a range of it, in one piece that is fetched when it is polled.
fn from_afar(file: &DataFile, remote: RemoteFile, options: &GetOptions) -> Result<GetResult> {
    let range = match &options.range {
        Some(range) => range.as_range(file.bytes).map_err(refusal)?,
        None => 0..file.bytes,
    };
    let bytes = stream::once({
        let range = range.clone();
        async move { remote.get(range).await.map_err(refusal) }
    });
    Ok(GetResult {
        payload: GetResultPayload::Stream(bytes.boxed()),
        meta: file.meta().map_err(refusal)?,
        range,
        attributes: Attributes::new(),
    })
}

pub(super) fn read_only() -> Error {
    Error::NotSupported {
        source: "a source's files are only read".into(),
    }
}

/// Chunks of text, which end with an error at a record that is too long.
struct WatchedText {
    input: Box<dyn Read + Send>,
    file: DataFile,
    /// The number of bytes of the text up to the end of the last chunk.
    position: u64,
    watch: Watch,
    batch: BatchWatch,
    search: LossSearch,
    lossy: Arc<LossyNumbers>,
    /// The same text parsed as records, as far as that was necessary.
    records: Option<Records>,
    failed: bool,
}

impl WatchedText {
    fn open(
        file: DataFile,
        range: &std::ops::Range<u64>,
        gathered: Gathered,
        lossy: Arc<LossyNumbers>,
    ) -> Result<Self> {
        let input: Box<dyn Read + Send> = if file.format.compression() == Compression::None {
            let stored = file.read_from(range.start).map_err(refusal)?;
            Box::new(stored.take(range.end - range.start))
        } else {
            file.read().map_err(refusal)?
        };
        Ok(Self {
            input,
            file,
            position: range.start,
            watch: Watch::default(),
            batch: BatchWatch::new(gathered, range.start),
            search: LossSearch::default(),
            lossy,
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
        self.batch.check(&chunk).map_err(refusal)?;
        self.search.search(&chunk, &self.file, &self.lossy);
        if self.watch.is_suspicious_after(&chunk) {
            self.read_records()?;
            self.watch = Watch::default();
        }
        Ok(chunk.into())
    }

    /// Parses the text as records up to the current position.
    fn read_records(&mut self) -> Result<()> {
        let records = match self.records.take() {
            Some(records) => records,
            None => Records::open(&self.file).map_err(refusal)?,
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

pub(super) fn refusal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: "source",
        source: error.into(),
    }
}

/// Distances that tell whether the text so far may end within a record that is too long.
#[derive(Debug, Default)]
struct Watch {
    since_line_end: u64,
    since_quote: u64,
    has_quotes: bool,
}

impl Watch {
    fn is_suspicious_after(&mut self, chunk: &[u8]) -> bool {
        let length = chunk.len() as u64;
        self.since_line_end = if memchr(b'\n', chunk).is_some() {
            0
        } else {
            self.since_line_end + length
        };
        let has_quote = has_odd_run_of_quotes(chunk);
        self.has_quotes |= has_quote;
        self.since_quote = if has_quote {
            0
        } else {
            self.since_quote + length
        };
        self.since_line_end > MAX_RECORD_BYTES
            || (self.has_quotes && self.since_quote > MAX_RECORD_BYTES)
    }
}

/// The records of a text, counted in chunks.
#[derive(Debug)]
struct BatchWatch {
    gathered: Gathered,
    /// Whether values may hold line breaks. They do not where the engine has divided the file, and then a text may begin
    /// within a value in quotes.
    may_have_line_breaks: bool,
    is_quoted: bool,
}

impl BatchWatch {
    /// Returns a watch over the text that begins at the byte `start` of its file.
    fn new(gathered: Gathered, start: u64) -> Self {
        Self {
            gathered,
            may_have_line_breaks: start == 0,
            is_quoted: false,
        }
    }

    /// Adds a chunk of text.
    ///
    /// # Errors
    /// Fails when the records are so long that batches should have fewer of them.
    fn check(&mut self, chunk: &[u8]) -> std::result::Result<(), Wide> {
        let mut records = 0;
        for at in memchr2_iter(b'"', b'\n', chunk) {
            if chunk[at] == b'"' {
                self.is_quoted ^= self.may_have_line_breaks;
            } else if !self.is_quoted {
                records += 1;
            }
        }
        self.gathered.add(records, chunk.len())
    }
}

/// Returns whether there is a run of quotes of odd length. A run of even length opens and closes a value, or stands for
/// quotes within one.
fn has_odd_run_of_quotes(chunk: &[u8]) -> bool {
    let mut rest = chunk;
    while let Some(at) = memchr(b'"', rest) {
        let run = rest[at..].iter().take_while(|byte| **byte == b'"').count();
        if run % 2 == 1 {
            return true;
        }
        rest = &rest[at + run..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_quotes_are_odd_or_even() {
        for (text, is_odd) in [
            ("", false),
            ("a,b", false),
            ("\"", true),
            ("\"\"", false),
            ("a\"\"b\"\"\"", true),
            ("\"\"\"\",\"\"", false),
        ] {
            assert_eq!(has_odd_run_of_quotes(text.as_bytes()), is_odd, "{text}");
        }
    }

    #[test]
    fn records_are_counted_where_a_text_begins_within_quotes() {
        let line = b"1,\"a, b\",2\n";
        let text = line.repeat(1 << 20);
        // The second text begins after the first quote of a line.
        for (start, text) in [(0, &text[..]), (3 + line.len() as u64, &text[3..])] {
            let mut watch = BatchWatch::new(Gathered::new(BATCH_ROWS), start);
            for chunk in text.chunks(CHUNK_BYTES) {
                assert_eq!(watch.check(chunk), Ok(()), "{start}");
            }
        }
        let mut watch = BatchWatch::new(Gathered::new(BATCH_ROWS), 0);
        let long = [&b"1,\""[..], &b"\n".repeat(16 << 20)].concat();
        assert!(
            watch.check(&long).is_err(),
            "these line breaks are in quotes"
        );
    }

    /// Returns how many chunks pass before the text is parsed as records.
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
