//! Where events come from: data files behind paths, folders and globs, seen as one table.
//!
//! Every file must have the same columns, in any order. A scan that fails is explained: `diagnose` finds the record
//! behind the engine's error, or says with which [`Scan`] settings the files can be read after all.

mod diagnose;
mod expand;
mod store;
mod text;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Column as ColumnRef;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::cast;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use datafusion::prelude::{DataFrame, SessionContext};

pub(crate) use store::WatchedFiles;

pub use expand::{Compression, DataFile, Format};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::simulate::MARKER;

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

impl Column {
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
}

#[derive(Debug, Clone)]
struct SourceFile {
    file: DataFile,
    /// The file's own columns, in its own order.
    columns: Vec<Column>,
    /// Exact for Parquet, an estimate for plain text, unknown for compressed text.
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
        let files: Vec<SourceFile> = expand::expand(inputs)?
            .into_iter()
            .map(SourceFile::open)
            .collect::<Result<_>>()?;
        let first = files
            .first()
            .ok_or_else(|| Error::usage("no data was named"))?;
        let mut columns = first.columns.clone();
        for other in &files[1..] {
            same_names(first, other)?;
            for column in &mut columns {
                column.unify(first, other)?;
            }
        }
        Ok(Self {
            files,
            columns,
            line_breaks_in_values: false,
        })
    }

    /// The files, in the order in which they are read.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &DataFile> {
        self.files.iter().map(|file| &file.file)
    }

    /// Whether some of the data says of itself that it is simulated.
    pub fn is_simulated(&self) -> bool {
        let marked = |file: &DataFile| file.path.with_file_name(MARKER).is_file();
        self.files().any(marked)
    }

    /// Refuses an output that is one of the files to be read.
    ///
    /// # Errors
    /// `output` is such a file, under whatever name.
    pub fn refuse_as_output(&self, output: &Path) -> Result<()> {
        let Ok(output_file) = std::fs::canonicalize(output) else {
            return Ok(());
        };
        let is_input = self
            .files()
            .any(|file| std::fs::canonicalize(&file.path).is_ok_and(|input| input == output_file));
        if is_input {
            return Err(
                Error::usage(format!("{}: the output is also an input", output.display()))
                    .hint("choose another name: the data would be lost"),
            );
        }
        Ok(())
    }

    /// The columns, in the order of the first file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
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
        let is_text = |format: Format| matches!(format, Format::Csv(_));
        if source.files.iter().all(|file| is_text(file.file.format)) {
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
            match work(self).await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    let remedy = diagnose::explain(self, needed, error)?;
                    self.apply(remedy);
                }
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
            .map(|group| self.group_table(engine.context(), &group));
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
            .map(|file| self.group_table(engine.sequential_context(), &[file]))
            .collect()
    }

    /// Files that read alike, with the columns of the whole source.
    fn group_table(
        &self,
        context: &SessionContext,
        group: &[&SourceFile],
    ) -> std::result::Result<DataFrame, DataFusionError> {
        let urls = group
            .iter()
            .map(|file| file_url(&file.file.path))
            .collect::<Result<Vec<_>>>()?;
        let columns = self.read_columns(group[0]);
        let options = ListingOptions::new(self.file_format(group[0].file.format, &columns))
            .with_file_extension("");
        let config = ListingTableConfig::new_with_multi_paths(urls)
            .with_listing_options(options)
            .with_schema(schema_of(&columns));
        let table = context.read_table(Arc::new(ListingTable::try_new(config)?))?;
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

    /// A text file's values are parsed as what the whole source holds; a Parquet file's have the type they were written with.
    fn read_columns(&self, file: &SourceFile) -> Vec<Column> {
        match file.file.format {
            Format::Parquet => file.columns.clone(),
            Format::Csv(_) => file
                .columns
                .iter()
                .filter_map(|own| self.column(&own.name))
                .cloned()
                .collect(),
        }
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A piece of a text file that was cut inside a quoted value ends in an incomplete record, which is an error and
    /// leads to [`Remedy::LineBreaks`] — unless the value is the record's last, so that nothing is missing after it.
    fn file_format(&self, format: Format, columns: &[Column]) -> Arc<dyn FileFormat> {
        let Format::Csv(compression) = format else {
            return Arc::new(ParquetFormat::default());
        };
        let text_last = columns
            .last()
            .is_some_and(|column| column.data_type == DataType::Utf8);
        let cannot_be_split = compression != Compression::None;
        let csv = CsvFormat::default()
            .with_has_header(true)
            .with_newlines_in_values(self.line_breaks_in_values || text_last || cannot_be_split);
        Arc::new(csv)
    }
}

impl SourceFile {
    fn open(file: DataFile) -> Result<Self> {
        match file.format {
            Format::Csv(compression) => {
                let columns = text::columns(&file.path, compression)?;
                let rows = text::estimate_rows(&file, compression);
                Ok(Self {
                    columns,
                    rows,
                    file,
                })
            }
            Format::Parquet => {
                let (columns, rows) = parquet_columns(&file.path)?;
                Ok(Self {
                    columns,
                    rows: Some(rows),
                    file,
                })
            }
        }
    }

    fn reads_like(&self, other: &Self) -> bool {
        self.file.format == other.file.format && self.columns == other.columns
    }
}

fn parquet_columns(path: &Path) -> Result<(Vec<Column>, u64)> {
    let file = std::fs::File::open(path).map_err(|error| Error::io("read", path, error))?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(|error| {
        Error::data(format!(
            "{}: not a readable Parquet file: {error}",
            path.display()
        ))
        .hint("the file was cut off or is of another format: copy it again or check its name")
    })?;
    let columns = metadata.schema().fields().iter().map(|field| Column {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        inferred: false,
    });
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    Ok((columns.collect(), rows))
}

fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|column| Field::new(&column.name, column.data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn file_url(path: &Path) -> Result<ListingTableUrl> {
    let absolute = std::path::absolute(path).map_err(|error| Error::io("find", path, error))?;
    let url = url::Url::from_file_path(&absolute)
        .map_err(|()| Error::usage(format!("{}: not a path that can be read", path.display())))?;
    ListingTableUrl::try_new(url, None).map_err(Error::engine)
}

fn same_names(first: &SourceFile, other: &SourceFile) -> Result<()> {
    let names = |file: &SourceFile| -> BTreeSet<String> {
        file.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    };
    let (ours, theirs) = (names(first), names(other));
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
