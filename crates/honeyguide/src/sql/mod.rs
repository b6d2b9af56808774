//! SQL queries over tables of events, to which a model adds the columns `score` and `anomalous`, and the table `incidents`.
//!
//! A table is a [`Source`] with a name. With a model it is a view: the columns that the model adds are expressions over
//! the recipe's inputs, so the engine evaluates them only if a query reads them. Queries cannot write.

mod complaint;
mod expand;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod incidents;
mod limits;
mod rows;
mod scans;
mod statement;
mod sums;
mod table;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use tempfile::SpooledTempFile;

pub use rows::{Preview, TextFormat};

use crate::engine::{BATCH_ROWS, Engine, Reading};
use crate::error::{Error, Result};
use crate::features::locate_fault;
use crate::model::Model;
use crate::model_functions::{Models, register_model_functions};
use crate::naming::parameter;
use crate::output::{Destination, TableWriter};
use crate::source::Source;
use crate::storage::StorageOptions;
use incidents::{INCIDENTS, IncidentsOf, table_with_incidents};
use rows::{Rows, TextWriter};
use scans::Reads;
use table::Table;

/// The size of a text result, in bytes, up to which it is kept in memory. A longer one is kept in a temporary file.
const SPOOLED_BYTES: usize = 8 << 20;

/// A set of named tables that queries read.
pub struct Database {
    engine: Engine,
    context: SessionContext,
    model: Option<Arc<Model>>,
    /// The models that queries name.
    models: Arc<Models>,
    tables: Vec<Table>,
    /// The columns whose values tell the incidents of a host apart.
    incident_by: Vec<String>,
    /// The number of values of `args` that the last query could not read.
    malformed_args: u64,
}

impl Database {
    /// Returns a database without tables. Tables that are added get their scores and verdicts from `model`. `storage`
    /// is used to read the models that queries name.
    ///
    /// # Errors
    /// Fails when the engine refuses its own settings.
    pub fn new(engine: &Engine, model: Option<Model>, storage: StorageOptions) -> Result<Self> {
        let state = engine.context().state();
        let mut config = state
            .config()
            .clone()
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(true);
        // Parallel sorts and their merge would share the memory that a single sort of whole events needs.
        config.options_mut().optimizer.repartition_sorts = false;
        let state = SessionStateBuilder::new_from_existing(state)
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_config(config)
            .build();
        let context = SessionContext::new_with_state(state);
        let models = Arc::new(Models::new(storage));
        register_model_functions(&context, &models);
        Ok(Self {
            engine: engine.clone(),
            context,
            model: model.map(Arc::new),
            models,
            tables: Vec::new(),
            incident_by: Vec::new(),
            malformed_args: 0,
        })
    }

    /// Has the values of `columns` tell the incidents of a host apart, instead of its processes.
    pub fn incident_by(&mut self, columns: Vec<String>) {
        self.incident_by = columns;
    }

    /// Adds a table called `name`.
    ///
    /// # Errors
    /// Fails when `name` is not an identifier, and when another table has this name.
    pub fn add(&mut self, name: &str, source: Source) -> Result<()> {
        table::check_name(name)?;
        if self.tables.iter().any(|table| table.name == name) {
            return Err(
                Error::usage(format!("two tables are called `{name}`")).hint(format!(
                    "give one of them another name: {} NAME=DATA",
                    parameter("table")
                )),
            );
        }
        let table = Table::new(&self.engine, name, source, self.model.as_deref());
        self.tables.push(table);
        Ok(())
    }

    /// Returns a sentence for each table that has no scores although there is a model, with the reason.
    pub fn unscored(&self) -> impl Iterator<Item = String> {
        self.tables.iter().filter_map(Table::why_unscored)
    }

    /// Returns how many values of `args` the last query could not read. The SQL function `arg` gave null for them.
    pub fn malformed_args(&self) -> u64 {
        self.malformed_args
    }

    /// Returns the sources of the tables.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.tables.iter().map(|table| &table.source)
    }

    /// Returns the first `limit` rows of the result as text, and the total number of rows.
    ///
    /// # Errors
    /// Fails when `query` is not a single SQL query over the tables, and when their data cannot be read.
    pub async fn preview(&mut self, query: &str, limit: usize) -> Result<Preview> {
        self.answer(query, |schema: SchemaRef| Ok(Preview::new(&schema, limit)))
            .await
    }

    /// Returns the whole result as text, in a file that is positioned at its start.
    ///
    /// # Errors
    /// Fails as [`preview`](Self::preview) does, and when the format cannot hold a column or there is no space for
    /// temporary files.
    pub async fn text(&mut self, query: &str, format: TextFormat) -> Result<SpooledTempFile> {
        let writer = self.answer(query, |schema: SchemaRef| {
            TextWriter::new(format, &schema, SpooledTempFile::new(SPOOLED_BYTES))
        });
        writer.await?.finish()
    }

    /// Returns the columns and the rows of the result, in memory.
    ///
    /// # Errors
    /// Fails as [`preview`](Self::preview) does.
    pub async fn batches(&mut self, query: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        self.answer(query, |schema: SchemaRef| Ok((schema, Vec::new())))
            .await
    }

    /// Writes the result to `to`, in the format of its extension. Returns the number of rows. An existing file is
    /// replaced only by a complete one.
    ///
    /// # Errors
    /// Fails as [`preview`](Self::preview) does, and when the output cannot be written, cannot hold a column, or is one
    /// of the inputs.
    pub async fn write(&mut self, query: &str, to: impl Into<Destination>) -> Result<u64> {
        let to = to.into();
        let format = to.format()?;
        for table in &self.tables {
            table.source.refuse_as_output(&to)?;
        }
        let models = Arc::clone(&self.models);
        let (writer, rows) = self
            .answer(query, |schema: SchemaRef| {
                for model in models.origins().values() {
                    to.refuse_to_replace(Path::new(&model.uri), "model")?;
                }
                rows::check_file_columns(format, &schema)?;
                Ok((TableWriter::create(&to, schema)?, 0))
            })
            .await?;
        writer.finish()?;
        Ok(rows)
    }

    /// Runs a query and passes its rows to the state that `begin` makes. `begin` is called again when a scan has to be
    /// repeated.
    async fn answer<R: Rows>(
        &mut self,
        query: &str,
        begin: impl Fn(SchemaRef) -> Result<R>,
    ) -> Result<R> {
        let mut statement = statement::parse(&self.context, query)?;
        self.check_tables(&statement)?;
        expand::expand(&self.context, &self.models, &mut statement)?;
        self.register_incidents()?;
        loop {
            self.register()?;
            let plan = statement::plan(&self.context, statement.clone())
                .await
                .map_err(|error| complaint::of_planning(error, query, &self.tables))?;
            let reads = Reads::of(&plan);
            match self.run(plan, &reads, &begin).await {
                Ok(rows) => {
                    for table in &mut self.tables {
                        table.source.end_scan()?;
                    }
                    return Ok(rows);
                }
                Err(error) => self.recover(error, &reads, query).await?,
            }
        }
    }

    /// Refuses unknown tables, before the engine does so with a less helpful message.
    fn check_tables(&self, statement: &Statement) -> Result<()> {
        let names = self.tables.iter().map(|table| table.name.as_str());
        let mut known: Vec<&str> = names.collect();
        if !known.contains(&INCIDENTS) {
            match table_with_incidents(&self.tables) {
                Ok(_) => known.push(INCIDENTS),
                Err(error) if statement::names_table(&self.context, statement, INCIDENTS)? => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        statement::check_tables(&self.context, statement, &known)
    }

    /// Registers the table of incidents with the engine, unless another table has its name.
    fn register_incidents(&self) -> Result<()> {
        let is_taken = self.tables.iter().any(|table| table.name == INCIDENTS);
        let events = table_with_incidents(&self.tables);
        let (false, Some(model), Ok(events)) = (is_taken, &self.model, events) else {
            return Ok(());
        };
        let found = IncidentsOf::new(&self.engine, model, &events.source, &self.incident_by);
        let register = || -> EngineResult<()> {
            self.context.deregister_table(INCIDENTS)?;
            self.context
                .register_table(INCIDENTS, found.into_table()?)?;
            Ok(())
        };
        register().map_err(Error::engine)
    }

    /// Registers the tables with the engine, as their sources are read at present.
    fn register(&mut self) -> Result<()> {
        for table in &mut self.tables {
            table.source.begin_scan();
            let register = || -> EngineResult<()> {
                let view = table.view(&self.engine, self.model.as_ref())?;
                self.context.deregister_table(table.reference())?;
                self.context
                    .register_table(table.reference(), view.into_view())?;
                Ok(())
            };
            register().map_err(Error::engine)?;
        }
        Ok(())
    }

    /// Runs a plan and passes its rows to the state that `begin` makes.
    async fn run<R: Rows>(
        &mut self,
        plan: LogicalPlan,
        reads: &Reads,
        begin: impl Fn(SchemaRef) -> Result<R>,
    ) -> EngineResult<R> {
        // Operators gather rows into batches of the size that the context has.
        let rows = self.tables.iter().map(|table| table.source.batch_rows());
        let answer = match rows.min().filter(|rows| *rows < BATCH_ROWS) {
            Some(rows) => {
                let context = Engine::with_batch_rows(&self.context, rows);
                context.execute_logical_plan(plan).await?
            }
            None => self.context.execute_logical_plan(plan).await?,
        };
        let schema = Arc::clone(answer.schema().inner());
        let mut rows = begin(schema)?;
        let expected = self.tables.iter().filter(|table| reads.table(&table.name));
        let expected: Option<u64> = expected.map(|table| table.source.expected_rows()).sum();
        let malformed_args = Arc::default();
        let reading = Reading {
            what: "querying",
            expected_rows: expected,
            malformed_args: &malformed_args,
        };
        let push = |batch: RecordBatch| rows.push(&batch).map(ControlFlow::Continue);
        self.engine.for_each_batch(reading, answer, push).await?;
        self.malformed_args = malformed_args.load(Ordering::Relaxed);
        Ok(rows)
    }

    /// Handles a failure of a query. Succeeds if one of the tables that were read has a remedy, after which the query
    /// can be run again.
    async fn recover(&mut self, error: DataFusionError, reads: &Reads, query: &str) -> Result<()> {
        if let Some(own) = Error::own(&error).filter(|own| !own.is_type_fault()) {
            return Err(self.locate(own).await);
        }
        if let Some(too_large) = complaint::of_a_sum(&error, query) {
            return Err(too_large);
        }
        if complaint::is_of_the_query(&error) {
            return Err(complaint::of_planning(error, query, &self.tables));
        }
        let read = self.tables.iter_mut();
        for table in read.filter(|table| reads.table(&table.name)) {
            if table.source.remedy(&table.needed(reads), &error)? {
                return Ok(());
            }
        }
        Err(Error::engine(error))
    }

    /// Traces a failure in a feature to the first row of a scored table whose value the feature cannot take. Other
    /// errors pass unchanged.
    async fn locate(&mut self, mut error: Error) -> Error {
        for table in &mut self.tables {
            if error.is_feature_fault()
                && let Some(model) = &self.model
                && let Some(plan) = table.scoring.plan()
            {
                error = locate_fault(&self.engine, &mut table.source, model.recipe(), plan, error)
                    .await;
            }
        }
        if error.is_feature_fault() {
            return error.hint("leave such events out: WHERE … IS NOT NULL");
        }
        error
    }
}
