//! The error type of the whole library: what failed, the kind of failure, and what to do next.

mod words;

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use serde::{Deserialize, Serialize};

pub(crate) use words::{Explained, explained};

use crate::naming::{Named, parameter, quoted, resolved};
use crate::secret::redacted;
use crate::wording::printable;

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an [`Error`], which a program maps to its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The arguments of the call cannot work, whatever the rows hold: a path matches no file, a recipe names a column
    /// that the data lacks, a parameter is out of range.
    Usage,
    /// The data or a model file is invalid.
    Data,
    /// The operating system, a store or a server failed or refused: no permission, a full disk, a file that was
    /// removed.
    Io,
    /// There is a defect in honeyguide or in a library that it uses.
    Internal,
}

/// The kind of value that an error is about, if the value's place in the data is not known yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Unlocated {
    /// The place is known, or there is none.
    #[default]
    Nothing,
    /// The error is about a feature's value that the forest cannot take.
    Feature,
    /// The error is about a label that is neither 0 nor 1.
    Label,
    /// The error is about a value that the engine could not compute.
    Value,
    /// The error is about a stored value that the type of its column in the log cannot hold.
    Type,
}

/// The marker before an error in another process's text.
const CARRIED: &str = "honeyguide-error:";

/// The form in which an [`Error`] is sent from one process to another.
#[derive(Serialize, Deserialize)]
struct CarriedError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    unlocated: Unlocated,
}

/// An error: what failed, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.in_words())]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    unlocated: Unlocated,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: said(&message.into()),
            hint: None,
            unlocated: Unlocated::Nothing,
            source: None,
        }
    }

    /// Returns an error about a call whose arguments cannot work.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Returns an error about data or a model file that is invalid.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// Returns an error of the operating system. `what` is the verb that says what could not be done with `path`.
    pub fn io(what: impl Display, path: &Path, error: std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Some("check the permissions of the file and of its folder".into())
            }
            std::io::ErrorKind::StorageFull => {
                Some("free some space or write to another disk; nothing was left behind".into())
            }
            _ => None,
        };
        Self {
            kind: ErrorKind::Io,
            message: said(&format!("cannot {what} {}: {error}", path.display())),
            hint,
            unlocated: Unlocated::Nothing,
            source: Some(Box::new(error)),
        }
    }

    /// Returns an error about a refusal by a store or a server.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, message)
    }

    /// Returns the library's own error if a reader passed one on in `error`, and otherwise the result of `other`.
    pub(crate) fn through_reader(
        error: std::io::Error,
        other: impl FnOnce(std::io::Error) -> Self,
    ) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => other(error),
        }
    }

    /// Returns an error about a defect: a state that the code takes to be impossible.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message).hint(
            "this is a defect of honeyguide: please report it with the command line that showed it",
        )
    }

    /// Adds a hint on what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(said(&hint.into()));
        self
    }

    /// Returns the error with `place` before its message. A feature fault stays unchanged, since its place is found
    /// later.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        if !self.is_feature_fault() {
            self.message = format!("{}: {}", said(place), self.message);
        }
        self
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what failed and where, without the hint.
    pub fn message(&self) -> Cow<'_, str> {
        self.message_as(quoted)
    }

    /// Returns what to do next, where there is something to say.
    pub fn hint_text(&self) -> Option<Cow<'_, str>> {
        self.hint_as(quoted)
    }

    /// Returns the message with parameters and commands as `write` writes them.
    pub fn message_as(&self, write: impl Fn(Named) -> String) -> Cow<'_, str> {
        resolved(&self.message, write)
    }

    /// Returns the hint with parameters and commands as `write` writes them.
    pub fn hint_as(&self, write: impl Fn(Named) -> String) -> Option<Cow<'_, str>> {
        self.hint.as_deref().map(|hint| resolved(hint, write))
    }

    /// Returns the message as it was made, with marked names, to be part of another message.
    pub(crate) fn text(&self) -> &str {
        &self.message
    }

    /// Returns the hint as it was made, with marked names.
    pub(crate) fn hint_marked(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the message and, in brackets, the hint.
    fn in_words(&self) -> String {
        match self.hint_text() {
            Some(hint) => format!("{} ({hint})", self.message()),
            None => self.message().into_owned(),
        }
    }

    /// Returns an error about a feature's value that the forest cannot take, at a row that is not known yet.
    pub(crate) fn feature_fault(feature: &str, why: &str) -> Self {
        Self {
            unlocated: Unlocated::Feature,
            ..Self::data(format!("feature `{feature}` {why}"))
        }
    }

    /// Returns whether the error is about a feature's value that the forest cannot take, at a row that is not known
    /// yet.
    pub(crate) fn is_feature_fault(&self) -> bool {
        self.unlocated == Unlocated::Feature
    }

    /// Returns an error about a label that is neither 0 nor 1, at a row that is not known yet.
    pub(crate) fn label_fault(label: &str, found: &str) -> Self {
        Self {
            unlocated: Unlocated::Label,
            ..Self::data(format!("label `{label}` must be 0 or 1, found {found}"))
        }
    }

    /// Returns whether the error is about a label that is neither 0 nor 1, at a row that is not known yet.
    pub(crate) fn is_label_fault(&self) -> bool {
        self.unlocated == Unlocated::Label
    }

    /// Returns an error about a stored value that the type of its column in the log cannot hold, at a row that is not
    /// known yet.
    pub(crate) fn type_fault(message: impl Into<String>) -> Self {
        Self {
            unlocated: Unlocated::Type,
            ..Self::data(message)
        }
    }

    /// Returns whether the error is about a stored value that the type of its column in the log cannot hold, at a row
    /// that is not known yet.
    pub(crate) fn is_type_fault(&self) -> bool {
        self.unlocated == Unlocated::Type
    }

    /// Returns whether the engine could not compute a value, at a row that is not known yet.
    pub(crate) fn is_evaluation_fault(&self) -> bool {
        self.unlocated == Unlocated::Value
    }

    /// Returns the library's own error within an error of the engine, however deeply it is wrapped.
    pub fn own(error: &DataFusionError) -> Option<Self> {
        cause_of::<Self>(error).map(Self::again)
    }

    /// Returns a copy of the error without its source.
    pub(crate) fn again(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            hint: self.hint.clone(),
            unlocated: self.unlocated,
            source: None,
        }
    }

    /// Returns the error as text, from which [`carried_in`](Self::carried_in) restores it, even within other text.
    pub fn carried(&self) -> String {
        let carried = CarriedError {
            kind: self.kind,
            message: self.message.clone(),
            hint: self.hint.clone(),
            unlocated: self.unlocated,
        };
        let json = serde_json::to_vec(&carried).unwrap_or_default();
        // Hexadecimal digits are not changed when a process on the way quotes or escapes the text.
        let digits: String = json.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} [{CARRIED}{digits}]", self.message)
    }

    /// Restores the first error that another process wrote into `text` with [`carried`](Self::carried).
    pub fn carried_in(text: &str) -> Option<Self> {
        let (_, behind) = text.split_once(CARRIED)?;
        let end = behind.find(|character: char| !character.is_ascii_hexdigit());
        let digits = &behind[..end.unwrap_or(behind.len())];
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let json: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
        let carried: CarriedError = serde_json::from_slice(&json?).ok()?;
        Some(Self {
            hint: carried.hint,
            unlocated: carried.unlocated,
            ..Self::new(carried.kind, carried.message)
        })
    }

    /// Returns the library's own error within a failure of the query engine, or else an error for the failure.
    pub(crate) fn engine(error: DataFusionError) -> Self {
        if let Some(own) = Self::own(&error) {
            return own;
        }
        let root = error.find_root();
        if let DataFusionError::ResourcesExhausted(message) = root {
            return Self::new(
                ErrorKind::Io,
                format!("the query needs more memory or temporary disk than allowed: {message}"),
            )
            .hint(format!(
                "use fewer {}, or free space in the temporary folder",
                parameter("threads")
            ));
        }
        let (message, hint) = match failed_value(root) {
            Some((why, remedy)) => (
                format!("a value cannot be computed: {why}"),
                Some(remedy.to_owned()),
            ),
            None => {
                let Explained { message, hint } = explained(&root.strip_backtrace());
                (message, hint)
            }
        };
        let unlocated = match is_of_a_value(&error) {
            true => Unlocated::Value,
            false => Unlocated::Nothing,
        };
        Self {
            kind: ErrorKind::Data,
            message: said(&message),
            hint: hint.map(|hint| said(&hint)),
            unlocated,
            source: Some(Box::new(error)),
        }
    }
}

/// Lets an error of the library pass through closures that the engine calls. [`Error::own`] takes it out again.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// Returns whether an error of the engine may be due to a single value.
pub(crate) fn is_of_a_value(error: &DataFusionError) -> bool {
    let root = error.find_root();
    matches!(
        root,
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_)
    )
}

/// Returns what the engine could not compute, and how an expression can avoid it.
pub(crate) fn failed_value(error: &DataFusionError) -> Option<(String, &'static str)> {
    let DataFusionError::ArrowError(error, _) = error.find_root() else {
        return None;
    };
    match error.as_ref() {
        ArrowError::CastError(why) => Some((
            why.clone(),
            "TRY_CAST(… AS …) gives null instead of an error",
        )),
        ArrowError::DivideByZero => Some((
            "a division by zero".into(),
            "a divisor NULLIF(x, 0) gives null instead of an error",
        )),
        ArrowError::ArithmeticOverflow(why) => Some((
            why.clone(),
            "floating-point numbers hold more: CAST(x AS DOUBLE)",
        )),
        _ => None,
    }
}

/// Returns a message without secrets, as one line: a line break in a name or a value must not begin a line that looks like
/// another message.
fn said(text: &str) -> String {
    printable(redacted(text.trim_end()).as_str()).into_owned()
}

/// Returns the first error of type `T` among `error` and its causes.
#[must_use]
pub fn cause_of<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut cause = Some(error);
    loop {
        let current = cause?;
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        // `std::io::Error` does not report the error that it wraps as its source.
        cause = match current.downcast_ref::<std::io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as _),
            None => current.source(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_restored_from_the_text_of_another_process() {
        let error = Error::usage("`a\"b`: 100 % of ünusual\nlines").hint("say {\"x\"}");
        let text = format!("{:?}", format!("Job x failed: {:?}", error.carried()));
        let found = Error::carried_in(&text).expect("the error");
        assert_eq!(found.to_string(), error.to_string());
        assert_eq!(found.hint_text(), error.hint_text());
        assert_eq!(found.kind(), ErrorKind::Usage);
    }

    #[test]
    fn a_text_without_an_error_carries_none() {
        for text in [
            "",
            "honeyguide-error:",
            "honeyguide-error:7",
            "honeyguide-error:7b é",
            "Job failed",
        ] {
            assert!(Error::carried_in(text).is_none(), "{text}");
        }
    }
}
