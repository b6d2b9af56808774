//! Models that are to replace that of a watch while it runs.

use std::fmt::{self, Debug, Formatter};
use std::sync::{Mutex, PoisonError};

use honeyguide::{Model, Result};

/// The newest model that is to replace that of a watch, or why there is none.
#[derive(Default)]
pub struct Models(Mutex<Option<Result<Model>>>);

impl Models {
    /// Offers a model, or the reason why the one that was meant cannot be read. The watch takes it between two batches.
    pub fn offer(&self, model: Result<Model>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(model);
    }

    /// Takes what was offered last.
    pub(crate) fn take(&self) -> Option<Result<Model>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Debug for Models {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Models")
    }
}
