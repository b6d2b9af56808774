//! Results that are written: files and tables that appear whole or not at all.

mod destination;
mod pending;
mod table;

pub use destination::Destination;
pub use pending::{PendingFile, create_folder};
pub use table::TableFormat;
pub(crate) use table::TableWriter;
