//! Logs: which columns a log has, what they say of an event, and what follows from that.
//!
//! A [`Log`] is a value, which a [`Source`](crate::Source) carries. Outside of this module and of recipes no code names a
//! column. A further log is one more [`Definition`] in [`KNOWN`], with decoders that end in its columns where some of its
//! forms need them: a [`Dialect`], as [`tracee`] is for kernel calls and [`dns_messages`] are for lookups.

mod dialect;
mod dns;
pub(crate) mod dns_messages;
mod kernel_calls;
mod label_names;
mod table;
pub(crate) mod tracee;
pub(crate) mod zeek_tsv;

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, Operator, binary_expr, ident, lit};

pub use dialect::Dialect;
use dns::DNS;
use kernel_calls::KERNEL_CALLS;
pub(crate) use label_names::{LabelName, label_name};
use table::TABLE;

/// The logs that are recognised by their columns.
static KNOWN: [&Definition; 2] = [&KERNEL_CALLS, &DNS];

/// The knowledge of a log's columns: their types and their roles. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Log {
    definition: &'static Definition,
    /// The host column that was named instead of the definition's.
    host: Option<Arc<str>>,
    /// The time column that was named instead of the definition's.
    time: Option<Arc<str>>,
}

/// The columns and roles that all logs of a kind share.
#[derive(Debug)]
struct Definition {
    name: &'static str,
    /// The columns, with the Arrow types that their values are read as from text.
    columns: &'static [(&'static str, DataType)],
    /// A table is such a log if it has one of these columns, and at least `min_columns` of `columns` besides the
    /// labels.
    marks: &'static [&'static str],
    min_columns: usize,
    host: Option<&'static str>,
    time: Option<&'static str>,
    /// What `time` counts from where it is no date.
    time_origin: Option<&'static str>,
    process: &'static [&'static str],
    parent: Option<&'static str>,
    thread: Option<&'static str>,
    user: Option<&'static str>,
    action: Option<&'static str>,
    program: Option<&'static str>,
    identifying: &'static [&'static str],
    labels: &'static [&'static str],
    baseline: Option<BaselineRule>,
    default_recipe: &'static str,
    lists: &'static [(&'static str, ListKind)],
    lineages: Lineages,
    path: Option<&'static str>,
    address: Option<&'static str>,
    notation: Notation,
}

/// What a log says of its processes' families.
#[derive(Debug)]
pub(crate) struct Lineages {
    /// The numbers of the processes that all others descend from.
    pub inits: &'static [i64],
    /// The programs of which each child starts a session.
    pub starters: &'static [&'static str],
    /// Those of them that start the same jobs again and again.
    pub schedulers: &'static [&'static str],
    /// The actions that end a process.
    pub ends: &'static [&'static str],
}

/// A rule on one column that flags events without any model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineRule {
    /// The column, which holds numbers.
    pub column: &'static str,
    /// The comparison of the column with the constant.
    pub comparison: Operator,
    /// The constant.
    pub constant: i64,
}

/// Which lists the texts of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Addresses: numbers from 0 to 2^64 − 1.
    Addresses,
    /// The arguments of a call: their names, types and values.
    Arguments,
    /// Texts.
    Texts,
}

/// The notation in which a list or an object of JSON is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// As JSON.
    Json,
    /// As Python's `repr` does, and so the files of BETH.
    Python,
}

impl Log {
    /// Returns the log of kernel calls, in the columns of the BETH data set (Highnam et al. 2021).
    #[must_use]
    pub fn kernel_calls() -> Self {
        Self::of(&KERNEL_CALLS)
    }

    /// Returns the log of DNS, in the columns of the BETH data set (Highnam et al. 2021).
    #[must_use]
    pub fn dns() -> Self {
        Self::of(&DNS)
    }

    /// Returns the log of a table of which no more is known than its columns' names.
    #[must_use]
    pub fn table() -> Self {
        Self::of(&TABLE)
    }

    /// Returns the log that a table with columns of these names is.
    #[must_use]
    pub fn recognise(names: &[&str]) -> Self {
        let known = KNOWN.into_iter().find(|log| log.is_recognised(names));
        Self::of(known.unwrap_or(&TABLE))
    }

    fn of(definition: &'static Definition) -> Self {
        Self {
            definition,
            host: None,
            time: None,
        }
    }

    /// Returns the log with another column that says on which host an event happened.
    #[must_use]
    pub fn with_host(self, column: &str) -> Self {
        Self {
            host: Some(column.into()),
            ..self
        }
    }

    /// Returns the log with another column that says when an event happened.
    #[must_use]
    pub fn with_time(self, column: &str) -> Self {
        Self {
            time: Some(column.into()),
            ..self
        }
    }

    /// Returns what the log is called, with its article.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// Returns the columns of the log, in their order, with the Arrow types that their values are read as from text.
    /// Data may lack some of them.
    #[must_use]
    pub fn columns(&self) -> &'static [(&'static str, DataType)] {
        self.definition.columns
    }

    /// Returns the type that the values of a column are read as from text, or `None` for a column that is not the
    /// log's.
    #[must_use]
    pub fn column_type(&self, name: &str) -> Option<&'static DataType> {
        let mut columns = self.columns().iter();
        let (_, data_type) = columns.find(|(column, _)| *column == name)?;
        Some(data_type)
    }

    /// Returns the columns that a sensor fills: all but the labels.
    pub(crate) fn sensed_columns(
        &self,
    ) -> impl Iterator<Item = &'static (&'static str, DataType)> + use<> {
        self.definition.sensed_columns()
    }

    /// Returns the column that says on which host an event happened. As with all roles, data may lack the column.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref().or(self.definition.host)
    }

    /// Returns the column that says when an event happened.
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        self.time.as_deref().or(self.definition.time)
    }

    /// Returns what the times of the log count from where they are no dates, as in "since boot"; `None` where that is
    /// not known.
    #[must_use]
    pub fn time_origin(&self) -> Option<&'static str> {
        self.definition.time_origin.filter(|_| self.time.is_none())
    }

    /// Returns the columns that tell the processes of a host apart.
    #[must_use]
    pub fn process(&self) -> &'static [&'static str] {
        self.definition.process
    }

    /// Returns the column of the id of the parent process.
    #[must_use]
    pub fn parent(&self) -> Option<&'static str> {
        self.definition.parent
    }

    /// Returns the column that says in which thread an event happened.
    #[must_use]
    pub fn thread(&self) -> Option<&'static str> {
        self.definition.thread
    }

    /// Returns the column that says on behalf of which user an event happened.
    #[must_use]
    pub fn user(&self) -> Option<&'static str> {
        self.definition.user
    }

    /// Returns the column that says what was done, such as the name of a call.
    #[must_use]
    pub fn action(&self) -> Option<&'static str> {
        self.definition.action
    }

    /// Returns the column that names the program of an event.
    #[must_use]
    pub fn program(&self) -> Option<&'static str> {
        self.definition.program
    }

    /// Returns the columns that say which event a row is, in the order in which they are shown.
    pub fn identifying(&self) -> impl Iterator<Item = &str> {
        let Definition { host, time, .. } = self.definition;
        let columns = self.definition.identifying.iter().copied();
        columns.map(move |column| match Some(column) {
            role if role == *host => self.host().unwrap_or(column),
            role if role == *time => self.time().unwrap_or(column),
            _ => column,
        })
    }

    /// Returns those of the columns `names` that show which event a row is: the identifying ones, where there are any,
    /// else the first `most`.
    pub fn shown<'a>(&'a self, names: &[&'a str], most: usize) -> Vec<&'a str> {
        let mut known: Vec<&str> = Vec::new();
        for column in self.identifying() {
            if names.contains(&column) && !known.contains(&column) {
                known.push(column);
            }
        }
        if known.is_empty() {
            known = names.iter().copied().take(most).collect();
        }
        known
    }

    /// Returns the names of the label columns for a message.
    pub fn labels_in_words(&self) -> String {
        let names = self.labels().iter().map(|label| format!("`{label}`"));
        names.collect::<Vec<_>>().join(" or ")
    }

    /// Returns the label columns: 1 in events to detect, 0 in the others. A label is never a feature.
    #[must_use]
    pub fn labels(&self) -> &'static [&'static str] {
        self.definition.labels
    }

    /// Returns whether `column` is one of the labels.
    #[must_use]
    pub fn is_label(&self, column: &str) -> bool {
        self.labels().contains(&column)
    }

    /// Returns the rule that any model should beat.
    #[must_use]
    pub fn baseline(&self) -> Option<&'static BaselineRule> {
        self.definition.baseline.as_ref()
    }

    /// Returns the name of the recipe that suits the log.
    #[must_use]
    pub fn default_recipe(&self) -> &'static str {
        self.definition.default_recipe
    }

    /// Returns the columns whose texts are lists, with what these hold.
    #[must_use]
    pub fn list_columns(&self) -> &'static [(&'static str, ListKind)] {
        self.definition.lists
    }

    /// Returns what the log says of its processes' families.
    pub(crate) fn lineages(&self) -> &'static Lineages {
        &self.definition.lineages
    }

    /// Returns the SQL expression of the path that an event names.
    pub(crate) fn path(&self) -> Option<&'static str> {
        self.definition.path
    }

    /// Returns the SQL expression of the network address that an event names.
    pub(crate) fn address(&self) -> Option<&'static str> {
        self.definition.address
    }

    /// Returns how a list or an object in a column of JSON is written as text.
    #[must_use]
    pub fn notation(&self, column: &str) -> Notation {
        match self.column_type(column) {
            Some(_) => self.definition.notation,
            None => Notation::Json,
        }
    }
}

impl Definition {
    fn is_recognised(&'static self, names: &[&str]) -> bool {
        let found = self.sensed_columns();
        self.marks.iter().any(|mark| names.contains(mark))
            && found.filter(|(name, _)| names.contains(name)).count() >= self.min_columns
    }

    fn sensed_columns(&'static self) -> impl Iterator<Item = &'static (&'static str, DataType)> {
        let is_label = |name| self.labels.contains(name);
        let columns = self.columns.iter();
        columns.filter(move |(name, _)| !is_label(name))
    }
}

impl BaselineRule {
    /// Returns whether the rule flags an event, as an expression.
    #[must_use]
    pub fn expr(&self) -> Expr {
        binary_expr(ident(self.column), self.comparison, lit(self.constant))
    }
}

impl fmt::Display for BaselineRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            column,
            comparison,
            constant,
        } = self;
        write!(f, "{column} {comparison} {constant}")
    }
}
