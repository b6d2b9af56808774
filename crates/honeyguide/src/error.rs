//! One error type for the whole library: what went wrong, whose mistake it is, and what to do next.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use serde::{Deserialize, Serialize};

use crate::naming::{Named, parameter, quoted, resolved};

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose mistake an [`Error`] is. A program maps it to its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The call cannot work with these arguments, whatever the rows say: a path that matches nothing, a recipe that
    /// names a column which the data lacks, a parameter out of range.
    Usage,
    /// The data or a model file is not what it should be.
    Data,
    /// The operating system refused: permission, full disk, a file that went away.
    Io,
    /// A defect of honeyguide or of a library below it.
    Internal,
}

/// What an error is about of which the place is still to be found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Unlocated {
    /// Nothing: the place is known, or there is none.
    #[default]
    Nothing,
    /// A feature value that the forest cannot take.
    Feature,
    /// A label that is neither 0 nor 1.
    Label,
    /// A value that the engine could not compute.
    Value,
}

/// Stands before an error in another process's text.
const CARRIED: &str = "honeyguide-error:";

/// An [`Error`] as it goes from one process to another.
#[derive(Serialize, Deserialize)]
struct CarriedError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    unlocated: Unlocated,
}

/// What failed, where, and what to do next.
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
            message: message.into(),
            hint: None,
            unlocated: Unlocated::Nothing,
            source: None,
        }
    }

    /// A call that cannot work.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Data or a model file that is not what it should be.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// A refusal of the operating system while doing `what` with `path`.
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
            message: format!("cannot {what} {}: {error}", path.display()),
            hint,
            unlocated: Unlocated::Nothing,
            source: Some(Box::new(error)),
        }
    }

    /// A refusal of a store or a server.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, message)
    }

    /// The error of ours that passed through a reader, or `other` made of what it is instead.
    pub(crate) fn through_reader(
        error: std::io::Error,
        other: impl FnOnce(std::io::Error) -> Self,
    ) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => other(error),
        }
    }

    /// A defect: something that the code holds to be impossible.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message).hint(
            "this is a defect of honeyguide: please report it with the command line that showed it",
        )
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with `place` before its message. A feature fault stays as it is: its place is found later.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        if !self.is_feature_fault() {
            self.message = format!("{place}: {}", self.message);
        }
        self
    }

    /// Returns whose mistake it is.
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

    /// A feature value that the forest cannot take; which row it comes from is not known yet.
    pub(crate) fn feature_fault(feature: &str, why: &str) -> Self {
        Self {
            unlocated: Unlocated::Feature,
            ..Self::data(format!("feature `{feature}` {why}"))
        }
    }

    pub(crate) fn is_feature_fault(&self) -> bool {
        self.unlocated == Unlocated::Feature
    }

    /// A label that is neither 0 nor 1; which row has it is not known yet.
    pub(crate) fn label_fault(label: &str, found: &str) -> Self {
        Self {
            unlocated: Unlocated::Label,
            ..Self::data(format!("label `{label}` must be 0 or 1, found {found}"))
        }
    }

    pub(crate) fn is_label_fault(&self) -> bool {
        self.unlocated == Unlocated::Label
    }

    /// Returns whether the engine could not compute a value, at a row that is not known yet.
    pub(crate) fn is_evaluation_fault(&self) -> bool {
        self.unlocated == Unlocated::Value
    }

    /// The error of ours that passed through the engine, whatever the engine wrapped around it.
    pub fn own(error: &DataFusionError) -> Option<Self> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let own = loop {
            let current = cause?;
            if let Some(own) = current.downcast_ref::<Self>() {
                break own;
            }
            // An error within one of these is not its source but what it stands for.
            cause = match current.downcast_ref::<std::io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as _),
                None => current.source(),
            };
        };
        Some(own.again())
    }

    /// The same error once more, without what is behind it.
    pub(crate) fn again(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            hint: self.hint.clone(),
            unlocated: self.unlocated,
            source: None,
        }
    }

    /// The error as a text from which [`carried_in`](Self::carried_in) makes it again, whatever is written around it.
    pub fn carried(&self) -> String {
        let carried = CarriedError {
            kind: self.kind,
            message: self.message.clone(),
            hint: self.hint.clone(),
            unlocated: self.unlocated,
        };
        let json = serde_json::to_vec(&carried).unwrap_or_default();
        // Digits alone pass unchanged through whatever quotes and escapes a text on its way.
        let digits: String = json.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} [{CARRIED}{digits}]", self.message)
    }

    /// The first error that another process wrote into `text`.
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

    /// An error of the query engine that no diagnosis could explain better.
    pub(crate) fn engine(error: DataFusionError) -> Self {
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
            None => (first_line(&root.strip_backtrace()), None),
        };
        let unlocated = match is_of_a_value(&error) {
            true => Unlocated::Value,
            false => Unlocated::Nothing,
        };
        Self {
            kind: ErrorKind::Data,
            message,
            hint,
            unlocated,
            source: Some(Box::new(error)),
        }
    }
}

/// So that an error of ours can pass through a closure that the engine drives; `diagnose` takes it out again.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// Whether an error of the engine's may be about some value that it met.
pub(crate) fn is_of_a_value(error: &DataFusionError) -> bool {
    let root = error.find_root();
    matches!(
        root,
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_)
    )
}

/// What the engine could not compute, and how an expression gets around it.
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

/// The first line of a text of the engine's, which may go on with what only its makers need.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_text_of_another_process() {
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
