//! Files that read alike as a table of the engine.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use super::rows::{Rows, RowsSource};
use super::store::SourceStore;

/// Who reads the files: the engine, or we.
pub(super) enum Reader {
    Engine(Arc<dyn FileFormat>),
    Ours(Rows),
}

/// Files with the same columns in the same format, and with columns of their own that are the same in all their rows.
pub(super) struct FilesTable {
    schema: TableSchema,
    reader: Reader,
    files: Vec<PartitionedFile>,
    store: Arc<SourceStore>,
    store_url: ObjectStoreUrl,
}

impl FilesTable {
    /// `files` with the values of `partitions` in each, which follow the columns of `file_schema`.
    pub fn new(
        reader: Reader,
        (file_schema, partitions): (SchemaRef, Vec<FieldRef>),
        files: Vec<(PartitionedFile, Vec<ScalarValue>)>,
        store: Arc<SourceStore>,
    ) -> Result<Self> {
        let with_values = files
            .into_iter()
            .map(|(file, values)| file.with_partition_values(values));
        Ok(Self {
            schema: TableSchema::builder(file_schema)
                .with_table_partition_cols(partitions)
                .build(),
            files: with_values.collect(),
            store_url: ObjectStoreUrl::parse(store.url())?,
            reader,
            store,
        })
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
            .register_object_store(self.store_url.as_ref(), Arc::clone(&self.store) as _);
        let source = match &self.reader {
            Reader::Engine(format) => format.file_source(self.schema.clone()),
            Reader::Ours(rows) => Arc::new(RowsSource::new(
                rows.clone(),
                self.store.files(),
                self.schema.clone(),
            )),
        };
        let partitions = state.config().target_partitions();
        let config = FileScanConfigBuilder::new(self.store_url.clone(), source)
            .with_file_groups(FileGroup::new(self.files.clone()).split_files(partitions))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        match &self.reader {
            Reader::Engine(format) => format.create_physical_plan(state, config).await,
            Reader::Ours(_) => Ok(DataSourceExec::from_data_source(config)),
        }
    }

    /// Statistics may rule out parts of a file; what is read is filtered all the same.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
