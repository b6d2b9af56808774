//! Output: files and tables that appear complete or not at all.

mod cells;
mod destination;
mod format;
mod pending;
mod table;

pub(crate) use cells::without_formulas;
pub use destination::Destination;
pub use format::TableFormat;
pub use pending::{PendingFile, create_folder};
pub(crate) use table::TableWriter;
