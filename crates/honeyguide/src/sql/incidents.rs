//! The table `incidents`: those of the events of another table. They are found when a query reads them, and only then.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{TryStreamExt, stream};
use tokio::sync::OnceCell;

use super::table::{Scoring, Table};
use crate::engine::{Engine, Silent};
use crate::error::{Error, Result};
use crate::incident::{IncidentOptions, Incidents, MAX_LISTED, incidents};
use crate::model::Model;
use crate::naming::{command, parameter};
use crate::source::Source;
use crate::wording::count;

/// The name of the table.
pub(super) const INCIDENTS: &str = "incidents";
/// The name of the table whose incidents it holds, if several have scores.
const EVENTS: &str = "events";

/// The incidents of a table's events, as one query reads them. Clones share what was found.
#[derive(Clone)]
pub(super) struct IncidentsOf {
    engine: Engine,
    model: Arc<Model>,
    source: Source,
    options: IncidentOptions,
    schema: SchemaRef,
    found: Arc<OnceCell<Vec<RecordBatch>>>,
}

/// Returns the table whose incidents there are: the only one with scores, or the one called `events`.
///
/// # Errors
/// Fails, with the reason in words, when there is no such table.
pub(super) fn table_with_incidents(tables: &[Table]) -> Result<&Table> {
    let refuse =
        |hint: String| Err(Error::usage(format!("there is no table `{INCIDENTS}`")).hint(hint));
    let mut scored = tables.iter().filter(|table| table.scoring.plan().is_some());
    match (scored.next(), scored.next()) {
        (Some(only), None) => return Ok(only),
        (Some(_), Some(_)) => {
            let mut scored = tables.iter().filter(|table| table.scoring.plan().is_some());
            let events = scored.find(|table| table.name == EVENTS);
            return events.map_or_else(
                || {
                    refuse(format!(
                        "several tables have scores: name the one whose incidents are meant `{EVENTS}`"
                    ))
                },
                Ok,
            );
        }
        (None, _) => {}
    }
    let is_asked = |table: &Table| !matches!(table.scoring, Scoring::Unasked);
    let whys: Vec<String> = tables.iter().filter_map(Table::why_unscored).collect();
    match tables.iter().any(is_asked) {
        true => refuse(whys.join("; ")),
        false => refuse(format!(
            "incidents come from a model: name it with {} MODEL",
            parameter("model")
        )),
    }
}

impl IncidentsOf {
    /// Returns the incidents of the events of `source`, which are not found yet.
    pub fn new(engine: &Engine, model: &Arc<Model>, source: &Source, by: &[String]) -> Self {
        Self {
            engine: engine.clone().with_progress(Arc::new(Silent)),
            model: Arc::clone(model),
            source: source.clone(),
            options: IncidentOptions {
                limit: MAX_LISTED,
                by: by.to_vec(),
            },
            schema: Incidents::table_schema(),
            found: Arc::default(),
        }
    }

    /// Returns them as a table of the engine.
    pub fn into_table(self) -> EngineResult<Arc<dyn TableProvider>> {
        let schema = Arc::clone(&self.schema);
        Ok(Arc::new(StreamingTable::try_new(
            schema,
            vec![Arc::new(self)],
        )?))
    }

    /// Finds the incidents, unless they were found before.
    ///
    /// # Errors
    /// Fails when there are more than a table holds, and as [`incidents`] does.
    async fn found(self) -> Result<Vec<RecordBatch>> {
        let find = async || {
            let mut source = self.source.clone();
            let found = incidents(&self.engine, &self.model, &mut source, &self.options).await?;
            if found.found > MAX_LISTED as u64 {
                let (found, most) = (count(found.found), count(MAX_LISTED as u64));
                let why = format!(
                    "the table `{INCIDENTS}` holds {most} incidents, and the data has {found}"
                );
                return Err(Error::usage(why).hint(format!(
                    "{} {} FILE writes those with the highest scores",
                    command("incidents"),
                    parameter("out")
                )));
            }
            found.to_batches()
        };
        self.found.get_or_try_init(find).await.cloned()
    }
}

impl fmt::Debug for IncidentsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncidentsOf")
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for IncidentsOf {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let this = self.clone();
        let found = async move {
            let batches = this.found().await?.into_iter().map(Ok);
            Ok::<_, DataFusionError>(stream::iter(batches))
        };
        let batches = stream::once(found).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}
