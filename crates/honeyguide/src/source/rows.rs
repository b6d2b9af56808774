//! The formats that are read here instead of by the engine, JSON, Arrow and odd CSV, as file sources of the engine.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::object_store::ObjectStore;
use datafusion::object_store::path::Path;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{PhysicalExpr, apply_expression_roots};
use futures::{FutureExt, StreamExt, stream};

use super::arrow;
use super::file::DataFile;
use super::format::Compression;
use super::json::{self, JsonScan};
use super::records::{self, CsvScan};
use super::slices::Slices;
use super::wide::Gathered;
use crate::engine::BATCH_ROWS;
use crate::error::Error;

/// Files by their path in the object store of their source.
pub(super) type Files = Arc<HashMap<Path, DataFile>>;

/// The format of the rows, with what reading them needs.
#[derive(Clone)]
pub(super) enum Rows {
    Arrow,
    Csv(CsvScan),
    Json(JsonScan),
}

/// Files whose rows are read here, with the columns and the batch size that the engine asks for.
#[derive(Clone)]
pub(super) struct RowsSource {
    rows: Rows,
    files: Files,
    schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl RowsSource {
    pub fn new(rows: Rows, files: Files, schema: TableSchema) -> Self {
        Self {
            projection: SplitProjection::unprojected(&schema),
            metrics: ExecutionPlanMetricsSet::new(),
            batch_rows: BATCH_ROWS,
            rows,
            files,
            schema,
        }
    }
}

impl FileSource for RowsSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let wanted = self.projection.file_indices.clone();
        let opener = Opener {
            rows: self.rows.clone(),
            files: Arc::clone(&self.files),
            batch_rows: self.batch_rows,
            wanted,
        };
        ProjectionOpener::try_new(
            self.projection.clone(),
            Arc::new(opener),
            self.schema.file_schema(),
        )
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_rows,
            ..self.clone()
        })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(Self {
            projection: SplitProjection::new(self.schema.file_schema(), &merged),
            ..self.clone()
        })))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), visit)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.rows {
            Rows::Arrow => "arrow",
            Rows::Csv(_) => "csv",
            Rows::Json(_) => "json",
        }
    }

    /// Returns whether files can be divided, which compressed text, the records of CSV and lines below a header cannot.
    fn supports_repartitioning(&self) -> bool {
        let is_divisible = match &self.rows {
            Rows::Arrow => true,
            Rows::Csv(_) => false,
            Rows::Json(scan) => scan.layout.is_divisible(),
        };
        let mut files = self.files.values();
        is_divisible && files.all(|file| file.format.compression() == Compression::None)
    }
}

struct Opener {
    rows: Rows,
    files: Files,
    /// The indices of the file's columns that are read.
    wanted: Vec<usize>,
    batch_rows: usize,
}

/// Returns `batches` up to those whose rows are so long that operators should gather fewer of them.
fn checked(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    batch_rows: usize,
) -> impl Iterator<Item = Result<RecordBatch>> {
    let mut gathered = Gathered::new(batch_rows);
    batches.map(move |batch| {
        let batch = batch?;
        let added = gathered.add(batch.num_rows(), batch.get_array_memory_size());
        added.map_err(|wide| DataFusionError::External(Box::new(wide)))?;
        Ok(batch)
    })
}

impl FileOpener for Opener {
    fn open(&self, part: PartitionedFile) -> Result<FileOpenFuture> {
        let location = &part.object_meta.location;
        let unknown = || Error::internal(format!("a file that no source has: {location}"));
        let file = self.files.get(location).ok_or_else(unknown)?.clone();
        let range = part.range.as_ref().map(|_| part.range());
        let (wanted, batch_rows) = (self.wanted.clone(), self.batch_rows);
        let rows = self.rows.clone();
        let opened = move || {
            Ok::<_, DataFusionError>(match rows {
                Rows::Arrow => {
                    let batches = arrow::BatchReader::open(file, range, &wanted, batch_rows)?;
                    stream::iter(Slices::new(batches, batch_rows)).boxed()
                }
                Rows::Csv(scan) => {
                    let batches = records::BatchReader::open(&scan, file, &wanted, batch_rows)?;
                    stream::iter(checked(batches, batch_rows)).boxed()
                }
                Rows::Json(scan) => {
                    let batches = json::BatchReader::open(&scan, file, range, &wanted, batch_rows)?;
                    stream::iter(checked(batches, batch_rows)).boxed()
                }
            })
        };
        Ok(async move { opened() }.boxed())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::error::cause_of;
    use crate::source::wide::Wide;

    #[test]
    fn rows_that_are_too_long_for_the_batches_of_operators_end_a_scan() {
        let batch = |rows: usize, bytes: usize| {
            let texts = StringArray::from(vec!["x".repeat(bytes); rows]);
            RecordBatch::try_from_iter([("a", Arc::new(texts) as ArrayRef)])
                .map_err(DataFusionError::from)
        };
        let ordinary = (0..40).map(|_| batch(1024, 1000));
        assert!(checked(ordinary, BATCH_ROWS).all(|batch| batch.is_ok()));
        let long = (0..40).map(|_| batch(4, 1 << 20));
        let mut read = checked(long, BATCH_ROWS).skip_while(Result::is_ok);
        let error = read.next().expect("too much").expect_err("an end");
        let wide: &Wide = cause_of(&error).expect("the finding");
        assert!((1..=2).contains(&wide.batch_rows), "{wide:?}");
        let long = (0..40).map(|_| batch(4, 1 << 20));
        assert!(checked(long, wide.batch_rows).all(|batch| batch.is_ok()));
    }
}
