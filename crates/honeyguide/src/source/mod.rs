//! Where events come from: data files behind paths, folders, globs and URLs, or standard input, seen as one
//! table.
//!
//! Every file must have the same columns, in any order. The columns of partitioned folders are among them. A scan that fails is explained: `diagnose` finds the record
//! behind the engine's error, or says with which [`Scan`] settings the files can be read after all.

mod arrow;
mod diagnose;
mod expand;
mod file;
mod format;
mod found;
mod intake;
mod json;
mod lake;
mod node;
mod place;
mod rows;
mod store;
mod table;
mod text;

use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column as ColumnRef, ScalarValue};
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::cast;
use datafusion::object_store::ObjectStore;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use datafusion::prelude::DataFrame;

pub use file::DataFile;
pub use format::{Compression, Format};
pub use intake::{Intake, ScanCounts, TraceeEvents};

use file::Chunks;
use found::{Evidence, FoundColumn};
use intake::ScanLog;
use json::{JsonScan, Layout};
use node::NodeStore;
pub(crate) use node::NodeStores;
use rows::Rows;
use store::SourceStore;
use table::{Division, FilesTable, Reader};

use crate::engine::{Engine, Reading};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::marks::SIMULATED;
use crate::naming::parameter;
use crate::output::Destination;
use crate::storage::spool::{MAX_SPOOLED_BYTES, Spool};
use crate::storage::{StorageOptions, is_object_url, is_web_url};

/// A column of the table that the files make up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As in the files.
    pub name: String,
    /// What its values are read as.
    pub data_type: DataType,
    /// Whether the type was learnt from a text file's first records, and may widen.
    inferred: bool,
}

/// How data is found and read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// How the rows are written, whatever the names of the files say.
    pub format: Option<Format>,
    /// A line of JSON that cannot be read is an error; otherwise it is left out and counted.
    pub strict: bool,
    /// Opens what `-` names; none where nothing does.
    pub standard_input: Option<fn() -> Box<dyn Read>>,
    /// Credentials and settings of object stores.
    pub storage: StorageOptions,
    /// The column that says on which host an event happened, instead of the one that the data's log has for it.
    pub host_column: Option<String>,
    /// The column that says when an event happened, instead of the one that the data's log has for it: a number of
    /// seconds, a timestamp, a date, or text with times as in ISO 8601.
    pub time_column: Option<String>,
}

/// What standard input is called.
const STANDARD: &str = "-";

impl Column {
    /// A column whose type is certain.
    fn fixed(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            inferred: false,
        }
    }

    /// A column whose type was learnt from some of its values.
    fn inferred(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            inferred: true,
            ..Self::fixed(name, data_type)
        }
    }

    fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }

    /// Takes on a type that holds the values of `other`'s column of the same name too.
    fn unify(&mut self, first: &SourceFile, other: &SourceFile) -> Result<()> {
        let Some(theirs) = other.columns.iter().find(|column| column.name == self.name) else {
            return Ok(());
        };
        let both_inferred = self.inferred && theirs.inferred;
        self.data_type = match common_type(&self.data_type, &theirs.data_type) {
            Some(data_type) => data_type,
            None if both_inferred => DataType::Utf8,
            None => {
                return Err(Error::data(format!(
                    "column `{}` is {} in {} but {} in {}",
                    self.name,
                    self.data_type,
                    first.file.path.display(),
                    theirs.data_type,
                    other.file.path.display()
                ))
                .hint("name the files in separate calls, or convert one of them"));
            }
        };
        self.inferred = both_inferred;
        Ok(())
    }
}

/// Data files that together are one table of events.
#[derive(Debug, Clone)]
pub struct Source {
    files: Vec<SourceFile>,
    columns: Vec<Column>,
    /// Whether quoted values may hold line breaks: then a text file cannot be read from several places at once.
    line_breaks_in_values: bool,
    store: Arc<SourceStore>,
    /// The same files for other processes.
    node_store: Arc<NodeStore>,
    strict: bool,
    /// The counts of the scan that is under way.
    scan_log: Arc<ScanLog>,
    /// The counts of the last scan that ended.
    counts: ScanCounts,
    log: Log,
}

#[derive(Debug, Clone)]
struct SourceFile {
    file: DataFile,
    /// The columns within the file in its order, then those of its folders.
    columns: Vec<Column>,
    /// How many of the columns are within the file.
    n_inside: usize,
    /// Of a JSON file.
    layout: Layout,
    /// Exact for Parquet, an estimate for plain tables of text, unknown for others.
    rows: Option<u64>,
}

/// A [`SourceFile`] before the log says what its columns hold.
struct FoundFile {
    file: DataFile,
    columns: Vec<FoundColumn>,
    n_inside: usize,
    layout: Layout,
    rows: Option<u64>,
}

/// How a scan that failed can succeed.
enum Remedy {
    /// Read a column whose first records promised a narrower type as this one.
    Widen { column: String, data_type: DataType },
    /// Expect line breaks inside quoted values.
    LineBreaks,
}

impl Source {
    /// Finds the files behind `inputs` and reads their headers.
    ///
    /// # Errors
    /// Data that cannot be found or has no known format, files without a readable header, files with different columns.
    pub fn open(inputs: &[String]) -> Result<Self> {
        Self::open_with(inputs, &ReadOptions::default())
    }

    /// [`Source::open`] for data of which more is known than its names say. Inputs keep their order; a file that is named
    /// twice is read once.
    ///
    /// # Errors
    /// As for [`Source::open`].
    pub fn open_with(inputs: &[String], options: &ReadOptions) -> Result<Self> {
        let mut files = Vec::new();
        for input in inputs {
            files.extend(find(input, options)?);
        }
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.identity()));
        let store = Arc::new(SourceStore::new(files.iter())?);
        let has_fixed_format = options.format.is_some();
        let found: Vec<FoundFile> = files
            .into_iter()
            .map(|file| FoundFile::open(file, has_fixed_format))
            .collect::<Result<_>>()?;
        let first = found
            .first()
            .ok_or_else(|| Error::usage("no data was named"))?;
        let log = Log::recognise(&first.names());
        let evidence = Evidence::of(found.iter().flat_map(|file| &file.columns));
        let typed = found.into_iter().map(|file| file.typed(&log, &evidence));
        let files: Vec<SourceFile> = typed.collect();
        let first = &files[0];
        let mut columns = first.columns.clone();
        for other in &files[1..] {
            same_names(first, other)?;
            for column in &mut columns {
                column.unify(first, other)?;
            }
        }
        let source = Self {
            files,
            columns,
            line_breaks_in_values: false,
            store,
            node_store: Arc::new(NodeStore::new(options.storage.clone())),
            strict: options.strict,
            scan_log: Arc::default(),
            counts: ScanCounts::default(),
            log,
        };
        source.with_roles(options)
    }

    /// The source with the roles that `options` give to columns.
    fn with_roles(mut self, options: &ReadOptions) -> Result<Self> {
        if let Some(name) = &options.host_column {
            self.check_role("host_column", name)?;
            self.log = self.log.with_host(name);
        }
        if let Some(name) = &options.time_column {
            self.check_role("time_column", name)?;
            self.log = self.log.with_time(name);
        }
        Ok(self)
    }

    fn check_role(&self, option: &str, name: &str) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::usage(format!("{} {name}: {why}", parameter(option)))
                .hint(format!("the columns are {}", column_list(self))))
        };
        match self.column(name) {
            None => refuse("the data has no such column"),
            Some(column) if column.data_type.is_nested() => {
                refuse("the column holds lists or structs")
            }
            Some(_) => Ok(()),
        }
    }

    /// What is known of the data's columns: which of them say host, time and more.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The column that says on which host an event happened, where the data has it.
    pub(crate) fn host(&self) -> Option<&Column> {
        self.column(self.log.host()?)
    }

    /// The column that says when an event happened, where the data has it.
    pub(crate) fn time(&self) -> Option<&Column> {
        self.column(self.log.time()?)
    }

    /// Those of `columns` that the data has.
    pub(crate) fn present<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = &'a str> {
        let columns = columns.into_iter();
        columns.filter(|column| self.has_column(column))
    }

    /// The files, in the order in which they are read.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &DataFile> {
        self.files.iter().map(|file| &file.file)
    }

    /// Whether some of the data says of itself that it is simulated.
    pub fn is_simulated(&self) -> bool {
        self.files().any(|file| file.has_neighbour(SIMULATED))
    }

    /// Refuses an output that is one of the files to be read.
    ///
    /// # Errors
    /// `output` is such a file, under whatever name.
    pub fn refuse_as_output(&self, output: impl Into<Destination>) -> Result<()> {
        let output = output.into();
        let output = output.path();
        if self.files().any(|file| file.is_at(output)) {
            return Err(
                Error::usage(format!("{}: the output is also an input", output.display()))
                    .hint("choose another name: the data would be lost"),
            );
        }
        Ok(())
    }

    /// Where row `row` of file `file` is, for a message: its line where that can be told, else its number from 1.
    pub(crate) fn place_of_row(&self, file: usize, row: u64) -> String {
        let file = &self.files[file].file;
        let place = file.path.display();
        match file.format {
            Format::Csv(_) => text::line_of_row(file, row).map_or_else(
                || format!("{place}: row {row} after the header"),
                |line| format!("{place}: line {line}"),
            ),
            _ => format!("{place}: row {row}, counted from 1"),
        }
    }

    /// The columns, in the order of the first file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns what the last scan counted.
    pub fn counts(&self) -> &ScanCounts {
        &self.counts
    }

    /// Takes over the counts of a scan that read a copy of this source.
    pub(crate) fn adopt_counts(&mut self, copy: &Self) {
        self.counts = copy.counts.clone();
    }

    /// Begins a scan whose counts start at zero. Tables that were made before count elsewhere.
    pub(crate) fn begin_scan(&mut self) {
        self.scan_log = Arc::default();
    }

    /// Ends a scan that read all it wanted, and keeps its counts.
    ///
    /// # Errors
    /// Fails when too many lines could not be read.
    pub(crate) fn end_scan(&mut self) -> Result<()> {
        self.counts = self.scan_log.counts(self.files());
        match &self.counts.intake {
            Some(intake) => intake.check(),
            None => Ok(()),
        }
    }

    /// Returns how a scan called `what` is reported, and where it counts.
    pub(crate) fn reading<'a>(&'a self, what: &'a str) -> Reading<'a> {
        Reading {
            what,
            expected_rows: self.expected_rows(),
            malformed_args: self.scan_log.malformed_args(),
        }
    }

    /// Looks for a way to read the data although a scan of the columns `needed` failed with `error`. Returns whether there
    /// is one; it is taken from now on.
    ///
    /// # Errors
    /// Fails with a better error where the cause was found: which record of which file is to blame.
    pub(crate) fn remedy(
        &mut self,
        needed: &BTreeSet<String>,
        error: &DataFusionError,
    ) -> Result<bool> {
        let remedy = diagnose::explain(self, needed, error)?;
        let is_known = remedy.is_some();
        if let Some(remedy) = remedy {
            self.apply(remedy);
        }
        Ok(is_known)
    }

    /// The names of all columns.
    pub(crate) fn column_names(&self) -> BTreeSet<String> {
        names_of(&self.columns)
    }

    /// Whether there is a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// The table's schema.
    pub fn schema(&self) -> SchemaRef {
        schema_of(&self.columns)
    }

    /// How many rows there are, as far as it is known without reading them.
    pub(crate) fn expected_rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The same source with every column outside `typed` read as text, so that it can be written as it was.
    #[must_use]
    pub(crate) fn as_text_except(&self, typed: &BTreeSet<String>) -> Self {
        let mut source = self.clone();
        if source.files().all(|file| file.format.is_text()) {
            for column in source
                .columns
                .iter_mut()
                .filter(|column| !typed.contains(&column.name))
            {
                column.data_type = DataType::Utf8;
            }
        }
        source
    }

    /// Runs `work` until it succeeds or its failure is explained. `work` builds its query from the source it is handed;
    /// it runs again from the start when the failure has a remedy. `needed` names the columns that it reads.
    pub(crate) async fn run<T>(
        &mut self,
        needed: &BTreeSet<String>,
        mut work: impl AsyncFnMut(&Source) -> std::result::Result<T, DataFusionError>,
    ) -> Result<T> {
        loop {
            self.begin_scan();
            match work(self).await {
                Ok(value) => {
                    self.end_scan()?;
                    return Ok(value);
                }
                Err(error) if self.remedy(needed, &error)? => {}
                Err(error) => return Err(Error::engine(error)),
            }
        }
    }

    fn apply(&mut self, remedy: Remedy) {
        match remedy {
            Remedy::LineBreaks => self.line_breaks_in_values = true,
            Remedy::Widen { column, data_type } => {
                let owns = self.files.iter_mut().map(|file| &mut file.columns);
                for columns in owns.chain([&mut self.columns]) {
                    for widened in columns
                        .iter_mut()
                        .filter(|candidate| candidate.name == column)
                    {
                        widened.data_type = data_type.clone();
                    }
                }
            }
        }
    }

    /// All files as one table, read in any order by as many threads as the engine has.
    pub(crate) fn table(&self, engine: &Engine) -> std::result::Result<DataFrame, DataFusionError> {
        let mut groups: Vec<Vec<&SourceFile>> = Vec::new();
        for file in &self.files {
            match groups.iter_mut().find(|group| group[0].reads_like(file)) {
                Some(group) => group.push(file),
                None => groups.push(vec![file]),
            }
        }
        let mut tables = groups
            .into_iter()
            .map(|group| self.group_table(engine, &group, false));
        let first = tables
            .next()
            .ok_or_else(|| Error::internal("a source without files"))??;
        tables.try_fold(first, |all, table| all.union(table?))
    }

    /// Each file as a table of its own, whose rows come in the file's order.
    pub(crate) fn tables_in_order(
        &self,
        engine: &Engine,
    ) -> std::result::Result<Vec<DataFrame>, DataFusionError> {
        self.files
            .iter()
            .map(|file| self.group_table(engine, &[file], true))
            .collect()
    }

    /// Files that read alike, with the columns of the whole source.
    fn group_table(
        &self,
        engine: &Engine,
        group: &[&SourceFile],
        in_order: bool,
    ) -> std::result::Result<DataFrame, DataFusionError> {
        let first = group[0];
        let columns = self.read_columns(first);
        let (inside, outside) = columns.split_at(first.n_inside);
        let is_distributed = engine.is_distributed();
        let files = group
            .iter()
            .map(|file| self.engine_file(file, outside, is_distributed));
        let partitions = outside.iter().map(|column| Arc::new(column.field()));
        let (context, division) = if in_order {
            let divisible = is_distributed && self.can_be_split(first, inside);
            (engine.sequential_context(), Division::InOrder { divisible })
        } else {
            (engine.context(), Division::Any)
        };
        let store: (Arc<dyn ObjectStore>, &str) = if is_distributed {
            (Arc::clone(&self.node_store) as _, node::STORE_URL)
        } else {
            (Arc::clone(&self.store) as _, self.store.url())
        };
        let table = FilesTable::new(
            self.reader(first, inside),
            (schema_of(inside), partitions.collect()),
            files.collect::<std::result::Result<_, _>>()?,
            division,
            store,
        )?;
        let table = context.read_table(Arc::new(table))?;
        let in_order = self.columns.iter().map(|column| {
            let read = Expr::Column(ColumnRef::from_name(&column.name));
            let same = columns
                .iter()
                .any(|own| own.name == column.name && own.data_type == column.data_type);
            if same {
                read
            } else {
                cast(read, column.data_type.clone()).alias(&column.name)
            }
        });
        table.select(in_order.collect::<Vec<_>>())
    }

    /// A file for the engine, with its values of the columns `outside` it.
    fn engine_file(
        &self,
        file: &SourceFile,
        outside: &[Column],
        is_distributed: bool,
    ) -> std::result::Result<(PartitionedFile, Vec<ScalarValue>), DataFusionError> {
        let value = |column: &Column| match file.file.partition(&column.name) {
            Some(text) => ScalarValue::try_from_string(text.to_owned(), &column.data_type),
            None => ScalarValue::try_from(&column.data_type),
        };
        let values = outside
            .iter()
            .map(value)
            .collect::<std::result::Result<_, _>>()?;
        let mut meta = file.file.meta()?;
        if is_distributed {
            meta.location = node::location(&file.file)?;
        }
        Ok((PartitionedFile::new_from_meta(meta), values))
    }

    /// The values of text are parsed as what the whole source holds; others have the type they were written with.
    fn read_columns(&self, file: &SourceFile) -> Vec<Column> {
        let own = file.columns.iter().enumerate();
        own.filter_map(|(index, own)| {
            if index < file.n_inside && !file.file.format.is_text() {
                Some(own)
            } else {
                self.column(&own.name)
            }
        })
        .cloned()
        .collect()
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a file can be read from several places at once. A piece of text that was cut inside a quoted value ends in
    /// an incomplete record, which is an error and leads to [`Remedy::LineBreaks`] — unless the value is the record's last,
    /// so that nothing is missing after it.
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

    fn reader(&self, file: &SourceFile, columns: &[Column]) -> Reader {
        match file.file.format {
            Format::Csv(_) => {}
            Format::Parquet => return Reader::Engine(Arc::new(ParquetFormat::default())),
            Format::Arrow => return Reader::Ours(Rows::Arrow, self.store.files()),
            Format::Json(_) | Format::Tracee(_) => {
                let scan = JsonScan {
                    layout: file.layout,
                    columns: columns.to_vec(),
                    strict: self.strict,
                    log: self.log.clone(),
                    counts: Arc::clone(&self.scan_log),
                };
                return Reader::Ours(Rows::Json(scan), self.store.files());
            }
        }
        let csv = CsvFormat::default()
            .with_has_header(true)
            .with_newlines_in_values(!self.can_be_split(file, columns));
        Reader::Engine(Arc::new(csv))
    }
}

impl FoundFile {
    fn open(mut file: DataFile, has_fixed_format: bool) -> Result<Self> {
        let (mut layout, mut rows) = (Layout::Plain, None);
        let mut columns = match file.format {
            Format::Csv(_) => {
                let (columns, estimated) = text::columns(&file)?;
                rows = estimated;
                columns
            }
            Format::Json(compression) | Format::Tracee(compression) => {
                let is_tracee =
                    has_fixed_format.then_some(matches!(file.format, Format::Tracee(_)));
                let found = json::columns(&file, is_tracee)?;
                layout = found.1;
                if layout.is_tracee() {
                    file.format = Format::Tracee(compression);
                }
                found.0
            }
            Format::Arrow => arrow::columns(&file)?,
            Format::Parquet => {
                let (columns, counted) = parquet_columns(&file)?;
                rows = Some(counted);
                columns
            }
        };
        let n_inside = columns.len();
        for column in file.partition_columns() {
            if columns.iter().all(|inside| inside.name != column.name) {
                columns.push(column);
            }
        }
        Ok(Self {
            columns,
            n_inside,
            layout,
            rows,
            file,
        })
    }

    fn names(&self) -> Vec<&str> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        names.collect()
    }

    fn typed(self, log: &Log, evidence: &Evidence) -> SourceFile {
        let columns = self.columns.into_iter();
        SourceFile {
            columns: columns.map(|column| column.typed(log, evidence)).collect(),
            n_inside: self.n_inside,
            layout: self.layout,
            rows: self.rows,
            file: self.file,
        }
    }
}

impl SourceFile {
    fn reads_like(&self, other: &Self) -> bool {
        self.file.format == other.file.format
            && self.layout == other.layout
            && self.n_inside == other.n_inside
            && self.columns == other.columns
    }
}

/// The files behind one input.
fn find(input: &str, options: &ReadOptions) -> Result<Vec<DataFile>> {
    match options.standard_input {
        Some(open) if input == STANDARD => {
            let spool = Spool::new(STANDARD.into(), MAX_SPOOLED_BYTES)?.copy(open)?;
            let file = DataFile::spooled(STANDARD.into(), spool, options.format)?;
            Ok(vec![file])
        }
        _ if is_object_url(input) => lake::expand(input, options),
        _ if is_web_url(input) => lake::download(input, options),
        _ => expand::expand(input, options.format),
    }
}

fn parquet_columns(file: &DataFile) -> Result<(Vec<FoundColumn>, u64)> {
    let chunks = Chunks::of(file);
    let metadata = ArrowReaderMetadata::load(&chunks, Default::default()).map_err(|error| {
        Error::data(format!(
            "{}: not a readable Parquet file: {error}",
            file.path.display()
        ))
        .hint("the file was cut off or is of another format: copy it again or check its name")
    })?;
    let fields = metadata.schema().fields().iter();
    let columns = fields.map(|field| FoundColumn::stored(field.name(), field.data_type().clone()));
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    Ok((columns.collect(), rows))
}

fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(Column::field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn names_of(columns: &[Column]) -> BTreeSet<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Returns `needed` and `more` as one set of column names.
pub(crate) fn with_columns<'a>(
    needed: &BTreeSet<String>,
    more: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<String> {
    needed
        .iter()
        .cloned()
        .chain(more.into_iter().map(str::to_owned))
        .collect()
}

/// Returns the error of data without rows: there is nothing to learn from or to judge.
pub(crate) fn no_events(source: &Source) -> Error {
    let files: Vec<_> = source
        .files()
        .map(|file| file.path.display().to_string())
        .collect();
    Error::data(format!("{}: a header but no rows", files.join(", ")))
        .hint("is this the right file?")
}

/// Returns the names of the columns of `source` for a message, at most 24 of them.
pub(crate) fn column_list(source: &Source) -> String {
    listed_columns(&source.schema())
}

/// Returns the names of the columns of `schema` for a message, at most 24 of them.
pub(crate) fn listed_columns(schema: &Schema) -> String {
    const SHOWN: usize = 24;
    let fields = schema.fields();
    let names: Vec<_> = fields
        .iter()
        .take(SHOWN)
        .map(|field| field.name().as_str())
        .collect();
    let more = if fields.len() > SHOWN {
        format!(" and {} more", fields.len() - SHOWN)
    } else {
        String::new()
    };
    names.join(", ") + &more
}

fn same_names(first: &SourceFile, other: &SourceFile) -> Result<()> {
    let (ours, theirs) = (names_of(&first.columns), names_of(&other.columns));
    if ours == theirs {
        return Ok(());
    }
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| -> String {
        let missing: Vec<_> = left.difference(right).cloned().collect();
        if missing.is_empty() {
            "nothing".into()
        } else {
            missing.join(", ")
        }
    };
    Err(Error::data(format!(
        "{} and {} have different columns: only the first has {}; only the second has {}",
        first.file.path.display(),
        other.file.path.display(),
        only(&ours, &theirs),
        only(&theirs, &ours),
    ))
    .hint("files that are read together need the same columns (in any order): name them in separate calls"))
}

/// The narrower of the types that can hold both.
fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let is_text = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    match (left, right) {
        _ if left == right => Some(left.clone()),
        _ if is_text(left) && is_text(right) => Some(DataType::Utf8),
        _ if left.is_integer() && right.is_integer() => Some(DataType::Int64),
        _ if left.is_numeric() && right.is_numeric() => Some(DataType::Float64),
        _ => None,
    }
}
