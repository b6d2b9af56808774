//! A source as tables of the engine: one in any order, or one per file in the order of its rows.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::Result as EngineResult;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::{DataFrame, SessionContext};

use super::Source;
use super::column::{Column, schema_of};
use super::contents::{Contents, Files};
use super::file::DataFile;
use super::files_table::{Division, FilesTable, Reader};
use super::format::{Compression, Format};
use super::json::{JsonScan, Layout};
use super::node;
use super::parquet;
use super::probe::SourceFile;
use super::records::CsvScan;
use super::rows::Rows;
use super::seen::Missing;
use super::stream::{Kind, Stream, StreamPart};
use super::streamed_table::{Part, Parts};
use crate::engine::columns::select;
use crate::engine::rows_table::RowsTable;
use crate::engine::{BATCH_ROWS, Engine};
use crate::error::Error;
use crate::naming::{command, parameter};
use crate::whole::whole_number;

impl Source {
    /// Returns all rows as one table, read in any order by as many threads as the engine has.
    pub(crate) fn table(&self, engine: &Engine) -> EngineResult<DataFrame> {
        let context = engine.context();
        let threads = || context.state().config().target_partitions();
        match &self.contents {
            Contents::Files(files) => self.files_table(files, engine),
            Contents::Batches(batches) => {
                self.streamed_table(engine, context, batches.divided(threads()))
            }
            Contents::Stream(stream) => {
                self.streamed_table(engine, context, vec![self.stream_part(stream)])
            }
        }
    }

    /// Returns tables whose rows come in their order: one for each file, or one for all batches or the stream. The table of
    /// a file is made when it is its turn: there can be many.
    pub(crate) fn tables_in_order<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> Box<dyn Iterator<Item = EngineResult<DataFrame>> + Send + 'a> {
        let parts = match &self.contents {
            Contents::Files(files) => {
                let each = files.files.iter();
                return Box::new(each.map(|file| self.group_table(files, engine, &[file], true)));
            }
            Contents::Batches(batches) => batches.divided(1),
            Contents::Stream(stream) => vec![self.stream_part(stream)],
        };
        let table = self.streamed_table(engine, engine.sequential_context(), parts);
        Box::new(std::iter::once(table))
    }

    /// Returns the columns that `file` is read with: its own, and those of its folders as the whole source has them.
    pub(super) fn read_columns(&self, file: &SourceFile) -> Vec<Column> {
        let own = file.columns.iter().enumerate();
        let read = own.map(|(index, own)| match self.column(&own.name) {
            Some(column) if index >= file.n_inside => column,
            _ => own,
        });
        read.cloned().collect()
    }

    pub(super) fn stream_part(&self, stream: &Stream) -> Arc<dyn Part> {
        let scan = match stream.kind() {
            Kind::Batches => None,
            Kind::Lines {
                layout,
                strict,
                missing,
            } => Some(self.json_scan(*layout, &self.columns, *strict, missing)),
        };
        Arc::new(StreamPart {
            stream: stream.clone(),
            schema: schema_of(self.streamed_columns()),
            scan,
        })
    }

    /// Returns a table of rows in this process.
    ///
    /// # Errors
    /// Fails when other machines are to read the rows.
    fn streamed_table(
        &self,
        engine: &Engine,
        context: &SessionContext,
        parts: Vec<Arc<dyn Part>>,
    ) -> EngineResult<DataFrame> {
        if engine.is_distributed() {
            let name = self.contents.names()[0].display();
            return Err(node::out_of_reach(&name).into());
        }
        let read = self.streamed_columns();
        let table = RowsTable(Parts::new(schema_of(read), parts));
        select(
            context.read_table(Arc::new(table))?,
            self.selection(read, None),
        )
    }

    /// Returns the columns that record batches or a stream are read with.
    fn streamed_columns(&self) -> &[Column] {
        match &self.contents {
            Contents::Batches(batches) => batches.columns(),
            Contents::Stream(stream) => stream.columns().unwrap_or(&self.columns),
            Contents::Files(_) => &self.columns,
        }
    }

    fn files_table(&self, files: &Files, engine: &Engine) -> EngineResult<DataFrame> {
        let mut groups: Vec<Vec<&SourceFile>> = Vec::new();
        for file in &files.files {
            match groups.iter_mut().find(|group| group[0].reads_like(file)) {
                Some(group) => group.push(file),
                None => groups.push(vec![file]),
            }
        }
        let mut tables = groups
            .into_iter()
            .map(|group| self.group_table(files, engine, &group, false));
        let first = tables
            .next()
            .ok_or_else(|| Error::internal("a source without files"))??;
        tables.try_fold(first, |all, table| all.union(table?))
    }

    /// Returns the table of some files that read alike, with the columns of the whole source.
    fn group_table(
        &self,
        files: &Files,
        engine: &Engine,
        group: &[&SourceFile],
        in_order: bool,
    ) -> EngineResult<DataFrame> {
        let first = group[0];
        let columns = self.read_columns(first);
        let (inside, outside) = columns.split_at(first.n_inside);
        let is_distributed = engine.is_distributed();
        if is_distributed && matches!(first.file.format, Format::Csv(_)) && !files.is_plain(inside)
        {
            return Err(out_of_reader(&first.file).into());
        }
        if is_distributed && self.infers_numbers(first, inside) {
            self.scan_log.note_silence();
        }
        let each = group
            .iter()
            .map(|file| engine_file(file, outside, is_distributed));
        let partitions = outside.iter().map(|column| Arc::new(column.field()));
        let (context, division) = if in_order {
            let divisible = is_distributed && files.can_be_split(first, inside);
            (engine.sequential_context(), Division::InOrder { divisible })
        } else {
            (engine.context(), Division::Any)
        };
        let store: (Arc<dyn ObjectStore>, &str) = if is_distributed {
            (Arc::clone(&files.node_store) as _, node::STORE_URL)
        } else {
            (Arc::clone(&files.store) as _, files.store.url())
        };
        let table = FilesTable::new(
            self.reader(files, first, inside),
            (schema_of(inside), partitions.collect()),
            each.collect::<EngineResult<_>>()?,
            division,
            store,
        )?;
        // Operators gather rows into batches of the size that the session has.
        let batch_rows = files.store.batch_rows();
        let (context, table) = match batch_rows < BATCH_ROWS && !is_distributed {
            true => {
                let context = Engine::with_batch_rows(context, batch_rows);
                (Cow::Owned(context), table.with_batch_rows(batch_rows))
            }
            false => (Cow::Borrowed(context), table),
        };
        let table = context.read_table(Arc::new(table))?;
        let is_read_by_engine =
            matches!(first.file.format, Format::Csv(_)) && files.is_plain(inside);
        let is_watched = is_read_by_engine && !is_distributed;
        select(
            table,
            self.selection(&columns, is_watched.then_some(&files.lossy)),
        )
    }

    /// Returns whether the first records of a file of CSV, whose columns within it are `columns`, tell the type of numbers
    /// that no log has.
    fn infers_numbers(&self, file: &SourceFile, columns: &[Column]) -> bool {
        let is_inferred =
            |column: &Column| column.inferred && self.log.column_type(&column.name).is_none();
        matches!(file.file.format, Format::Csv(_))
            && columns
                .iter()
                .any(|column| column.data_type.is_numeric() && is_inferred(column))
    }

    /// Returns who reads the rows of `file`, whose columns within it are `columns`.
    fn reader(&self, files: &Files, file: &SourceFile, columns: &[Column]) -> Reader {
        match file.file.format {
            Format::Csv(_) if !files.is_plain(columns) => {
                let scan = CsvScan {
                    columns: columns.to_vec(),
                    missing: Arc::clone(&files.missing),
                    counts: Arc::clone(&self.scan_log),
                    lossy: Arc::clone(&files.lossy),
                };
                Reader::Ours(Rows::Csv(scan), files.store.files())
            }
            Format::Csv(_) => {
                let csv = CsvFormat::default()
                    .with_has_header(true)
                    .with_newlines_in_values(!files.can_be_split(file, columns));
                Reader::Engine(Arc::new(csv))
            }
            Format::Parquet => Reader::Engine(Arc::new(parquet::engine_format())),
            Format::Arrow => Reader::Ours(Rows::Arrow, files.store.files()),
            Format::Json(_) | Format::Dialect(..) => {
                let scan = self.json_scan(file.layout, columns, files.strict, &files.missing);
                Reader::Ours(Rows::Json(scan), files.store.files())
            }
        }
    }

    pub(super) fn json_scan(
        &self,
        layout: Layout,
        columns: &[Column],
        strict: bool,
        missing: &Arc<Missing>,
    ) -> JsonScan {
        JsonScan {
            layout,
            columns: columns.to_vec(),
            strict,
            missing: Arc::clone(missing),
            log: self.log.clone(),
            counts: Arc::clone(&self.scan_log),
        }
    }
}

impl Files {
    /// Returns whether the engine's reader reads CSV as these columns without a loss. It cuts off the digits that a decimal
    /// has no room for.
    fn is_plain(&self, columns: &[Column]) -> bool {
        let is_decimal = |column: &Column| matches!(column.data_type, DataType::Decimal128(..));
        !self.has_odd_values && !columns.iter().any(is_decimal)
    }

    /// Returns whether `file`, whose columns within it are `columns`, can be read from several places at once. A piece
    /// of text that was cut inside a quoted value ends in an incomplete record, which is an error and leads to
    /// [`Remedy::LineBreaks`](super::diagnose::Remedy::LineBreaks) — unless the value is the record's last, so that
    /// nothing is missing after it.
    fn can_be_split(&self, file: &SourceFile, columns: &[Column]) -> bool {
        let text_last = columns
            .last()
            .is_some_and(|column| column.data_type == DataType::Utf8);
        match file.file.format {
            Format::Csv(Compression::None) => !self.line_breaks_in_values && !text_last,
            Format::Parquet => true,
            _ => false,
        }
    }
}

/// Returns the error of CSV that the machines of a cluster cannot read.
fn out_of_reader(file: &DataFile) -> Error {
    Error::usage(format!(
        "{}: a cluster reads only CSV in UTF-8 with numbers of up to 64 bits, and no texts for missing values",
        file.path.display()
    ))
    .hint(format!(
        "{} DATA {} data.parquet, without {}, makes Parquet of it",
        command("convert"),
        parameter("out"),
        parameter("cluster")
    ))
}

/// Returns a file for the engine, with its values of the columns `outside` it.
///
/// # Errors
/// Fails when other machines are to read the file and cannot.
fn engine_file(
    file: &SourceFile,
    outside: &[Column],
    is_distributed: bool,
) -> EngineResult<(PartitionedFile, Vec<ScalarValue>)> {
    let value = |column: &Column| match file.file.partition(&column.name) {
        Some(text) => partition_value(file, column, text),
        None => ScalarValue::try_from(&column.data_type),
    };
    let values = outside.iter().map(value).collect::<EngineResult<_>>()?;
    let mut meta = file.file.meta()?;
    if is_distributed {
        meta.location = node::store_path(&file.file)?;
    }
    Ok((PartitionedFile::new_from_meta(meta), values))
}

/// Returns the value of a column that the folders of `file` name.
///
/// # Errors
/// Fails when the text is no value of the column's type.
fn partition_value(file: &SourceFile, column: &Column, text: &str) -> EngineResult<ScalarValue> {
    let whole = match column.data_type {
        DataType::Int64 => whole_number(text),
        _ => None,
    };
    if let Some(whole) = whole {
        return Ok(ScalarValue::Int64(Some(whole)));
    }
    ScalarValue::try_from_string(text.to_owned(), &column.data_type).map_err(|_| {
        let (place, name, found) = (file.place(), &column.name, &column.data_type);
        let why = format!("{place}: the folder says `{name}={text}`, and `{name}` is {found}");
        Error::data(why)
            .hint("rename the folder, or name the files in separate calls")
            .into()
    })
}
