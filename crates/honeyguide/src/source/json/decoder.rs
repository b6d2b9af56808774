//! Lines of JSON as rows of columns, wherever the lines come from.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::cell::Cell;
use super::row::{Field, RowReader};
use super::structured::StructuredReader;
use super::tracee_cells::TraceeCells;
use super::{Layout, schema};
use crate::log::Log;
use crate::log::tracee::{Form, Recognised, no_event};
use crate::source::column::{Column, schema_of};
use crate::source::intake::{LateKeys, TraceeEvents};

/// A batch ends when its texts have this many bytes, however few its rows are.
const BATCH_TEXT_BYTES: usize = 8 << 20;

/// A decoder that takes lines one by one and returns their rows in batches.
pub(in crate::source) struct JsonDecoder {
    rows: RowReader,
    /// The reader of lines of Tracee's structured form, which are not read by `rows`.
    structured: Option<StructuredReader>,
    tracee: Option<TraceeCells>,
    events: Option<TraceeEvents>,
    columns: Vec<(Column, Builder)>,
    schema: SchemaRef,
    /// The number of rows since the last batch.
    n_rows: usize,
    /// The bytes of their texts.
    text_bytes: usize,
    buffer: String,
}

/// The reason why a line is not a row.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::source) enum Refusal {
    /// A column whose first values were whole numbers has a fraction. It can be read as a wider type.
    Misfit(String),
    /// The line is an object of another kind than the lines of the text.
    Other(String),
    /// Anything else, in words.
    Line(String),
}

impl JsonDecoder {
    /// Decodes the columns with the indices `wanted` out of `columns`, which are all columns of lines of this layout
    /// and log.
    pub fn new(layout: Layout, columns: &[Column], wanted: &[usize], log: &Log) -> Self {
        let wanted: Vec<Column> = wanted.iter().map(|index| columns[*index].clone()).collect();
        let mut fields: Vec<Field> = wanted
            .iter()
            .map(|column| schema::field(&column.name, layout, log))
            .collect();
        let is_tracee = layout.is_tracee();
        let form = layout.form();
        let tracee = form.map(|form| TraceeCells::of(&mut fields, form, log));
        let is_structured = form == Some(Form::Structured);
        // Some keys of Tracee's are left out on purpose.
        let known = (!is_tracee).then(|| columns.iter().map(|column| column.name.clone()));
        Self {
            structured: is_structured.then(|| StructuredReader::new(&fields)),
            rows: RowReader::new(fields, known.map(HashSet::from_iter)),
            events: is_tracee.then(TraceeEvents::default),
            tracee,
            schema: schema_of(&wanted),
            columns: wanted
                .into_iter()
                .map(|column| {
                    let builder = Builder::new(&column);
                    (column, builder)
                })
                .collect(),
            n_rows: 0,
            text_bytes: 0,
            buffer: String::new(),
        }
    }

    /// Adds one line, without its end, as a row. A line that is refused adds nothing.
    ///
    /// # Errors
    /// Fails when the line is not a JSON object, or has a value that its column cannot take.
    pub fn push(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let unread = |error| Refusal::Line(reason(&error));
        let (cells, path_is_empty) = match &mut self.structured {
            Some(reader) => {
                let path_is_empty = reader.read(line).map_err(unread)?;
                (reader.cells(), Some(path_is_empty))
            }
            None => (self.rows.read(line).map_err(unread)?, None),
        };
        let recognised = match &self.tracee {
            None => None,
            Some(tracee) => {
                let missing = tracee.missing(cells);
                if !missing.is_empty() {
                    return Err(Refusal::Other(no_event(&missing)));
                }
                Some(tracee.translate(cells, line, path_is_empty))
            }
        };
        for ((column, builder), cell) in self.columns.iter().zip(cells.iter()) {
            if !builder.takes(cell) {
                return Err(refusal(column, cell));
            }
        }
        for ((_, builder), cell) in self.columns.iter_mut().zip(cells.iter()) {
            self.text_bytes += builder.append(cell, &mut self.buffer);
        }
        self.n_rows += 1;
        if let Some(recognised) = recognised {
            let events = self.events.get_or_insert_default();
            *match recognised {
                Recognised::Mapped { .. } => &mut events.mapped,
                Recognised::Aliased { .. } => &mut events.aliased,
                Recognised::Unknown => &mut events.unknown,
            } += 1;
        }
        Ok(())
    }

    /// Returns whether the rows since the last batch are to become one, of at most `batch_rows` rows.
    pub fn is_full(&self, batch_rows: usize) -> bool {
        self.n_rows >= batch_rows || self.text_bytes >= BATCH_TEXT_BYTES
    }

    /// Returns the rows since the last batch, or `None` where there are none.
    ///
    /// # Errors
    /// Does not fail: the arrays are as long as there are rows.
    pub fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let rows = std::mem::take(&mut self.n_rows);
        self.text_bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut().map(|(_, builder)| builder.finish());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        RecordBatch::try_new_with_options(schema, arrays.collect(), &options).map(Some)
    }

    /// Returns how the events of Tracee were mapped so far; `None` where the lines are not Tracee's.
    pub fn tracee_events(&self) -> Option<TraceeEvents> {
        self.events
    }

    /// Takes the keys that were met and are no columns.
    pub fn take_late_keys(&mut self) -> LateKeys {
        self.rows.take_late_keys()
    }
}

/// Says what is wrong with a line. The parser counts lines within the one line that it is given.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("column {}: not a JSON object: {what}", error.column())
}

fn refusal(column: &Column, cell: &Cell) -> Refusal {
    if column.inferred && column.data_type == DataType::Int64 && cell.number().is_some() {
        return Refusal::Misfit(column.name.clone());
    }
    let expected = match column.data_type {
        DataType::Int64 => "a whole number",
        DataType::Float64 => "a number",
        _ => "true or false",
    };
    Refusal::Line(format!("`{}`: expected {expected}", column.name))
}

/// The values of a column since the last batch.
enum Builder {
    Integers(Int64Builder),
    /// Whole numbers of the log's own columns, in whatever form they are written.
    Whole(Int64Builder),
    Numbers(Float64Builder),
    Booleans(BooleanBuilder),
    Texts(StringBuilder),
}

impl Builder {
    fn new(column: &Column) -> Self {
        match column.data_type {
            DataType::Int64 if column.inferred => Self::Integers(Int64Builder::new()),
            DataType::Int64 => Self::Whole(Int64Builder::new()),
            DataType::Float64 => Self::Numbers(Float64Builder::new()),
            DataType::Boolean => Self::Booleans(BooleanBuilder::new()),
            _ => Self::Texts(StringBuilder::new()),
        }
    }

    /// Returns whether the value is one of the column's type.
    fn takes(&self, cell: &Cell) -> bool {
        match self {
            Self::Integers(_) => cell.integer().is_some(),
            Self::Whole(_) => cell.whole().is_some(),
            Self::Numbers(_) => cell.number().is_some(),
            Self::Booleans(_) => cell.boolean().is_some(),
            Self::Texts(_) => true,
        }
    }

    /// Adds a value of the column's type, and returns how many bytes of text it has.
    fn append(&mut self, cell: &Cell, buffer: &mut String) -> usize {
        match self {
            Self::Integers(builder) => builder.append_option(cell.integer().flatten()),
            Self::Whole(builder) => builder.append_option(cell.whole().flatten()),
            Self::Numbers(builder) => builder.append_option(cell.number().flatten()),
            Self::Booleans(builder) => builder.append_option(cell.boolean().flatten()),
            Self::Texts(builder) => {
                let text = cell.text(buffer);
                builder.append_option(text);
                return text.map_or(0, str::len);
            }
        }
        0
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Integers(builder) | Self::Whole(builder) => Arc::new(builder.finish()),
            Self::Numbers(builder) => Arc::new(builder.finish()),
            Self::Booleans(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    fn decoder(wanted: &[usize]) -> JsonDecoder {
        let columns = [
            Column::inferred("n", DataType::Int64),
            Column::inferred("flag", DataType::Boolean),
            Column::inferred("text", DataType::Utf8),
        ];
        JsonDecoder::new(Layout::Plain, &columns, wanted, &Log::recognise(&[]))
    }

    #[test]
    fn lines_become_rows_and_bad_ones_leave_no_trace() {
        let mut decoder = decoder(&[2, 0]);
        decoder.push(br#"{"n":1,"text":"a","late":0}"#).unwrap();
        let misfit = decoder.push(br#"{"text":"b","n":1.5}"#);
        assert_eq!(misfit, Err(Refusal::Misfit("n".into())));
        let refused = decoder.push(br#"{"n":[],"text":"c"}"#);
        let expected = Refusal::Line("`n`: expected a whole number".into());
        assert_eq!(refused, Err(expected));
        assert!(decoder.push(b"[1]").is_err());
        decoder.push(br#"{"flag":true}"#).unwrap();
        assert!(decoder.is_full(2) && !decoder.is_full(3));
        let batch = decoder.flush().unwrap().unwrap();
        let texts: Vec<_> = batch.column(0).as_string::<i32>().iter().collect();
        let numbers: Vec<_> = batch.column(1).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(texts, [Some("a"), None]);
        assert_eq!(numbers, [Some(1), None]);
        assert_eq!(decoder.flush().unwrap(), None);
        let mut late = LateKeys::default();
        late.add("late");
        assert_eq!(decoder.take_late_keys(), late);
    }
}
