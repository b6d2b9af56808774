//! Files as a plan names them to other processes. The name holds all that is needed to read the same version of a file.
//!
//! A name is the path `FORMAT/BYTES/VERSION/PLACE` in an object store for such files. The version is the object's entity
//! tag, or `-` for a file on disk. The place is an absolute path or a URL without secrets. Every process uses its own
//! credentials.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::DateTime;
use datafusion::common::exec_err;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::{Path as ObjectPath, PathPart};
use datafusion::object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use futures::stream::{self, BoxStream, StreamExt};
use percent_encoding::percent_decode_str;
use url::Url;

use super::file::{DataFile, Location};
use super::format::{Compression, Format};
use super::lossy::LossyNumbers;
use super::parquet;
use super::store::{self, read_only, refusal};
use super::wide::Gathered;
use crate::error::{Error, Result};
use crate::naming::{command, parameter};
use crate::storage::object;
use crate::storage::remote::RemoteFile;
use crate::storage::{StorageOptions, is_object_url, regular_file_bytes};

/// The URL under which an engine knows the store.
pub(super) const STORE_URL: &str = "source://nodes/";
/// The version of a file on disk.
const NO_VERSION: &str = "-";
/// The most files whose connections are kept. When there are more, all connections are dropped.
const MAX_OPENED: usize = 4096;
/// The rows of batches that suit texts of any length: a machine of a cluster cannot repeat a scan with smaller batches.
const ANY_BATCH_ROWS: usize = 1;
/// The formats that the engine itself reads. Every process can read them.
const FORMATS: [(&str, Format); 4] = [
    ("csv", Format::Csv(Compression::None)),
    ("csv.gz", Format::Csv(Compression::Gzip)),
    ("csv.zst", Format::Csv(Compression::Zstd)),
    ("parquet", Format::Parquet),
];

/// Returns the name of `file` for other processes.
///
/// # Errors
/// Fails when other processes could not read the file.
pub(super) fn store_path(file: &DataFile) -> Result<ObjectPath> {
    let shown = file.path.display();
    let format = FORMATS.iter().find(|(_, format)| *format == file.format);
    let (format, _) = format.ok_or_else(|| {
        Error::usage(format!("{shown}: on a cluster, data is CSV or Parquet")).hint(format!(
            "{} DATA {} data.parquet, without {}, makes Parquet of it",
            command("convert"),
            parameter("out"),
            parameter("cluster")
        ))
    })?;
    let (version, place) = match &file.location {
        Location::Local(path) => {
            let path = std::path::absolute(path).map_err(|error| Error::io("find", path, error))?;
            (NO_VERSION.to_owned(), path.to_string_lossy().into_owned())
        }
        Location::Remote(remote) if remote.is_in_store() => {
            let version = remote.meta.e_tag.clone().unwrap_or_default();
            (version, file.path.to_string_lossy().into_owned())
        }
        Location::Remote(_) | Location::Spooled(_) => return Err(out_of_reach(&shown)),
    };
    let bytes = file.bytes.to_string();
    let parts = [*format, &bytes, &version, &place].map(PathPart::from);
    Ok(parts.into_iter().collect())
}

/// Returns the error of data called `name` that only this process can read.
pub(super) fn out_of_reach(name: &dyn Display) -> Error {
    Error::usage(format!(
        "{name}: the machines of a cluster cannot read this"
    ))
    .hint("put the data into an object store, or into a folder that all of them have")
}

/// The files of all plans, by the names that [`store_path`] gives.
#[derive(Debug)]
pub(super) struct NodeStore {
    options: StorageOptions,
    local: LocalFileSystem,
    opened: Mutex<HashMap<ObjectPath, DataFile>>,
    /// Nobody asks a machine of a cluster for it.
    lossy: Arc<LossyNumbers>,
}

impl NodeStore {
    /// Returns a store that opens remote files with `options`.
    pub fn new(options: StorageOptions) -> Self {
        Self {
            options,
            local: LocalFileSystem::new(),
            opened: Mutex::default(),
            lossy: Arc::default(),
        }
    }

    fn file(&self, location: &ObjectPath) -> Result<DataFile> {
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = lock().get(location) {
            return Ok(file.clone());
        }
        let file = self.open(location)?;
        let mut opened = lock();
        if opened.len() >= MAX_OPENED {
            opened.clear();
        }
        opened.insert(location.clone(), file.clone());
        Ok(file)
    }

    fn open(&self, location: &ObjectPath) -> Result<DataFile> {
        let unknown = || Error::data(format!("`{location}` is not the name of a file in a plan"));
        let part = |part: &str| {
            percent_decode_str(part)
                .decode_utf8()
                .ok()
                .map(String::from)
        };
        let parts: Option<Vec<String>> = location.as_ref().split('/').map(part).collect();
        let parts = parts.ok_or_else(unknown)?;
        let [format, bytes, version, place] = parts.as_slice() else {
            return Err(unknown());
        };
        let format = FORMATS.iter().find(|(name, _)| name == format);
        let (_, format) = format.ok_or_else(unknown)?;
        let bytes: u64 = bytes.parse().map_err(|_| unknown())?;
        let path = PathBuf::from(place);
        let location = if is_object_url(place) {
            self.remote(place, bytes, version)?
        } else {
            let found = regular_file_bytes(&path)?;
            if found != bytes {
                return Err(Error::data(format!(
                    "{}: has {found} bytes here, and {bytes} where the job was started",
                    path.display()
                ))
                .hint("every machine of a cluster must have the same files under the same names"));
            }
            Location::Local(path.clone())
        };
        let mut file = DataFile {
            path,
            format: *format,
            bytes,
            partitions: Vec::new(),
            location,
            pages: None,
        };
        if file.format == Format::Parquet {
            file.pages = Some(parquet::open(&file)?.pages);
        }
        Ok(file)
    }

    fn remote(&self, url: &str, bytes: u64, version: &str) -> Result<Location> {
        let place = object::open(url, &self.options)?;
        let meta = ObjectMeta {
            location: place.path.clone(),
            last_modified: DateTime::default(),
            size: bytes,
            e_tag: (!version.is_empty()).then(|| version.to_owned()),
            version: None,
        };
        Ok(Location::Remote(RemoteFile::in_store(place, meta)))
    }
}

impl std::fmt::Display for NodeStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(STORE_URL)
    }
}

#[async_trait::async_trait]
impl ObjectStore for NodeStore {
    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        let file = self.file(location).map_err(refusal)?;
        store::get(
            &file,
            &self.local,
            options,
            Gathered::on_a_node(),
            &self.lossy,
        )
        .await
    }

    async fn get_ranges(
        &self,
        location: &ObjectPath,
        ranges: &[std::ops::Range<u64>],
    ) -> StoreResult<Vec<Bytes>> {
        let file = self.file(location).map_err(refusal)?;
        store::get_ranges(&file, &self.local, ranges, ANY_BATCH_ROWS).await
    }

    async fn put_opts(
        &self,
        _: &ObjectPath,
        _: PutPayload,
        _: PutOptions,
    ) -> StoreResult<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &ObjectPath,
        _: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    fn list(&self, _: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&ObjectPath>) -> StoreResult<ListResult> {
        Err(read_only())
    }

    async fn copy_opts(&self, _: &ObjectPath, _: &ObjectPath, _: CopyOptions) -> StoreResult<()> {
        Err(read_only())
    }
}

/// The object stores of a process that runs parts of plans: only the one with the files of the plans.
#[derive(Debug)]
pub(crate) struct NodeStores(Arc<NodeStore>);

impl NodeStores {
    pub fn new(options: StorageOptions) -> Self {
        Self(Arc::new(NodeStore::new(options)))
    }
}

impl ObjectStoreRegistry for NodeStores {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> std::result::Result<Arc<dyn ObjectStore>, DataFusionError> {
        if url.scheme() == "source" {
            return Ok(Arc::clone(&self.0) as _);
        }
        exec_err!("{}:// is no place of a plan's files", url.scheme())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::output::TableWriter;

    fn file(name: &str) -> (tempfile::TempDir, DataFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        (folder, DataFile::local(path, None).unwrap())
    }

    #[test]
    fn a_name_leads_to_the_same_file() {
        for name in ["x.csv", "ünd so=1 %2F?.csv"] {
            let (_folder, file) = file(name);
            let name = store_path(&file).unwrap();
            // A plan gives the name in this form.
            let name = ObjectPath::parse(name.as_ref()).unwrap();
            let found = NodeStore::new(StorageOptions::default())
                .file(&name)
                .unwrap();
            assert_eq!((found.path, found.bytes), (file.path, 8));
        }
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let (_folder, file) = file("x.csv");
        let name = store_path(&file).unwrap();
        let mut longer = std::fs::OpenOptions::new()
            .append(true)
            .open(&file.path)
            .unwrap();
        longer.write_all(b"3,4\n").unwrap();
        let store = NodeStore::new(StorageOptions::default());
        let error = store.file(&name).unwrap_err().to_string();
        assert!(error.contains("12 bytes here, and 8 where"), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn damaged_pages_and_footers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let values = Int64Array::from_iter_values(0..1000);
        let batch = RecordBatch::try_from_iter([("a", Arc::new(values) as ArrayRef)]).unwrap();
        let mut writer = TableWriter::create(path.as_path(), batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let sound = std::fs::read(&path).unwrap();
        let file = DataFile::local(path.clone(), None).unwrap();
        let ranges: Vec<_> = parquet::open(&file).unwrap().pages.places().collect();
        let read = async |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let store = NodeStore::new(StorageOptions::default());
            store.get_ranges(&store_path(&file).unwrap(), &ranges).await
        };
        assert_eq!(read(&sound).await.unwrap().len(), ranges.len());
        let mut page = sound.clone();
        let header = ranges[0].start as usize;
        page[header..header + 8].fill(0xFF);
        let error = read(&page).await.unwrap_err().to_string();
        assert!(error.contains("column a, page at byte"), "{error}");
        let mut footer = sound.clone();
        let end = footer.len();
        footer[end - 40..end - 8].fill(0xFF);
        let error = read(&footer).await.unwrap_err().to_string();
        assert!(error.contains("not a readable Parquet file"), "{error}");
    }

    #[test]
    fn hostile_names_are_refused() {
        let store = NodeStore::new(StorageOptions::default());
        for name in [
            "",
            "csv",
            "csv/1/-",
            "exe/1/-/x",
            "csv/-1/-/x",
            "csv/1/-/x/y",
            "csv/1/-/%FF",
        ] {
            let error = store.file(&ObjectPath::parse(name).unwrap()).unwrap_err();
            assert!(
                error.to_string().contains("not the name of a file"),
                "{name}: {error}"
            );
        }
    }
}
