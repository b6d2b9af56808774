//! Files with the same columns in the same format as a table of the engine.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileScanConfigBuilder,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::ObjectStore;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use super::rows::{Files, Rows, RowsSource};

/// The reader of the files: that of the engine, or one of this crate.
pub(super) enum Reader {
    Engine(Arc<dyn FileFormat>),
    Ours(Rows, Files),
}

/// The way in which the files are divided among partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Division {
    /// In any order, with as many partitions as the engine has threads.
    Any,
    /// In the order of the rows, with partitions that follow one another: as many as the engine has threads where a
    /// file is divisible, else one.
    InOrder { divisible: bool },
}

/// Files with the same columns in the same format. Each may also have columns with one value for all its rows.
pub(super) struct FilesTable {
    schema: TableSchema,
    reader: Reader,
    files: Vec<PartitionedFile>,
    division: Division,
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    batch_rows: Option<usize>,
}

impl FilesTable {
    /// Returns a table of `files`. The columns `partitions`, whose values come with each file, follow those of
    /// `file_schema`.
    ///
    /// # Errors
    /// Fails when the URL of the store cannot be parsed.
    pub fn new(
        reader: Reader,
        (file_schema, partitions): (SchemaRef, Vec<FieldRef>),
        files: Vec<(PartitionedFile, Vec<ScalarValue>)>,
        division: Division,
        (store, url): (Arc<dyn ObjectStore>, &str),
    ) -> Result<Self> {
        let with_values = files
            .into_iter()
            .map(|(file, values)| file.with_partition_values(values));
        Ok(Self {
            schema: TableSchema::builder(file_schema)
                .with_table_partition_cols(partitions)
                .build(),
            files: with_values.collect(),
            store_url: ObjectStoreUrl::parse(url)?,
            division,
            reader,
            store,
            batch_rows: None,
        })
    }

    /// Reads batches of at most `rows` rows.
    pub fn with_batch_rows(self, rows: usize) -> Self {
        let batch_rows = Some(rows);
        Self { batch_rows, ..self }
    }
}

impl FilesTable {
    /// Returns what each partition reads.
    fn groups(&self, config: &SessionConfig) -> Vec<FileGroup> {
        let partitions = config.target_partitions();
        let files = FileGroup::new(self.files.clone());
        match self.division {
            Division::Any => files.split_files(partitions),
            Division::InOrder { divisible: false } => vec![files],
            Division::InOrder { divisible: true } => {
                let smallest = config.options().optimizer.repartition_file_min_size;
                let whole = vec![files];
                FileGroupPartitioner::new()
                    .with_target_partitions(partitions)
                    .with_repartition_file_min_size(smallest)
                    .repartition_file_groups(&whole)
                    .unwrap_or(whole)
            }
        }
    }
}

impl fmt::Debug for FilesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesTable")
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        state
            .runtime_env()
            .register_object_store(self.store_url.as_ref(), Arc::clone(&self.store));
        let source = match &self.reader {
            Reader::Engine(format) => format.file_source(self.schema.clone()),
            Reader::Ours(rows, files) => Arc::new(RowsSource::new(
                rows.clone(),
                Arc::clone(files),
                self.schema.clone(),
            )),
        };
        let config = FileScanConfigBuilder::new(self.store_url.clone(), source)
            .with_file_groups(self.groups(state.config()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_batch_size(self.batch_rows)
            .build();
        match &self.reader {
            Reader::Engine(format) => format.create_physical_plan(state, config).await,
            Reader::Ours(..) => Ok(DataSourceExec::from_data_source(config)),
        }
    }

    /// Returns that filters are applied in part: statistics may rule out parts of a file, and all rows that are read
    /// have to be filtered again.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
