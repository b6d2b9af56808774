//! Errors of the library as Python's exceptions.

use honeyguide::{Error, ErrorKind, Named};
use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};

/// Returns the exception for an error, with its hint in a line of its own.
pub fn exception(error: &Error) -> PyErr {
    let mut text = error.message_as(written).into_owned();
    if let Some(hint) = error.hint_as(written) {
        text.push('\n');
        text.push_str(&hint);
    }
    match error.kind() {
        ErrorKind::Usage | ErrorKind::Data => PyValueError::new_err(text),
        ErrorKind::Io => PyOSError::new_err(text),
        ErrorKind::Internal => PyRuntimeError::new_err(text),
    }
}

/// Returns a name as Python's users know it.
pub fn written(named: Named) -> String {
    let (Named::Parameter(name) | Named::Command(name)) = named;
    format!("`{}`", name.replace('-', "_"))
}
