//! The native half of the Python package `honeyguide`. The package itself is in `honeyguide/`: its classes check
//! parameters and data in the ways of scikit-learn, and hand arrays of 64-bit floats to the classes of this library.
//!
//! All work runs without Python's global lock, on a thread pool of its own.

mod amount;
mod arrays;
#[cfg(feature = "pipeline")]
mod command;
mod errors;
mod forest;
#[cfg(feature = "pipeline")]
mod pipeline;
mod threads;
mod umap;
mod waiting;

use pyo3::prelude::*;

/// Classes and functions for the package's Python code, which users do not import.
#[pymodule(gil_used = false)]
mod _native {
    #[cfg(feature = "pipeline")]
    #[pymodule_export]
    use super::command::run_command;

    #[pymodule_export]
    use super::forest::Forest;

    #[pymodule_export]
    use super::umap::Embedding;

    #[cfg(feature = "pipeline")]
    #[pymodule_export]
    use super::pipeline::functions::{inspect_data, read_rows, sql, train};

    #[cfg(feature = "pipeline")]
    #[pymodule_export]
    use super::pipeline::model::TrainedModel;

    #[cfg(feature = "pipeline")]
    #[pymodule_export]
    use super::pipeline::runtime::set_num_threads;

    #[cfg(feature = "pipeline")]
    #[pymodule_export]
    use super::pipeline::table::Rows;

    /// The release of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
